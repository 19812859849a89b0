//! What becomes a job, and what is in it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;

use crate::{
    host::{Host, Reply},
    repository::{Files, Repository, git},
    world::{World, names, output, story},
};

/// A server that clones from one host, which does what Git does.
async fn honest(world: &mut World) -> Host {
    let host = Host::start(&world.repositories(), |_| Reply::Git).await;
    world.serve(&[&host.name()], &[]).await;
    host
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_default_branch_becomes_a_job() {
    story(async |world| {
        let repository = Repository::with(&world.repositories(), "shop", Files::default().file("old", "gone"));
        let files = Files::project().entry("100755", "mvnw", "#!/bin/sh\n").file("größe/日本.txt", "x");
        let commit = repository.commit("main", files);
        let host = honest(world).await;
        let answer = world.submit(&host.url("shop"), json!({})).await;
        let source = world.job(&answer).join("source");

        let body = &answer.body;
        let project = host.url("shop").trim_end_matches(".git").to_owned();
        assert_eq!((&body["status"], &body["execution_state"]), (&json!("ACCEPTED"), &json!("QUEUED")), "{body}");
        assert_eq!(
            (&body["project"], &body["branch"], &body["commit"]),
            (&json!(project), &json!("main"), &json!(commit))
        );
        assert_eq!((&body["source"]["kind"], &body["source"]["sha256"]), (&json!("git"), &json!(null)));
        assert_eq!(
            body["source"]["git"],
            json!({"url": project, "ref": null, "history": false, "default_branch": "main"})
        );
        assert_eq!(body["run_number"], 1);
        let written = fs::read_to_string(world.job(&answer).join("metadata.json")).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), *body);

        assert!(!source.join(".git").exists() && !source.join("old").exists());
        assert_eq!(fs::read(source.join("pom.xml")).unwrap(), fs::read(example("pom.xml")).unwrap());
        assert_eq!(fs::read_to_string(source.join("größe/日本.txt")).unwrap(), "x");
        assert_eq!(
            [mode(&source.join("mvnw")), mode(&source.join("pom.xml")), mode(&source.join("src"))],
            [0o755, 0o644, 0o755]
        );
        let mut job = names(&world.job(&answer));
        job.sort();
        assert_eq!(job, ["metadata.json", "pipelines", "source", "state.json", "wishes"], "nothing of the clone stays");
        let asked: Vec<_> = host.asked().into_iter().map(|asked| asked.method).collect();
        assert_eq!(asked, ["GET", "POST"]);

        let again = world.submit(project.as_str(), json!({"project": "mine", "branch": "b", "ref": "main"})).await;
        assert_eq!(
            (again.status, &again.body["run_number"]),
            (201, &json!(2)),
            "the same project, however it is written"
        );
        assert_eq!(again.body["branch"], "main");
        let warnings = again.body["warnings"].to_string();
        assert!(warnings.contains("`project` was ignored") && warnings.contains("`branch` was ignored"), "{warnings}");
    });
}

fn example(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/spring-boot-maven").join(name)
}

#[test]
fn a_branch_a_tag_or_a_commit_can_be_asked_for() {
    story(async |world| {
        let repository = Repository::new(&world.repositories(), "shop");
        let version = |text: &str| Files::project().file("version", text);
        let first = repository.commit("main", version("first"));
        let second = repository.commit("main", version("second"));
        repository.git(&["tag", "light", &first]);
        repository.git(&["tag", "-a", "-m", "m", "v1.0", &first]);
        let third = repository.commit("main", version("third"));
        let other = repository.commit("feature/größe", version("other"));
        // Deep enough for Git's own files, which have a name of 255 bytes at most.
        let long = format!("gro\u{308}\u{df}e/{}/{}", "n".repeat(150), "m".repeat(150));
        for name in ["refactor-🍌", &long, &first] {
            repository.git(&["update-ref", &format!("refs/heads/{name}"), &other]);
        }
        repository.git(&["tag", "twice", &first]);
        repository.git(&["update-ref", "refs/heads/twice", &third]);
        repository.git(&["config", "uploadpack.allowReachableSHA1InWant", "true"]);
        repository.git(&["config", "uploadpack.allowFilter", "true"]);
        let host = honest(world).await;
        for (asked, commit, branch, content) in [
            ("main", &third, json!("main"), "third"),
            ("HEAD", &third, json!("main"), "third"),
            ("refs/heads/main", &third, json!("main"), "third"),
            ("refactor-🍌", &other, json!("refactor-🍌"), "other"),
            (&long, &other, json!(long), "other"),
            ("feature/größe", &other, json!("feature/größe"), "other"),
            ("light", &first, json!(null), "first"),
            ("v1.0", &first, json!(null), "first"),
            (&second, &second, json!(null), "second"),
            (&first, &first, json!(null), "first"),
            ("twice", &third, json!("twice"), "third"),
            ("refs/tags/twice", &first, json!(null), "first"),
            (&second[..9], &second, json!(null), "second"),
            (&third[..9].to_uppercase(), &third, json!(null), "third"),
        ] {
            let answer = world.submit(&host.url("shop"), json!({"ref": asked})).await;
            let source = world.job(&answer).join("source");
            assert_eq!(fs::read_to_string(source.join("version")).unwrap(), content, "{asked}");
            assert_eq!((&answer.body["commit"], &answer.body["branch"]), (&json!(commit), &branch), "{asked}");
            assert_eq!(answer.body["source"]["git"]["ref"], asked);
            let told = answer.body["warnings"].to_string().contains(&format!("refs/heads/{asked}` names"));
            assert_eq!(told, asked == "twice" || asked == first, "{answer:?}");
        }
        let none = world.submit(&host.url("shop"), json!({"ref": "abcdef0"})).await;
        assert_eq!(none.rule(), "422 git-ref-not-found -");
        let none = world.submit(&host.url("shop"), json!({"ref": "0".repeat(40)})).await;
        assert_eq!(none.rule(), "422 git-host-refuses -", "{none:?}");
    });
}

/// Steps for what changed since the default branch, for a tag, and for the default branch itself.
const MONOREPO: &str = "\
default: {image: scan}
web: {script: test, rules: [{changes: {paths: ['web/**'], compare_to: $CI_DEFAULT_BRANCH}}]}
api: {script: test, rules: [{changes: {paths: ['api/**'], compare_to: refs/heads/main}}]}
tagged: {script: test, rules: [{if: $CI_COMMIT_TAG == 'v1'}]}
default-branch: {script: test, rules: [{if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH}]}
";

#[test]
fn rules_know_what_changed_the_tag_and_the_default_branch() {
    story(async |world| {
        let repository = Repository::new(&world.repositories(), "shop");
        let files = |web: &str, api: &str| {
            let files = Files::default().file(".pipelinex.yml", MONOREPO);
            files.file("web/page/a.js", web).file("api/main.go", api)
        };
        let base = repository.commit("main", files("1", "1"));
        repository.git(&["update-ref", "refs/heads/topic", &base]);
        repository.commit("topic", files("2", "1"));
        // What main went on to change is no change of the branch.
        repository.commit("main", files("1", "2"));
        repository.git(&["tag", "v1", "refs/heads/topic"]);
        repository.git(&["config", "uploadpack.allowReachableSHA1InWant", "true"]);
        repository.git(&["config", "uploadpack.allowFilter", "true"]);
        let host = Host::start(&world.repositories(), |_| Reply::Git).await;
        world.serve(&[&host.name()], &["--own-pipelines", "all"]).await;
        for (asked, expected) in [("topic", "web"), ("v1", "web tagged"), ("main", "default-branch")] {
            let answer = world.submit(&host.url("shop"), json!({"ref": asked})).await;
            let plan = fs::read_to_string(world.job(&answer).join("pipelines/plan.json")).unwrap();
            let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
            let steps = plan["pipeline"]["steps"].as_array().unwrap();
            let names: Vec<_> = steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
            assert_eq!(names.join(" "), expected, "{asked}: {answer:?}");
            assert_eq!(answer.body["source"]["git"]["default_branch"], "main");
        }
        let wrong = MONOREPO.replace("refs/heads/main", "refs/heads/gone");
        repository.commit("wrong", Files::default().file(".pipelinex.yml", wrong));
        let refused = world.submit(&host.url("shop"), json!({"ref": "wrong"})).await;
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(refused.body.to_string().contains("no ref `refs/heads/gone`"), "{refused:?}");
    });
}

#[test]
fn a_host_that_gives_out_branches_only_says_so() {
    story(async |world| {
        let repository = Repository::new(&world.repositories(), "shop");
        let old = repository.commit("main", Files::project());
        let tip = repository.commit("main", Files::project().file("new", "x"));
        let host = honest(world).await;
        for asked in [&old, &old[..9]] {
            let answer = world.submit(&host.url("shop"), json!({"ref": asked})).await;
            assert_eq!(answer.rule(), "422 git-commit-not-served -", "{asked}");
        }
        let answer = world.submit(&host.url("shop"), json!({"ref": tip})).await;
        assert_eq!((answer.status, &answer.body["commit"]), (201, &json!(tip)));
    });
}

#[test]
fn the_history_stays_for_the_scan_that_reads_it() {
    story(async |world| {
        let repository = Repository::new(&world.repositories(), "shop");
        let first = repository.commit("main", Files::project().file("secret.txt", "the old secret"));
        let second = repository.commit("main", Files::project());
        let host = honest(world).await;
        let history = |more: serde_json::Value| {
            let mut switches = json!({"run_build": true, "secret_scan_mode": "git"});
            switches.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"pipeline": switches})
        };
        let answer = world.submit(&host.url("shop"), history(json!({"run_secret_scan": true}))).await;
        let source = world.job(&answer).join("source");
        assert_eq!(answer.body["source"]["git"]["history"], true);
        assert!(!source.join("secret.txt").exists());

        let log = output(&mut git(&source, &["log", "--format=%H"]));
        assert_eq!(log, format!("{second}\n{first}"));
        assert!(output(&mut git(&source, &["log", "-p"])).contains("-the old secret"));
        assert_eq!(output(&mut git(&source, &["fsck", "--full", "--no-dangling"])), "");
        assert_eq!(output(&mut git(&source, &["symbolic-ref", "HEAD"])), "refs/heads/main");
        let mut inside = names(&source.join(".git"));
        inside.sort();
        assert_eq!(inside, ["HEAD", "config", "objects", "packed-refs", "refs"], "no hook, nothing of the host's");
        let config = fs::read_to_string(source.join(".git/config")).unwrap();
        assert_eq!(config, "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n");

        let at_a_commit = history(json!({"run_secret_scan": true}));
        let mut request = at_a_commit.as_object().unwrap().clone();
        request.insert("ref".to_owned(), json!(second));
        let answer = world.submit(&host.url("shop"), request.into()).await;
        let source = world.job(&answer).join("source");
        assert_eq!(fs::read_to_string(source.join(".git/HEAD")).unwrap(), format!("{second}\n"));
        assert!(output(&mut git(&source, &["log", "-p"])).contains("-the old secret"));

        let unselected = world.submit(&host.url("shop"), history(json!({}))).await;
        assert!(!world.job(&unselected).join("source/.git").exists(), "no stage reads it");
    });
}

#[test]
fn links_submodules_and_pointers_stay_what_they_are() {
    story(async |world| {
        let files = Files::project()
            .link("current", "src/main")
            .link("src/up", "../pom.xml")
            .link("dangling", "none")
            .entry("160000", "libs/sub", "1".repeat(40))
            .file(
                ".gitmodules",
                "[submodule \"sub\"]\n\tpath = libs/sub\n\turl = https://localhost:1/x\n\tupdate = !touch x\n",
            )
            .file(".gitattributes", "*.txt filter=lfs ident export-subst eol=crlf\n")
            .file("big.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
            .file("id.txt", "$Id$\n");
        Repository::with(&world.repositories(), "shop", files);
        let host = honest(world).await;
        let answer = world.submit(&host.url("shop"), json!({})).await;
        let source = world.job(&answer).join("source");
        assert_eq!(answer.body["status"], "ACCEPTED_WITH_ISSUES");
        let warnings = answer.body["warnings"].to_string();
        assert!(
            warnings.contains("submodules are not fetched: 1 folders are empty, the first is libs/sub"),
            "{warnings}"
        );
        assert!(
            warnings.contains("Git LFS is not fetched: 1 files are only pointers, the first is big.txt"),
            "{warnings}"
        );
        assert_eq!(fs::read_link(source.join("src/up")).unwrap(), Path::new("../pom.xml"));
        assert_eq!(fs::read_link(source.join("dangling")).unwrap(), Path::new("none"));
        assert_eq!(names(&source.join("libs/sub")), Vec::<String>::new());
        assert_eq!(fs::read(source.join("id.txt")).unwrap(), b"$Id: 055c8729cdcc372500a08db659c045e16c4409fb $\r\n");
        assert_eq!(host.asked().len(), 2);
    });
}

/// What is written is what Git itself writes on Linux, byte for byte.
#[test]
fn attributes_and_names_come_out_as_with_git() {
    story(async |world| {
        let text = "one\ntwo\r\nthree $Id$ $Id: old $ $Id: x.c,v 1.2 $\n";
        let attributes = "* text=auto\n*.bat text eol=crlf\n*.auto eol=crlf\n*.bin -text eol=crlf\n*.id ident\n\
            [attr]dos text eol=crlf ident\n*.cmd dos\n/top.txt eol=crlf text\n*.old crlf eol=crlf\n\"a b\" eol=crlf\n";
        let mut files = Files::project().file(".gitattributes", attributes);
        files = files.file("sub/.gitattributes", "*.bat -text\n*.txt eol=crlf\nx/**/y eol=crlf\n");
        for name in
            ["a.bat", "a.bin", "a.id", "a.cmd", "top.txt", "a.old", "a b", "sub/a.bat", "sub/top.txt", "sub/x/z/y"]
        {
            files = files.file(name, text);
        }
        files = files.file("lf.auto", "one\ntwo\n").file("nul.auto", "one\0\ntwo\n").file("cr.auto", "one\r\ntwo\n");
        for name in ["con/aux.sql", "a:b", "back\\slash", "dot.", "README", "readme", "👩\u{200d}💻"] {
            files = files.file(name, name);
        }
        let repository = Repository::with(&world.repositories(), "shop", files);
        let host = honest(world).await;
        let answer = world.submit(&host.url("shop"), json!({})).await;
        let source = world.job(&answer).join("source");
        let warnings = answer.body["warnings"].to_string();
        assert!(warnings.contains("differ only in upper and lower case, `README` and `readme`"), "{warnings}");

        let reference = world.path("reference");
        let from = repository.path("").to_str().unwrap().to_owned();
        output(&mut git(&world.path(""), &["clone", "--quiet", &from, reference.to_str().unwrap()]));
        fs::remove_dir_all(reference.join(".git")).unwrap();
        output(std::process::Command::new("diff").arg("-r").arg(&reference).arg(&source));
    });
}

#[test]
fn another_encoding_is_told_as_it_is_for_lfs() {
    story(async |world| {
        let files = Files::project()
            .file(".gitattributes", "*.rc working-tree-encoding=UTF-16LE eol=crlf\n")
            .file("app.rc", "größe\n");
        Repository::with(&world.repositories(), "shop", files);
        let host = honest(world).await;
        let answer = world.submit(&host.url("shop"), json!({})).await;
        let warnings = answer.body["warnings"].to_string();
        assert!(
            warnings.contains("working-tree-encoding is not done: 1 files") && warnings.contains("app.rc"),
            "{warnings}"
        );
    });
}

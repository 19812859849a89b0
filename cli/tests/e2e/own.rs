//! Pipelines that projects bring themselves, here and on a server: the examples of the repository, as a person runs them.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use pipelinex_common::execution::{Execution, StepRecord};
use serde_json::{Value, json};

use crate::world::{Said, World, names, story, text};

/// The examples name public images; a story runs them in those that are there.
const IMAGES: &str =
    "alpine:3.22=pipelinex/base:bookworm,postgres:17=pipelinex/postgres:15,python:3.13-slim=pipelinex/python3.13:1";

fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/pipelines").join(name)
}

async fn run(world: &World, name: &str, more: &[&str]) -> Said {
    let path = example(name);
    world.run(&[&["run", path.to_str().unwrap(), "--images", IMAGES], more].concat()).await
}

/// The folder of the latest run, and how it ended.
fn latest(world: &World) -> (PathBuf, Execution) {
    let mut jobs: Vec<String> = names(&world.workspaces).into_iter().filter(|name| !name.starts_with('.')).collect();
    jobs.sort();
    let folder = world.workspaces.join(jobs.pop().unwrap());
    let end = serde_json::from_str(&text(folder.join("final.json"))).unwrap();
    (folder, end)
}

/// How each step ended, with its reason.
fn ends(end: &Execution) -> String {
    let steps = end.stages.values().flat_map(|stage| stage.steps.values());
    let told = steps.map(|step| {
        let reason = step.reason.map(|reason| format!("({reason})")).unwrap_or_default();
        format!("{}={}{reason}", step.name, step.status)
    });
    told.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_projects_own_pipeline_runs_here_and_on_a_server_that_lets_it() {
    story(async |world| {
        here(world).await;
        one_step_alone(world).await;
        on_a_server(world).await;
    });
}

async fn here(world: &World) {
    let ran = run(world, "diamond", &["--follow"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let (folder, end) = latest(world);
    assert_eq!(ends(&end), "words=SUCCESS count=SUCCESS sort=SUCCESS report=SUCCESS");
    assert_eq!(text(folder.join("artifacts/report/report.txt")).replace(' ', ""), "3\none\nthree\ntwo\n");
    let steps = |name: &str| end.stages.values().flat_map(|stage| stage.steps.values()).find(|step| step.name == name);
    let (words, count) = (steps("words").unwrap(), steps("count").unwrap());
    assert!(words.finished_at <= count.started_at, "what is needed has ended first");
    assert!(ran.out.contains("words  ┃ $ printf"), "{}", ran.out);

    let ran = run(world, "matrix", &[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let (_, end) = latest(world);
    let matrix = ["linux, small", "linux, large", "windows, small", "windows, large"];
    let built: Vec<String> = matrix.iter().map(|values| format!("build: [{values}]=SUCCESS")).collect();
    assert_eq!(ends(&end), format!("{} try linux=SUCCESS", built.join(" ")));

    for (more, shipped) in [
        (&[][..], "snapshot to staging\n"),
        (&["-e", "RELEASE=1.2", "-e", "TARGET=production"], "release 1.2 to production\n"),
    ] {
        let ran = run(world, "rules", more).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(text(latest(world).0.join("artifacts/ship/shipped.txt")), shipped);
    }
    let refused = run(world, "rules", &["-e", "TARGET=production"]).await;
    assert!(refused.code == 4 && refused.err.contains("`workflow: rules` lets no pipeline run here"), "{refused:?}");
    assert_eq!(run(world, "after-script", &[]).await.code, 0);

    retry(world).await;
    for (channel, more) in [("nightly", &[][..]), ("beta", &["-e", "CHANNEL=beta", "-e", "EXPECTED=beta"])] {
        let ran = run(world, "dotenv", more).await;
        assert_eq!(ran.code, 0, "{channel}: {ran:?}");
        let left = text(latest(world).0.join("reports/build/dotenv.env"));
        assert_eq!(left, "CHANNEL=nightly\nVERSION=1.2.4\n", "{channel}: what a step left stays what it left");
    }

    cache(world).await;
    resource_group(world).await;
    secrets(world).await;
    by_hand(world).await;
    services(world).await;
    let ran = run(world, "include", &[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        (ran.code, ends(&latest(world).1).as_str()),
        (0, "hello=SUCCESS goodbye=SUCCESS check=SUCCESS"),
        "{ran:?}"
    );

    let ran = run(world, "allow-failure", &[]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(
        ends(&latest(world).1),
        "flaky=FAILED(script_failure) build=SUCCESS broken=FAILED(script_failure) after a failure=SUCCESS always=SUCCESS \
         ship=SKIPPED(dependency_failed)"
    );
    assert!(ran.out.contains("failed: broken: the script ended with code 7\n  ┃ $ exit 7\n"), "{}", ran.out);
    assert!(ran.err.contains("run only this again: pipelinex run") && ran.err.contains("--step broken"), "{}", ran.err);
}

/// A step that passes in its second try, whose artifacts count; and one whose code is none to try again for.
async fn retry(world: &World) {
    let ran = run(world, "retry", &["--follow"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let (folder, end) = latest(world);
    assert_eq!(ends(&end), "fetch=SUCCESS use=SUCCESS broken=FAILED(script_failure)");
    let fetch = &end.stages["build"].steps[0];
    let first: Vec<_> = fetch.tries.iter().map(|over| (over.number, over.exit_code)).collect();
    assert_eq!((fetch.number, first), (Some(2), vec![(1, Some(75))]));
    assert_eq!(text(folder.join("artifacts/fetch/fetched.txt")), "try 2\n");
    assert!(text(folder.join("logs/use.log")).ends_with("\ntry 2\n"));
    assert!(ran.out.contains("try 1: the script ended with code 75; try 2 follows"), "{}", ran.out);
    // Each try was followed, the second from its own beginning.
    assert_eq!(ran.out.matches("fetch  ┃ $ echo \"try $PIPELINEX_TRY\" > fetched.txt").count(), 2, "{}", ran.out);
}

/// Of two runs at once one deploys after the other.
async fn resource_group(world: &World) {
    let (one, other) = tokio::join!(run(world, "resource-group", &[]), run(world, "resource-group", &[]));
    assert_eq!((one.code, other.code), (0, 0), "{one:?} {other:?}");
    let mut jobs: Vec<String> = names(&world.workspaces).into_iter().filter(|name| !name.starts_with('.')).collect();
    jobs.sort();
    let mut times: Vec<_> = jobs[jobs.len() - 2..]
        .iter()
        .map(|job| {
            let end: Execution = serde_json::from_str(&text(world.workspaces.join(job).join("final.json"))).unwrap();
            let deploy = end.stages["deploy"].steps[0].clone();
            (deploy.started_at.unwrap(), deploy.finished_at.unwrap())
        })
        .collect();
    times.sort();
    assert!(times[0].1 <= times[1].0, "both at once: {times:?}");
}

/// A secret reaches a script as it is, and nothing else: no file of the folder, no list of processes, and no log in any form of it.
async fn secrets(world: &World) {
    const VALUE: &str = "it's a $ecret/with+signs";
    let project = world.path("secretive");
    fs::create_dir(&project).unwrap();
    let script = "tell:\n  image: alpine:3.22\n  artifacts: {reports: {junit: report.xml}}\n  script:\n    - |\n      : look\n      \
        [ \"$KEY\" = \"it's a \\$ecret/with+signs\" ] || exit 3\n      \
        case $(cat /proc/[0-9]*/cmdline | tr '\\0' ' ') in *\"$KEY\"*) exit 4 ;; esac\n      \
        [ -z \"$(cat)\" ] || exit 5\n      \
        printf 'split: %.7s' \"$KEY\"; sleep 0.2; printf '%s\\n' \"${KEY#???????}\"\n      \
        printf %s \"x$KEY\" | base64\n      \
        echo 'https://x/?q=it%27s%20a%20%24ecret%2Fwith%2Bsigns'\n      \
        echo \"<testsuite name='t' tests='1' failures='1'><testcase name='c'><failure message='not &quot;$KEY&quot;'/></testcase></testsuite>\" >report.xml\n  \
        after_script:\n    - echo \"after $KEY\"\n";
    fs::write(project.join(".pipelinex.yml"), script).unwrap();
    let file = world.path("secrets.env");
    fs::write(&file, format!("KEY={VALUE}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let more =
        ["run", project.to_str().unwrap(), "--images", IMAGES, "--follow", "--secrets-file", file.to_str().unwrap()];
    let refused = world.run(&more).await;
    assert!(refused.code == 64 && refused.err.contains("chmod 600"), "{refused:?}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let ran = world.run(&more).await;
    let (folder, end) = latest(world);
    let log = text(folder.join("logs/tell.log"));
    // The report has a failed test: the script itself came to its end.
    let step = end.stages.values().flat_map(|stage| stage.steps.values()).next().unwrap();
    assert_eq!((ran.code, step.exit_code), (1, Some(0)), "{ran:?}{log}");
    for line in ["split: [MASKED]\n", "https://x/?q=[MASKED]\n", "after [MASKED]\n"] {
        assert!(log.contains(line) && ran.out.contains(line.trim_end()), "{line}: {log}");
    }
    assert_eq!(log.matches("[MASKED]").count(), 4, "{log}");
    assert!(text(folder.join("final.json")).contains("[MASKED]"), "what a test says");
    let shown = format!("{}{}", ran.out, ran.err);
    for form in [VALUE, "with+signs", "with%2Bsigns", "c2lnbnM"] {
        assert!(!shown.contains(form), "{form}: {shown}");
        // Its pipeline has the value, written out by whoever wrote this test.
        let found = Command::new("grep")
            .args(["-rlF", "--exclude-dir=source", "--exclude-dir=pipelines", form])
            .arg(&world.workspaces)
            .output();
        let found = String::from_utf8(found.unwrap().stdout).unwrap();
        assert!(found.is_empty(), "{form} is in {found}");
    }
}

/// The second run finds what the first kept, and nothing of a step that failed.
async fn cache(world: &World) {
    let told = |step: &StepRecord| {
        let caches = step.caches.iter();
        let told = caches.map(|cache| format!("{} {}", cache.restored.is_some(), cache.saved));
        told.collect::<Vec<_>>().join(", ")
    };
    for (how, fetch) in [("fetched", "false true, false true"), ("kept", "true true, true true")] {
        let ran = run(world, "cache", &[]).await;
        assert_eq!(ran.code, 0, "{how}: {ran:?}");
        let (folder, end) = latest(world);
        assert_eq!(ends(&end), "fetch=SUCCESS broken=FAILED(script_failure) look=SUCCESS");
        assert_eq!(text(folder.join("artifacts/fetch/how.txt")).trim(), how);
        let steps: Vec<&StepRecord> = end.stages.values().flat_map(|stage| stage.steps.values()).collect();
        assert_eq!([told(steps[0]), told(steps[1]), told(steps[2])], [fetch, "false false", "false false"], "{how}");
    }
    // Lock file and so key are others: the one before is no cache of it.
    let project = world.path("other-goods");
    fs::create_dir(&project).unwrap();
    fs::copy(example("cache").join(".pipelinex.yml"), project.join(".pipelinex.yml")).unwrap();
    fs::write(project.join("goods.lock"), "cake 2.0\n").unwrap();
    let ran = world.run(&["run", project.to_str().unwrap(), "--images", IMAGES]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(text(latest(world).0.join("artifacts/fetch/how.txt")), "fetched\n");
    let kept = world.run(&["gc", "--dry-run", "--cache-size", "1"]).await;
    assert!(
        kept.code == 0 && kept.out.contains("cache: tool") && kept.out.contains("more than --cache-size"),
        "{kept:?}"
    );
}

/// Steps that are started by hand, or later: left out here, or started with the run; on a server this is the worker's own story.
async fn by_hand(world: &World) {
    let ran = run(world, "manual", &[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let left_out = "build=SUCCESS production=SKIPPED(manual_not_run) preview=SKIPPED(manual_not_run) tell=SKIPPED(dependency_failed)";
    assert_eq!(ends(&latest(world).1), left_out);
    assert!(ran.err.contains("production is started by hand, and was left out; with it: pipelinex run"), "{}", ran.err);
    let ran = run(world, "manual", &["--play", "production"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ends(&latest(world).1).ends_with("production=SUCCESS preview=SKIPPED(manual_not_run) tell=SUCCESS"));
    let unknown = run(world, "manual", &["--play", "build"]).await;
    assert!(unknown.code == 64 && unknown.err.contains("these are: production, preview"), "{unknown:?}");
    let ran = run(world, "delayed", &[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!((ran.code, ends(&latest(world).1).as_str()), (0, "start=SUCCESS look=SUCCESS"), "{ran:?}");
}

/// A database and a web server beside a step; and one that cannot start, which is told with its last words.
async fn services(world: &World) {
    let ran = run(world, "services", &[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let (folder, end) = latest(world);
    assert_eq!(ends(&end), "database=SUCCESS alone=SUCCESS");
    assert_eq!(text(folder.join("artifacts/database/goods.txt")), "cake\ntea\nHTTP/1.0 200 OK\n");
    assert!(text(folder.join("reports/test/database/service-postgres.log")).contains("ready to accept connections"));
    assert!(text(folder.join("reports/test/database/service-files.log")).contains("GET / HTTP/1.0"));

    let project = world.path("no-service");
    fs::create_dir(&project).unwrap();
    let pipeline = "a:\n  image: postgres:17\n  services: [{name: 'postgres:17', alias: db}]\n  script: exit 3\n";
    fs::write(project.join(".pipelinex.yml"), pipeline).unwrap();
    let ran = world.run(&["run", project.to_str().unwrap(), "--images", IMAGES]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let (_, end) = latest(world);
    let step = end.stages.values().flat_map(|stage| stage.steps.values()).next().unwrap();
    let told = step.warnings.join("\n");
    assert!(
        told.contains("the service db ended with code 1 before the step did") && told.contains("POSTGRES_PASSWORD"),
        "{told}"
    );
}

async fn one_step_alone(world: &World) {
    let ran = run(world, "allow-failure", &["--step", "build", "--step", "always"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ends(&latest(world).1), "build=SUCCESS always=SUCCESS");
    let ran = run(world, "diamond", &["--step", "count", "--needs"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!((ran.code, ends(&latest(world).1).as_str()), (0, "words=SUCCESS count=SUCCESS"));
}

async fn on_a_server(world: &mut World) {
    let path = example("after-script");
    let path = path.to_str().unwrap();
    let server = world.serve(&["serve", "--images", IMAGES]).await;
    let address = server.url("");
    let refused = world.run(&["submit", path, "--server", &address]).await;
    assert!(refused.code == 4 && refused.err.contains("own-pipeline-off"), "{refused:?}");
    let submitted = world.run(&["submit", path, "--server", &address, "--without-own-pipeline", "--wait"]).await;
    assert!(submitted.code == 0 && submitted.err.contains("SECRETS"), "{submitted:?}");
    server.process.stop().await;

    let server = world.serve(&["serve", "--images", IMAGES, "--own-pipelines", "all", "--require", "secrets"]).await;
    let address = server.url("");
    let submitted = world.run(&["submit", path, "--server", &address, "--wait", "--json"]).await;
    assert_eq!(submitted.code, 0, "{submitted:?}");
    let (folder, end) = latest(world);
    assert_eq!(ends(&end), "work=SUCCESS SECRETS=SUCCESS");
    let plan: Value = serde_json::from_str(&text(folder.join("pipelines/plan.json"))).unwrap();
    assert_eq!((&plan["file"], plan["pipeline"]["steps"].as_array().unwrap().len()), (&json!(".pipelinex.yml"), 1));

    // A file that cannot be read is told with its line, also by a server.
    let bad = world.path("bad");
    fs::create_dir(&bad).unwrap();
    fs::write(bad.join(".pipelinex.yml"), "unit:\n  image: alpine\n  scirpt: x\n").unwrap();
    let refused = world.run(&["submit", bad.to_str().unwrap(), "--server", &address]).await;
    assert!(
        refused.err.contains(".pipelinex.yml:3:3: unknown key `scirpt`")
            && refused.err.contains("did you mean `script`?"),
        "{refused:?}"
    );
    // So is an image that is not let in, before there is a job.
    fs::write(bad.join(".pipelinex.yml"), "unit:\n  script: x\n  image: nobody/knows:1\n").unwrap();
    let refused = world.run(&["submit", bad.to_str().unwrap(), "--server", &address]).await;
    let told = ".pipelinex.yml:3:10: step unit needs the image nobody/knows:1, which this server does not let in";
    assert!(refused.code == 4 && refused.err.contains(told), "{refused:?}");
    server.process.stop().await;
}

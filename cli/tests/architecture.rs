//! The rules of the house, held against the source: who may use which library, who may write a job's files, what is pure.
//! ARCHITECTURE.md says why.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The product's own source: path from the root of the repository, and text without tests and comments.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for part in ["findings/src", "common/src", "backend/src", "worker/src", "cli/src"] {
        collect(&root.join(part), &mut files);
    }
    assert!(files.len() > 50, "the source was found");
    let text = |path: &PathBuf| {
        let whole = fs::read_to_string(path).unwrap();
        // Tests in a file of their own are named at the top; those in this one stand at its end.
        let whole = whole.replace("#[cfg(test)]\nmod tests;\n", "");
        let product = whole.split("#[cfg(test)]").next().unwrap_or_default();
        product.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    };
    files.iter().map(|path| (path.strip_prefix(root).unwrap().display().to_string(), text(path))).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "testing" && name != "tests" {
            collect(&path, files);
        } else if name.ends_with(".rs") && !name.contains("tests") {
            files.push(path);
        }
    }
}

/// Only files whose path begins with one of `homes` may contain `word`.
fn only_in(word: &str, homes: &[&str]) {
    let elsewhere =
        |(path, text): &(String, String)| text.contains(word) && !homes.iter().any(|home| path.starts_with(home));
    let found: Vec<String> = sources().into_iter().filter(elsewhere).map(|(path, _)| path).collect();
    assert!(found.is_empty(), "{word} belongs into {homes:?}, and stands in {found:?}");
}

#[test]
fn each_library_has_one_home() {
    only_in("axum::", &["backend/src/"]);
    only_in("bollard::", &["worker/src/engine/"]);
    only_in("apalis", &["common/src/queue/", "worker/src/consumer.rs"]);
    only_in("redis::", &["common/src/queue/"]);
    only_in("multer::", &["backend/src/"]);
    only_in("prometheus_client", &["backend/src/metrics"]);
    // Only the process that clones speaks to libgit2.
    only_in("git2::", &["backend/src/intake/git/child"]);
}

/// Cargo refuses a workspace of which a member is missing: an image that compiles the program has to be given all of them.
#[test]
fn images_are_built_of_the_whole_workspace() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let manifest = read("Cargo.toml");
    let members = manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
    let members: Vec<&str> = members.split(',').map(|member| member.trim().trim_matches('"')).collect();
    assert!(members.contains(&"cli"), "{members:?}");
    for ignored in ["Dockerfile.dockerignore", "runner-images/wrapper/Dockerfile.dockerignore"] {
        let given = read(ignored);
        for member in members.iter().chain(&["Cargo.toml", "Cargo.lock", ".cargo"]) {
            assert!(given.lines().any(|line| line == format!("!{member}")), "{ignored} leaves {member} out");
        }
    }
}

/// What answers everybody alike: whether the server lives, its own style and script, and pages that say nothing of a job.
const ANSWERS_EVERYBODY: [&str; 13] = [
    "incoming::take",
    "login::form",
    "login::sign_in",
    "login::sign_out",
    "health::health",
    "health::ready",
    "assets::asset",
    "home::list",
    "lines::lines",
    "openapi::document",
    "api_page::page",
    "book::contents",
    "book::page",
];

/// A tag may name another image tomorrow, and two places that pin one tag must mean the same image.
#[test]
fn public_images_are_pinned_by_digest() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files: Vec<PathBuf> = fs::read_dir(root.join("runner-images"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("Dockerfile"))
        .collect();
    files.retain(|file| file.exists());
    files.extend(
        ["Dockerfile", "docker-compose.yml", "docker-compose.socket-proxy.yml", "runner-images/versions.env"]
            .map(|name| root.join(name)),
    );
    let mut digests = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            for word in line.split(|c: char| c.is_whitespace() || "={}\"".contains(c)) {
                let Some((name, digest)) = word.rsplit(":-").next().unwrap_or(word).split_once("@sha256:") else {
                    continue;
                };
                assert!(
                    digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()),
                    "{}: {line}",
                    file.display()
                );
                let first = digests.entry(name.to_owned()).or_insert_with(|| digest.to_owned());
                assert_eq!(first, digest, "{name} is two images: {}", file.display());
            }
            let public = ["debian:", "rust:", "redis:7", "ghcr.io/", "tecnativa/"];
            let pinned = public.iter().all(|name| line.matches(name).count() <= line.matches("@sha256:").count());
            assert!(pinned, "{}: no digest: {line}", file.display());
        }
    }
    assert!(digests.len() >= 8, "{digests:?}");
}

/// Who asks is in the words of every handler, and only the extractor makes one: a job is given to nobody without.
#[test]
fn every_handler_knows_who_asks() {
    let sources = sources();
    let text = |path: &str| &sources.iter().find(|(known, _)| known == path).unwrap().1;
    let mut handlers = Vec::new();
    for part in ["routes", "pages"] {
        let table = text(&format!("backend/src/{part}/mod.rs"));
        for method in ["get(", "post("] {
            for (at, _) in table.match_indices(method).filter(|(at, _)| table[..*at].ends_with([' ', '.'])) {
                let (_, name) = table[at + method.len()..].split(')').next().unwrap().rsplit_once(", ").unwrap();
                let (module, function) = name.split_once("::").unwrap_or_else(|| panic!("{part}: {name}"));
                let file = text(&format!("backend/src/{part}/{module}.rs"));
                let begin = file.find(&format!("pub async fn {function}(")).unwrap_or_else(|| panic!("{name}"));
                let taken = file[begin..].split(") ->").next().unwrap();
                handlers.push((name.to_owned(), taken.contains(": Principal")));
            }
        }
    }
    assert!(handlers.len() > 20, "{handlers:?}");
    let blind = handlers.iter().filter(|(_, knows)| !knows).map(|(name, _)| name.as_str());
    let blind: Vec<&str> = blind.filter(|name| !ANSWERS_EVERYBODY.contains(name)).collect();
    assert!(blind.is_empty(), "these take no Principal: {blind:?}");
    let made = |(path, text): &&(String, String)| text.contains("Principal {") && path != "backend/src/access.rs";
    assert_eq!(sources.iter().find(made).map(|(path, _)| path), None, "only the extractor says who asks");
    // The gate; what is behind it; the lists, which ask it for each job; the index that they look through; and the numbers, which name none.
    let behind = [
        "app",
        "history",
        "submission/mod",
        "submission/idempotency",
        "report_store",
        "pages/home",
        "routes/jobs",
        "metrics/census",
    ];
    let behind = behind.map(|file| format!("backend/src/{file}.rs"));
    let homes: Vec<&str> =
        behind.iter().map(String::as_str).chain(["common/src/", "cli/src/", "worker/src/"]).collect();
    only_in("store.job(", &homes);
}

#[test]
fn backend_and_worker_never_see_each_other() {
    only_in("pipelinex_backend", &["cli/src/"]);
    only_in("pipelinex_worker", &["cli/src/"]);
}

#[test]
fn a_job_has_one_finisher_and_only_the_store_creates_records() {
    let callers: Vec<String> =
        sources().into_iter().filter(|(_, text)| text.contains("job.finish(")).map(|(path, _)| path).collect();
    assert_eq!(callers, ["worker/src/run.rs", "worker/src/run/ends.rs"]);
    only_in("fn become_", &["common/src/state.rs"]);
    only_in("openat2(", &["common/src/foreign"]);
}

/// A stack is data in its folder. What knows one language or tool has a room of its own; the rest of the product does not.
#[test]
fn no_stack_is_known_outside_of_its_folder_and_of_the_checks_room() {
    let homes = [
        "backend/src/admission/checks",
        "findings/src/",
        // An archive says which program made it, and jar is one of them.
        "backend/src/intake/zip_maker.rs",
        // An ecosystem of advisories is called Maven.
        "cli/src/advisories/",
        "common/src/advisories",
        "cli/src/args/db.rs",
        "cli/src/commands/db.rs",
        // Runtimes of several languages are told of certificates by variables of their own.
        "worker/src/ca.rs",
        // Endings of sources, by which a test is found in its file.
        "worker/src/collect/junit/classes.rs",
        // Jobs that older programs admitted, and flags that old clients use.
        "worker/src/definition/older.rs",
        "cli/src/args/submit.rs",
        "cli/src/project.rs",
    ];
    let words = ["java", "maven", "spring"];
    for (path, text) in sources().into_iter().filter(|(path, _)| !homes.iter().any(|home| path.starts_with(home))) {
        // The script of a page is something else.
        let text = text.to_lowercase().replace("javascript", "");
        for word in words {
            let line = text.lines().find(|line| line.contains(word));
            assert!(line.is_none(), "{path} knows of {word}: {}", line.unwrap_or_default());
        }
    }
}

#[test]
fn what_is_called_pure_neither_waits_nor_touches_files() {
    let pure = [
        "common/src/pipeline/",
        "findings/src/",
        "common/src/state.rs",
        "common/src/slug.rs",
        "worker/src/board.rs",
        "worker/src/script.rs",
        "worker/src/engine/convert.rs",
        "backend/src/admission/judge.rs",
        "backend/src/admission/checks",
        "backend/src/admission/values",
        "backend/src/intake/zip_scan.rs",
    ];
    for (path, text) in sources() {
        if pure.iter().any(|home| path.starts_with(home)) {
            for word in ["async fn", ".await", "std::fs", "fs::", "File::open", "tokio::"] {
                assert!(!text.contains(word), "{path} is pure and contains {word}");
            }
        }
    }
}

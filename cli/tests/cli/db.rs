//! `db`: from nothing to a database, from files and from an archive on the loopback, and every way in which that ends badly.

use std::{
    fs,
    io::{Cursor, Write},
    path::Path,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Said,
    fake::{Fake, Reply},
    run,
};

/// An archive as OSV publishes it, last changed at that time.
fn archive(changed: &str, entries: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (id, ecosystem) in entries {
        zip.start_file(format!("{id}.json"), zip::write::SimpleFileOptions::default()).unwrap();
        let package = json!({"package": {"ecosystem": ecosystem, "name": "g:a"}});
        write!(zip, "{}", json!({"id": id, "modified": changed, "affected": [package]})).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

struct World {
    dir: TempDir,
}

impl World {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn workspaces(&self) -> String {
        self.dir.path().join("jobs").display().to_string()
    }

    fn db(&self, args: &[&str]) -> Said {
        run(&[&["db"], args, &["--workspaces", &self.workspaces()]].concat())
    }

    fn import(&self, zip: &[u8]) -> Said {
        let path = self.dir.path().join("all.zip");
        fs::write(&path, zip).unwrap();
        self.db(&["import", path.to_str().unwrap()])
    }

    fn info(&self) -> Value {
        serde_json::from_str(&self.db(&["info", "--json"]).out).unwrap()
    }

    /// The folders of imports that are there.
    fn imports(&self) -> usize {
        let entries = fs::read_dir(Path::new(&self.workspaces()).join(".advisories")).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
    }
}

#[test]
fn without_a_database_it_is_said_what_to_type_and_nothing_is_made() {
    let world = World::new();
    let none = world.db(&["info"]);
    assert_eq!((none.code, none.out.as_str()), (1, ""));
    for part in
        ["there is no database of advisories", "pipelinex db update", "Maven/all.zip", "pipelinex db import all.zip"]
    {
        assert!(none.err.contains(part), "{}", none.err);
    }
    assert_eq!(world.info(), json!({"ecosystems": {}}));
    assert!(!Path::new(&world.workspaces()).exists());
}

#[test]
fn an_import_is_shown_with_its_age_and_keeps_what_it_does_not_replace() {
    let world = World::new();
    let first = world.import(&archive("2026-01-02T00:00:00Z", &[("A-1", "Maven"), ("A-2", "Maven")]));
    assert_eq!(first.code, 0, "{}", first.err);
    assert!(first.err.contains("Maven: 2 advisories\n"), "{}", first.err);
    let lines: Vec<_> = first.out.lines().collect();
    assert!(lines[0].starts_with("ECOSYSTEM  ADVISORIES  NEWEST "), "{}", first.out);
    assert!(lines[1].starts_with("Maven      2           2026-01-0") && lines[1].ends_with("all.zip"), "{}", first.out);
    assert!(first.err.contains("nothing in Maven is newer than"), "{}", first.err);

    let now = jiff::Timestamp::now().to_string();
    let second = world.import(&archive(&now, &[("N-1", "npm")]));
    assert!(second.out.contains("\nnpm ") && second.out.contains("\nMaven "), "{}", second.out);
    let info = world.info();
    assert_eq!(info["ecosystems"]["npm"]["age_days"], 0);
    assert_eq!(info["ecosystems"]["Maven"]["advisories"], 2);
    let folder = Path::new(info["folder"].as_str().unwrap());
    for ecosystem in ["Maven", "npm"] {
        assert!(folder.join("osv-scalibr").join(ecosystem).join("all.zip").is_file());
    }
    assert_eq!(world.db(&["info"]).code, 0);
}

#[test]
fn a_bad_import_changes_nothing_and_leaves_nothing() {
    let world = World::new();
    world.import(&archive("2026-01-02T00:00:00Z", &[("A-1", "Maven")]));
    let before = world.info();
    let bad = world.import(&archive("yesterday", &[("A-1", "Maven")]));
    assert_eq!(bad.code, 4);
    assert!(bad.err.contains("nothing was imported: all.zip/A-1.json: A-1 was changed at no time"), "{}", bad.err);
    assert_eq!((world.info(), world.imports()), (before, 1));
    let missing = world.db(&["import", "/nonexistent.zip"]);
    assert!(missing.code == 64 && missing.err.contains("/nonexistent.zip is not there"), "{}", missing.err);
}

#[test]
fn an_update_fetches_maven_and_what_is_there_already() {
    let world = World::new();
    world.import(&archive("2026-01-02T00:00:00Z", &[("C-1", "crates.io")]));
    let server = Fake::start(|asked| match asked.target.as_str() {
        "/osv/Maven/all.zip" => Reply::bytes(archive("2026-01-03T00:00:00Z", &[("A-1", "Maven"), ("A-2", "Maven")])),
        "/osv/crates.io/all.zip" => {
            Reply::bytes(archive("2026-01-03T00:00:00Z", &[("C-1", "crates.io"), ("C-2", "crates.io")]))
        }
        other => Reply::json(404, &json!({"asked": other})),
    });
    let from = format!("{}/osv/", server.url());
    let updated = world.db(&["update", "--from", &from]);
    assert_eq!(updated.code, 0, "{}", updated.err);
    assert!(updated.err.contains("/osv/Maven/all.zip: 1 KiB, sha256 "), "{}", updated.err);
    let info = world.info();
    assert_eq!(
        (&info["ecosystems"]["crates.io"]["advisories"], &info["ecosystems"]["Maven"]["advisories"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(info["source"], from.trim_end_matches('/'));
    assert_eq!(server.asked().len(), 2);

    let unknown = world.db(&["update", "--ecosystem", "maven", "--from", &from]);
    assert!(unknown.code == 2 && unknown.err.contains("spelled as OSV does"), "{}", unknown.err);
    assert_eq!(run(&["db", "update", "--ecosystem", "../x"]).code, 64);
    assert_eq!(world.info(), info);
}

#[test]
fn an_update_that_does_not_come_through_changes_nothing_and_says_what_to_do() {
    let world = World::new();
    world.import(&archive("2026-01-02T00:00:00Z", &[("A-1", "Maven")]));
    let before = world.info();
    let update = |from: &str| world.db(&["update", "--ecosystem", "Maven", "--from", from]);
    let whole = archive("2026-01-03T00:00:00Z", &[("A-1", "Maven")]);
    let torn = Fake::start(move |_| Reply::Torn(whole.clone()));
    let page = Fake::start(|_| Reply::Whole(200, "text/html", b"<html>please log in</html>".to_vec()));
    let other = Fake::start(|_| Reply::bytes(archive("2026-01-03T00:00:00Z", &[("N-1", "npm")])));
    let away = Fake::start(|_| Reply::json(503, &json!({})));
    for (from, code, part) in [
        ("http://127.0.0.1:1".to_owned(), 2, "nobody answers there"),
        (torn.url(), 2, "the connection broke off"),
        (away.url(), 2, "the server answered 503"),
        (page.url(), 4, "is not read as a ZIP file"),
        (other.url(), 4, "are no advisories of Maven"),
    ] {
        let failed = update(&from);
        assert_eq!(failed.code, code, "{}", failed.err);
        assert!(failed.err.contains(part), "{part}: {}", failed.err);
        assert!(code != 2 || failed.err.contains("pipelinex db import all.zip"), "{}", failed.err);
        assert_eq!((world.info(), world.imports()), (before.clone(), 1));
    }
}

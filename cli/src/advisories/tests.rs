use std::{
    fs,
    io::{Cursor, Read},
    path::Path,
};

use pipelinex_common::{
    advisories::{ARCHIVE, OSV_FOLDER},
    layout::Layout,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use zip::ZipArchive;

use super::*;

fn advisory(id: &str, ecosystems: &[&str]) -> String {
    let affected: Vec<Value> =
        ecosystems.iter().map(|name| json!({"package": {"ecosystem": name, "name": "a"}})).collect();
    json!({"id": id, "modified": "2026-01-02T00:00:00Z", "affected": affected}).to_string()
}

fn zip(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn put(folder: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// What comes of a file or folder: each ecosystem with its ids, or the refusal.
fn imported(path: &Path) -> Result<Vec<String>, String> {
    let dir = tempfile::tempdir().unwrap();
    let import = Import::begin(&Layout::new(dir.path())).unwrap();
    let source = Source::open(path, &import.folder()).map_err(|reason| refused(&reason));
    let written = source.and_then(|source| write(&import, &mut [source])).map_err(|failure| {
        assert_eq!(failure.exit(), Exit::Refused);
        failure.to_string()
    })?;
    let place = |ecosystem: &Ecosystem| import.folder().join(OSV_FOLDER).join(ecosystem.as_str()).join(ARCHIVE);
    let line = |(ecosystem, counted): (&Ecosystem, &Counted)| {
        let mut zip = ZipArchive::new(fs::File::open(place(ecosystem)).unwrap()).unwrap();
        assert_eq!(zip.len() as u64, counted.advisories);
        let names = (0..zip.len()).map(|index| {
            let mut file = zip.by_index(index).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            let id = serde_json::from_str::<Value>(&text).unwrap()["id"].as_str().unwrap().to_owned();
            assert_eq!(file.name().unwrap(), format!("{id}.json"));
            id
        });
        format!("{ecosystem}: {}", names.collect::<Vec<_>>().join(" "))
    };
    Ok(written.ecosystems.iter().map(line).collect())
}

fn of_zip(files: &[(&str, Vec<u8>)]) -> Result<Vec<String>, String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("all.zip"), zip(files)).unwrap();
    imported(&dir.path().join("all.zip"))
}

fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    files.iter().for_each(|(path, content)| put(dir.path(), path, content));
    dir
}

#[test]
fn the_archive_of_one_ecosystem_stays_one_though_its_advisories_affect_others() {
    let files =
        [("A-2.json", advisory("A-2", &["Maven", "npm"]).into()), ("A-1.json", advisory("A-1", &["Maven"]).into())];
    assert_eq!(of_zip(&files).unwrap(), ["Maven: A-1 A-2"], "a database of npm with one advisory would find nothing");
}

#[test]
fn a_mixed_folder_is_sorted_and_a_folder_of_an_ecosystems_name_is_that_ecosystem() {
    let mixed = folder(&[
        ("a.json", advisory("A-1", &["Maven"]).into()),
        ("b.json", advisory("A-2", &["npm", "Debian:12"]).into()),
        ("README.md", "hello".into()),
    ]);
    assert_eq!(imported(mixed.path()).unwrap(), ["Debian: A-2", "Maven: A-1", "npm: A-2"]);
    let named = folder(&[
        ("npm/x.json", advisory("A-1", &["Maven", "npm"]).into()),
        ("Maven/all.zip", zip(&[("x.json", advisory("A-1", &["Maven", "npm"]).into())])),
        ("deeper/npm/y.json", advisory("A-3", &["npm"]).into()),
    ]);
    assert_eq!(imported(named.path()).unwrap(), ["Maven: A-1", "npm: A-1 A-3"]);
}

#[test]
fn a_zip_of_several_ecosystems_may_have_zips_or_files() {
    let maven = zip(&[("A-1.json", advisory("A-1", &["Maven", "npm"]).into())]);
    let files = [
        ("osv/Maven/all.zip", maven),
        ("osv/npm/", Vec::new()),
        ("osv/npm/A-2.json", advisory("A-2", &["npm"]).into()),
    ];
    assert_eq!(of_zip(&files).unwrap(), ["Maven: A-1", "npm: A-2"]);
    let deep = zip(&[("all.zip", zip(&[("a.json", advisory("A-1", &["Maven"]).into())]))]);
    assert!(of_zip(&[("Maven/all.zip", deep)]).unwrap_err().contains("one too deep"));
}

#[test]
fn one_bad_entry_refuses_all_with_its_file_and_reason() {
    let good = || advisory("A-1", &["Maven"]).into_bytes();
    let refused = |files: &[(&str, Vec<u8>)]| of_zip(files).unwrap_err();
    let bad = refused(&[("a.json", good()), ("b.json", b"{".to_vec())]);
    assert!(bad.starts_with("nothing was imported: all.zip/b.json: it is not JSON"), "{bad}");
    let named = refused(&[("Maven/a.json", good()), ("Maven/b.json", advisory("A-2", &["npm"]).into())]);
    assert!(named.contains("all.zip/Maven/b.json: A-2 lies in Maven and does not affect it"), "{named}");
    assert!(refused(&[("a.json", good()), ("b.json", good())]).contains("b.json: A-1 is there twice for Maven"));
    assert!(refused(&[("README", b"x".to_vec())]).contains("no advisory"));
    let traversal = refused(&[("a.json", advisory("../../../x", &["Maven"]).into())]);
    assert!(traversal.contains("no name of a file"), "{traversal}");
    let terminal = refused(&[("\u{1b}[2J.json", b"".to_vec())]);
    assert!(terminal.contains("\\u{1b}[2J.json") && !terminal.contains('\u{1b}'), "{terminal}");
    let large = refused(&[("a.json", vec![b' '; 16 * 1024 * 1024 + 1])]);
    assert!(large.contains("more than 16 MiB"), "{large}");
}

#[test]
fn names_lead_nowhere_and_links_are_not_followed() {
    let files =
        [("../../etc/a.json", advisory("A-1", &["Maven"]).into()), ("/b.json", advisory("A-2", &["Maven"]).into())];
    assert_eq!(of_zip(&files).unwrap(), ["Maven: A-1 A-2"], "names of entries are not used");
    let dir = folder(&[("a.json", advisory("A-1", &["Maven"]).into())]);
    let outside = folder(&[("b.json", advisory("A-2", &["Maven"]).into())]);
    std::os::unix::fs::symlink(outside.path().join("b.json"), dir.path().join("b.json")).unwrap();
    assert_eq!(imported(dir.path()).unwrap(), ["Maven: A-1"]);
    assert_eq!(Source::open(dir.path(), dir.path()).unwrap().passed_over, ["b.json"]);
}

#[test]
fn what_is_no_zip_or_a_broken_one_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.zip");
    assert!(imported(&path).unwrap_err().contains("cannot read"));
    let whole = zip(&[("a.json", advisory("A-1", &["Maven"]).into())]);
    let mut flipped = whole.clone();
    flipped[40] ^= 0xff;
    for content in [&b""[..], b"<html>", &whole[..whole.len() - 5], &flipped] {
        fs::write(&path, content).unwrap();
        assert!(imported(&path).is_err());
    }
}

#[test]
fn the_same_advisories_make_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path());
    let digest = |files: &[(&str, Vec<u8>)]| {
        let folder = folder(files);
        let import = Import::begin(&layout).unwrap();
        let written = write(&import, &mut [Source::open(folder.path(), folder.path()).unwrap()]).unwrap();
        import.publish("test", &written.ecosystems).unwrap().ecosystems["Maven"].sha256.clone()
    };
    let (one, two) = (advisory("A-1", &["Maven"]), advisory("A-2", &["Maven"]));
    let flat = digest(&[("x.json", one.clone().into()), ("y.json", two.clone().into())]);
    assert_eq!(flat, digest(&[("b/1.json", one.into()), ("a/2.json", two.into())]));
}

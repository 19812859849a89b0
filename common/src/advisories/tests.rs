use std::{fs, io::Write, os::unix::fs::PermissionsExt};

use super::*;

fn layout() -> (tempfile::TempDir, Layout) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path());
    (dir, layout)
}

fn import(layout: &Layout, source: &str, ecosystems: &[(&str, &str)]) -> AdvisoryDb {
    let import = Import::begin(layout).unwrap();
    let mut written = BTreeMap::new();
    for (name, content) in ecosystems {
        let ecosystem: Ecosystem = name.parse().unwrap();
        import.create(&ecosystem).unwrap().write_all(content.as_bytes()).unwrap();
        written.insert(ecosystem, Counted { advisories: 1, newest: Some("2026-01-01T00:00:00Z".parse().unwrap()) });
    }
    import.publish(source, &written).unwrap()
}

fn imports(layout: &Layout) -> usize {
    let names = fs::read_dir(layout.advisories()).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().unwrap().parse::<Uuid>().is_ok()).count()
}

fn content(layout: &Layout, ecosystem: &str) -> String {
    let (folder, _) = current(layout).unwrap().unwrap();
    fs::read_to_string(folder.join(OSV_FOLDER).join(ecosystem).join(ARCHIVE)).unwrap()
}

#[test]
fn an_import_replaces_what_it_has_and_keeps_the_rest() {
    let (_dir, layout) = layout();
    assert!(current(&layout).unwrap().is_none());
    let first = import(&layout, "first", &[("Maven", "m1"), ("npm", "n1")]);
    assert_eq!(first.ecosystems["Maven"].bytes, 2);
    assert_eq!(first.ecosystems["Maven"].sha256.len(), 64);
    assert_eq!(first.ecosystems["Maven"].age_days("2026-01-03T12:00:00Z".parse().unwrap()), Some(2));
    assert_eq!(first.ecosystems["Maven"].age_days("2025-01-01T00:00:00Z".parse().unwrap()), Some(0));

    import(&layout, "second", &[("Maven", "m2")]);
    let third = import(&layout, "third", &[("Maven", "m3")]);
    assert_eq!((content(&layout, "Maven"), content(&layout, "npm")), ("m3".to_owned(), "n1".to_owned()));
    let npm = &third.ecosystems["npm"];
    assert_eq!((npm.source.as_deref(), npm.imported_at), (Some("first"), Some(first.imported_at)));
    assert_eq!((&third.source, &third.ecosystems["Maven"].source), (&"third".to_owned(), &None));
    assert_eq!(current(&layout).unwrap().unwrap().1, third);
}

#[test]
fn a_scan_that_runs_keeps_what_it_began_with_for_one_import_more() {
    let (_dir, layout) = layout();
    import(&layout, "first", &[("Maven", "m1")]);
    let (mounted, _) = current(&layout).unwrap().unwrap();
    // What a process that died left behind.
    fs::create_dir(layout.advisories().join(Uuid::new_v4().to_string())).unwrap();
    import(&layout, "second", &[("Maven", "m2")]);
    assert_eq!(fs::read_to_string(mounted.join("osv-scalibr/Maven/all.zip")).unwrap(), "m1");
    assert_eq!(imports(&layout), 2);
    import(&layout, "third", &[("Maven", "m3")]);
    assert!(!mounted.exists());
    assert_eq!(imports(&layout), 2);
}

#[test]
fn runners_can_read_everything_and_change_nothing() {
    let (_dir, layout) = layout();
    import(&layout, "first", &[("crates.io", "c")]);
    let (folder, _) = current(&layout).unwrap().unwrap();
    let mode = |path: &str| fs::metadata(folder.join(path)).unwrap().permissions().mode() & 0o7777;
    for path in ["", "osv-scalibr", "osv-scalibr/crates.io"] {
        assert_eq!(mode(path), 0o755, "{path}");
    }
    for path in [INFO, "osv-scalibr/crates.io/all.zip"] {
        assert_eq!(mode(path), 0o644, "{path}");
    }
}

#[test]
fn an_import_that_is_given_up_leaves_nothing_and_two_at_once_are_refused() {
    let (_dir, layout) = layout();
    import(&layout, "first", &[("Maven", "m1")]);
    let begun = Import::begin(&layout).unwrap();
    begun.create(&"Maven".parse().unwrap()).unwrap().write_all(b"half").unwrap();
    assert!(matches!(Import::begin(&layout), Err(ImportError::Busy)));
    drop(begun);
    assert_eq!((imports(&layout), content(&layout, "Maven")), (1, "m1".to_owned()));
}

#[test]
fn what_is_torn_is_an_error_and_never_no_database_and_an_import_mends_it() {
    let (_dir, layout) = layout();
    import(&layout, "first", &[("Maven", "m1")]);
    let (folder, _) = current(&layout).unwrap().unwrap();
    fs::remove_dir_all(folder).unwrap();
    assert!(current(&layout).unwrap_err().to_string().contains("is not there"));
    fs::write(layout.advisories().join(CURRENT), r#"{"schema": 1, "folder": "../.."}"#).unwrap();
    assert!(current(&layout).unwrap_err().to_string().contains("names no folder"));
    import(&layout, "second", &[("npm", "n")]);
    assert_eq!(content(&layout, "npm"), "n");
    fs::write(layout.advisories().join(CURRENT), r#"{"schema": 9, "folder": "x"}"#).unwrap();
    let newer = Import::begin(&layout).unwrap().publish("third", &BTreeMap::new());
    assert!(newer.unwrap_err().to_string().contains("upgrade pipelinex"));
}

#[test]
fn an_ecosystem_names_one_folder() {
    for good in ["Maven", "crates.io", "Rocky Linux", "GitHub Actions", "OSS-Fuzz"] {
        assert_eq!(good.parse::<Ecosystem>().unwrap().as_str(), good);
    }
    for bad in ["", ".", "..", "a/b", "Debian:12", " a", "a\0b", "ä", &"x".repeat(61)] {
        assert_eq!(bad.parse::<Ecosystem>(), Err(InvalidEcosystem), "{bad}");
    }
}

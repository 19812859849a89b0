//! What holds for every damage: no panic, and either a refusal or exactly what was declared.

use std::{future::Future, pin::pin, task::Context};

use pipelinex_backend::intake::{IntakeError, unpack};
use pipelinex_common::{
    limits::IntakeLimits,
    testing::zip_builder::{RawEntry, ZipBuilder, bit_flips, crc32, extra, prefixes},
};

use crate::support::{Tree, Upload, read_tree};

fn small_archive() -> Vec<u8> {
    ZipBuilder::new()
        .dir("src/")
        .file("src/App.java", "class App { /* class App */ }")
        .raw_entry(RawEntry::stored("pom.xml", "<project/>"))
        .raw_entry(RawEntry::file("run.sh", "#!/bin/sh\n").mode(0o100_755).with_descriptor())
        .symlink("src/run", "../run.sh")
        .raw_entry(RawEntry::file(b"gr\x94\xe1e", "x").from_dos())
        .raw_entry(unicode_path(b"na\x8bf", "naïf"))
        .comment("ok")
        .build()
}

/// A name in a code page, with the same in UTF-8 beside it.
fn unicode_path(name: &[u8], unicode: &str) -> RawEntry {
    let field = extra(0x7075, [&[1][..], &crc32(name).to_le_bytes(), unicode.as_bytes()].concat());
    RawEntry::file(name, "x").from_dos().with(|e| (e.local_extra, e.central_extra) = (field.clone(), field))
}

/// A tree without whether a file is a link: one bit says so, of which there is no copy.
fn contents(tree: Tree) -> Tree {
    tree.into_iter().map(|(path, content)| (path.trim_end_matches('@').to_owned(), content)).collect()
}

#[test]
fn every_beginning_of_an_archive_is_refused_z68() {
    let whole = small_archive();
    Upload::of(&whole).unpacked();
    for beginning in prefixes(&whole) {
        Upload::of(beginning).refusal();
    }
}

#[test]
fn every_flipped_bit_is_refused_or_changes_nothing_z69() {
    let whole = small_archive();
    let expected = contents(Upload::of(&whole).tree());
    let (mut refused, mut passed) = (0, 0);
    for flipped in bit_flips(&whole) {
        let upload = Upload::of(&flipped);
        match &upload.result {
            Ok(_) => {
                assert_eq!(contents(upload.tree()), expected);
                passed += 1;
            }
            Err(IntakeError::Refused(_)) => refused += 1,
            Err(other) => panic!("not the archive's fault: {other}"),
        }
    }
    // What passes are bits nobody reads: versions, permissions, flags without meaning.
    assert!(refused > 3 * passed, "{refused} refused, {passed} passed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_bytes_are_taken_twice_at_once_z75() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("upload.zip");
    std::fs::write(&archive, small_archive()).unwrap();
    let (one, two, limits) = (folder.path().join("1"), folder.path().join("2"), IntakeLimits::default());
    let (first, second) = tokio::join!(unpack(&archive, &one, &limits), unpack(&archive, &two, &limits));
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!(read_tree(&one), read_tree(&two));
}

#[test]
fn who_hangs_up_stops_the_threads_z73() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, target) = (folder.path().join("upload.zip"), folder.path().join("source"));
    let many = (0..9000).fold(ZipBuilder::new(), |zip, n| zip.raw_entry(RawEntry::stored(format!("f{n}"), "x")));
    std::fs::write(&archive, many.build()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let limits = IntakeLimits::default();
        let mut unpacking = pin!(unpack(&archive, &target, &limits));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(unpacking.as_mut().poll(&mut context).is_pending());
    });
    // This waits for the blocking threads.
    drop(runtime);
    let written = if target.exists() { read_tree(&target).len() } else { 0 };
    assert!(written < 9000, "all {written} files were written for nobody");
}

#[test]
fn a_target_that_holds_something_is_our_fault_and_is_not_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, victim) = (folder.path().join("upload.zip"), folder.path().join("upload.txt"));
    std::fs::write(&archive, small_archive()).unwrap();
    std::fs::write(&victim, "safe").unwrap();
    let target = folder.path().join("source");
    std::fs::create_dir(&target).unwrap();
    std::os::unix::fs::symlink(&victim, target.join("pom.xml")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let result = runtime.block_on(unpack(&archive, &target, &IntakeLimits::default()));
    assert!(matches!(result, Err(IntakeError::Io { doing: "create", .. })), "{result:?}");
    assert_eq!(std::fs::read(&victim).unwrap(), b"safe");
}

#[test]
fn an_archive_that_is_missing_is_our_fault() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.zip");
    let upload = Upload::of_file(folder, &missing, &IntakeLimits::default());
    assert!(matches!(upload.result, Err(IntakeError::Io { doing: "open", .. })));
}

//! Each limit at its last allowed value and one past it.

use pipelinex_backend::intake::Rule;
use pipelinex_common::{
    limits::IntakeLimits,
    testing::zip_builder::{RawEntry, ZipBuilder, extra},
};

use crate::support::{Upload, read_tree};

fn limits(change: impl FnOnce(&mut IntakeLimits)) -> IntakeLimits {
    let mut limits = IntakeLimits::default();
    change(&mut limits);
    limits
}

fn assert_limit(limits: &IntakeLimits, allowed: ZipBuilder, rule: Rule, refused: ZipBuilder) {
    Upload::with_limits(&allowed.build(), limits).unpacked();
    let upload = Upload::with_limits(&refused.build(), limits);
    assert_eq!(upload.refusal().rule, rule, "{}", upload.refusal());
    assert!(!upload.target().exists());
}

/// A file whose path has this many parts.
fn deep(parts: usize) -> ZipBuilder {
    ZipBuilder::new().file("pom.xml", "x").file(vec!["d"; parts].join("/"), "x")
}

fn files(count: usize) -> ZipBuilder {
    (0..count).fold(ZipBuilder::new(), |zip, n| zip.file(format!("f{n}"), ""))
}

#[test]
fn names_paths_and_depth_z67() {
    let limits = IntakeLimits::default();
    let name = |length: usize| ZipBuilder::new().file("pom.xml", "x").file("n".repeat(length), "x");
    assert_limit(&limits, name(255), Rule::NameTooLong, name(256));
    assert_limit(&limits, deep(25), Rule::TooDeep, deep(26));
    assert_limit(&limits, deep(25), Rule::TooDeep, deep(500));
    // Ten parts of 101 bytes and nine slashes are 1019 bytes.
    let path = |last: usize| {
        let long = vec!["p".repeat(101); 9].join("/");
        ZipBuilder::new().file("pom.xml", "x").file(format!("{long}/{}", "q".repeat(last)), "x")
    };
    assert_limit(&limits, path(1024 - 9 * 102), Rule::PathTooLong, path(1025 - 9 * 102));
    assert_limit(&limits, name(1), Rule::PathTooLong, name(60_000));
}

#[test]
fn the_peeled_folder_does_not_count() {
    let limits = limits(|limits| (limits.depth, limits.files, limits.path_bytes) = (2, 3, 5));
    let inside = |path: &str| ZipBuilder::new().dir("project/").file(format!("project/{path}"), "x");
    assert_limit(&limits, inside("aa/bb"), Rule::TooDeep, inside("a/b/c"));
    assert_limit(&limits, inside("aa/bb"), Rule::PathTooLong, inside("aa/bbb"));
    assert_limit(
        &limits,
        inside("a").file("project/b", "x").dir("project/c/"),
        Rule::TooManyEntries,
        inside("a").file("project/b", "x").file("project/c/d", "x"),
    );
}

#[test]
fn files_and_folders_z38() {
    let limits = limits(|limits| limits.files = 10);
    assert_limit(&limits, files(10), Rule::TooManyEntries, files(11));
    // Folders that no entry names count too.
    let implied = |count: usize| (0..count).fold(files(1), |zip, n| zip.file(format!("d{n}/a/b/f"), ""));
    assert_limit(&limits, implied(2), Rule::TooManyEntries, implied(3));
    // What is left out may be more, but not endlessly more: it costs memory before it is left out.
    let forks = |count: usize| (0..count).fold(files(10), |zip, n| zip.file(format!("__MACOSX/{n}"), ""));
    assert_limit(&limits, forks(30), Rule::TooManyEntries, forks(31));
}

#[test]
fn unpacked_bytes_z36() {
    let limits = limits(|limits| limits.unpacked_bytes = 3000);
    let sized =
        |last: usize| ZipBuilder::new().file("a", vec![1; 1000]).file("b", vec![1; 1000]).file("c", vec![1; last]);
    assert_limit(&limits, sized(1000), Rule::TooLarge, sized(1001));
}

/// Zeros compress a thousand times, and a project may have them: what counts is how much there is.
#[test]
fn what_is_compressed_a_thousand_times_is_taken_up_to_the_limit_z36() {
    let zeros = |size: usize| ZipBuilder::new().file("pom.xml", "x").file("zeros", vec![0; size]);
    let limits = limits(|limits| limits.unpacked_bytes = 8 << 20);
    assert_limit(&limits, zeros((8 << 20) - 1), Rule::TooLarge, zeros(8 << 20));
}

#[test]
fn links_count_as_files_and_have_short_targets() {
    let linked = |count: usize| (0..count).fold(files(1), |zip, n| zip.symlink(format!("l{n}"), "f0"));
    assert_limit(&limits(|limits| limits.files = 10), linked(9), Rule::TooManyEntries, linked(10));
    assert_limit(&limits(|limits| limits.unpacked_bytes = 20), linked(10), Rule::TooLarge, linked(11));
    let target = |length: usize| files(1).symlink("l", vec![b'x'; length]);
    // What ext4 holds.
    assert_limit(&IntakeLimits::default(), target(255), Rule::Symlink, target(4096));
}

#[test]
fn a_list_of_entries_may_not_be_huge_z39_z41() {
    let padded = |count: usize| {
        let entry = |n| RawEntry::file(format!("f{n}"), "").with(|e| e.central_extra = extra(0x4444, vec![0; 60_000]));
        (0..count).fold(ZipBuilder::new(), |zip, n| zip.raw_entry(entry(n)))
    };
    assert_limit(&IntakeLimits::default(), padded(279), Rule::DirectoryTooLarge, padded(280));
    Upload::of(&files(1).comment(vec![b'c'; 65_535]).build()).unpacked();
}

#[test]
fn a_bomb_that_lies_about_its_size_is_stopped_at_what_it_declared_z42() {
    let bomb = RawEntry::file("bomb", vec![0; 4 << 20]).with(|e| e.size = 1000);
    let upload = Upload::of(&ZipBuilder::new().raw_entry(bomb).build());
    assert_eq!(upload.refusal().rule, Rule::SizeMismatch);
    assert!(read_tree(&upload.target()).values().all(|content| content.len() <= 1000));
}

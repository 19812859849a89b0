//! The hostile cases by their ids: each is refused by the rule that names it, and nothing is written that should not be.

use pipelinex_backend::intake::Rule;
use pipelinex_common::testing::zip_builder::{
    FLAG_DESCRIPTOR, RawEntry, ZipBuilder, crc32, deflate, descriptor, extra,
};

use crate::support::Upload;

type Case = (&'static str, Rule, ZipBuilder);

/// Asserts that each is refused, by its rule, before anything is created.
fn assert_refused_by_scan(cases: impl IntoIterator<Item = Case>) {
    for (case, rule, zip) in cases {
        let upload = Upload::of(&zip.build());
        assert_eq!(upload.refusal().rule, rule, "{case}: {}", upload.refusal());
        assert!(!upload.target().exists(), "{case}: something was created");
    }
}

/// Asserts that each is refused, by its rule, though it had to be unpacked to see it.
fn assert_refused(cases: impl IntoIterator<Item = Case>) {
    for (case, rule, zip) in cases {
        let upload = Upload::of(&zip.build());
        assert_eq!(upload.refusal().rule, rule, "{case}: {}", upload.refusal());
    }
}

fn zip() -> ZipBuilder {
    ZipBuilder::new()
}

/// One honest file, and one that the case is about.
fn with(entry: RawEntry) -> ZipBuilder {
    zip().file("pom.xml", "<project/>").raw_entry(entry)
}

#[test]
fn paths_that_leave_or_lie() {
    assert_refused_by_scan([
        ("Z01", Rule::PathEscape, zip().file("../../x", "x")),
        ("Z02", Rule::PathEscape, zip().file("a/../../x", "x")),
        ("Z02", Rule::PathEscape, zip().file("ok", "x").dir("a/../")),
        ("Z03", Rule::AbsolutePath, zip().file("/abs", "x")),
        ("Z04", Rule::AbsolutePath, zip().file("//abs", "x")),
        ("Z05", Rule::Backslash, zip().file("..\\..\\x", "x")),
        ("Z05 from Windows", Rule::PathEscape, with(RawEntry::file("..\\..\\x", "x").from_dos())),
        ("Z05 mixed", Rule::Backslash, with(RawEntry::file("a/..\\..\\x", "x").from_dos())),
        ("Z05 in a code page", Rule::Backslash, with(RawEntry::file(b"gr\x81n\\x", "x").from_dos())),
        ("Z06 from Windows", Rule::DrivePath, with(RawEntry::file("C:x", "x").from_dos())),
        ("Z06 from Windows", Rule::DrivePath, with(RawEntry::file("C:\\x", "x").from_dos())),
        ("Z06 from Windows", Rule::AbsolutePath, with(RawEntry::file("\\\\srv\\share", "x").from_dos())),
        ("Z06", Rule::DrivePath, zip().file("C:/x", "x")),
        ("Z06", Rule::Backslash, zip().file("\\\\srv\\share", "x")),
        ("Z07 both", Rule::NameControl, zip().file("a\0b", "x")),
        (
            "Z07 local",
            Rule::NameMismatch,
            zip().raw_entry(RawEntry::file("a", "x").with(|e| e.local_name = b"a\0".into())),
        ),
        (
            "Z07 central",
            Rule::NameControl,
            zip().raw_entry(RawEntry::file("a", "x").with(|e| e.central_name = b"a\0".into())),
        ),
        ("Z08", Rule::NameTrailing, zip().file("a/.. /x", "x")),
        ("Z08", Rule::AbsolutePath, zip().file(".//etc/x", "x")),
        ("Z08", Rule::PathEscape, zip().file("./../x", "x")),
        ("Z08", Rule::NameDotOrEmpty, zip().file("././x", "x")),
        ("Z08", Rule::NameDotOrEmpty, zip().raw_entry(RawEntry::file("", "x"))),
        ("Z08", Rule::FolderWithData, zip().file("a", "x").raw_entry(RawEntry::stored("./", "x"))),
        ("Z09", Rule::NameDotOrEmpty, zip().file("a/./b", "x")),
        ("Z09", Rule::NameDotOrEmpty, zip().file("a//b", "x")),
        ("Z11", Rule::NameControl, zip().file("a\nb", "x")),
        ("Z11", Rule::NameInvisible, zip().file("a\u{202e}b", "x")),
        ("Z65", Rule::NameNotUtf8, zip().raw_entry(RawEntry::file(b"a\xff", "x"))),
        ("Z66", Rule::NameControl, with(RawEntry::file(b"gr\x81n\x1b[2J", "x").from_dos())),
        ("Z66", Rule::PathEscape, with(RawEntry::file(b"gr\x81n/../../x", "x").from_dos())),
        ("Z66", Rule::DrivePath, with(RawEntry::file(b"C:gr\x81n", "x").from_dos())),
    ]);
}

#[test]
fn links_and_devices() {
    let file = || zip().file("pom.xml", "<project/>");
    let huge = RawEntry::stored("l", "/etc").mode(0o120_777).with(|e| e.size = u32::MAX - 1);
    let dos = RawEntry::stored("l", "/etc").mode(0o120_777).with(|e| e.system = 0);
    let pkware = extra(0x000d, [&[0; 12][..], b"/etc/passwd"].concat());
    let asi = extra(0x756e, [&[0; 14][..], b"/etc/passwd"].concat());
    let long = RawEntry::file("l", vec![b'x'; 5000]).mode(0o120_777);
    let wrong =
        |change: fn(&mut RawEntry)| file().raw_entry(RawEntry::file("l", "pom.xml").mode(0o120_777).with(change));
    assert_refused_by_scan([
        ("Z12", Rule::LinkLeaves, file().symlink("l", "/etc/passwd")),
        ("Z12", Rule::LinkLeaves, file().symlink("a/l", "../../x")),
        ("Z12 behind the top folder", Rule::LinkLeaves, zip().file("p/a", "x").symlink("p/l", "../p/a")),
        ("Z14", Rule::DuplicateName, file().symlink("l", "x").file("l", "x")),
        ("Z14 by case", Rule::DuplicateName, file().symlink("l", "x").file("./l", "x")),
        ("Z15", Rule::FileAndFolder, file().symlink("l", "x").file("l/x", "x")),
        ("Z15 the other way", Rule::FileAndFolder, file().file("l/x", "x").symlink("l", "x")),
        ("Z16", Rule::LinkLeaves, file().symlink("cur", ".").symlink("par", "cur/..")),
        ("Z16", Rule::LinkLeaves, file().symlink("a/b/top", "../..").symlink("out", "a/b/top/../x")),
        ("Z17", Rule::SizeMismatch, file().raw_entry(huge)),
        ("Z17", Rule::Symlink, file().raw_entry(long)),
        ("Z12 from DOS", Rule::LinkLeaves, file().raw_entry(dos)),
        ("Z12 as a folder", Rule::Symlink, file().symlink("l/", "/tmp")),
        ("empty", Rule::Symlink, file().symlink("l", "")),
        ("with NUL", Rule::Symlink, file().symlink("l", "a\0b")),
        ("CRC", Rule::CrcMismatch, wrong(|e| e.crc ^= 1)),
        ("shorter", Rule::SizeMismatch, wrong(|e| e.size += 1)),
        ("longer", Rule::SizeMismatch, wrong(|e| e.size -= 1)),
        ("broken", Rule::Damaged, wrong(|e| e.data[0] = 0xff)),
        ("nothing but links", Rule::Empty, zip().symlink("l", "x")),
        ("Z18 central", Rule::Hardlink, with(RawEntry::stored("h", "").with(|e| e.central_extra = pkware.clone()))),
        ("Z18 local", Rule::Hardlink, with(RawEntry::stored("h", "").with(|e| e.local_extra = asi))),
        ("Z19", Rule::SpecialFile, zip().raw_entry(RawEntry::stored("d", "").mode(0o020_666))),
        ("Z19", Rule::SpecialFile, zip().raw_entry(RawEntry::stored("d", "").mode(0o060_666))),
        ("Z19", Rule::SpecialFile, zip().raw_entry(RawEntry::stored("d", "").mode(0o140_666))),
    ]);
}

#[test]
fn entries_that_meet() {
    assert_refused_by_scan([
        ("Z24", Rule::DuplicateName, zip().file("a", "1").file("a", "2")),
        ("Z25", Rule::DuplicateName, zip().file("a", "1").file("./a", "2")),
        (
            "Z25 from Windows",
            Rule::DuplicateName,
            zip().file("a/b", "1").raw_entry(RawEntry::file("a\\b", "2").from_dos()),
        ),
        (
            "Z66 decoded",
            Rule::DuplicateName,
            zip().file("gr\u{fc}n", "1").raw_entry(RawEntry::file(b"gr\x81n", "2").from_dos()),
        ),
        ("Z27", Rule::UnicodeCollision, zip().file("caf\u{e9}", "1").file("cafe\u{301}", "2")),
        ("Z27 joiners", Rule::UnicodeCollision, zip().file("ab", "1").file("a\u{200d}b", "2")),
        ("Z28", Rule::FileAndFolder, zip().file("a", "1").dir("a/")),
        ("Z28 by DOS", Rule::FileAndFolder, with(RawEntry::stored("a", "").with(|e| e.dos_attributes = 0x10))),
        (
            "Z29 by DOS",
            Rule::FolderWithData,
            with(RawEntry::stored("a", "data").from_dos().with(|e| e.dos_attributes = 0x10)),
        ),
        ("Z28", Rule::FileAndFolder, zip().file("a", "1").file("a/b", "2")),
        ("Z28 other order", Rule::FileAndFolder, zip().file("a/b", "2").file("a", "1")),
        ("Z28 by mode", Rule::FileAndFolder, with(RawEntry::stored("a", "").mode(0o040_755))),
        ("Z29 Z30", Rule::FolderWithData, with(RawEntry::stored("a/", "data"))),
        ("Z31", Rule::Empty, zip().dir("a/").dir("b/")),
        ("Z32 Z70", Rule::Empty, zip()),
    ]);
}

#[test]
fn bombs_that_the_scan_sees() {
    let first = RawEntry::stored("a", [b'x'; 100]);
    let again = RawEntry::stored("b", [b'x'; 100]).with(|e| (e.without_local, e.offset) = (true, Some(0)));
    let into = RawEntry::stored("a", "x").with(|e| (e.compressed_size, e.size) = (40, 40));
    let past = RawEntry::stored("a", "x").with(|e| (e.compressed_size, e.size) = (4000, 4000));
    let no_extra = RawEntry::file("a", "x").with(|e| (e.compressed_size, e.size) = (u32::MAX, u32::MAX));
    assert_refused_by_scan([
        ("Z34", Rule::Overlap, zip().raw_entry(into).file("b", "y")),
        ("Z35", Rule::Overlap, zip().raw_entry(first).raw_entry(again)),
        ("Z36", Rule::TooLarge, zip().file("a", vec![0; (200 << 20) + 1])),
        ("Z43 past all", Rule::Overlap, zip().raw_entry(past)),
        ("Z52", Rule::TooLarge, zip().raw_entry(no_extra)),
    ]);
}

#[test]
fn headers_that_contradict_each_other() {
    let descriptor_of = |bytes: Vec<u8>| {
        RawEntry::file("d", "data")
            .with(|e| (e.flags, e.local_sums, e.after_data) = (FLAG_DESCRIPTOR, Some((0, 0, 0)), bytes))
    };
    let honest = descriptor(crc32(b"data"), u32::try_from(deflate(b"data").len()).unwrap(), 4);
    let (mut wrong_signature, mut wrong_size) = (honest.clone(), honest.clone());
    wrong_signature[0] ^= 1;
    wrong_size[12] += 1;
    let path_extra =
        |name: &str| extra(0x7075, [&[1][..], &crc32(b"safe.txt").to_le_bytes(), name.as_bytes()].concat());
    let renamed = |e: &mut RawEntry| {
        (e.local_extra, e.central_extra) = (path_extra("evil.txt"), path_extra("evil.txt"));
    };
    assert_refused_by_scan([
        (
            "Z44 size",
            Rule::HeaderMismatch,
            with(RawEntry::file("a", "x").with(|e| e.local_sums = Some((e.crc, e.compressed_size, 9)))),
        ),
        (
            "Z44 crc",
            Rule::HeaderMismatch,
            with(RawEntry::file("a", "x").with(|e| e.local_sums = Some((1, e.compressed_size, e.size)))),
        ),
        ("Z47 missing", Rule::HeaderMismatch, with(descriptor_of(vec![]))),
        ("Z47 signature", Rule::HeaderMismatch, with(descriptor_of(wrong_signature))),
        ("Z47 size", Rule::HeaderMismatch, with(descriptor_of(wrong_size))),
        ("Z48", Rule::SizeMismatch, with(RawEntry::stored("a", "abc").with(|e| e.size = 2))),
        ("Z49 AES", Rule::UnsupportedMethod, with(RawEntry::file("a", "x").with(|e| e.method = 99))),
        ("Z49 deflate64", Rule::UnsupportedMethod, with(RawEntry::file("a", "x").with(|e| e.method = 9))),
        ("Z49 lzma", Rule::UnsupportedMethod, with(RawEntry::file("a", "x").with(|e| e.method = 14))),
        ("Z49 zstd", Rule::UnsupportedMethod, with(RawEntry::file("a", "x").with(|e| e.method = 93))),
        ("Z49 implode", Rule::UnsupportedMethod, with(RawEntry::file("a", "x").with(|e| e.method = 6))),
        ("Z49 patch", Rule::UnsupportedMethod, with(RawEntry::file("a", "x").with(|e| e.flags |= 1 << 5))),
        ("Z50", Rule::Encrypted, with(RawEntry::file("a", "x").with(|e| e.flags |= 1))),
        ("Z50 strong", Rule::Encrypted, with(RawEntry::file("a", "x").with(|e| e.flags |= 1 << 6))),
        ("Z51", Rule::Encrypted, with(RawEntry::file("a", "x").with(|e| e.flags |= 1 << 13))),
        ("Z63", Rule::NameMismatch, with(RawEntry::file("a", "x").with(|e| e.local_name = b"b".into()))),
        ("Z64", Rule::NameMismatch, with(RawEntry::file("safe.txt", "x").with(renamed))),
        (
            "Z64 central",
            Rule::NameMismatch,
            with(RawEntry::file("safe.txt", "x").with(|e| e.central_extra = path_extra("Safe.txt"))),
        ),
        (
            "Z64 local alone",
            Rule::NameMismatch,
            with(RawEntry::file("safe.txt", "x").with(|e| e.local_extra = path_extra("evil.txt"))),
        ),
        (
            "Z64 local alone, in a code page",
            Rule::NameMismatch,
            with(RawEntry::file(b"gr\x81n", "x").from_dos().with(|e| {
                e.local_extra = extra(0x7075, [&[1][..], &crc32(b"gr\x81n").to_le_bytes(), b"evil"].concat());
            })),
        ),
        ("local flags", Rule::HeaderMismatch, {
            let mut bytes = RawEntry::file("a", "x");
            bytes.local_flags = Some(1);
            with(bytes)
        }),
    ]);
}

#[test]
fn directories_that_lie() {
    let file = || zip().file("a", "x").file("b", "y");
    let hidden = RawEntry::file("hidden", "x").with(|e| e.without_central = true);
    let gap = RawEntry::file("a", "x").with(|e| e.after_data = b"hidden".to_vec());
    let nowhere = RawEntry::file("c", "x").with(|e| (e.without_local, e.offset) = (true, Some(3)));
    assert_refused_by_scan([
        ("Z55 fewer", Rule::AmbiguousDirectory, file().end(|e| (e.entries, e.entries_here) = (1, 1))),
        ("Z55 more", Rule::AmbiguousDirectory, file().end(|e| (e.entries, e.entries_here) = (3, 3))),
        ("Z55 none", Rule::AmbiguousDirectory, file().end(|e| (e.entries, e.entries_here) = (0, 0))),
        ("Z55 giant", Rule::TooManyEntries, file().end(|e| (e.entries, e.entries_here) = (65_535, 65_535))),
        ("Z56", Rule::Damaged, file().end(|e| e.offset = u32::MAX)),
        ("Z56", Rule::DirectoryTooLarge, file().end(|e| e.size = u32::MAX)),
        ("Z57", Rule::AmbiguousDirectory, file().comment(zip().build())),
        ("Z58", Rule::MultiDisk, file().end(|e| e.disk = 1)),
        ("Z58", Rule::MultiDisk, file().end(|e| e.entries = 3)),
        ("Z59", Rule::PrependedData, file().prefix("#!/bin/sh\nexit 0\n")),
        ("Z60", Rule::TrailingData, file().suffix("junk")),
        ("Z60 behind zeros", Rule::TrailingData, file().suffix([&[0; 70_000][..], b"junk"].concat())),
        ("Z57 before zeros", Rule::AmbiguousDirectory, file().comment(zip().build()).suffix([0; 512])),
        ("Z59 nearly unsplit", Rule::PrependedData, file().prefix("PK01")),
        ("Z58 split", Rule::PrependedData, file().prefix("PK\x07\x08")),
        ("Z61", Rule::HiddenData, zip().raw_entry(gap)),
        (
            "Z61 large",
            Rule::HiddenData,
            zip().raw_entry(RawEntry::file("a", "x").with(|e| e.after_data = vec![0; 4096])),
        ),
        ("Z62 not listed", Rule::HiddenData, file().raw_entry(hidden)),
        ("Z62 only listed", Rule::Overlap, file().raw_entry(nowhere)),
    ]);
}

#[test]
fn contents_that_lie_are_seen_while_they_come_out() {
    let text = "some text that is longer than what is declared ".repeat(20);
    let declared = |size: u32| RawEntry::file("a", &text).with(|e| e.size = size);
    let padded = RawEntry::file("a", &text).with(|e| {
        e.data.extend([0; 7]);
        e.compressed_size += 7;
    });
    let cut = RawEntry::file("a", &text).with(|e| {
        e.data.pop();
        e.compressed_size -= 1;
    });
    assert_refused([
        ("Z42", Rule::SizeMismatch, with(declared(3))),
        ("Z43", Rule::SizeMismatch, with(declared(5000))),
        ("Z43 no end", Rule::SizeMismatch, with(cut)),
        ("Z43 early end", Rule::SizeMismatch, with(padded)),
        ("Z45", Rule::CrcMismatch, with(RawEntry::file("a", &text).with(|e| e.crc ^= 1))),
        ("Z45 stored", Rule::CrcMismatch, with(RawEntry::stored("a", &text).with(|e| e.crc ^= 1))),
        ("Z46", Rule::CrcMismatch, with(RawEntry::stored("a", vec![b'x'; 600_000]).with(|e| e.data[599_999] = b'y'))),
        ("Z45 broken", Rule::Damaged, with(RawEntry::file("a", &text).with(|e| e.data[0] = 0xff))),
    ]);
}

#[test]
fn what_is_no_zip_is_named() {
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    let cases: [(&str, &[u8], &str); 7] = [
        ("Z70", b"", "empty"),
        ("Z71", b"\x1f\x8b\x08\0\0\0\0\0", "gzip"),
        ("Z71", &tar, "tar"),
        ("Z71", b"7z\xbc\xaf\x27\x1c\0\x04", "7-Zip"),
        ("Z71", b"hello, this is a README\n", "text"),
        ("Z71", b"%PDF-1.7\n\0\0", "PDF"),
        ("Z71", &[0, 1, 2, 3], "not known"),
    ];
    for (case, bytes, says) in cases {
        let upload = Upload::of(bytes);
        assert_eq!(upload.refusal().rule, Rule::NotAZip, "{case}");
        assert!(upload.refusal().hint.contains(says), "{case}: {}", upload.refusal());
    }
    // A ZIP put behind something else, with offsets that do not know of it.
    let behind = [b"%PDF-1.7\n".to_vec(), zip().file("a", "x").build()].concat();
    assert_eq!(Upload::of(&behind).refusal().rule, Rule::PrependedData, "Z59");
}

#[test]
fn a_zip64_locator_that_points_elsewhere_is_refused() {
    let mut bytes = zip().file("a", "x").zip64().build();
    let locator = bytes.windows(4).position(|window| window == b"PK\x06\x07").unwrap();
    bytes[locator + 8] ^= 1;
    assert_eq!(Upload::of(&bytes).refusal().rule, Rule::Damaged, "Z54");
    let two_counts = zip().file("a", "x").file("b", "y").zip64().end(|e| (e.entries, e.entries_here) = (1, 1));
    let upload = Upload::of(&two_counts.build());
    assert_eq!(upload.refusal().rule, Rule::AmbiguousDirectory, "Z54: another count");
    assert!(upload.refusal().hint.contains("two end records"), "{}", upload.refusal());
}

#[test]
fn a_hidden_archive_data_or_resource_fork_is_still_checked() {
    assert_refused_by_scan([
        ("left out, escaping", Rule::PathEscape, zip().file("a", "x").file("__MACOSX/../../x", "x")),
        ("nothing else", Rule::Empty, zip().file(".git/config", "x").file("__MACOSX/._a", "x")),
    ]);
}

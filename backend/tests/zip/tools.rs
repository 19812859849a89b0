//! What ordinary tools write that a strict reader stumbles over. Each was seen in archives of the tool that is named.

use pipelinex_backend::intake::{Reading, Rule, Twins, Warning};
use pipelinex_common::testing::zip_builder::{FLAG_UTF8, RawEntry, ZipBuilder, crc32, extra};

use crate::support::{Upload, tree};

fn zip() -> ZipBuilder {
    ZipBuilder::new()
}

fn unicode_path(crc_of: &[u8], name: &str) -> Vec<u8> {
    extra(0x7075, [&[1][..], &crc32(crc_of).to_le_bytes(), name.as_bytes()].concat())
}

#[test]
fn a_dot_and_a_slash_in_front_z08() {
    // `tar -a -cf x.zip .` of Windows and macOS.
    let upload = Upload::of(&zip().dir("./").file("./pom.xml", "x").file("./src/a", "y").build());
    assert_eq!(upload.tree(), tree([("pom.xml", "x"), ("src/", ""), ("src/a", "y")]));
    let upload = Upload::of(&zip().dir("./p/").file("./p/pom.xml", "x").file("p/b", "y").build());
    assert_eq!((upload.unpacked().peeled.as_deref(), upload.tree()), (Some("p"), tree([("b", "y"), ("pom.xml", "x")])));
}

#[test]
fn zeros_at_the_end_and_the_mark_of_an_archive_that_was_not_split_z60() {
    for zeros in [1, 22, 511, 10_240, 200_000] {
        let upload = Upload::of(&zip().file("a", "x").comment("c").suffix(vec![0; zeros]).build());
        assert_eq!(upload.tree(), tree([("a", "x")]), "{zeros}");
    }
    let upload = Upload::of(&zip().file("a", "x").zip64().suffix([0; 4096]).build());
    assert_eq!(upload.tree(), tree([("a", "x")]));
    let upload = Upload::of(&zip().prefix("PK00").file("a", "x").file("b", "y").build());
    assert_eq!(upload.tree(), tree([("a", "x"), ("b", "y")]));
}

#[test]
fn modes_that_mean_nothing_are_those_of_files_z19() {
    let pipe = RawEntry::file("-", "from a pipe").mode(0o010_600);
    let unknown = RawEntry::file("b", "x").mode(0xffff);
    let upload = Upload::of(&zip().raw_entry(pipe).raw_entry(unknown).build());
    assert_eq!(upload.tree(), tree([("-", "from a pipe"), ("b", "x")]));
    assert_eq!(["-", "b"].map(|path| upload.mode(path) & 0o777), [0o644, 0o644]);
}

#[test]
fn folders_by_the_attribute_of_dos() {
    let folder = |name: &str| RawEntry::stored(name, "").from_dos().with(|e| e.dos_attributes = 0x10);
    let upload = Upload::of(&zip().raw_entry(folder("empty")).file("a", "x").build());
    assert_eq!(upload.tree(), tree([("a", "x"), ("empty/", "")]));
}

#[test]
fn backslashes_of_windows_separate_z05() {
    let windows = |name: &str| RawEntry::file(name, "x").from_dos();
    let umlaut = RawEntry::file("src\\größe", "x").from_dos().with(|e| (e.system, e.flags) = (10, FLAG_UTF8));
    let zip =
        zip().raw_entry(windows("src\\main\\a")).raw_entry(windows(".\\b")).raw_entry(windows("empty\\").with(|e| {
            (e.data, e.crc, e.size, e.compressed_size, e.method) = (Vec::new(), 0, 0, 0, 0);
        }));
    let upload = Upload::of(&zip.raw_entry(umlaut).build());
    let expected =
        [("b", "x"), ("empty/", ""), ("src/", ""), ("src/größe", "x"), ("src/main/", ""), ("src/main/a", "x")];
    assert_eq!(upload.tree(), tree(expected));
}

#[test]
fn names_that_do_not_say_how_they_are_written_z66() {
    let dos = |name: &[u8]| RawEntry::file(name, "x").from_dos();
    let extended = |crc_of: &[u8], unicode: &str| {
        let field = unicode_path(crc_of, unicode);
        dos(b"na\x8bf").with(|e| (e.local_extra, e.central_extra) = (field.clone(), field))
    };
    let bare = dos(b"na\x8bf").with(|e| e.central_extra = unicode_path(b"na\x8bf", "na\u{ef}f.txt"));
    for (entry, name, reading) in [
        (dos(b"gr\x94\xe1e/\x81.txt"), "größe/ü.txt", Some(Reading::Cp437)),
        (extended(b"na\x8bf", "日本.txt"), "日本.txt", Some(Reading::UnicodePath)),
        (bare, "naïf.txt", Some(Reading::UnicodePath)),
        // The field belongs to an older name of the entry.
        (extended(b"other", "日本.txt"), "naïf", Some(Reading::Cp437)),
        // Info-ZIP of macOS and many a program on Linux.
        (RawEntry::file("größe", "x").with(|e| e.flags = 0), "größe", None),
    ] {
        let upload = Upload::of(&zip().file("pom.xml", "p").raw_entry(entry).build());
        assert_eq!(upload.tree().get(name).map(Vec::as_slice), Some(&b"x"[..]), "{name}: {:?}", upload.tree());
        let first = name.to_owned();
        let expected = reading.map(|reading| Warning::NamesDecoded { names: 1, first, reading });
        assert_eq!(upload.unpacked().warnings, expected.into_iter().collect::<Vec<_>>(), "{name}");
    }
    let upload = Upload::of(&zip().raw_entry(dos(b"gr\x81n")).raw_entry(dos(b"\x81")).build());
    assert_eq!(
        upload.unpacked().warnings[0].to_string(),
        "2 names are not in UTF-8 and were read as DOS writes them (CP437); the first is `grün`. If it looks wrong, pack \
         again with a tool that writes UTF-8 (7-Zip: -mcu=on)"
    );
}

#[test]
fn links_that_stay_inside_are_made_z13() {
    let stored = zip().file("p/src/a", "x").dir("p/d/").symlink("p/current", "src").symlink("p/d/up", "../src/a");
    let deflated = RawEntry::file("p/to/none", "../later/built.jar").mode(0o120_777);
    let upload = Upload::of(&stored.raw_entry(deflated).symlink("p/self", "self").build());
    let expected = [
        ("current@", "src"),
        ("d/", ""),
        ("d/up@", "../src/a"),
        ("self@", "self"),
        ("src/", ""),
        ("src/a", "x"),
        ("to/", ""),
        ("to/none@", "../later/built.jar"),
    ];
    assert_eq!(upload.tree(), tree(expected));
    assert_eq!((upload.unpacked().files, upload.unpacked().bytes), (5, 1 + 3 + 8 + 18 + 4));
    // All of those that leave are named.
    let upload = Upload::of(&zip().file("a", "x").symlink("b", "/etc").symlink("c", "../x").build());
    let expected = "a link leads out of the project (\"b\"): it leads to `/etc`: remove it, or let it lead to a file of the \
                    project; so do `c` [zip-link-leaves-project]";
    assert_eq!(upload.refusal().to_string(), expected);
}

#[test]
fn names_that_linux_has_z10_z11_z26() {
    let names = ["con/aux.sql", "a:b", "a.", "b ", "می\u{200c}خواهم", "👩\u{200d}💻", "x|y?", "pom.xml", "POM.xml"];
    let upload = Upload::of(&names.iter().fold(zip(), |zip, name| zip.file(name, *name)).build());
    for name in names {
        assert_eq!(upload.tree()[name], name.as_bytes());
    }
    let first = ("pom.xml".to_owned(), "POM.xml".to_owned());
    assert_eq!(upload.unpacked().warnings, [Warning::CaseTwins(Twins { pairs: 1, first })]);
}

#[test]
fn git_s_own_folder_stays_out_in_every_disguise_z77() {
    let names = [".git /hooks/x", "GIT~1/x", ".git::$INDEX_ALLOCATION/x", ".g\u{200c}it/x", "a/.Git./x"];
    let zip = names.iter().fold(zip().file("a/b", "x").file("c", "y"), |zip, name| zip.file(name, "evil"));
    // A link in there is left out too, wherever it leads.
    let upload = Upload::of(&zip.symlink(".git/config", "/etc/passwd").build());
    assert_eq!(upload.tree(), tree([("a/", ""), ("a/b", "x"), ("c", "y")]));
    assert_eq!(upload.unpacked().warnings, [Warning::GitLeftOut { entries: 6 }]);
}

#[test]
fn a_refusal_names_the_program_that_made_the_archive() {
    let evil = || RawEntry::file("../x", "x");
    let times = extra(0x5455, [0; 5]);
    let owner = extra(0x7875, [0; 11]);
    let commit = "0123456789abcdef0123456789abcdef01234567";
    for (archive, maker) in [
        (zip().raw_entry(evil()).comment(commit), Some("git archive or a Git host")),
        (zip().raw_entry(evil().with(|e| e.central_extra = extra(0xcafe, []))), Some("jar, Maven or Gradle")),
        (zip().raw_entry(evil().with(|e| e.central_extra = [times.clone(), owner.clone()].concat())), Some("Info-ZIP")),
        (zip().raw_entry(evil().with(|e| e.version = 63)), Some("7-Zip")),
        (zip().file("__MACOSX/._x", "x").raw_entry(evil()), Some("macOS")),
        (zip().raw_entry(evil()), None),
    ] {
        let upload = Upload::of(&archive.build());
        let hint = &upload.refusal().hint;
        assert_eq!(upload.refusal().rule, Rule::PathEscape);
        assert!(
            maker.is_none_or(|maker| hint.contains(maker)) && hint.contains("made by") == maker.is_some(),
            "{hint}"
        );
    }
    let lzma = RawEntry::file("a", "x").with(|e| (e.method, e.version) = (14, 63));
    let upload = Upload::of(&zip().raw_entry(lzma).build());
    assert!(upload.refusal().hint.ends_with("made by 7-Zip: choose the method Deflate, 7z a -tzip -mm=Deflate)"));
}

//! Honest archives of every common packer pass, and come out as they went in.

use std::{fs, io::Write, path::Path, process::Command};

use pipelinex_backend::intake::Warning;
use pipelinex_common::{
    limits::IntakeLimits,
    testing::zip_builder::{RawEntry, ZipBuilder},
};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::support::{Tree, Upload, read_tree, tree};

/// A small project on disk, with a name that is not ASCII, an empty file, an empty folder, and a large file.
fn project(root: &Path) -> Tree {
    fs::create_dir_all(root.join("src/größe")).unwrap();
    fs::create_dir_all(root.join("empty")).unwrap();
    fs::write(root.join("pom.xml"), "<project/>").unwrap();
    fs::write(root.join("src/größe/App.java"), "class App {}\n".repeat(100)).unwrap();
    fs::write(root.join("src/nothing"), "").unwrap();
    let large: Vec<u8> = (0..700_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(root.join("large.bin"), large).unwrap();
    read_tree(root)
}

/// Packs the project by a command in its parent folder, and unpacks it.
fn assert_round_trip(program: &str, args: &[&str], env: (&str, &str)) {
    let folder = tempfile::tempdir().unwrap();
    let work = tempfile::tempdir().unwrap();
    let expected = project(&work.path().join("project"));
    let archive = folder.path().join("upload.zip");
    let status = Command::new(program).args(args).current_dir(work.path()).env(env.0, env.1).status();
    assert!(status.unwrap_or_else(|error| panic!("{program}: {error}")).success(), "{program} {args:?}");
    fs::rename(work.path().join("out.zip"), &archive)
        .or_else(|_| fs::copy(work.path().join("out.zip"), &archive).map(drop))
        .unwrap();
    let upload = Upload::of_file(folder, &archive, &IntakeLimits::default());
    assert_eq!(upload.unpacked().peeled.as_deref(), Some("project"));
    assert_eq!(upload.tree(), expected, "{program} {args:?}");
}

#[test]
fn info_zip() {
    assert_round_trip("zip", &["-qr", "out.zip", "project"], ("LC_ALL", "C.UTF-8"));
    assert_round_trip("zip", &["-qr", "out.zip", "project"], ("LC_ALL", "C"));
    assert_round_trip("zip", &["-qrX0", "out.zip", "project"], ("LC_ALL", "C.UTF-8"));
    // To a pipe: every entry has a data descriptor.
    assert_round_trip("sh", &["-c", "zip -qr - project | cat > out.zip"], ("LC_ALL", "C.UTF-8"));
    assert_round_trip("zip", &["-qr", "-fz", "out.zip", "project"], ("LC_ALL", "C.UTF-8"));
}

/// Packs what a script makes of a folder `project`, and unpacks it. Only `pom.xml` is there before.
fn unpacked_of(script: &str) -> Upload {
    let work = tempfile::tempdir().unwrap();
    fs::create_dir(work.path().join("project")).unwrap();
    fs::write(work.path().join("project/pom.xml"), "<project/>").unwrap();
    let status = Command::new("sh").args(["-ec", script]).current_dir(work.path()).env("LC_ALL", "C.UTF-8").status();
    assert!(status.unwrap().success(), "{script}");
    Upload::of(&fs::read(work.path().join("out.zip")).unwrap())
}

#[test]
fn info_zip_with_links_and_from_a_pipe() {
    let upload = unpacked_of("cd project; mkdir d; ln -s ../pom.xml d/up; cd ..; zip -qry out.zip project");
    assert_eq!(upload.tree(), tree([("d/", ""), ("d/up@", "../pom.xml"), ("pom.xml", "<project/>")]));
    let upload = unpacked_of("printf hello | zip -qr out.zip project -");
    assert_eq!(upload.tree(), tree([("-", "hello"), ("project/", ""), ("project/pom.xml", "<project/>")]));
}

#[test]
fn names_of_linux_and_much_of_nothing() {
    let script = "cd project; mkdir con; echo x > con/aux.sql; echo a > a:b; echo r > Readme; echo R > README; \
        head -c 3000000 /dev/zero > zeros; cd ..; zip -qr out.zip project";
    let upload = unpacked_of(script);
    assert_eq!(upload.tree()["zeros"].len(), 3_000_000);
    for (name, content) in [("con/aux.sql", "x\n"), ("a:b", "a\n"), ("Readme", "r\n"), ("README", "R\n")] {
        assert_eq!(upload.tree()[name], content.as_bytes());
    }
}

/// Only where there is a JDK: the tests need none. What its archives have is in `what_java_writes`, too.
#[test]
fn jar_of_the_jdk() {
    if Command::new("jar").arg("--version").output().is_ok_and(|output| output.status.success()) {
        let upload = unpacked_of("mkdir project/größe; echo x > project/größe/ü; jar -cMf out.zip project");
        assert_eq!(upload.tree(), tree([("größe/", ""), ("größe/ü", "x\n"), ("pom.xml", "<project/>")]));
    }
}

#[test]
fn python() {
    assert_round_trip("python3", &["-m", "zipfile", "-c", "out.zip", "project"], ("LC_ALL", "C.UTF-8"));
    let to_pipe = "import sys, shutil; shutil.make_archive('out', 'zip', '.', 'project')";
    assert_round_trip("python3", &["-c", to_pipe], ("LC_ALL", "C.UTF-8"));
}

#[test]
fn git_archive() {
    // Git keeps no empty folders, so that this project has none.
    let work = tempfile::tempdir().unwrap();
    let script = "git init -q . && echo x > a && mkdir d && echo y > d/b && ln -s d/b l && git add . && \
        git -c user.name=n -c user.email=e commit -qm m && git archive --format=zip --prefix=p/ -o out.zip HEAD";
    assert!(Command::new("sh").args(["-c", script]).current_dir(work.path()).status().unwrap().success());
    let upload = Upload::of(&fs::read(work.path().join("out.zip")).unwrap());
    assert_eq!(upload.tree(), tree([("a", "x\n"), ("d/", ""), ("d/b", "y\n"), ("l@", "d/b")]));
}

#[test]
fn the_zip_crate() {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    writer.add_directory("empty", options).unwrap();
    writer.start_file("run.sh", options.unix_permissions(0o755)).unwrap();
    writer.write_all(b"#!/bin/sh\n").unwrap();
    writer.start_file("big", options.large_file(true)).unwrap();
    writer.write_all(b"with ZIP64 sizes").unwrap();
    let upload = Upload::of(&writer.finish().unwrap().into_inner());
    assert_eq!(upload.tree(), tree([("empty/", ""), ("run.sh", "#!/bin/sh\n"), ("big", "with ZIP64 sizes")]));
    assert_eq!(upload.mode("run.sh") & 0o7777, 0o755);
}

#[test]
fn what_java_writes() {
    // Folders are deflated, which takes two bytes, and everything has a descriptor, with or without a signature.
    let folder = RawEntry::file("META-INF/", "").mode(0).with_descriptor();
    let bare = RawEntry::file("A.class", "class").mode(0).with_descriptor().with(|e| drop(e.after_data.drain(..4)));
    let upload = Upload::of(&ZipBuilder::new().raw_entry(folder).raw_entry(bare).file("B.class", "x").build());
    assert_eq!(upload.tree(), tree([("A.class", "class"), ("B.class", "x"), ("META-INF/", "")]));
}

#[test]
fn zip64_and_nested_archives_are_plain_z37() {
    let inner = ZipBuilder::new().file("../../x", vec![0; 1 << 20]).build();
    let upload = Upload::of(&ZipBuilder::new().raw_entry(RawEntry::stored("bomb.zip", &inner)).zip64().build());
    assert_eq!(upload.tree()["bomb.zip"], inner);
}

#[test]
fn modes_are_0644_and_0755_whatever_the_archive_says_z20_z21() {
    let zip = ZipBuilder::new()
        .raw_entry(RawEntry::stored("d/", "").mode(0o040_000))
        .raw_entry(RawEntry::file("d/setuid", "x").mode(0o104_755))
        .raw_entry(RawEntry::file("d/open", "x").mode(0o100_666))
        .raw_entry(RawEntry::file("shut", "x").mode(0o100_000));
    let upload = Upload::of(&zip.build());
    let modes = ["d", "d/setuid", "d/open", "shut"].map(|path| upload.mode(path) & 0o7777);
    assert_eq!(modes, [0o755, 0o755, 0o644, 0o644]);
}

#[test]
fn one_top_folder_is_peeled_off_once_z33() {
    let peeled = |zip: ZipBuilder| {
        let upload = Upload::of(&zip.build());
        (upload.unpacked().peeled.clone(), upload.tree())
    };
    let app = Some("app".to_owned());
    let zip = ZipBuilder::new();
    assert_eq!(peeled(zip.file("app/app", "file")), (app.clone(), tree([("app", "file")])));
    let zip = ZipBuilder::new();
    assert_eq!(peeled(zip.file("app/app/x", "1")), (app.clone(), tree([("app/", ""), ("app/x", "1")])));
    let zip = ZipBuilder::new().dir("app/").file("app/x", "1").file("other", "2");
    assert_eq!(peeled(zip), (None, tree([("app/", ""), ("app/x", "1"), ("other", "2")])));
    let zip = ZipBuilder::new().file("only", "1");
    assert_eq!(peeled(zip), (None, tree([("only", "1")])));
    let zip = ZipBuilder::new().file("app/x", "1").file("__MACOSX/app/._x", "2").file(".DS_Store", "3");
    assert_eq!(peeled(zip), (app, tree([("x", "1")])));
}

#[test]
fn git_and_the_traces_of_macos_are_left_out_with_a_warning_z77() {
    let zip = ZipBuilder::new()
        .file("p/a", "1")
        .file("p/.git/config", "[core]\nfsmonitor = evil")
        .file("p/lib/.GIT", "gitdir: ../x")
        .file("p/.gitignore", "target")
        .file("p/.DS_Store", "x");
    let upload = Upload::of(&zip.build());
    assert_eq!(upload.tree(), tree([(".gitignore", "target"), ("a", "1")]));
    let expected = [Warning::GitLeftOut { entries: 2 }, Warning::MacosLeftOut { entries: 1 }];
    assert_eq!(upload.unpacked().warnings, expected);
    assert_eq!((upload.unpacked().files, upload.unpacked().bytes), (2, 7));
}

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use tempfile::TempDir;
use zip::ZipArchive;

use super::*;

fn project(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

fn pack_default(dir: &TempDir) -> Result<Packed, PackError> {
    pack(dir.path(), &IntakeLimits::default(), false)
}

fn names(packed: &Packed) -> Vec<String> {
    let mut zip = ZipArchive::new(packed.file.try_clone().unwrap()).unwrap();
    (0..zip.len()).map(|index| zip.by_index(index).unwrap().name().unwrap().into_owned()).collect()
}

fn content(packed: &mut Packed) -> Vec<u8> {
    let mut content = Vec::new();
    packed.file.read_to_end(&mut content).unwrap();
    content
}

#[test]
fn what_git_ignores_is_left_out_and_hidden_files_are_kept() {
    let files = [
        (".gitignore", "target/\n*.log\n!keep.log\n"),
        (".mvn/jvm.config", "-Xmx1g"),
        (".git/config", ""),
        (".ignore", "pom.xml"),
        ("pom.xml", "<project/>"),
        ("target/big.jar", "x"),
        ("module/.git", "gitdir: elsewhere"),
        ("module/x", "x"),
        ("sub/.gitignore", "local\n"),
        ("sub/local", "x"),
        ("sub/noise.log", "x"),
        ("sub/keep.log", "x"),
    ];
    for repository in [true, false] {
        let dir = project(&files);
        if !repository {
            fs::remove_dir_all(dir.path().join(".git")).unwrap();
        }
        let expected =
            [".gitignore", ".ignore", ".mvn/jvm.config", "module/x", "pom.xml", "sub/.gitignore", "sub/keep.log"];
        assert_eq!(names(&pack_default(&dir).unwrap()), expected, "repository: {repository}");
        let all = pack(dir.path(), &IntakeLimits::default(), true).unwrap();
        assert!(names(&all).contains(&"target/big.jar".to_owned()));
        assert!(!names(&all).iter().any(|name| name.contains(".git/") || name.ends_with("/.git")));
    }
}

#[test]
fn rules_of_folders_above_count_inside_a_repository_alone() {
    let dir = project(&[(".gitignore", "*.txt"), ("app/a.txt", ""), ("app/b", "")]);
    let packed = || pack(&dir.path().join("app"), &IntakeLimits::default(), false).unwrap();
    assert_eq!(names(&packed()), ["a.txt", "b"]);
    fs::create_dir(dir.path().join(".git")).unwrap();
    assert_eq!(names(&packed()), ["b"]);
}

#[test]
fn the_same_project_gives_the_same_bytes() {
    let files = [("b/z", "1"), ("b.txt", "2"), ("a", "3"), ("mvnw", "#!/bin/sh\n")];
    let (first, second) = (
        project(&files),
        project(&{
            let mut reversed = files;
            reversed.reverse();
            reversed
        }),
    );
    for dir in [&first, &second] {
        fs::set_permissions(dir.path().join("mvnw"), fs::Permissions::from_mode(0o750)).unwrap();
    }
    fs::set_permissions(second.path().join("a"), fs::Permissions::from_mode(0o600)).unwrap();
    let (mut one, mut two) = (pack_default(&first).unwrap(), pack_default(&second).unwrap());
    assert_eq!(names(&one), ["a", "b.txt", "b/z", "mvnw"]);
    one.file.rewind().unwrap();
    let bytes = content(&mut one);
    assert_eq!(bytes, content(&mut two));
    assert_eq!(bytes.len() as u64, one.bytes);

    let mut zip = ZipArchive::new(one.file).unwrap();
    let modes: Vec<_> = (0..4).map(|index| zip.by_index(index).unwrap().unix_mode().unwrap() & 0o777).collect();
    assert_eq!(modes, [0o644, 0o644, 0o644, 0o755]);
}

#[test]
fn links_inside_are_packed_and_those_that_leave_are_refused_with_their_name() {
    let dir = project(&[("pom.xml", ""), ("src/a", "x")]);
    symlink("../pom.xml", dir.path().join("src/up")).unwrap();
    symlink("src", dir.path().join("current")).unwrap();
    let packed = pack_default(&dir).unwrap();
    assert_eq!(names(&packed), ["current", "pom.xml", "src/a", "src/up"]);
    let mut zip = ZipArchive::new(packed.file).unwrap();
    for (index, target) in [(0, "src"), (3, "../pom.xml")] {
        let mut entry = zip.by_index(index).unwrap();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        assert!(entry.is_symlink() && content == target, "{content}");
    }
    symlink("current/../../pom.xml", dir.path().join("leak")).unwrap();
    let refused = pack_default(&dir).unwrap_err();
    assert!(refused.to_string().starts_with("leak is a link out of the folder, to current/../../pom.xml"), "{refused}");
    fs::write(dir.path().join(".gitignore"), "leak").unwrap();
    assert_eq!(pack_default(&dir).unwrap().files, 5);
}

#[test]
fn special_files_are_refused_with_their_name() {
    let dir = project(&[("pom.xml", "")]);
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    assert!(matches!(pack_default(&dir), Err(PackError::Special(path)) if path == Path::new("socket")));
}

#[test]
fn limits_hold_before_anything_is_sent() {
    let dir = project(&[("a/b/c", "12345"), ("d", "67890")]);
    let with = |change: fn(&mut IntakeLimits)| {
        let mut limits = IntakeLimits::default();
        change(&mut limits);
        pack(dir.path(), &limits, false).map(|packed| packed.files).map_err(|error| error.to_string())
    };
    assert_eq!(with(|limits| limits.files = 4), Ok(2));
    assert!(with(|limits| limits.files = 3).unwrap_err().contains("--file-limit"));
    assert_eq!(with(|limits| limits.unpacked_bytes = 10), Ok(2));
    assert!(with(|limits| limits.unpacked_bytes = 9).unwrap_err().contains("more than 9 bytes"));
    assert_eq!(with(|limits| limits.depth = 3), Ok(2));
    assert!(with(|limits| limits.depth = 2).unwrap_err().starts_with("a/b/c lies deeper than 2 folders"));
    assert!(with(|limits| limits.upload_bytes = 20).unwrap_err().contains("--upload-limit"));
    assert!(matches!(pack_default(&project(&[(".git/x", "")])), Err(PackError::Empty(_))));
}

use std::{
    fs,
    os::unix::fs::{FileTypeExt, symlink},
};

use super::*;

fn text(found: &Walk) -> Vec<&str> {
    found.files.iter().map(|f| f.path.as_str()).collect()
}

#[test]
fn links_pipes_and_second_names_are_never_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (out, secret) = (dir.path().join("out"), dir.path().join("secret"));
    fs::create_dir_all(out.join("sub")).unwrap();
    fs::write(&secret, "secret").unwrap();
    fs::write(out.join("sub/plain"), "plain").unwrap();
    symlink(&secret, out.join("link")).unwrap();
    symlink(dir.path(), out.join("folder-link")).unwrap();
    symlink("/proc/self/environ", out.join("magic")).unwrap();
    fs::hard_link(&secret, out.join("hard")).unwrap();
    rustix::fs::mknodat(CWD, out.join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    assert!(fs::metadata(out.join("pipe")).unwrap().file_type().is_fifo());

    let beneath = Beneath::open(&out).unwrap();
    let walk = beneath.walk(100).unwrap();
    assert_eq!(text(&walk), ["sub/plain"]);
    assert_eq!(walk.links, ["folder-link", "link", "magic"]);
    let told: Vec<String> = walk.passed_over.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["pipe: it is a pipe", "hard: it has another name elsewhere (a hard link)"]);
    assert_eq!(beneath.read("sub/plain", 5).unwrap(), b"plain");
    for refused in
        ["link", "magic", "hard", "pipe", "folder-link/secret", "../secret", "sub/../../secret", "/etc/passwd", "sub"]
    {
        let error = beneath.read(refused, 100).unwrap_err();
        assert!(matches!(error, ForeignError::Refused { .. }), "{refused}: {error}");
    }
    assert!(matches!(beneath.read("absent", 1), Err(ForeignError::Missing(_))));
    assert!(matches!(beneath.read("sub/plain", 4), Err(ForeignError::TooMuch(_))));
}

#[test]
fn an_overlay_is_read_as_one_tree() {
    let dir = tempfile::tempdir().unwrap();
    let (upper, lower) = (dir.path().join("upper"), dir.path().join("lower"));
    for (path, content) in [
        ("lower/kept", "lower"),
        ("lower/changed", "lower"),
        ("lower/deleted", "lower"),
        ("lower/dir/from-lower", "lower"),
        ("lower/hidden/old", "lower"),
        ("upper/changed", "upper"),
        ("upper/new", "upper"),
        ("upper/dir/from-upper", "upper"),
        ("upper/hidden/fresh", "upper"),
    ] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    if !rustix::process::geteuid().is_root() {
        return; // whiteouts are root's to make
    }
    rustix::fs::mknodat(CWD, upper.join("deleted"), FileType::CharacterDevice, Mode::empty(), 0).unwrap();
    rustix::fs::setxattr(upper.join("hidden"), c"user.overlay.opaque", b"y", rustix::fs::XattrFlags::empty()).unwrap();
    let beneath = Beneath::open_overlay(&upper, &lower).unwrap();
    let walk = beneath.walk(100).unwrap();
    assert_eq!(text(&walk), ["changed", "dir/from-lower", "dir/from-upper", "hidden/fresh", "kept", "new"]);
    assert_eq!(beneath.read("changed", 9).unwrap(), b"upper");
    assert_eq!(beneath.read("kept", 9).unwrap(), b"lower");
    let deleted = beneath.read("deleted", 9).unwrap_err();
    assert!(matches!(deleted, ForeignError::Refused { .. } | ForeignError::Missing(_)), "{deleted}");
}

#[test]
fn a_file_with_several_names_is_taken_when_all_of_them_are_inside() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    fs::create_dir_all(out.join("deps")).unwrap();
    fs::write(out.join("deps/app-0123"), "program").unwrap();
    fs::hard_link(out.join("deps/app-0123"), out.join("app")).unwrap();
    let beneath = Beneath::open(&out).unwrap();
    let walk = beneath.walk_for(100, &|path| path == "app").unwrap();
    assert_eq!(text(&walk), ["app"], "the name that is not wanted counts as well");
    assert!(beneath.open_found(&walk.files[0]).is_ok());
    fs::hard_link(out.join("app"), dir.path().join("elsewhere")).unwrap();
    let error = beneath.open_found(&walk.files[0]).unwrap_err();
    assert!(matches!(error, ForeignError::Refused { .. }), "{error}");
    let walk = beneath.walk_for(100, &|path| path == "app").unwrap();
    assert_eq!((text(&walk), walk.passed_over.len()), (vec![], 1));
}

#[test]
fn what_cannot_be_named_is_told_and_a_flood_of_it_is_counted() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    for name in [&b"new\nline"[..], b"\xff"] {
        fs::write(dir.path().join(std::ffi::OsStr::from_bytes(name)), "").unwrap();
    }
    for n in 0..PASSED_OVER_MAX {
        rustix::fs::mknodat(CWD, dir.path().join(format!("{n}")), FileType::Fifo, Mode::from_raw_mode(0o600), 0)
            .unwrap();
    }
    let walk = Beneath::open(dir.path()).unwrap().walk(1000).unwrap();
    let told: Vec<String> = walk.passed_over.iter().map(ToString::to_string).collect();
    assert!(told.contains(&"0: it is a pipe".to_owned()) && walk.unnamed == 2, "{told:?} {}", walk.unnamed);
    let odd = Beneath::open(dir.path()).unwrap().walk_for(1000, &|path| path.parse::<u32>().is_err()).unwrap();
    let told: Vec<String> = odd.passed_over.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["new\\u{a}line: its name has control characters", "\u{fffd}: its name is no UTF-8"]);
}

#[test]
fn a_walk_stops_at_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..20 {
        fs::write(dir.path().join(format!("{n:02}")), "").unwrap();
    }
    let walk = Beneath::open(dir.path()).unwrap().walk(5).unwrap();
    assert!(walk.cut);
    assert_eq!(walk.files.len(), 5);
}

#[test]
fn a_walk_counts_folders_too_and_keeps_only_what_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..20 {
        fs::create_dir(dir.path().join(format!("d{n:02}"))).unwrap();
    }
    fs::write(dir.path().join("d00/a.xml"), "").unwrap();
    fs::write(dir.path().join("d00/b.txt"), "").unwrap();
    let beneath = Beneath::open(dir.path()).unwrap();
    assert!(beneath.walk(10).unwrap().cut);
    let walk = beneath.walk_for(100, &|path| path.ends_with(".xml")).unwrap();
    assert_eq!((text(&walk), walk.cut), (vec!["d00/a.xml"], false));
}

#[test]
fn a_tree_of_any_depth_is_removed_without_following_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, outside) = (dir.path().join("tree"), dir.path().join("outside"));
    fs::create_dir(&tree).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "").unwrap();
    symlink(&outside, tree.join("link")).unwrap();
    // Deeper than a path can name: built by moving a chain into a new folder again and again.
    for n in 0..1000 {
        fs::create_dir(dir.path().join("next")).unwrap();
        if n > 0 {
            fs::rename(dir.path().join("chain"), dir.path().join("next/d")).unwrap();
        }
        fs::write(dir.path().join("next/file"), "").unwrap();
        fs::rename(dir.path().join("next"), dir.path().join("chain")).unwrap();
    }
    fs::rename(dir.path().join("chain"), tree.join("chain")).unwrap();
    remove_tree(&tree).unwrap();
    assert_eq!(fs::read_dir(&tree).unwrap().count(), 0);
    assert!(outside.join("kept").exists());
}

#[test]
fn what_cannot_be_removed_keeps_nothing_behind_it() {
    if !rustix::process::geteuid().is_root() {
        return; // nothing can be mounted
    }
    // A folder in which something is mounted can be emptied, and not removed.
    let disk = crate::testing::SmallDisk::in_memory();
    let trash = disk.path().parent().unwrap();
    fs::write(disk.path().join("file"), "").unwrap();
    for n in 0..50 {
        fs::create_dir_all(trash.join(format!("{n}/a/b"))).unwrap();
        fs::write(trash.join(format!("{n}/a/b/file")), "").unwrap();
    }
    let error = remove_tree(trash).unwrap_err();
    assert!(error.to_string().contains("disk"), "{error}");
    let left: Vec<_> = fs::read_dir(trash).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["disk"]);
    assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 0);
}

//! Repositories that were made to harm: too large in every way, named to break out, damaged.

use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};
use serde_json::json;

use crate::{
    host::{Asked, Host, Reply},
    repository::{Files, Repository, git},
    world::{Answer, World, story},
};

async fn submit(world: &mut World, name: &str, more: &[&str]) -> Answer {
    let host = Host::start(&world.repositories(), |_| Reply::Git).await;
    world.kill();
    world.serve(&[&host.name()], more).await;
    let answer = world.submit(&host.url(name), json!({})).await;
    assert_eq!(world.clones(), Vec::<u32>::new());
    answer
}

/// Bytes that cannot be compressed.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

#[test]
fn what_is_too_large_ends_where_the_limit_is() {
    story(async |world| {
        let repositories = world.repositories();
        Repository::with(&repositories, "heavy", Files::project().file("noise", noise(3 << 20)));
        Repository::with(&repositories, "bomb", Files::project().file("zeros", vec![0; 64 << 20]));
        let many = (0..300).fold(Files::project(), |files, n| files.file(&format!("many/{n}"), n.to_string()));
        Repository::with(&repositories, "many", many);
        Repository::with(&repositories, "deep", Files::project().file(&format!("{}x", "d/".repeat(30)), "x"));
        Repository::with(&repositories, "long", Files::project().file(&"n".repeat(300), "x"));

        let heavy = submit(world, "heavy", &["--clone-limit", "2MiB"]).await;
        assert_eq!(
            heavy.said(),
            "413 too-large: the clone has more than 2 MiB; a smaller branch may fit, or a ZIP of the project"
        );
        let bomb = submit(world, "bomb", &["--unpacked-limit", "32MiB"]).await;
        assert!(bomb.said().starts_with("413 too-large: the project has more than 32 MiB unpacked"), "{bomb:?}");
        let objects = submit(world, "many", &["--clone-object-limit", "100"]).await;
        assert!(objects.said().starts_with("413 too-large: the clone has 3"), "{objects:?}");
        assert_eq!(submit(world, "many", &["--file-limit", "100"]).await.rule(), "422 git-too-many-entries -");
        let deep = submit(world, "deep", &[]).await.rule();
        assert!(deep.starts_with("422 git-too-deep d/d/d/"), "{deep}");
        let long = submit(world, "long", &[]).await.rule();
        assert!(long.starts_with("422 git-name-too-long nnn"), "{long}");
        assert_eq!(world.jobs(), 0);
    });
}

#[test]
fn a_tree_that_holds_itself_many_times_over_ends_at_the_limit_of_files() {
    story(async |world| {
        let repository = Repository::new(&world.repositories(), "bomb");
        let blob = repository.object("blob", b"x");
        let names: Vec<String> = (0..10).map(|n| format!("f{n}")).collect();
        let mut tree = repository.tree(&names.iter().map(|n| ("100644", n.as_bytes(), &*blob)).collect::<Vec<_>>());
        for _ in 0..9 {
            tree = repository.tree(&names.iter().map(|n| ("40000", n.as_bytes(), &*tree)).collect::<Vec<_>>());
        }
        repository.set_main(&tree);
        let begun = std::time::Instant::now();
        assert_eq!(submit(world, "bomb", &[]).await.rule(), "422 git-too-many-entries -");
        assert!(begun.elapsed().as_secs() < 20);
    });
}

#[test]
fn names_that_git_does_not_make_are_refused() {
    story(async |world| {
        let repository = Repository::new(&world.repositories(), "shop");
        let blob = repository.object("blob", b"x");
        let inner = repository.tree(&[("100644", b"config", &blob)]);
        let link = repository.object("blob", b"/tmp");
        let file = |name: &'static [u8]| vec![("100644", name, &*blob)];
        let host = Host::start(&world.repositories(), |_| Reply::Git).await;
        world.serve(&[&host.name()], &[]).await;
        for (entries, expected) in [
            (vec![("40000", &b".git"[..], &*inner)], "422 git-dot-git .git"),
            (vec![("40000", b".GIT", &*inner)], "422 git-dot-git .GIT"),
            (vec![("40000", b"git~1", &*inner)], "422 git-dot-git git~1"),
            (vec![("40000", ".g\u{200c}it".as_bytes(), &*inner)], "422 git-dot-git .g\u{200c}it"),
            (vec![("40000", b".git ", &*inner)], "422 git-dot-git .git "),
            (vec![("40000", b".git::$INDEX_ALLOCATION", &*inner)], "422 git-dot-git .git::$INDEX_ALLOCATION"),
            (vec![("40000", b"..", &*inner)], "422 git-path-escape .."),
            (file(b"../../x"), "422 git-path-escape ../../x"),
            (file(b"/etc/cron.d/x"), "422 git-path-escape /etc/cron.d/x"),
            (file(b"a/b"), "422 git-path-escape a/b"),
            (file(b"a\\.git\\b"), "422 git-dot-git a\\.git\\b"),
            (file(b"."), "422 git-name-dot-or-empty ."),
            (file(b"a\nb"), "422 git-name-control-character a\\u{a}b"),
            (file(b"\xff"), "422 git-name-not-utf8 \\u{fffd}"),
            (vec![("40000", b"A", &inner), ("120000", b"a", &link)], "422 git-link-leaves-project a"),
            (vec![("100644", b"a", &blob), ("100644", b"a", &blob)], "422 git-duplicate-name a"),
            (vec![("120000", b"a", &link), ("40000", b"a", &inner)], "422 git-file-and-folder a"),
            (
                vec![("100644", "\u{e9}".as_bytes(), &blob), ("100644", "e\u{301}".as_bytes(), &blob)],
                "422 git-unicode-collision",
            ),
            (vec![("10644", b"pipe", &blob)], "422 git-special-entry pipe"),
            (vec![("100644", b"tree", &inner)], "422 git-damaged tree"),
        ] {
            repository.set_main(&repository.tree(&entries));
            let answer = world.submit(&host.url("shop"), json!({})).await;
            let rule = answer.rule();
            assert!(
                rule == expected || expected.ends_with("collision") && rule.starts_with(expected),
                "{rule}, not {expected}"
            );
        }
        assert_eq!(world.jobs(), 0);
    });
}

#[test]
fn links_that_leave_the_project_are_refused_by_name() {
    story(async |world| {
        let files = Files::project()
            .link("passwd", "/etc/passwd")
            .link("src/out", "../../secret")
            .link("src/main/top", "../..")
            .link("src/main/two-hops", "top/../secret")
            .link("inside", "src/main");
        Repository::with(&world.repositories(), "shop", files);
        let answer = submit(world, "shop", &[]).await;
        assert_eq!(answer.rule(), "422 git-link-leaves-project passwd");
        let hint = answer.body["problems"][0]["hint"].as_str().unwrap();
        assert!(hint.contains("leads to `/etc/passwd`"), "{hint}");
        assert!(hint.ends_with("so do `src/main/two-hops`, `src/out`"), "{hint}");
        assert_eq!(world.jobs(), 0);
    });
}

#[test]
fn a_damaged_pack_is_refused() {
    story(async |world| {
        Repository::with(&world.repositories(), "shop", Files::project().file("noise", noise(10_000)));
        let lacking = Repository::with(&world.repositories(), "lacking", Files::project());
        let commit_alone = answer_with(&lacking.pack("main"));
        let flip = |mut body: Vec<u8>| {
            let middle = body.len() / 2;
            body[middle] ^= 0x40;
            body
        };
        let host = Host::start(&world.repositories(), move |asked: &Asked| match asked.is_list() {
            false if asked.path.contains("/shop.git") => Reply::Changed(Box::new(flip)),
            false => Reply::Bytes("application/x-git-upload-pack-result", commit_alone.clone()),
            true => Reply::Git,
        })
        .await;
        world.serve(&[&host.name()], &[]).await;
        assert_eq!(world.submit(&host.url("shop"), json!({})).await.rule(), "422 git-damaged -");
        assert_eq!(world.submit(&host.url("lacking"), json!({})).await.rule(), "422 git-damaged -");
        assert_eq!(world.jobs(), 0);
    });
}

/// A pack of one blob of zeros and of deltas that each copy it whole.
fn bomb(bytes: usize, deltas: usize) -> Vec<u8> {
    let mut pack = [&b"PACK\0\0\0\x02"[..], &(deltas as u32 + 1).to_be_bytes()].concat();
    let base = pack.len();
    entry(&mut pack, 3, &vec![0; bytes], &[]);
    for n in 0..deltas {
        let mut delta = [varint(bytes), varint(bytes + 4)].concat();
        let mut at = 0;
        while at < bytes {
            let size = (bytes - at).min(0xff_ffff);
            delta.push(0b1111_1111);
            delta.extend((at as u32).to_le_bytes());
            delta.extend(&(size as u32).to_le_bytes()[..3]);
            at += size;
        }
        delta.push(4);
        delta.extend((n as u32).to_be_bytes());
        let mut back = vec![((pack.len() - base) & 0x7f) as u8];
        let mut offset = (pack.len() - base) >> 7;
        while offset > 0 {
            offset -= 1;
            back.insert(0, 0x80 | (offset & 0x7f) as u8);
            offset >>= 7;
        }
        entry(&mut pack, 6, &delta, &back);
    }
    let sum = sha1(&pack);
    pack.extend(sum);
    pack
}

fn entry(pack: &mut Vec<u8>, kind: u8, content: &[u8], before: &[u8]) {
    let (mut first, mut size) = ((kind << 4) | (content.len() & 15) as u8, content.len() >> 4);
    while size > 0 {
        pack.push(first | 0x80);
        (first, size) = ((size & 0x7f) as u8, size >> 7);
    }
    pack.push(first);
    pack.extend(before);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(content).unwrap();
    pack.extend(zlib.finish().unwrap());
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn sha1(content: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pack"), content).unwrap();
    let sum = crate::world::output(std::process::Command::new("sha1sum").arg(folder.path().join("pack")));
    (0..40).step_by(2).map(|at| u8::from_str_radix(&sum[at..at + 2], 16).unwrap()).collect()
}

/// The answer of a server that sends this pack.
fn answer_with(pack: &[u8]) -> Vec<u8> {
    let mut answer = b"00000008NAK\n".to_vec();
    for piece in pack.chunks(60_000) {
        answer.extend(format!("{:04x}\x01", piece.len() + 5).bytes());
        answer.extend(piece);
    }
    answer.extend(b"0000");
    answer
}

#[test]
fn a_pack_that_unfolds_without_end_is_ended() {
    story(async |world| {
        Repository::with(&world.repositories(), "slow", Files::project());
        Repository::with(&world.repositories(), "large", Files::project());
        // Ten minutes of work, or an object larger than what a clone may hold.
        let (slow, large) = (answer_with(&bomb(40 << 20, 5000)), answer_with(&bomb(900 << 20, 1)));
        assert!(slow.len() < 2 << 20 && large.len() < 2 << 20, "{} {}", slow.len(), large.len());
        let host = Host::start(&world.repositories(), move |asked: &Asked| match asked.is_list() {
            true => Reply::Git,
            false if asked.path.contains("/slow.git") => {
                Reply::Bytes("application/x-git-upload-pack-result", slow.clone())
            }
            false => Reply::Bytes("application/x-git-upload-pack-result", large.clone()),
        })
        .await;
        world.serve(&[&host.name()], &["--clone-timeout", "4s"]).await;
        let slow = world.submit(&host.url("slow"), json!({})).await;
        assert!(slow.said().starts_with("504 git-too-slow"), "{slow:?}");
        world.kill();
        world.serve(&[&host.name()], &[]).await;
        let large = world.submit(&host.url("large"), json!({})).await;
        assert!(large.said().starts_with("413 too-large: the repository holds objects that are larger"), "{large:?}");
    });
}

/// The packs that are made here are what Git takes for packs: else the story above would show nothing.
#[test]
fn the_bomb_is_a_pack() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.pack"), bomb(1 << 20, 3)).unwrap();
    crate::world::output(&mut git(folder.path(), &["index-pack", "--strict", "a.pack"]));
}

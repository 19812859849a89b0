//! Nested archives, and what hides in them.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::secrets::{
    allow::Allow,
    content::{Limits, Part},
};

const KEY: &str = "code 0123456789abcdef";

/// What is read and what is not, as lines.
fn look(path: &str, bytes: &[u8], left: Limits) -> (Vec<String>, Vec<String>) {
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    let mut sink = |origin: &Rc<Origin>, part: Part<'_>| {
        match part {
            Part::Text(text) | Part::Strings(text, _) => {
                if text.windows(KEY.len()).any(|part| part == KEY.as_bytes()) {
                    read.push(origin.path.clone());
                }
            }
            Part::Unread(reason) => unread.push(format!("{}: {reason}", origin.path)),
            Part::Whole(_) => {}
        }
        Ok(())
    };
    let allow = Allow::default();
    let mut reader = Reader { sink: &mut sink, allow: &allow, left, whole: false };
    let origin = Rc::new(Origin { path: path.to_owned(), commit: None });
    reader.read(&origin, bytes, 0).unwrap();
    read.dedup();
    (read, unread)
}

fn found(path: &str, bytes: &[u8]) -> Vec<String> {
    let (read, unread) = look(path, bytes, Limits::default());
    assert!(unread.is_empty(), "{unread:?}");
    read
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

fn tar(entries: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, kind, content) in entries {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = *kind;
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
        bytes.extend(header);
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

#[test]
fn a_key_in_nested_archives_is_found_to_the_limit_and_named_beyond() {
    let mut bytes = zip(&[("conf/a.txt", KEY.as_bytes())]);
    let mut place = "!conf/a.txt".to_owned();
    for depth in 1..MAX_DEPTH {
        assert_eq!(found("outer", &bytes), [format!("outer{place}")]);
        bytes = zip(&[(&format!("{depth}.zip"), &bytes)]);
        place = format!("!{depth}.zip{place}");
    }
    assert_eq!(found("outer", &bytes), [format!("outer{place}")]);
    let (read, unread) = look("outer", &zip(&[("more.zip", &bytes)]), Limits::default());
    assert!(read.is_empty() && unread.len() == 1 && unread[0].contains("depth of 4"), "{unread:?}");
}

#[test]
fn tar_and_gzip_are_looked_into() {
    let text = KEY.as_bytes();
    assert_eq!(found("a.tgz", &gzip(&tar(&[("b.txt", b'0', text)]))), ["a.tgz!b.txt"]);
    assert_eq!(found("log.gz", &gzip(text)), ["log.gz!log"]);
    let long = [("././@LongLink", b'L', b"long/name.txt\0".as_slice()), ("long", b'0', text)];
    assert_eq!(found("a.tar", &tar(&long)), ["a.tar!long/name.txt"]);
    // Two members, and text behind the last.
    let mut two = gzip(b"first");
    two.extend(gzip(text));
    assert_eq!(found("two.gz", &two), ["two.gz!two"]);
    two.truncate(gzip(b"first").len());
    two.extend_from_slice(text);
    assert_eq!(found("tail.gz", &two), ["tail.gz"]);
}

#[test]
fn what_stands_between_the_entries_is_found() {
    let text = KEY.as_bytes();
    let plain = zip(&[("a", b"nothing")]);
    assert_eq!(found("front", &[text, &plain].concat()), ["front"]);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.set_comment(KEY).unwrap();
    writer.start_file("a", SimpleFileOptions::default()).unwrap();
    assert_eq!(found("comment", &writer.finish().unwrap().into_inner()), ["comment"]);
    // Of two entries with one name a directory lists both, a reader shows the last; and an entry that none lists.
    let hidden = [zip(&[("a", text)]), plain].concat();
    let (_, unread) = look("hidden", &hidden, Limits::default());
    assert!(unread.iter().any(|line| line.contains("does not list")), "{unread:?}");
}

#[test]
fn bytes_that_no_entry_unpacks_from_are_found() {
    // A name that ends in a slash is a folder only where it has no content.
    let mut folder = zip(&[("k/", b"")]);
    let central = folder.windows(4).position(|part| part == b"PK\x01\x02").unwrap();
    folder.splice(central..central, KEY.bytes());
    let length = u8::try_from(KEY.len()).unwrap();
    let central = central + KEY.len();
    folder[18] = length;
    folder[central + 20] = length;
    for method in [8, central + 10] {
        folder[method..method + 2].fill(0);
    }
    move_directory(&mut folder, length);
    assert!(!look("x", &folder, Limits::default()).0.is_empty(), "content of a folder");
    // Packed data that ends before its room does.
    let mut early = zip(&[("a", b"nothing nothing nothing")]);
    let central = early.windows(4).position(|part| part == b"PK\x01\x02").unwrap();
    early.splice(central..central, KEY.bytes());
    early[18] += length;
    early[central + KEY.len() + 20] += length;
    move_directory(&mut early, length);
    assert!(!look("x", &early, Limits::default()).0.is_empty(), "behind the end of packed data");
}

/// Tells a ZIP's end that its directory has moved.
fn move_directory(bytes: &mut [u8], by: u8) {
    let end = bytes.windows(4).rposition(|part| part == ZIP_END).unwrap();
    bytes[end + 16] += by;
}

#[test]
fn what_cannot_be_unpacked_is_named() {
    let mut encrypted = zip(&[("a.txt", b"abc")]);
    let central = encrypted.windows(4).position(|part| part == b"PK\x01\x02").unwrap();
    encrypted[6] |= 1;
    encrypted[central + 8] |= 1;
    let torn = {
        let mut bytes = gzip(&[7; 100_000]);
        bytes.truncate(60);
        bytes
    };
    let cases: [(&[u8], &str); 5] = [
        (&encrypted, "x!a.txt: encrypted"),
        (&torn, "cannot be unpacked"),
        (b"7z\xbc\xaf\x27\x1c\0\x04\0\0\0\0\0\0", "not looked into (7z)"),
        (b"Rar!\x1a\x07\x01\0\0\0\0\0\0", "not looked into (RAR)"),
        (b"PK\x03\x04\0\0\0\0\0\0\0\0\0\0\0\0", "cannot be opened"),
    ];
    for (bytes, expected) in cases {
        let (_, unread) = look("x", bytes, Limits::default());
        assert!(unread.iter().any(|line| line.contains(expected)), "{unread:?} for {expected}");
    }
    let many = zip(&[("a", &[b'a'; 5000]), ("b", &[b'b'; 5000]), ("c", b"c")]);
    for (left, expected) in [
        (Limits { bytes: 6000, ..Limits::default() }, "x!b: unpacks to more than"),
        (Limits { held: 100, ..Limits::default() }, "x!a: unpacks to more than the 100"),
        (Limits { entries: 2, ..Limits::default() }, "x!c: all archives together have more entries"),
    ] {
        let (_, unread) = look("x", &many, left);
        assert!(unread.iter().any(|line| line.starts_with(expected)), "{unread:?} for {expected}");
    }
}

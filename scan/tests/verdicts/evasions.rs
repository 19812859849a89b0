//! Ways to hide a key from SECRETS, by id. Each is found, or the file is named as not read.
//!
//! The tool is a stand-in that sees what gitleaks would be given; `dev/stages/secrets.sh` tries the same with the real one.

use std::{io::Write, os::unix::fs::symlink};

use flate2::{Compression, Crc, write::GzEncoder};
use pipelinex_scan::Word;
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::world::{World, gitleaks, key};

/// What SECRETS says of one file: where findings are, and its warnings.
fn scanned(place: impl FnOnce(&World)) -> (Vec<String>, String) {
    let world = World::new("SECRETS");
    place(world.tool("gitleaks", &gitleaks("")));
    let (_, result) = world.run(Word::Secrets);
    let report: serde_json::Value = serde_json::from_str(&world.report("gitleaks.sarif")).unwrap();
    let results = report["runs"][0]["results"].as_array().unwrap();
    let place = |result: &serde_json::Value| {
        let place = &result["locations"][0]["physicalLocation"];
        format!("{}:{}", place["artifactLocation"]["uri"].as_str().unwrap(), place["region"]["startLine"])
    };
    (results.iter().map(place).collect(), format!("{} {}", result["warnings"], result["details"]))
}

fn found(id: &str, path: &str, content: impl AsRef<[u8]>, expected: &str) {
    let (places, told) = scanned(|world| {
        world.file(path, content);
    });
    assert_eq!(places, [expected], "{id}: {told}");
}

fn unread(id: &str, path: &str, content: impl AsRef<[u8]>, reason: &str) {
    let (_, told) = scanned(|world| {
        world.file(path, content);
    });
    assert!(told.contains(path) && told.contains(reason), "{id}: {told}");
}

fn wide(text: &str, width: usize, big: bool) -> Vec<u8> {
    let unit = |c: char| {
        let mut bytes = u32::from(c).to_be_bytes()[4 - width..].to_vec();
        if !big {
            bytes.reverse();
        }
        bytes
    };
    text.chars().flat_map(unit).collect()
}

#[test]
fn encodings() {
    let text = format!("name = x\nkey = {}\n", key());
    for (id, width, big) in [("S01", 2, false), ("S02", 2, true), ("S03", 4, false), ("S04", 4, true)] {
        found(id, "a.properties", wide(&text, width, big), "a.properties:2");
        found(id, "a.properties", wide(&format!("\u{feff}{text}"), width, big), "a.properties:2");
    }
    // One key in wide characters in a long text of narrow ones, and the other way round.
    let narrow = "nothing here\n".repeat(500);
    found("S05", "a.txt", [narrow.as_bytes(), &wide(&key(), 2, false), narrow.as_bytes()].concat(), "a.txt:501");
    let (places, told) = scanned(|world| {
        world.file("a.txt", [wide(&format!("\u{feff}{narrow}"), 2, false), text.as_bytes().to_vec()].concat());
    });
    assert!(places == ["a.txt:502"] || told.contains("unknown format"), "S06: {places:?} {told}");
    found("S07", "latin.txt", [b"gr\xfc\xdfe ".as_slice(), key().as_bytes()].concat(), "latin.txt:1");
}

#[test]
fn first_bytes_of_something_else() {
    let heads: [&[u8]; 12] = [
        b"MZ: 1\n",
        b"%PDF-1.4\n",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a\n",
        b"\xff\xd8\xff\n",
        b"\x7fELF\n",
        b"PK\x03\x04\n",
        b"\xca\xfe\xba\xbe\n",
        b"{\\rtf1\n",
        b"SQLite format 3\n",
        b"BZh9\n",
        b"%!PS\n",
    ];
    for (number, head) in heads.into_iter().enumerate() {
        let content = [head, b"some text to be read by people, and then\nkey = ", key().as_bytes(), b"\n"].concat();
        let (places, told) = scanned(|world| {
            world.file("data", &content);
        });
        assert!(places.len() == 1 && places[0].starts_with("data:"), "S10-{number}: {places:?} {told}");
    }
    // Where a tar and a disc image have their marks.
    for (id, at, mark) in [("S11", 257, "ustar"), ("S12", 32_769, "CD001"), ("S13", 32_769 - 512, "CD001")] {
        let mut content = vec![b'x'; 40_000];
        content[at..at + mark.len()].copy_from_slice(mark.as_bytes());
        found(id, "a", [content.as_slice(), b" ", key().as_bytes()].concat(), "a:1");
    }
}

fn png() -> Vec<u8> {
    let chunk = |kind: &[u8], data: &[u8]| {
        let body = [kind, data].concat();
        let mut crc = Crc::new();
        crc.update(&body);
        [u32::try_from(data.len()).unwrap().to_be_bytes().as_slice(), &body, &crc.sum().to_be_bytes()].concat()
    };
    let parts = [chunk(b"IHDR", &[1; 13]), chunk(b"IDAT", &[9; 50]), chunk(b"IEND", b"")];
    [b"\x89PNG\r\n\x1a\n".as_slice(), &parts.concat()].concat()
}

#[test]
fn data_and_what_comes_with_it() {
    let (places, told) = scanned(|world| {
        world.file("logo.png", png());
    });
    assert!(places.is_empty() && !told.contains("logo.png"), "S20: a whole picture is data: {told}");
    found("S21", "logo.png", [png(), format!("\nkey = {}", key()).into_bytes()].concat(), "logo.png:2");
    found("S22", "logo.png", [png(), wide(&format!("key = {} and more", key()), 2, false)].concat(), "logo.png:1");
    unread("S23", "logo.png", &png()[..60], "unknown format");
    unread("S24", "blob.bin", [png(), vec![3; 100]].concat(), "unknown format");
    found("S25", "blob.bin", [vec![1, 2, 0, 0], key().into_bytes(), vec![0, 1, 2]].concat(), "blob.bin:1");
}

#[test]
fn names() {
    for path in [
        "node_modules/a/index.js",
        "vendor/github.com/a/b.go",
        "dist/app.min.js",
        "logo.svg",
        "a/jquery.min.js",
        "package-lock.json",
        "yarn.lock",
        "go.sum",
        "poetry.lock",
        ".gitleaks.toml",
        "gitleaks.toml",
        "mvnw",
        "lib/python3.11/x.py",
        "a.pdf",
        "font.woff2",
        "a.exe",
        "x.gem",
        "verification-metadata.xml",
        "a.zip",
        "b.tar.gz",
        ".hidden/.env",
        "a b/\u{e4}.txt",
    ] {
        found("S30", path, format!("key: \"{}\" # gitleaks:allow\n", key()), &format!("{path}:1"));
    }
    // The list of gitleaks itself, with every name that the pieces could have.
    let ignored: String = (0..50).map(|number| format!("{number:06}.txt:aws-access-token:2\n")).collect();
    let (places, told) = scanned(|world| {
        world.file(".gitleaksignore", ignored).file("a/.env", key());
    });
    assert!(places == ["a/.env:1"] && told.contains(".gitleaksignore found: ignored"), "S31: {places:?} {told}");
}

#[test]
fn sizes_and_depths() {
    let mut line = vec![b'a'; 30 << 20];
    let place = 25_000_000;
    line[place] = b' ';
    line[place + 1..place + 21].copy_from_slice(key().as_bytes());
    line[place + 21] = b' ';
    found("S40", "one-line.json", line, "one-line.json:1");
    let deep = format!("{}key.txt", "d/".repeat(200));
    found("S41", &deep, key(), &format!("{deep}:1"));
    let (places, _) = scanned(|world| symlink(key(), world.dir.path().join("app/link")).unwrap());
    assert_eq!(places, ["link:1"], "S42: the text of a link");
    let (_, told) = scanned(|world| {
        rustix::fs::mkfifoat(rustix::fs::CWD, world.dir.path().join("app/pipe"), rustix::fs::Mode::RWXU).unwrap();
    });
    assert!(told.contains("\"pipe\"") && told.contains("neither a file"), "S43: {told}");
}

fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file(name, SimpleFileOptions::default()).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap().into_inner()
}

#[test]
fn archives_in_archives() {
    let mut bytes = zip("a.properties", format!("\nkey={}\n", key()).as_bytes());
    let mut inner = "a.properties:2".to_owned();
    for depth in 1..=4 {
        found("S50", "outer.jar", &bytes, &format!("outer.jar!{inner}"));
        bytes = zip(&format!("{depth}.zip"), &bytes);
        inner = format!("{depth}.zip!{inner}");
    }
    unread("S51", "outer.jar", &bytes, "this is deeper");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(key().as_bytes()).unwrap();
    found("S52", "log.gz", gzip.finish().unwrap(), "log.gz!log:1");
    unread("S53", "a.7z", b"7z\xbc\xaf\x27\x1c\0\x04\x01\x02\x03\x04\x05", "7z");
}

#[test]
fn digests_that_are_none() {
    let digest = "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
    let hidden = digest.replacen(&digest[3..28], &format!("/{}/abc", key()), 1);
    for (id, value) in [("S60", key()), ("S61", format!("sha512-{}", key())), ("S62", format!("sha512-{hidden}"))] {
        let line = format!("{{\n \"integrity\": \"{value}\"\n}}");
        found(id, "package-lock.json", line, "package-lock.json:2");
    }
}

/// A text in EBCDIC, as far as keys need it.
fn ebcdic(text: &str) -> Vec<u8> {
    let byte = |byte: u8| match byte {
        b'a'..=b'i' => byte - b'a' + 0x81,
        b'j'..=b'r' => byte - b'j' + 0x91,
        b's'..=b'z' => byte - b's' + 0xa2,
        b'A'..=b'I' => byte - b'A' + 0xc1,
        b'J'..=b'R' => byte - b'J' + 0xd1,
        b'S'..=b'Z' => byte - b'S' + 0xe2,
        b'0'..=b'9' => byte - b'0' + 0xf0,
        b'=' => 0x7e,
        b'\n' => 0x15,
        _ => 0x40,
    };
    text.bytes().map(byte).collect()
}

/// A text in UTF-7, with every character shifted: UTF-16 in Base64.
fn utf7(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: String = text.encode_utf16().map(|unit| format!("{unit:016b}")).collect();
    let digit = |six: &[u8]| {
        let six = format!("{:0<6}", String::from_utf8_lossy(six));
        char::from(DIGITS[usize::from_str_radix(&six, 2).unwrap()])
    };
    format!("+{}-", bits.as_bytes().chunks(6).map(digit).collect::<String>())
}

#[test]
fn encodings_that_share_nothing_with_ascii() {
    let text = format!("name = x\nkey = {}\n", key());
    found("S70", "a.txt", ebcdic(&text), "a.txt:2");
    let long = "MOVE A TO B\n".repeat(300);
    found("S71", "data/a.dat", [ebcdic(&long), vec![0, 1, 2, 3], ebcdic(&key())].concat(), "data/a.dat:301");
    found("S72", "a.properties", format!("name = x\nkey{}\n", utf7(&format!("={}", key()))), "a.properties:2");
    let each: String = key().chars().map(|c| utf7(&c.to_string())).collect();
    found("S73", "a.properties", format!("key={each}\n"), "a.properties:1");
}

#[test]
fn names_of_files() {
    found("S74", &format!("keys/{}", key()), "text", &format!("keys/{}:1", key()));
    found("S75", &format!("{}/a.txt", key()), "text", &format!("{}:1", key()));
}

/// A PDF with one stream.
fn pdf(dictionary: &str, stream: &[u8]) -> Vec<u8> {
    let head = format!("%PDF-1.4\n%\u{e2}\n1 0 obj\n{dictionary}\nstream\n");
    let body = [head.as_bytes(), stream, b"\nendstream\nendobj\n"].concat();
    let tail = format!("xref\n0 1\ntrailer\n<<>>\nstartxref\n{}\n%%EOF\n", body.len());
    [body, tail.into_bytes()].concat()
}

#[test]
fn streams_of_documents() {
    // Bytes that are no text.
    let packed: Vec<u8> = (0..200_u8).map(|byte| byte.wrapping_mul(77) | 0x80).collect();
    for (id, dictionary) in [
        ("S80", "<</Filter /LZWDecode /Length 200>>"),
        ("S81", "<</Filter [/ASCII85Decode /FlateDecode]>>"),
        ("S82", "<</Filter /AHx>>"),
        ("S83", "<</F#69lter /L#5aWDecode>>"),
        ("S84", "<</Filter 12 0 R>>"),
        ("S85", "<</Filter % a comment\n/RunLengthDecode>> % stre am\n"),
        ("S86", "<</Filter /FlateDecode>>"),
        ("S87", "<</Filter /Crypt>>"),
    ] {
        unread(id, "a.pdf", pdf(dictionary, &packed), "could not be unpacked");
    }
    for dictionary in ["<</Filter /DCTDecode /Subtype /Image>>", "<</Length 200>>"] {
        let (_, told) = scanned(|world| {
            world.file("a.pdf", pdf(dictionary, &packed));
        });
        assert!(!told.contains("a.pdf"), "a picture is data: {dictionary}: {told}");
    }
}

//! Data that is what it says, and data that only begins so.

use std::io::Write;

use flate2::{Compression, Crc, write::ZlibEncoder};

use super::*;

fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
    let body = [kind, data].concat();
    let mut crc = Crc::new();
    crc.update(&body);
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [length.to_vec(), body, crc.sum().to_be_bytes().to_vec()].concat()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut writer = ZlibEncoder::new(Vec::new(), Compression::default());
    writer.write_all(text).unwrap();
    writer.finish().unwrap()
}

fn png() -> Vec<u8> {
    let text = [b"Comment\0\0".to_vec(), zlib(b"a packed text")].concat();
    let head = b"\x89PNG\r\n\x1a\n".to_vec();
    [head, chunk(b"IHDR", &[0; 13]), chunk(b"zTXt", &text), chunk(b"IDAT", &[7; 40]), chunk(b"IEND", b"")].concat()
}

fn class() -> Vec<u8> {
    let mut bytes = b"\xca\xfe\xba\xbe\0\0\0\x3d\0\x05".to_vec();
    for text in ["(a constant of forty characters, or so)", "Example", "Code", "x"] {
        bytes.push(1);
        bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    // Access, this, super, no interfaces, no fields, one method with one attribute, no attributes.
    bytes.extend([0, 0x21, 0, 2, 0, 2, 0, 0, 0, 0, 0, 1, 0, 1, 0, 2, 0, 1, 0, 1, 0, 3, 0, 0, 0, 2, 9, 9, 0, 0]);
    bytes
}

fn gif() -> Vec<u8> {
    let mut bytes = b"GIF89a\x01\0\x01\0\x80\0\0".to_vec();
    bytes.extend([0; 6]);
    bytes.extend([0x21, 0xfe, 3, b'a', b'b', b'c', 0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3b]);
    bytes
}

fn jpeg() -> Vec<u8> {
    let mut bytes = b"\xff\xd8\xff\xe0\0\x04ab\xff\xda\0\x03z".to_vec();
    bytes.extend([1, 2, 0xff, 0, 3, 0xff, 0xd0, 4, 0xff, 0xd9]);
    bytes
}

fn pdf() -> Vec<u8> {
    pdf_of(&zlib(b"(a packed page) Tj"))
}

fn pdf_of(packed: &[u8]) -> Vec<u8> {
    let mut bytes = b"%PDF-1.4\n1 0 obj << /Filter /FlateDecode >>\nstream\n".to_vec();
    bytes.extend(packed);
    bytes.extend(b"\nendstream endobj\n");
    let table = bytes.len();
    bytes.extend(format!("xref\n0 1\ntrailer <<>>\nstartxref\n{table}\n%%EOF\n").as_bytes());
    bytes
}

/// A font in Microsoft's packing.
fn eot() -> Vec<u8> {
    let font = b"\x03\0\0\x10\0\0\x0b\0\0\x0cabc";
    let head = [36 + font.len() as u32, font.len() as u32, 0x2_0002, 4].map(u32::to_le_bytes).concat();
    [head.as_slice(), &[0; 18], b"LP", font].concat()
}

fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let wave = [b"RIFF\x10\0\0\0WAVEdata\x03\0\0\0abc\0".to_vec()].concat();
    let mut boxes = b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08moov".to_vec();
    boxes.extend(b"\0\0\0\x0cmdatabcd");
    let mut ogg = b"OggS".to_vec();
    ogg.extend([0; 22]);
    ogg.extend([2, 3, 4]);
    ogg.extend(b"abcdefg");
    let wasm = b"\0asm\x01\0\0\0\x01\x03abc".to_vec();
    let der = b"\x30\x08\x02\x01\x05\x04\x03abc".to_vec();
    vec![
        ("PNG", png()),
        ("class", class()),
        ("GIF", gif()),
        ("JPEG", jpeg()),
        ("PDF", pdf()),
        ("WAV", wave),
        ("MP4", boxes),
        ("Ogg", ogg),
        ("wasm", wasm),
        ("DER", der),
        ("EOT", eot()),
    ]
}

#[test]
fn data_is_proven_to_its_end() {
    for (name, bytes) in samples() {
        let proof = prove(&bytes).unwrap_or_else(|| panic!("{name} is not recognised"));
        assert_eq!(proof.end, bytes.len(), "{name}");
    }
    assert_eq!(prove(&png()).unwrap().texts, [b"a packed text".to_vec()]);
    assert_eq!(prove(&pdf()).unwrap().texts, [b"(a packed page) Tj".to_vec()]);
    assert_eq!(prove(&class()).unwrap().texts[1], b"Example");
}

#[test]
fn what_cannot_be_unpacked_as_a_whole_is_said_and_what_could_is_kept() {
    assert!(!prove(&png()).unwrap().incomplete && !prove(&pdf()).unwrap().incomplete);
    let mut wrong_sum = zlib(b"(a packed page) Tj");
    *wrong_sum.last_mut().unwrap() ^= 1;
    assert_eq!(prove(&pdf_of(&wrong_sum)).unwrap().texts, [b"(a packed page) Tj".to_vec()]);
    let text: String = (0..40_000).map(|number| format!("{number} ")).collect();
    let mut torn = zlib(text.as_bytes());
    torn.truncate(torn.len() / 2);
    torn.extend([0xff; 200]);
    let proof = prove(&pdf_of(&torn)).unwrap();
    assert!(proof.incomplete && text.as_bytes().starts_with(&proof.texts[0][..10_000]));
    let mut little = super::image::Unpacked::within(100_000);
    assert_eq!(little.add(&zlib(&[7; 90_000])), Some(true));
    assert!(little.add(&zlib(&[7; 90_000])) == Some(false) && little.incomplete && little.texts.len() == 2);
    let many = [zlib(b"a"), b"\nendstream\nstream\n".to_vec()].concat().repeat(20_001);
    assert!(prove(&pdf_of(&many)).unwrap().incomplete);
    let chunks = [chunk(b"IHDR", &[0; 13]), chunk(b"zTXt", b"Comment\0\0no stream"), chunk(b"IEND", b"")].concat();
    assert!(prove(&[b"\x89PNG\r\n\x1a\n".to_vec(), chunks].concat()).unwrap().incomplete);
}

#[test]
fn attributes_of_a_class_are_searched_for_strings() {
    let bytes = class();
    let code = bytes.windows(4).position(|part| part == [0, 2, 9, 9]).unwrap();
    let proof = prove(&bytes).unwrap();
    assert!(proof.strings_from <= code && bytes[..proof.strings_from].ends_with(b"\x01\0\x01x"));
}

#[test]
fn torn_data_is_not_proven() {
    for (name, bytes) in samples() {
        for length in [9, bytes.len() / 2, bytes.len() - 1] {
            // A line feed behind the end of a PDF, and a padding byte, may be missing.
            let proof = prove(&bytes[..length]);
            assert!(
                proof.is_none() || name == "PDF" && length == bytes.len() - 1,
                "{name} of {length} bytes: {proof:?}"
            );
        }
    }
}

#[test]
fn this_program_is_an_elf_file() {
    let program = std::fs::read("/proc/self/exe").unwrap();
    assert_eq!(prove(&program).map(|proof| proof.end), Some(program.len()));
    let longer = [program.as_slice(), b"code 0123456789abcdef"].concat();
    assert_eq!(prove(&longer).map(|proof| proof.end), Some(program.len()));
}

#[test]
fn a_head_and_text_are_no_data() {
    for head in [
        &b"MZ: 1"[..],
        b"%PDF-1.4",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"\xff\xd8\xff\xe0",
        b"\x7fELF",
        b"\xca\xfe\xba\xbe",
        b"RIFF",
        b"SQLite format 3\0",
        b"wOFF",
        b"BM",
    ] {
        let bytes = [head, b"\ncode 0123456789abcdef0123456789abcdef0123456789abcdef\n"].concat();
        assert_eq!(prove(&bytes), None, "{}", String::from_utf8_lossy(head));
    }
}

//! Whether binary data is what its first bytes say: its structure is walked to the end, as its format defines it.
//!
//! What stands this test may stay unread: pixels, sound, glyphs, machine code. Readable strings in it are looked at all
//! the same, and what comes behind the end is no part of it.

mod code;
mod cursor;
mod document;
mod font;
mod image;
mod sound;

/// Most bytes that the compressed parts of one file may unpack to, all together.
const MAX_INFLATED: usize = 128 << 20;

/// A format that data was found to have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Proof {
    /// Where it ends; what follows is something else.
    pub(super) end: usize,
    /// Texts that are no readable strings of the file itself: packed, or one behind the other without a gap.
    pub(super) texts: Vec<Vec<u8>>,
    /// From where on it is to be searched for readable strings; what is before is in the texts.
    pub(super) strings_from: usize,
    /// Whether a compressed part could not be unpacked as a whole.
    pub(super) incomplete: bool,
}

impl From<usize> for Proof {
    fn from(end: usize) -> Self {
        Self { end, ..Self::default() }
    }
}

type Parser = fn(&[u8]) -> Option<Proof>;

/// Proves what data is; none if it is nothing that is known, or not up to its end.
pub(super) fn prove(bytes: &[u8]) -> Option<Proof> {
    const PARSERS: [Parser; 21] = [
        image::png,
        |b| image::jpeg(b).map(Proof::from),
        |b| image::gif(b).map(Proof::from),
        |b| image::bmp(b).map(Proof::from),
        |b| image::ico(b).map(Proof::from),
        |b| sound::riff(b).map(Proof::from),
        |b| sound::boxes(b).map(Proof::from),
        |b| sound::ogg(b).map(Proof::from),
        |b| sound::mp3(b).map(Proof::from),
        |b| sound::flac(b).map(Proof::from),
        |b| font::sfnt(b).map(Proof::from),
        |b| font::woff(b).map(Proof::from),
        |b| font::woff2(b).map(Proof::from),
        |b| font::eot(b).map(Proof::from),
        code::class,
        |b| code::elf(b).map(Proof::from),
        |b| code::pe(b).map(Proof::from),
        |b| code::wasm(b).map(Proof::from),
        document::pdf,
        |b| document::sqlite(b).map(Proof::from),
        |b| document::der(b).map(Proof::from),
    ];
    PARSERS.iter().find_map(|parse| parse(bytes)).filter(|proof| proof.end > 0 && proof.end <= bytes.len())
}

/// What is packed in bytes that are text by their looks.
pub(super) fn in_text(bytes: &[u8]) -> Option<Proof> {
    document::pdf_of_text(bytes)
}

/// The name of a packed format that is not looked into.
pub(super) fn packed(bytes: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 13] = [
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07", "RAR"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "Zstandard"),
        (b"\x04\x22\x4d\x18", "LZ4"),
        (b"LZIP\x01", "lzip"),
        (b"\x1f\x9d", "compress"),
        (b"\x1f\xa0", "compress"),
        (b"MSCF\0\0\0\0", "cabinet"),
        (b"\xed\xab\xee\xdb", "RPM"),
        (b"!<arch>\n", "ar"),
        (b"hsqs", "SquashFS"),
        (b"\x5d\0\0", "LZMA"),
    ];
    let bzip2 = bytes.starts_with(b"BZh") && bytes.get(4..10) == Some(b"1AY&SY");
    bzip2.then_some("bzip2").or_else(|| MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, name)| *name))
}

#[cfg(test)]
mod tests;

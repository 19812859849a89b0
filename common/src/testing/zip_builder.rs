//! ZIP files written by hand, byte by byte, so that a hostile one is one line of a test.
//!
//! A library would not let us write what an attacker writes: two headers that disagree, sizes that lie, entries that
//! share their bytes. Everything has an honest default, and every field can be changed with [`RawEntry::with`].

use std::io::Write;

use flate2::{Compression, Crc, write::DeflateEncoder};

const LOCAL_HEADER: u32 = 0x0403_4b50;
const CENTRAL_HEADER: u32 = 0x0201_4b50;
const END_OF_DIRECTORY: u32 = 0x0605_4b50;
const ZIP64_END_OF_DIRECTORY: u32 = 0x0606_4b50;
const ZIP64_LOCATOR: u32 = 0x0706_4b50;
const DATA_DESCRIPTOR: u32 = 0x0807_4b50;

/// Flag bit 3: CRC and sizes follow the data, and are zero in the local header.
pub const FLAG_DESCRIPTOR: u16 = 1 << 3;
/// Flag bit 11: the name is UTF-8.
pub const FLAG_UTF8: u16 = 1 << 11;
/// Method 0.
pub const STORED: u16 = 0;
/// Method 8.
pub const DEFLATED: u16 = 8;

/// One entry: what the local header says, what the central one says, and the bytes between.
#[derive(Clone, Debug)]
pub struct RawEntry {
    /// The name in the local header.
    pub local_name: Vec<u8>,
    /// The name in the central directory.
    pub central_name: Vec<u8>,
    /// The compression method, in both headers.
    pub method: u16,
    /// The general purpose flags, in both headers.
    pub flags: u16,
    /// The flags of the local header, where they are to differ from the central ones.
    pub local_flags: Option<u16>,
    /// CRC-32 in the central directory.
    pub crc: u32,
    /// Compressed size in the central directory.
    pub compressed_size: u32,
    /// Uncompressed size in the central directory.
    pub size: u32,
    /// CRC-32, compressed and uncompressed size in the local header, where they are to differ from the central ones.
    pub local_sums: Option<(u32, u32, u32)>,
    /// The Unix mode with its file type, as `stat` has it.
    pub unix_mode: u32,
    /// The attributes of DOS; 0x10 is a folder.
    pub dos_attributes: u8,
    /// Which system made the entry: 3 is Unix, 0 is DOS.
    pub system: u8,
    /// The version of the format that the packer knows, times ten.
    pub version: u8,
    /// Extra field of the local header.
    pub local_extra: Vec<u8>,
    /// Extra field of the central header.
    pub central_extra: Vec<u8>,
    /// The bytes of the entry, as they stand in the file.
    pub data: Vec<u8>,
    /// What follows the data; [`RawEntry::with_descriptor`] puts an honest data descriptor here.
    pub after_data: Vec<u8>,
    /// Where the central directory says the local header is; `None` is the truth.
    pub offset: Option<u32>,
    /// DOS time and date.
    pub modified: (u16, u16),
    /// Leave out the local header and the data: then [`RawEntry::offset`] should point somewhere.
    pub without_local: bool,
    /// Leave out the central header.
    pub without_central: bool,
}

impl RawEntry {
    /// A deflated file.
    pub fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        Self::new(name.as_ref(), content.as_ref(), DEFLATED, deflate(content.as_ref()))
    }

    /// A file that is stored without compression.
    pub fn stored(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        Self::new(name.as_ref(), content.as_ref(), STORED, content.as_ref().to_vec())
    }

    fn new(name: &[u8], content: &[u8], method: u16, data: Vec<u8>) -> Self {
        Self {
            local_name: name.to_vec(),
            central_name: name.to_vec(),
            method,
            flags: if name.is_ascii() { 0 } else { FLAG_UTF8 },
            local_flags: None,
            crc: crc32(content),
            compressed_size: small(data.len()),
            size: small(content.len()),
            local_sums: None,
            unix_mode: 0o100_644,
            dos_attributes: 0,
            system: 3,
            version: 30,
            local_extra: Vec::new(),
            central_extra: Vec::new(),
            data,
            after_data: Vec::new(),
            offset: None,
            modified: (0, 0x5821),
            without_local: false,
            without_central: false,
        }
    }

    /// Changes any field.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Sets the Unix mode, file type included.
    #[must_use]
    pub fn mode(self, unix_mode: u32) -> Self {
        self.with(|entry| entry.unix_mode = unix_mode)
    }

    /// As a packer on DOS or Windows makes it: without a Unix mode, and its name in a code page unless it is ASCII.
    #[must_use]
    pub fn from_dos(self) -> Self {
        self.with(|entry| (entry.system, entry.unix_mode, entry.flags) = (0, 0, entry.flags & !FLAG_UTF8))
    }

    /// Writes CRC and sizes after the data, as a writer that cannot seek does.
    #[must_use]
    pub fn with_descriptor(self) -> Self {
        self.with(|entry| {
            entry.flags |= FLAG_DESCRIPTOR;
            entry.local_sums = Some((0, 0, 0));
            entry.after_data = descriptor(entry.crc, entry.compressed_size, entry.size);
        })
    }

    fn write_local(&self, out: &mut Vec<u8>) {
        let (crc, compressed, size) = self.local_sums.unwrap_or((self.crc, self.compressed_size, self.size));
        put32(out, LOCAL_HEADER);
        for value in [20, self.local_flags.unwrap_or(self.flags), self.method, self.modified.0, self.modified.1] {
            put16(out, value);
        }
        for value in [crc, compressed, size] {
            put32(out, value);
        }
        put16(out, short(self.local_name.len()));
        put16(out, short(self.local_extra.len()));
        for bytes in [&self.local_name, &self.local_extra, &self.data, &self.after_data] {
            out.extend_from_slice(bytes);
        }
    }

    fn write_central(&self, out: &mut Vec<u8>, offset: u32) {
        put32(out, CENTRAL_HEADER);
        let made_by = u16::from(self.system) << 8 | u16::from(self.version);
        for value in [made_by, 20, self.flags, self.method, self.modified.0, self.modified.1] {
            put16(out, value);
        }
        for value in [self.crc, self.compressed_size, self.size] {
            put32(out, value);
        }
        // Name, extra field, comment, first disk, internal attributes.
        for value in [short(self.central_name.len()), short(self.central_extra.len()), 0, 0, 0] {
            put16(out, value);
        }
        put32(out, self.unix_mode << 16 | u32::from(self.dos_attributes));
        put32(out, self.offset.unwrap_or(offset));
        out.extend_from_slice(&self.central_name);
        out.extend_from_slice(&self.central_extra);
    }
}

/// What the end of the central directory says, for the tests that lie in it.
#[derive(Clone, Debug)]
pub struct End {
    /// The number of this disk.
    pub disk: u16,
    /// Entries on this disk.
    pub entries_here: u16,
    /// Entries in all.
    pub entries: u16,
    /// Bytes of the central directory.
    pub size: u32,
    /// Where the central directory starts.
    pub offset: u32,
    /// The length that is declared for the comment.
    pub comment_length: u16,
}

type ChangeEnd = Box<dyn FnOnce(&mut End)>;

/// Builds one ZIP file.
#[derive(Default)]
pub struct ZipBuilder {
    entries: Vec<RawEntry>,
    prefix: Vec<u8>,
    comment: Vec<u8>,
    suffix: Vec<u8>,
    zip64: bool,
    change_end: Option<ChangeEnd>,
}

impl ZipBuilder {
    /// An archive without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a deflated file with mode 0644.
    #[must_use]
    pub fn file(self, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        self.raw_entry(RawEntry::file(name, content))
    }

    /// Adds a deflated file with mode 0755.
    #[must_use]
    pub fn executable(self, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        self.raw_entry(RawEntry::file(name, content).mode(0o100_755))
    }

    /// Adds a folder; the name should end in `/`.
    #[must_use]
    pub fn dir(self, name: impl AsRef<[u8]>) -> Self {
        self.raw_entry(RawEntry::stored(name, b"").mode(0o040_755))
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn symlink(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.raw_entry(RawEntry::stored(name, target).mode(0o120_777))
    }

    /// Adds an entry of one's own making.
    #[must_use]
    pub fn raw_entry(mut self, entry: RawEntry) -> Self {
        self.entries.push(entry);
        self
    }

    /// Puts bytes before the first entry; the offsets count them (as `zip -A` makes them).
    #[must_use]
    pub fn prefix(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.prefix = bytes.as_ref().to_vec();
        self
    }

    /// Sets the comment of the archive.
    #[must_use]
    pub fn comment(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.comment = bytes.as_ref().to_vec();
        self
    }

    /// Puts bytes after the end of the archive.
    #[must_use]
    pub fn suffix(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.suffix = bytes.as_ref().to_vec();
        self
    }

    /// Writes the ZIP64 end records too.
    #[must_use]
    pub fn zip64(mut self) -> Self {
        self.zip64 = true;
        self
    }

    /// Changes what the end of the central directory says.
    #[must_use]
    pub fn end(mut self, change: impl FnOnce(&mut End) + 'static) -> Self {
        self.change_end = Some(Box::new(change));
        self
    }

    /// The bytes of the file.
    pub fn build(self) -> Vec<u8> {
        let mut out = self.prefix;
        let mut offsets = Vec::new();
        for entry in &self.entries {
            offsets.push(small(out.len()));
            if !entry.without_local {
                entry.write_local(&mut out);
            }
        }
        let start = out.len();
        let listed = || self.entries.iter().zip(&offsets).filter(|(entry, _)| !entry.without_central);
        listed().for_each(|(entry, offset)| entry.write_central(&mut out, *offset));
        let (entries, size) = (listed().count(), out.len() - start);
        if self.zip64 {
            write_zip64_end(&mut out, entries as u64, start as u64);
        }
        // More than the field holds is what only ZIP64 can say.
        let entries = u16::try_from(entries).unwrap_or(u16::MAX);
        let mut end = End {
            disk: 0,
            entries_here: entries,
            entries,
            size: small(size),
            offset: small(start),
            comment_length: short(self.comment.len()),
        };
        if let Some(change) = self.change_end {
            change(&mut end);
        }
        write_end(&mut out, &end);
        out.extend_from_slice(&self.comment);
        out.extend_from_slice(&self.suffix);
        out
    }
}

fn write_end(out: &mut Vec<u8>, end: &End) {
    put32(out, END_OF_DIRECTORY);
    for value in [end.disk, end.disk, end.entries_here, end.entries] {
        put16(out, value);
    }
    put32(out, end.size);
    put32(out, end.offset);
    put16(out, end.comment_length);
}

fn write_zip64_end(out: &mut Vec<u8>, entries: u64, start: u64) {
    let here = out.len() as u64;
    put32(out, ZIP64_END_OF_DIRECTORY);
    out.extend_from_slice(&44u64.to_le_bytes());
    put16(out, 45);
    put16(out, 45);
    put32(out, 0);
    put32(out, 0);
    for value in [entries, entries, here - start, start] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    put32(out, ZIP64_LOCATOR);
    put32(out, 0);
    out.extend_from_slice(&here.to_le_bytes());
    put32(out, 1);
}

/// A data descriptor with its signature and 32-bit sizes.
pub fn descriptor(crc: u32, compressed_size: u32, size: u32) -> Vec<u8> {
    let mut out = Vec::new();
    [DATA_DESCRIPTOR, crc, compressed_size, size].into_iter().for_each(|value| put32(&mut out, value));
    out
}

/// One extra field: its id, its length, its data.
pub fn extra(id: u16, data: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    put16(&mut out, id);
    put16(&mut out, short(data.as_ref().len()));
    out.extend_from_slice(data.as_ref());
    out
}

/// The raw deflate stream of some bytes.
pub fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).and_then(|()| encoder.finish()).expect("a Vec takes every byte")
}

/// The CRC-32 of some bytes, as a ZIP has it.
pub fn crc32(content: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(content);
    crc.sum()
}

/// Every proper beginning of a file, the empty one included.
pub fn prefixes(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    (0..file.len()).map(|length| &file[..length])
}

/// Every copy of a file in which one single bit is flipped.
pub fn bit_flips(file: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..file.len() * 8).map(|bit| {
        let mut copy = file.to_vec();
        copy[bit / 8] ^= 1 << (bit % 8);
        copy
    })
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn short(length: usize) -> u16 {
    u16::try_from(length).expect("a test keeps names, extra fields and comments below 64 KiB")
}

fn small(length: usize) -> u32 {
    u32::try_from(length).expect("a test keeps its archives below 4 GiB")
}

//! Pictures: PNG, JPEG, GIF, BMP, ICO. WebP is RIFF, HEIC and AVIF are boxes: see `sound`.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::{MAX_INFLATED, Proof, cursor::Cursor};

/// Places of one chunk at which packed data may begin; those of keywords are among the first.
const MAX_STARTS: usize = 256;

/// Chunks with their checksums, from IHDR to IEND; packed texts are unpacked.
pub(super) fn png(bytes: &[u8]) -> Option<Proof> {
    let mut at = Cursor::behind(bytes, b"\x89PNG\r\n\x1a\n")?;
    let (mut unpacked, mut first) = (Unpacked::within(MAX_INFLATED), true);
    loop {
        let length = at.be32()?;
        let body = at.take(length.checked_add(4)?)?;
        let (kind, data) = body.split_at(4);
        let mut crc = Crc::new();
        crc.update(body);
        if usize::try_from(crc.sum()).ok()? != at.be32()? || first != (kind == b"IHDR") {
            return None;
        }
        first = false;
        match kind {
            b"IEND" => return Some(unpacked.proof(at.at)),
            // The text is packed behind a keyword (and, in iTXt, behind two more; there it may be plain).
            b"zTXt" | b"iTXt" | b"iCCP" => {
                let plain = kind == b"iTXt" && data.iter().skip_while(|byte| **byte != 0).nth(1) == Some(&0);
                let starts = (0..data.len()).filter(|start| data[*start] & 0x8f == 8);
                let whole = starts.take(MAX_STARTS).filter(|start| unpacked.add(&data[*start..]) == Some(true)).count();
                unpacked.incomplete |= whole == 0 && !plain;
            }
            _ => {}
        }
    }
}

/// What the compressed parts of a file unpack to.
pub(super) struct Unpacked {
    pub(super) texts: Vec<Vec<u8>>,
    /// Bytes that there is still room for.
    left: usize,
    pub(super) incomplete: bool,
}

impl Unpacked {
    pub(super) fn within(left: usize) -> Self {
        Self { texts: Vec::new(), left, incomplete: false }
    }

    /// Unpacks zlib data, as far as it is sound and there is room: whether to its end, and nothing if it is no such data. Its
    /// checksum does not count: what has a wrong one can be read all the same.
    pub(super) fn add(&mut self, data: &[u8]) -> Option<bool> {
        let (head, packed) = data.split_first_chunk::<2>()?;
        if head[0] & 0x0f != 8 || !u16::from_be_bytes(*head).is_multiple_of(31) {
            return None;
        }
        let (mut inflate, mut text, mut buffer) = (Decompress::new(false), Vec::new(), vec![0; 32 << 10]);
        let whole = loop {
            let (read, made) = (inflate.total_in(), inflate.total_out());
            let rest = packed.get(usize::try_from(read).ok()?..).unwrap_or_default();
            let status = inflate.decompress(rest, &mut buffer, FlushDecompress::None);
            // An error may come behind bytes that were unpacked before it.
            let more = usize::try_from(inflate.total_out() - made).unwrap_or_default();
            text.extend_from_slice(&buffer[..more.min(buffer.len())]);
            match status {
                Ok(Status::StreamEnd) => break true,
                Ok(_) if text.len() > self.left => {
                    self.incomplete = true;
                    break false;
                }
                Ok(_) if more > 0 || inflate.total_in() > read => {}
                _ => break false,
            }
        };
        self.left = self.left.saturating_sub(text.len());
        self.texts.extend((!text.is_empty()).then_some(text));
        Some(whole)
    }

    pub(super) fn proof(self, end: usize) -> Proof {
        Proof { end, texts: self.texts, strings_from: 0, incomplete: self.incomplete }
    }
}

/// Segments up to the end-of-image marker.
pub(super) fn jpeg(bytes: &[u8]) -> Option<usize> {
    let mut at = Cursor::behind(bytes, b"\xff\xd8")?;
    let mut scanned = false;
    loop {
        if at.byte()? != 0xff {
            return None;
        }
        let mut marker = at.byte()?;
        while marker == 0xff {
            marker = at.byte()?;
        }
        match marker {
            0xd9 => return scanned.then_some(at.at),
            0x01 | 0xd0..=0xd7 => continue,
            0xda => {
                let length = at.be16()?;
                at.skip(length.checked_sub(2)?)?;
                let packed = at.rest().windows(2);
                let length = packed.enumerate().find(|(_, two)| two[0] == 0xff && !matches!(two[1], 0 | 0xd0..=0xd7));
                at.skip(length?.0)?;
                scanned = true;
            }
            0xc0..=0xfe => {
                let length = at.be16()?;
                at.skip(length.checked_sub(2)?)?;
            }
            _ => return None,
        }
    }
}

/// Blocks up to the trailer.
pub(super) fn gif(bytes: &[u8]) -> Option<usize> {
    let mut at = Cursor::behind(bytes, b"GIF89a").or_else(|| Cursor::behind(bytes, b"GIF87a"))?;
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    at.skip(4)?;
    let flags = at.byte()?;
    at.skip(2 + table(flags))?;
    loop {
        match at.byte()? {
            0x3b => return Some(at.at),
            0x21 => at.skip(1)?,
            0x2c => {
                at.skip(8)?;
                let flags = at.byte()?;
                at.skip(table(flags) + 1)?;
            }
            _ => return None,
        }
        loop {
            match at.byte()? {
                0 => break,
                length => at.skip(usize::from(length))?,
            }
        }
    }
}

/// A header whose numbers agree with each other and with the size of the pixels.
pub(super) fn bmp(bytes: &[u8]) -> Option<usize> {
    let mut at = Cursor::behind(bytes, b"BM")?;
    let (size, zeros, pixels, header) = (at.le32()?, at.le32()?, at.le32()?, at.le32()?);
    let (width, height) = (at.le32()?, at.le32()?);
    let (planes, bits, packing) = (at.le16()?, at.le16()?, at.le32()?);
    let height = height.min((u32::MAX as usize).wrapping_sub(height).wrapping_add(1));
    let row = width.checked_mul(bits)?.div_ceil(32).checked_mul(4)?;
    let whole = pixels.checked_add(row.checked_mul(height)?)?;
    let plain = matches!(packing, 0 | 3) && whole.abs_diff(size) < 4;
    (zeros == 0 && matches!(header, 40 | 52 | 56 | 108 | 124) && planes == 1 && plain).then_some(size)
}

/// Pictures of an icon, each inside the file and none beside another.
pub(super) fn ico(bytes: &[u8]) -> Option<usize> {
    let mut at = Cursor::behind(bytes, b"\0\0\x01\0").or_else(|| Cursor::behind(bytes, b"\0\0\x02\0"))?;
    let count = at.le16()?;
    let mut parts = Vec::new();
    for _ in 0..count {
        at.skip(8)?;
        let (length, start) = (at.le32()?, at.le32()?);
        let picture = bytes.get(start..start.checked_add(length)?)?;
        let known = picture.starts_with(b"\x89PNG\r\n\x1a\n") || picture.starts_with(&[40, 0, 0, 0]);
        parts.push(known.then_some((start, start + length))?);
    }
    parts.sort_unstable();
    let mut end = at.at;
    for (start, stop) in parts {
        end = (start == end).then_some(stop)?;
    }
    (count > 0).then_some(end)
}

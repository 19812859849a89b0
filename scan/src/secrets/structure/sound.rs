//! Sound, film, and the pictures that use the same containers: RIFF (WAV, AVI, WebP), boxes (MP4, HEIC, AVIF), Ogg, MP3, FLAC.

use super::cursor::Cursor;

/// Chunks that fill the size which the header names.
pub(super) fn riff(bytes: &[u8]) -> Option<usize> {
    let mut at = Cursor::behind(bytes, b"RIFF")?;
    let end = at.le32()?.checked_add(8)?;
    let kind = at.take(4)?;
    if !matches!(kind, b"WEBP" | b"WAVE" | b"AVI ") || end > bytes.len() {
        return None;
    }
    while at.at < end {
        at.skip(4)?;
        let length = at.le32()?;
        at.skip(length.checked_add(length % 2)?)?;
    }
    (at.at == end).then_some(end)
}

/// Boxes, `ftyp` first, that fill the file.
pub(super) fn boxes(bytes: &[u8]) -> Option<usize> {
    let mut at = Cursor::new(bytes);
    let mut seen: Vec<&[u8]> = Vec::new();
    while !at.is_at_end() {
        let start = at.at;
        let (mut length, kind) = (at.be32()?, at.take(4)?);
        if !kind.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b' ') || seen.is_empty() && kind != b"ftyp"
        {
            return None;
        }
        if length == 1 {
            length = at.be64()?;
        }
        if length < at.at - start {
            return None;
        }
        at = at.to(start.checked_add(length)?)?;
        seen.push(kind);
    }
    let data = seen.iter().any(|kind| matches!(*kind, b"moov" | b"meta" | b"moof"));
    data.then_some(bytes.len())
}

/// Pages, each with as many bytes as its table says.
pub(super) fn ogg(bytes: &[u8]) -> Option<usize> {
    let mut at = Cursor::behind(bytes, b"OggS")?.to(0)?;
    while at.rest().starts_with(b"OggS") {
        at.skip(26)?;
        let count = usize::from(at.byte()?);
        let length = at.take(count)?.iter().map(|byte| usize::from(*byte)).sum();
        at.skip(length)?;
    }
    Some(at.at)
}

/// A tag of version 2, then frames one behind the other.
pub(super) fn mp3(bytes: &[u8]) -> Option<usize> {
    let mut at = Cursor::new(bytes);
    if bytes.starts_with(b"ID3") {
        at.skip(6)?;
        let size = at.take(4)?.iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7f));
        at.skip(size)?;
    }
    let mut frames = 0;
    while let Some(length) = at.rest().get(..4).and_then(frame) {
        at.skip(length)?;
        frames += 1;
    }
    if at.rest().starts_with(b"TAG") {
        at.skip(128)?;
    }
    (frames >= 8).then_some(at.at)
}

/// The length of a frame of layer III by its header.
fn frame(head: &[u8]) -> Option<usize> {
    const FIRST: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const SECOND: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let (version, layer) = (head[1] >> 3 & 3, head[1] >> 1 & 3);
    if head[0] != 0xff || head[1] & 0xe0 != 0xe0 || version == 1 || layer != 1 {
        return None;
    }
    let rates = if version == 3 { FIRST } else { SECOND };
    let rate = *rates.get(usize::from(head[2] >> 4)).filter(|rate| **rate > 0)?;
    let samples = *[44_100, 48_000, 32_000].get(usize::from(head[2] >> 2 & 3))?;
    let samples = samples
        >> match version {
            3 => 0,
            2 => 1,
            _ => 2,
        };
    let factor = if version == 3 { 144_000 } else { 72_000 };
    Some(factor * rate / samples + usize::from(head[2] >> 1 & 1))
}

/// Blocks of metadata, then frames to the end.
pub(super) fn flac(bytes: &[u8]) -> Option<usize> {
    let mut at = Cursor::behind(bytes, b"fLaC")?;
    loop {
        let head = at.be32()?;
        at.skip(head & 0x00ff_ffff)?;
        if head >> 31 == 1 {
            break;
        }
    }
    matches!(at.rest(), [0xff, 0xf8 | 0xf9, ..]).then_some(bytes.len())
}

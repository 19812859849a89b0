//! Lines of Git's protocol: four hexadecimal digits of length, then the content (gitprotocol-common).

use bytes::{Bytes, BytesMut};

use crate::intake::git::fault::{CloneError, GitRule};

/// The digits of a length.
const HEAD: usize = 4;
/// The longest line, with its length, in bytes.
const LINE_MAX: usize = 65_520;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// A line with content, which may be empty.
    Line(Bytes),
    /// The end of a section.
    Flush,
}

/// Lines out of pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Packets {
    waiting: BytesMut,
}

impl Packets {
    /// Adds what came in.
    pub fn feed(&mut self, piece: &[u8]) {
        self.waiting.extend_from_slice(piece);
    }

    /// The next whole line, if there is one.
    pub fn next(&mut self) -> Result<Option<Packet>, CloneError> {
        let Some(head) = self.waiting.first_chunk::<HEAD>() else { return Ok(None) };
        let digits = std::str::from_utf8(head).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let length = digits.and_then(|text| usize::from_str_radix(text, 16).ok());
        match length {
            Some(0) => {
                drop(self.waiting.split_to(HEAD));
                Ok(Some(Packet::Flush))
            }
            Some(length @ HEAD..=LINE_MAX) if self.waiting.len() >= length => {
                let mut line = self.waiting.split_to(length).freeze();
                Ok(Some(Packet::Line(line.split_off(HEAD))))
            }
            Some(HEAD..=LINE_MAX) => Ok(None),
            _ => Err(broken()),
        }
    }

    /// Whether everything that came in was whole lines.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// What is sent as one line.
pub(super) fn line(content: &str) -> String {
    format!("{:04x}{content}", content.len() + HEAD)
}

/// The end of a section, as it is sent.
pub(super) const FLUSH: &str = "0000";

/// What does not keep to the protocol.
pub(super) fn broken() -> CloneError {
    let hint = "check the URL in a browser; a Git server of 2008 or later is needed, with its smart HTTP protocol";
    GitRule::NotARepository.problem("the answer of the host is not that of a Git server", hint).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(pieces: &[&[u8]]) -> Result<Vec<Packet>, CloneError> {
        let (mut packets, mut found) = (Packets::default(), Vec::new());
        for piece in pieces {
            packets.feed(piece);
            while let Some(packet) = packets.next()? {
                found.push(packet);
            }
        }
        Ok(found)
    }

    #[test]
    fn lines_come_out_of_any_pieces() {
        let text = [line("want a\n").as_bytes(), FLUSH.as_bytes(), line("").as_bytes()].concat();
        let expected = [Packet::Line("want a\n".into()), Packet::Flush, Packet::Line(Bytes::new())];
        assert_eq!(packets(&[&text]).unwrap(), expected);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(packets(&bytes).unwrap(), expected);
        assert_eq!(packets(&[b"0009ab"]).unwrap(), []);
    }

    #[test]
    fn what_is_no_length_is_refused() {
        for bad in [b"0001", b"0003", b"fff1", b"+123", b"<htm", b"\xff\xff\xff\xff"] {
            assert!(packets(&[bad]).is_err(), "{bad:?}");
        }
    }
}

//! How many bytes the engine's own record of a container's output takes: its log driver `json-file` stores a JSON object for each
//! line, so empty lines cost 71 bytes each, and control characters six.

/// A longer line is stored as several records of so many bytes each.
const PIECE: usize = 16 * 1024;
/// What each record has around its text; the time has at most nine digits after the second.
const AROUND: u64 = r#"{"log":"","stream":"stdout","time":"2026-01-02T03:04:05.123456789Z"}"#.len() as u64 + 1;

/// Counts what the engine has stored of everything that was printed so far.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    bytes: u64,
    /// The line, or piece of one, that has no record yet.
    open: Vec<u8>,
}

impl Recorded {
    /// Takes in what was printed.
    pub(super) fn take(&mut self, mut printed: &[u8]) {
        while !printed.is_empty() {
            let room = &printed[..printed.len().min(PIECE - self.open.len())];
            let line = room.iter().position(|byte| *byte == b'\n');
            let piece = line.map_or(room.len(), |end| end + 1);
            if self.open.is_empty() && line.is_some() {
                self.bytes += record(&printed[..piece]);
            } else {
                self.open.extend_from_slice(&printed[..piece]);
                // A line of exactly one piece has its end in a record of its own.
                if line.is_some() || self.open.len() == PIECE {
                    self.bytes += record(&self.open);
                    self.open.clear();
                }
            }
            printed = &printed[piece..];
        }
    }

    /// The bytes of all records that are complete.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The bytes of one record: what Go writes for a string that goes into JSON.
fn record(text: &[u8]) -> u64 {
    let escaped = |c: char| match c {
        '\n' | '\r' | '"' | '\\' => 2,
        '\u{0}'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
        other => other.len_utf8() as u64,
    };
    let chunk = |chunk: std::str::Utf8Chunk<'_>| {
        // Each byte that is no UTF-8 becomes \ufffd.
        chunk.valid().chars().map(escaped).sum::<u64>() + 6 * chunk.invalid().len() as u64
    };
    AROUND + text.utf8_chunks().map(chunk).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(pieces: &[&[u8]]) -> u64 {
        let mut recorded = Recorded::default();
        pieces.iter().for_each(|piece| recorded.take(piece));
        recorded.bytes()
    }

    #[test]
    fn each_line_costs_its_record() {
        for (printed, around, text) in [
            (&b"\n"[..], 1, 2),
            (b"\n\n\n", 3, 6),
            (b"plain\n", 1, 7),
            (b"\"\\\t<>&\r\n", 1, 2 + 2 + 6 * 4 + 2 + 2),
            ("caf\u{e9} \u{2028} \u{1f600}\n".as_bytes(), 1, 5 + 1 + 6 + 1 + 4 + 2),
            (b"\xff\xc3\xed\xa0\x80\n", 1, 5 * 6 + 2),
            (b"no end yet", 0, 0),
        ] {
            assert_eq!(recorded(&[printed]), around * AROUND + text, "{printed:?}");
            let single: Vec<&[u8]> = printed.chunks(1).collect();
            assert_eq!(recorded(&single), recorded(&[printed]), "however it comes: {printed:?}");
        }
        assert_eq!(AROUND + 2, 71);
    }

    #[test]
    fn a_long_line_is_stored_in_pieces_which_may_cut_a_character() {
        let long = |bytes: usize| [vec![b'x'; bytes], b"\n".to_vec()].concat();
        assert_eq!(recorded(&[&long(PIECE - 1)]), AROUND + PIECE as u64 + 1);
        assert_eq!(recorded(&[&long(PIECE)]), 2 * AROUND + PIECE as u64 + 2);
        assert_eq!(recorded(&[&long(PIECE), &long(0)]), 3 * AROUND + PIECE as u64 + 4);
        let cut = [vec![b'x'; PIECE - 1], "\u{e9}\n".as_bytes().to_vec()].concat();
        assert_eq!(recorded(&[&cut]), 2 * AROUND + PIECE as u64 - 1 + 6 + 6 + 2);
    }
}

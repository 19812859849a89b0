//! Whether all was received that a container said. The connection over which it is received from its first byte on has no mark for its
//! end: one that was cut looks like one that is over. So the last words that were received are held against the engine's record.

use futures::StreamExt;

use crate::engine::Engine;

/// How many of the last bytes are held against the record.
const BYTES: usize = 4096;
/// How many of the last lines are asked for: as a rule more than that. More of the same line than this hides a cut among them.
const LINES: u32 = 64;
/// The most that is read of them: lines can be long.
const READ_MAX: usize = 1024 * 1024;
/// What the record ends with, to be looked for in what was received before the end.
const LAST: usize = 256;

/// The end of what was received so far: ASCII alone, since an engine writes down something else for bytes that are no UTF-8.
#[derive(Debug, Default)]
pub(super) struct Received {
    end: Vec<u8>,
    /// More was received before it.
    more: bool,
}

impl Received {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.end.extend(ascii(&bytes[bytes.len().saturating_sub(BYTES)..]));
        let surplus = self.end.len().saturating_sub(BYTES);
        self.more |= surplus > 0 || bytes.len() > BYTES;
        self.end.drain(..surplus);
    }

    /// Whether the record of a container that has ended does not go on after this. What cannot be read speaks against nothing.
    pub(super) async fn is_all(&self, engine: &Engine, container: &str) -> bool {
        let (mut record, mut said) = (Vec::new(), engine.past_logs(container, Some(LINES)));
        while let Some(piece) = said.next().await {
            match piece {
                Ok(bytes) => record.extend(ascii(&bytes)),
                Err(error) => {
                    tracing::warn!(container, %error, "the end of a log cannot be held against the engine's record");
                    return true;
                }
            }
            if record.len() > READ_MAX {
                return true;
            }
        }
        !self.is_gone_on_from_by(&record)
    }

    fn is_gone_on_from_by(&self, record: &[u8]) -> bool {
        if record.ends_with(&self.end) {
            // Longer than all that was received, it had something else before the same words.
            return !self.more && record.len() > self.end.len();
        }
        // An engine whose disk is full or slow has written down less than it said: that is no better than what was received.
        let last = &record[record.len().saturating_sub(LAST)..];
        !last.is_empty() && !self.end.windows(last.len()).any(|received| received == last)
    }
}

fn ascii(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().copied().filter(u8::is_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_does_not_end_like_the_record() {
        let received = |pieces: &[&str]| {
            let mut received = Received::default();
            pieces.iter().for_each(|piece| received.take(piece.as_bytes()));
            received
        };
        let long = "x".repeat(3 * BYTES);
        for (pieces, record, is_all) in [
            (vec!["one\n", "two\n"], "one\ntwo\n", true),
            (vec!["one\n", "two\n"], "two\n", true),
            (vec!["one\n", "tw"], "one\ntwo\n", false),
            (vec!["one\n"], "one\ntwo\n", false),
            (vec![], "one\n", false),
            (vec![], "", true),
            // It was cut behind words that come again.
            (vec!["ok\n"], "ok\nfoo\nok\n", false),
            // The engine has kept nothing of it, or not its end.
            (vec!["one\n"], "", true),
            (vec!["one\n", "two\n"], "one\n", true),
            (vec![&long, "end\n"], &format!("{long}end\n"), true),
            (vec![&long], &format!("{long}end\n"), false),
            (vec!["caf\u{e9}\n"], "caf\u{fffd}\n", true),
        ] {
            let record: Vec<u8> = ascii(record.as_bytes()).collect();
            assert_eq!(!received(&pieces).is_gone_on_from_by(&record), is_all, "{record:?}");
        }
    }
}

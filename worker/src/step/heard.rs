//! Whether all was heard that a container said. The connection over which it is heard from its first byte on has no mark for its
//! end: one that was cut looks like one that is over. So the last words that were heard are held against the engine's record.

use futures::StreamExt;

use crate::engine::Engine;

/// How many of the last bytes are held against the record.
const BYTES: usize = 4096;
/// How many of the last lines are asked for: as a rule more than that. One line alone may be the same as the one before it.
const LINES: u32 = 64;
/// The most that is read of them: lines can be long.
const READ_MAX: usize = 1024 * 1024;

/// The end of what was heard so far.
#[derive(Debug, Default)]
pub(super) struct Heard(Vec<u8>);

impl Heard {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let surplus = self.0.len().saturating_sub(BYTES);
        self.0.drain(..surplus);
    }

    /// Whether the record of a container that has ended ends like this. What cannot be read speaks against nothing.
    pub(super) async fn is_all(&self, engine: &Engine, container: &str) -> bool {
        let (mut record, mut said) = (Vec::new(), engine.past_logs(container, Some(LINES)));
        while let Some(piece) = said.next().await {
            match piece {
                Ok(bytes) => record.extend_from_slice(&bytes),
                Err(_) => return true,
            }
            if record.len() > READ_MAX {
                return true;
            }
        }
        self.ends_like(&record)
    }

    fn ends_like(&self, record: &[u8]) -> bool {
        let both = record.len().min(self.0.len());
        let (ours, theirs) = (&self.0[self.0.len() - both..], &record[record.len() - both..]);
        // Of what was never heard, nothing can be compared.
        ours == theirs && (record.is_empty() || !self.0.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_does_not_end_like_the_record() {
        let heard = |pieces: &[&str]| {
            let mut heard = Heard::default();
            pieces.iter().for_each(|piece| heard.take(piece.as_bytes()));
            heard
        };
        let long = "x".repeat(3 * BYTES);
        for (pieces, record, is_all) in [
            (vec!["one\n", "two\n"], "one\ntwo\n", true),
            (vec!["one\n", "two\n"], "two\n", true),
            (vec!["one\n", "tw"], "one\ntwo\n", false),
            (vec!["one\n"], "one\ntwo\n", false),
            (vec![], "one\n", false),
            (vec![], "", true),
            // The engine has kept nothing of it.
            (vec!["one\n"], "", true),
            (vec![&long, "end\n"], &format!("{long}end\n"), true),
            (vec![&long], &format!("{long}end\n"), false),
        ] {
            assert_eq!(heard(&pieces).ends_like(record.as_bytes()), is_all, "{record:?}");
        }
    }
}

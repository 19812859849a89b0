//! A key that is nobody's, planted where no project can name it. A scan that does not bring it back is none.

use crate::{random, stage::Failure};

/// The rule of gitleaks that finds it.
const RULE: &str = "aws-access-token";
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Characters of such a key behind its beginning.
const LENGTH: usize = 16;

/// The key, and the name of its file.
pub(super) struct Canary {
    key: String,
    file: String,
}

impl Canary {
    /// A new one each time.
    ///
    /// # Errors
    /// The kernel gives no random bytes.
    pub(super) fn new() -> Result<Self, Failure> {
        let order = random::bytes::<32>()?;
        // Different characters, so that no rule takes it for an example.
        let mut letters: Vec<(u8, u8)> = order.into_iter().zip(*ALPHABET).collect();
        letters.sort_unstable();
        let key = letters.iter().take(LENGTH).map(|(_, letter)| char::from(*letter)).collect();
        let file = format!("{}.txt", random::name()?);
        Ok(Self { key, file })
    }

    pub(super) fn rule(&self) -> &'static str {
        RULE
    }

    /// The name of its file, letters only.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// What stands in its file.
    pub(super) fn text(&self) -> String {
        // In two pieces, or a scan of this repository would find it.
        format!("key = \"{}{}\"\n", "AKIA", self.key)
    }
}

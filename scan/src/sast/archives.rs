//! Archives in a project, and whether there is program code in them: nobody reads it there.

use sha2::{Digest, Sha256};

use super::language::{self, Language};
use crate::{
    secrets::{self, Limits},
    stage::Failure,
};

/// SHA-256 of every build of Gradle's wrapper that its makers list, and of Maven's that Maven Central has (and of the one that Spring's
/// generator packs anew, with the classes of 0.5.3). Byte for byte these, they hold no code of the project's, wherever they lie.
const WRAPPERS: &str = include_str!("wrappers.txt");

/// Whether these bytes are a published wrapper of a build tool.
fn is_wrapper(bytes: &[u8]) -> bool {
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    WRAPPERS.lines().any(|line| line == digest)
}

/// Looks into archives, as long as there is room for what they unpack to.
#[derive(Default)]
pub(super) struct Archives {
    left: Limits,
}

impl Archives {
    /// Why an archive is not read, if it holds program code or cannot be looked into; none for data, and what is no archive.
    ///
    /// # Errors
    /// None of its own: what is unreadable is a reason.
    pub(super) fn unread(&mut self, bytes: &[u8]) -> Result<Option<String>, Failure> {
        if !secrets::is_archive(bytes) || is_wrapper(bytes) {
            return Ok(None);
        }
        let mut found: Option<String> = None;
        self.left = secrets::look_inside(bytes, self.left, &mut |path, content| {
            let reason = match content {
                Ok(bytes) => code(path, bytes).map(|what| format!("an archive with {what} in it: {path}")),
                Err(reason) if path.is_empty() => Some(format!("an archive that cannot be looked into: {reason}")),
                Err(reason) => Some(format!("an archive in which {path} cannot be looked into: {reason}")),
            };
            found = found.take().or(reason);
        })?;
        Ok(found)
    }
}

/// Whether a file in an archive is program code.
fn code(path: &str, bytes: &[u8]) -> Option<&'static str> {
    let name = path.rsplit(['/', '!']).next().unwrap_or_default().to_lowercase();
    let name = name.trim_end_matches(['.', ' ']);
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    if Language::of(ending).is_some() || language::is_other(name, ending) || language::script(bytes).is_some() {
        return Some("program code");
    }
    language::compiled(bytes)
}

//! Admission: may this project run on this stack, and what of the pipeline will run?
//!
//! [`facts`] reads the project, [`mod@judge`] decides over what was read and does no input or output. All problems are told
//! at once, each with its rule, its path and what to do about it.

pub mod checks;
mod contract;
mod corrections;
mod custom_tool;
pub mod facts;
mod first_fit;
pub mod judge;
mod left_out;
pub mod lookup;
pub mod own;
mod own_images;
mod problem;
mod recognise;
pub mod selection;
mod values;
pub mod versions;

use std::path::Path;

use pipelinex_common::{
    folder::Folder, foreign::ForeignError, metadata::SourceKind, pipeline::detect::Candidate, request::JobRequest,
};

pub use self::{
    corrections::corrected,
    first_fit::{Admitted, admit},
    judge::{Accepted, Refused, judge},
    left_out::leave_out,
    own_images::OwnImages,
    problem::{Place, Problem, Rule},
    recognise::{Asked, Recognised, choose, for_own, instead, no_such_folder, recognise},
};
use crate::{config::Config, stacks::StackData};

/// Why a source is not admitted.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// The project or the request is at fault.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Our own system is.
    #[error(transparent)]
    Io(#[from] ForeignError),
}

impl AdmissionError {
    /// The same, with what else the project could have been taken for.
    pub fn or_one_of(self, others: Vec<Candidate>) -> Self {
        match self {
            Self::Refused(refused) if refused.candidates.is_empty() => {
                Self::Refused(Refused { candidates: others, ..refused })
            }
            other => other,
        }
    }
}

/// Reads what the stack's rules need of a project, or of that folder of it, and judges it. Blocks on the disk.
///
/// # Errors
/// [`AdmissionError`].
pub fn admit_source(
    source: &Path,
    folder: Option<&Folder>,
    request: &JobRequest,
    kind: SourceKind,
    stack: &StackData,
    config: &Config,
) -> Result<Accepted, AdmissionError> {
    let facts = facts::gather(source, folder, &stack.contract)?;
    Ok(judge(&facts, request, kind, stack, config)?)
}

#[cfg(test)]
mod tests;

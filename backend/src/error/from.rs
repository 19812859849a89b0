//! What each error of the rooms below is to a client.

use pipelinex_common::{
    foreign::{ForeignError, shown},
    id::InvalidJobId,
    pipeline::detect::Candidate,
    store::{StoreError, TreeError},
};

use super::{ApiError, Choice, GIT_REFUSED, Problem};
use crate::{
    admission::{self, AdmissionError},
    intake::{
        IntakeError, Refusal,
        git::{CloneError, TokenError},
    },
    stacks::UnknownStack,
};

/// The code of a project that does not keep the contract, or a request that it cannot serve.
const NOT_ADMITTED: &str = "not-admitted";
/// So many folders and stacks are told to choose from; with more of them nobody chooses from a list.
const CHOICES_MAX: usize = 50;

impl From<InvalidJobId> for ApiError {
    fn from(error: InvalidJobId) -> Self {
        Self::NotFound { detail: format!("there is no such job: {error}") }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSuchJob(_) => Self::NotFound { detail: error.to_string() },
            StoreError::Disk(ref disk) if disk.is_full() => Self::Full,
            StoreError::Disk(ref disk) if disk.is_read_only() => Self::Unavailable {
                detail:
                    "the disk of the workspaces is mounted read-only: nothing can be kept there until its operator \
                         has made it writable again"
                        .to_owned(),
            },
            StoreError::Disk(_) | StoreError::Taken(_) | StoreError::Transition(_) => Self::internal(error),
        }
    }
}

impl From<ForeignError> for ApiError {
    fn from(error: ForeignError) -> Self {
        match error {
            ForeignError::Missing(_) | ForeignError::Refused { .. } => Self::NotFound { detail: error.to_string() },
            ForeignError::TooMuch(_) | ForeignError::Io { .. } => Self::internal(error),
        }
    }
}

impl From<TreeError> for ApiError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Store(error) => error.into(),
            TreeError::Foreign(error) => error.into(),
        }
    }
}

impl From<IntakeError> for ApiError {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Refused(refusal) => Self::refused("zip-refused", refusal),
            IntakeError::Full => Self::Full,
            IntakeError::Io { .. } => Self::internal(error),
        }
    }
}

impl From<CloneError> for ApiError {
    fn from(error: CloneError) -> Self {
        match error {
            CloneError::Refused(problem) => Self::refused(GIT_REFUSED, problem),
            CloneError::TooLarge(detail) => Self::TooLarge { detail },
            CloneError::TooSlow { .. } => Self::CloneTooSlow {
                detail: format!("{error}; a smaller branch may be faster, or a ZIP of the project"),
            },
            CloneError::Unreachable(detail) => Self::HostUnreachable { detail },
            CloneError::Full => Self::Full,
            CloneError::Gone => Self::client_gone(),
            CloneError::Ours(_) => Self::internal(error),
        }
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Refused(problem) => Self::refused(GIT_REFUSED, problem),
            TokenError::Unusable(cause) => Self::internal(cause),
        }
    }
}

impl From<AdmissionError> for ApiError {
    fn from(error: AdmissionError) -> Self {
        match error {
            AdmissionError::Refused(refused) => {
                let admission::Refused { problems, candidates } = refused;
                Self::Refused {
                    code: NOT_ADMITTED,
                    problems: problems.into_iter().map(Into::into).collect(),
                    candidates: candidates.iter().take(CHOICES_MAX).map(Into::into).collect(),
                }
            }
            AdmissionError::Io(error) => Self::internal(error),
        }
    }
}

impl From<UnknownStack> for ApiError {
    fn from(unknown: UnknownStack) -> Self {
        Self::refused(NOT_ADMITTED, unknown.problem())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.rule.says().to_owned();
        Self { rule: refusal.rule.to_string(), path: refusal.entry, message, hint: refusal.hint, place: None }
    }
}

impl From<&Candidate> for Choice {
    fn from(candidate: &Candidate) -> Self {
        Self {
            folder: candidate.asked_folder().to_owned(),
            stack: candidate.stack.clone(),
            decided_by: candidate.because.iter().map(|path| shown(path)).collect(),
        }
    }
}

impl From<admission::Problem> for Problem {
    fn from(problem: admission::Problem) -> Self {
        let admission::Problem { rule, path, message, hint, place } = problem;
        Self { rule: rule.to_string(), path, message, hint, place }
    }
}

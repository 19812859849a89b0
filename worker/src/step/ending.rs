//! The ways in which a step's container comes to its end, and what can keep it from one.

use std::time::Duration;

use pipelinex_common::{
    disk::DiskError,
    limits::{MIB, StepLimits},
    state::Reason,
    store::TreeError,
};

use super::GRACE;
use crate::engine::{ContainerStatus, EngineError};

/// How a container came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended by itself.
    Exited(ContainerStatus),
    /// We ended it, or did not start it.
    Ended(Stop),
    /// It, or what it cannot go on without, is gone, and nobody knows how it ended.
    Lost,
    /// This worker was told to stop; the container runs on.
    Detached,
}

/// Why a step was ended by us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Whose fault it is.
    pub reason: Reason,
    /// The same as a sentence.
    pub message: String,
}

impl Stop {
    /// A reason with its sentence.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// That a step or a job ran longer than it may, and what sets how long that is.
    pub fn timeout(limit: Duration, set_by: &str) -> Self {
        Self::new(
            Reason::Timeout,
            format!("it ran longer than the {} seconds it may; {set_by} sets that", limit.as_secs()),
        )
    }

    /// That the engine has stored more of a step's output than it may.
    pub fn too_much_log(limits: &StepLimits) -> Self {
        let most = limits.log_raw_bytes / MIB;
        Self::new(
            Reason::LogLimit,
            format!(
                "it printed more than it may: the engine's record of it passed {most} MiB (four times --log-limit)"
            ),
        )
    }

    /// How long its container has between TERM and KILL: one that passed a limit would use that time to pass it further.
    pub fn grace(&self, afterwards: Duration) -> Duration {
        match self.reason {
            Reason::LogLimit | Reason::DiskLimit => Duration::ZERO,
            _ => GRACE + afterwards,
        }
    }
}

/// Why a step could not be run to an end.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The image is not there.
    #[error("the image {image} is not there and cannot be pulled ({cause}): {}", what_helps(image))]
    NoImage {
        /// Which image.
        image: String,
        /// What pulling it said.
        cause: String,
    },
    /// The operator lets nobody use this image.
    #[error(
        "the image {image} may not be used here: it is none of the operator's ({known}), and no pattern of --allowed-images fits it; \
         name one of those, or ask the operator to let it in"
    )]
    ImageNotAllowed {
        /// Which image.
        image: String,
        /// The names of the operator's table.
        known: String,
    },
    /// The engine could not start the container's first program.
    #[error("the image {image} cannot be started: {cause}")]
    Unstartable {
        /// Which image.
        image: String,
        /// The engine's words.
        cause: String,
    },
    /// Our own files.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A tree, or what belongs to a step beside it, could not be made.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Somebody else holds the job now.
    #[error("another worker holds the job")]
    NotMine,
}

/// What helps where an image is not there: our own are built, and all others come from a registry.
fn what_helps(image: &str) -> &'static str {
    if is_ours(image) {
        "build it with `make images`, or name another with PIPELINEX_IMAGES"
    } else {
        "see whether its name and tag are right; `docker pull` on the engine's host says more, `docker login` there opens a private \
         registry, and an image that `docker load` brought is not pulled"
    }
}

/// Whether an image is one of those that `make images` builds. They are nobody's at a public registry: whoever took such a name there
/// could run what they like.
pub(crate) fn is_ours(image: &str) -> bool {
    image.starts_with("pipelinex/")
}

impl StepError {
    /// What a container that the engine could not start failed of.
    pub(crate) fn of_start(error: EngineError, image: &str) -> Self {
        match error.is_unstartable() {
            true => Self::Unstartable { image: image.to_owned(), cause: error.to_string() },
            false => Self::Engine(error),
        }
    }
}

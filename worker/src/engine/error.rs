//! What an engine can answer instead of doing what it was asked.

use bollard::errors::Error;

/// An engine refused, broke, or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It answered with an error.
    #[error("the container engine answered {status}: {message}")]
    Answered {
        /// The HTTP status.
        status: u16,
        /// Its own words.
        message: String,
    },
    /// Nothing came back.
    #[error("the container engine does not answer: is it running, and may this user reach its socket?")]
    NoAnswer,
    /// The connection failed or broke.
    #[error("the container engine cannot be reached: {0}")]
    Unreachable(String),
    /// It speaks an API that is too old.
    #[error("the container engine speaks API {}.{}, at least {}.{} is needed (Docker Engine 20.10)", found.0, found.1, needed.0, needed.1)]
    TooOld {
        /// What it speaks.
        found: (usize, usize),
        /// What is needed.
        needed: (usize, usize),
    },
}

impl EngineError {
    /// Whether it says that something is not there; any other error stays one.
    pub(super) fn or_absent(self) -> Result<(), Self> {
        match self {
            Self::Answered { status: 404, .. } => Ok(()),
            other => Err(other),
        }
    }

    /// Whether it says that something is not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Answered { status: 404, .. })
    }

    /// Whether it says that the name is taken; any other error stays one.
    pub(super) fn or_there_already(self) -> Result<(), Self> {
        match self {
            Self::Answered { status: 409, ref message }
                if message.contains("already in use") || message.contains("already exists") =>
            {
                Ok(())
            }
            other => Err(other),
        }
    }

    /// Whether it says that somebody else is removing it.
    pub(super) fn is_being_removed(&self) -> bool {
        matches!(self, Self::Answered { status: 409, message } if message.contains("already in progress"))
    }

    /// Whether it says that the image is not there.
    pub fn is_missing_image(&self) -> bool {
        matches!(self, Self::Answered { status: 404, message } if message.to_lowercase().contains("no such image"))
    }

    /// Whether it says that it cannot run a container's first program: nothing of the image has begun.
    pub fn is_unstartable(&self) -> bool {
        let of_exec = |message: &str| {
            let why = ["no such file", "not found", "permission denied", "exec format error", "is a directory"];
            message.contains("exec") && why.iter().any(|why| message.contains(why))
        };
        matches!(self, Self::Answered { status: 400.., message } if of_exec(&message.to_lowercase()))
    }

    /// Whether asking again can help: nothing was said about what was asked.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::NoAnswer | Self::Unreachable(_) => true,
            Self::Answered { .. } | Self::TooOld { .. } => false,
        }
    }
}

impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                Self::Answered { status: status_code, message }
            }
            Error::DockerStreamError { error } => Self::Answered { status: 500, message: error },
            Error::RequestTimeoutError => Self::NoAnswer,
            other => Self::Unreachable(other.to_string()),
        }
    }
}

//! Why a command did not do what it is for, and how the program ends because of it.

use std::io;

use pipelinex_backend::pack::PackError;

use crate::{client::ClientError, exit::Exit};

/// Why a command did not do what it is for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A request failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A folder cannot be sent.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    /// Something else, said in one sentence.
    #[error("{message}")]
    Said {
        /// How the program ends.
        exit: Exit,
        /// What went wrong, and what to do.
        message: String,
    },
    /// A server ended with an error; it gives its causes.
    #[error("{0:#}")]
    Server(anyhow::Error),
}

impl Failure {
    /// Something that keeps the command from its work.
    pub fn errored(message: impl Into<String>) -> Self {
        Self::Said { exit: Exit::Errored, message: message.into() }
    }

    /// Something in the command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Said { exit: Exit::Usage, message: message.into() }
    }

    /// Whether the reader of standard output went away: no error, `| head` does it.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// How the program ends because of it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Client(error) => error.exit(),
            Self::Pack(PackError::Io { .. } | PackError::Archive(_)) => Exit::Errored,
            Self::Pack(_) => Exit::Refused,
            Self::Output(_) if self.is_closed_pipe() => Exit::Passed,
            Self::Output(_) | Self::Server(_) => Exit::Errored,
            Self::Said { exit, .. } => *exit,
        }
    }
}

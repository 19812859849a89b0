//! Why a request did not give what was asked for.

use std::{error::Error as _, path::PathBuf};

use super::problem::Problem;
use crate::exit::Exit;

/// Why a request did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no server at {url}: start one with `pipelinex serve`, or name another with --server")]
    NoServer {
        /// Where nobody listens.
        url: String,
    },
    /// Somebody may listen, and no connection comes about.
    #[error("cannot connect to {url}: {cause}")]
    NoConnection {
        /// Where to.
        url: String,
        /// Why not.
        cause: String,
    },
    /// The server answered, and not with what was asked for.
    #[error("{0}")]
    Answered(Box<Problem>),
    /// The server points elsewhere; what was sent is not sent again by itself.
    #[error("the server at {url} points to {to}: name that with --server")]
    Redirected {
        /// Who points.
        url: String,
        /// Where to.
        to: String,
    },
    /// The connection broke off before the answer was whole.
    #[error("the connection to the server broke off: {0}")]
    Torn(String),
    /// The connection broke off while a project was sent; nobody knows what became of it.
    #[error(
        "the connection broke off while the project was sent: {0}\nIt may be larger than the server takes; \
         `pipelinex list` shows whether a job came of it."
    )]
    TornUpload(String),
    /// The answer took too long.
    #[error("the server did not answer in time")]
    TimedOut,
    /// The answer is whole and not understood.
    #[error("the server's answer is not understood ({0}): is it a Pipelinex of about version {version}?", version = env!("CARGO_PKG_VERSION"))]
    NotUnderstood(String),
    /// A token cannot be read, kept or sent.
    #[error("{0}")]
    Token(String),
    /// The certificates that should be trusted cannot be used.
    #[error("the certificates in {} cannot be used: {reason}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl ClientError {
    /// Sorts an error of the library.
    pub fn of(url: &str, error: reqwest::Error) -> Self {
        let url = url.to_owned();
        if error.is_timeout() {
            return Self::TimedOut;
        }
        let cause = innermost(&error);
        if error.is_connect() {
            return match cause.contains("refused") {
                true => Self::NoServer { url },
                false => Self::NoConnection { url, cause: with_advice(cause) },
            };
        }
        Self::Torn(cause)
    }

    /// Whether the same request may well succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoServer { .. } | Self::NoConnection { .. } | Self::Torn(_) | Self::TimedOut => true,
            Self::Answered(problem) => problem.is_transient(),
            Self::Redirected { .. } | Self::TornUpload(_) | Self::NotUnderstood(_) => false,
            Self::Token(_) | Self::Certificates { .. } => false,
        }
    }

    /// How the program ends because of it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Answered(problem) if problem.is_refusal() || problem.is_about_who_asks() => Exit::Refused,
            Self::Answered(problem) if problem.is_unknown() => Exit::Usage,
            Self::Token(_) => Exit::Usage,
            _ => Exit::Errored,
        }
    }
}

fn with_advice(cause: String) -> String {
    if cause.contains("certificate") || cause.contains("UnknownIssuer") {
        format!("{cause}\nIf a certificate authority of your own signed it, name its PEM file with --ca-certs.")
    } else {
        cause
    }
}

/// The last of the chain of causes says what happened; the ones before it say that a request failed.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = "the request failed".to_owned();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

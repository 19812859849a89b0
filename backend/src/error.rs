//! The one place that knows status codes, and the one envelope of errors: `application/problem+json` (RFC 9457).
//!
//! What the client can do something about is told in full, with a rule, a path and a hint for each problem. What only the
//! operator can do something about is logged with a number, and the client gets the number.

mod from;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use pipelinex_common::{
    disk::is_full,
    pipeline::stack::StackKey,
    state::{JobState, Reason},
    store::{Quarantine, StoreError},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use crate::admission::Place;
use crate::{http::shares::NoPlace, metrics::Refused};

/// Why a request is not answered as it wished.
#[derive(Debug)]
pub enum ApiError {
    /// The request cannot be read.
    Malformed {
        /// For programs.
        code: &'static str,
        /// For people.
        detail: String,
    },
    /// The head of the request is larger than it may be, or of another version of HTTP.
    Head {
        /// The status.
        status: StatusCode,
        /// For programs.
        code: &'static str,
        /// For people.
        detail: String,
    },
    /// Nobody knows who asks.
    Unauthorized {
        /// For people.
        detail: String,
    },
    /// Too many wrong tokens came from one address.
    TooManyWrong,
    /// A page, a name or an account that may not do this.
    Forbidden {
        /// For programs.
        code: &'static str,
        /// For people.
        detail: String,
    },
    /// There is no such thing.
    NotFound {
        /// For people.
        detail: String,
    },
    /// There is, and it takes other methods.
    MethodNotAllowed,
    /// The body came too slowly, or not at all.
    TooSlow,
    /// It will be there later.
    NotYet {
        /// For people.
        detail: String,
    },
    /// It is too late: the job has ended.
    Ended {
        /// How.
        state: JobState,
        /// Why it is FAILED or CANCELED.
        reason: Option<Reason>,
    },
    /// The body, or a part of it, is too large.
    TooLarge {
        /// For people.
        detail: String,
    },
    /// The body is of a kind that is not taken.
    Unsupported {
        /// For programs.
        code: &'static str,
        /// For people.
        detail: String,
    },
    /// The request was read and is refused.
    Refused {
        /// For programs.
        code: &'static str,
        /// Each with what to do about it.
        problems: Vec<Problem>,
        /// What there is to choose from, where that would help.
        candidates: Vec<Choice>,
    },
    /// A file is not the one that the client knows.
    Changed,
    /// A file has no bytes of the range that was asked for.
    NoSuchRange {
        /// How many it has.
        bytes: u64,
    },
    /// Too much at once.
    TooMany {
        /// For people.
        detail: String,
    },
    /// Not now.
    Unavailable {
        /// For people.
        detail: String,
    },
    /// A Git host cannot be reached, or does not serve.
    HostUnreachable {
        /// For people.
        detail: String,
    },
    /// A clone was not done in time.
    CloneTooSlow {
        /// For people.
        detail: String,
    },
    /// The disk is full.
    Full,
    /// The disk is not full yet, and what is left of it is for the jobs that there are.
    LowSpace {
        /// For people.
        detail: String,
    },
    /// The files of a job cannot be read.
    BrokenJob(StoreError),
    /// Anything else of ours.
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

/// One reason for a refusal, whoever refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// For programs.
    pub rule: String,
    /// The entry, file or field it is about; safe to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// The place in a pipeline file.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Box<Place>>,
}

/// A folder of a project that was refused, and what it could be taken for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Choice {
    /// The folder as a request names it; `.` is the top.
    pub folder: String,
    /// The stack.
    pub stack: StackKey,
    /// The files that speak for it; safe to show.
    pub decided_by: Vec<String>,
}

/// A refusal as it is sent.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<Choice>,
    /// What a job that has ended is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<JobState>,
}

/// The code of a repository that is not cloned.
pub const GIT_REFUSED: &str = "git-refused";
/// What is said of a job where it is the system that failed, and not a file of the job.
pub const UNREADABLE: &str = "the files of this job cannot be read; the server's log says which";
/// Seconds after which a place may be free again.
const RETRY_SOON: &str = "5";
/// Seconds after which jobs may have ended, or the operator made space.
const RETRY_LATER: &str = "60";

impl ApiError {
    /// A refusal for one reason.
    pub fn refused(code: &'static str, problem: impl Into<Problem>) -> Self {
        Self::Refused { code, problems: vec![problem.into()], candidates: Vec::new() }
    }

    /// An error of ours.
    pub fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }

    /// The files of a job that is there could not be read.
    pub fn broken(error: StoreError) -> Self {
        match error {
            StoreError::NoSuchJob(_) => error.into(),
            other => Self::BrokenJob(other),
        }
    }

    /// Heard by nobody, or by a client that closed its side too early.
    pub fn client_gone() -> Self {
        let detail = "the client closed its side of the connection before the submission was a job";
        Self::Malformed { code: "client-gone", detail: detail.to_owned() }
    }

    /// No place is free for one more of these.
    pub fn too_many(what: &str, why: NoPlace) -> Self {
        Self::TooMany {
            detail: match why {
                NoPlace::Share => format!(
                    "your address has its share of {what} at once; the server takes yours when one of them is done"
                ),
                NoPlace::All => format!("too many {what} at once; the server takes yours when one of them is done"),
            },
        }
    }

    /// There is nothing under that address.
    pub fn no_such_page() -> Self {
        Self::NotFound { detail: "there is nothing at this address; the calls begin with /api/jobs".to_owned() }
    }

    /// An error of the system while a file of ours was read or written.
    pub fn io(error: std::io::Error) -> Self {
        if is_full(&error) { Self::Full } else { Self::internal(error) }
    }

    /// Status, code and the sentence of each variant.
    fn parts(&self) -> (StatusCode, &'static str, String) {
        match self {
            Self::Malformed { code, detail } => (StatusCode::BAD_REQUEST, code, detail.clone()),
            Self::Head { status, code, detail } => (*status, code, detail.clone()),
            Self::Unauthorized { detail } => (StatusCode::UNAUTHORIZED, "unauthorized", detail.clone()),
            Self::TooManyWrong => {
                let detail =
                    "too many wrong tokens came from your address; wait a minute, and send one of this server's";
                (StatusCode::TOO_MANY_REQUESTS, "too-many-wrong", detail.to_owned())
            }
            Self::Forbidden { code, detail } => (StatusCode::FORBIDDEN, code, detail.clone()),
            Self::NotFound { detail } => (StatusCode::NOT_FOUND, "not-found", detail.clone()),
            Self::MethodNotAllowed => {
                let detail = "this address does not take that method; the Allow header names those it takes";
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail.to_owned())
            }
            Self::TooSlow => {
                let detail = "the body of the request came too slowly and was given up; send it again";
                (StatusCode::REQUEST_TIMEOUT, "too-slow", detail.to_owned())
            }
            Self::NotYet { detail } => (StatusCode::CONFLICT, "not-yet", detail.clone()),
            Self::Ended { state, reason } => {
                let why = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
                (StatusCode::CONFLICT, "already-ended", format!("the job has ended already: it is {state}{why}"))
            }
            Self::TooLarge { detail } => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail.clone()),
            Self::Unsupported { code, detail } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, code, detail.clone()),
            Self::Refused { code, problems, .. } => (StatusCode::UNPROCESSABLE_ENTITY, code, sentence(problems)),
            Self::Changed => {
                let detail = "this is not, or not for good, what the tag in If-Match names; ask without it";
                (StatusCode::PRECONDITION_FAILED, "changed", detail.to_owned())
            }
            Self::NoSuchRange { bytes } => {
                let detail = format!("there are {bytes} bytes so far, and none in the range that was asked for");
                (StatusCode::RANGE_NOT_SATISFIABLE, "no-such-range", detail)
            }
            Self::TooMany { detail } => (StatusCode::TOO_MANY_REQUESTS, "too-many", detail.clone()),
            Self::Unavailable { detail } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail.clone()),
            Self::HostUnreachable { detail } => (StatusCode::BAD_GATEWAY, "git-host-unreachable", detail.clone()),
            Self::CloneTooSlow { detail } => (StatusCode::GATEWAY_TIMEOUT, "git-too-slow", detail.clone()),
            Self::Full => {
                let detail = "the server has no space left for this project; its operator has to make some";
                (StatusCode::INSUFFICIENT_STORAGE, "storage-full", detail.to_owned())
            }
            Self::LowSpace { detail } => {
                let detail = format!("{detail}: nothing is taken in until there is space again");
                (StatusCode::INSUFFICIENT_STORAGE, "storage-low", detail)
            }
            Self::BrokenJob(error) => {
                let detail = Quarantine::of(error).map(|quarantine| quarantine.to_string());
                let detail = detail.unwrap_or_else(|| UNREADABLE.to_owned());
                (StatusCode::INTERNAL_SERVER_ERROR, "job-broken", detail)
            }
            Self::Internal(_) => {
                let detail = "the server failed; its log has the cause under the number in `instance`";
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", detail.to_owned())
            }
        }
    }

    /// Logs what is not sent; the number ties the answer to the log.
    fn log(&self) -> Option<String> {
        let cause: &dyn std::fmt::Display = match self {
            Self::Internal(error) => error,
            Self::BrokenJob(error) => error,
            Self::Full => &"no space left on the disk of the workspaces",
            _ => return None,
        };
        let instance = format!("urn:uuid:{}", Uuid::new_v4());
        tracing::error!(%instance, %cause, "a request failed");
        Some(instance)
    }
}

fn sentence(problems: &[Problem]) -> String {
    match problems {
        [] => "the submission is refused".to_owned(),
        [only] => only.message.clone(),
        [first, rest @ ..] => format!("{} (and {} more in `problems`)", first.message, rest.len()),
    }
}

/// An error as it is told, to programs and on pages.
#[derive(Debug)]
pub struct Told {
    /// The code of the answer.
    pub status: StatusCode,
    /// For programs.
    pub code: &'static str,
    /// One sentence for people.
    pub detail: String,
    /// The number under which the server's log has the cause, where only the operator can do something about it.
    pub instance: Option<String>,
    /// Each reason for a refusal, with what to do about it.
    pub problems: Vec<Problem>,
    /// What there is to choose from instead.
    pub candidates: Vec<Choice>,
    /// Seconds after which it is worth to come again.
    pub retry_after: Option<&'static str>,
    /// What the job is in, where it has ended before it could be changed.
    pub state: Option<JobState>,
}

impl ApiError {
    /// What is told of it; what is not goes into the log.
    pub fn tell(self) -> Told {
        let instance = self.log();
        let (status, code, detail) = self.parts();
        let retry_after = match self {
            Self::TooMany { .. } | Self::Unavailable { .. } => Some(RETRY_SOON),
            Self::Full | Self::LowSpace { .. } | Self::TooManyWrong => Some(RETRY_LATER),
            _ => None,
        };
        let state = if let Self::Ended { state, .. } = self { Some(state) } else { None };
        let (problems, candidates) = match self {
            Self::Refused { problems, candidates, .. } => (problems, candidates),
            _ => (Vec::new(), Vec::new()),
        };
        Told { status, code, detail, instance, problems, candidates, retry_after, state }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Told { status, code, detail, instance, problems, candidates, retry_after, state } = self.tell();
        let title = status.canonical_reason().unwrap_or("Error");
        let kind = format!("urn:pipelinex:problem:{code}");
        let status_code = status.as_u16();
        let envelope =
            Envelope { kind, title, status: status_code, detail, instance, code, problems, candidates, state };
        let mut response = (status, Json(envelope)).into_response();
        response.extensions_mut().insert(Refused(code));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response
    }
}

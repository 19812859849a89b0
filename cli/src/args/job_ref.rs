//! How people name a job: by its id or the beginning of it, as `PROJECT#N`, or as `last`.

use std::{fmt, str::FromStr};

use pipelinex_common::id::JobId;

/// The shortest beginning of an id that is looked for, in characters: the first digits are those of the day.
const BEGINNING_MIN: usize = 4;

/// A job as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobRef {
    /// A whole id.
    Id(JobId),
    /// The beginning or the end of an id; ids of one minute begin alike.
    Part(String),
    /// A run of a project.
    Run(String, u64),
    /// The newest.
    Last,
}

/// What names no job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a job is named by its id, by the beginning or the end of it ({BEGINNING_MIN} characters or more), as PROJECT#NUMBER, or as `last`"
)]
pub struct NoJobRef;

impl FromStr for JobRef {
    type Err = NoJobRef;

    fn from_str(text: &str) -> Result<Self, NoJobRef> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        if text == "last" {
            return Ok(Self::Last);
        }
        if let Some((project, number)) = text.rsplit_once('#') {
            let number = number.parse().map_err(|_| NoJobRef)?;
            return if project.is_empty() { Err(NoJobRef) } else { Ok(Self::Run(project.to_owned(), number)) };
        }
        let plain = |c: char| matches!(c, '0'..='9' | 'a'..='f' | '-');
        let part = text.len() >= BEGINNING_MIN && text.len() < 36 && text.chars().all(plain);
        if part { Ok(Self::Part(text.to_owned())) } else { Err(NoJobRef) }
    }
}

impl fmt::Display for JobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Part(text) => f.write_str(text),
            Self::Run(project, number) => write!(f, "{project}#{number}"),
            Self::Last => f.write_str("last"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_in_four_ways() {
        let id = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
        assert_eq!(id.parse(), Ok(JobRef::Id(id.parse().unwrap())));
        assert_eq!("last".parse(), Ok(JobRef::Last));
        assert_eq!("shop#2".parse(), Ok(JobRef::Run("shop".to_owned(), 2)));
        assert_eq!("0190a1b2-c3".parse(), Ok(JobRef::Part("0190a1b2-c3".to_owned())));
        for wrong in ["", "019", "x#y", "#2", "LAST", "zzzz", "0190A1B2"] {
            assert_eq!(wrong.parse::<JobRef>(), Err(NoJobRef), "{wrong}");
        }
    }
}

//! What people decided about findings of a project: that one is accepted, or is none. One file for each project,
//! `.triage/PROJECT.json`, replaced whole by whoever holds the lock; jobs and their reports are never changed.

use std::path::PathBuf;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Job, ProjectKey, Store, StoreError, give_to_owner_of};
use crate::{
    access::DEFAULT_PROJECT,
    disk::{self, Versioned},
    findings::Finding,
};

/// So many decisions a project has at most.
const DECISIONS_MAX: usize = 10_000;
/// The longest reason, in characters.
pub const REASON_MAX: usize = 500;

/// What somebody decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is there, and is lived with.
    Accepted,
    /// It is no fault.
    FalsePositive,
}

impl Verdict {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::FalsePositive => "false positive",
        }
    }
}

/// A decision about one finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// The finding.
    pub fingerprint: String,
    /// What was decided.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// Who decided it.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// From then on it counts again; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The rule and the place as they were then, for people.
    pub about: String,
}

impl Decision {
    /// Whether it holds no longer.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// All decisions of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triage {
    schema: u32,
    /// One for each finding, in the order in which they were made.
    pub decisions: Vec<Decision>,
}

impl Versioned for Triage {
    const SCHEMA: u32 = 1;
}

impl Triage {
    /// What was decided about a finding, also what has expired.
    pub fn about(&self, fingerprint: &str) -> Option<&Decision> {
        self.decisions.iter().find(|decision| decision.fingerprint == fingerprint)
    }

    /// Whether a finding counts no more.
    pub fn sets_aside(&self, fingerprint: &str, now: Timestamp) -> bool {
        self.about(fingerprint).is_some_and(|decision| !decision.has_expired(now))
    }
}

/// What somebody wants to decide about a finding of a job.
#[derive(Clone, Debug)]
pub struct Deciding {
    /// The finding, or the beginning of its fingerprint.
    pub fingerprint: String,
    /// What is decided; `None` takes back what was.
    pub verdict: Option<Verdict>,
    /// Why.
    pub reason: String,
    /// Who decides.
    pub who: String,
    /// Until when.
    pub until: Option<Timestamp>,
}

/// Why nothing was decided: all are of whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// None of the job's findings begins so.
    #[error("no finding of this job has that fingerprint; `pipelinex findings JOB --json` shows those that it has")]
    NoSuchFinding,
    /// Several do.
    #[error("several findings of this job begin with that fingerprint: give more of it")]
    Several,
    /// Unrelated projects share that name.
    #[error(
        "the job is of the project `default`, which nobody named and many share; submit it with a project's name (--project), and decide there"
    )]
    Unnamed,
    /// The reason will not do.
    #[error("a reason is needed, of at most {REASON_MAX} characters")]
    Reason,
    /// The time has passed.
    #[error("the time until which it is accepted has passed already")]
    Past,
    /// There are too many.
    #[error("the project has {DECISIONS_MAX} decisions already: take some back first")]
    TooMany,
    /// There is nothing to take back.
    #[error("nothing was decided about that finding")]
    Nothing,
}

/// Why a decision about a finding was not made.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// What was wished for will not do.
    #[error(transparent)]
    Refused(#[from] Undecided),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Decides about a finding of a job, for all jobs of its project.
    ///
    /// # Errors
    /// [`DecideError`]: what was wished for will not do, or the store failed.
    pub fn decide_about(&self, job: &Job, wish: Deciding) -> Result<Decision, DecideError> {
        let metadata = job.metadata()?;
        let (project, now) = (ProjectKey::of(&metadata), Timestamp::now());
        let reason = wish.reason.split_whitespace().collect::<Vec<_>>().join(" ");
        let refused = if metadata.project == DEFAULT_PROJECT {
            Some(Undecided::Unnamed)
        } else if wish.verdict.is_some() && !(1..=REASON_MAX).contains(&reason.chars().count()) {
            Some(Undecided::Reason)
        } else {
            wish.until.filter(|until| *until <= now).map(|_| Undecided::Past)
        };
        if let Some(refused) = refused {
            return Err(refused.into());
        }
        let beginning = wish.fingerprint.trim().to_lowercase();
        let named = |fingerprint: &str| !beginning.is_empty() && fingerprint.starts_with(&beginning);
        let Some(verdict) = wish.verdict else {
            let triage = self.triage(&project)?;
            let Some(known) = triage.decisions.into_iter().find(|known| named(&known.fingerprint)) else {
                return Err(Undecided::Nothing.into());
            };
            self.undecide(&project, &known.fingerprint)?;
            return Ok(known);
        };
        let found: Vec<Finding> = job.found()?.into_iter().filter(|finding| named(&finding.fingerprint)).collect();
        let finding = match found.as_slice() {
            [] => return Err(Undecided::NoSuchFinding.into()),
            [finding] => finding,
            [first, rest @ ..] if rest.iter().all(|other| other.fingerprint == first.fingerprint) => first,
            _ => return Err(Undecided::Several.into()),
        };
        let about = format!("{} {}", finding.rule, finding.place().unwrap_or_default()).trim().to_owned();
        let (fingerprint, who, until) = (finding.fingerprint.clone(), wish.who, wish.until);
        let decision = Decision { fingerprint, verdict, reason, who, at: now, until, about };
        let decided = self.decide(&project, decision.clone())?;
        decided.then_some(decision).ok_or(Undecided::TooMany.into())
    }

    /// What was decided about the findings of a project.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the file cannot be read: nothing is then set aside by it.
    pub fn triage(&self, project: &ProjectKey) -> Result<Triage, StoreError> {
        Ok(disk::read_json(&self.triage_file(project))?.unwrap_or_default())
    }

    /// Decides about a finding, in place of what was decided before. `false`: the project has too many decisions already.
    ///
    /// # Errors
    /// [`StoreError::Disk`]; what was decided before then holds.
    pub fn decide(&self, project: &ProjectKey, decision: Decision) -> Result<bool, StoreError> {
        self.change_triage(project, |decisions| {
            decisions.retain(|known| known.fingerprint != decision.fingerprint);
            let fits = decisions.len() < DECISIONS_MAX;
            decisions.extend(fits.then_some(decision));
            fits
        })
    }

    /// Takes a decision back. `false`: there was none.
    ///
    /// # Errors
    /// As [`Self::decide`].
    pub fn undecide(&self, project: &ProjectKey, fingerprint: &str) -> Result<bool, StoreError> {
        self.change_triage(project, |decisions| {
            let before = decisions.len();
            decisions.retain(|known| known.fingerprint != fingerprint);
            decisions.len() < before
        })
    }

    fn change_triage(
        &self,
        project: &ProjectKey,
        change: impl FnOnce(&mut Vec<Decision>) -> bool,
    ) -> Result<bool, StoreError> {
        let lock = self.layout.triage().join("lock");
        let _alone = disk::lock_file(&lock)?;
        give_to_owner_of(self.layout.root(), &lock)?;
        let mut triage = self.triage(project)?;
        triage.schema = Triage::SCHEMA;
        let changed = change(&mut triage.decisions);
        if changed {
            let path = self.triage_file(project);
            disk::write_json(&path, &triage)?;
            give_to_owner_of(self.layout.root(), &path)?;
        }
        Ok(changed)
    }

    fn triage_file(&self, project: &ProjectKey) -> PathBuf {
        self.layout.triage().join(format!("{}.json", project.digest()))
    }
}

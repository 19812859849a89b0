//! `accept`: decides about a finding, over a server that knows who asks, or in the workspaces folder itself.

use std::path::Path;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use pipelinex_common::{
    id::JobId,
    store::{DecideError, Deciding, Decision, ProjectKey, Verdict},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{audit, settings};
use crate::{
    client::{Client, ClientError},
    exit::Exit,
    failure::Failure,
    output::Output,
    show,
};

/// What is wished for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// A job of the project.
    pub id: JobId,
    /// The finding.
    pub fingerprint: String,
    /// What to do about it.
    pub what: What,
}

/// What to do about a finding.
#[derive(Clone, Debug)]
pub enum What {
    /// To accept it.
    Accept {
        /// Why.
        reason: String,
        /// The last day on which that holds.
        until: Option<Date>,
        /// It is none.
        false_positive: bool,
    },
    /// To take back what was decided.
    Remove,
    /// To show what was.
    List,
}

/// Asks a server.
pub async fn there(client: &Client, out: &Output, wanted: Wanted) -> Result<Exit, Failure> {
    let Wanted { id, fingerprint, what } = wanted;
    let answer = match &what {
        What::List => {
            let answer = client.accepted(id).await?;
            return list(out, &answer);
        }
        What::Remove => client.revoke(id, &fingerprint).await?,
        What::Accept { reason, until, false_positive } => {
            let until = until.map(end_of).transpose()?;
            let body = json!({"reason": reason, "until": until, "false_positive": false_positive});
            client.accept(id, &fingerprint, &body).await?
        }
    };
    let decision = Decision::deserialize(&answer).map_err(|error| ClientError::NotUnderstood(error.to_string()))?;
    told(out, &what, &decision, &answer)
}

/// Decides in a workspaces folder.
pub fn here(out: &Output, workspaces: &Path, wanted: Wanted) -> Result<Exit, Failure> {
    let Wanted { id, fingerprint, what } = wanted;
    let store = settings::open_store(&settings::workspaces(Some(workspaces))?)?;
    let failed = |error: pipelinex_common::store::StoreError| Failure::usage(error.to_string());
    let job = store.job(id).map_err(failed)?;
    let (verdict, reason, until) = match &what {
        What::List => {
            let project = ProjectKey::of(&job.metadata().map_err(failed)?);
            let triage = store.triage(&project).map_err(failed)?;
            return list(out, &json!({"project": project.name, "decisions": triage.decisions}));
        }
        What::Remove => (None, String::new(), None),
        What::Accept { reason, until, false_positive } => {
            let verdict = if *false_positive { Verdict::FalsePositive } else { Verdict::Accepted };
            (Some(verdict), reason.clone(), until.map(end_of).transpose()?)
        }
    };
    let who = audit::who_runs_this();
    let deciding = Deciding { fingerprint, verdict, reason, who, until };
    let decision = store.decide_about(&job, deciding).map_err(|error| match error {
        DecideError::Refused(refused) => Failure::usage(refused.to_string()),
        DecideError::Store(error) => failed(error),
    })?;
    let action = if matches!(what, What::Remove) { "take back" } else { "accept finding" };
    audit::note(out, &store, action, &format!("{id} {}", decision.fingerprint));
    told(out, &what, &decision, &json!(decision))
}

/// The end of a day in UTC.
fn end_of(day: Date) -> Result<Timestamp, Failure> {
    let after = day.tomorrow().and_then(|day| day.to_zoned(TimeZone::UTC));
    after.map(|time| time.timestamp()).map_err(|_| Failure::usage("--until lies too far in the future"))
}

fn told(out: &Output, what: &What, decision: &Decision, answer: &Value) -> Result<Exit, Failure> {
    if out.json() {
        out.document(answer)?;
    }
    let until = decision.until.map(|until| format!(" until {until}")).unwrap_or_default();
    match what {
        What::Remove => out.say(format!("{} counts again", decision.about)),
        _ => out.say(format!("{} is {}{until}, for all jobs of the project", decision.about, decision.verdict.words())),
    }
    Ok(Exit::Passed)
}

fn list(out: &Output, answer: &Value) -> Result<Exit, Failure> {
    if out.json() {
        out.document(answer)?;
        return Ok(Exit::Passed);
    }
    let decisions: Vec<Decision> =
        Vec::deserialize(&answer["decisions"]).map_err(|error| ClientError::NotUnderstood(error.to_string()))?;
    if decisions.is_empty() {
        out.say("nothing was decided about findings of this project");
        return Ok(Exit::Passed);
    }
    let now = Timestamp::now();
    let row = |known: &Decision| {
        let until = match known.until {
            Some(until) if known.has_expired(now) => format!("expired {}", until.strftime("%Y-%m-%d")),
            Some(until) => until.strftime("%Y-%m-%d").to_string(),
            None => "taken back".to_owned(),
        };
        let mark = known.fingerprint.get(..12).unwrap_or(&known.fingerprint).to_owned();
        vec![
            mark,
            known.verdict.words().to_owned(),
            known.about.clone(),
            known.who.clone(),
            until,
            known.reason.clone(),
        ]
    };
    let head = ["FINDING", "IT IS", "WHAT", "WHO", "UNTIL", "WHY"].map(str::to_owned).to_vec();
    let rows: Vec<_> = std::iter::once(head).chain(decisions.iter().map(row)).collect();
    show::table(&rows).into_iter().try_for_each(|line| out.data(line))?;
    Ok(Exit::Passed)
}

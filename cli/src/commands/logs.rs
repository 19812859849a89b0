//! `logs`: what a stage printed, byte by byte, over broken connections and restarts of the server.

use std::{io, time::Duration};

use pipelinex_common::{
    execution::StageRecord,
    id::JobId,
    state::{JobState, StepState},
};

use crate::{
    client::{Client, Status, has_started},
    exit::Exit,
    failure::Failure,
    follow::{Pace, Patience, Tail},
    output::{Escaper, Output},
    watch::{Channel, Watch},
};

/// How long a server may be away while a log is read that is not followed.
const SHORT_PATIENCE: Duration = Duration::from_secs(30);

/// What is wanted of a job's logs.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// That of this stage; `None`: of all.
    pub stage: Option<String>,
    /// That of one of its steps.
    pub step: Option<String>,
    /// That of one try of it; `None`: of the last.
    pub number: Option<u32>,
    /// Of those alone that failed.
    pub failed: bool,
    /// Also what comes.
    pub follow: bool,
}

/// Prints the log of one stage, or of all of them.
pub async fn logs(client: &Client, out: &Output, id: JobId, wanted: &Wanted) -> Result<Exit, Failure> {
    let follow = wanted.follow;
    let Some(stage) = wanted.stage.as_deref() else {
        let watch = Watch::new(client, out, id, Channel::Data).logs_alone();
        let watch = if wanted.failed { watch.of_failed_stages() } else { watch };
        let status = if follow { watch.until_the_end().await? } else { watch.once().await? };
        let has_failed = |(_, stage): (&String, &StageRecord)| stage.status == StepState::Failed;
        if status.execution.state == JobState::Queued {
            out.say("no worker has taken the job yet");
        } else if wanted.failed && !status.execution.stages.iter().any(has_failed) {
            out.say("no stage of the job has failed");
        }
        return Ok(Exit::Passed);
    };
    let mut printer = Printer { out, escaper: out.data_is_terminal().then(Escaper::default) };
    let (mut pace, mut patience) = (Pace::new(), Patience::new((!follow).then_some(SHORT_PATIENCE)));
    let mut tail = None;
    let mut greeted = false;
    loop {
        let looked = look(client, id, (stage, wanted), &mut tail, &mut printer).await;
        let Some(look) = patience.bear(looked, tail.is_some(), out).await? else { continue };
        if !greeted && let Some(remark) = look.remark {
            out.say(remark);
            greeted = true;
        }
        if look.ended || !follow {
            printer.finish()?;
            return Ok(Exit::Passed);
        }
        pace.rest(look.taken > 0).await;
    }
}

/// What one look at a stage gave.
struct Look {
    taken: u64,
    ended: bool,
    /// Why there is nothing to print.
    remark: Option<String>,
}

/// The status is read before the log: when it says that the stage has ended, the log that follows is whole.
async fn look(
    client: &Client,
    id: JobId,
    (stage, wanted): (&str, &Wanted),
    tail: &mut Option<Tail>,
    printer: &mut Printer<'_>,
) -> Result<Look, Failure> {
    let status = client.status(id).await?;
    let Some((name, record)) = status.execution.stage(stage) else { return Err(no_such_stage(&status, stage)) };
    let ended = status.execution.has_ended(record);
    let remark = (!has_started(record)).then(|| match (record.status, record.reason) {
        (StepState::Skipped, Some(reason)) => format!("{name} was skipped: {reason}"),
        _ if ended => format!("{name} was never started"),
        _ => format!("{name} has not started yet"),
    });
    let new = || Tail::new(id, name).of(wanted.step.as_deref(), wanted.number);
    let tail = tail.get_or_insert_with(new);
    tail.follow_tries(record);
    let taken = if has_started(record) { tail.pull(client, |piece| printer.print(piece)).await? } else { 0 };
    Ok(Look { taken, ended, remark })
}

fn no_such_stage(status: &Status, stage: &str) -> Failure {
    let names: Vec<_> = status.execution.stages.keys().map(String::as_str).collect();
    Failure::usage(format!("the job has no stage {stage}; it has {}", names.join(", ")))
}

/// Bytes as they are, or escaped where they would reach a terminal.
struct Printer<'a> {
    out: &'a Output,
    escaper: Option<Escaper>,
}

impl Printer<'_> {
    fn print(&mut self, piece: &[u8]) -> io::Result<()> {
        match &mut self.escaper {
            Some(escaper) => self.out.bytes(escaper.push(piece).as_bytes()),
            None => self.out.bytes(piece),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match &mut self.escaper {
            Some(escaper) => self.out.bytes(escaper.finish().as_bytes()),
            None => Ok(()),
        }
    }
}

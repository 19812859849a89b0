//! Watches a job to its end: stages as they start and end, what they print with the stage before each line, and a
//! summary. With `--json` the same as one JSON object a line.

use std::{
    collections::{HashMap, VecDeque},
    io, mem,
};

use jiff::{Timestamp, tz::TimeZone};
use pipelinex_common::{execution::StageRecord, id::JobId, state::StepState};
use serde_json::{Value, json};

use crate::{
    client::{Client, Status, has_started},
    failure::Failure,
    follow::{Pace, Patience, Tail},
    output::{Line, Output, Style},
    show,
};

/// The longest piece of a line that is held back for its end, in bytes.
const LINE_MAX: usize = 16 * 1024;
/// Lines of a failed stage that the summary repeats.
const LAST_LINES: usize = 3;

/// Where a person, or a program, sees what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Standard output: the watching is what was asked for.
    Data,
    /// Standard error: standard output has something else to carry.
    Talk,
}

/// One watcher of one job.
pub struct Watch<'a> {
    client: &'a Client,
    out: &'a Output,
    id: JobId,
    channel: Channel,
    /// Also what stages printed that had ended before.
    from_the_start: bool,
    /// Nothing but what stages print.
    logs_alone: bool,
    /// Nothing of stages that have not failed.
    failed_alone: bool,
    stages: HashMap<String, Seen>,
    width: usize,
}

/// What was seen of a stage.
struct Seen {
    tail: Tail,
    started: bool,
    ended: bool,
    partial: Vec<u8>,
    last_lines: VecDeque<String>,
}

impl<'a> Watch<'a> {
    /// A watcher that shows a job from where it stands now on.
    pub fn new(client: &'a Client, out: &'a Output, id: JobId, channel: Channel) -> Self {
        let (stages, width) = (HashMap::new(), 0);
        Self { client, out, id, channel, from_the_start: false, logs_alone: false, failed_alone: false, stages, width }
    }

    /// Shows also what stages printed that had ended before.
    pub fn with_earlier_logs(mut self) -> Self {
        self.from_the_start = true;
        self
    }

    /// Shows what stages print, and nothing else.
    pub fn logs_alone(mut self) -> Self {
        (self.logs_alone, self.from_the_start) = (true, true);
        self
    }

    /// Of those stages alone that have failed.
    pub fn of_failed_stages(mut self) -> Self {
        self.failed_alone = true;
        self
    }

    /// Looks until the job has ended.
    pub async fn until_the_end(mut self) -> Result<Status, Failure> {
        let (mut pace, mut patience) = (Pace::new(), Patience::new(None));
        let mut first_look = true;
        loop {
            let looked = self.look(&mut first_look).await;
            let Some((status, something_happened)) = patience.bear(looked, !first_look, self.out).await? else {
                continue;
            };
            if status.execution.state.is_final() {
                self.summary(&status)?;
                return Ok(status);
            }
            pace.rest(something_happened).await;
        }
    }

    /// Looks once, at all stages.
    pub async fn once(mut self) -> Result<Status, Failure> {
        self.look(&mut true).await.map(|(status, _)| status)
    }

    /// The status is read before the logs: what a stage that has ended printed is then whole.
    async fn look(&mut self, first_look: &mut bool) -> Result<(Status, bool), Failure> {
        let status = self.client.status(self.id).await.map_err(Failure::from)?;
        self.width = show::stage_width(&status.execution);
        if mem::take(first_look) && !self.from_the_start {
            for (name, stage) in status.execution.stages.iter().filter(|(_, stage)| stage.status.is_final()) {
                let seen = self.seen(name);
                (seen.started, seen.ended) = (true, true);
                self.stage_event(name, stage)?;
            }
        }
        let mut something_happened = false;
        for (name, stage) in &status.execution.stages {
            if self.failed_alone && stage.status != StepState::Failed {
                continue;
            }
            let ended = status.execution.has_ended(stage);
            something_happened |= self.look_at(name, stage, ended).await?;
        }
        Ok((status, something_happened))
    }

    async fn look_at(&mut self, name: &str, stage: &StageRecord, ended: bool) -> Result<bool, Failure> {
        if self.seen(name).ended || !(ended || has_started(stage)) {
            return Ok(false);
        }
        let mut something_happened = false;
        if has_started(stage) {
            if !mem::replace(&mut self.seen(name).started, true) && !ended {
                self.stage_event(name, stage)?;
            }
            self.seen(name).tail.follow_tries(stage);
            something_happened = self.pull(name).await? > 0;
        }
        if ended {
            self.flush(name)?;
            self.seen(name).ended = true;
            self.stage_event(name, stage)?;
        }
        Ok(something_happened || ended)
    }

    fn seen(&mut self, name: &str) -> &mut Seen {
        let id = self.id;
        self.stages.entry(name.to_owned()).or_insert_with(|| Seen {
            tail: Tail::new(id, name),
            started: false,
            ended: false,
            partial: Vec::new(),
            last_lines: VecDeque::new(),
        })
    }

    async fn pull(&mut self, name: &str) -> Result<u64, Failure> {
        // The tail is taken out while it is read, so that the lines can be shown as they come.
        let placeholder = Tail::new(self.id, name);
        let mut tail = mem::replace(&mut self.seen(name).tail, placeholder);
        let client = self.client;
        let pulled = tail.pull(client, |piece| self.take(name, piece)).await;
        self.seen(name).tail = tail;
        pulled
    }

    fn take(&mut self, name: &str, piece: &[u8]) -> io::Result<()> {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let seen = self.seen(name);
            seen.partial.extend_from_slice(part);
            if part.ends_with(b"\n") || seen.partial.len() >= LINE_MAX {
                self.flush(name)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, name: &str) -> io::Result<()> {
        let seen = self.seen(name);
        if seen.partial.is_empty() {
            return Ok(());
        }
        let bytes = mem::take(&mut seen.partial);
        let text = String::from_utf8_lossy(&bytes);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text).to_owned();
        if seen.last_lines.len() == LAST_LINES {
            seen.last_lines.pop_front();
        }
        seen.last_lines.push_back(text.clone());
        self.emit(|| json!({"event": "log", "stage": name, "line": text}), |width| prefixed(name, &text, width))
    }

    fn stage_event(&self, name: &str, stage: &StageRecord) -> io::Result<()> {
        if self.logs_alone {
            return Ok(());
        }
        self.emit(
            || json!({"event": "stage", "stage": name, "record": stage}),
            |width| {
                let time = |time: Timestamp| time.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string();
                let ended = stage.status.is_final();
                let at = if ended { stage.finished_at } else { stage.started_at };
                let line = Line::new().column(Style::Dim, &at.map(time).unwrap_or_default(), 8);
                line.append(show::stage_row(name, stage, width))
            },
        )
    }

    fn summary(&self, status: &Status) -> io::Result<()> {
        if self.logs_alone {
            return Ok(());
        }
        if self.out.json() {
            return self.out.document(&json!({"event": "end", "status": status.document}));
        }
        self.line(Line::new())?;
        for (name, stage) in &status.execution.stages {
            self.line(show::stage_row(name, stage, self.width))?;
            show::failed_tests(stage).into_iter().try_for_each(|line| self.line(line))?;
            show::stage_warnings(stage).into_iter().try_for_each(|line| self.line(line))?;
            let failed = stage.status == StepState::Failed;
            for last in self.stages.get(name).filter(|_| failed).iter().flat_map(|seen| &seen.last_lines) {
                self.line(Line::new().text("       ").append(prefixed(name, last, self.width)))?;
            }
        }
        self.line(Line::new())?;
        status.execution.warnings.iter().try_for_each(|text| self.line(show::warning(text)))?;
        self.line(show::verdict(status, Timestamp::now()))?;
        self.line(format!("reports: {}", self.client.reports_url(self.id)).into())
    }

    fn emit(&self, event: impl Fn() -> Value, line: impl Fn(usize) -> Line) -> io::Result<()> {
        if self.out.json() { self.out.document(&event()) } else { self.line(line(self.width)) }
    }

    fn line(&self, line: Line) -> io::Result<()> {
        match self.channel {
            Channel::Data => self.out.data(line),
            Channel::Talk => {
                self.out.say(line);
                Ok(())
            }
        }
    }
}

fn prefixed(name: &str, text: &str, width: usize) -> Line {
    Line::new().column(Style::Name, name, width).add(Style::Dim, " ┃ ").text(text)
}

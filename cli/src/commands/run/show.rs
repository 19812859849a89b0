//! What a person sees of a run: a line when a step begins, one when it has ended, and at the end why it failed.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use pipelinex_common::{
    execution::{Execution, StepRecord},
    humanize::{between, counted},
    metadata::Metadata,
    slug::Slug,
    state::{JobState, Reason, StepState},
    store::Job,
};
use serde_json::json;

use crate::{
    args::RunArgs,
    exit::Exit,
    failure::Failure,
    output::{Line, Output, Style},
    show,
};

/// Lines of a failed step that are shown again at the end.
const LAST_LINES: usize = 20;
/// So many bytes of a log are looked at for them.
const TAIL_BYTES: u64 = 64 * 1024;
/// The widest that a step's name makes its column.
const WIDTH_MAX: usize = 40;

/// How a run is shown.
pub struct Show<'a> {
    out: &'a Output,
    job: &'a Job,
    metadata: &'a Metadata,
    args: &'a RunArgs,
    seen: HashMap<Slug, StepState>,
    logs: HashMap<Slug, Log>,
    /// Tries of each step that were told of.
    tries: HashMap<Slug, usize>,
    width: usize,
}

/// How far the log of a step was printed.
#[derive(Default)]
struct Log {
    printed: u64,
    partial: Vec<u8>,
    /// How many tries were over by then.
    tries: usize,
}

impl<'a> Show<'a> {
    /// Nothing was shown yet.
    pub fn new(out: &'a Output, job: &'a Job, metadata: &'a Metadata, args: &'a RunArgs) -> Self {
        Self { out, job, metadata, args, seen: HashMap::new(), logs: HashMap::new(), tries: HashMap::new(), width: 0 }
    }

    /// What is run, and what a person should know of it.
    pub fn admitted(&self) -> Result<(), Failure> {
        if self.out.json() {
            return Ok(self.out.document(&json!({"event": "admitted", "metadata": self.metadata}))?);
        }
        for text in &self.metadata.warnings {
            self.out.say(show::warning(text));
        }
        Ok(())
    }

    /// Shows what has happened since the last look.
    pub fn look(&mut self) -> Result<(), Failure> {
        let Ok(view) = self.job.view() else { return Ok(()) };
        self.draw(&view.execution)
    }

    fn draw(&mut self, execution: &Execution) -> Result<(), Failure> {
        let steps: Vec<(&Slug, &StepRecord)> = execution.stages.values().flat_map(|stage| &stage.steps).collect();
        self.width =
            steps.iter().map(|(_, record)| record.name.chars().count()).max().unwrap_or_default().min(WIDTH_MAX);
        for (slug, record) in steps {
            let new = self.seen.get(slug) != Some(&record.status);
            if self.args.follow && record.status != StepState::Pending && record.status != StepState::Skipped {
                if new && record.status == StepState::Running {
                    self.row(slug, record)?;
                }
                self.follow(slug, record, record.status.is_final() && new)?;
            }
            self.tries(slug, record)?;
            let told = match record.status {
                StepState::Pending => false,
                StepState::Running => !self.args.follow && self.out.json(),
                StepState::Skipped => record.reason != Some(Reason::NotSelected),
                _ => true,
            };
            if new && told {
                self.row(slug, record)?;
            }
            self.seen.insert(slug.clone(), record.status);
        }
        Ok(())
    }

    fn row(&self, slug: &Slug, record: &StepRecord) -> Result<(), Failure> {
        match self.out.json() {
            true => self.out.document(&json!({"event": "step", "step": slug, "record": record}))?,
            false => self.out.data(show::step_row(record, self.width))?,
        }
        Ok(())
    }

    /// Tells of tries that another follows.
    fn tries(&mut self, slug: &Slug, record: &StepRecord) -> Result<(), Failure> {
        let told = self.tries.entry(slug.clone()).or_default();
        let from = std::mem::replace(told, record.tries.len());
        for over in record.tries.iter().skip(from).filter(|_| !self.out.json()) {
            let line =
                Line::new().text(" ").add(Style::Warn, "AGAIN").text(" ").column(Style::Bold, &record.name, self.width);
            let next = over.number + 1;
            self.out.data(line.text(format!("  try {}: {}; try {next} follows", over.number, over.message)))?;
        }
        Ok(())
    }

    /// Prints what a step has printed since the last look, whole lines only until its end.
    fn follow(&mut self, slug: &Slug, record: &StepRecord, ended: bool) -> Result<(), Failure> {
        let (paths, last) = (self.job.paths().clone(), record.tries.len());
        let printed = self.logs.entry(slug.clone()).or_default().tries;
        // What is left of the tries that are over comes first, each from its own file.
        for number in printed..last {
            let number = u32::try_from(number + 1).unwrap_or(u32::MAX);
            if !self.job.is_put_aside(slug, number) {
                return Ok(());
            }
            self.print(slug, &record.name, &paths.try_log(slug, number), true)?;
            self.logs.insert(slug.clone(), Log { tries: number as usize, ..Log::default() });
        }
        self.print(slug, &record.name, &paths.log(slug), ended)
    }

    fn print(&mut self, slug: &Slug, name: &str, from: &Path, ended: bool) -> Result<(), Failure> {
        let log = self.logs.entry(slug.clone()).or_default();
        if let Ok(mut file) = File::open(from)
            && file.seek(SeekFrom::Start(log.printed)).is_ok()
            && let Ok(read) = file.read_to_end(&mut log.partial)
        {
            log.printed += read as u64;
        }
        let whole = if ended {
            log.partial.len()
        } else {
            log.partial.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)
        };
        let text: Vec<u8> = log.partial.drain(..whole).collect();
        for line in String::from_utf8_lossy(&text).lines() {
            match self.out.json() {
                true => self.out.document(&json!({"event": "log", "step": slug, "line": line}))?,
                false => {
                    let line = line.strip_suffix('\r').unwrap_or(line);
                    self.out
                        .data(Line::new().column(Style::Name, name, self.width).add(Style::Dim, " ┃ ").text(line))?;
                }
            }
        }
        Ok(())
    }

    /// The end: why steps failed, how to try one again, the verdict, and where everything is.
    pub fn ended(mut self) -> Result<Exit, Failure> {
        let view = self.job.view().map_err(|error| Failure::errored(error.to_string()))?;
        let execution = view.execution;
        self.draw(&execution)?;
        let exit = Exit::of_job(execution.state, execution.reason)
            .ok_or_else(|| Failure::errored("the job has no end, though nothing of it runs"))?;
        if self.out.json() {
            self.out.document(&json!({"event": "end", "execution": execution, "folder": self.job.paths().root()}))?;
            return Ok(exit);
        }
        let failed = |record: &&StepRecord| record.status == StepState::Failed && !record.allow_failure;
        let steps = || execution.stages.values().flat_map(|stage| &stage.steps);
        for (slug, record) in steps().filter(|(_, record)| failed(record)) {
            self.failure(slug, record)?;
        }
        for (_, record) in steps().filter(|(_, record)| record.reason == Some(Reason::ManualNotRun)) {
            let again = format!("{} --play {}", self.again(None), quoted(&record.name));
            self.out.say(format!("{} is started by hand, and was left out; with it: {again}", record.name));
        }
        execution.warnings.iter().for_each(|text| self.out.say(show::warning(text)));
        self.out.data(Line::new())?;
        self.out.data(verdict(&execution))?;
        let count = counted(steps().count() as u64, "step");
        self.out.say(format!("{count}; logs, reports and artifacts: {}", self.job.paths().root().display()));
        Ok(exit)
    }

    fn failure(&self, slug: &Slug, record: &StepRecord) -> Result<(), Failure> {
        self.out.data(Line::new())?;
        let head = Line::new().add(Style::Bad, "failed").text(": ").add(Style::Bold, &record.name);
        self.out.data(head.text(format!(": {}", record.message)))?;
        for line in self.last_lines(slug) {
            self.out.data(Line::new().add(Style::Dim, "  ┃ ").text(line))?;
        }
        record.warnings.iter().for_each(|text| self.out.say(show::warning(text)));
        self.out.say(format!("run only this again: {}", self.again(Some(record))));
        Ok(())
    }

    fn last_lines(&self, slug: &Slug) -> Vec<String> {
        let read = || {
            let mut file = File::open(self.job.paths().log(slug)).ok()?;
            let length = file.metadata().ok()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).ok()?;
            let mut tail = Vec::new();
            file.read_to_end(&mut tail).ok()?;
            Some(String::from_utf8_lossy(&tail).into_owned())
        };
        let text = read().unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].iter().map(|line| (*line).to_owned()).collect()
    }

    /// The command that runs all of it again, or a step alone; of a built-in pipeline its stage, for its steps share their tree.
    fn again(&self, alone: Option<&StepRecord>) -> String {
        let local = &self.args.local;
        let mut words = vec!["pipelinex run".to_owned()];
        if local.path.as_os_str() != "." {
            words.push(quoted(&local.path.display().to_string()));
        }
        words.extend(local.file.as_ref().map(|file| format!("--file {}", quoted(file))));
        words.extend(local.env.iter().map(|(name, value)| format!("-e {}", quoted(&format!("{name}={value}")))));
        let own = self.job.paths().plan().exists();
        words
            .extend(alone.map(|record| format!("{} {}", if own { "--step" } else { "--stage" }, quoted(&record.name))));
        words.join(" ")
    }
}

fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./+@=:,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

fn verdict(execution: &Execution) -> Line {
    let time = execution.started_at.zip(execution.finished_at).map(|(from, to)| format!(" in {}", between(from, to)));
    let (style, word) = match execution.state {
        JobState::Succeeded => (Style::Good, "passed"),
        JobState::Canceled => (Style::Warn, "canceled"),
        _ => (Style::Bad, "failed"),
    };
    let why = execution.error.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    Line::new().add(style, word).text(time.unwrap_or_default()).text(why)
}

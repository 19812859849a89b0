//! Judges what a fault test did, after all of it is over: the events that every actor wrote down, and the files that are there.
//! Pure, so that it is tested itself with histories that were made up.
//!
//! Events are lines of JSON: of the program (`common/src/fault.rs`); of the client, `answered` for each 201; of who makes things
//! go wrong, `fault` and `kill`; and of the engine, whose own record of its containers is in the same words, `container` with
//! `action` (`start`, `die`, `destroy`). What a process could not write down because it was killed may be missing: no rule needs an event
//! that a death can swallow.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::id::JobId;

/// One event, as it was written down.
#[derive(Clone, Debug)]
pub struct Event {
    /// By the clock on the wall, in nanoseconds.
    pub at_ns: i64,
    /// Which process of the program; 0 for everybody else.
    pub pid: u64,
    /// What happened.
    pub name: String,
    /// What it happened to.
    pub about: Value,
}

impl Event {
    /// Reads the lines of a file of events. A last line that a full disk cut short is passed over.
    pub fn read(text: &str) -> Vec<Self> {
        text.lines().filter_map(|line| Self::of(serde_json::from_str(line).ok()?)).collect()
    }

    fn of(about: Value) -> Option<Self> {
        let pid = about["pid"].as_u64().unwrap_or(0);
        Some(Self { at_ns: about["at_ns"].as_i64()?, pid, name: about["event"].as_str()?.to_owned(), about })
    }

    /// A field of it; the empty text when it has none of that name.
    pub fn text(&self, key: &str) -> &str {
        self.about[key].as_str().unwrap_or_default()
    }

    /// The job: named, or in the name of the container.
    pub fn job(&self) -> &str {
        match self.text("job") {
            "" => Container::named(self.text("container")).map_or("", |container| container.job),
            job => job,
        }
    }

    fn number(&self, key: &str) -> u64 {
        self.text(key).parse().unwrap_or(0)
    }
}

/// What the name of a step's container says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Container<'a> {
    /// The job.
    pub job: &'a str,
    /// The attempt.
    pub attempt: u64,
    /// The try.
    pub number: u64,
    /// The step.
    pub step: &'a str,
}

impl<'a> Container<'a> {
    /// `pipelinex-<job>-a<attempt>-t<try>-<step>`; `None` for anything else, also for what runs beside a step.
    pub fn named(name: &'a str) -> Option<Self> {
        let (job, rest) = name.strip_prefix("pipelinex-")?.split_at_checked(36)?;
        job.parse::<JobId>().ok()?;
        let (attempt, rest) = rest.strip_prefix("-a")?.split_once('-')?;
        let (number, step) = rest.strip_prefix('t')?.split_once('-')?;
        (!step.contains('.')).then_some(())?;
        Some(Self { job, attempt: attempt.parse().ok()?, number: number.parse().ok()?, step })
    }
}

/// What there is to judge.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Everything that was written down, of all actors.
    pub events: Vec<Event>,
    /// The jobs whose folders are there, each with the state in its final record if it has one.
    pub jobs: BTreeMap<String, Option<String>>,
    /// What is there and should not be: containers, volumes, networks, folders.
    pub left_over: Vec<String>,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A job that was answered, or admitted, and has no end.
    Lost,
    /// Something that may happen once happened twice.
    Doubled,
    /// Something remained that should be gone.
    LeftOver,
    /// Something came in an order that cannot be.
    Disorder,
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// How bad it is.
    pub kind: Kind,
    /// The job, or what is left over.
    pub what: String,
    /// What happened to it.
    pub how: String,
}

/// Everything that is wrong with a history; nothing, if every promise was kept.
pub fn judge(evidence: &Evidence) -> Vec<Violation> {
    let mut events: Vec<&Event> = evidence.events.iter().collect();
    // By time, not by line: the engine's record is a file of its own. The order of lines decides among equals.
    events.sort_by_key(|event| event.at_ns);
    let mut found = Found::default();
    every_admitted_job_has_one_end(evidence, &events, &mut found);
    claims_and_attempts_rise(&events, &mut found);
    containers_run_one_at_a_time(&events, &mut found);
    for what in &evidence.left_over {
        found.add(Kind::LeftOver, what, "is left over");
    }
    found.0.into_iter().collect()
}

#[derive(Default)]
struct Found(BTreeSet<Violation>);

impl Found {
    fn add(&mut self, kind: Kind, what: &str, how: impl Into<String>) {
        self.0.insert(Violation { kind, what: what.to_owned(), how: how.into() });
    }
}

fn every_admitted_job_has_one_end(evidence: &Evidence, events: &[&Event], found: &mut Found) {
    for (event, how) in
        [("answered", "was answered with 201 and is not there"), ("admit", "was admitted and is not there")]
    {
        let told = events.iter().filter(|told| told.name == event);
        for lost in told.filter(|told| !evidence.jobs.contains_key(told.job())) {
            found.add(Kind::Lost, lost.job(), how);
        }
    }
    let mut ends: HashMap<&str, &str> = HashMap::new();
    for event in events.iter().filter(|event| event.name == "final" && event.text("won") == "true") {
        if ends.insert(event.job(), event.text("state")).is_some() {
            found.add(Kind::Doubled, event.job(), "ended twice");
        }
    }
    for (job, state) in &evidence.jobs {
        match (state.as_deref(), ends.get(job.as_str())) {
            (None, _) => found.add(Kind::Lost, job, "has no end"),
            (Some(state), Some(won)) if state != *won => {
                found.add(Kind::Doubled, job, format!("ended {won}, and its record says {state}"));
            }
            (Some(_), _) => {}
        }
    }
}

fn claims_and_attempts_rise(events: &[&Event], found: &mut Found) {
    let (mut claims, mut latest) = (BTreeSet::new(), HashMap::new());
    let mut attempts: HashMap<&str, u64> = HashMap::new();
    let mut of_steps: HashMap<(&str, &str), (u64, u64)> = HashMap::new();
    for event in events {
        match event.name.as_str() {
            "claim" => {
                let (number, last) = (event.number("claim"), latest.entry(event.job()).or_insert(0));
                if !claims.insert((event.job(), number)) {
                    found.add(Kind::Doubled, event.job(), format!("claim {number} has two holders"));
                } else if number < *last {
                    found.add(Kind::Disorder, event.job(), format!("claim {number} came after claim {last}"));
                }
                *last = number.max(*last);
            }
            "attempt" => {
                let (number, last) = (event.number("attempt"), attempts.entry(event.job()).or_default());
                if number <= *last {
                    found.add(Kind::Disorder, event.job(), format!("attempt {number} came after attempt {last}"));
                }
                *last = number;
            }
            "container" if event.text("action") == "start" => {
                let Some(container) = Container::named(event.text("container")) else { continue };
                let last = of_steps.entry((container.job, container.step)).or_default();
                let Container { step, attempt, number, .. } = container;
                if attempt < last.0 {
                    let how = format!("{step} ran in attempt {attempt} after attempt {}", last.0);
                    found.add(Kind::Disorder, container.job, how);
                } else if number < last.1 {
                    let how = format!("{step} had try {number} after try {}", last.1);
                    found.add(Kind::Disorder, container.job, how);
                }
                *last = (attempt, number);
            }
            _ => {}
        }
    }
}

/// By the engine's own record of what it did.
fn containers_run_one_at_a_time(events: &[&Event], found: &mut Found) {
    let mut running: HashMap<(&str, &str), &str> = HashMap::new();
    let (mut ended_jobs, mut ended_steps) = (BTreeSet::new(), BTreeSet::new());
    let mut starts: HashMap<&str, u32> = HashMap::new();
    for event in events {
        match event.name.as_str() {
            "final" => _ = ended_jobs.insert(event.job()),
            "end" if event.text("won") == "true" => _ = ended_steps.insert((event.job(), event.text("step"))),
            // Without live-restore an engine ends all of its containers with itself, and tells nobody.
            "engine-stopped" => running.clear(),
            "container" => {
                let name = event.text("container");
                let Some(container) = Container::named(name) else { continue };
                let step = (container.job, container.step);
                if event.text("action") != "start" {
                    if running.get(&step) == Some(&name) {
                        running.remove(&step);
                    }
                    continue;
                }
                let started = starts.entry(name).or_default();
                *started += 1;
                if *started > 1 {
                    found.add(Kind::Doubled, container.job, format!("{name} was started twice"));
                }
                if ended_jobs.contains(container.job) {
                    found.add(Kind::Doubled, container.job, format!("{name} was started after the job's end"));
                }
                if ended_steps.contains(&step) {
                    found.add(Kind::Doubled, container.job, format!("{name} was started after the step's end"));
                }
                if let Some(other) = running.insert(step, name) {
                    found.add(Kind::Doubled, container.job, format!("{name} ran beside {other}"));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;

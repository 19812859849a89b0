//! What became of a project, held against its row, and the table of all.

use std::path::Path;

use serde_json::Value;

use crate::{
    rows::Row,
    world::{Said, text},
};

/// The scans of the built-in pipelines.
const SCANS: [&str; 4] = ["SECRETS", "SAST", "SCA", "DAST"];
/// Lines of a log that are shown of a stage that does not end as its row says.
const LOG_LINES: usize = 40;

/// What became of one.
#[derive(Debug)]
pub struct Outcome {
    name: String,
    what: String,
    admitted: Result<String, String>,
    /// Built, tested, started, scanned.
    stages: [String; 4],
    sentence: String,
    /// What is not as the row says.
    pub wrong: Vec<String>,
}

impl Outcome {
    /// What `precheck` said.
    pub fn admitted(row: &Row, said: &Said) -> Self {
        let answer: Value = serde_json::from_str(&said.out).unwrap_or_default();
        let accepted = answer["accepted"] == true;
        let told = if accepted { texts(&answer["warnings"], words) } else { reasons(&answer, said) };
        let admitted = if accepted { Ok(stack(&answer["stack"])) } else { Err(rule(&answer)) };
        let mut outcome = Self {
            name: row.name.clone(),
            what: row.what.clone(),
            sentence: told.join(" | "),
            stages: ["", "", "", ""].map(str::to_owned),
            admitted,
            wrong: Vec::new(),
        };
        outcome.compare("taken for", row.stack.as_deref(), outcome.admitted.clone().ok().as_deref());
        outcome.compare("refused by", row.refused.as_deref(), outcome.admitted.clone().err().as_deref());
        let missing = row.says.iter().filter(|text| !told.iter().any(|line| line.contains(*text)));
        outcome.wrong.extend(missing.map(|text| format!("nothing says `{text}`")));
        // Of real ones it is not known beforehand what there is to be said.
        let unexpected =
            told.iter().filter(|line| !row.says.iter().any(|text| line.contains(text)) && row.url.is_none());
        outcome.wrong.extend(unexpected.map(|line| format!("it says `{line}`")));
        let choices = texts(&answer["candidates"], |one| format!("{} {}", words(&one["folder"]), stack(&one["stack"])));
        if choices != row.choices {
            outcome.wrong.push(format!("to choose from are {choices:?}"));
        }
        outcome
    }

    /// Whether there is a job to be made of it.
    pub fn is_admitted(&self) -> bool {
        self.admitted.is_ok()
    }

    /// What `status` said of its job at the end, to a program and to a person.
    pub fn ended(&mut self, row: &Row, status: &Value, shown: &Said, job: &Path) {
        let Some(stages) = status["execution"]["stages"].as_object() else {
            return self.wrong.push(format!("its status has no stages: {status}"));
        };
        for (name, stage) in stages {
            let seen = end(stage);
            let usual = seen == "SUCCESS" || seen == "SKIPPED not_selected";
            match row.ends.get(name) {
                Some(expected) if *expected == seen => {}
                None if usual => {}
                expected => self.wrong.push(format!(
                    "{name} is {seen} and not {}: {}{}",
                    expected.map_or("SUCCESS", |end| end),
                    words(&stage["message"]),
                    end_of_log(job, name)
                )),
            }
        }
        let missing = row.ends.keys().filter(|name| !stages.contains_key(*name));
        self.wrong.extend(missing.map(|name| format!("there is no stage {name}")));
        let of = |name: &str| stages.get(name).map(short).unwrap_or_default();
        let scans: Vec<String> = SCANS.iter().map(|name| of(name)).filter(|end| !end.is_empty()).collect();
        let scanned = scans.iter().find(|end| *end != "yes").or(scans.first()).cloned().unwrap_or_default();
        self.stages = [of("BUILD"), of("TEST"), of("SMOKE-TEST"), scanned];
        self.sentence = sentence(&shown.out);
        if let Some(text) = row.reads.as_ref().filter(|text| !shown.out.contains(*text)) {
            self.wrong.push(format!("a person does not read `{text}`:\n{}", shown.out));
        }
    }

    fn compare(&mut self, what: &str, expected: Option<&str>, seen: Option<&str>) {
        if expected != seen {
            self.wrong.push(format!(
                "{what} {}, and not {}",
                seen.unwrap_or("nothing"),
                expected.unwrap_or("anything")
            ));
        }
    }

    /// One row of the table.
    pub fn line(&self) -> String {
        let admitted = match &self.admitted {
            Ok(stack) => stack.clone(),
            Err(rule) => format!("no: {rule}"),
        };
        let [built, tested, started, scanned] = &self.stages;
        let ok = if self.wrong.is_empty() { "ok" } else { "WRONG" };
        format!("{:28} {admitted:26} {built:7} {tested:7} {started:7} {scanned:7} {ok:5} {}", self.name, self.sentence)
    }

    /// What is wrong with it.
    pub fn told(&self) -> String {
        format!("{} ({}):\n    {}", self.name, self.what, self.wrong.join("\n    "))
    }
}

/// All of them, below a head.
pub fn table(outcomes: &[Outcome]) -> String {
    let head = format!(
        "{:28} {:26} {:7} {:7} {:7} {:7} {:5} sentence",
        "name", "admitted", "built", "tested", "started", "scanned", "ok"
    );
    let lines = outcomes.iter().map(Outcome::line);
    [head].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

/// What its step printed last: the folder is gone when the table is read.
fn end_of_log(job: &Path, stage: &str) -> String {
    let log = text(job.join("logs").join(format!("{}.log", stage.to_lowercase())));
    let lines: Vec<&str> = log.lines().collect();
    let last = lines.len().saturating_sub(LOG_LINES);
    lines[last..].iter().map(|line| format!("\n      | {line}")).collect()
}

/// `FAILED after 53 s: 1 of 3 tests failed in TEST`, of the line that begins with the job.
fn sentence(shown: &str) -> String {
    let line = shown.lines().find_map(|line| line.strip_prefix("job ")).unwrap_or_default();
    line.split_once(' ').map(|(_, sentence)| sentence.to_owned()).unwrap_or_default()
}

fn words(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(list: &Value, of: impl Fn(&Value) -> String) -> Vec<String> {
    list.as_array().into_iter().flatten().map(of).collect()
}

fn stack(value: &Value) -> String {
    ["language", "framework", "build_tool"].map(|part| words(&value[part])).join("/")
}

/// Rule and reasons of a refusal; of a project that was never sent, what was said instead.
fn reasons(answer: &Value, said: &Said) -> Vec<String> {
    let told = texts(&answer["problems"], |one| format!("{} ({})", words(&one["message"]), words(&one["hint"])));
    if told.is_empty() { vec![said.err.trim().to_owned()] } else { told }
}

fn rule(answer: &Value) -> String {
    let rules = texts(&answer["problems"], |one| words(&one["rule"]));
    rules.first().cloned().unwrap_or_else(|| "unsent".to_owned())
}

/// `FAILED script_failure`.
fn end(stage: &Value) -> String {
    [words(&stage["status"]), words(&stage["reason"])].join(" ").trim().to_owned()
}

fn short(stage: &Value) -> String {
    match end(stage).as_str() {
        "SUCCESS" => "yes".to_owned(),
        "SKIPPED not_selected" => String::new(),
        other => other.split(' ').next().unwrap_or_default().to_lowercase(),
    }
}

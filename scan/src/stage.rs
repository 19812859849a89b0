//! The frame of a stage: its surroundings, what it has to tell, and the `result.json` that says how it ended.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use pipelinex_findings::terminal;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::{coverage::Coverage, custom, dast, sast, sca, secrets, smoke};

/// Longest message of a result, in characters: it is shown in one line.
const MAX_MESSAGE: usize = 600;
/// More warnings than people read; the rest is counted.
const MAX_WARNINGS: usize = 100;

/// Which scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// gitleaks, over the folder or its history, or a tool of the request's own.
    Secrets,
    /// semgrep, or a tool of the request's own.
    Sast,
    /// syft and osv-scanner.
    Sca,
    /// Whether the application comes up.
    Smoke,
    /// wapiti.
    Dast,
}

impl Word {
    /// The word of the command line.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "secrets" => Some(Self::Secrets),
            "sast" => Some(Self::Sast),
            "sca" => Some(Self::Sca),
            "smoke" => Some(Self::Smoke),
            "dast" => Some(Self::Dast),
            _ => None,
        }
    }
}

/// Why a stage did not succeed, in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The tool broke, or nothing shows that it looked at anything.
    Tool(String),
    /// The project did not pass.
    Project(String),
}

impl Failure {
    /// A tool's failure.
    pub(crate) fn tool(message: impl Into<String>) -> Self {
        Self::Tool(message.into())
    }

    fn code_and_message(&self) -> (u8, &str) {
        match self {
            Self::Tool(message) => (2, message),
            Self::Project(message) => (10, message),
        }
    }
}

/// Where a scanner runs, and what it has to tell so far.
pub struct Stage {
    /// The project, read-only.
    pub(crate) app: PathBuf,
    /// Rules and scripts.
    pub(crate) pipelines: PathBuf,
    /// The stage's own reports.
    pub(crate) reports: PathBuf,
    /// A folder for what is not kept.
    pub(crate) scratch: TempDir,
    pub(crate) name: String,
    /// How much of the project was read.
    pub(crate) coverage: Coverage,
    variables: BTreeMap<String, String>,
    warnings: Vec<String>,
    details: Map<String, Value>,
    started: Instant,
}

impl Stage {
    /// Reads the surroundings from the variables that the worker sets, and makes the stage's folder for reports.
    ///
    /// # Errors
    /// A variable is missing or no name of a stage, or a folder cannot be made.
    pub fn new(variables: BTreeMap<String, String>) -> Result<Self, String> {
        let get = |name: &str| variables.get(name).cloned().ok_or_else(|| format!("{name} is not set"));
        let name = get("STAGE")?;
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            return Err(format!("STAGE: `{name}` is no name of a stage"));
        }
        let reports = Path::new(&get("REPORTS_DIR")?).join(name.to_lowercase());
        fs::create_dir_all(&reports).map_err(|error| format!("{}: {error}", reports.display()))?;
        let scratch = tempfile::Builder::new().prefix("scan-").tempdir().map_err(|error| format!("/tmp: {error}"))?;
        Ok(Self {
            app: get("APP_DIR")?.into(),
            pipelines: get("PIPELINES_DIR")?.into(),
            reports,
            scratch,
            name,
            coverage: Coverage::default(),
            variables,
            warnings: Vec::new(),
            details: Map::new(),
            started: Instant::now(),
        })
    }

    /// Runs the scanner, writes `result.json`, and says with which code the program ends.
    pub fn run(mut self, word: Word) -> u8 {
        say(&format!("[PIPELINE] START {}", self.name));
        let ended = match (word, self.variable("SCAN_MODE").unwrap_or_default()) {
            (Word::Secrets | Word::Sast, "custom") => custom::run(&mut self),
            (Word::Secrets, "git") => secrets::history(&mut self),
            (Word::Secrets, "" | "dir") => secrets::folder(&mut self),
            (Word::Sast, "" | "default") => sast::run(&mut self),
            (Word::Secrets | Word::Sast, other) => Err(Failure::tool(format!("SCAN_MODE: `{other}` is unknown"))),
            (Word::Sca, _) => sca::run(&mut self),
            (Word::Smoke, _) => smoke::run(&mut self),
            (Word::Dast, _) => dast::run(&mut self),
        };
        let (code, status, message) = match &ended {
            Ok(message) => (0, "SUCCESS", message.as_str()),
            Err(failure) => {
                let (code, message) = failure.code_and_message();
                (code, "FAILED", message)
            }
        };
        let code = self.record(status, message).map_or(2, |()| code);
        say(&format!("[PIPELINE] END {}", self.name));
        code
    }

    fn record(&self, status: &str, message: &str) -> Option<()> {
        let message = one_line(message, MAX_MESSAGE);
        let mut warnings: Vec<String> = self.warnings.iter().take(MAX_WARNINGS).cloned().collect();
        if self.warnings.len() > MAX_WARNINGS {
            warnings.push(format!("and {} more warnings", self.warnings.len() - MAX_WARNINGS));
        }
        for warning in &warnings {
            say(&format!("[PIPELINE] {}: warning: {warning}", self.name));
        }
        say(&format!("[PIPELINE] {}: {status}: {message}", self.name));
        let mut details = self.details.clone();
        self.coverage.tell(&mut details);
        let result = json!({
            "stage": self.name,
            "status": status,
            "duration_ms": u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "message": message,
            "warnings": warnings,
            "details": details,
        });
        let (new, path) = (self.reports.join("result.json.new"), self.reports.join("result.json"));
        let written = fs::write(&new, format!("{result:#}\n")).and_then(|()| fs::rename(&new, &path));
        written.map_err(|error| say(&format!("{} cannot be written: {error}", path.display()))).ok()
    }

    /// A variable of the worker's.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// A variable that this stage cannot do without.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Failure> {
        self.variable(name).ok_or_else(|| Failure::tool(format!("{name} is not set")))
    }

    /// A number that may be set, in the range that makes sense; what is no such number is refused, not guessed.
    pub(crate) fn number(
        &self,
        name: &str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<u64, Failure> {
        let Some(text) = self.variable(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        let (least, most) = range.into_inner();
        number.ok_or_else(|| Failure::tool(format!("{name}: `{text}` is no number from {least} to {most}")))
    }

    /// All variables, as this program was given them.
    pub(crate) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Something people should know although the stage goes on.
    pub(crate) fn warn(&mut self, warning: impl AsRef<str>) {
        self.warnings.push(one_line(warning.as_ref(), MAX_MESSAGE));
    }

    /// A value for programs.
    pub(crate) fn detail(&mut self, key: &str, value: impl Into<Value>) {
        self.details.insert(key.to_owned(), value.into());
    }

    /// A path in the folder for what is not kept.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }
}

/// Prints one line of the stage's log.
pub fn say(line: &str) {
    // A log that nobody takes any more is no reason to stop.
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// A text as one line without control characters, cut to a length.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let clean: String =
        terminal::plain(text).trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(most + 1).collect();
    match clean.char_indices().nth(most) {
        Some((end, _)) => format!("{} ...", &clean[..end]),
        None => clean,
    }
}

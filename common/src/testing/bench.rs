//! What the benchmarks share: two sides that take turns, the ratio of their medians, and one file of results.

#![expect(clippy::print_stderr, reason = "a benchmark says what it measures")]

use std::{
    fs,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    process::ExitCode,
};

use futures::FutureExt;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

/// One measurement. Only the ratio can be compared from one machine to the next.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// Ours, divided by what it is measured beside; less is better.
    pub ratio: Option<f64>,
    /// What the ratio must not exceed; a row without a goal is there to be known.
    pub goal: Option<f64>,
    /// The median of ours, in `unit`.
    pub median: f64,
    /// What it is measured beside: a median of the same run, or a number that is named.
    pub beside: Option<f64>,
    /// What that is.
    pub beside_what: String,
    /// The unit of both.
    pub unit: String,
    /// Ours, in the order of measuring.
    pub samples: Vec<f64>,
}

impl Row {
    /// A row that compares the medians of two series.
    pub fn compare(name: &str, unit: &str, ours: Vec<f64>, what: &str, theirs: &[f64]) -> Self {
        Self::beside(name, unit, ours, what, median(theirs))
    }

    /// A row that compares a median with a number.
    pub fn beside(name: &str, unit: &str, ours: Vec<f64>, what: &str, number: f64) -> Self {
        let row = Self::alone(name, unit, ours);
        Self { ratio: Some(row.median / number), beside: Some(number), beside_what: what.to_owned(), ..row }
    }

    /// A row beside which nothing stands.
    pub fn alone(name: &str, unit: &str, ours: Vec<f64>) -> Self {
        Self {
            name: name.to_owned(),
            ratio: None,
            goal: None,
            median: median(&ours),
            beside: None,
            beside_what: String::new(),
            unit: unit.to_owned(),
            samples: ours,
        }
    }

    /// With a goal for the ratio.
    #[must_use]
    pub fn goal(self, at_most: f64) -> Self {
        Self { goal: Some(at_most), ..self }
    }

    fn line(&self) -> String {
        let verdict = match (self.ratio, self.goal) {
            (Some(ratio), Some(goal)) if ratio <= goal => "met",
            (Some(_), Some(_)) => "MISSED",
            _ => "",
        };
        let number = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.2}"));
        let beside = self.beside.map_or(String::new(), |beside| format!(" beside {beside:.1}, {}", self.beside_what));
        format!(
            "{:<52} {:>6} {:>5} {:<7} {:.1}{beside} ({}, n={})",
            self.name,
            number(self.ratio),
            number(self.goal),
            verdict,
            self.median,
            self.unit,
            self.samples.len()
        )
    }
}

/// The median; of an even number of values the upper one.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The value below which so many percent of the values lie; NaN of none.
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = sorted.len() * percent / 100;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// The file of results (`PIPELINEX_BENCH_JSON`, else `target/bench.json` of the clone), which each program adds to.
#[derive(Debug)]
pub struct Results {
    path: PathBuf,
    rows: Vec<Row>,
    wanted: Vec<String>,
}

impl Results {
    /// Opens the file; words among the program's arguments choose what is measured.
    ///
    /// `None` when nothing is to be measured: `cargo test` builds benchmarks and runs them without `--bench`.
    pub fn open() -> Option<Self> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        if !arguments.iter().any(|argument| argument == "--bench") {
            return None;
        }
        let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench.json");
        let path = std::env::var_os("PIPELINEX_BENCH_JSON").map_or_else(usual, PathBuf::from);
        let rows = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        let wanted = arguments.into_iter().filter(|argument| !argument.starts_with('-')).collect();
        Some(Self { path, rows, wanted })
    }

    /// Whether something of that name is to be measured.
    pub fn wants(&self, name: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|word| name.contains(word.as_str()))
    }

    /// Says and stores a row, in place of an older one of that name.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn add(&mut self, row: Row) {
        eprintln!("{}", row.line());
        self.rows.retain(|old| old.name != row.name);
        self.rows.push(row);
        let text = serde_json::to_string_pretty(&self.rows).expect("rows are JSON");
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).expect("the folder of the results can be made");
        }
        fs::write(&self.path, text + "\n").expect("the results can be written");
    }

    /// Says all rows of the file, also those of the programs before.
    pub fn say(&self) {
        eprintln!("\n{:<52} {:>6} {:>5}", "", "ratio", "goal");
        for row in &self.rows {
            eprintln!("{}", row.line());
        }
        eprintln!("written to {}", self.path.display());
    }
}

/// Runs a benchmark, and cleans up after it, however it ends: done, by a panic, or by a signal.
pub async fn measure(work: impl Future<Output = ()>, clean_up: impl Future<Output = ()>) -> ExitCode {
    let listen = |kind| signal(kind).expect("signals can be listened to");
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt()), listen(SignalKind::terminate()));
    let done = tokio::select! {
        ended = AssertUnwindSafe(work).catch_unwind() => ended.is_ok(),
        _ = interrupt.recv() => false,
        _ = terminate.recv() => false,
    };
    clean_up.await;
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

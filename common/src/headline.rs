//! What became of a job in one sentence, the same on pages, in a terminal and in the API. Passed, passed with findings, failed,
//! failed by the operator's gate, a tool that broke, and a fault of ours are different things, and are never shown alike.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    execution::{Execution, FailedTest, FindingCounts, StageRecord, TestCounts},
    humanize::counted,
    state::{JobState, Reason, StepState},
};

/// What became of a job, as far as a person tells cases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// No worker has begun.
    Queued,
    /// It goes on.
    Running,
    /// All that ran is well, and nothing was found.
    Passed,
    /// All that ran is well, and a scanner found something.
    PassedWithFindings,
    /// The project failed.
    Failed,
    /// What was found is more than the operator lets pass.
    FailedByGate,
    /// A scanner or another tool broke: it says nothing of the project.
    ToolBroke,
    /// The engine, the disk or a worker broke: it says nothing of the project.
    WeBroke,
    /// Somebody ended it.
    Canceled,
}

impl Outcome {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Passed => "passed",
            Self::PassedWithFindings => "passed with findings",
            Self::Failed => "failed",
            Self::FailedByGate => "failed by gate",
            Self::ToolBroke => "tool broke",
            Self::WeBroke => "could not be run",
            Self::Canceled => "canceled",
        }
    }
}

/// The sentence and what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Headline {
    /// What became of the job.
    pub outcome: Outcome,
    /// What there is to say beside the words of the outcome; may be empty.
    pub detail: String,
    /// What did not run though it might have, and why; may be empty.
    pub left_out: String,
}

/// What became of a job.
pub fn of(execution: &Execution) -> Headline {
    told(execution.state, execution.reason, execution.error.as_deref(), &execution.stages)
}

/// The same of the parts that clients read.
pub fn told(
    state: JobState,
    reason: Option<Reason>,
    error: Option<&str>,
    stages: &IndexMap<String, StageRecord>,
) -> Headline {
    let found = findings(stages);
    let outcome = outcome(state, reason, &found);
    let why = || error.map(str::to_owned).or_else(|| reason.map(|reason| reason.to_string()));
    let detail = match outcome {
        Outcome::Queued | Outcome::Passed => String::new(),
        Outcome::Running => running(stages),
        Outcome::PassedWithFindings => found.words(),
        Outcome::Failed => tests_that_failed(stages).or_else(why).unwrap_or_default(),
        _ => why().unwrap_or_default(),
    };
    let left_out = if state == JobState::Succeeded { left_out(stages) } else { String::new() };
    Headline { outcome, detail, left_out }
}

impl Headline {
    /// The whole sentence: `failed: 1 of 3 tests failed in TEST: ATest.greets: expected <a>`.
    pub fn sentence(&self) -> String {
        let Self { outcome, detail, left_out } = self;
        let mut words = outcome.words().to_owned();
        if !detail.is_empty() {
            words.push_str(&format!(": {detail}"));
        }
        if !left_out.is_empty() {
            words.push_str(&format!("; {left_out}"));
        }
        words
    }
}

fn outcome(state: JobState, reason: Option<Reason>, found: &FindingCounts) -> Outcome {
    match (state, reason) {
        (JobState::Queued, _) => Outcome::Queued,
        (JobState::Running, _) => Outcome::Running,
        (JobState::Canceled, _) => Outcome::Canceled,
        // What is only worth knowing is no finding to act upon.
        (JobState::Succeeded, _) if found.total() > found.info => Outcome::PassedWithFindings,
        (JobState::Succeeded, _) => Outcome::Passed,
        (JobState::Failed, Some(Reason::PolicyGate)) => Outcome::FailedByGate,
        (JobState::Failed, Some(Reason::ToolError)) => Outcome::ToolBroke,
        (
            JobState::Failed,
            Some(
                Reason::EngineError
                | Reason::ImageUnavailable
                | Reason::WorkerLost
                | Reason::Poison
                | Reason::Interrupted,
            ),
        ) => Outcome::WeBroke,
        (JobState::Failed, _) => Outcome::Failed,
    }
}

/// What the scanners of all stages found.
pub fn findings(stages: &IndexMap<String, StageRecord>) -> FindingCounts {
    let counts = stages.values().flat_map(|stage| stage.steps.values()).filter_map(|step| step.findings);
    counts.fold(FindingCounts::default(), |sum, next| sum.plus(&next))
}

/// What the tests of all stages came to; `None` where none were counted.
pub fn tests(stages: &IndexMap<String, StageRecord>) -> Option<TestCounts> {
    let counts = stages.values().flat_map(|stage| stage.steps.values()).filter_map(|step| step.tests);
    counts.reduce(|sum, next| sum.plus(&next))
}

fn running(stages: &IndexMap<String, StageRecord>) -> String {
    let at = stages.iter().filter(|(_, stage)| stage.status == StepState::Running);
    let at: Vec<&str> = at.map(|(name, _)| name.as_str()).collect();
    at.join(", ")
}

/// `2 of 41 tests failed in TEST: OrderServiceTest.total: expected <3> but was <2>`, of the first stage with such tests.
fn tests_that_failed(stages: &IndexMap<String, StageRecord>) -> Option<String> {
    let failed = stages.iter().filter(|(_, stage)| stage.status == StepState::Failed);
    let mut told = failed.filter_map(|(name, stage)| {
        let counts = stage.steps.values().filter_map(|step| step.tests).reduce(|sum, next| sum.plus(&next))?;
        let first: Option<&FailedTest> = stage.steps.values().flat_map(|step| &step.failed_tests).next();
        let first = first.map(|test| format!(": {}", test.words())).unwrap_or_default();
        let failed = counts.failed();
        // A suite that broke beside its tests is no test of its own.
        (failed > 0).then(|| match counts.tests.max(failed) {
            1 => format!("the only test failed in {name}{first}"),
            all => format!("{failed} of {} failed in {name}{first}", counted(all, "test")),
        })
    });
    told.next()
}

/// `SCA was skipped: there is no advisory database; not selected: DAST`.
fn left_out(stages: &IndexMap<String, StageRecord>) -> String {
    let skipped = || stages.iter().filter(|(_, stage)| stage.status == StepState::Skipped);
    let plain = |reason: Option<Reason>| matches!(reason, Some(Reason::NotSelected | Reason::NotApplicable));
    let told = skipped().filter(|(_, stage)| !plain(stage.reason)).map(|(name, stage)| {
        let why = stage.reason.map(|reason| reason.as_str().replace('_', " ")).unwrap_or_default();
        let why = if stage.reason == Some(Reason::NoAdvisoryDb) { "no advisory database".to_owned() } else { why };
        format!("{name} was skipped: {why}")
    });
    let not_selected: Vec<&str> = skipped()
        .filter(|(_, stage)| stage.reason == Some(Reason::NotSelected))
        .map(|(name, _)| name.as_str())
        .collect();
    let not_selected = (!not_selected.is_empty()).then(|| format!("not selected: {}", not_selected.join(", ")));
    told.chain(not_selected).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{execution::StepRecord, slug::Slug};

    fn stage(status: StepState, reason: Option<Reason>, change: impl FnOnce(&mut StepRecord)) -> StageRecord {
        let mut step = StepRecord::bare("x", status, reason, "");
        change(&mut step);
        let mut stage = StageRecord::bare(status, reason, "");
        stage.steps.insert(Slug::of("x"), step);
        stage
    }

    fn sentence(
        state: JobState,
        reason: Option<Reason>,
        error: Option<&str>,
        stages: &[(&str, StageRecord)],
    ) -> String {
        let stages = stages.iter().map(|(name, stage)| ((*name).to_owned(), stage.clone())).collect();
        told(state, reason, error, &stages).sentence()
    }

    #[test]
    fn findings_are_never_a_plain_pass_and_what_was_left_out_is_said() {
        let sast = stage(StepState::Success, None, |step| {
            step.findings = Some(FindingCounts { critical: 1, high: 9, ..FindingCounts::default() });
        });
        let info = stage(StepState::Success, None, |step| {
            step.findings = Some(FindingCounts { info: 3, ..FindingCounts::default() });
        });
        let sca = stage(StepState::Skipped, Some(Reason::NoAdvisoryDb), |_| ());
        let dast = stage(StepState::Skipped, Some(Reason::NotSelected), |_| ());
        let passed = |stages: &[(&str, StageRecord)]| sentence(JobState::Succeeded, None, None, stages);
        assert_eq!(
            passed(&[("SAST", sast), ("SCA", sca.clone()), ("DAST", dast)]),
            "passed with findings: 1 critical, 9 high; SCA was skipped: no advisory database; not selected: DAST"
        );
        assert_eq!(passed(&[("SAST", info), ("SCA", sca)]), "passed; SCA was skipped: no advisory database");
        assert_eq!(passed(&[]), "passed");
    }

    #[test]
    fn a_failed_test_is_named_and_other_failures_say_why() {
        let mut test = stage(StepState::Failed, Some(Reason::ScriptFailure), |step| {
            step.tests = Some(TestCounts { tests: 41, failures: 2, ..TestCounts::default() });
            let (class, name) = ("dev.OrderServiceTest".to_owned(), "total".to_owned());
            step.failed_tests =
                vec![FailedTest { class, name, message: "expected <3>".to_owned(), ..FailedTest::default() }];
        });
        let failed = |reason, error: &str, test: &StageRecord| {
            sentence(JobState::Failed, Some(reason), Some(error), &[("TEST", test.clone())])
        };
        assert_eq!(
            failed(Reason::ScriptFailure, "TEST failed", &test),
            "failed: 2 of 41 tests failed in TEST: OrderServiceTest.total: expected <3>"
        );
        test.steps.values_mut().for_each(|step| step.tests = Some(TestCounts { errors: 1, ..TestCounts::default() }));
        assert!(failed(Reason::ScriptFailure, "", &test).starts_with("failed: the only test failed in TEST"));
        let none = stage(StepState::Failed, None, |_| ());
        assert_eq!(failed(Reason::PolicyGate, "1 critical", &none), "failed by gate: 1 critical");
        assert_eq!(failed(Reason::ToolError, "SAST broke", &none), "tool broke: SAST broke");
        assert_eq!(failed(Reason::WorkerLost, "gone", &none), "could not be run: gone");
        assert_eq!(sentence(JobState::Failed, Some(Reason::Timeout), None, &[]), "failed: timeout");
    }
}

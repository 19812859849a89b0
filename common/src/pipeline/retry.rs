//! `retry`: after which failures a step is tried again, in GitLab's words, and what those mean of our reasons.

use serde::{Deserialize, Serialize};

use super::{
    diagnostic::Code,
    fields::{self, mapping, one_of},
    keys,
    problems::{At, Problems, quoted},
    yaml::{Node, Value},
};
use crate::state::{Reason, StepState};

/// The most further tries of a step: GitLab's limit.
pub(crate) const MAX: u32 = 2;

/// After which failures a step is tried again, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// How many tries may follow the first.
    pub max: u32,
    /// After failures of these kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<RetryOn>,
    /// After failures with these exit codes. With neither a kind nor a code it is after every failure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exit_codes: Vec<i64>,
}

/// A kind of failure that `retry` can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryOn {
    /// Every one.
    Always,
    /// The script ended with a code other than 0 or met a limit, or its image cannot be had.
    ScriptFailure,
    /// The engine refused or broke, or the containers of the step were lost too often.
    RunnerSystemFailure,
    /// Its time was over.
    StuckOrTimeoutFailure,
    /// The same.
    JobExecutionTimeout,
}

/// GitLab's words, with what each means here.
const WORDS: [(&str, Option<RetryOn>); 13] = [
    ("always", Some(RetryOn::Always)),
    ("script_failure", Some(RetryOn::ScriptFailure)),
    ("runner_system_failure", Some(RetryOn::RunnerSystemFailure)),
    ("stuck_or_timeout_failure", Some(RetryOn::StuckOrTimeoutFailure)),
    ("job_execution_timeout", Some(RetryOn::JobExecutionTimeout)),
    ("unknown_failure", None),
    ("api_failure", None),
    ("runner_unsupported", None),
    ("stale_schedule", None),
    ("archived_failure", None),
    ("unmet_prerequisites", None),
    ("scheduler_failure", None),
    ("data_integrity_failure", None),
];

impl RetryOn {
    /// Whether a failure for this reason is of the kind.
    fn is(self, reason: Reason) -> bool {
        use Reason::{DiskLimit, EngineError, ImageUnavailable, LogLimit, Oom, PidsLimit};
        use Reason::{ScriptFailure, Timeout, ToolError, WorkerLost};
        match self {
            Self::Always => true,
            Self::ScriptFailure => {
                matches!(reason, ScriptFailure | Oom | PidsLimit | LogLimit | DiskLimit | ImageUnavailable | ToolError)
            }
            Self::RunnerSystemFailure => matches!(reason, EngineError | WorkerLost),
            Self::StuckOrTimeoutFailure | Self::JobExecutionTimeout => reason == Timeout,
        }
    }
}

impl Retry {
    /// Whether a step that has ended like this, in the try of this number, is tried again. What a person ended is not, and neither is
    /// what the operator's rule refused.
    pub fn follows(&self, number: u32, status: StepState, reason: Option<Reason>, exit_code: Option<i64>) -> bool {
        let refused = matches!(reason, Some(Reason::PolicyGate | Reason::Poison));
        if status != StepState::Failed || refused || number > self.max {
            return false;
        }
        let any = self.when.is_empty() && self.exit_codes.is_empty();
        let by_kind = reason.is_some_and(|reason| self.when.iter().any(|kind| kind.is(reason)));
        any || by_kind || exit_code.is_some_and(|code| self.exit_codes.contains(&code))
    }
}

/// Reads `retry`; `None` where it says that nothing is tried again, or what does not fit.
pub(crate) fn read(node: &Node, problems: &mut Problems<'_>) -> Option<Retry> {
    let (mut when, mut exit_codes) = (Vec::new(), Vec::new());
    let max = match &node.value {
        Value::Map(_) => {
            mapping(node, &keys::RETRY, problems);
            if let Some(node) = node.get("when") {
                when = kinds(node, problems)?;
            }
            if let Some(codes) = node.get("exit_codes") {
                exit_codes = fields::integers(codes, "an exit code", problems)?;
            }
            node.get("max")
        }
        _ => Some(node),
    };
    // GitLab's own default: without `max` nothing is tried again.
    let max =
        max.and_then(|node| Some(At { value: fields::integer::<u32>(node, "`retry`", problems)?, at: node.at }))?;
    if max.value > MAX {
        let message = format!("a step is tried again at most {MAX} times, here is {}", max.value);
        problems
            .error(Code::InvalidValue, max.at, message)
            .help("write `retry: 2`, or repeat the command in the script");
        return None;
    }
    (max.value > 0).then_some(Retry { max: max.value, when, exit_codes })
}

/// Words for what cannot happen here are read and said: a file of GitLab's stays what it is.
fn kinds(node: &Node, problems: &mut Problems<'_>) -> Option<Vec<RetryOn>> {
    let one = std::slice::from_ref(node);
    let items = if let Value::List(items) = &node.value { items.as_slice() } else { one };
    let mut found = Vec::new();
    for item in items {
        match one_of(item, "`retry: when`", &WORDS, problems)? {
            Some(kind) => found.push(kind),
            None => {
                let word = if let Value::Scalar { text, .. } = &item.value { text.as_str() } else { "" };
                let message = format!("{} never comes here, and has no effect", quoted(word));
                problems.warning(Code::Notice, item.at, message);
            }
        }
    }
    // A list of such words alone names no failure, which is not the same as naming none.
    if found.is_empty() && !items.is_empty() { None } else { Some(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_tried_again_by_its_kind_or_its_code_and_only_so_often() {
        use RetryOn::{Always, JobExecutionTimeout, RunnerSystemFailure, ScriptFailure};
        let failed = |retry: &Retry, number, reason, code| retry.follows(number, StepState::Failed, Some(reason), code);
        let any = Retry { max: 2, when: vec![], exit_codes: vec![] };
        let follows = [1, 2, 3].map(|number| failed(&any, number, Reason::ScriptFailure, Some(1)));
        assert_eq!(follows, [true, true, false], "two tries follow the first");
        let either = Retry { max: 1, when: vec![RunnerSystemFailure], exit_codes: vec![3] };
        for (reason, code, expected) in [
            (Reason::ScriptFailure, Some(3), true),
            (Reason::ScriptFailure, Some(1), false),
            (Reason::EngineError, None, true),
            (Reason::Timeout, None, false),
        ] {
            assert_eq!(failed(&either, 1, reason, code), expected, "{reason} {code:?}");
        }
        for (kind, reason) in [
            (ScriptFailure, Reason::ImageUnavailable),
            (ScriptFailure, Reason::Oom),
            (JobExecutionTimeout, Reason::Timeout),
            (RunnerSystemFailure, Reason::WorkerLost),
        ] {
            assert!(failed(&Retry { max: 1, when: vec![kind], exit_codes: vec![] }, 1, reason, None), "{reason}");
        }
        let always = Retry { max: 2, when: vec![Always], exit_codes: vec![] };
        for (status, reason) in [
            (StepState::Failed, Some(Reason::PolicyGate)),
            (StepState::Failed, Some(Reason::Poison)),
            (StepState::Canceled, Some(Reason::CanceledByUser)),
            (StepState::Skipped, Some(Reason::DependencyFailed)),
            (StepState::Success, None),
        ] {
            assert!(!always.follows(1, status, reason, None), "{status} {reason:?}");
        }
    }
}

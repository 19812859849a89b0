//! The verdict: values in, values out.

use std::fmt;

use pipelinex_common::{
    metadata::{AdmissionStatus, PlannedStage, SourceKind},
    pipeline::detect::Candidate,
    request::{JobRequest, Switches, Versions},
};
use serde_json::Value;

use super::{
    checks, contract,
    facts::Facts,
    problem::Problem,
    selection::{self, Chosen},
    values, versions,
};
use crate::{config::Config, stacks::StackData};

/// What goes into the metadata of the job.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// With issues where there are warnings.
    pub status: AdmissionStatus,
    /// What a person should know, each once.
    pub warnings: Vec<String>,
    /// The versions the job runs with.
    pub versions: Versions,
    /// The switches as they were understood, prerequisites turned on.
    pub switches: Switches,
    /// All built-in stages in their order, and then what else the definition has.
    pub stages: Vec<PlannedStage>,
    /// The database beside the application, where one is started.
    pub database: Option<Value>,
    /// Name of the pipeline: the stack's folder.
    pub pipeline_name: String,
}

/// Everything for which a project is refused, in the order of the rules; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reasons.
    pub problems: Vec<Problem>,
    /// Stacks and folders that the project could be taken for instead.
    pub candidates: Vec<Candidate>,
}

impl Refused {
    /// A refusal for one reason.
    pub fn only(problem: Problem) -> Self {
        Self { problems: vec![problem], candidates: Vec::new() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

/// Judges a project and a request by a stack's contract and definition, and by what the operator decided.
///
/// # Errors
/// [`Refused`] with every problem there is: first those of the project, then those of the request.
pub fn judge(
    facts: &Facts,
    request: &JobRequest,
    kind: SourceKind,
    stack: &StackData,
    config: &Config,
) -> Result<Accepted, Refused> {
    let wanted = versions::wanted(&stack.contract, |at| facts.look(at));
    let Chosen { versions, warnings: version_warnings, problems: version_problems } =
        selection::versions(&request.versions, &stack.contract, &wanted);
    let idle = contract::idle(facts, &stack.contract);
    let selected = selection::select(request, kind, &stack.pipeline, &idle, config);
    let by_code = checks::check(facts, &stack.contract, &versions);
    let by_value = values::check(facts, &stack.contract, &versions);

    let mut problems = contract::of_the_whole(facts);
    let of_the_folder =
        contract::problems(facts, &stack.contract).into_iter().chain(by_code.problems).chain(by_value.problems);
    problems.extend(of_the_folder.map(|problem| problem.below(facts.folder.as_ref())));
    problems.extend(version_problems.into_iter().map(|problem| problem.below(facts.folder.as_ref())));
    problems.extend(selected.problems);
    if !problems.is_empty() {
        return Err(Refused { problems, candidates: Vec::new() });
    }

    let mut warnings = contract::warnings(facts, &stack.contract, &request.stack.requires_db);
    warnings.extend(by_code.warnings);
    warnings.extend(by_value.warnings);
    warnings.extend(version_warnings);
    warnings.extend(selected.warnings);
    let status = if warnings.is_empty() { AdmissionStatus::Accepted } else { AdmissionStatus::AcceptedWithIssues };
    Ok(Accepted {
        status,
        warnings,
        versions,
        switches: selected.switches,
        stages: selected.stages,
        database: selected.database,
        pipeline_name: stack.contract.pipeline.clone().unwrap_or_else(|| stack.name.clone()),
    })
}

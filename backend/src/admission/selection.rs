//! What of the pipeline will run, and with which versions: the rules that look at the request alone.

use std::collections::BTreeSet;

use pipelinex_common::{
    foreign::shown,
    metadata::{PlannedStage, SourceKind},
    pipeline::{
        Pipeline,
        model::{Step, Switch},
        select,
        stack::Contract,
    },
    policy::Policy,
    request::{BUILT_IN_STAGES, JobRequest, SastMode, SecretScanMode, Switches, Versions},
};

use serde_json::Value;

use super::{
    custom_tool::{self, SAST, SECRETS},
    problem::{Problem, Rule},
};
use crate::config::Config;

/// What a request selects.
#[derive(Debug, Default)]
pub struct Selected {
    /// The switches, prerequisites turned on.
    pub switches: Switches,
    /// All built-in stages in their order, and then what else the definition has.
    pub stages: Vec<PlannedStage>,
    /// The database beside the application, where one is started.
    pub database: Option<Value>,
    /// What was turned on, and what cannot run yet.
    pub warnings: Vec<String>,
    /// Why the request is refused.
    pub problems: Vec<Problem>,
}

/// Selects what runs, and what the operator requires besides. A mode counts only where its stage runs.
pub fn select(request: &JobRequest, kind: SourceKind, pipeline: &Pipeline, config: &Config) -> Selected {
    let mut selected =
        Selected { switches: request.pipeline.clone().unwrap_or_else(|| default_set(pipeline)), ..Selected::default() };
    let asked = switched_on(&selected.switches);
    require(&config.policy, pipeline, &mut selected);
    let selection = select::select(pipeline, &switched_on(&selected.switches));
    let steps: Vec<&Step> = pipeline.steps.iter().filter(|step| selection.steps.contains(&step.slug)).collect();
    selected.warnings.extend(selection.warnings);
    turn_on(&mut selected.switches, steps.iter().filter_map(|step| step.switch));
    selected.problems.extend(mode_problems(&selected.switches, kind, &config.policy));
    selected.problems.extend(nothing_selected(&asked, &steps, pipeline));
    if request.stack.requires_db {
        if steps.iter().any(|step| step.target.is_some()) {
            selected.database = Some(config.database.public());
        } else {
            let warning = "requires_db: no selected stage starts the application (SMOKE-TEST and DAST do), so no database is started";
            selected.warnings.push(warning.to_owned());
        }
    }
    selected.stages = stages(pipeline, &steps);
    selected
}

/// Turns on what no project can switch off.
fn require(policy: &Policy, pipeline: &Pipeline, selected: &mut Selected) {
    for switch in &policy.require {
        let stage = switch.stage();
        if !pipeline.steps.iter().any(|step| step.switch == Some(*switch)) {
            let message = format!("the operator requires {stage}, and this stack has no such stage");
            let hint = "submit a stack that has it, or ask the operator, who named it with PIPELINEX_REQUIRE";
            selected.problems.push(Problem::new(Rule::RequiredStageMissing, message, hint));
        } else if selected.switches.get(switch.as_str()) == Some(false) {
            turn_on(&mut selected.switches, [*switch]);
            selected.warnings.push(format!("{stage} is required by the operator: turned on"));
        }
    }
}

fn switched_on(switches: &Switches) -> BTreeSet<Switch> {
    Switch::ALL.into_iter().filter(|switch| switches.get(switch.as_str()) == Some(true)).collect()
}

fn turn_on(switches: &mut Switches, these: impl IntoIterator<Item = Switch>) {
    for switch in these {
        if let Some(on) = switches.get_mut(switch.as_str()) {
            *on = true;
        }
    }
}

/// Every switch for which the definition has a step.
fn default_set(pipeline: &Pipeline) -> Switches {
    let mut switches = Switches::default();
    turn_on(&mut switches, pipeline.steps.iter().filter_map(|step| step.switch));
    switches
}

fn stages(pipeline: &Pipeline, steps: &[&Step]) -> Vec<PlannedStage> {
    let built_in = BUILT_IN_STAGES.iter().map(|(name, _)| *name);
    let own = pipeline.stages.iter().map(String::as_str);
    let own = own.filter(|name| BUILT_IN_STAGES.iter().all(|(built_in, _)| built_in != name));
    let stage =
        |name: &str| PlannedStage { name: name.to_owned(), selected: steps.iter().any(|step| step.stage == name) };
    built_in.chain(own).map(stage).collect()
}

fn nothing_selected(asked: &BTreeSet<Switch>, steps: &[&Step], pipeline: &Pipeline) -> Option<Problem> {
    if !steps.is_empty() {
        return None;
    }
    let asked: Vec<_> = asked.iter().map(|switch| switch.stage()).collect();
    let message = match asked.as_slice() {
        [] => "no stage is selected".to_owned(),
        asked => format!("this stack has none of the selected stages yet: {}", asked.join(", ")),
    };
    let here: BTreeSet<_> = pipeline.steps.iter().filter_map(|step| step.switch).collect();
    let here: Vec<_> = here.iter().map(|switch| switch.as_str()).collect();
    let hint = format!("turn on at least one of {}, or leave out `pipeline` for all of them", here.join(", "));
    Some(Problem::new(Rule::NothingSelected, message, hint))
}

fn mode_problems(switches: &Switches, kind: SourceKind, policy: &Policy) -> Vec<Problem> {
    let mut problems = Vec::new();
    if switches.run_secret_scan {
        match (switches.secret_scan_mode, kind) {
            (SecretScanMode::Dir, _) | (SecretScanMode::Git, SourceKind::Git) => {}
            (SecretScanMode::Git, SourceKind::Zip) => problems.push(Problem::new(
                Rule::HistoryNeedsGit,
                "secret_scan_mode `git` looks through the history, and a ZIP has none",
                "use secret_scan_mode `dir`, or submit the project by its Git URL",
            )),
            (SecretScanMode::Custom, _) => {
                problems.extend(custom_tool::problems(&SECRETS, switches.secret_custom.as_ref(), policy));
            }
        }
    }
    if switches.run_sast && switches.sast_mode == SastMode::Custom {
        problems.extend(custom_tool::problems(&SAST, switches.sast_custom.as_ref(), policy));
    }
    problems
}

/// The versions the job runs with: asked for, or the stack's defaults.
pub fn versions(asked: &Versions, contract: &Contract) -> (Versions, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut version = |name: &str, asked: Option<&str>| match (contract.versions.get(name), asked) {
        (None, None) => None,
        (Some(known), None) => Some(known.default.clone()),
        (Some(known), Some(asked)) if known.supported.iter().any(|version| version == asked) => Some(asked.to_owned()),
        (known, Some(asked)) => {
            let supported = known.map(|known| known.supported.join(", ")).unwrap_or_default();
            problems.push(unsupported(name, asked, &supported));
            None
        }
    };
    let java = version("java", asked.java.as_deref().map(str::trim));
    let build_tool = version("build_tool", asked.build_tool.as_deref().map(str::trim));
    (Versions { java, build_tool }, problems)
}

fn unsupported(name: &str, asked: &str, supported: &str) -> Problem {
    let message = format!("versions.{name} is `{}`, which this stack does not have", shown(asked));
    let hint = if supported.is_empty() {
        format!("leave out versions.{name}")
    } else {
        format!("supported: {supported}; without versions.{name} the stack's default is taken")
    };
    Problem::new(Rule::UnsupportedVersion, message, hint)
}

#[cfg(test)]
mod tests;

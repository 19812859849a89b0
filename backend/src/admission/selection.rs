//! What of the pipeline will run, and with which versions: the rules that look at the request alone.

use std::collections::{BTreeMap, BTreeSet};

use pipelinex_common::{
    foreign::shown,
    metadata::{PlannedStage, SourceKind},
    pipeline::{Pipeline, model::Step, select, stack::Contract},
    policy::Policy,
    request::{JobRequest, SastMode, SecretScanMode, Switches, Versions},
    stage::{BUILT_IN, Switch},
};

use serde_json::Value;

use super::{
    custom_tool::{self, SAST, SECRETS},
    problem::{Problem, Rule},
    versions::Wanted,
};
use crate::{
    config::Config,
    did_you_mean::{nearest, unknown_key},
};

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
pub fn select(
    request: &JobRequest,
    kind: SourceKind,
    pipeline: &Pipeline,
    idle: &BTreeSet<String>,
    config: &Config,
) -> Selected {
    let mut selected = asked_for(request.pipeline.as_ref(), pipeline);
    let left_out = leave_out(idle, pipeline, &mut selected);
    let asked = selected.switches.wanted().on;
    require(&config.policy, pipeline, &mut selected);
    let selection = select::select(pipeline, &selected.switches.wanted());
    let steps: Vec<&Step> = pipeline.steps.iter().filter(|step| selection.steps.contains(&step.slug)).collect();
    selected.warnings.extend(selection.warnings);
    record(&mut selected.switches, pipeline, &steps);
    selected.problems.extend(mode_problems(&selected.switches, kind, &config.policy));
    if selected.problems.iter().all(|problem| problem.rule != Rule::UNKNOWN_STAGE) {
        selected.problems.extend(nothing_selected(&asked, &steps, pipeline, &left_out));
    }
    if !request.stack.requires_db.is_empty() {
        if steps.iter().any(|step| step.target.is_some() || step.database.is_some()) {
            selected.database = config.database.public(&request.stack.requires_db);
        } else {
            let warning =
                "requires_db: no selected stage uses a database (TEST, SMOKE-TEST and DAST may), so none is started";
            selected.warnings.push(warning.to_owned());
        }
    }
    selected.stages = stages(pipeline, &steps);
    selected
}

/// The switches of a request: given one by one, by the names of stages, or the default set.
fn asked_for(given: Option<&Switches>, pipeline: &Pipeline) -> Selected {
    let Some(given) = given else {
        return Selected { switches: Switches::of(switches_of(pipeline)), ..Selected::default() };
    };
    let mut selected = Selected { switches: given.clone(), ..Selected::default() };
    if speaks_of_a_file_alone(given) {
        switches_of(pipeline).into_iter().for_each(|switch| selected.switches.set(switch, true));
    }
    forget_unknown(&mut selected, pipeline);
    if !given.only.is_empty() && !given.skip.is_empty() {
        let hint = "name the stages that run, or those that do not";
        let problem = Problem::at(Rule::UNKNOWN_STAGE, "pipeline.skip", "`only` and `skip` exclude each other", hint);
        selected.problems.push(problem);
    }
    let all_but_only = if given.only.is_empty() { Vec::new() } else { switches_of(pipeline) };
    let base = if given.skip.is_empty() { Vec::new() } else { switches_of(pipeline) };
    let unsaid = |switch: &Switch| given.get(switch).is_none();
    all_but_only.into_iter().filter(unsaid).for_each(|switch| selected.switches.set(switch, false));
    base.into_iter().filter(unsaid).for_each(|switch| selected.switches.set(switch, true));
    for (field, names, on) in [("only", &given.only, true), ("skip", &given.skip, false)] {
        for name in names {
            match named(name, pipeline) {
                Ok(switches) => switches.into_iter().for_each(|switch| selected.switches.set(switch, on)),
                Err(problem) => selected.problems.push(Problem { path: Some(format!("pipeline.{field}")), ..problem }),
            }
        }
    }
    (selected.switches.only, selected.switches.skip) = (Vec::new(), Vec::new());
    selected
}

/// Whether a request says whose pipeline runs, and nothing of its stages: then all of them do, as where it says nothing at all.
fn speaks_of_a_file_alone(given: &Switches) -> bool {
    let of_a_file = given.own.is_some() || given.file.is_some() || given.inline.is_some();
    let of_its_steps = !given.variables.is_empty() || !given.steps.is_empty();
    (of_a_file || of_its_steps) && given.given().next().is_none() && given.only.is_empty() && given.skip.is_empty()
}

/// Turns off the stages that have nothing to do in this project; the operator may require them all the same.
/// Returns which.
fn leave_out(idle: &BTreeSet<String>, pipeline: &Pipeline, selected: &mut Selected) -> Vec<String> {
    let mut left_out = Vec::new();
    for stage in pipeline.stages.iter().filter(|stage| idle.contains(&stage.to_uppercase())) {
        for step in pipeline.steps.iter().filter(|step| step.stage == *stage) {
            if selected.switches.is_on(&step.selector()) {
                selected.switches.set(step.selector(), false);
                selected.warnings.push(format!("{stage} is left out: the project has no file that it looks at"));
                left_out.push(stage.clone());
            }
        }
    }
    left_out
}

/// The switches of all stages that a definition has, each once.
fn switches_of(pipeline: &Pipeline) -> Vec<Switch> {
    let all: BTreeSet<Switch> = pipeline.steps.iter().map(Step::selector).collect();
    all.into_iter().collect()
}

/// A switch of which this definition has no stage, and that is none of those which every client knows, is a slip.
fn forget_unknown(selected: &mut Selected, pipeline: &Pipeline) {
    let here = switches_of(pipeline);
    let known = || BUILT_IN.iter().map(|stage| &stage.switch).chain(&here);
    let unknown = |switch: &&Switch| !known().any(|known| known == *switch);
    let unknown: Vec<Switch> = selected.switches.given().map(|(switch, _)| switch).filter(unknown).cloned().collect();
    for switch in unknown {
        let warning = unknown_key("pipeline.", switch.as_str(), known().map(Switch::as_str));
        selected.warnings.push(warning);
        selected.switches.forget(&switch);
    }
}

/// The switches of the stage that a client names. One of the table is known even where this definition does not have it.
fn named(name: &str, pipeline: &Pipeline) -> Result<Vec<Switch>, Problem> {
    let switch = Switch::of_stage(name);
    let of_stage = |step: &&Step| step.stage.eq_ignore_ascii_case(name.trim()) || step.selector() == switch;
    let found: BTreeSet<Switch> = pipeline.steps.iter().filter(of_stage).map(Step::selector).collect();
    if !found.is_empty() {
        return Ok(found.into_iter().collect());
    }
    if switch.built_in().is_some() {
        return Ok(vec![switch]);
    }
    let message = format!("there is no stage `{}` in this stack", shown(name));
    let meant = nearest(name, pipeline.stages.iter().map(String::as_str)).map(|near| format!("did you mean {near}?"));
    let hint = meant.unwrap_or_else(|| format!("it has {}", pipeline.stages.join(", ")));
    Err(Problem::new(Rule::UNKNOWN_STAGE, message, hint))
}

/// Turns on what no project can switch off.
fn require(policy: &Policy, pipeline: &Pipeline, selected: &mut Selected) {
    for switch in &policy.require {
        let stage = switch.stage();
        let mut of_stage = pipeline.steps.iter().filter(|step| step.selector() == *switch).peekable();
        if of_stage.peek().is_none() {
            let who = policy.who_requires(switch);
            let message = format!("the {who} requires {stage}, and this stack has no such stage");
            let hint = match who {
                "project" => {
                    "submit a stack that has it, or ask the owner of the project, whose setting `require` names it"
                }
                _ => "submit a stack that has it, or ask the operator, who named it with PIPELINEX_REQUIRE",
            };
            selected.problems.push(Problem::new(Rule::REQUIRED_STAGE_MISSING, message, hint));
            continue;
        }
        let runs_unless_off = of_stage.all(|step| step.switch.is_none());
        let off = match selected.switches.get(switch) {
            Some(on) => !on,
            None => !runs_unless_off,
        };
        if off {
            selected.switches.set(switch.clone(), true);
            selected.warnings.push(format!("{stage} is required by the {}: turned on", policy.who_requires(switch)));
        }
    }
}

/// Writes down what was made of the request: every switch that clients know or that this definition has is on or off. A
/// switch of a stage that is not there stays as it was asked for.
fn record(switches: &mut Switches, pipeline: &Pipeline, steps: &[&Step]) {
    for stage in &BUILT_IN {
        if switches.get(&stage.switch).is_none() {
            switches.set(stage.switch.clone(), false);
        }
    }
    let on: BTreeSet<Switch> = steps.iter().map(|step| step.selector()).collect();
    for switch in switches_of(pipeline) {
        let runs = on.contains(&switch);
        switches.set(switch, runs);
    }
}

/// The stages as they are shown, each with whether it runs. Clients of the built-in pipelines count on all stages of the
/// table in its order, so a definition that uses one of their switches shows them all. A stage of its own stands behind the
/// one that it follows in the definition.
fn stages(pipeline: &Pipeline, steps: &[&Step]) -> Vec<PlannedStage> {
    let speaks_of_the_table =
        pipeline.steps.iter().any(|step| step.switch.as_ref().is_some_and(|switch| switch.built_in().is_some()));
    let mut names: Vec<&str> =
        if speaks_of_the_table { BUILT_IN.iter().map(|stage| stage.name).collect() } else { Vec::new() };
    let mut before: Option<&str> = None;
    for stage in pipeline.stages.iter().map(String::as_str) {
        if !names.contains(&stage) {
            let at = before.and_then(|before| names.iter().position(|name| *name == before)).map_or(0, |at| at + 1);
            names.insert(at, stage);
        }
        before = Some(stage);
    }
    let stage =
        |name: &str| PlannedStage { name: name.to_owned(), selected: steps.iter().any(|step| step.stage == name) };
    names.into_iter().map(stage).collect()
}

fn nothing_selected(
    asked: &BTreeSet<Switch>,
    steps: &[&Step],
    pipeline: &Pipeline,
    left_out: &[String],
) -> Option<Problem> {
    if !steps.is_empty() {
        return None;
    }
    let asked: Vec<_> = asked.iter().map(Switch::stage).collect();
    let message = match asked.as_slice() {
        [] if !left_out.is_empty() => {
            format!("{} has nothing to look at: the project has no file of a kind that it reads", left_out.join(", "))
        }
        [] => "no stage is selected".to_owned(),
        asked => format!("this stack has none of the selected stages yet: {}", asked.join(", ")),
    };
    let here = switches_of(pipeline);
    let here: Vec<_> = here.iter().map(Switch::as_str).collect();
    let hint = format!("turn on at least one of {}, or leave out `pipeline` for all of them", here.join(", "));
    Some(Problem::new(Rule::NOTHING_SELECTED, message, hint))
}

fn mode_problems(switches: &Switches, kind: SourceKind, policy: &Policy) -> Vec<Problem> {
    let mut problems = Vec::new();
    if switches.is_on(&Switch::SECRETS) {
        match (switches.secret_scan_mode, kind) {
            (SecretScanMode::Dir, _) | (SecretScanMode::Git, SourceKind::Git) => {}
            (SecretScanMode::Git, SourceKind::Zip) => problems.push(Problem::new(
                Rule::HISTORY_NEEDS_GIT,
                "secret_scan_mode `git` looks through the history, and a ZIP has none",
                "use secret_scan_mode `dir`, or submit the project by its Git URL",
            )),
            (SecretScanMode::Custom, _) => {
                problems.extend(custom_tool::problems(&SECRETS, switches.secret_custom.as_ref(), policy));
            }
        }
    }
    if switches.is_on(&Switch::SAST) && switches.sast_mode == SastMode::Custom {
        problems.extend(custom_tool::problems(&SAST, switches.sast_custom.as_ref(), policy));
    }
    problems
}

/// What old clients call the version of whichever tool builds the project.
const BUILD_TOOL: &str = "build_tool";

/// The versions that a job runs with.
#[derive(Debug, Default)]
pub struct Chosen {
    /// The versions.
    pub versions: Versions,
    /// What a person should know of how they were chosen.
    pub warnings: Vec<String>,
    /// Versions that the stack does not have.
    pub problems: Vec<Problem>,
}

/// The versions the job runs with: asked for, or what the project's own files want, or the stack's defaults. The build tool
/// answers to its own name as well.
pub fn versions(asked: &Versions, contract: &Contract, wanted: &BTreeMap<String, Wanted>) -> Chosen {
    let tool = contract.stack.build_tool.as_str();
    let known = |name: &str| contract.versions.contains_key(name);
    let mut problems = Vec::new();
    let mut given: BTreeMap<&str, &str> = BTreeMap::new();
    let mut refused: BTreeSet<&str> = BTreeSet::new();
    for (name, version) in asked.iter() {
        let name = match name {
            name if known(name) => name,
            BUILD_TOOL if known(tool) => tool,
            name if name == tool && known(BUILD_TOOL) => BUILD_TOOL,
            name => name,
        };
        let version = version.trim();
        match contract.versions.get(name) {
            Some(known) if known.supported.iter().any(|supported| supported == version) => {
                given.insert(name, version);
            }
            known => {
                refused.insert(name);
                problems.push(unsupported(name, version, known.map(|known| known.supported.as_slice()), contract));
            }
        }
    }
    let mut warnings = Vec::new();
    for (tool, wanted) in wanted {
        if given.contains_key(tool.as_str()) || refused.contains(tool.as_str()) {
            continue;
        }
        warnings.extend(wanted.warning.clone());
        problems.extend(wanted.problem.clone());
        match (&wanted.version, &wanted.problem) {
            (_, Some(_)) => _ = refused.insert(tool),
            (Some(version), None) => _ = given.insert(tool, version),
            (None, None) => {}
        }
    }
    // Where a version is refused, nothing is judged by the default: that would be a second problem nobody can act on.
    let with_defaults =
        contract.versions.iter().filter(|(name, _)| !refused.contains(name.as_str())).map(|(name, known)| {
            let version = given.get(name.as_str()).copied().unwrap_or(&known.default);
            (name.clone(), version.to_owned())
        });
    Chosen { versions: with_defaults.collect(), warnings, problems }
}

fn unsupported(name: &str, asked: &str, supported: Option<&[String]>, contract: &Contract) -> Problem {
    let name = shown(name);
    let message = format!("versions.{name} is `{}`, which this stack does not have", shown(asked));
    let hint = match supported {
        Some(supported) => {
            format!("supported: {}; without versions.{name} the stack's default is taken", supported.join(", "))
        }
        None => {
            let tools: Vec<&str> = contract.versions.keys().map(String::as_str).collect();
            format!("leave out versions.{name}; this stack has versions of: {}", tools.join(", "))
        }
    };
    Problem::new(Rule::UNSUPPORTED_VERSION, message, hint)
}

#[cfg(test)]
mod tests;

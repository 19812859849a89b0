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
    request::{BUILT_IN_STAGES, CustomTool, JobRequest, SastMode, SecretScanMode, Switches, Versions},
};

use super::problem::{Problem, Rule};

/// What a request selects.
#[derive(Debug, Default)]
pub struct Selected {
    /// The switches, prerequisites turned on.
    pub switches: Switches,
    /// All built-in stages in their order, and then what else the definition has.
    pub stages: Vec<PlannedStage>,
    /// What was turned on, and what cannot run yet.
    pub warnings: Vec<String>,
    /// Why the request is refused.
    pub problems: Vec<Problem>,
}

/// Selects what runs. A mode counts only where its stage is asked for.
pub fn select(request: &JobRequest, kind: SourceKind, pipeline: &Pipeline) -> Selected {
    let mut switches = request.pipeline.clone().unwrap_or_else(|| default_set(pipeline));
    let wanted: BTreeSet<Switch> = Switch::ALL.into_iter().filter(|s| switches.get(s.as_str()) == Some(true)).collect();
    let selection = select::select(pipeline, &wanted);
    let steps: Vec<&Step> = pipeline.steps.iter().filter(|step| selection.steps.contains(&step.slug)).collect();

    let mut problems = mode_problems(&switches, kind);
    problems.extend(nothing_selected(&wanted, &steps, pipeline));
    let mut warnings = selection.warnings;
    if request.stack.requires_db {
        warnings.push("requires_db: no stage of this stack starts a database yet".to_owned());
    }
    for switch in steps.iter().filter_map(|step| step.switch) {
        if let Some(on) = switches.get_mut(switch.as_str()) {
            *on = true;
        }
    }
    Selected { switches, stages: stages(pipeline, &steps), warnings, problems }
}

/// Every switch for which the definition has a step.
fn default_set(pipeline: &Pipeline) -> Switches {
    let mut switches = Switches::default();
    for switch in pipeline.steps.iter().filter_map(|step| step.switch) {
        if let Some(on) = switches.get_mut(switch.as_str()) {
            *on = true;
        }
    }
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

fn nothing_selected(wanted: &BTreeSet<Switch>, steps: &[&Step], pipeline: &Pipeline) -> Option<Problem> {
    if !steps.is_empty() {
        return None;
    }
    let asked: Vec<_> = wanted.iter().map(|switch| switch.stage()).collect();
    let message = match asked.as_slice() {
        [] => "no stage is selected".to_owned(),
        asked => format!("this stack has none of the selected stages yet: {}", asked.join(", ")),
    };
    let here: BTreeSet<_> = pipeline.steps.iter().filter_map(|step| step.switch).collect();
    let here: Vec<_> = here.iter().map(|switch| switch.as_str()).collect();
    let hint = format!("turn on at least one of {}, or leave out `pipeline` for all of them", here.join(", "));
    Some(Problem::new(Rule::NothingSelected, message, hint))
}

fn mode_problems(switches: &Switches, kind: SourceKind) -> Vec<Problem> {
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
                problems.push(custom(switches.secret_custom.as_ref(), "secret_scan_mode", "secret_custom", "dir"));
            }
        }
    }
    if switches.run_sast && switches.sast_mode == SastMode::Custom {
        problems.push(custom(switches.sast_custom.as_ref(), "sast_mode", "sast_custom", "default"));
    }
    problems
}

fn custom(tool: Option<&CustomTool>, mode: &str, object: &str, instead: &str) -> Problem {
    match tool {
        None => Problem::new(
            Rule::CustomToolMissing,
            format!("{mode} is `custom`, and there is no {object}"),
            format!("add {object} with install_cmd and tool_cmd, or use {mode} `{instead}`"),
        ),
        Some(_) => Problem::new(
            Rule::CustomToolUnsupported,
            format!("{mode} `custom` is not run yet, and our own tool would not be what was asked for"),
            format!("use {mode} `{instead}`"),
        ),
    }
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

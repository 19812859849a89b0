//! From what is written to what runs: names are looked up, slugs given, and what the steps mean together is checked.

use std::collections::HashMap;

use super::{
    diagnostic::Code,
    model::{Need, Network, Pipeline, Step, StepKind},
    order,
    parse::RawFile,
    problems::{At, Place, Problems, quoted},
    step::{RawNeed, RawStep},
};
use crate::{
    slug::Slug,
    stage::{BUILT_IN, Switch},
};

/// GitLab's stages for a file that names none, and its stage for a step that names none.
const STAGES_BY_DEFAULT: [&str; 3] = ["build", "test", "deploy"];
const STAGE_BY_DEFAULT: &str = "test";

/// The names of a file.
pub(crate) struct Names<'r> {
    pub file: &'r RawFile,
    stages: Vec<String>,
    steps: HashMap<&'r str, usize>,
}

/// Resolves the file; `None` if anything was noted, here or before.
pub(crate) fn resolve(file: &RawFile, problems: &mut Problems<'_>) -> Option<Pipeline> {
    let names = Names::of(file);
    for step in &file.steps {
        names.check_stage(step, problems);
        names.check_needs(step, problems);
        names.check_switch(step, problems);
        names.check_tree(step, problems);
        names.check_target(step, problems);
        names.check_database(step, problems);
        names.check_services(step, problems);
        names.check_caches(step, problems);
    }
    order::check(&names, problems);
    if !problems.is_empty() {
        return None;
    }
    let slugs = Slug::assign(file.steps.iter().map(|step| step.name.value.as_str()));
    let steps = file.steps.iter().zip(slugs).map(|(step, slug)| model(step, slug)).collect::<Option<_>>()?;
    Some(Pipeline { stages: names.stages, steps })
}

impl<'r> Names<'r> {
    fn of(file: &'r RawFile) -> Self {
        let mut stages: Vec<String> = match &file.stages {
            Some(stages) => stages.iter().map(|stage| stage.value.clone()).collect(),
            None => STAGES_BY_DEFAULT.map(str::to_owned).to_vec(),
        };
        // As in GitLab, these two are always there; they are shown only where they are used.
        let used = |name: &str| file.steps.iter().any(|step| stage_of(step) == name);
        if used(".pre") && !stages.iter().any(|stage| stage == ".pre") {
            stages.insert(0, ".pre".to_owned());
        }
        if used(".post") && !stages.iter().any(|stage| stage == ".post") {
            stages.push(".post".to_owned());
        }
        let steps = file.steps.iter().enumerate().map(|(index, step)| (step.name.value.as_str(), index)).collect();
        Names { file, stages, steps }
    }

    /// The index of the step of this name.
    pub fn step(&self, name: &str) -> Option<usize> {
        self.steps.get(name).copied()
    }

    /// The position of the step's stage.
    pub fn rank(&self, step: &RawStep) -> Option<usize> {
        self.stages.iter().position(|stage| stage == stage_of(step))
    }

    fn check_stage(&self, step: &RawStep, problems: &mut Problems<'_>) {
        if self.rank(step).is_some() {
            return;
        }
        let stages: Vec<&str> = self.stages.iter().map(String::as_str).collect();
        let all = format!("the stages are: {}", stages.join(", "));
        let name = quoted(&step.name.value);
        match &step.stage {
            Some(stage) => {
                let message = format!("stage {} of step {name} is not in `stages`", quoted(&stage.value));
                problems.error(Code::UnknownStage, stage.at, message).suggest(&stage.value, stages, Some(all));
            }
            None => {
                let message = format!("step {name} names no stage, and `stages` has no `{STAGE_BY_DEFAULT}`");
                problems.error(Code::UnknownStage, step.name.at, message).help(all);
            }
        }
    }

    fn check_needs(&self, step: &RawStep, problems: &mut Problems<'_>) {
        let needs = step.needs.as_deref().unwrap_or_default();
        let mut first: HashMap<&str, Place> = HashMap::new();
        for need in needs {
            if let Some(first) = first.insert(&need.step.value, need.step.at) {
                let message = format!("step {} needs {} twice", quoted(&step.name.value), quoted(&need.step.value));
                problems.error(Code::InvalidValue, need.step.at, message).also(first, "first needed here");
            }
            self.check_need(step, need, problems);
        }
    }

    fn check_need(&self, step: &RawStep, need: &RawNeed, problems: &mut Problems<'_>) {
        let Some(needed) = self.lookup(&need.step, || format!("step {} needs", quoted(&step.name.value)), problems)
        else {
            return;
        };
        let (Some(own), Some(other)) = (self.rank(step), self.rank(needed)) else {
            return;
        };
        if other > own {
            let (name, needed_name) = (quoted(&step.name.value), quoted(&needed.name.value));
            let stage = quoted(stage_of(needed));
            let message = format!("step {name} needs {needed_name}, which is in the later stage {stage}");
            problems
                .error(Code::NeedsLaterStage, need.step.at, message)
                .help("a step may need steps of its own stage and of earlier ones");
        }
    }

    fn lookup(&self, name: &At<String>, says: impl Fn() -> String, problems: &mut Problems<'_>) -> Option<&'r RawStep> {
        let found = self.step(&name.value).map(|index| &self.file.steps[index]);
        if found.is_none() && !self.file.broken.contains(&name.value) {
            let message = format!("{} {}, which does not exist", says(), quoted(&name.value));
            let names = self.file.steps.iter().map(|step| step.name.value.as_str());
            problems.error(Code::UnknownStep, name.at, message).suggest(&name.value, names, None);
        }
        found
    }

    /// A switch is one that requests know, or that of the step's own stage: a slip of the pen would be a stage that nobody
    /// can turn on.
    fn check_switch(&self, step: &RawStep, problems: &mut Problems<'_>) {
        let Some(switch) = &step.ours.switch else {
            return;
        };
        let own = Switch::of_stage(stage_of(step));
        let known = || BUILT_IN.iter().map(|row| row.switch.as_str()).chain([own.as_str()]);
        if !known().any(|known| known == switch.value) {
            let message = format!("{} is no value of `switch`", quoted(&switch.value));
            let all = format!("it is one of: {}", known().collect::<Vec<_>>().join(", "));
            problems.error(Code::InvalidValue, switch.at, message).suggest(&switch.value, known(), Some(all));
        }
    }

    fn check_tree(&self, step: &RawStep, problems: &mut Problems<'_>) {
        let Some(tree) = &step.ours.tree else {
            return;
        };
        let name = quoted(&step.name.value);
        let Some(owner) = self.lookup(tree, || format!("step {name} shares the tree of"), problems) else {
            return;
        };
        let owner_name = quoted(&owner.name.value);
        if step.ours.kind == StepKind::Scan || owner.ours.kind == StepKind::Scan {
            let scan = if step.ours.kind == StepKind::Scan { &name } else { &owner_name };
            problems
                .error(Code::SharedTree, tree.at, format!("step {scan} is a scan: it reads the source and has no tree"))
                .help("leave `tree` out");
        } else if let Some(other) = &owner.ours.tree
            && other.value != owner.name.value
        {
            let message = format!("{owner_name} has no tree of its own: it shares that of {}", quoted(&other.value));
            problems.error(Code::SharedTree, tree.at, message).help(format!("write `tree: {}`", other.value));
        }
    }

    /// A database runs beside code of the project: a scan has no use for one, and with a target the target says it.
    fn check_database(&self, step: &RawStep, problems: &mut Problems<'_>) {
        if let Some(database) = &step.ours.database
            && (step.ours.kind == StepKind::Scan || step.ours.target.is_some())
        {
            let message = format!("step {} is a scan: the database is its target's", quoted(&step.name.value));
            problems.error(Code::InvalidValue, database.at, message).help("write `database` below `target`");
        }
    }

    /// What runs beside a scan is the operator's, and beside a target there is its database.
    fn check_services(&self, step: &RawStep, problems: &mut Problems<'_>) {
        let crowded = step.ours.kind == StepKind::Scan || step.ours.target.is_some() || step.ours.database.is_some();
        if crowded && !step.beside.is_empty() {
            let message = format!("step {} has a target or a database, or is a scan", quoted(&step.name.value));
            problems.error(Code::InvalidValue, step.name.at, message).help("leave `services` out");
        }
    }

    /// What a scan says must not depend on what steps of other jobs have left.
    fn check_caches(&self, step: &RawStep, problems: &mut Problems<'_>) {
        if step.ours.kind == StepKind::Scan && !step.kept.is_empty() {
            let message = format!("step {} is a scan, and no scan reads a cache", quoted(&step.name.value));
            problems.error(Code::InvalidValue, step.name.at, message).help("leave `cache` out");
        }
    }

    /// A target is made of what a step left that this one waits for, and is reached over the internal network.
    fn check_target(&self, step: &RawStep, problems: &mut Problems<'_>) {
        let Some(target) = &step.ours.target else {
            return;
        };
        let (name, of) = (quoted(&step.name.value), &target.artifact_of);
        if self.lookup(of, || format!("the target of step {name} is made of"), problems).is_none() {
            return;
        }
        if !step.needs.iter().flatten().any(|need| need.step.value == of.value) {
            let message = format!("the target of step {name} is made of {}, which it does not need", quoted(&of.value));
            problems.error(Code::InvalidValue, of.at, message).help(format!("write `needs: [{}]`", of.value));
        }
        if step.ours.network != Network::Internal || step.ours.kind != StepKind::Scan {
            let message = format!("step {name} has a target and cannot reach it, or could change it");
            problems.error(Code::InvalidValue, of.at, message).help("write `kind: scan` and `network: internal`");
        }
    }
}

pub(crate) fn stage_of(step: &RawStep) -> &str {
    step.stage.as_ref().map_or(STAGE_BY_DEFAULT, |stage| &stage.value)
}

fn model(step: &RawStep, slug: Slug) -> Option<Step> {
    let need =
        |need: &RawNeed| Need { step: need.step.value.clone(), optional: need.optional, artifacts: need.artifacts };
    Some(Step {
        name: step.name.value.clone(),
        slug,
        stage: stage_of(step).to_owned(),
        image: step.image.as_ref()?.value.clone(),
        services: step.beside.clone(),
        script: step.script.clone(),
        before_script: step.before_script.clone(),
        after_script: step.after_script.clone(),
        variables: step.environment.clone(),
        needs: step.needs.as_ref().map(|needs| needs.iter().map(need).collect()),
        dependencies: step.dependencies.as_ref().map(|names| names.iter().map(|name| name.value.clone()).collect()),
        when: step.when.unwrap_or_default(),
        manual_confirmation: step.manual_confirmation.clone(),
        start_in_seconds: step.start_in_seconds,
        resource_group: step.resource_group.as_ref().map(|group| group.value.clone()),
        coverage: step.coverage.clone(),
        interruptible: step.interruptible.unwrap_or_default(),
        allow_failure: step.allow_failure.clone().unwrap_or_default(),
        timeout_seconds: step.timeout_seconds,
        retry: step.retry.clone(),
        artifacts: step.artifacts.clone(),
        caches: step.kept.clone(),
        kind: step.ours.kind,
        network: step.ours.network,
        tree: step.ours.tree.as_ref().map(|tree| tree.value.clone()),
        switch: step.ours.switch.as_ref().and_then(|switch| switch.value.parse().ok()),
        memory_bytes: step.ours.memory_bytes,
        milli_cpus: step.ours.milli_cpus,
        pids: step.ours.pids,
        findings: step.ours.findings.clone(),
        advisories: step.ours.advisories,
        database: step.ours.database.as_ref().map(|database| database.value.clone()),
        target: step.ours.target.as_ref().map(|target| target.target.clone()),
    })
}

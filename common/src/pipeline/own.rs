//! A project's own pipeline, once it is a plan: what of it a worker believes, and the operator's stages that are laid into it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    cache::{CACHES_MAX, FALLBACKS_MAX, KEY_FILES_MAX},
    model::{AllowFailure, Cache, CacheKey, Network, Pipeline, Service, Step, StepKind, When},
    retry,
    service::{self, SERVICES_MAX},
    step::{GROUP_MAX, START_IN_MAX},
};
use crate::{disk::Versioned, slug::Slug, stage::Switch};

/// The file of a job that has a pipeline of its project's own: `pipelines/plan.json`. It is input to a worker, not authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Schema version of the file.
    pub schema: u32,
    /// The pipeline file that it was made of, as seen from the top of the project.
    pub file: String,
    /// What the file calls this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What runs: no rule, matrix, template or variable is left in it.
    pub pipeline: Pipeline,
}

impl Versioned for Plan {
    const SCHEMA: u32 = 1;
}

/// What the operator lets pipelines of projects' own do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnRules {
    /// Whether there may be any.
    pub pipelines: bool,
    /// Whether their steps have a way out.
    pub network: bool,
}

impl Default for OwnRules {
    fn default() -> Self {
        Self { pipelines: false, network: true }
    }
}

/// The most steps of a plan.
const STEPS_MAX: usize = 2_000;

/// Whether a plan keeps what its reader promises: a worker asks again, for the file lies in a folder that it does not own.
///
/// # Errors
/// What is wrong, as a sentence.
pub fn check(pipeline: &Pipeline) -> Result<(), String> {
    if pipeline.steps.is_empty() || pipeline.steps.len() > STEPS_MAX {
        return Err(format!("it has {} steps, and a plan has 1 to {STEPS_MAX}", pipeline.steps.len()));
    }
    let slugs = Slug::assign(pipeline.steps.iter().map(|step| step.name.as_str()));
    let mut names = BTreeSet::new();
    for (step, slug) in pipeline.steps.iter().zip(slugs) {
        let name = &step.name;
        if step.slug != slug || !names.insert(name) {
            return Err(format!("step {name} does not have its name to itself"));
        }
        if !pipeline.stages.contains(&step.stage) {
            return Err(format!("step {name} is of a stage that is not there"));
        }
        let trusted = step.kind != StepKind::Normal
            || step.tree.is_some()
            || step.switch.is_some()
            || step.advisories
            || step.database.is_some()
            || step.target.is_some()
            || !step.findings.is_empty()
            || step.network == Network::Internal;
        let unheard_of = |service: &Service| {
            service.aliases.is_empty() || !service.aliases.iter().all(|alias| service::is_host_name(alias))
        };
        if step.services.len() > SERVICES_MAX || step.services.iter().any(unheard_of) {
            return Err(format!("step {name} has services that no reader would have let through"));
        }
        if step.retry.as_ref().is_some_and(|retry| retry.max > retry::MAX) {
            return Err(format!("step {name} is tried more often than any reader would have let through"));
        }
        if step.resource_group.as_ref().is_some_and(|group| group.is_empty() || group.len() > GROUP_MAX) {
            return Err(format!("step {name} has a resource group that no reader would have let through"));
        }
        let crowded = |cache: &Cache| {
            let files = if let CacheKey::Files { files, .. } = &cache.key { files.len() } else { 0 };
            cache.fallback_keys.len() > FALLBACKS_MAX || files > KEY_FILES_MAX
        };
        if step.caches.len() > CACHES_MAX || step.caches.iter().any(crowded) {
            return Err(format!("step {name} has caches that no reader would have let through"));
        }
        if step.start_in_seconds.is_some_and(|seconds| seconds > START_IN_MAX)
            || (step.when == When::Delayed) != step.start_in_seconds.is_some()
        {
            return Err(format!("step {name} waits for no time that any reader would have let through"));
        }
        if trusted {
            return Err(format!("step {name} wants what only built-in steps have"));
        }
    }
    Ok(())
}

/// A name that a project's own pipeline has, and a stage that the operator requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The step or stage of the project's.
    pub own: String,
    /// The stage that the operator requires.
    pub required: String,
}

/// Lays the stages that the operator requires into a plan, out of a built-in pipeline: as they are there, behind all stages of the
/// project's own, and waiting for none of its steps. Nothing that the project says reaches them.
///
/// # Errors
/// [`Clash`]: the project has a step or stage of that name. A stage that the built-in pipeline does not have is not laid in: whoever
/// asks for it finds it missing.
pub fn lay_in(mut own: Pipeline, built_in: &Pipeline, require: &BTreeSet<Switch>) -> Result<Pipeline, Clash> {
    let by_name: BTreeMap<&str, &Step> = built_in.steps.iter().map(|step| (step.name.as_str(), step)).collect();
    let mut open: Vec<&Step> = built_in.steps.iter().filter(|step| require.contains(&step.selector())).collect();
    let mut laid: BTreeSet<&str> = BTreeSet::new();
    while let Some(step) = open.pop() {
        if laid.insert(&step.name) {
            let needs = step.needs.iter().flatten().filter(|need| !need.optional);
            open.extend(needs.filter_map(|need| by_name.get(need.step.as_str()).copied()));
        }
    }
    let place = |name: &str| Slug::of(name);
    for step in built_in.steps.iter().filter(|step| laid.contains(step.name.as_str())) {
        let same = |name: &String| place(name) == place(&step.stage) || place(name) == place(&step.name);
        let stages = own.steps.iter().filter(|step| step.switch.is_none()).map(|step| &step.stage);
        let names = own.steps.iter().filter(|step| step.switch.is_none()).map(|step| &step.name);
        if let Some(own) = stages.chain(names).find(|name| same(name)) {
            return Err(Clash { own: own.clone(), required: step.stage.clone() });
        }
    }
    for stage in &built_in.stages {
        let used = built_in.steps.iter().any(|step| step.stage == *stage && laid.contains(step.name.as_str()));
        if used && !own.stages.contains(stage) {
            own.stages.push(stage.clone());
        }
    }
    for step in built_in.steps.iter().filter(|step| laid.contains(step.name.as_str())) {
        let mut step = step.clone();
        // Those that are not laid in are as if they had not been selected.
        let needs = step.needs.take().unwrap_or_default();
        step.needs = Some(needs.into_iter().filter(|need| laid.contains(need.step.as_str())).collect());
        (step.when, step.start_in_seconds) = (When::OnSuccess, None);
        step.allow_failure = AllowFailure::No;
        // A switch says that the step is the operator's: only these have one.
        step.switch = Some(step.selector());
        own.steps.push(step);
    }
    Ok(own)
}

/// Keeps only these steps, as somebody tries them alone: what they need is taken to be there, and is not run.
///
/// # Errors
/// A name that no step has.
pub fn only(mut pipeline: Pipeline, names: &[String], with_needs: bool) -> Result<Pipeline, String> {
    let mut kept: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<String> = Vec::new();
    for name in names {
        let same = |step: &&Step| {
            step.name == *name || step.slug.as_str() == name || step.name.starts_with(&format!("{name}: ["))
        };
        let found: Vec<String> = pipeline.steps.iter().filter(same).map(|step| step.name.clone()).collect();
        if found.is_empty() {
            return Err(name.clone());
        }
        open.extend(found);
    }
    while let Some(name) = open.pop() {
        let Some(step) = pipeline.steps.iter().find(|step| step.name == name).filter(|_| kept.insert(name.clone()))
        else {
            continue;
        };
        if with_needs {
            open.extend(waited_for(&pipeline, step));
        }
    }
    pipeline.steps.retain(|step| kept.contains(&step.name));
    for step in &mut pipeline.steps {
        let keep = |name: &String| kept.contains(name);
        step.needs.iter_mut().for_each(|needs| needs.retain(|need| keep(&need.step)));
        step.dependencies.iter_mut().for_each(|names| names.retain(keep));
        // Whoever asks for a step by name wants it to run.
        (step.when, step.start_in_seconds) = (When::OnSuccess, None);
    }
    let used: BTreeSet<&String> = pipeline.steps.iter().map(|step| &step.stage).collect();
    pipeline.stages = pipeline.stages.iter().filter(|stage| used.contains(stage)).cloned().collect();
    Ok(pipeline)
}

fn waited_for(pipeline: &Pipeline, step: &Step) -> Vec<String> {
    let rank = |stage: &str| pipeline.stages.iter().position(|other| other == stage);
    match &step.needs {
        Some(needs) => needs.iter().map(|need| need.step.clone()).collect(),
        None => {
            let earlier = pipeline.steps.iter().filter(|other| rank(&other.stage) < rank(&step.stage));
            earlier.map(|other| other.name.clone()).collect()
        }
    }
}

#[cfg(test)]
mod tests;

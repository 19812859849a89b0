//! A pipeline of the project's own: looked at again, for its plan is input, and the operator's stages laid into it.

use std::collections::BTreeMap;

use pipelinex_common::{
    metadata::Metadata,
    pipeline::{
        Pipeline,
        model::{CacheKey, Network},
        own::{self, Plan},
        vars,
    },
    policy::Policy,
    stage::Switch,
    state::Reason,
};

use crate::step::Stop;

/// The pipeline of a plan under the operator's rules.
///
/// # Errors
/// Why the job cannot be run.
pub(super) fn laid_in(plan: Plan, built_in: &Pipeline, metadata: &Metadata, policy: &Policy) -> Result<Pipeline, Stop> {
    if !policy.own.pipelines {
        let message = match policy.of_project.own_pipelines {
            true => "the project's settings let no pipeline of its own run (own-pipelines=no)",
            false => "this worker runs no pipelines of projects' own (--own-pipelines all lets it)",
        };
        return Err(Stop::new(Reason::PolicyGate, message.to_owned()));
    }
    let mut pipeline = plan.pipeline;
    own::check(&pipeline).map_err(|why| Stop::new(Reason::ToolError, format!("the plan cannot be run: {why}")))?;
    for (index, step) in pipeline.steps.iter_mut().enumerate() {
        if !policy.own.network {
            step.network = Network::None;
        }
        let known = known(metadata, index);
        step.variables.values_mut().for_each(|value| *value = vars::complete(value, &known));
        step.image = vars::complete(&step.image, &known);
        for cache in &mut step.caches {
            if let CacheKey::Text(key) | CacheKey::Files { prefix: Some(key), .. } = &mut cache.key {
                *key = vars::complete(key, &known);
            }
            cache.fallback_keys.iter_mut().for_each(|key| *key = vars::complete(key, &known));
        }
        step.resource_group.iter_mut().for_each(|group| *group = vars::complete(group, &known));
        for service in &mut step.services {
            service.image = vars::complete(&service.image, &known);
            service.variables.values_mut().for_each(|value| *value = vars::complete(value, &known));
        }
        for (name, value) in known {
            step.variables.entry(name).or_insert(value);
        }
    }
    own::lay_in(pipeline, built_in, &policy.require).map_err(|clash| {
        let message = format!(
            "`{}` of the project's pipeline is the name of {}, which the {} requires",
            clash.own,
            clash.required,
            policy.who_requires(&Switch::of_stage(&clash.required))
        );
        Stop::new(Reason::PolicyGate, message)
    })
}

/// The variables that are known only now.
fn known(metadata: &Metadata, index: usize) -> BTreeMap<String, String> {
    let run = metadata.run_number.to_string();
    let step = format!("{run}{:03}", index + 1);
    let known = [
        ("CI_PIPELINE_ID", run.clone()),
        ("CI_PIPELINE_IID", run),
        ("CI_JOB_ID", step),
        ("PIPELINEX_JOB_ID", metadata.job_id.to_string()),
    ];
    known.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

//! What a job runs: its definition as the operator's rules and the request's modes make it. Read from the files again by each
//! holder, which so comes to the same.

use std::collections::{BTreeMap, BTreeSet};

use pipelinex_common::{
    disk::{self, DiskError},
    layout::JobPaths,
    metadata::Metadata,
    pipeline::{
        self, Pipeline,
        model::{AllowFailure, Step},
        select,
    },
    policy::Policy,
    slug::Slug,
    stage::Switch,
    state::Reason,
    store::DEFINITION_MAX,
};

use crate::{
    modes::{self, ScanMode},
    step::Stop,
};

/// What a job runs.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Stages and steps.
    pub pipeline: Pipeline,
    /// The steps that run.
    pub selected: BTreeSet<Slug>,
    /// The modes of those scanners that have some, or why theirs cannot be used.
    pub modes: BTreeMap<Slug, Result<ScanMode, String>>,
    /// The steps that the operator requires.
    pub required: BTreeSet<Slug>,
    /// Whether the application wants a database.
    pub requires_db: bool,
    /// Versions asked for, as variables.
    pub versions: BTreeMap<String, String>,
}

impl Definition {
    /// Reads the definition of a job. The inner error ends the job: it cannot be run.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn read(paths: &JobPaths, metadata: &Metadata, policy: &Policy) -> Result<Result<Self, Stop>, DiskError> {
        let text = disk::read_file(&paths.definition(), DEFINITION_MAX)?.unwrap_or_default();
        let read = pipeline::read("pipeline.yml", &String::from_utf8_lossy(&text));
        Ok(match read {
            Ok(pipeline) => Self::new(pipeline, metadata, policy),
            Err(rejected) => Err(Stop::new(Reason::ToolError, rejected.to_string())),
        })
    }

    fn new(mut pipeline: Pipeline, metadata: &Metadata, policy: &Policy) -> Result<Self, Stop> {
        let of_switch = |switch: &Switch| pipeline.steps.iter().any(|step| step.selector() == *switch);
        if let Some(missing) = policy.require.iter().find(|switch| !of_switch(switch)) {
            let message = format!("the operator requires {}, and this pipeline has no such stage", missing.stage());
            return Err(Stop::new(Reason::PolicyGate, message));
        }
        // What was admitted is a wish; what the operator requires is added here, whoever left it out.
        let mut wanted = metadata.pipeline.wanted();
        wanted.on.extend(policy.require.iter().cloned());
        wanted.off.retain(|switch| !policy.require.contains(switch));
        let (mut modes, mut required) = (BTreeMap::new(), BTreeSet::new());
        for step in &mut pipeline.steps {
            if policy.require.contains(&step.selector()) {
                step.allow_failure = AllowFailure::No;
                required.insert(step.slug.clone());
            }
            if let Some(mode) = modes::of(step, &metadata.pipeline).transpose() {
                if required.contains(&step.slug) && matches!(mode, Ok(ScanMode::Custom(_))) {
                    let message = format!(
                        "the operator requires {}, and a tool of the request's own could say anything",
                        step.stage
                    );
                    return Err(Stop::new(Reason::PolicyGate, message));
                }
                mode.iter().for_each(|mode| modes::apply(step, mode));
                modes.insert(step.slug.clone(), mode);
            }
        }
        let selected = select::select(&pipeline, &wanted).steps;
        let requires_db = metadata.stack.requires_db;
        Ok(Self { selected, modes, required, requires_db, versions: versions(metadata), pipeline })
    }

    /// The step of this slug.
    pub fn step(&self, slug: &Slug) -> Option<&Step> {
        self.pipeline.steps.iter().find(|step| step.slug == *slug)
    }

    /// The slug of the step of this written name.
    pub fn slug_of(&self, name: &str) -> Option<&Slug> {
        self.pipeline.steps.iter().find(|step| step.name == name).map(|step| &step.slug)
    }

    /// The step whose tree a step works in.
    pub fn tree_owner<'a>(&'a self, step: &'a Step) -> &'a Slug {
        self.slug_of(step.tree_owner()).unwrap_or(&step.slug)
    }

    /// Whether a stage has several steps: their reports then lie in folders of their own.
    pub fn is_crowded(&self, stage: &str) -> bool {
        self.pipeline.steps.iter().filter(|step| step.stage == stage).count() > 1
    }
}

fn versions(metadata: &Metadata) -> BTreeMap<String, String> {
    let versions = [("JAVA_VERSION", &metadata.versions.java), ("BUILD_TOOL_VERSION", &metadata.versions.build_tool)];
    versions.into_iter().filter_map(|(name, version)| Some((name.to_owned(), version.clone()?))).collect()
}

#[cfg(test)]
mod tests {
    use pipelinex_common::{
        request::{CustomTool, SastMode},
        testing::sample,
    };

    use super::*;

    const TEXT: &str = "default: {image: i}\nstages: [BUILD, SAST, SCA]\nBUILD: {stage: BUILD, script: x, allow_failure: true}\n\
        SAST: {stage: SAST, script: x, allow_failure: true}\nSCA: {stage: SCA, script: x, needs: [BUILD], allow_failure: true}\n\
        .pipelinex: {jobs: {BUILD: {switch: run_build}, SAST: {kind: scan, switch: run_sast}, SCA: {switch: run_sca}}}\n";

    fn definition(wanted: &[Switch], required: &[Switch]) -> Result<Definition, Stop> {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let mut metadata = sample::metadata(id, ["BUILD", "SAST", "SCA"]);
        for switch in wanted {
            metadata.pipeline.set(switch.clone(), true);
        }
        let policy = Policy { require: required.iter().cloned().collect(), ..Policy::default() };
        Definition::new(pipeline::read("p.yml", TEXT).unwrap(), &metadata, &policy)
    }

    #[test]
    fn a_tool_of_the_requests_own_is_not_what_the_operator_requires() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let mut metadata = sample::metadata(id, ["BUILD", "SAST", "SCA"]);
        metadata.pipeline.sast_mode = SastMode::Custom;
        let tool = CustomTool { install_cmd: String::new(), tool_cmd: "true".into(), log_ext: "json".into() };
        metadata.pipeline.sast_custom = Some(tool);
        let of = |require: &[Switch]| {
            let policy = Policy { require: require.iter().cloned().collect(), ..Policy::default() };
            Definition::new(pipeline::read("p.yml", TEXT).unwrap(), &metadata, &policy)
        };
        assert!(of(&[Switch::BUILD]).is_ok());
        assert_eq!(of(&[Switch::SAST]).unwrap_err().reason, Reason::PolicyGate);
    }

    #[test]
    fn what_is_required_is_added_with_what_it_needs_and_may_not_fail() {
        let told = |definition: Definition| {
            let strict = |step: &&Step| step.allow_failure == AllowFailure::No;
            let strict = definition.pipeline.steps.iter().filter(strict).map(|step| step.slug.to_string());
            let selected: Vec<_> = definition.selected.iter().map(Slug::to_string).collect();
            (selected.join(" "), strict.collect::<Vec<_>>().join(" "))
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(told(definition(&[Switch::SAST], &[]).unwrap()), pair("sast", ""));
        assert_eq!(told(definition(&[], &[Switch::SAST]).unwrap()), pair("sast", "sast"));
        assert_eq!(told(definition(&[], &[Switch::SCA]).unwrap()), pair("build sca", "sca"));
        let refused = definition(&[], &[Switch::DAST]).unwrap_err();
        assert_eq!(refused.reason, Reason::PolicyGate);
        assert!(refused.message.contains("requires DAST"), "{}", refused.message);
    }
}

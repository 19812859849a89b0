//! What a job runs: its definition as the operator's rules and the request's modes make it. Read from the files again by each
//! holder, which so comes to the same.

use std::collections::{BTreeMap, BTreeSet};

use pipelinex_common::{
    database::Databases,
    disk::{self, DiskError},
    folder::Folder,
    layout::JobPaths,
    metadata::Metadata,
    pipeline::{
        self, Pipeline,
        images::IMAGES_FILE,
        model::{AllowFailure, CacheKey, Network, Step},
        own::Plan,
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

mod older;
mod own;

/// The variable that names the application to start.
const APPLICATION: &str = "APPLICATION";

/// What a job runs.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Stages and steps.
    pub pipeline: Pipeline,
    /// The steps that run.
    pub selected: BTreeSet<Slug>,
    /// The modes of those scanners that have some, or why theirs cannot be used.
    pub modes: BTreeMap<Slug, Result<ScanMode, String>>,
    /// The operator's rules, and the project's where they are stricter.
    pub policy: Policy,
    /// The steps that these require.
    pub required: BTreeSet<Slug>,
    /// The databases that the application wants.
    pub databases: Databases,
    /// Versions asked for, and which application is started, as variables.
    pub versions: BTreeMap<String, String>,
    /// The folder of the project that is built; `None`: its top.
    pub folder: Option<Folder>,
    /// Whether the pipeline is the project's own, but for the steps that are required.
    pub is_own: bool,
    /// The variables that were given with the submission: nothing counts above them.
    pub given: BTreeSet<String>,
}

/// Why a job has no definition to run by.
#[derive(Debug)]
pub enum DefinitionError {
    /// It cannot be run: the job ends with this.
    Refused(Stop),
    /// The disk.
    Disk(DiskError),
}

impl From<DiskError> for DefinitionError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl Definition {
    /// Reads the definition of a job, under the operator's rules and those that its project had when it was admitted: each holder
    /// comes to the same.
    ///
    /// # Errors
    /// [`DefinitionError`].
    pub fn read(paths: &JobPaths, metadata: &Metadata, policy: &Policy) -> Result<Self, DefinitionError> {
        let policy = &policy.with_project(metadata.rules.as_ref());
        let text = disk::read_file(&paths.definition(), DEFINITION_MAX)?.unwrap_or_default();
        let read = pipeline::read("pipeline.yml", &String::from_utf8_lossy(&text));
        let plan: Option<Plan> = disk::read_json(&paths.plan())?;
        let definition = match (read, plan) {
            (Ok(built_in), Some(plan)) => {
                own::laid_in(plan, &built_in, metadata, policy).and_then(|pipeline| {
                    // What its steps see is the whole project, from its top.
                    let whole = Self::new(pipeline, &Metadata { folder: None, ..metadata.clone() }, policy)?;
                    Ok(Self { is_own: true, ..whole })
                })
            }
            (Ok(mut pipeline), None) => {
                if disk::read_file(&paths.pipelines().join(IMAGES_FILE), DEFINITION_MAX)?.is_none() {
                    older::complete(&mut pipeline);
                }
                Self::new(pipeline, metadata, policy)
            }
            (Err(rejected), _) => Err(Stop::new(Reason::ToolError, rejected.to_string())),
        };
        definition.map_err(DefinitionError::Refused)
    }

    fn new(mut pipeline: Pipeline, metadata: &Metadata, policy: &Policy) -> Result<Self, Stop> {
        let of_switch = |switch: &Switch| pipeline.steps.iter().any(|step| step.selector() == *switch);
        if let Some(missing) = policy.require.iter().find(|switch| !of_switch(switch)) {
            let who = policy.who_requires(missing);
            let message = format!("the {who} requires {}, and this pipeline has no such stage", missing.stage());
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
                        "the {} requires {}, and a tool of the request's own could say anything",
                        policy.who_requires(&step.selector()),
                        step.stage
                    );
                    return Err(Stop::new(Reason::PolicyGate, message));
                }
                mode.iter().for_each(|mode| modes::apply(step, mode));
                modes.insert(step.slug.clone(), mode);
            }
        }
        let mut versions = versions(metadata);
        for step in &mut pipeline.steps {
            step.image = image_for(&step.image, &versions);
            if let Some(image) = step.target.as_mut().and_then(|target| target.image.as_mut()) {
                *image = image_for(image, &versions);
            }
        }
        let folder = metadata.folder.clone();
        if let Some(folder) = &folder {
            pipeline.steps.iter_mut().for_each(|step| put_below(folder, step));
        }
        // Only now: an image is named by no word of a request's own.
        versions.extend(metadata.application.iter().map(|name| (APPLICATION.to_owned(), name.clone())));
        let selected = select::select(&pipeline, &wanted).steps;
        let databases = metadata.stack.requires_db.clone();
        // A database is reached over a network of the step's own, on which nothing else is.
        for step in pipeline.steps.iter_mut().filter(|step| step.database.is_some()) {
            if !databases.is_empty() {
                step.network = Network::Internal;
            } else {
                step.database = None;
            }
        }
        let given = metadata.pipeline.variables.keys().cloned().collect();
        Ok(Self {
            selected,
            modes,
            policy: policy.clone(),
            required,
            databases,
            versions,
            folder,
            is_own: false,
            given,
            pipeline,
        })
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

/// A definition speaks of files as seen from the folder that is built; artifacts and reports are found, kept and told as seen
/// from the top of what was submitted.
fn put_below(folder: &Folder, step: &mut Step) {
    let folder = globset::escape(folder.as_str());
    let artifacts = &mut step.artifacts;
    let shows = step.target.iter_mut().filter_map(|target| target.exists.as_mut());
    for cache in &mut step.caches {
        let files = if let CacheKey::Files { files, .. } = &mut cache.key { files.as_mut_slice() } else { &mut [] };
        for glob in cache.paths.iter_mut().chain(files) {
            *glob = format!("{folder}/{}", glob.trim_start_matches("./"));
        }
    }
    for glob in artifacts.paths.iter_mut().chain(&mut artifacts.exclude).chain(&mut artifacts.junit).chain(shows) {
        *glob = format!("{folder}/{}", glob.trim_start_matches("./"));
    }
}

/// Versions as variables: that of `node` is NODE_VERSION. The backend is not believed: a name that would be no part of a
/// variable's name is left out.
fn versions(metadata: &Metadata) -> BTreeMap<String, String> {
    let plain =
        |tool: &str| !tool.is_empty() && tool.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    let named = metadata.versions.iter().filter(|(tool, _)| plain(tool));
    named.map(|(tool, version)| (variable_of(tool), version.to_owned())).collect()
}

fn variable_of(tool: &str) -> String {
    format!("{}_VERSION", tool.to_uppercase().replace('-', "_"))
}

/// An image that is named by a version, such as `node$NODE_VERSION-npm`. What comes out is looked up in the operator's table
/// like any other name.
fn image_for(name: &str, versions: &BTreeMap<String, String>) -> String {
    versions.iter().fold(name.to_owned(), |name, (variable, version)| {
        name.replace(&format!("${{{variable}}}"), version).replace(&format!("${variable}"), version)
    })
}

#[cfg(test)]
mod tests {
    use pipelinex_common::{
        request::{CustomTool, SastMode},
        rules::ProjectRules,
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
    fn what_the_project_asked_for_when_its_job_was_admitted_is_laid_over_the_operators_rules() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let paths = JobPaths::at(dir.path());
        std::fs::create_dir(paths.pipelines()).unwrap();
        std::fs::write(paths.definition(), TEXT).unwrap();
        let mut rules = ProjectRules::default();
        rules.set("require", "sast").unwrap();
        rules.set("fail-on", "low").unwrap();
        let metadata = Metadata { rules: Some(rules), ..sample::metadata(id, ["BUILD", "SAST", "SCA"]) };
        let policy = Policy { fail_on: "high".parse().unwrap(), ..Policy::default() };
        let read = Definition::read(&paths, &metadata, &policy).unwrap();
        assert_eq!((read.policy.fail_on.to_string(), read.policy.who_limits()), ("low".to_owned(), "project"));
        assert_eq!(read.required, ["SAST"].map(Slug::of).into());
        assert!(read.selected.contains(&Slug::of("SAST")));
    }

    #[test]
    fn versions_are_variables_and_name_the_image() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let mut metadata = sample::metadata(id, ["S"]);
        let words = [("node", "24"), ("build_tool", "11"), ("a b", "x"), ("x=y", "z")];
        metadata.versions = words.map(|(tool, version)| (tool.to_owned(), version.to_owned())).into_iter().collect();
        let text = "stages: [S]\na: {stage: S, image: 'node$NODE_VERSION-npm', script: x}\n\
                    b: {stage: S, image: 'node${NODE_VERSION}_$OTHER_VERSION', script: x}\n";
        let definition =
            Definition::new(pipeline::read("p.yml", text).unwrap(), &metadata, &Policy::default()).unwrap();
        let images: Vec<_> = definition.pipeline.steps.iter().map(|step| step.image.as_str()).collect();
        assert_eq!(images, ["node24-npm", "node24_$OTHER_VERSION"]);
        let expected = BTreeMap::from([("BUILD_TOOL_VERSION", "11"), ("NODE_VERSION", "24")]);
        assert!(definition.versions.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(expected));
    }

    #[test]
    fn files_of_a_folder_are_looked_for_in_it() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let mut metadata = sample::metadata(id, ["S"]);
        metadata.folder = Some("a [b]/c".parse().unwrap());
        let text = "stages: [S]\ndefault: {image: i}\n\
            a: {stage: S, script: x, artifacts: {paths: [target/*.jar], exclude: ['*.x'], reports: {junit: ['**/T.xml']}}}\n";
        let definition =
            Definition::new(pipeline::read("p.yml", text).unwrap(), &metadata, &Policy::default()).unwrap();
        let artifacts = &definition.pipeline.steps[0].artifacts;
        let globs = [&artifacts.paths[0], &artifacts.exclude[0], &artifacts.junit[0]];
        let matches = |glob: &str, path: &str| globset::Glob::new(glob).unwrap().compile_matcher().is_match(path);
        let paths = ["a [b]/c/target/x.jar", "a [b]/c/y.x", "a [b]/c/d/T.xml"];
        assert!(globs.iter().zip(paths).all(|(glob, path)| matches(glob, path)), "{globs:?}");
        assert!(!matches(globs[0], "target/x.jar") && !matches(globs[0], "a b/c/target/x.jar"), "{globs:?}");
    }

    #[test]
    fn a_step_with_a_database_reaches_it_alone_where_the_job_asks_for_one() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let mut metadata = sample::metadata(id, ["S"]);
        let text = "stages: [S]\na: {stage: S, image: i, script: x}\n.pipelinex: {jobs: {a: {network: none, database: {URL: $PGHOST}}}}\n";
        for (requires_db, expected) in [(false, (Network::None, false)), (true, (Network::Internal, true))] {
            metadata.stack.requires_db = requires_db.into();
            let read = pipeline::read("p.yml", text).unwrap();
            let step = Definition::new(read, &metadata, &Policy::default()).unwrap().pipeline.steps.remove(0);
            assert_eq!((step.network, step.database.is_some()), expected);
        }
        let scan = text.replace("network: none", "kind: scan");
        assert!(pipeline::read("p.yml", &scan).unwrap_err().to_string().contains("step `a` is a scan: the database"));
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

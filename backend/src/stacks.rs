//! The stacks this program knows: contract, pipeline definition and scripts, as data.
//!
//! They are embedded in the binary, so that one file is a whole installation, or read from a folder that the operator
//! names. Either way everything is parsed and checked at start: a broken stack stops the program, not a job.

mod files;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Path, PathBuf},
};

use pipelinex_common::{
    disk::{self, DiskError},
    pipeline::{
        self, Pipeline,
        causes::{self, CAUSES_FILE, Causes},
        detect::{self, Candidate},
        images::{self, IMAGES_FILE},
        stack::{self, Contract, StackKey},
    },
    policy::Policy,
    request::Stack,
    stage::Switch,
};

use self::files::Files;
use crate::admission::{Problem, Rule, checks};

/// The file that `pipelinex init` makes a project's own pipeline file of; no job needs it.
const STARTER_FILE: &str = "starter.yml";
/// The folder of what all stacks share.
const GLOBAL: &str = "global";

/// All stacks.
#[derive(Debug)]
pub struct Stacks {
    stacks: Vec<StackData>,
    global: Files,
    images: BTreeMap<String, String>,
}

/// One stack.
#[derive(Debug)]
pub struct StackData {
    /// The name of its folder, and of its pipeline.
    pub name: String,
    /// What a project must look like.
    pub contract: Contract,
    /// What runs.
    pub pipeline: Pipeline,
    /// The images of its own, by the names that its definition uses.
    pub images: BTreeMap<String, String>,
    files: Files,
}

/// Why the stacks cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StacksError {
    /// The folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Files are wrong: everything that is, with file, line and column.
    #[error("the stacks cannot be used:\n{}", .0.join("\n"))]
    Broken(Vec<String>),
    /// The operator requires a stage that no stack has.
    #[error("no stack has the stage `{0}`, which PIPELINEX_REQUIRE asks of every job; there are: {1}")]
    NoSuchStage(String, String),
}

/// A request names a stack that is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownStack {
    /// What was asked for.
    pub asked: String,
    /// What there is.
    pub available: Vec<String>,
    /// What was probably meant.
    pub did_you_mean: Option<String>,
}

impl Stacks {
    /// The embedded stacks, or those of a folder. Images that ship with the program have their names in both.
    ///
    /// # Errors
    /// [`StacksError`] with everything that is wrong.
    pub fn load(dir: Option<&Path>) -> Result<Self, StacksError> {
        let embedded = Self::check("pipelines", files::embedded())?;
        let Some(dir) = dir else { return Ok(embedded) };
        let mut stacks = Self::check(&dir.display().to_string(), files::of_folder(dir)?)?;
        for (name, image) in embedded.images {
            stacks.images.entry(name).or_insert(image);
        }
        Ok(stacks)
    }

    /// The stack of a request, the closest one; spellings such as `Spring Boot` and `spring-boot` are the same.
    ///
    /// # Errors
    /// [`UnknownStack`].
    pub fn find(&self, asked: &Stack) -> Result<&StackData, UnknownStack> {
        let key = StackKey::new(&asked.language, &asked.framework, &asked.build_tool);
        let close = self.stacks.iter().filter_map(|stack| Some((stack.contract.closeness(&key)?, stack)));
        close.max_by_key(|(close, _)| *close).map(|(_, stack)| stack).ok_or_else(|| self.unknown(asked, &key))
    }

    /// Checks a stack that a request names; one that is not named is recognised later.
    ///
    /// # Errors
    /// [`UnknownStack`].
    pub fn check_named(&self, asked: &Stack) -> Result<(), UnknownStack> {
        if asked.is_named() { self.find(asked).map(drop) } else { Ok(()) }
    }

    /// All stacks, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &StackData> {
        self.stacks.iter()
    }

    /// The images of all stacks by the names that definitions use; a worker takes them for its table.
    pub fn images(&self) -> &BTreeMap<String, String> {
        &self.images
    }

    /// The stacks that a project with these files at its top may be of, the likeliest first.
    pub fn detect(&self, files: &[String], head: impl FnMut(&str) -> Option<Vec<u8>>) -> Vec<Candidate> {
        detect::candidates(self.stacks.iter().map(|stack| &stack.contract), files, head)
    }

    /// The files that detection asks for.
    pub fn marker_files(&self) -> BTreeSet<&str> {
        let markers = self.stacks.iter().flat_map(|stack| &stack.contract.markers);
        markers.map(|marker| marker.file.as_str()).collect()
    }

    /// Checks that some stack has each stage which the operator requires of every job: where none has it, no job is taken.
    ///
    /// # Errors
    /// [`StacksError::NoSuchStage`].
    pub fn check_required(&self, policy: &Policy) -> Result<(), StacksError> {
        let steps = || self.stacks.iter().flat_map(|stack| &stack.pipeline.steps);
        let Some(missing) = policy.require.iter().find(|switch| !steps().any(|step| step.selector() == **switch))
        else {
            return Ok(());
        };
        let all: BTreeSet<Switch> = steps().map(|step| step.selector()).collect();
        let all: Vec<String> = all.iter().map(|switch| switch.stage().to_lowercase()).collect();
        Err(StacksError::NoSuchStage(missing.stage().to_lowercase(), all.join(", ")))
    }

    /// Writes what a job of a stack needs into the job's `pipelines/`, so that later changes of the stack do not reach it.
    /// Nothing is synced: the store does that once for the whole job.
    ///
    /// # Errors
    /// [`DiskError`]; also when a file is there already.
    pub fn install(&self, stack: &StackData, into: &Path) -> Result<(), DiskError> {
        let own =
            stack.files.iter().filter(|(path, _)| *path != STARTER_FILE).map(|(path, content)| (path.clone(), content));
        let global = self.global.iter().map(|(path, content)| (format!("{GLOBAL}/{path}"), content));
        let mut folders = BTreeSet::new();
        disk::make_dir(into, 0o755)?;
        for (path, content) in own.chain(global) {
            for (end, _) in path.match_indices('/') {
                if folders.insert(path[..end].to_owned()) {
                    disk::make_dir(&into.join(&path[..end]), 0o755)?;
                }
            }
            disk::write_new_unsynced(&into.join(&path), content, 0o644)?;
        }
        Ok(())
    }

    fn check(origin: &str, files: Files) -> Result<Self, StacksError> {
        let mut folders: BTreeMap<String, Files> = BTreeMap::new();
        for (path, content) in files {
            // A file beside the folders, such as a README, is nobody's.
            if let Some((folder, path)) = path.split_once('/') {
                folders.entry(folder.to_owned()).or_default().insert(path.to_owned(), content);
            }
        }
        let global = folders.remove(GLOBAL).unwrap_or_default();
        let (mut stacks, mut broken) = (Vec::new(), Vec::new());
        for (name, files) in folders {
            match StackData::check(&format!("{origin}/{name}"), name, files, &global) {
                Ok(stack) => stacks.push(stack),
                Err(problems) => broken.extend(problems),
            }
        }
        // What is for all that nothing else recognises is the last to be offered.
        stacks.sort_by_key(|stack: &StackData| stack.contract.fallback);
        let shared = causes_of(&format!("{origin}/{GLOBAL}"), &global, &mut broken);
        for stack in &stacks {
            let own = causes_of(&format!("{origin}/{}", stack.name), &stack.files, &mut broken);
            let clashes = own.clashes(&shared);
            broken.extend(clashes.into_iter().map(|clash| format!("{origin}/{}/{CAUSES_FILE}: {clash}", stack.name)));
        }
        let images = images_of(&format!("{origin}/{GLOBAL}"), &global, &mut broken);
        let images = all_images(images, &stacks, &mut broken);
        if stacks.is_empty() && broken.is_empty() {
            broken.push(format!("{origin}: there is no stack; each is a folder with contract.yml and pipeline.yml"));
        }
        if broken.is_empty() { Ok(Self { stacks, global, images }) } else { Err(StacksError::Broken(broken)) }
    }

    fn unknown(&self, asked: &Stack, key: &StackKey) -> UnknownStack {
        let shown = [&asked.language, &asked.framework, &asked.build_tool];
        let shown = shown.map(|word| pipelinex_common::foreign::shown(word)).join("/");
        let available: Vec<String> = self.stacks.iter().map(|stack| stack.contract.stack.to_string()).collect();
        let written: String = key.to_string().chars().take(100).collect();
        let near = available.iter().map(|name| (strsim::damerau_levenshtein(name, &written), name));
        let near = near.filter(|(distance, name)| *distance <= name.len() / 3).min();
        UnknownStack { asked: shown, did_you_mean: near.map(|(_, name)| name.clone()), available }
    }
}

impl StackData {
    /// What a project of this stack can begin its own pipeline file with, for these versions; `None` where there is nothing.
    pub fn starter<'v>(&self, versions: impl Iterator<Item = (&'v str, &'v str)>) -> Option<String> {
        let text = String::from_utf8_lossy(self.files.get(STARTER_FILE)?).into_owned();
        let text = versions
            .fold(text, |text, (tool, version)| text.replace(&format!("${}_VERSION", tool.to_uppercase()), version));
        // A project's own file names images as an engine does.
        let image = |text: String, (name, reference): (&String, &String)| {
            text.replace(&format!("image: {name}\n"), &format!("image: {reference}\n"))
        };
        Some(self.images.iter().fold(text, image))
    }

    fn check(label: &str, name: String, files: Files, global: &Files) -> Result<Self, Vec<String>> {
        let mut broken = Vec::new();
        let contract =
            parse(label, "contract.yml", &files, |file, text| stack::read(file, text, &checks::NAMES), &mut broken);
        let images = images_of(label, &files, &mut broken);
        let pipeline = parse(label, "pipeline.yml", &files, pipeline::read, &mut broken);
        if let Some(contract) = contract.as_ref().filter(|contract| !is_folder_of(&contract.stack, &name)) {
            let (stack, folder) = (&contract.stack, contract.stack.folder());
            broken.push(format!("{label}/contract.yml: it is for {stack}, whose folder is `{folder}`"));
        }
        if files.keys().any(|path| path.split('/').next() == Some(GLOBAL)) {
            broken.push(format!("{label}/{GLOBAL}: a job has the shared files under that name"));
        }
        if let Some(pipeline) = &pipeline {
            broken.extend(missing_scripts(pipeline, &files, global).map(|m| format!("{label}/pipeline.yml: {m}")));
        }
        match (contract, pipeline) {
            (Some(contract), Some(pipeline)) if broken.is_empty() => {
                Ok(Self { name, contract, pipeline, images, files })
            }
            _ => Err(broken),
        }
    }
}

/// Whether a folder of that name may hold this stack.
fn is_folder_of(stack: &StackKey, name: &str) -> bool {
    name == stack.folder() || name == stack.former_folder()
}

/// The images of one folder.
fn images_of(label: &str, files: &Files, broken: &mut Vec<String>) -> BTreeMap<String, String> {
    let Some(content) = files.get(IMAGES_FILE) else { return BTreeMap::new() };
    match images::read(&format!("{label}/{IMAGES_FILE}"), &String::from_utf8_lossy(content)) {
        Ok(images) => images,
        Err(problems) => {
            broken.extend(problems);
            BTreeMap::new()
        }
    }
}

/// The causes of one folder, which may have none.
fn causes_of(label: &str, files: &Files, broken: &mut Vec<String>) -> Causes {
    if !files.contains_key(CAUSES_FILE) {
        return Causes::default();
    }
    parse(label, CAUSES_FILE, files, causes::read, broken).unwrap_or_default()
}

/// The images of all folders. A name means one image, whichever stack uses it.
fn all_images(
    shared: BTreeMap<String, String>,
    stacks: &[StackData],
    broken: &mut Vec<String>,
) -> BTreeMap<String, String> {
    let mut all = shared;
    for (stack, (name, image)) in stacks.iter().flat_map(|stack| stack.images.iter().map(move |image| (stack, image))) {
        match all.insert(name.clone(), image.clone()) {
            Some(other) if other != *image => {
                broken.push(format!("{}/{IMAGES_FILE}: `{name}` is {image} here and {other} elsewhere", stack.name));
            }
            _ => {}
        }
    }
    all
}

fn parse<T>(
    label: &str,
    file: &str,
    files: &Files,
    read: impl Fn(&str, &str) -> Result<T, pipeline::Rejected>,
    broken: &mut Vec<String>,
) -> Option<T> {
    let label = format!("{label}/{file}");
    let Some(content) = files.get(file) else {
        broken.push(format!("{label}: it is not there"));
        return None;
    };
    let parsed = match std::str::from_utf8(content) {
        Ok(text) => read(&label, text).map_err(|rejected| rejected.to_string()),
        Err(_) => Err(format!("{label}: it is not UTF-8")),
    };
    parsed.map_err(|problem| broken.push(problem)).ok()
}

/// The files that a script of the definition names below `$PIPELINES_DIR` and that are not there.
fn missing_scripts<'a>(
    pipeline: &'a Pipeline,
    files: &'a Files,
    global: &'a Files,
) -> impl Iterator<Item = String> + 'a {
    let lines = pipeline.steps.iter().flat_map(|step| {
        let scripts = [&step.before_script, &step.script, &step.after_script];
        scripts.into_iter().flatten().map(move |line| (&step.name, line))
    });
    let named = lines.flat_map(|(step, line)| {
        let pieces = line.split("$PIPELINES_DIR/").skip(1).chain(line.split("${PIPELINES_DIR}/").skip(1));
        pieces.map(move |piece| {
            let end = piece.find(|c: char| !(c.is_alphanumeric() || "._-/".contains(c))).unwrap_or(piece.len());
            (step, &piece[..end])
        })
    });
    let there = |path: &str| match path.strip_prefix(GLOBAL).and_then(|rest| rest.strip_prefix('/')) {
        Some(shared) => global.contains_key(shared),
        None => files.contains_key(path),
    };
    named
        .filter(move |(_, path)| !there(path))
        .map(|(step, path)| format!("step {step} runs `{path}`, which is not there"))
}

impl UnknownStack {
    /// The refusal, in the words of the other refusals.
    pub fn problem(&self) -> Problem {
        let hint = match &self.did_you_mean {
            Some(near) => format!("did you mean {near}?"),
            None => format!("available: {}", self.available.join(", ")),
        };
        Problem::new(Rule::UNKNOWN_STACK, format!("there is no stack {}", self.asked), hint)
    }
}

impl fmt::Display for UnknownStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem().fmt(f)
    }
}

impl std::error::Error for UnknownStack {}

#[cfg(test)]
mod tests;

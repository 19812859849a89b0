//! The answer of detection: what a project is taken for, by which of its files, and what would change that. A pure function
//! over the names of files and the content of a few, so that it is the same for a folder here, an archive and a list that a
//! client sends.

use std::{cell::RefCell, collections::BTreeMap, path::Path};

use pipelinex_common::{
    folder::{Folder, TOP, joined},
    foreign::{Beneath, ForeignError, shown},
    pipeline::{
        detect::{Candidate, HEAD_MAX},
        project,
        stack::{Lookup, Place, StackKey, Tell},
    },
    request::{JobRequest, Stack, Versions},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    admission::{
        self, Asked, Recognised, Refused,
        facts::{FILES_MAX, Matcher},
        lookup, selection, versions,
    },
    error::{Choice, Problem},
    stacks::{StackData, Stacks},
};

/// The value that was found, in what a contract says of it.
const VALUE: &str = "$value";

/// Gives the beginning of a file.
type Read<'p> = Box<dyn FnMut(&str) -> Option<Vec<u8>> + 'p>;

/// A project as detection sees it.
pub struct Project<'p> {
    files: Vec<String>,
    read: RefCell<Read<'p>>,
    known: RefCell<BTreeMap<String, Option<Vec<u8>>>>,
}

/// What a project is taken for.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Detected {
    /// The stack; absent where none is recognised, or several are.
    pub stack: Option<StackKey>,
    /// The folder that would be built; `.` is the top.
    pub folder: Option<String>,
    /// The files that decided the stack; none where the request or the project itself names it.
    pub decided_by: Vec<String>,
    /// The versions that a job would run with.
    pub versions: BTreeMap<String, Version>,
    /// What else is known, by name: the package manager, the framework, how the application is started.
    pub tells: BTreeMap<String, Told>,
    /// The port on which the application is asked.
    pub port: Option<u16>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Why nothing is recognised, or no version will do.
    pub problems: Vec<Problem>,
    /// What else it could be taken for.
    pub candidates: Vec<Choice>,
    /// What corrects this.
    pub change: Option<Change>,
}

/// A version, and where it comes from.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Version {
    /// The version.
    pub version: String,
    /// The file that says it; absent for the stack's default and what the request asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// What that file says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
    /// All there are.
    pub supported: Vec<String>,
}

/// A word about a project, and where it comes from.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Told {
    /// The word.
    pub value: String,
    /// The file that says it.
    pub decided_by: String,
}

/// What corrects an answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Change {
    /// Flags of `pipelinex submit`.
    pub flags: String,
    /// The content of a file for the top of the project.
    pub file: String,
    /// That file's name.
    pub file_name: &'static str,
}

impl<'p> Project<'p> {
    /// A project of which these are the files, and `read` gives the beginning of one.
    pub fn new(files: Vec<String>, read: impl FnMut(&str) -> Option<Vec<u8>> + 'p) -> Self {
        Self { files, read: RefCell::new(Box::new(read)), known: RefCell::default() }
    }

    /// A file as far as it is read.
    fn content(&self, path: &str) -> Option<Vec<u8>> {
        if let Some(known) = self.known.borrow().get(path) {
            return known.clone();
        }
        let read = (self.read.borrow_mut())(path);
        self.known.borrow_mut().insert(path.to_owned(), read.clone());
        read
    }

    fn has_folder(&self, folder: &Folder) -> bool {
        self.files.iter().any(|path| folder.strip(path).is_some())
    }

    /// What a file says of the project; where no value of it is told, that it is there is enough.
    fn tell(&self, folder: Option<&Folder>, tell: &Tell) -> Option<(String, String)> {
        let says = tell.says.as_deref().unwrap_or(VALUE);
        if tell.lookup.place == Place::FirstLine && !says.contains(VALUE) {
            return Some((says.to_owned(), self.file(folder, &tell.lookup.file)?));
        }
        let said = self.look(folder, &tell.lookup)?;
        Some((says.replace(VALUE, &said.text), said.file))
    }

    /// The first file of the folder that matches, as seen from there.
    fn file(&self, folder: Option<&Folder>, glob: &str) -> Option<String> {
        let glob = Matcher::new(glob);
        let own = |path: &String| match folder {
            Some(folder) => folder.strip(path).map(str::to_owned),
            None => Some(path.clone()),
        };
        self.files.iter().filter_map(own).find(|path| glob.is_match(path))
    }

    /// The value at a place of the folder that is built.
    fn look(&self, folder: Option<&Folder>, at: &Lookup) -> Option<versions::Said> {
        let file = self.file(folder, &at.file)?;
        let text = lookup::at(&file, &self.content(&joined(folder, &file))?, &at.place)?;
        Some(versions::Said { file, text })
    }
}

/// What a folder of submitted files is taken for. Blocks on the disk.
///
/// # Errors
/// [`ForeignError::Io`].
pub fn of_folder(source: &Path, request: &JobRequest, stacks: &Stacks) -> Result<Detected, ForeignError> {
    let beneath = Beneath::open(source)?;
    let files = beneath.walk(FILES_MAX)?.files.into_iter().map(|file| file.path).collect();
    let project = Project::new(files, |path| beneath.read(path, HEAD_MAX).ok());
    Ok(detect(&project, request, stacks))
}

/// What a project is taken for, with what the request says of it.
pub fn detect(project: &Project<'_>, request: &JobRequest, stacks: &Stacks) -> Detected {
    match recognised(project, request, stacks) {
        Ok((recognised, decided_by, request)) => described(project, &recognised, decided_by, &request, stacks),
        Err(Refused { problems, candidates }) => Detected {
            problems: problems.into_iter().map(Into::into).collect(),
            candidates: candidates.iter().map(Into::into).collect(),
            ..Detected::default()
        },
    }
}

fn recognised(
    project: &Project<'_>,
    request: &JobRequest,
    stacks: &Stacks,
) -> Result<(Recognised, Vec<String>, JobRequest), Refused> {
    let written = project.files.iter().any(|path| path == project::FILE).then(|| project.content(project::FILE));
    let request = admission::corrected(request, written.flatten().as_deref())?;
    let asked = Asked::of(&request, |folder| match project.has_folder(folder) {
        true => Ok(()),
        false => Err(admission::no_such_folder(folder)),
    })?;
    let candidates = stacks.detect(&project.files, |path| project.content(path));
    let recognised = admission::choose(&asked, &candidates, stacks)?;
    let key = key_of(&recognised.stack);
    let own = |c: &&Candidate| c.stack.closeness(&key).is_some() && c.folder == recognised.folder;
    let decided_by = candidates.iter().find(own).map(|c| c.because.clone()).unwrap_or_default();
    Ok((recognised, decided_by, request))
}

fn key_of(stack: &Stack) -> StackKey {
    StackKey::new(&stack.language, &stack.framework, &stack.build_tool)
}

fn described(
    project: &Project<'_>,
    recognised: &Recognised,
    decided_by: Vec<String>,
    request: &JobRequest,
    stacks: &Stacks,
) -> Detected {
    let candidates = recognised.others.iter().map(Into::into).collect();
    let stack = match stacks.find(&recognised.stack) {
        Ok(stack) => stack,
        Err(unknown) => {
            return Detected { problems: vec![unknown.problem().into()], candidates, ..Detected::default() };
        }
    };
    let folder = recognised.folder.as_ref();
    let wanted = versions::wanted(&stack.contract, |at| project.look(folder, at));
    let selected = selection::versions(&request.versions, &stack.contract, &wanted);
    let place = |path: &str| shown(&joined(folder, path));
    let version = |(tool, version): (&str, &str)| {
        let said = wanted.get(tool).filter(|_| request.versions.get(tool).is_none()).map(|wanted| &wanted.said);
        let known = stack.contract.versions.get(tool);
        let found = Version {
            version: version.to_owned(),
            decided_by: said.map(|said| place(&said.file)),
            says: said.map(|said| shown(&said.text)),
            supported: known.map(|known| known.supported.clone()).unwrap_or_default(),
        };
        (tool.to_owned(), found)
    };
    let tell = |(name, tells): (&String, &Vec<Tell>)| {
        let (value, file) = tells.iter().find_map(|tell| project.tell(folder, tell))?;
        Some((name.clone(), Told { value: shown(&value), decided_by: place(&file) }))
    };
    let problems = selected.problems.into_iter().map(|problem| problem.below(folder).into()).collect();
    Detected {
        stack: Some(stack.contract.stack.clone()),
        folder: Some(folder.map_or_else(|| TOP.to_owned(), Folder::to_string)),
        decided_by: decided_by.iter().map(|path| shown(path)).collect(),
        tells: stack.contract.tells.iter().filter_map(tell).collect(),
        port: stack.pipeline.steps.iter().find_map(|step| step.target.as_ref()).map(|target| target.port),
        warnings: recognised.warning.iter().cloned().chain(selected.warnings).collect(),
        problems,
        candidates,
        change: Some(change(stack, folder, &selected.versions)),
        versions: selected.versions.iter().map(version).collect(),
    }
}

/// The same answer, written down where it counts more than what is recognised.
fn change(stack: &StackData, folder: Option<&Folder>, versions: &Versions) -> Change {
    let key = &stack.contract.stack;
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let path = folder.map_or_else(|| TOP.to_owned(), Folder::to_string);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let word = if path.chars().all(plain) { path.clone() } else { quoted(&path) };
    let list: Vec<String> = versions.iter().map(|(tool, version)| format!("{tool}={version}")).collect();
    let flags = match list.as_slice() {
        [] => format!("--stack {key} --folder {word}"),
        list => format!("--stack {key} --folder {word} --versions {}", list.join(",")),
    };
    let text = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let list: Vec<String> = versions.iter().map(|(tool, version)| format!("{tool}: {}", text(version))).collect();
    let list = if list.is_empty() { String::new() } else { format!("  versions: {{{}}}\n", list.join(", ")) };
    let file = format!(".pipelinex:\n  stack: {key}\n  folder: {}\n{list}", text(&path));
    Change { flags, file, file_name: project::FILE }
}

//! Which stack a project is of, and in which of its folders it lies, where the request does not say it.

use std::path::Path;

use pipelinex_common::{
    folder::Folder,
    foreign::{Beneath, ForeignError, shown},
    pipeline::{
        detect::{self, Candidate, HEAD_MAX},
        project,
        stack::StackKey,
    },
    request::{JobRequest, Stack, Versions},
};

use super::{
    AdmissionError, Refused,
    corrections::corrected,
    facts::FILES_MAX,
    problem::{Problem, Rule},
};
use crate::stacks::{StackData, Stacks};

/// Projects that a sentence names before it says "and more".
const NAMED_MAX: usize = 5;

/// What a project was recognised as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// The stack.
    pub stack: Stack,
    /// The folder that is built; `None`: the top.
    pub folder: Option<Folder>,
    /// The versions that are asked for, by the request or by the project.
    pub versions: Versions,
    /// What a person should know of how that was decided.
    pub warning: Option<String>,
    /// What else there is to choose, likeliest first; where the request has chosen, nothing.
    pub others: Vec<Candidate>,
}

/// What the request says of stack and folder.
#[derive(Debug, Default)]
pub struct Asked {
    /// The stack that it names.
    pub stack: Option<Stack>,
    /// The folder that it names; the inner `None`: the top.
    pub folder: Option<Option<Folder>>,
}

/// Recognises a project by its files, as far as the request does not say what it is. Blocks on the disk.
///
/// # Errors
/// [`AdmissionError`]; refused where nothing speaks for any stack, or as much for one as for another.
pub fn recognise(source: &Path, request: &JobRequest, stacks: &Stacks) -> Result<Recognised, AdmissionError> {
    let beneath = Beneath::open(source)?;
    let request = corrected(request, written(&beneath)?.as_deref())?;
    let asked = Asked::of(&request, |folder| check_folder(&beneath, folder))?;
    if let Asked { stack: Some(stack), folder: Some(folder) } = &asked {
        return Ok(Recognised { versions: request.versions, ..taken(stack.clone(), folder.clone()) });
    }
    let files: Vec<String> = beneath.walk(FILES_MAX)?.files.into_iter().map(|file| file.path).collect();
    let candidates = stacks.detect(&files, |file| beneath.read(file, HEAD_MAX).ok());
    Ok(Recognised { versions: request.versions, ..choose(&asked, &candidates, stacks)? })
}

/// What the project says of itself; `None`: nothing.
fn written(beneath: &Beneath) -> Result<Option<Vec<u8>>, AdmissionError> {
    match beneath.read(project::FILE, HEAD_MAX) {
        Ok(content) => Ok(Some(content)),
        Err(ForeignError::Missing(_)) => Ok(None),
        Err(error @ ForeignError::Io { .. }) => Err(error.into()),
        Err(error) => {
            let hint = "submit it as a plain file of the project, or leave it out";
            Err(Refused::only(Problem::at(Rule::PROJECT_FILE, project::FILE, error.to_string(), hint)).into())
        }
    }
}

fn check_folder(beneath: &Beneath, folder: &Folder) -> Result<(), AdmissionError> {
    beneath.check_folder(folder.as_str()).map_err(|error| match error {
        error @ ForeignError::Io { .. } => AdmissionError::Io(error),
        ForeignError::Missing(_) => no_such_folder(folder).into(),
        other => Refused::only(unknown_folder(format!("the folder {other}"))).into(),
    })
}

impl Asked {
    /// What the request says; `check` is asked whether a folder that it names is there.
    ///
    /// # Errors
    /// Those of `check`, and [`Refused`] for what names no folder.
    pub fn of<E: From<Refused>>(request: &JobRequest, check: impl Fn(&Folder) -> Result<(), E>) -> Result<Self, E> {
        let folder = request.folder.as_deref().map(Folder::asked).transpose();
        let folder = folder.map_err(|error| Refused::only(unknown_folder(error.to_string())))?;
        if let Some(Some(folder)) = &folder {
            check(folder)?;
        }
        let stack = request.stack.is_named().then(|| request.stack.clone());
        Ok(Self { stack, folder })
    }
}

/// The refusal of a folder that is not there.
pub fn no_such_folder(folder: &Folder) -> Refused {
    Refused::only(unknown_folder(format!("the project has no folder `{}`", shown(folder.as_str()))))
}

fn unknown_folder(message: String) -> Problem {
    let hint = "name a folder of the project as seen from its top, such as `services/api`; upper and lower case matter";
    Problem::at(Rule::UNKNOWN_FOLDER, "folder", message, hint)
}

/// Chooses among candidates: what the request says counts, then the top, then the only project below it.
///
/// # Errors
/// [`Refused`], with what there is to choose from.
pub fn choose(asked: &Asked, candidates: &[Candidate], stacks: &Stacks) -> Result<Recognised, Refused> {
    match asked {
        Asked { stack: Some(stack), folder: Some(folder) } => Ok(taken(stack.clone(), folder.clone())),
        Asked { stack: Some(stack), folder: None } => of_stack(stack, candidates),
        Asked { stack: None, folder: Some(folder) } => in_folder(folder.as_ref(), candidates, stacks),
        Asked { stack: None, folder: None } => anywhere(candidates, stacks),
    }
}

fn taken(stack: Stack, folder: Option<Folder>) -> Recognised {
    Recognised { stack, folder, versions: Versions::default(), warning: None, others: Vec::new() }
}

/// The folder of a stack that was named: the top where a file there speaks for it or nothing anywhere does, so that the
/// contract says what is missing.
fn of_stack(stack: &Stack, candidates: &[Candidate]) -> Result<Recognised, Refused> {
    let key = StackKey::new(&stack.language, &stack.framework, &stack.build_tool);
    let own: Vec<Candidate> = candidates.iter().filter(|c| c.stack.closeness(&key).is_some()).cloned().collect();
    match detect::projects(&own)[..] {
        [] => Ok(taken(stack.clone(), None)),
        [only] => {
            let warning = only.folder.as_ref().map(|folder| below(folder, only));
            Ok(Recognised { warning, ..taken(stack.clone(), only.folder.clone()) })
        }
        ref several => Err(choice(several)),
    }
}

fn in_folder(folder: Option<&Folder>, candidates: &[Candidate], stacks: &Stacks) -> Result<Recognised, Refused> {
    let here: Vec<Candidate> = candidates.iter().filter(|c| c.folder.as_ref() == folder).cloned().collect();
    if let Some(best) = best_of(&here)? {
        return Ok(Recognised { others: here[1..].to_vec(), ..best });
    }
    let place =
        folder.map_or_else(|| "at the top of the project".to_owned(), |f| format!("in `{}`", shown(f.as_str())));
    Err(Refused { candidates: candidates.to_vec(), ..Refused::only(not_recognised(&place, candidates, stacks)) })
}

fn anywhere(candidates: &[Candidate], stacks: &Stacks) -> Result<Recognised, Refused> {
    let (top, lower): (Vec<Candidate>, Vec<Candidate>) = candidates.iter().cloned().partition(|c| c.folder.is_none());
    if let Some(best) = best_of(&top)? {
        let others = top.into_iter().skip(1).chain(lower).collect();
        return Ok(Recognised { others, ..best });
    }
    match detect::projects(&lower)[..] {
        [] => only_stack(stacks)
            .map(|stack| taken(stack, None))
            .or_else(|| fallback(stacks))
            .ok_or_else(|| Refused::only(not_recognised("in the project", candidates, stacks))),
        [only] => {
            let here: Vec<Candidate> = lower.iter().filter(|c| c.folder == only.folder).cloned().collect();
            let Some(best) = best_of(&here)? else { return Err(choice(&[only])) };
            let others = lower.iter().filter(|c| *c != only).cloned().collect();
            let warning = best.warning.or_else(|| only.folder.as_ref().map(|folder| below(folder, only)));
            Ok(Recognised { others, warning, ..best })
        }
        ref several => Err(choice(several)),
    }
}

/// The likeliest of the stacks of one folder.
fn best_of(candidates: &[Candidate]) -> Result<Option<Recognised>, Refused> {
    let Some((first, others)) = candidates.split_first() else { return Ok(None) };
    if let Some(second) = others.first().filter(|second| second.weight == first.weight) {
        let message = format!("the project could be {} or {}", said(first), said(second));
        let problem = Problem::new(Rule::UNKNOWN_STACK, message, "name the stack that is meant");
        return Err(Refused { candidates: candidates.to_vec(), ..Refused::only(problem) });
    }
    // A stack that takes any framework is no other choice than the one for this framework, and what far less speaks for is none:
    // the page of a front end is not a site of its own.
    let is_choice = |other: &&Candidate| !covers(&other.stack, &first.stack) && other.weight * 2 >= first.weight;
    let others: Vec<&Candidate> = others.iter().filter(is_choice).collect();
    let warning = (!others.is_empty()).then(|| {
        let others: Vec<String> = others.into_iter().map(said).collect();
        format!("taken for {}; it could also be {}: name the stack to choose", said(first), others.join(" or "))
    });
    Ok(Some(Recognised { warning, ..taken(named(&first.stack), first.folder.clone()) }))
}

fn covers(one: &StackKey, other: &StackKey) -> bool {
    one.closeness(other).is_some() || other.closeness(one).is_some()
}

fn said(candidate: &Candidate) -> String {
    format!("{} (by {})", candidate.stack, listed(&candidate.because))
}

fn listed(paths: &[String]) -> String {
    paths.iter().map(|path| shown(path)).collect::<Vec<_>>().join(", ")
}

fn below(folder: &Folder, candidate: &Candidate) -> String {
    format!("the project is taken to be the folder `{}`, as {}", shown(folder.as_str()), said(candidate))
}

/// Several projects lie below one top: which is meant cannot be told.
fn choice(projects: &[&Candidate]) -> Refused {
    let named = projects.iter().take(NAMED_MAX).map(|c| format!("`{}` ({})", shown(c.asked_folder()), c.stack));
    let mut named = named.collect::<Vec<_>>().join(", ");
    if let Some(more @ 1..) = projects.len().checked_sub(NAMED_MAX) {
        named.push_str(&format!(" and {more} more"));
    }
    let message = format!("there are {} projects below the top: {named}", projects.len());
    let hint = "say which one is meant, with `folder`";
    let candidates = projects.iter().map(|candidate| (*candidate).clone()).collect();
    Refused { candidates, ..Refused::only(Problem::at(Rule::SEVERAL_PROJECTS, "folder", message, hint)) }
}

fn not_recognised(place: &str, candidates: &[Candidate], stacks: &Stacks) -> Problem {
    let marks: Vec<&str> = stacks.marker_files().into_iter().collect();
    let message = format!("no stack is recognised {place}, by none of {}", marks.join(", "));
    let all = stacks.iter().map(|stack| stack.contract.stack.to_string()).collect::<Vec<_>>().join(", ");
    let hint = match candidates {
        [] => format!("name the stack: {all}"),
        _ => format!("choose another folder, or name the stack: {all}"),
    };
    Problem::new(Rule::UNKNOWN_STACK, message, hint)
}

/// The stack of an installation that has one alone, which says nothing of how it is recognised: every project is taken for it,
/// and its contract says what is missing.
fn only_stack(stacks: &Stacks) -> Option<Stack> {
    let mut all = stacks.iter();
    let only = all.next().filter(|stack| stack.contract.markers.is_empty())?;
    all.next().is_none().then(|| named(&only.contract.stack))
}

/// What a project could be taken for that was recognised and then refused: what else was found, and the stack that takes
/// everything. Whoever has named the stack has chosen.
pub fn instead(named: bool, mut others: Vec<Candidate>, stacks: &Stacks) -> Vec<Candidate> {
    if named {
        return Vec::new();
    }
    others.extend(fallback_of(stacks).map(|stack| Candidate {
        stack: stack.contract.stack.clone(),
        folder: None,
        weight: 0,
        because: Vec::new(),
    }));
    others
}

/// What a project with a pipeline of its own is besides: the stack that the operator's stages come from. What is not recognised, or
/// lies below the top, is of the stack that takes everything.
///
/// # Errors
/// Those of [`recognise`] where there is no such stack.
pub fn for_own(source: &Path, request: &JobRequest, stacks: &Stacks) -> Result<Recognised, AdmissionError> {
    let recognised = recognise(source, request, stacks);
    match (recognised, fallback(stacks)) {
        (Ok(recognised), _) if recognised.folder.is_none() => Ok(Recognised { warning: None, ..recognised }),
        (Ok(_) | Err(AdmissionError::Refused(_)), Some(fallback)) => Ok(Recognised { warning: None, ..fallback }),
        (recognised, _) => recognised,
    }
}

fn fallback_of(stacks: &Stacks) -> Option<&StackData> {
    stacks.iter().find(|stack| stack.contract.fallback)
}

/// The stack for what no other recognises.
fn fallback(stacks: &Stacks) -> Option<Recognised> {
    let stack = fallback_of(stacks)?;
    let marks: Vec<&str> = stacks.marker_files().into_iter().collect();
    let warning = format!(
        "no stack is recognised, by none of {}: it is scanned as {} and not built; name the stack to have it built",
        marks.join(", "),
        stack.contract.stack
    );
    Some(Recognised { warning: Some(warning), ..taken(named(&stack.contract.stack), None) })
}

fn named(key: &StackKey) -> Stack {
    let StackKey { language, framework, build_tool } = key.clone();
    Stack { language, framework, build_tool, requires_db: false.into() }
}

#[cfg(test)]
mod tests;

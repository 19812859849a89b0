//! Which stack a project is of, where the request does not say it.

use std::path::Path;

use pipelinex_common::{
    foreign::Beneath,
    pipeline::{
        detect::{Candidate, HEAD_MAX},
        stack::StackKey,
    },
    request::Stack,
};

use super::{
    AdmissionError, Refused,
    facts::FILES_MAX,
    problem::{Problem, Rule},
};
use crate::stacks::Stacks;

/// What a project was recognised as.
#[derive(Debug)]
pub struct Recognised {
    /// The stack.
    pub stack: Stack,
    /// What else it could be.
    pub warning: Option<String>,
}

/// Recognises a project by the files at its top. Blocks on the disk.
///
/// # Errors
/// [`AdmissionError`]; refused where nothing speaks for any stack, or as much for one as for another.
pub fn recognise(source: &Path, stacks: &Stacks) -> Result<Recognised, AdmissionError> {
    let beneath = Beneath::open(source)?;
    let files = beneath.walk(FILES_MAX)?.files.into_iter().map(|file| file.path);
    let top: Vec<String> = files.filter(|path| !path.contains('/')).collect();
    let candidates = stacks.detect(&top, |file| beneath.read(file, HEAD_MAX).ok());
    choose(candidates, stacks).map_err(|problem| Refused { problems: vec![problem] }.into())
}

fn choose(candidates: Vec<Candidate>, stacks: &Stacks) -> Result<Recognised, Problem> {
    let all = || stacks.iter().map(|stack| stack.contract.stack.to_string()).collect::<Vec<_>>().join(", ");
    let Some((first, others)) = candidates.split_first() else {
        if let Some(stack) = only_stack(stacks) {
            return Ok(Recognised { stack, warning: None });
        }
        let marks: Vec<&str> = stacks.marker_files().into_iter().collect();
        let message = format!("no stack is recognised: at the top of the project is none of {}", marks.join(", "));
        let hint = format!("submit the folder that has it, or name the stack: {}", all());
        return Err(Problem::new(Rule::UNKNOWN_STACK, message, hint));
    };
    let said = |candidate: &Candidate| format!("{} (by {})", candidate.stack, candidate.because.join(", "));
    if let Some(second) = others.first().filter(|second| second.weight == first.weight) {
        let message = format!("the project could be {} or {}", said(first), said(second));
        return Err(Problem::new(Rule::UNKNOWN_STACK, message, "name the stack that is meant"));
    }
    let warning = (!others.is_empty()).then(|| {
        let others: Vec<String> = others.iter().map(said).collect();
        format!("taken for {}; it could also be {}: name the stack to choose", said(first), others.join(" or "))
    });
    Ok(Recognised { stack: named(&first.stack), warning })
}

/// The stack of an installation that has one alone, which says nothing of how it is recognised: every project is taken for it,
/// and its contract says what is missing.
fn only_stack(stacks: &Stacks) -> Option<Stack> {
    let mut all = stacks.iter();
    let only = all.next().filter(|stack| stack.contract.markers.is_empty())?;
    all.next().is_none().then(|| named(&only.contract.stack))
}

fn named(key: &StackKey) -> Stack {
    let StackKey { language, framework, build_tool } = key.clone();
    Stack { language, framework, build_tool, requires_db: false }
}

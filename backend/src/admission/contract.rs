//! The rules that every contract can have: what must be there, how many, with which text.

use std::collections::BTreeSet;

use pipelinex_common::{
    database::Databases,
    folder::joined,
    foreign::shown,
    pipeline::stack::{Contains, Contract, Mention},
};

use super::{
    facts::{Facts, Matcher, unless_of},
    problem::{Problem, Rule},
};

/// Paths that a sentence names before it says "and more".
const NAMED_MAX: usize = 5;
/// Links that leave the project are each a problem, and after so many it is clear.
const LINKS_MAX: usize = 20;

/// What is wrong with all that was submitted, whichever folder of it is built.
pub fn of_the_whole(facts: &Facts) -> Vec<Problem> {
    let mut problems = Vec::new();
    if facts.cut {
        let message = format!("the project has more files than are looked at ({})", facts.files.len());
        problems.push(Problem::new(Rule::TOO_MANY_FILES, message, "leave out what is built or downloaded"));
    }
    problems.extend(facts.leaving.iter().take(LINKS_MAX).map(|(link, target)| leaving(link, target)));
    problems
}

/// The rules that do not hold, in the order of the contract.
pub fn problems(facts: &Facts, contract: &Contract) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(contract.required.iter().filter(|path| !facts.has(path)).map(|path| missing(facts, path)));
    for rule in &contract.patterns {
        let glob = Matcher::new(&rule.glob);
        let count = facts.files.iter().filter(|path| glob.is_match(path)).count() as u64;
        if count < rule.min {
            let message = format!("{}: {} match `{}`, at least {} must", rule.id, files(count), rule.glob, rule.min);
            problems.push(Problem::new(Rule::REQUIRED_FILES, message, rule.hint.as_str()));
        }
    }
    problems.extend(contract.contains.iter().filter_map(|rule| wrong_count(facts, rule)));
    problems
}

/// The stages that have nothing to do in this project: none of the files that they look at is there.
pub fn idle(facts: &Facts, contract: &Contract) -> BTreeSet<String> {
    let looks_at = |globs: &Vec<String>| {
        let globs: Vec<Matcher> = globs.iter().map(|glob| Matcher::new(glob)).collect();
        facts.files.iter().any(|path| globs.iter().any(|glob| glob.is_match(path)))
    };
    let idle = contract.applies.iter().filter(|(_, globs)| !looks_at(globs));
    idle.map(|(stage, _)| stage.to_uppercase()).collect()
}

/// What a person should know though the project is admitted.
pub fn warnings(facts: &Facts, contract: &Contract, databases: &Databases) -> Vec<String> {
    let absent = contract.optional.iter().filter(|optional| !is_there(facts, &optional.path));
    let mut warnings: Vec<String> = absent.map(|optional| optional.warning.clone()).collect();
    warnings.extend(contract.contains.iter().filter_map(|rule| several(facts, rule)));
    let mentioned =
        contract.mentions.iter().filter(|rule| rule.without_database.is_none_or(|kind| !databases.has(kind)));
    warnings.extend(mentioned.filter(|rule| is_mentioned(facts, rule)).map(|rule| rule.warning.clone()));
    let unsearched = facts.unsearched.iter().take(NAMED_MAX);
    warnings.extend(unsearched.map(|(path, reason)| format!("{} was not searched: {reason}", shown(path))));
    if let Some(more @ 1..) = facts.unsearched.len().checked_sub(NAMED_MAX) {
        warnings.push(format!("{more} more files were not searched"));
    }
    warnings
}

fn is_mentioned(facts: &Facts, rule: &Mention) -> bool {
    facts.found.contains_key(&rule.id) && !facts.found.contains_key(&unless_of(&rule.id))
}

/// Whether a path is there, or a file that a pattern matches.
fn is_there(facts: &Facts, path: &str) -> bool {
    let glob = Matcher::new(path);
    facts.has(path) || facts.files.iter().any(|file| glob.is_match(file))
}

fn leaving(link: &str, target: &str) -> Problem {
    let message = format!("the link `{}` leads out of the project, to `{target}`", shown(link));
    Problem::at(Rule::LINK_LEAVES_PROJECT, link, message, "remove it, or let it lead to a file of the project")
}

fn missing(facts: &Facts, path: &str) -> Problem {
    let below = |link: &String| path == link || path.strip_prefix(link.as_str()).is_some_and(|r| r.starts_with('/'));
    if let Some(link) = facts.passed_over.iter().find(|link| below(link)) {
        let message =
            format!("`{path}` is not there: `{link}` is a link or a special file, and these are not followed");
        return Problem::at(Rule::REQUIRED_PATH, path, message, "submit plain files and folders");
    }
    let entries = || facts.files.iter().chain(&facts.folders);
    let other_case = entries().find(|entry| entry.to_lowercase() == path.to_lowercase());
    let deeper = entries().filter_map(|entry| entry.strip_suffix(path)?.strip_suffix('/')).min_by_key(|top| top.len());
    let hint = match (other_case, deeper) {
        (Some(other), _) => format!("rename `{}`: upper and lower case matter", shown(other)),
        (None, Some(deeper)) => {
            let folder = shown(&joined(facts.folder.as_ref(), deeper));
            format!("it is there below `{folder}`: choose that folder, with `folder`")
        }
        (None, None) => match &facts.folder {
            Some(folder) => format!("add `{path}` in `{}`, or choose another folder", shown(folder.as_str())),
            None => format!("add `{path}`, at the top of what you submit"),
        },
    };
    Problem::at(Rule::REQUIRED_PATH, path, format!("`{path}` is not there"), hint)
}

fn wrong_count(facts: &Facts, rule: &Contains) -> Option<Problem> {
    let found = found(facts, rule);
    let count = total(found);
    if count >= rule.min && rule.max.is_none_or(|max| count <= max) {
        return None;
    }
    let Contains { id, text, glob, min, max, .. } = rule;
    let least = if max.is_some() { "" } else { "at least " };
    let message = if count == 0 {
        let matcher = Matcher::new(glob);
        let looked = facts.files.iter().filter(|path| matcher.is_match(path)).count() as u64;
        format!(
            "{id}: `{text}` is in none of the files that match `{glob}` ({}), it must be there {least}{}",
            files(looked),
            times(*min)
        )
    } else {
        let wanted = max.unwrap_or(*min);
        format!("{id}: `{text}` is there {}, it must be {least}{}: {}", times(count), times(wanted), places(found))
    };
    let path = found.first().map(|(path, _)| shown(path));
    Some(Problem { path, ..Problem::new(Rule::REQUIRED_TEXT, message, rule.hint.as_str()) })
}

/// What a person should know of a text that is there more often than it must be.
fn several(facts: &Facts, rule: &Contains) -> Option<String> {
    let found = found(facts, rule);
    let warning = rule.several.as_ref().filter(|_| total(found) > rule.min)?;
    Some(format!("{}: `{}` is there {}, in {}: {warning}", rule.id, rule.text, times(total(found)), places(found)))
}

fn found<'a>(facts: &'a Facts, rule: &Contains) -> &'a [(String, u64)] {
    facts.found.get(&rule.id).map(Vec::as_slice).unwrap_or_default()
}

fn total(found: &[(String, u64)]) -> u64 {
    found.iter().map(|(_, count)| count).sum()
}

fn places(found: &[(String, u64)]) -> String {
    let named: Vec<_> = found.iter().take(NAMED_MAX).map(|(path, _)| shown(path)).collect();
    let more = if found.len() > named.len() { ", ..." } else { "" };
    format!("{}{more}", named.join(", "))
}

fn files(count: u64) -> String {
    match count {
        0 => "no files".to_owned(),
        1 => "1 file".to_owned(),
        many => format!("{many} files"),
    }
}

fn times(count: u64) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        many => format!("{many} times"),
    }
}

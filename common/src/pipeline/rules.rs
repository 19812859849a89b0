//! `rules`: which of them fits a step, and what it changes. Judged once, when the plan is made.

use std::collections::{BTreeMap, BTreeSet};

use globset::GlobBuilder;

use super::{
    context::{Changed, Context},
    diagnostic::Code,
    expr::{self, Expr},
    fields::{self, list, mapping, text},
    keys,
    model::{AllowFailure, When},
    problems::{At, Place, Problems, quoted},
    step::{self, RawNeed},
    vars::{self, Variables},
    yaml::{Node, Value},
};

/// The most patterns of `exists` and `changes`: GitLab's limit.
const PATTERNS_MAX: usize = 50;
/// More comparisons than this are not made, and the rule fits: GitLab's limit.
const COMPARISONS_MAX: usize = 50_000;

/// What a rule says of `when`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuleWhen {
    Never,
    Run(When),
}

/// One rule.
#[derive(Clone)]
pub(crate) struct RawRule {
    pub condition: Option<Expr>,
    pub exists: Option<Vec<At<String>>>,
    pub changes: Option<RawChanges>,
    pub when: Option<RuleWhen>,
    pub start_in_seconds: Option<u64>,
    pub allow_failure: Option<AllowFailure>,
    pub variables: Variables,
    pub needs: Option<Vec<RawNeed>>,
    pub interruptible: Option<bool>,
}

/// `changes` of a rule.
#[derive(Clone)]
pub(crate) struct RawChanges {
    patterns: Vec<At<String>>,
    compare_to: Option<At<String>>,
    at: Place,
}

/// Reads `rules` of a step.
pub(crate) fn read(node: &Node, problems: &mut Problems<'_>) -> Option<Vec<RawRule>> {
    let items = flattened(list(node, "`rules`", problems)?, 0);
    Some(items.into_iter().filter_map(|item| read_rule(item, &keys::RULE, problems)).collect())
}

/// Reads `workflow: rules`, where a rule says no more than whether there is a pipeline.
pub(crate) fn read_workflow(node: &Node, problems: &mut Problems<'_>) -> Option<Vec<RawRule>> {
    let items = flattened(list(node, "`rules`", problems)?, 0);
    Some(items.into_iter().filter_map(|item| read_rule(item, &keys::WORKFLOW_RULE, problems)).collect())
}

/// Lists in the list, from anchors and references, are part of it.
fn flattened(items: &[Node], depth: usize) -> Vec<&Node> {
    let inner = |item: &'_ Node| matches!(item.value, Value::List(_)) && depth < 10;
    items
        .iter()
        .flat_map(|item| match &item.value {
            Value::List(more) if inner(item) => flattened(more, depth + 1),
            _ => vec![item],
        })
        .collect()
}

fn read_rule(node: &Node, keys: &fields::Keys, problems: &mut Problems<'_>) -> Option<RawRule> {
    if !mapping(node, keys, problems) {
        return None;
    }
    if let Value::Map(entries) = &node.value
        && entries.is_empty()
    {
        problems.error(Code::InvalidValue, node.at, "a rule says something").help("write `- when: always`");
    }
    let when = node.get("when").and_then(|node| read_when(node, keys, problems));
    Some(RawRule {
        condition: node.get("if").and_then(|node| read_condition(node, problems)),
        exists: node.get("exists").and_then(|node| patterns(node, "`exists`", problems)),
        changes: node.get("changes").and_then(|node| read_changes(node, problems)),
        when,
        start_in_seconds: step::read_start_in(node, of_rule(when), problems),
        allow_failure: node.get("allow_failure").and_then(|node| step::read_allow_failure(node, problems)),
        variables: node.get("variables").map(|node| vars::read(node, problems)).unwrap_or_default(),
        needs: node.get("needs").and_then(|node| step::read_needs(node, problems)),
        interruptible: node.get("interruptible").and_then(|n| fields::boolean(n, "`interruptible`", problems)),
    })
}

fn of_rule(when: Option<RuleWhen>) -> Option<When> {
    match when {
        Some(RuleWhen::Run(when)) => Some(when),
        Some(RuleWhen::Never) | None => None,
    }
}

fn read_when(node: &Node, keys: &fields::Keys, problems: &mut Problems<'_>) -> Option<RuleWhen> {
    if matches!(&node.value, Value::Scalar { text, .. } if text == "never") {
        return Some(RuleWhen::Never);
    }
    if keys.of == keys::WORKFLOW_RULE.of {
        let always = [("always", RuleWhen::Run(When::Always))];
        return fields::one_of(node, "`when`", &always, problems);
    }
    step::read_when(node, problems).map(RuleWhen::Run)
}

fn read_condition(node: &Node, problems: &mut Problems<'_>) -> Option<Expr> {
    let written = text(node, "`if`", problems)?;
    match expr::parse(&written.value) {
        Ok(read) => Some(read),
        Err(fault) => {
            let at = problems.inside(node.at, &written.value, fault.at);
            problems
                .error(Code::BadExpression, at, fault.message)
                .help("a condition is written like `$CI_COMMIT_BRANCH == \"main\" && $DEPLOY`");
            None
        }
    }
}

fn read_changes(node: &Node, problems: &mut Problems<'_>) -> Option<RawChanges> {
    let (paths, compare_to) = match &node.value {
        Value::Map(_) if mapping(node, &keys::CHANGES, problems) => {
            let compare_to = node.get("compare_to").and_then(|node| text(node, "`compare_to`", problems));
            (fields::required(node, "paths", keys::CHANGES.of, problems)?, compare_to)
        }
        _ => (node, None),
    };
    let patterns = patterns(paths, "`changes`", problems)?;
    Some(RawChanges { patterns, compare_to, at: node.at })
}

/// Says where `changes` of these rules does not decide, and why.
pub(crate) fn check_changes(
    rules: &[RawRule],
    variables: &BTreeMap<String, String>,
    context: &Context,
    problems: &mut Problems<'_>,
) {
    for changes in rules.iter().filter_map(|rule| rule.changes.as_ref()) {
        let compared = changes.compared(variables, &context.changes);
        if let (Some(Changed::NoSuchRef), Some(named)) = (compared, &changes.compare_to) {
            problems
                .error(Code::InvalidValue, named.at, format!("the repository has no ref {}", quoted(&named.value)))
                .help("`compare_to` names a branch, a tag or a commit");
            continue;
        }
        let why = match compared {
            Some(Changed::Paths(_) | Changed::NoSuchRef) => continue,
            Some(Changed::Unknown(why)) => why.as_str(),
            None if context.is_clone && changes.compare_to.is_none() => {
                "it has no `compare_to`, and this job was made by no push"
            }
            None => "nobody knows what an upload was changed from",
        };
        problems
            .warning(Code::Notice, changes.at, format!("`changes` always holds here: {why}"))
            .help("with `if` or `exists` beside it, these decide");
    }
}

impl RawChanges {
    fn compared<'c>(
        &self,
        variables: &BTreeMap<String, String>,
        changes: &'c BTreeMap<String, Changed>,
    ) -> Option<&'c Changed> {
        changes.get(&known_variables(&self.compare_to.as_ref()?.value, variables))
    }

    /// What is not known to be unchanged has changed, as in GitLab for a pipeline that is no push.
    fn hold(&self, variables: &BTreeMap<String, String>, changes: &BTreeMap<String, Changed>) -> bool {
        match self.compared(variables, changes) {
            Some(Changed::Paths(paths)) => match_any(&self.patterns, variables, paths),
            Some(Changed::NoSuchRef | Changed::Unknown(_)) | None => true,
        }
    }
}

fn patterns(node: &Node, what: &str, problems: &mut Problems<'_>) -> Option<Vec<At<String>>> {
    let node = match &node.value {
        Value::Map(_) if mapping(node, &keys::EXISTS, problems) => {
            fields::required(node, "paths", keys::EXISTS.of, problems)?
        }
        _ => node,
    };
    list(node, what, problems)?;
    let found = fields::texts(node, what, problems)?;
    if found.len() > PATTERNS_MAX {
        let message = format!("{what} has {} patterns, at most {PATTERNS_MAX} are looked at", found.len());
        problems.error(Code::InvalidValue, node.at, message);
    }
    Some(found)
}

/// The first rule that fits; `None`: none does.
pub(crate) fn fitting<'r>(
    rules: &'r [RawRule],
    variables: &BTreeMap<String, String>,
    context: &Context,
) -> Option<&'r RawRule> {
    rules.iter().find(|rule| {
        let condition = rule.condition.as_ref().is_none_or(|condition| condition.holds(variables));
        condition
            && rule.exists.as_ref().is_none_or(|patterns| match_any(patterns, variables, &context.files))
            && rule.changes.as_ref().is_none_or(|changes| changes.hold(variables, &context.changes))
    })
}

/// Whether one of these patterns is one of these files.
fn match_any(patterns: &[At<String>], variables: &BTreeMap<String, String>, files: &BTreeSet<String>) -> bool {
    if patterns.len().saturating_mul(files.len()) > COMPARISONS_MAX {
        return true;
    }
    patterns.iter().any(|pattern| {
        let pattern = known_variables(&pattern.value, variables);
        match pattern.strip_suffix('/') {
            Some(folder) => files.iter().any(|file| file.starts_with(&format!("{folder}/"))),
            None => match GlobBuilder::new(&pattern).literal_separator(true).build() {
                Ok(glob) => {
                    let glob = glob.compile_matcher();
                    files.iter().any(|file| glob.is_match(file))
                }
                Err(_) => files.contains(&pattern),
            },
        }
    })
}

/// What GitLab itself puts in: a variable that it does not know stays as it is written.
pub(crate) fn known_variables(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut names: Vec<&String> = variables.keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.into_iter().fold(text.to_owned(), |text, name| {
        let value = &variables[name];
        text.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value)
    })
}

/// What a step runs under: the rule's word, else the step's own.
pub(crate) fn decided(
    rule: Option<&RawRule>,
    own: Option<When>,
    allowed: Option<&AllowFailure>,
) -> (When, AllowFailure) {
    let by_rule = rule.and_then(|rule| match rule.when {
        Some(RuleWhen::Run(when)) => Some(when),
        Some(RuleWhen::Never) | None => None,
    });
    let when = by_rule.or(own).unwrap_or_default();
    let by_default = if own == Some(When::Manual) { AllowFailure::Yes } else { AllowFailure::No };
    let allow_failure =
        rule.and_then(|rule| rule.allow_failure.clone()).or_else(|| allowed.cloned()).unwrap_or(by_default);
    (when, allow_failure)
}

/// Says that a step can never run: each of its rules says `never`.
pub(crate) fn check_possible(name: &At<String>, rules: &[RawRule], at: Place, problems: &mut Problems<'_>) {
    if !rules.is_empty() && rules.iter().all(|rule| rule.when == Some(RuleWhen::Never)) {
        let message = format!("step {} can never run: each of its rules says `never`", quoted(&name.value));
        problems.warning(Code::Notice, at, message);
    }
}

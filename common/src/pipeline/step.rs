//! One step out of the tree, every value that is named in a later message with its place. Names are not looked up here.

use std::collections::BTreeMap;

use super::{
    cache::{self, Cache, RawCache},
    diagnostic::Code,
    expr,
    extension::Extension,
    fields::{self, globs, list, mapping, one_of, text, wrong_type},
    keys,
    matrix::{self, Parallel, Row},
    model::{AllowFailure, Artifacts, ArtifactsWhen, CoverageReport, FindingsFormat, FoundReports, Retry, When},
    only::{self, Refs},
    problems::{At, Problems, quoted},
    retry,
    rules::{self, RawRule},
    service::{self, RawService, Service},
    units,
    vars::{self, Variables},
    yaml::{Node, Value},
};
use crate::findings::code_coverage::CoverageFormat;

/// The longest that a step can be delayed, in seconds: GitLab's limit.
pub(crate) const START_IN_MAX: u64 = 7 * 24 * 60 * 60;

/// The longest name of a resource group, in bytes: GitLab's limit.
pub(crate) const GROUP_MAX: usize = 255;

/// Reports with findings that a step of a project's own may leave.
const FINDINGS: [(&str, FindingsFormat); 6] = [
    ("sast", FindingsFormat::Gitlab),
    ("secret_detection", FindingsFormat::Gitlab),
    ("dependency_scanning", FindingsFormat::Gitlab),
    ("container_scanning", FindingsFormat::Gitlab),
    ("dast", FindingsFormat::Gitlab),
    ("codequality", FindingsFormat::CodeQuality),
];

/// A step as it is written, templates and defaults laid below it.
#[derive(Clone)]
pub(crate) struct RawStep {
    pub name: At<String>,
    pub stage: Option<At<String>>,
    pub image: Option<At<String>>,
    /// As they are written.
    pub services: Vec<RawService>,
    /// What they come to, once variables are known.
    pub beside: Vec<Service>,
    pub script: Vec<String>,
    pub before_script: Vec<String>,
    pub after_script: Vec<String>,
    /// Its own.
    pub variables: Variables,
    /// Which of those at the top it has besides.
    pub inherit_variables: Inherit,
    /// All that count, once they are known.
    pub environment: BTreeMap<String, String>,
    pub needs: Option<Vec<RawNeed>>,
    pub dependencies: Option<Vec<At<String>>>,
    pub rules: Option<Vec<RawRule>>,
    /// `only` and `except`.
    pub refs: Option<Refs>,
    pub parallel: Option<Parallel>,
    /// `None`: it does not say.
    pub when: Option<When>,
    /// What is asked before it is started by hand.
    pub manual_confirmation: Option<String>,
    pub start_in_seconds: Option<u64>,
    pub resource_group: Option<At<String>>,
    pub coverage: Option<String>,
    /// `None`: it does not say.
    pub interruptible: Option<bool>,
    pub allow_failure: Option<AllowFailure>,
    pub timeout_seconds: Option<u64>,
    pub retry: Option<Retry>,
    pub artifacts: Artifacts,
    /// As they are written.
    pub caches: Vec<RawCache>,
    /// What they come to, once variables are known.
    pub kept: Vec<Cache>,
    pub ours: Extension,
}

impl RawStep {
    /// No newer job ends one with this step.
    pub fn never_superseded(&mut self) {
        self.interruptible = None;
        self.rules.iter_mut().flatten().for_each(|rule| rule.interruptible = None);
    }
}

/// What of `default` or of the variables at the top counts for a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Inherit {
    #[default]
    All,
    Nothing,
    Only(Vec<String>),
}

impl Inherit {
    /// Whether this name does.
    pub fn takes(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Only(names) => names.iter().any(|own| own == name),
        }
    }

    /// Reads one half of `inherit`.
    pub fn read(step: &Node, half: &str, problems: &mut Problems<'_>) -> Self {
        let inherit = step.get("inherit").filter(|inherit| mapping(inherit, &keys::INHERIT, problems));
        let Some(node) = inherit.and_then(|inherit| inherit.get(half)) else { return Self::All };
        let what = format!("`inherit: {half}`");
        if let Value::List(_) = &node.value {
            let names = fields::texts(node, &what, problems).unwrap_or_default();
            return Self::Only(names.into_iter().map(|name| name.value).collect());
        }
        match fields::boolean(node, &what, problems) {
            Some(false) => Self::Nothing,
            _ => Self::All,
        }
    }
}

/// An item of `needs`.
#[derive(Clone)]
pub(crate) struct RawNeed {
    pub step: At<String>,
    pub optional: bool,
    pub artifacts: bool,
    /// Which instances of a step with a matrix; `None`: all.
    pub picked: Option<Vec<Row>>,
}

/// Reads the step; what does not fit is noted and left out.
pub(crate) fn read(name: At<String>, node: &Node, ours: Extension, problems: &mut Problems<'_>) -> RawStep {
    mapping(node, &keys::STEP, problems);
    notices(node, problems);
    let when = node.get("when").and_then(|node| read_when(node, problems));
    let mut lines = |key| node.get(key).map(|node| script(node, key, problems)).unwrap_or_default();
    let (before_script, after_script) = (lines("before_script"), lines("after_script"));
    let rules = node.get("rules").and_then(|node| rules::read(node, problems));
    if let (Some(rules), Some(written)) = (&rules, node.get("rules")) {
        rules::check_possible(&name, rules, written.at, problems);
    }
    RawStep {
        script: read_script(node, &name, problems),
        before_script,
        after_script,
        stage: node.get("stage").and_then(|node| text(node, "`stage`", problems)),
        image: read_image(node, &name, problems),
        services: node.get("services").map(|node| service::read(node, problems)).unwrap_or_default(),
        beside: Vec::new(),
        variables: node.get("variables").map(|node| vars::read(node, problems)).unwrap_or_default(),
        inherit_variables: Inherit::read(node, "variables", problems),
        environment: BTreeMap::new(),
        needs: node.get("needs").and_then(|node| read_needs(node, problems)),
        dependencies: node.get("dependencies").and_then(|node| read_dependencies(node, problems)),
        rules,
        refs: only::read(node, problems),
        parallel: node.get("parallel").and_then(|node| matrix::read(node, problems)),
        when,
        manual_confirmation: read_confirmation(node, problems),
        start_in_seconds: read_start_in(node, when, problems),
        resource_group: node.get("resource_group").and_then(|node| read_group(node, problems)),
        coverage: node.get("coverage").and_then(|node| read_coverage(node, problems)),
        interruptible: node.get("interruptible").and_then(|n| fields::boolean(n, "`interruptible`", problems)),
        allow_failure: node.get("allow_failure").and_then(|n| read_allow_failure(n, problems)),
        timeout_seconds: node.get("timeout").and_then(|node| read_timeout(node, problems)),
        retry: node.get("retry").and_then(|node| retry::read(node, problems)),
        artifacts: node.get("artifacts").map(|node| read_artifacts(node, problems)).unwrap_or_default(),
        caches: node.get("cache").map(|node| cache::read(node, problems)).unwrap_or_default(),
        kept: Vec::new(),
        name,
        ours,
    }
}

/// What is read, runs without, and is said: a step means the same with and without these.
fn notices(node: &Node, problems: &mut Problems<'_>) {
    for (key, says) in keys::WITHOUT_EFFECT {
        let Some(entry) = node.entries().iter().find(|entry| entry.key == *key) else { continue };
        problems.warning(Code::Notice, entry.key_at, format!("{} has no effect here: {says}", quoted(key)));
    }
}

fn read_dependencies(node: &Node, problems: &mut Problems<'_>) -> Option<Vec<At<String>>> {
    list(node, "`dependencies`", problems)?;
    fields::texts(node, "`dependencies`", problems)
}

fn read_script(node: &Node, name: &At<String>, problems: &mut Problems<'_>) -> Vec<String> {
    let Some(node) = node.get("script") else {
        problems
            .error(Code::MissingKey, name.at, format!("step {} has no `script`", quoted(&name.value)))
            .help("a step runs at least one command; a template that is not to run has a name with a leading dot");
        return Vec::new();
    };
    let lines = script(node, "script", problems);
    let blank = match &node.value {
        Value::List(items) => items.iter().all(|item| matches!(&item.value, Value::Null)) || is_blank(&lines),
        Value::Scalar { .. } => is_blank(&lines),
        Value::Null | Value::Map(_) => false,
    };
    if blank {
        let message = format!("the script of step {} has no command", quoted(&name.value));
        problems.error(Code::EmptyScript, node.at, message);
    }
    lines
}

fn is_blank(lines: &[String]) -> bool {
    !lines.is_empty() && lines.iter().all(|line| line.trim().is_empty())
}

/// The lines of a script. Lists in the list (from anchors) are flattened, as GitLab does.
fn script(node: &Node, key: &str, problems: &mut Problems<'_>) -> Vec<String> {
    match &node.value {
        Value::Scalar { text, .. } => vec![text.clone()],
        Value::List(items) => items.iter().flat_map(|item| script(item, key, problems)).collect(),
        Value::Map(_) => {
            problems
                .error(Code::WrongType, node.at, format!("a command in `{key}` is a text, here is a mapping"))
                .help("a command with `: ` in it has to stand in quotes");
            Vec::new()
        }
        Value::Null => {
            wrong_type(node, &format!("a command in `{key}`"), "a text", problems);
            Vec::new()
        }
    }
}

fn read_image(node: &Node, name: &At<String>, problems: &mut Problems<'_>) -> Option<At<String>> {
    let Some(image) = node.get("image") else {
        let message = format!("step {} has no `image`, and `default` has none", quoted(&name.value));
        problems.error(Code::MissingKey, name.at, message);
        return None;
    };
    let image = match &image.value {
        Value::Map(_) if mapping(image, &keys::IMAGE, problems) => {
            check_image(image, problems);
            fields::required(image, "name", "`image`", problems)?
        }
        _ => image,
    };
    let written = text(image, "`image`", problems)?;
    if written.value.starts_with('-') || written.value.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let message = format!("{} is no image reference", quoted(&written.value));
        problems.error(Code::InvalidValue, written.at, message);
        return None;
    }
    Some(written)
}

/// The long form says what is so anyway: the image's own entry point is never asked, and what is there is not pulled again.
fn check_image(image: &Node, problems: &mut Problems<'_>) {
    if let Some(entrypoint) = image.get("entrypoint") {
        let parts = fields::texts_or_empty(entrypoint, "`entrypoint`", problems).unwrap_or_default();
        if parts.iter().any(|part| !part.is_empty()) {
            problems
                .error(
                    Code::NotSupported,
                    entrypoint.at,
                    "an entry point of an image is never run: a shell is the first program",
                )
                .help("write `entrypoint: [\"\"]`, or leave it out, and begin the script with that program");
        }
    }
    if let Some(policy) = image.get("pull_policy") {
        fields::check_pull_policy(policy, problems);
    }
}

pub(crate) fn read_when(node: &Node, problems: &mut Problems<'_>) -> Option<When> {
    if let Value::Scalar { text, .. } = &node.value
        && text == "never"
    {
        problems
            .error(Code::NotSupported, node.at, "`when: never` is not supported here")
            .help("it is for `rules`; a step that never runs can be left out, or named with a leading dot");
        return None;
    }
    let choices = [
        ("on_success", When::OnSuccess),
        ("on_failure", When::OnFailure),
        ("always", When::Always),
        ("manual", When::Manual),
        ("delayed", When::Delayed),
    ];
    one_of(node, "`when`", &choices, problems)
}

fn read_confirmation(step: &Node, problems: &mut Problems<'_>) -> Option<String> {
    text(step.get("manual_confirmation")?, "`manual_confirmation`", problems).map(|text| text.value)
}

fn read_group(node: &Node, problems: &mut Problems<'_>) -> Option<At<String>> {
    let group = text(node, "`resource_group`", problems)?;
    check_group(&group, problems).then_some(group)
}

/// GitLab's rule for the name of a resource group, as it is written and as it comes out.
pub(crate) fn check_group(group: &At<String>, problems: &mut Problems<'_>) -> bool {
    let known = |c: char| c.is_alphanumeric() || "-_/${}. ".contains(c);
    let name = group.value.as_str();
    let fits = name.chars().all(known) && !name.starts_with('/') && !name.ends_with('/') && name.len() <= GROUP_MAX;
    if !fits {
        let message = format!("{} is no name of a resource group", quoted(name));
        problems
            .error(Code::InvalidValue, group.at, message)
            .help("a name has letters, digits, blanks and `-_/${}.`, at most 255 bytes, and no `/` at its ends");
    }
    fits
}

/// The time that a step or rule with `when: delayed` names; GitLab wants it there and nowhere else.
pub(crate) fn read_start_in(node: &Node, when: Option<When>, problems: &mut Problems<'_>) -> Option<u64> {
    let delayed = when == Some(When::Delayed);
    let Some(written) = node.get("start_in") else {
        if delayed {
            let at = node.get("when").map_or(node.at, |when| when.at);
            problems
                .error(Code::MissingKey, at, "`when: delayed` has no `start_in` beside it")
                .help("write for how long it waits, such as `start_in: 30 minutes`");
        }
        return None;
    };
    if !delayed {
        problems
            .error(Code::InvalidValue, written.at, "`start_in` stands beside `when: delayed` alone")
            .help("write `when: delayed`, or leave `start_in` out");
        return None;
    }
    let seconds = read_timeout_as(written, "`start_in`", problems)?;
    if !(1..=START_IN_MAX).contains(&seconds) {
        problems.error(Code::InvalidValue, written.at, "`start_in` is at least one second, and at most a week");
        return None;
    }
    Some(seconds)
}

pub(crate) fn read_allow_failure(node: &Node, problems: &mut Problems<'_>) -> Option<AllowFailure> {
    if let Value::Map(_) = &node.value {
        mapping(node, &keys::ALLOW_FAILURE, problems);
        let codes = fields::required(node, "exit_codes", "`allow_failure`", problems)?;
        return fields::integers(codes, "an exit code", problems).map(AllowFailure::ExitCodes);
    }
    let allowed = fields::boolean(node, "`allow_failure`", problems)?;
    Some(if allowed { AllowFailure::Yes } else { AllowFailure::No })
}

fn read_timeout(node: &Node, problems: &mut Problems<'_>) -> Option<u64> {
    read_timeout_as(node, "`timeout`", problems)
}

fn read_timeout_as(node: &Node, what: &str, problems: &mut Problems<'_>) -> Option<u64> {
    let written = text(node, what, problems)?;
    match units::duration_seconds(&written.value) {
        Ok(seconds) => Some(seconds),
        Err(help) => {
            let message = format!("{} is no time span", quoted(&written.value));
            problems.error(Code::InvalidDuration, written.at, message).help(help);
            None
        }
    }
}

pub(crate) fn read_needs(node: &Node, problems: &mut Problems<'_>) -> Option<Vec<RawNeed>> {
    let items = list(node, "`needs`", problems)?;
    Some(items.iter().filter_map(|item| read_need(item, problems)).collect())
}

fn read_need(node: &Node, problems: &mut Problems<'_>) -> Option<RawNeed> {
    let Value::Map(_) = &node.value else {
        let step = text(node, "an item of `needs`", problems)?;
        return Some(RawNeed { step, optional: false, artifacts: true, picked: None });
    };
    mapping(node, &keys::NEED, problems);
    let job = fields::required(node, "job", "an item of `needs`", problems)?;
    let step = text(job, "`job`", problems)?;
    let picked = node.get("parallel").map(|node| matrix::read_matrix(node, problems));
    let mut flag = |key| node.get(key).and_then(|node| fields::boolean(node, &format!("`{key}`"), problems));
    let (optional, artifacts) = (flag("optional").unwrap_or(false), flag("artifacts").unwrap_or(true));
    Some(RawNeed { step, optional, artifacts, picked: picked.flatten() })
}

fn read_artifacts(node: &Node, problems: &mut Problems<'_>) -> Artifacts {
    mapping(node, &keys::ARTIFACTS, problems);
    let paths = node.get("paths").and_then(|node| glob_list(node, "`paths`", problems)).unwrap_or_default();
    let exclude = node.get("exclude").and_then(|node| glob_list(node, "`exclude`", problems)).unwrap_or_default();
    let reports = node.get("reports").filter(|reports| mapping(reports, &keys::REPORTS, problems));
    let mut report = |key, what| reports.and_then(|all| all.get(key)).and_then(|node| globs(node, what, problems));
    let (junit, dotenv) = (report("junit", "`junit`"), report("dotenv", "`dotenv`"));
    let findings = FINDINGS.iter().filter_map(|(key, format)| {
        let paths =
            reports.and_then(|all| all.get(key)).and_then(|node| globs(node, &quoted(key).to_string(), problems))?;
        Some(FoundReports { format: *format, paths })
    });
    let findings = findings.collect();
    let coverage = reports.and_then(|all| all.get("coverage_report"));
    let coverage = coverage.and_then(|node| read_coverage_report(node, problems));
    for key in keys::ARTIFACTS_WITHOUT_EFFECT {
        if let Some(entry) = node.entries().iter().find(|entry| entry.key == *key) {
            let message =
                format!("{} has no effect here: artifacts are listed by the step that made them", quoted(key));
            problems.warning(Code::Notice, entry.key_at, message);
        }
    }
    if let Some(expire) = node.get("expire_in") {
        read_expiry(expire, problems);
    }
    let choices = [
        ("on_success", ArtifactsWhen::OnSuccess),
        ("on_failure", ArtifactsWhen::OnFailure),
        ("always", ArtifactsWhen::Always),
    ];
    let when = node.get("when").and_then(|node| one_of(node, "`artifacts: when`", &choices, problems));
    let (junit, dotenv) = (junit.unwrap_or_default(), dotenv.unwrap_or_default());
    Artifacts { paths, exclude, when: when.unwrap_or_default(), junit, dotenv, coverage, findings }
}

/// A regular expression between slashes, as GitLab wants it.
fn read_coverage(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let written = text(node, "`coverage`", problems)?;
    match expr::regex(&written.value) {
        Ok(_) => Some(written.value),
        Err(why) => {
            problems
                .error(Code::InvalidValue, written.at, format!("`coverage` is no regular expression: {why}"))
                .help(r"write what your tool prints between slashes, such as `coverage: '/TOTAL.*\s(\d+%)$/'`");
            None
        }
    }
}

fn read_coverage_report(node: &Node, problems: &mut Problems<'_>) -> Option<CoverageReport> {
    if !mapping(node, &keys::COVERAGE_REPORT, problems) {
        return None;
    }
    let formats = [("cobertura", CoverageFormat::Cobertura), ("jacoco", CoverageFormat::Jacoco)];
    let format = fields::required(node, "coverage_format", keys::COVERAGE_REPORT.of, problems)?;
    let format = one_of(format, "`coverage_format`", &formats, problems)?;
    let path = fields::required(node, "path", keys::COVERAGE_REPORT.of, problems)?;
    Some(CoverageReport { format, path: fields::glob(path, "`path`", problems)? })
}

/// Artifacts live as long as their job, which the operator decides.
fn read_expiry(node: &Node, problems: &mut Problems<'_>) {
    if !matches!(&node.value, Value::Scalar { text, .. } if text == "never") {
        read_timeout_as(node, "`expire_in`", problems);
    }
    problems.warning(Code::Notice, node.at, "`expire_in` has no effect here: artifacts are kept as long as their job");
}

/// Only reports may be one text instead of a list, as in GitLab.
fn glob_list(node: &Node, what: &str, problems: &mut Problems<'_>) -> Option<Vec<String>> {
    list(node, what, problems)?;
    globs(node, what, problems)
}

//! What is ours and not GitLab's: the hidden key `.pipelinex`, which GitLab ignores, so that one file serves both.

use super::{
    Trust,
    diagnostic::Code,
    fields::{self, boolean, glob, list, mapping, one_of, parsed, text},
    keys,
    model::{FindingsFormat, FindingsReport, Network, StepKind, Target},
    problems::{At, Problems, quoted},
    units,
    yaml::{Entry, Node, Value},
};
use crate::database::{DatabaseKind, DatabaseVariables};

/// What `.pipelinex: jobs` says of one step.
#[derive(Clone, Default)]
pub(crate) struct Extension {
    pub kind: StepKind,
    pub network: Network,
    pub tree: Option<At<String>>,
    pub switch: Option<At<String>>,
    pub memory_bytes: Option<u64>,
    pub milli_cpus: Option<u64>,
    pub pids: Option<u64>,
    pub findings: Vec<FindingsReport>,
    pub advisories: bool,
    pub database: Option<At<DatabaseVariables>>,
    pub target: Option<RawTarget>,
}

/// A target as it is written.
#[derive(Clone)]
pub(crate) struct RawTarget {
    pub artifact_of: At<String>,
    pub target: Target,
}

impl Extension {
    /// What counts for a step that nothing is said of. One of a project has the way out that a build has, as far as the
    /// operator lets it.
    pub fn of(trust: Trust) -> Self {
        let network = if trust == Trust::Project { Network::Egress } else { Network::None };
        Self { network, ..Self::default() }
    }
}

/// The entries of `.pipelinex: jobs`.
pub(crate) fn jobs<'n>(node: &'n Node, trust: Trust, problems: &mut Problems<'_>) -> &'n [Entry] {
    mapping(node, if trust == Trust::Project { &keys::PROJECT_OURS } else { &keys::OURS }, problems);
    let Some(jobs) = node.get("jobs") else {
        return &[];
    };
    if !matches!(jobs.value, Value::Map(_)) {
        fields::wrong_type(jobs, "`.pipelinex: jobs`", "a mapping of steps", problems);
    }
    jobs.entries()
}

/// Variables by the kind of the database whose they are; those that stand alone are PostgreSQL's, as in older files.
fn database_variables(node: &Node, problems: &mut Problems<'_>) -> DatabaseVariables {
    let mut all = DatabaseVariables::new();
    let Value::Map(entries) = &node.value else {
        fields::wrong_type(node, "`database`", "a mapping", problems);
        return all;
    };
    let (of_kinds, alone): (Vec<Entry>, Vec<Entry>) =
        entries.iter().cloned().partition(|entry| matches!(entry.value.value, Value::Map(_)));
    let mut add = |kind, node: &Node, problems: &mut Problems<'_>| {
        let variables = super::vars::read(node, problems).into_iter().map(|(name, variable)| (name, variable.value));
        all.entry(kind).or_default().extend(variables);
    };
    if !alone.is_empty() {
        add(DatabaseKind::Postgresql, &Node { at: node.at, value: Value::Map(alone) }, problems);
    }
    for entry in &of_kinds {
        match entry.key.parse() {
            Ok(kind) => add(kind, &entry.value, problems),
            Err(unknown) => _ = problems.error(Code::UnknownKey, entry.key_at, format!("{unknown}")),
        }
    }
    all
}

/// Reads what a project says of one of its steps: as little as changes nothing of what it is trusted with.
pub(crate) fn read_project(node: &Node, problems: &mut Problems<'_>) -> Extension {
    for entry in node.entries().iter().filter(|entry| keys::BUILT_IN_ONLY.contains(&entry.key.as_str())) {
        let message = format!("{} is for built-in pipelines alone", quoted(&entry.key));
        let help = format!("leave it out; {} has: {}", keys::PROJECT_STEP.of, keys::PROJECT_STEP.known.join(", "));
        problems.error(Code::NotSupported, entry.key_at, message).help(help);
    }
    let theirs = |entry: &&Entry| !keys::BUILT_IN_ONLY.contains(&entry.key.as_str());
    let value = match &node.value {
        Value::Map(entries) => Value::Map(entries.iter().filter(theirs).cloned().collect()),
        other => other.clone(),
    };
    let node = Node { at: node.at, value };
    mapping(&node, &keys::PROJECT_STEP, problems);
    let networks = [("none", Network::None), ("egress", Network::Egress)];
    let network = node.get("network").and_then(|n| one_of(n, "`network`", &networks, problems));
    let network = network.unwrap_or(Extension::of(Trust::Project).network);
    let node = without(&node, "network");
    Extension { network, ..read(&node, problems) }
}

fn without(node: &Node, key: &str) -> Node {
    let entries = node.entries().iter().filter(|entry| entry.key != key).cloned().collect();
    Node { at: node.at, value: Value::Map(entries) }
}

/// Reads the entry of one step of a built-in pipeline.
pub(crate) fn read(node: &Node, problems: &mut Problems<'_>) -> Extension {
    mapping(node, &keys::OUR_STEP, problems);
    let kinds = [("normal", StepKind::Normal), ("scan", StepKind::Scan)];
    let networks = [("none", Network::None), ("egress", Network::Egress), ("internal", Network::Internal)];
    let sizes = "a size is written like `512m` or `2g`";
    let cpus = "CPUs are written like `2` or `0.5`";
    Extension {
        kind: node.get("kind").and_then(|n| one_of(n, "`kind`", &kinds, problems)).unwrap_or_default(),
        network: node.get("network").and_then(|n| one_of(n, "`network`", &networks, problems)).unwrap_or_default(),
        tree: node.get("tree").and_then(|n| text(n, "`tree`", problems)),
        switch: node.get("switch").and_then(|n| text(n, "`switch`", problems)),
        memory_bytes: node.get("memory").and_then(|n| parsed(n, "`memory`", sizes, units::bytes, problems)),
        milli_cpus: node.get("cpus").and_then(|n| parsed(n, "`cpus`", cpus, units::milli_cpus, problems)),
        pids: node.get("pids").and_then(|n| parsed(n, "`pids`", "a number from 1 on", positive, problems)),
        findings: node.get("findings").map(|n| findings(n, problems)).unwrap_or_default(),
        advisories: node.get("advisories").and_then(|n| boolean(n, "`advisories`", problems)).unwrap_or_default(),
        database: node.get("database").map(|n| At { value: database_variables(n, problems), at: n.at }),
        target: node.get("target").and_then(|n| target(n, problems)),
    }
}

fn positive(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number| *number > 0)
}

fn findings(node: &Node, problems: &mut Problems<'_>) -> Vec<FindingsReport> {
    let items = list(node, "`findings`", problems).unwrap_or_default();
    items.iter().filter_map(|item| findings_report(item, problems)).collect()
}

fn findings_report(node: &Node, problems: &mut Problems<'_>) -> Option<FindingsReport> {
    if !mapping(node, &keys::FINDINGS, problems) {
        return None;
    }
    let format = fields::required(node, "format", keys::FINDINGS.of, problems);
    let path = fields::required(node, "path", keys::FINDINGS.of, problems);
    let formats = [("sarif", FindingsFormat::Sarif), ("osv", FindingsFormat::Osv), ("wapiti", FindingsFormat::Wapiti)];
    let format = one_of(format?, "`format`", &formats, problems);
    let path = glob(path?, "`path`", problems);
    Some(FindingsReport { format: format?, path: path? })
}

const ALIAS_SHAPE: &str = "a host name of lower-case letters, digits and hyphens; `db`, `mysql`, `mariadb` and `redis` are taken, by the databases of projects that want one";

/// A host name that stands for the application alone on its network.
fn host_name(text: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = (1..=63).contains(&text.len()) && text.bytes().all(allowed);
    let framed = !text.starts_with('-') && !text.ends_with('-') && !text.bytes().all(|byte| byte.is_ascii_digit());
    (fits && framed && !DatabaseKind::ALL.iter().any(|kind| kind.alias() == text) && text != "localhost")
        .then(|| text.to_owned())
}

/// Where a target listens, unless its entry says otherwise.
const PORT_BY_DEFAULT: u16 = 8080;
/// Seconds a target has to come up: a large application was seen to take 9 on a busy machine of two cores.
const STARTUP_BY_DEFAULT: u64 = 60;

fn target(node: &Node, problems: &mut Problems<'_>) -> Option<RawTarget> {
    if !mapping(node, &keys::TARGET, problems) {
        return None;
    }
    let artifact_of = fields::required(node, "artifact_of", keys::TARGET.of, problems);
    let command = fields::required(node, "command", keys::TARGET.of, problems);
    let artifact_of = text(artifact_of?, "`artifact_of`", problems)?;
    let seconds = |text: &str| units::duration_seconds(text).ok();
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let path = |text: &str| (text.starts_with('/') && !text.contains(char::is_whitespace)).then(|| text.to_owned());
    let image = node.get("image").and_then(|n| text(n, "`image`", problems)).map(|image| image.value);
    let alias = node.get("alias").and_then(|n| parsed(n, "`alias`", ALIAS_SHAPE, host_name, problems));
    let target = Target {
        artifact_of: artifact_of.value.clone(),
        image,
        command: text(command?, "`command`", problems)?.value,
        port: node
            .get("port")
            .and_then(|n| parsed(n, "`port`", "a port is a number from 1 to 65535", port, problems))
            .unwrap_or(PORT_BY_DEFAULT),
        health: node
            .get("health")
            .and_then(|n| parsed(n, "`health`", "it is a path and begins with `/`", path, problems))
            .unwrap_or_else(|| "/".to_owned()),
        alias: alias.unwrap_or_else(|| "app".to_owned()),
        startup_seconds: node
            .get("startup")
            .and_then(|n| parsed(n, "`startup`", "a time span is written like `60s` or `2m`", seconds, problems))
            .unwrap_or(STARTUP_BY_DEFAULT),
        exists: node.get("exists").and_then(|n| glob(n, "`exists`", problems)),
        database: node.get("database").map(|n| database_variables(n, problems)).unwrap_or_default(),
    };
    Some(RawTarget { artifact_of, target })
}

//! What is ours and not GitLab's: the hidden key `.pipelinex`, which GitLab ignores, so that one file serves both.

use super::{
    fields::{self, glob, list, mapping, one_of, parsed, text},
    keys,
    model::{FindingsFormat, FindingsReport, Network, StepKind, Switch},
    problems::{At, Problems},
    units,
    yaml::{Entry, Node},
};

/// What `.pipelinex: jobs` says of one step.
#[derive(Default)]
pub(crate) struct Ours {
    pub kind: StepKind,
    pub network: Network,
    pub tree: Option<At<String>>,
    pub switch: Option<Switch>,
    pub memory_bytes: Option<u64>,
    pub milli_cpus: Option<u64>,
    pub pids: Option<u64>,
    pub findings: Vec<FindingsReport>,
}

/// The entries of `.pipelinex: jobs`.
pub(crate) fn jobs<'n>(node: &'n Node, problems: &mut Problems<'_>) -> &'n [Entry] {
    mapping(node, &keys::OURS, problems);
    let Some(jobs) = node.get("jobs") else {
        return &[];
    };
    if !matches!(jobs.value, super::yaml::Value::Map(_)) {
        fields::wrong_type(jobs, "`.pipelinex: jobs`", "a mapping of steps", problems);
    }
    jobs.entries()
}

/// Reads the entry of one step.
pub(crate) fn read(node: &Node, problems: &mut Problems<'_>) -> Ours {
    mapping(node, &keys::OUR_STEP, problems);
    let kinds = [("normal", StepKind::Normal), ("scan", StepKind::Scan)];
    let networks = [("none", Network::None), ("egress", Network::Egress), ("internal", Network::Internal)];
    let switches = Switch::ALL.map(|switch| (switch.as_str(), switch));
    let sizes = "a size is written like `512m` or `2g`";
    let cpus = "CPUs are written like `2` or `0.5`";
    Ours {
        kind: node.get("kind").and_then(|n| one_of(n, "`kind`", &kinds, problems)).unwrap_or_default(),
        network: node.get("network").and_then(|n| one_of(n, "`network`", &networks, problems)).unwrap_or_default(),
        tree: node.get("tree").and_then(|n| text(n, "`tree`", problems)),
        switch: node.get("switch").and_then(|n| one_of(n, "`switch`", &switches, problems)),
        memory_bytes: node.get("memory").and_then(|n| parsed(n, "`memory`", sizes, units::bytes, problems)),
        milli_cpus: node.get("cpus").and_then(|n| parsed(n, "`cpus`", cpus, units::milli_cpus, problems)),
        pids: node.get("pids").and_then(|n| parsed(n, "`pids`", "a number from 1 on", positive, problems)),
        findings: node.get("findings").map(|n| findings(n, problems)).unwrap_or_default(),
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
    let format = one_of(format?, "`format`", &[("sarif", FindingsFormat::Sarif)], problems);
    let path = glob(path?, "`path`", problems);
    Some(FindingsReport { format: format?, path: path? })
}

//! The words of the dialect: what it has, and what it knows from GitLab but does not run yet. A key that is in neither
//! list is refused, never ignored.

use super::fields::Keys;

/// The top of a file, besides steps and templates.
pub(crate) const FILE: Keys = Keys {
    of: "the file",
    known: &["stages", "default", "variables", ".pipelinex"],
    planned: &["include", "workflow", "spec", "services", "cache", "pages"],
};

/// Keys that GitLab once had at the top of a file and now has in `default`.
pub(crate) const MOVED_TO_DEFAULT: &[&str] = &["image", "before_script", "after_script"];

/// `default`.
pub(crate) const DEFAULT: Keys = Keys {
    of: "`default`",
    known: &["image", "before_script", "after_script", "timeout", "artifacts"],
    planned: &["cache", "hooks", "id_tokens", "identity", "interruptible", "retry", "services", "tags"],
};

/// A step.
pub(crate) const STEP: Keys = Keys {
    of: "a step",
    known: &[
        "stage",
        "image",
        "script",
        "before_script",
        "after_script",
        "variables",
        "needs",
        "when",
        "allow_failure",
        "timeout",
        "artifacts",
        "extends",
    ],
    planned: &[
        "cache",
        "coverage",
        "dependencies",
        "environment",
        "except",
        "hooks",
        "id_tokens",
        "identity",
        "inherit",
        "interruptible",
        "manual_confirmation",
        "only",
        "pages",
        "parallel",
        "publish",
        "release",
        "resource_group",
        "retry",
        "rules",
        "run",
        "secrets",
        "services",
        "start_in",
        "tags",
        "trigger",
    ],
};

/// `image` in its long form.
pub(crate) const IMAGE: Keys =
    Keys { of: "`image`", known: &["name"], planned: &["entrypoint", "docker", "kubernetes", "pull_policy"] };

/// An item of `needs` in its long form.
pub(crate) const NEED: Keys = Keys {
    of: "an item of `needs`",
    known: &["job", "optional", "artifacts"],
    planned: &["parallel", "pipeline", "project", "ref"],
};

/// `allow_failure` in its long form.
pub(crate) const ALLOW_FAILURE: Keys = Keys { of: "`allow_failure`", known: &["exit_codes"], planned: &[] };

/// `artifacts`.
pub(crate) const ARTIFACTS: Keys = Keys {
    of: "`artifacts`",
    known: &["paths", "exclude", "when", "reports"],
    planned: &["access", "expire_in", "expose_as", "name", "public", "untracked"],
};

/// `artifacts: reports`.
pub(crate) const REPORTS: Keys = Keys {
    of: "`artifacts: reports`",
    known: &["junit"],
    planned: &[
        "accessibility",
        "annotations",
        "api_fuzzing",
        "browser_performance",
        "codequality",
        "container_scanning",
        "coverage_fuzzing",
        "coverage_report",
        "cyclonedx",
        "dast",
        "dependency_scanning",
        "dotenv",
        "load_performance",
        "metrics",
        "performance",
        "repository_xray",
        "requirements",
        "sast",
        "secret_detection",
        "terraform",
    ],
};

/// `.pipelinex`: what is ours.
pub(crate) const OURS: Keys = Keys { of: "`.pipelinex`", known: &["jobs"], planned: &["defaults", "gate"] };

/// What is ours of one step.
pub(crate) const OUR_STEP: Keys = Keys {
    of: "a step's entry in `.pipelinex: jobs`",
    known: &[
        "kind",
        "network",
        "tree",
        "switch",
        "memory",
        "cpus",
        "pids",
        "findings",
        "advisories",
        "database",
        "target",
    ],
    planned: &["limits", "uses"],
};

/// A report with findings.
pub(crate) const FINDINGS: Keys = Keys { of: "a report in `findings`", known: &["format", "path"], planned: &[] };

/// The application beside a step.
pub(crate) const TARGET: Keys = Keys {
    of: "`target`",
    known: &["artifact_of", "image", "command", "port", "health", "alias", "startup", "database", "exists"],
    planned: &["services", "variables"],
};

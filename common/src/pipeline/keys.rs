//! The words of the dialect: what it has, and what it knows from GitLab but does not run yet. A key that is in neither
//! list is refused, never ignored.

use super::fields::Keys;

/// The top of a file, besides steps and templates.
pub(crate) const FILE: Keys = Keys {
    of: "the file",
    known: &["stages", "default", "variables", "workflow", "include", ".pipelinex"],
    planned: &["spec"],
};

/// Keys that GitLab once had at the top of a file and now has in `default`.
pub(crate) const MOVED_TO_DEFAULT: &[&str] = &["image", "services", "before_script", "after_script", "cache"];

/// `default`.
pub(crate) const DEFAULT: Keys = Keys {
    of: "`default`",
    known: &[
        "image",
        "services",
        "before_script",
        "after_script",
        "timeout",
        "artifacts",
        "tags",
        "interruptible",
        "cache",
        "retry",
    ],
    planned: &["hooks", "id_tokens", "identity"],
};

/// A step.
pub(crate) const STEP: Keys = Keys {
    of: "a step",
    known: &[
        "stage",
        "image",
        "services",
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
        "rules",
        "parallel",
        "dependencies",
        "inherit",
        "tags",
        "interruptible",
        "cache",
        "only",
        "except",
        "retry",
        "manual_confirmation",
        "start_in",
        "resource_group",
        "coverage",
    ],
    planned: &[
        "environment",
        "hooks",
        "id_tokens",
        "identity",
        "pages",
        "publish",
        "release",
        "run",
        "secrets",
        "trigger",
    ],
};

/// A variable in its long form.
pub(crate) const VARIABLE: Keys = Keys { of: "a variable", known: &["value", "expand"], planned: &[] };

/// The same at the top of a file.
pub(crate) const TOP_VARIABLE: Keys =
    Keys { of: "a variable", known: &["value", "description", "options", "expand"], planned: &[] };

/// `image` in its long form.
pub(crate) const IMAGE: Keys =
    Keys { of: "`image`", known: &["name", "entrypoint", "pull_policy"], planned: &["docker", "kubernetes"] };

/// A service in its long form.
pub(crate) const SERVICE: Keys = Keys {
    of: "a service",
    known: &["name", "alias", "entrypoint", "command", "variables", "pull_policy"],
    planned: &["docker", "kubernetes"],
};

/// An item of `needs` in its long form.
pub(crate) const NEED: Keys = Keys {
    of: "an item of `needs`",
    known: &["job", "optional", "artifacts", "parallel"],
    planned: &["pipeline", "project", "ref"],
};

/// `allow_failure` in its long form.
pub(crate) const ALLOW_FAILURE: Keys = Keys { of: "`allow_failure`", known: &["exit_codes"], planned: &[] };

/// `retry` in its long form.
pub(crate) const RETRY: Keys = Keys { of: "`retry`", known: &["max", "when", "exit_codes"], planned: &[] };

/// `artifacts`.
pub(crate) const ARTIFACTS: Keys = Keys {
    of: "`artifacts`",
    known: &["paths", "exclude", "when", "reports", "expire_in", "name", "expose_as", "public"],
    planned: &["access", "untracked"],
};

/// A cache.
pub(crate) const CACHE: Keys = Keys {
    of: "a cache",
    known: &["key", "fallback_keys", "paths", "policy", "when"],
    planned: &["untracked", "unprotect"],
};

/// The key of a cache, in its long form.
pub(crate) const CACHE_KEY: Keys =
    Keys { of: "the key of a cache", known: &["files", "prefix"], planned: &["files_commits"] };

/// Those that are read, and change nothing here.
pub(crate) const ARTIFACTS_WITHOUT_EFFECT: &[&str] = &["name", "expose_as", "public"];

/// `artifacts: reports`.
pub(crate) const REPORTS: Keys = Keys {
    of: "`artifacts: reports`",
    known: &[
        "junit",
        "dotenv",
        "coverage_report",
        "sast",
        "secret_detection",
        "dependency_scanning",
        "container_scanning",
        "dast",
        "codequality",
    ],
    planned: &[
        "accessibility",
        "annotations",
        "api_fuzzing",
        "browser_performance",
        "coverage_fuzzing",
        "cyclonedx",
        "load_performance",
        "metrics",
        "performance",
        "repository_xray",
        "requirements",
        "terraform",
    ],
};

/// `coverage_report`.
pub(crate) const COVERAGE_REPORT: Keys =
    Keys { of: "`coverage_report`", known: &["coverage_format", "path"], planned: &[] };

/// `.pipelinex`: what is ours.
pub(crate) const OURS: Keys = Keys { of: "`.pipelinex`", known: &["jobs"], planned: &["defaults", "gate"] };

/// `.pipelinex` in a project's own file.
pub(crate) const PROJECT_OURS: Keys =
    Keys { of: "`.pipelinex`", known: &["jobs", "stack", "versions"], planned: &["defaults", "gate", "folder"] };

/// What a project may say of one of its steps.
pub(crate) const PROJECT_STEP: Keys = Keys {
    of: "a step's entry in `.pipelinex: jobs`",
    known: &["network", "memory", "cpus", "pids"],
    planned: &["limits", "uses"],
};

/// What of a step's entry is for built-in pipelines alone: it says how far the step is trusted.
pub(crate) const BUILT_IN_ONLY: &[&str] = &["kind", "tree", "switch", "findings", "advisories", "database", "target"];

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

/// `inherit`.
pub(crate) const INHERIT: Keys = Keys { of: "`inherit`", known: &["default", "variables"], planned: &[] };

/// `workflow`.
pub(crate) const WORKFLOW: Keys = Keys { of: "`workflow`", known: &["rules", "name", "auto_cancel"], planned: &[] };

/// A rule of a step.
pub(crate) const RULE: Keys = Keys {
    of: "a rule",
    known: &["if", "exists", "changes", "when", "allow_failure", "variables", "needs", "start_in", "interruptible"],
    planned: &[],
};

/// `only` and `except` in their long form.
pub(crate) const REFS: Keys =
    Keys { of: "`only` and `except`", known: &["refs"], planned: &["variables", "changes", "kubernetes"] };

/// An item of `include`.
pub(crate) const INCLUDE: Keys = Keys {
    of: "an item of `include`",
    known: &["local", "rules", "inputs"],
    planned: &["remote", "project", "template", "component", "file", "ref", "integrity", "cache"],
};

/// What stands before an included file.
pub(crate) const SPEC_FILE: Keys = Keys { of: "what stands before the file", known: &["spec"], planned: &[] };

/// `spec`.
pub(crate) const SPEC: Keys = Keys { of: "`spec`", known: &["inputs"], planned: &["include", "component"] };

/// An input of an included file.
pub(crate) const INPUT: Keys =
    Keys { of: "an input", known: &["default", "type", "options", "regex", "description"], planned: &["rules"] };

/// `workflow: auto_cancel`.
pub(crate) const AUTO_CANCEL: Keys =
    Keys { of: "`auto_cancel`", known: &["on_new_commit"], planned: &["on_job_failure"] };

/// A rule of `workflow`.
pub(crate) const WORKFLOW_RULE: Keys = Keys {
    of: "a rule of `workflow`",
    known: &["if", "exists", "changes", "when", "variables"],
    planned: &["auto_cancel"],
};

/// `changes` of a rule, in its long form.
pub(crate) const CHANGES: Keys = Keys { of: "`changes`", known: &["paths", "compare_to"], planned: &[] };

/// `exists` of a rule, in its long form.
pub(crate) const EXISTS: Keys = Keys { of: "`exists`", known: &["paths"], planned: &["project", "ref"] };

/// Keys of a step that are read, and change nothing here: what each would have done.
pub(crate) const WITHOUT_EFFECT: &[(&str, &str)] = &[("tags", "every worker runs every step")];

/// What to write in place of a key that GitLab has, and that is not supported.
pub(crate) fn instead_of(key: &str) -> Option<&'static str> {
    Some(match key {
        "kubernetes" | "changes" => {
            "write `rules:`, which says for which branches, files and variables a step is there"
        }
        "remote" | "project" | "template" | "component" => {
            "copy the file into the project, and include it with `local`: nothing is fetched to make a plan"
        }
        "spec" => "it is for a file that another one includes",
        "trigger" => "one job has one pipeline: write the steps of the other into this file",
        "environment" | "release" | "pages" => "nothing is deployed from here: leave it out, and do so in the script",
        "secrets" | "id_tokens" => "there is no vault to ask: set a variable with `-e NAME=VALUE`",
        "untracked" => "name what is kept with `paths`",
        "unprotect" => "refs that the project does not trust have caches of their own: leave it out",
        "files_commits" => "write `files`, whose content is looked at",
        _ => return None,
    })
}

//! What the list of jobs is narrowed by: what became of them, project, branch, a text.

use pipelinex_common::{
    headline::{self, Outcome},
    id::JobId,
    store::JobView,
};
use serde::Deserialize;

use crate::{error::ApiError, pages::lines::quoted};

/// What is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// One of the groups.
    #[serde(default)]
    pub state: String,
    /// A project, whole.
    #[serde(default)]
    pub project: String,
    /// A branch, whole.
    #[serde(default)]
    pub branch: String,
    /// A part of id, project, branch, commit or what is said of a job.
    #[serde(default)]
    pub q: String,
    /// The last job of the page before.
    #[serde(default)]
    pub cursor: String,
}

/// A group of jobs to choose.
pub struct Chip {
    /// The class of its state; empty for all jobs.
    pub class: &'static str,
    /// What it is called.
    pub label: &'static str,
    /// Where it is.
    pub address: String,
    /// Whether it is the one that is shown.
    pub chosen: bool,
}

/// The groups: how each is called in an address and on the page, and what belongs to it.
const GROUPS: [(&str, &str, &str, &[Outcome]); 7] = [
    ("running", "run", "Running", &[Outcome::Running]),
    ("queued", "queue", "Queued", &[Outcome::Queued]),
    ("failed", "fail", "Failed", &[Outcome::Failed, Outcome::FailedByGate]),
    ("findings", "find", "With findings", &[Outcome::PassedWithFindings]),
    ("passed", "pass", "Passed", &[Outcome::Passed]),
    ("broke", "broke", "Tool broke", &[Outcome::ToolBroke, Outcome::WeBroke]),
    ("canceled", "cancel", "Canceled", &[Outcome::Canceled]),
];

/// Which jobs are wanted, checked.
#[derive(Clone, Debug)]
pub struct Filter {
    wish: Wish,
    outcomes: Option<&'static [Outcome]>,
    text: String,
    /// Only those that are older than this one.
    pub before: Option<JobId>,
}

impl Wish {
    /// Checked.
    ///
    /// # Errors
    /// 400 for a group that there is not, and a cursor that is none.
    pub fn check(&self) -> Result<Filter, ApiError> {
        let malformed = |detail: String| ApiError::Malformed { code: "query", detail };
        let group = GROUPS.iter().find(|(name, ..)| *name == self.state);
        if group.is_none() && !self.state.is_empty() {
            let names = GROUPS.map(|(name, ..)| name).join(", ");
            return Err(malformed(format!("`state` is one of {names}")));
        }
        let before = (!self.cursor.is_empty()).then(|| self.cursor.parse()).transpose();
        let before = before.map_err(|_| malformed("`cursor` is the one of a link to older jobs".to_owned()))?;
        let text = self.q.trim().to_lowercase();
        Ok(Filter { wish: self.clone(), outcomes: group.map(|group| group.3), text, before })
    }

    /// The groups, each with the address that keeps the rest of what is asked for.
    pub fn chips(&self) -> Vec<Chip> {
        let chip = |name: &str, class, label| Chip {
            class,
            label,
            address: format!("/{}", Wish { state: name.to_owned(), ..self.clone() }.query("")),
            chosen: self.state == name,
        };
        let groups = GROUPS.iter().map(|(name, class, label, _)| chip(name, class, label));
        std::iter::once(chip("", "", "All")).chain(groups).collect()
    }

    /// The command that lists the same, as far as there is one.
    pub fn command(&self) -> String {
        let state = match self.state.as_str() {
            "" => String::new(),
            "broke" => " --state failed".to_owned(),
            "findings" | "passed" => " --state succeeded".to_owned(),
            state => format!(" --state {state}"),
        };
        let mut command = format!("pipelinex list{state}");
        for (name, value) in [("project", &self.project), ("branch", &self.branch)] {
            if !value.is_empty() {
                command.push_str(&format!(" --{name} {}", quoted(value)));
            }
        }
        command
    }

    /// What stands behind `?`; nothing where nothing is asked for.
    pub fn query(&self, cursor: &str) -> String {
        let fields = [
            ("state", self.state.as_str()),
            ("project", &self.project),
            ("branch", &self.branch),
            ("q", &self.q),
            ("cursor", cursor),
        ];
        let mut query = String::new();
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.push_str(&format!("{name}={}", crate::pages::job::encoded(value).replace('/', "%2F")));
        }
        query
    }
}

impl Filter {
    /// Whether every job is wanted.
    pub fn is_empty(&self) -> bool {
        let Wish { state, project, branch, q, .. } = &self.wish;
        [state, project, branch, q].iter().all(|field| field.is_empty())
    }

    /// The query of a page of the same.
    pub fn query(&self, cursor: Option<JobId>) -> String {
        self.wish.query(&cursor.map(|cursor| cursor.to_string()).unwrap_or_default())
    }

    /// Whether a job is wanted.
    pub fn wants(&self, view: &JobView) -> bool {
        let JobView { metadata, execution, .. } = view;
        let told = headline::of(execution);
        let is = |wanted: &str, value: Option<&str>| wanted.is_empty() || value == Some(wanted);
        self.outcomes.is_none_or(|outcomes| outcomes.contains(&told.outcome))
            && is(&self.wish.project, Some(&metadata.project))
            && is(&self.wish.branch, metadata.branch.as_deref())
            && (self.text.is_empty() || {
                let optional = [&metadata.branch, &metadata.commit].map(|text| text.clone().unwrap_or_default());
                let run = format!("{}#{}", metadata.project, metadata.run_number);
                let texts = [metadata.job_id.to_string(), run, told.sentence()];
                optional.iter().chain(&texts).any(|text| text.to_lowercase().contains(&self.text))
            })
    }
}

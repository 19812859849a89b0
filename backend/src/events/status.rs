//! The state of a commit at its host, as GitHub and GitLab take it: what is sent for a delivery. Pure.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pipelinex_common::{
    foreign::shown_up_to,
    hooks::{HookFormat, JobFacts, repository_path},
    store::Delivery,
};
use reqwest::Url;
use serde_json::{Value, json};

/// Under which name the state stands beside those of others.
const CONTEXT: &str = "pipelinex";
/// The most characters that GitHub takes as a description; GitLab takes more.
// One of them may be the mark that something was cut off.
const DESCRIPTION_MAX: usize = 140;

/// One request to the API of a host.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The address.
    pub url: String,
    /// Headers beside the usual ones; the token is in one of them.
    pub headers: Vec<(&'static str, String)>,
    /// What is posted; `None`: nothing, it is only asked for.
    pub body: Option<Value>,
}

/// The API of the host of a repository, as its users have it.
pub fn api_of(format: HookFormat, repository: &Url) -> String {
    let origin = repository.origin().ascii_serialization();
    match format {
        HookFormat::Gitlab => format!("{origin}/api/v4"),
        _ if repository.host_str() == Some("github.com") => "https://api.github.com".to_owned(),
        _ => format!("{origin}/api/v3"),
    }
}

/// What is sent for a delivery: the state of the job's commit. A test only asks for the repository.
pub fn call(
    delivery: &Delivery,
    format: HookFormat,
    (api, repository): (&str, &str),
    token: &str,
    public_url: Option<&str>,
) -> Call {
    let (api, path) = (api.trim_end_matches('/'), repository_path(repository));
    let (repository, headers) = match format {
        HookFormat::Gitlab => {
            let path = utf8_percent_encode(&path, NON_ALPHANUMERIC);
            (format!("{api}/projects/{path}"), vec![("private-token", token.to_owned())])
        }
        _ => {
            let told = ("accept", "application/vnd.github+json".to_owned());
            let version = ("x-github-api-version", "2022-11-28".to_owned());
            (format!("{api}/repos/{path}"), vec![("authorization", format!("Bearer {token}")), told, version])
        }
    };
    let commit = delivery.job.as_ref().and_then(|job| Some((job, job.commit.as_deref()?)));
    match commit {
        Some((job, commit)) => {
            let commit = utf8_percent_encode(commit, NON_ALPHANUMERIC);
            Call { url: format!("{repository}/statuses/{commit}"), headers, body: Some(body(job, format, public_url)) }
        }
        None => Call { url: repository, headers, body: None },
    }
}

fn body(job: &JobFacts, format: HookFormat, public_url: Option<&str>) -> Value {
    let outcome = job.outcome.as_str().unwrap_or_default();
    let description = shown_up_to(&job.headline, DESCRIPTION_MAX - 1);
    let name = if format == HookFormat::Gitlab { "name" } else { "context" };
    let mut body = json!({"state": state(outcome, format), name: CONTEXT, "description": description});
    if let Some(url) = public_url {
        body["target_url"] = format!("{url}/jobs/{}", job.job_id).into();
    }
    body
}

/// What became of a job, in the words of the host: a failure is the project's, an error is not.
fn state(outcome: &str, format: HookFormat) -> &'static str {
    match (outcome, format) {
        ("queued", _) | ("running", HookFormat::Github) => "pending",
        ("running", _) => "running",
        ("passed" | "passed_with_findings", _) => "success",
        ("canceled", HookFormat::Gitlab) => "canceled",
        (_, HookFormat::Gitlab) => "failed",
        ("failed" | "failed_by_gate", _) => "failure",
        _ => "error",
    }
}

#[cfg(test)]
mod tests {
    use pipelinex_common::{execution::FindingCounts, headline::Outcome, hooks::HookEvent};

    use super::*;

    fn delivery(outcome: &str) -> Delivery {
        let job = json!({
            "job_id": "01890a5d-ac96-774b-bcce-b302099a8057", "run_number": 7, "pipeline": "own", "state": "FAILED",
            "reason": null, "outcome": outcome, "headline": "x".repeat(500), "branch": "main", "commit": "0a1b",
            "repository": "https://git.example/team/sub/app.git", "findings": FindingCounts::default(), "tests": null,
            "created_at": "2026-01-02T03:04:05Z", "started_at": null, "finished_at": null,
        });
        let at = "2026-01-02T03:04:05Z";
        let (event, project) = (HookEvent::Ended, "shop");
        serde_json::from_value(json!({
            "schema": 1, "id": "d1", "hook": "h1", "project": project, "event": event, "job": job, "made_at": at,
            "tries": 0, "next_at": at,
        }))
        .unwrap()
    }

    #[test]
    fn each_outcome_has_a_state_of_its_host() {
        let states = |outcome: Outcome| {
            let word = serde_json::to_value(outcome).unwrap();
            let word = word.as_str().unwrap();
            (state(word, HookFormat::Github), state(word, HookFormat::Gitlab))
        };
        assert_eq!(states(Outcome::Queued), ("pending", "pending"));
        assert_eq!(states(Outcome::Running), ("pending", "running"));
        assert_eq!(states(Outcome::Passed), ("success", "success"));
        assert_eq!(states(Outcome::PassedWithFindings), ("success", "success"));
        assert_eq!(states(Outcome::Failed), ("failure", "failed"));
        assert_eq!(states(Outcome::FailedByGate), ("failure", "failed"));
        assert_eq!(states(Outcome::ToolBroke), ("error", "failed"));
        assert_eq!(states(Outcome::WeBroke), ("error", "failed"));
        assert_eq!(states(Outcome::Canceled), ("error", "canceled"));
    }

    #[test]
    fn each_host_is_told_at_its_own_address_in_its_own_words() {
        let told = |format, api| {
            let of = "https://git.example/team/sub/app.git";
            call(&delivery("failed"), format, (api, of), "t0ken", Some("https://ci.example"))
        };
        let github = told(HookFormat::Github, "https://api.github.com/");
        assert_eq!(github.url, "https://api.github.com/repos/team/sub/app/statuses/0a1b");
        assert!(github.headers.contains(&("authorization", "Bearer t0ken".to_owned())));
        let body = github.body.unwrap();
        let link = "https://ci.example/jobs/01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(
            (&body["state"], &body["context"], &body["target_url"]),
            (&json!("failure"), &json!(CONTEXT), &json!(link))
        );
        assert!(body["description"].as_str().unwrap().chars().count() <= DESCRIPTION_MAX, "{body}");

        let gitlab = told(HookFormat::Gitlab, "https://git.example/api/v4");
        assert_eq!(gitlab.url, "https://git.example/api/v4/projects/team%2Fsub%2Fapp/statuses/0a1b");
        assert!(gitlab.headers.contains(&("private-token", "t0ken".to_owned())));
        assert_eq!(
            gitlab.body.map(|body| (body["state"].clone(), body["name"].clone())),
            Some((json!("failed"), json!(CONTEXT)))
        );
        let test = Delivery { job: None, ..delivery("failed") };
        let asked =
            call(&test, HookFormat::Gitlab, ("https://git.example/api/v4", "https://git.example/a/b"), "t", None);
        assert_eq!((asked.url.as_str(), asked.body), ("https://git.example/api/v4/projects/a%2Fb", None));
    }

    #[test]
    fn the_api_is_where_the_host_has_it() {
        let of = |format, url: &str| api_of(format, &url.parse().unwrap());
        assert_eq!(of(HookFormat::Github, "https://github.com/a/b"), "https://api.github.com");
        assert_eq!(of(HookFormat::Github, "https://git.example:8443/a/b"), "https://git.example:8443/api/v3");
        assert_eq!(of(HookFormat::Gitlab, "https://gitlab.com/a/b"), "https://gitlab.com/api/v4");
    }
}

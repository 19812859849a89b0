//! What a webhook says: our own JSON, or a message for a chat. Branches, tests and errors are words of strangers: in a chat they are
//! cut short, escaped, and no markup.

use aws_lc_rs::hmac;
use pipelinex_common::{
    foreign::shown_up_to,
    hooks::{HookFormat, JobFacts},
    store::Delivery,
};
use serde_json::{Value, json};

/// The most characters of a headline in a chat.
const HEADLINE_MAX: usize = 500;
/// The most characters of a project's or a branch's name in a chat.
const NAME_MAX: usize = 100;

/// The body of a delivery.
pub fn body(delivery: &Delivery, format: HookFormat, public_url: Option<&str>) -> Value {
    let link = public_url.zip(delivery.job.as_ref()).map(|(url, job)| format!("{url}/jobs/{}", job.job_id));
    match format {
        // What is posted to the API of a host is in `status`.
        HookFormat::Json | HookFormat::Github | HookFormat::Gitlab => json!({
            "event": delivery.event,
            "delivery": delivery.id,
            "project": delivery.project,
            "at": delivery.made_at,
            "url": link,
            "job": delivery.job,
        }),
        HookFormat::Slack => {
            let text = slack(&sentence(delivery));
            json!({"text": link.map_or(text.clone(), |link| format!("{text} (<{link}|open>)"))})
        }
        HookFormat::Matrix => {
            let text = sentence(delivery);
            let (plain, html) = match &link {
                Some(link) => (format!("{text} {link}"), format!("{} <a href=\"{link}\">open</a>", escaped(&text))),
                None => (text.clone(), escaped(&text)),
            };
            json!({
                "text": plain, "html": html, "msgtype": "m.notice", "format": "plain",
                "username": "Pipelinex", "displayName": "Pipelinex",
            })
        }
    }
}

/// `sha256=` and the digits that GitHub's webhooks are signed with.
pub fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("sha256={}", hex::encode(hmac::sign(&key, body)))
}

fn sentence(delivery: &Delivery) -> String {
    let project = shown_up_to(&delivery.project, NAME_MAX);
    let Some(job) = &delivery.job else { return format!("{project}: a test of this hook") };
    let JobFacts { run_number, branch, headline, .. } = job;
    let branch = branch.as_deref().map(|branch| format!(" on {}", shown_up_to(branch, NAME_MAX))).unwrap_or_default();
    format!("{project} #{run_number}{branch}: {}", shown_up_to(headline, HEADLINE_MAX))
}

/// Slack takes three characters for markup, and says so.
fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn escaped(text: &str) -> String {
    slack(text).replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use pipelinex_common::{disk::Versioned, hooks::HookEvent, id::JobId, state::JobState};

    use super::*;

    fn delivery(headline: &str) -> Delivery {
        let at: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let job_id: JobId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let job = JobFacts {
            job_id,
            run_number: 7,
            pipeline: "own".to_owned(),
            state: JobState::Failed,
            reason: None,
            outcome: "failed".into(),
            headline: headline.to_owned(),
            branch: Some("main".to_owned()),
            commit: None,
            repository: None,
            findings: Default::default(),
            tests: None,
            created_at: at,
            started_at: None,
            finished_at: Some(at),
        };
        Delivery {
            schema: Delivery::SCHEMA,
            id: "d1".to_owned(),
            hook: "h1".to_owned(),
            project: "shop".to_owned(),
            event: HookEvent::Ended,
            job: Some(job),
            made_at: at,
            tries: 0,
            next_at: at,
        }
    }

    #[test]
    fn each_form_says_what_became_of_the_job_and_no_word_of_a_stranger_is_markup() {
        let delivery = delivery("failed: <!channel> & \"x\"\u{202e}");
        let told = |format| body(&delivery, format, Some("https://ci.example"));
        let link = "https://ci.example/jobs/01890a5d-ac96-774b-bcce-b302099a8057";
        let slack = told(HookFormat::Slack);
        let text = slack["text"].as_str().unwrap();
        assert!(text.starts_with("shop #7 on main: failed: &lt;!channel&gt; &amp; \"x\"\\u{202e}"), "{text}");
        assert!(text.ends_with(&format!("(<{link}|open>)")), "{text}");
        let matrix = told(HookFormat::Matrix);
        assert!(matrix["html"].as_str().unwrap().contains("&lt;!channel&gt; &amp; &quot;x&quot;"), "{matrix}");
        assert_eq!(matrix["msgtype"], "m.notice");
        let ours = told(HookFormat::Json);
        assert_eq!(
            (&ours["url"], &ours["job"]["state"], &ours["event"]),
            (&json!(link), &json!("FAILED"), &json!("ended"))
        );
        assert_eq!(body(&delivery, HookFormat::Json, None)["url"], Value::Null);
        let test = Delivery { job: None, ..delivery };
        assert_eq!(body(&test, HookFormat::Slack, None)["text"], "shop: a test of this hook");
    }

    #[test]
    fn a_body_is_signed_as_github_signs() {
        // The example of GitHub's documentation.
        let signed = signature("It's a Secret to Everybody", b"Hello, World!");
        assert_eq!(signed, "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
    }
}

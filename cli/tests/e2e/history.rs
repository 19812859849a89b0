//! A secret that is in the history only: a scan of the files passes by it, a scan of a clone with its history finds it.

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::{
    host::{AUTHORITY, Host, Reply},
    projects::{maven, repository},
    world::{said, story, text},
};

/// The made-up key of examples/secret-in-history.sh.
const PLANTED: &str = "AKIAQ4FAKE7KEY5ZXW3T";

#[test]
fn a_secret_that_only_the_history_has_is_found_through_a_clone() {
    story(async |world| {
        let script = repository().join("examples/secret-in-history.sh");
        let (checkout, repositories) = (world.path("checkout"), world.path("repositories"));
        let made = said(Command::new("bash").arg(script).arg(&checkout).output().unwrap());
        assert_eq!(made.code, 0, "{made:?}");
        let commit = Command::new("git").arg("-C").arg(&checkout).args(["rev-parse", "HEAD~1"]).output();
        let commit = said(commit.unwrap()).out;
        let bare = repositories.join("secret.git");
        let cloned = Command::new("git").args(["clone", "--quiet", "--bare"]).arg(&checkout).arg(&bare).output();
        assert_eq!(said(cloned.unwrap()).code, 0);
        let host = Host::start(&repositories, |_| Reply::Git).await;
        let authority = world.path("authority.pem");
        fs::write(&authority, &AUTHORITY.pem).unwrap();
        let server =
            world.serve(&["serve", "--git-hosts", &host.name(), "--ca-certs", authority.to_str().unwrap()]).await;
        let submit = async |mode: &str| {
            let mut request = maven(&["run_secret_scan"]);
            request["github_url"] = json!(host.url("secret"));
            request["pipeline"]["secret_scan_mode"] = json!(mode);
            let answer = server.answer(server.http.post(server.url("/api/jobs/github")).json(&request)).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
            answer.json()["job_id"].as_str().unwrap().to_owned()
        };
        let (files, history) = (submit("dir").await, submit("git").await);
        for (id, expected) in [(&files, 0), (&history, 1)] {
            let status = server.end_of(id).await;
            assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
            let found: Value = server.get(&format!("/api/jobs/{id}/findings")).await.json();
            assert_eq!(found["findings"].as_array().unwrap().len(), expected, "{found:#}");
        }
        let found = server.get(&format!("/api/jobs/{history}/findings")).await.json()["findings"][0].clone();
        assert_eq!(
            (&found["rule"], &found["path"], &found["line"]),
            (&json!("aws-access-token"), &json!("src/main/resources/application.properties"), &json!(3)),
            "{found:#}"
        );
        assert!(found["message"].as_str().unwrap().contains(commit.trim()), "the commit is named: {found:#}");
        for kept in ["reports/secrets/gitleaks.sarif", "reports/secrets/findings.json", "logs/secrets.log"] {
            let kept = text(world.job(&history).join(kept));
            assert!(!kept.is_empty() && !kept.contains(PLANTED), "{kept}");
        }
        server.process.stop().await;
    });
}

//! What hosts of repositories tell: whether it is from who shares the secret, and whether it is a push of a branch. Pure.

use aws_lc_rs::hmac;
use axum::http::HeaderMap;
use globset::GlobBuilder;
use pipelinex_common::store::{Fingerprint, PushHost, TriggerRecord};
use serde::Deserialize;

/// How the name of a branch begins among refs.
const BRANCHES: &str = "refs/heads/";

/// What somebody tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A branch has a new commit.
    Push(Push),
    /// Nothing that starts a job, and why.
    Nothing(String),
}

/// A branch that has a new commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The branch.
    pub branch: String,
    /// The commit before.
    pub before: String,
    /// The commit now.
    pub after: String,
}

impl Push {
    /// A name for this push: told again, by whatever delivery, it has the same.
    pub fn name(&self, trigger: &str) -> Fingerprint {
        let texts = ["push", trigger, &self.branch, &self.before, &self.after];
        Fingerprint::of(&texts.map(str::as_bytes))
    }
}

/// Whether a body is from who shares the secret, in a time that says nothing of the secret.
pub fn is_signed(host: PushHost, secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).map(|value| value.as_bytes()).unwrap_or_default();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signed = |digits: &[u8]| hex::decode(digits).is_ok_and(|tag| hmac::verify(&key, body, &tag).is_ok());
    match host {
        PushHost::Github => header("x-hub-signature-256").strip_prefix(b"sha256=").is_some_and(signed),
        PushHost::Gitea => {
            let names = ["x-gitea-signature", "x-forgejo-signature"];
            names.into_iter().map(header).find(|digits| !digits.is_empty()).is_some_and(signed)
        }
        // GitLab sends the secret itself. Both are compared as tags of one length.
        PushHost::Gitlab => {
            let ours = hmac::sign(&key, secret.as_bytes());
            hmac::verify(&key, header("x-gitlab-token"), ours.as_ref()).is_ok()
        }
    }
}

/// The part of a body that is read. The repository's address is not: what is cloned is the operator's setting.
#[derive(Debug, Deserialize)]
struct Body {
    #[serde(default, rename = "ref")]
    git_ref: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    after: String,
    #[serde(default)]
    deleted: bool,
}

/// What a body tells.
///
/// # Errors
/// A sentence for what is no JSON.
pub fn read(trigger: &TriggerRecord, headers: &HeaderMap, body: &[u8]) -> Result<Told, String> {
    let names = match trigger.host {
        PushHost::Github => ["x-github-event", "x-github-event"],
        PushHost::Gitlab => ["x-gitlab-event", "x-gitlab-event"],
        PushHost::Gitea => ["x-gitea-event", "x-forgejo-event"],
    };
    let event = names.iter().find_map(|name| headers.get(*name)?.to_str().ok()).unwrap_or_default();
    if !matches!(event, "push" | "Push Hook") {
        return Ok(Told::Nothing("only pushes start jobs".to_owned()));
    }
    let body: Body = serde_json::from_slice(body)
        .map_err(|_| "the body is not the JSON of a push: choose application/json at the host".to_owned())?;
    Ok(judge(trigger, body))
}

fn judge(trigger: &TriggerRecord, body: Body) -> Told {
    let nothing = |why: &str| Told::Nothing(why.to_owned());
    let Some(branch) = body.git_ref.strip_prefix(BRANCHES).filter(|branch| !branch.is_empty()) else {
        return nothing("only pushes of branches start jobs");
    };
    if body.deleted || body.after.bytes().all(|digit| digit == b'0') {
        return nothing("the branch was deleted");
    }
    if !names(&trigger.refs, branch) {
        return nothing("the branch is none of those that the trigger names");
    }
    Told::Push(Push { branch: branch.to_owned(), before: body.before, after: body.after })
}

/// Whether one of these globs is for this branch. A star goes over slashes, too.
fn names(refs: &[String], branch: &str) -> bool {
    let is_for =
        |glob: &String| GlobBuilder::new(glob).build().is_ok_and(|glob| glob.compile_matcher().is_match(branch));
    refs.iter().any(is_for)
}

/// Whether a text is a glob over names of branches.
///
/// # Errors
/// What is wrong with it.
pub fn check_glob(text: &str) -> Result<String, String> {
    match GlobBuilder::new(text).build() {
        Ok(_) if !text.is_empty() && text.len() <= 200 => Ok(text.to_owned()),
        Ok(_) => Err("a branch or a pattern such as release/* has 1 to 200 characters".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

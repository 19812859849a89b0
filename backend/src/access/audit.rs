//! Which requests `audit.jsonl` has: those that change something, and those that were refused for who asked.

use axum::{
    http::{Method, StatusCode, Uri, header},
    response::Response,
};
use pipelinex_common::{id::JobId, store::AuditLine};

use super::Principal;
use crate::{app::App, client::Caller};

/// What a request is, before it is answered.
pub struct Wish {
    action: &'static str,
    job: Option<JobId>,
    project: Option<String>,
    changes: bool,
}

impl Wish {
    /// Reads the address.
    pub fn of(method: &Method, path: &str, uri: &Uri) -> Self {
        let action = match path.rsplit('/').next().unwrap_or_default() {
            "cancel" => "cancel",
            _ if path == "/api/job/cancel/{id}" => "cancel",
            _ if path == "/api/hooks/{id}" => "push",
            "retry" | "again" | "failed" => "retry",
            "play" => "play",
            "upload" | "github" | "execute" | "run" => "submit",
            "projects" => "make project",
            "{name}" if *method == Method::POST => "change project",
            "remove" => "remove project",
            "login" => "sign in",
            "logout" => "sign out",
            _ if path == "/jobs" && *method == Method::POST => "submit",
            "accept" => "accept finding",
            "revoke" => "take back",
            "precheck" | "check" | "detect" => "check",
            _ => "see",
        };
        let job = uri.path().split('/').find_map(|part| part.parse().ok());
        let project = project_in(uri.path());
        Self { action, job, project, changes: !method.is_safe() && action != "check" }
    }

    /// The line that is due, if one is.
    pub fn line(self, who: Option<&Principal>, caller: Caller, response: &Response) -> Option<AuditLine> {
        let status = response.status();
        let refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if !self.changes && !refused {
            return None;
        }
        let outcome = match status {
            status if status.is_success() || status.is_redirection() => "done".to_owned(),
            status => format!("refused: {}", status.as_u16()),
        };
        let made = response.headers().get(header::LOCATION).and_then(|made| made.to_str().ok());
        let project = self.project.or_else(|| made.and_then(project_in));
        let made = made.and_then(|made| made.rsplit('/').next()?.parse().ok());
        let line = AuditLine {
            who: who.map(|who| who.owner().as_str().to_owned()),
            from: Some(std::net::IpAddr::from(caller.client).to_string()),
            ..AuditLine::new(self.action, outcome)
        };
        // Of a retry both are told: the path has the old one, the answer the new one.
        let mut line = line.about(self.job.or(made));
        if line.to.is_none() {
            line.to = project;
        }
        if let (Some(old), Some(new)) = (self.job, made.filter(|made| Some(*made) != self.job)) {
            line.to = Some(format!("{old} as {new}"));
        }
        Some(line)
    }
}

/// The project of an address, as it is called, or the trigger that a push is told to.
fn project_in(path: &str) -> Option<String> {
    let name = path.strip_prefix("/api/projects/").or_else(|| path.strip_prefix("/api/hooks/"))?.split('/').next()?;
    let name = percent_encoding::percent_decode_str(name).decode_utf8().ok()?;
    Some(pipelinex_common::foreign::shown(&name).to_string()).filter(|name| !name.is_empty())
}

/// Writes a line. What cannot be written is told to the log: nobody is kept from canceling by a full disk.
pub async fn write(app: &App, line: Option<AuditLine>) {
    let Some(line) = line else { return };
    if let Err(error) = app.read(move |store| Ok(store.audit(&line)?)).await {
        tracing::error!(?error, "audit.jsonl cannot be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_has_a_word_of_its_own() {
        for row in super::super::table::TABLE {
            let wish = Wish::of(&row.method.parse().unwrap(), row.path, &Uri::from_static("/"));
            let quiet =
                row.method == "GET" || ["precheck", "check", "detect"].iter().any(|end| row.path.ends_with(end));
            assert_eq!(wish.changes, !quiet, "{} {}", row.method, row.path);
            assert!(quiet || wish.action != "see", "{} {}", row.method, row.path);
        }
    }
}

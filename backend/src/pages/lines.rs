//! The same submission as a line for a shell: what a person does on a page, a script does with `curl` or the CLI.

use std::collections::BTreeMap;

use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use pipelinex_common::{
    database::Databases,
    stage::{BUILT_IN, Switch},
};
use serde_json::Value;

use askama::Template;

use super::{form, page};
use crate::app::App;

/// The two lines.
#[derive(Template)]
#[template(path = "lines.html")]
pub struct Lines {
    /// For `curl`.
    pub curl: String,
    /// For our own program.
    pub cli: String,
}

impl Lines {
    /// The lines that send what is typed to the server which the browser calls by this name.
    pub fn of_form(texts: &form::Texts, server: &str) -> Self {
        Self::new(&form::git_json(texts).unwrap_or_else(|| form::request_json(texts)), server)
    }

    /// The lines that make this request; one with an address is for a clone.
    pub fn new(request: &Value, server: &str) -> Self {
        let git = request["github_url"].as_str();
        let curl = match git {
            Some(_) => format!(
                "curl -X POST {server}/api/jobs/github -H 'Content-Type: application/json' -d {}",
                quoted(&request.to_string())
            ),
            None => format!(
                "curl {server}/api/jobs/upload -F project_zip=@project.zip -F metadata={}",
                quoted(&request.to_string())
            ),
        };
        Self { curl, cli: cli(request, git, server) }
    }
}

/// The lines for what is typed at the moment.
pub async fn lines(
    State(app): State<App>,
    headers: HeaderMap,
    Query(texts): Query<BTreeMap<String, String>>,
) -> Response {
    page(StatusCode::OK, &Lines::of_form(&texts, &server_of(&app, &headers)))
}

/// The address by which the browser calls this server; the guard has let its name pass.
pub fn server_of(app: &App, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let scheme = if app.config.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{}", host.unwrap_or("127.0.0.1:8000"))
}

fn cli(request: &Value, git: Option<&str>, server: &str) -> String {
    let mut line = format!("pipelinex submit {} --wait --server {server}", git.map_or_else(|| ".".to_owned(), quoted));
    for (key, flag) in [("ref", "--ref"), ("token", "--token-name")] {
        if let Some(text) = request[key].as_str() {
            line.push_str(&format!(" {flag} {}", quoted(text)));
        }
    }
    let pipeline = &request["pipeline"];
    let plain = ["secret_scan_mode", "sast_mode"]
        .iter()
        .all(|mode| pipeline[*mode].as_str().is_none_or(|mode| mode == "dir" || mode == "default"));
    let keys = pipeline.as_object().into_iter().flatten();
    let mut all: Vec<(Switch, bool)> = keys.filter_map(|(key, on)| Some((key.parse().ok()?, on == true))).collect();
    all.sort();
    let on: Vec<String> = all.iter().filter(|(_, on)| *on).map(|(switch, _)| switch.stage().to_lowercase()).collect();
    if !plain || on.is_empty() {
        return format!("{line} --metadata request.json   # request.json: the JSON of the line above");
    }
    let stack = &request["stack"];
    let word = |name: &str| stack[name].as_str().unwrap_or_default();
    if !word("language").is_empty() {
        let stack = format!("{}/{}/{}", word("language"), word("framework"), word("build_tool"));
        line.push_str(&format!(" --stack {}", quoted(&stack)));
    }
    if let Some(folder) = request["folder"].as_str() {
        line.push_str(&format!(" --folder {}", quoted(folder)));
    }
    match serde_json::from_value::<Databases>(stack["requires_db"].clone()).unwrap_or_default() {
        none if none.is_empty() => {}
        one if one == true.into() => line.push_str(" --requires-db"),
        several => line.push_str(&format!(" --requires-db={}", several.words())),
    }
    let versions = request["versions"].as_object().into_iter().flatten();
    let mut versions: Vec<String> =
        versions.filter_map(|(tool, version)| Some(format!("{tool}={}", version.as_str()?))).collect();
    versions.sort();
    if !versions.is_empty() {
        line.push_str(&format!(" --versions {}", quoted(&versions.join(","))));
    }
    if on.len() < all.len().max(BUILT_IN.len()) {
        line.push_str(&format!(" --only {}", on.join(",")));
    }
    for name in ["application", "project", "branch", "commit"] {
        if let Some(text) = request[name].as_str() {
            line.push_str(&format!(" --{name} {}", quoted(text)));
        }
    }
    line
}

/// One word for a POSIX shell.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@,=+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_quote_in_a_name_does_not_end_the_word() {
        let request = json!({"stack": {"language": "java", "framework": "spring-boot", "build_tool": "maven"},
            "versions": {"java": "17", "build_tool": "3.9"}, "pipeline": {"run_build": true}, "project": "it's; rm -rf ~"});
        let lines = Lines::new(&request, "http://ci.test:8000");
        assert_eq!(
            lines.cli,
            "pipelinex submit . --wait --server http://ci.test:8000 --stack java/spring-boot/maven --versions build_tool=3.9,java=17 \
             --only build \
             --project 'it'\\''s; rm -rf ~'"
        );
        let script = format!("set -- {}; printf '%s' \"$6\"", lines.curl);
        let said = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        let metadata = String::from_utf8(said.stdout).unwrap();
        assert_eq!(
            metadata.strip_prefix("metadata=").map(|json| serde_json::from_str::<Value>(json).unwrap()),
            Some(request)
        );
    }
}

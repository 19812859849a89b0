//! `detect`: what a project is taken for, by which of its files, and what would change that. A folder or a ZIP is looked at
//! here, by the rules of a server; only a repository is cloned by one.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use pipelinex_backend::{
    detection::{self, Project},
    intake, pack,
    stacks::Stacks,
};
use pipelinex_common::{limits::IntakeLimits, pipeline::detect::HEAD_MAX, request::JobRequest};
use serde_json::Value;

use crate::{
    args::{DetectArgs, GitArgs},
    client::{Client, choice_lines, choices_of, points_of},
    exit::Exit,
    failure::Failure,
    output::{Line, Output, Style},
    repository, show,
};

/// Looks at a project and says what it is.
pub async fn detect(out: &Output, args: DetectArgs, git: GitArgs, ca_certs: Option<&Path>) -> Result<Exit, Failure> {
    let request = args.request();
    let answer = if let Some(url) = args.url() {
        let client = Client::new(&args.server.url, ca_certs)?;
        client.detect_url(&repository::detection(&request, url, &git)?).await?
    } else {
        if git.git_ref.is_some() || git.token_name.is_some() {
            return Err(Failure::usage("--ref and --token-name are for the URL of a repository"));
        }
        here(&args, &request).await?
    };
    let exit = if answer["stack"].is_null() || !points_of(&answer).is_empty() { Exit::Refused } else { Exit::Passed };
    match out.json() {
        true => out.document(&answer)?,
        false => lines(&answer, &args).into_iter().try_for_each(|line| out.data(line))?,
    }
    Ok(exit)
}

/// The answer for a folder or a ZIP file of this machine, by the stacks of this program or of `--pipelines`.
async fn here(args: &DetectArgs, request: &JobRequest) -> Result<Value, Failure> {
    let stacks = Stacks::load(args.pipelines.as_deref()).map_err(|error| Failure::errored(error.to_string()))?;
    let limits = args.intake.limits();
    let meta = std::fs::metadata(&args.path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", args.path.display())))?;
    let detected = if meta.is_dir() {
        of_folder(&args.path, args.include_ignored, request, &stacks, &limits)?
    } else {
        of_zip(&args.path, request, &stacks, &limits).await?
    };
    serde_json::to_value(detected).map_err(|error| Failure::errored(error.to_string()))
}

/// What the folder of a project is, by the limits that are usual.
///
/// # Errors
/// A folder that cannot be listed.
pub fn of_this(path: &Path, request: &JobRequest, stacks: &Stacks) -> Result<detection::Detected, Failure> {
    of_folder(path, false, request, stacks, &IntakeLimits::default())
}

fn of_folder(
    path: &Path,
    include_ignored: bool,
    request: &JobRequest,
    stacks: &Stacks,
    limits: &IntakeLimits,
) -> Result<detection::Detected, Failure> {
    let files: BTreeMap<_, _> = pack::list(path, limits, include_ignored)?.into_iter().collect();
    let read = |path: &str| {
        let mut head = Vec::new();
        File::open(files.get(path)?).ok()?.take(HEAD_MAX).read_to_end(&mut head).ok()?;
        Some(head)
    };
    Ok(detection::detect(&Project::new(files.keys().cloned().collect(), read), request, stacks))
}

/// Unpacked as a server does it, into a folder that is gone afterwards.
async fn of_zip(
    path: &Path,
    request: &JobRequest,
    stacks: &Stacks,
    limits: &IntakeLimits,
) -> Result<detection::Detected, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::errored(format!("{}: {error}", path.display()));
    let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
    let source = folder.path().join("source");
    std::fs::create_dir(&source).map_err(|error| failed(&error))?;
    intake::unpack(path, &source, limits).await.map_err(|error| match error {
        intake::IntakeError::Refused(refusal) => {
            Failure::Said { exit: Exit::Refused, message: format!("{}: {refusal}", path.display()) }
        }
        other => failed(&other),
    })?;
    detection::of_folder(&source, request, stacks).map_err(|error| failed(&error))
}

/// The answer for a person.
fn lines(answer: &Value, args: &DetectArgs) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(stack) = answer["stack"].as_object() {
        let name = ["language", "framework", "build_tool"].map(|part| word(&stack[part])).join("/");
        let folder = match answer["folder"].as_str() {
            None | Some(".") => String::new(),
            Some(folder) => format!(", in the folder {folder}"),
        };
        lines.push(Line::new().add(Style::Bold, name).text(folder));
        let facts = facts(answer);
        let width = facts.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or_default() + 2;
        lines.extend(facts.into_iter().map(|(name, value, by)| {
            let by = if by.is_empty() { by } else { format!("  ({by})") };
            Line::new().text("  ").column(Style::Name, &name, width).text(value).add(Style::Dim, by)
        }));
    }
    let text = |line: String| Line::new().text(line);
    let points = points_of(answer);
    lines.extend(
        points.iter().flat_map(|point| point.to_string().lines().map(str::to_owned).collect::<Vec<_>>()).map(text),
    );
    let warnings = answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
    lines.extend(warnings.map(show::warning));
    lines.extend(choice_lines(&choices_of(answer)).into_iter().map(text));
    if let (Some(flags), Some(file)) = (answer["change"]["flags"].as_str(), answer["change"]["file"].as_str()) {
        lines.push(text(format!("to change it: pipelinex submit {} {flags}", args.path.display())));
        lines.push(text(format!("or, in {} at the top of the project:", word(&answer["change"]["file_name"]))));
        lines.extend(file.lines().map(|line| text(format!("  {line}"))));
    }
    lines
}

/// What is known, each with where it stands.
fn facts(answer: &Value) -> Vec<(String, String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut facts = Vec::new();
    let files: Vec<String> = answer["decided_by"].as_array().into_iter().flatten().map(word).collect();
    if !files.is_empty() {
        facts.push(("by".to_owned(), files.join(", "), String::new()));
    }
    for (tool, version) in answer["versions"].as_object().into_iter().flatten() {
        let by = match version["decided_by"].as_str() {
            Some(file) => format!("{file} says {}", word(&version["says"])),
            None => String::new(),
        };
        facts.push((tool.clone(), word(&version["version"]), by));
    }
    for (name, told) in answer["tells"].as_object().into_iter().flatten() {
        facts.push((name.clone(), word(&told["value"]), word(&told["decided_by"])));
    }
    if let Some(port) = answer["port"].as_u64() {
        facts.push(("port".to_owned(), port.to_string(), String::new()));
    }
    facts
}

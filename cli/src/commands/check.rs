//! `check`: what is wrong with pipeline files, each with its line, without anything being run.

use std::path::{Path, PathBuf};

use pipelinex_common::pipeline::{Diagnostic, Severity, project};
use serde_json::json;

use crate::{
    args::CheckFormat,
    exit::Exit,
    failure::Failure,
    local::{self, OwnFile},
    output::{Line, Output, Style},
};

/// Checks each file, or the pipeline file of each folder.
pub fn check(out: &Output, paths: &[PathBuf], format: CheckFormat) -> Result<Exit, Failure> {
    let mut errors = 0;
    let mut documents = Vec::new();
    for path in paths {
        let (shown, found, steps) = look(path)?;
        errors += found.iter().filter(|told| told.severity == Severity::Error).count();
        if out.json() || format == CheckFormat::Json {
            documents.push(json!({"file": shown, "steps": steps, "diagnostics": found}));
            continue;
        }
        for told in &found {
            lines(told).into_iter().try_for_each(|line| out.data(line))?;
        }
        match steps {
            Some(steps) => out.data(Line::new().add(Style::Good, "ok").text(format!("  {shown}: {steps}")))?,
            None => out.data(Line::new().add(Style::Bad, "bad").text(format!(" {shown}")))?,
        }
    }
    if out.json() || format == CheckFormat::Json {
        out.document(&json!({"files": documents, "errors": errors}))?;
    }
    Ok(if errors == 0 { Exit::Passed } else { Exit::Refused })
}

/// What is to be said of one file: its name, all that was found, and how much it has, if it would run.
fn look(path: &Path) -> Result<(String, Vec<Diagnostic>, Option<String>), Failure> {
    let path = if path.is_dir() { path.join(project::FILE) } else { path.to_owned() };
    let shown = path.strip_prefix("./").unwrap_or(&path).display().to_string();
    let Some(text) = local::read_text(&path)? else {
        return Err(Failure::usage(format!("there is no file {shown}; `pipelinex plan` says what runs without one")));
    };
    let is_default = path.file_name().is_some_and(|name| name == project::FILE);
    let named = |found: Vec<Diagnostic>| -> Vec<Diagnostic> {
        found.into_iter().map(|told| Diagnostic { file: shown.clone(), ..told }).collect()
    };
    match project::read(&text) {
        Err(rejected) if is_default => return Ok((shown.clone(), named(rejected.diagnostics), None)),
        Ok(read) if is_default && !read.is_pipeline => {
            return Ok((shown.clone(), Vec::new(), Some("says what the project is, and has no steps".to_owned())));
        }
        _ => {}
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = OwnFile { name: shown.clone(), text };
    Ok(match local::compile(folder, &file, &[], false) {
        Ok(compiled) => {
            let (steps, stages) = (compiled.pipeline.steps.len(), compiled.pipeline.stages.len());
            let said = format!("{steps} {}, {stages} {}", plural(steps, "step"), plural(stages, "stage"));
            (shown, compiled.warnings, Some(said))
        }
        Err(rejected) => (shown, rejected.diagnostics, None),
    })
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// One problem as people see it: the place first, as editors and terminals open it.
pub fn lines(told: &Diagnostic) -> Vec<Line> {
    let (style, word) = match told.severity {
        Severity::Error => (Style::Bad, "error"),
        Severity::Warning => (Style::Warn, "warning"),
    };
    let place = format!("{}:{}:{}: ", told.file, told.line, told.column);
    let head = Line::new().add(Style::Bold, place).add(style, format!("{word}[{}]", told.code.as_str()));
    let mut lines = vec![head.text(format!(": {}", told.message))];
    lines.extend(told.excerpt.lines().map(Line::from));
    for note in &told.notes {
        lines.push(Line::from(format!("{}:{}:{}: note: {}", told.file, note.line, note.column, note.message)));
        lines.extend(note.excerpt.lines().map(Line::from));
    }
    lines.extend(told.help.as_ref().map(|help| Line::new().add(Style::Name, "help").text(format!(": {help}"))));
    lines.push(Line::new());
    lines
}

//! `plan`: what of a pipeline would run, in which order and in which images.

use std::collections::{BTreeMap, BTreeSet};

use pipelinex_backend::{admission, stacks::Stacks};
use pipelinex_common::{
    pipeline::{
        Diagnostic, Pipeline,
        model::{AllowFailure, Step, When},
        own,
        plan::{self, Ended, Freed, StepOutcome},
        select::{self, Wanted},
    },
    request::JobRequest,
    slug::Slug,
    stage::Switch,
};
use serde_json::json;

use super::check;
use crate::{
    args::{LocalArgs, PlanFormat},
    exit::Exit,
    failure::Failure,
    local,
    output::{Line, Output, Style},
};

/// A pipeline, and where it is from.
struct Found {
    pipeline: Pipeline,
    /// The file, or the stack.
    from: String,
    name: Option<String>,
    warnings: Vec<Diagnostic>,
}

/// Shows the plan.
pub fn plan(out: &Output, args: &LocalArgs, format: PlanFormat) -> Result<Exit, Failure> {
    let found = match found(args) {
        Ok(found) => found,
        Err(Failed::Rejected(diagnostics)) => {
            for told in &diagnostics {
                check::lines(told).into_iter().try_for_each(|line| out.data(line))?;
            }
            return Ok(Exit::Refused);
        }
        Err(Failed::Other(failure)) => return Err(failure),
    };
    let selected = selected(&found.pipeline, args)?;
    let waves = waves(&found.pipeline, &selected);
    match format {
        PlanFormat::Json => document(out, &found, &selected, &waves)?,
        _ if out.json() => document(out, &found, &selected, &waves)?,
        PlanFormat::Mermaid => mermaid(&found.pipeline, &selected).into_iter().try_for_each(|line| out.data(line))?,
        PlanFormat::Text => text(&found, &selected, &waves).into_iter().try_for_each(|line| out.data(line))?,
    }
    Ok(Exit::Passed)
}

enum Failed {
    Rejected(Vec<Diagnostic>),
    Other(Failure),
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

fn found(args: &LocalArgs) -> Result<Found, Failed> {
    let Some(file) = local::own_file(&args.path, args.file.as_deref())? else { return Ok(of_stack(args)?) };
    let compiled = local::compile(&args.path, &file, &args.env, args.include_ignored);
    let compiled = compiled.map_err(|rejected| Failed::Rejected(rejected.diagnostics))?;
    let pipeline = match args.step.as_slice() {
        [] => compiled.pipeline,
        names => own::only(compiled.pipeline, names, args.needs)
            .map_err(|name| Failure::usage(format!("there is no step `{name}` in {}", file.name)))?,
    };
    Ok(Found { pipeline, from: file.name, name: compiled.name, warnings: compiled.warnings })
}

/// The pipeline of what the project is taken for.
fn of_stack(args: &LocalArgs) -> Result<Found, Failure> {
    let stacks = Stacks::load(args.pipelines.as_deref()).map_err(|error| Failure::errored(error.to_string()))?;
    let request = JobRequest { stack: args.stack.clone().unwrap_or_default(), ..JobRequest::default() };
    let refused = |error: &dyn std::fmt::Display| Failure::Said { exit: Exit::Refused, message: error.to_string() };
    let recognised = admission::recognise(&args.path, &request, &stacks).map_err(|error| refused(&error))?;
    let stack = stacks.find(&recognised.stack).map_err(|error| refused(&error))?;
    let from = format!("stack {}", stack.contract.stack);
    Ok(Found { pipeline: stack.pipeline.clone(), from, name: None, warnings: Vec::new() })
}

fn selected(pipeline: &Pipeline, args: &LocalArgs) -> Result<BTreeSet<Slug>, Failure> {
    let all: BTreeSet<Switch> = pipeline.steps.iter().map(Step::selector).collect();
    let on: BTreeSet<Switch> = args.stage.iter().map(|stage| Switch::of_stage(stage)).collect();
    if let Some((stage, _)) = args.stage.iter().zip(&on).find(|(_, switch)| !all.contains(switch)) {
        return Err(Failure::usage(format!("there is no stage `{stage}`: there are {}", pipeline.stages.join(", "))));
    }
    let off = if on.is_empty() { BTreeSet::new() } else { all.difference(&on).cloned().collect() };
    let on = if on.is_empty() { all } else { on };
    Ok(select::select(pipeline, &Wanted { on, off }).steps)
}

/// What starts together, if everything succeeds and takes as long: the planner's own answers.
fn waves(pipeline: &Pipeline, selected: &BTreeSet<Slug>) -> Vec<Vec<Slug>> {
    let (mut ended, mut waves) = (BTreeMap::new(), Vec::new());
    loop {
        // Those that wait are shown where they come, and what they wait for beside them.
        let freed = Freed { start: selected.clone(), ..Freed::default() };
        let next = plan::next(pipeline, selected, &ended, &BTreeSet::new(), &freed);
        let end = |outcome| Ended { outcome, exit_code: None };
        ended.extend(next.skip.into_iter().map(|(slug, _)| (slug, end(StepOutcome::Skipped))));
        if next.start.is_empty() {
            return waves;
        }
        ended.extend(next.start.iter().cloned().map(|slug| (slug, end(StepOutcome::Success))));
        waves.push(next.start);
    }
}

fn step_of<'p>(pipeline: &'p Pipeline, slug: &Slug) -> Option<&'p Step> {
    pipeline.steps.iter().find(|step| step.slug == *slug)
}

fn text(found: &Found, selected: &BTreeSet<Slug>, waves: &[Vec<Slug>]) -> Vec<Line> {
    let pipeline = &found.pipeline;
    let mut lines: Vec<Line> = found.warnings.iter().flat_map(check::lines).collect();
    let name = found.name.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
    lines.push(Line::new().add(Style::Bold, &found.from).text(name));
    let width = pipeline.steps.iter().map(|step| step.name.chars().count()).max().unwrap_or_default().min(40) + 2;
    let stage_width = pipeline.stages.iter().map(|stage| stage.chars().count()).max().unwrap_or_default().min(24) + 2;
    for (index, wave) in waves.iter().enumerate() {
        for (place, step) in wave.iter().filter_map(|slug| step_of(pipeline, slug)).enumerate() {
            let number = if place == 0 { format!("{:>3}", index + 1) } else { "   ".to_owned() };
            let line = Line::new().add(Style::Dim, number).text("  ").column(Style::Name, &step.stage, stage_width);
            lines.push(line.column(Style::Bold, &step.name, width).text(&step.image).add(Style::Dim, remarks(step)));
        }
    }
    for step in pipeline.steps.iter().filter(|step| !waves.iter().flatten().any(|slug| *slug == step.slug)) {
        let why = match step.when {
            _ if !selected.contains(&step.slug) => "not selected",
            When::Manual => "by hand",
            When::OnFailure => "when something failed",
            When::OnSuccess | When::Delayed | When::Always => "never: what it needs does not run",
        };
        let line = Line::new().add(Style::Dim, "  -").text("  ").column(Style::Dim, &step.stage, stage_width);
        lines.push(line.column(Style::Dim, &step.name, width).add(Style::Dim, why));
    }
    lines
}

fn remarks(step: &Step) -> String {
    let mut remarks = Vec::new();
    let needs: Vec<&str> = step.needs.iter().flatten().map(|need| need.step.as_str()).collect();
    if !needs.is_empty() {
        remarks.push(format!("needs {}", needs.join(", ")));
    }
    match step.when {
        When::Always => remarks.push("always".to_owned()),
        When::Manual => remarks.push("by hand".to_owned()),
        When::Delayed => remarks.extend(step.start_in_seconds.map(|seconds| format!("{seconds} s later"))),
        When::OnSuccess | When::OnFailure => {}
    }
    match &step.allow_failure {
        AllowFailure::No => {}
        AllowFailure::Yes => remarks.push("may fail".to_owned()),
        AllowFailure::ExitCodes(codes) => {
            let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
            remarks.push(format!("may fail with {}", codes.join(", ")));
        }
    }
    remarks.extend(step.timeout_seconds.map(|seconds| format!("at most {seconds} s")));
    if remarks.is_empty() { String::new() } else { format!("  ({})", remarks.join("; ")) }
}

fn document(out: &Output, found: &Found, selected: &BTreeSet<Slug>, waves: &[Vec<Slug>]) -> Result<(), Failure> {
    let skipped = found.pipeline.steps.iter().filter(|step| !selected.contains(&step.slug)).map(|step| &step.name);
    out.document(&json!({
        "from": found.from, "name": found.name, "pipeline": found.pipeline, "waves": waves,
        "not_selected": skipped.collect::<Vec<_>>(), "warnings": found.warnings,
    }))?;
    Ok(())
}

fn mermaid(pipeline: &Pipeline, selected: &BTreeSet<Slug>) -> Vec<String> {
    let steps: Vec<&Step> = pipeline.steps.iter().filter(|step| selected.contains(&step.slug)).collect();
    let quoted = |text: &str| text.replace('"', "#quot;");
    let mut lines = vec!["flowchart LR".to_owned()];
    for (index, stage) in pipeline.stages.iter().enumerate() {
        let here: Vec<&&Step> = steps.iter().filter(|step| step.stage == *stage).collect();
        if !here.is_empty() {
            lines.push(format!("  subgraph s{index}[\"{}\"]", quoted(stage)));
            lines.extend(here.iter().map(|step| format!("    {}[\"{}\"]", step.slug, quoted(&step.name))));
            lines.push("  end".to_owned());
        }
    }
    let rank = |step: &Step| pipeline.stages.iter().position(|stage| *stage == step.stage);
    for step in &steps {
        let before: Vec<&&Step> = match &step.needs {
            Some(needs) => steps.iter().filter(|other| needs.iter().any(|need| need.step == other.name)).collect(),
            None => {
                let last = steps.iter().filter(|other| rank(other) < rank(step)).filter_map(|other| rank(other)).max();
                steps.iter().filter(|other| last.is_some() && rank(other) == last).collect()
            }
        };
        lines.extend(before.iter().map(|other| format!("  {} --> {}", other.slug, step.slug)));
    }
    lines
}

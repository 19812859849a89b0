//! The pipeline that a project brings itself: found, read, and made the plan that its job will run.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use pipelinex_common::{
    disk::Versioned,
    folder::Folder,
    foreign::{Beneath, ForeignError, shown},
    metadata::{AdmissionStatus, SourceInfo, SourceKind},
    pipeline::{
        self, Context, Diagnostic, Pipeline, Trust,
        context::{self, Origin, Repository},
        own::{self, Plan},
        project, vars,
    },
    request::{JobRequest, Switches},
    stage::Switch,
};

use super::{
    Accepted, AdmissionError, Refused,
    facts::{self, FILES_MAX},
    own_images,
    problem::{Place, Problem, Rule},
    selection, versions,
};
use crate::{access::Auth, config::Config, stacks::StackData};

/// The largest pipeline file, in bytes.
const FILE_MAX: u64 = 512 * 1024;
/// The name of the pipeline of such a job, for run numbers and history.
const PIPELINE_NAME: &str = "own";
/// How a pipeline is called that came with the request.
const INLINE: &str = "inline.yml";
/// The most variables of a request.
const VARIABLES_MAX: usize = 200;

/// A pipeline of the project's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Own {
    /// The plan.
    pub plan: Plan,
    /// What its author should know.
    pub warnings: Vec<String>,
}

/// The project's own pipeline, where it brings one and the request does not leave it out. Blocks on the disk.
///
/// # Errors
/// [`AdmissionError`]: refused where the operator lets nobody bring one, and for everything that is wrong with its file.
pub fn find(
    source: &Path,
    request: &JobRequest,
    of: (&SourceInfo, &Repository),
    config: &Config,
) -> Result<Option<Own>, AdmissionError> {
    let asked = request.pipeline.as_ref();
    if asked.is_some_and(|asked| asked.own == Some(false) && asked.inline.is_none()) {
        return Ok(None);
    }
    let named = asked.and_then(|asked| asked.file.as_deref());
    let inline = asked.and_then(|asked| asked.inline.as_deref());
    let beneath = Beneath::open(source)?;
    let (file, content) = match (named, inline) {
        (Some(file), Some(_)) => return Err(said_twice(&format!("the name of one (`file`: {})", shown(file))).into()),
        (None, Some(_)) if asked.is_some_and(|asked| asked.own == Some(false)) => {
            return Err(said_twice("the wish for none (`own`: false)").into());
        }
        (None, Some(text)) => (INLINE, text.as_bytes().to_vec()),
        (named, None) => match of_project(&beneath, named)? {
            Some(found) => found,
            None => return none(asked).map_err(Into::into),
        },
    };
    let text = text_of(file, &content)?;
    // One that cannot be read at all is told below, where it is read as what it wants to be.
    let is_pipeline = named.or(inline).is_some() || project::read(text).is_ok_and(|read| read.is_pipeline);
    if !is_pipeline {
        return none(asked).map_err(Into::into);
    }
    if !config.policy.own.pipelines {
        let refused = if config.policy.of_project.own_pipelines { not_in_this_project(file) } else { not_here(file) };
        return Err(Refused::only(refused).into());
    }
    let files: BTreeSet<String> = beneath.walk(FILES_MAX)?.files.into_iter().map(|file| file.path).collect();
    let texts = texts(&beneath, text, &files)?;
    let own = compiled(file, text, request, of, (files, texts))?;
    let allowed = config.own_images.as_ref();
    let problems =
        allowed.map(|allowed| own_images::refused(&own.plan.pipeline, allowed, file, text)).unwrap_or_default();
    if problems.is_empty() { Ok(Some(own)) } else { Err(Refused { problems, candidates: Vec::new() }.into()) }
}

/// The file that was named, or the usual one where there is one.
fn of_project<'n>(beneath: &Beneath, named: Option<&'n str>) -> Result<Option<(&'n str, Vec<u8>)>, AdmissionError> {
    let file = named.unwrap_or(project::FILE);
    match beneath.read(file, FILE_MAX) {
        Ok(content) => Ok(Some((file, content))),
        Err(ForeignError::Missing(_)) if named.is_none() => Ok(None),
        Err(error @ ForeignError::Io { .. }) => Err(error.into()),
        Err(error) => {
            let hint = "name a plain file of the project as seen from its top, such as `.gitlab-ci.yml`";
            Err(Refused::only(Problem::at(Rule::PROJECT_FILE, file, error.to_string(), hint)).into())
        }
    }
}

fn said_twice(other: &str) -> Refused {
    let message = format!("the request has both a pipeline (`inline`) and {other}");
    Refused::only(Problem::at(Rule::PROJECT_FILE, "pipeline.inline", message, "send one of the two"))
}

/// What the pipeline file may include. One that cannot be read as text is as if it were not there.
fn texts(beneath: &Beneath, text: &str, files: &BTreeSet<String>) -> Result<BTreeMap<String, String>, AdmissionError> {
    let mut texts = BTreeMap::new();
    for name in context::may_be_included(text, files.iter()) {
        match beneath.read(name, FILE_MAX) {
            Ok(content) => texts.extend(String::from_utf8(content).ok().map(|content| (name.clone(), content))),
            Err(error @ ForeignError::Io { .. }) => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(texts)
}

fn text_of<'t>(file: &str, content: &'t [u8]) -> Result<&'t str, Refused> {
    std::str::from_utf8(content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content)).map_err(|_| {
        Refused::only(Problem::at(
            Rule::PROJECT_FILE,
            file,
            format!("{} is not in UTF-8", shown(file)),
            "save it in UTF-8",
        ))
    })
}

/// Where there is no pipeline file, what is said about one has nothing to be about.
fn none(asked: Option<&Switches>) -> Result<Option<Own>, Refused> {
    let Some(asked) = asked else { return Ok(None) };
    let said = [("variables", !asked.variables.is_empty()), ("steps", !asked.steps.is_empty())];
    match said.iter().find(|(_, said)| *said) {
        None => Ok(None),
        Some((field, _)) => {
            let message = format!("`{field}` is for a pipeline of the project's own, and the project has none");
            let hint = format!("leave it out, or write {} with steps", project::FILE);
            Err(Refused::only(Problem::at(Rule::PROJECT_FILE, &format!("pipeline.{field}"), message, hint)))
        }
    }
}

fn not_here(file: &str) -> Problem {
    let message =
        format!("the project brings a pipeline of its own in {}, and this server runs none of those", shown(file));
    let hint = "run it on your machine with `pipelinex run`; or submit with --without-own-pipeline (`\"pipeline\": {\"own\": \
                false}`) to have the project's stack run instead; or ask the operator, who would start the server with \
                `--own-pipelines all`";
    Problem::at(Rule::OWN_PIPELINE_OFF, file, message, hint)
}

fn not_in_this_project(file: &str) -> Problem {
    let message = format!(
        "the project brings a pipeline of its own in {}, and its settings on this server let none run",
        shown(file)
    );
    let hint = "submit with --without-own-pipeline (`\"pipeline\": {\"own\": false}`) to have the project's stack run instead; or ask \
                the owner of the project, whose setting is `own-pipelines=no`";
    Problem::at(Rule::OWN_PIPELINE_OFF, file, message, hint)
}

fn compiled(
    file: &str,
    text: &str,
    request: &JobRequest,
    (source, repository): (&SourceInfo, &Repository),
    (files, texts): (BTreeSet<String>, BTreeMap<String, String>),
) -> Result<Own, Refused> {
    let none = Switches::default();
    let asked = request.pipeline.as_ref().unwrap_or(&none);
    check_variables(asked)?;
    let (named, is_clone) = (source.git.as_ref().map(|git| git.url.as_str()), source.kind == SourceKind::Git);
    let origin = Origin {
        project: named.or(request.project.as_deref()).unwrap_or("default"),
        file,
        branch: request.branch.as_deref(),
        tag: repository.tag.as_deref(),
        commit: request.commit.as_deref(),
        source: if is_clone { "web" } else { "api" },
        default_branch: repository.default_branch.as_deref(),
    };
    let (given, changes) = (asked.variables.clone(), repository.changes.clone());
    let context = Context { given, files, texts, is_clone, changes, ..Context::of(&origin) };
    let compiled = pipeline::compile(file, text, Trust::Project, &context).map_err(|rejected| Refused {
        problems: rejected.diagnostics.iter().map(|told| problem(file, told)).collect(),
        candidates: Vec::new(),
    })?;
    let pipeline = match asked.steps.as_slice() {
        [] => compiled.pipeline,
        names => tried(compiled.pipeline, names, asked.with_needs)?,
    };
    let warnings = compiled.warnings.iter().map(|told| {
        let help = told.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}:{}:{}: {}{help}", told.file, told.line, told.column, told.message)
    });
    let plan = Plan { schema: Plan::SCHEMA, file: file.to_owned(), name: compiled.name, pipeline };
    Ok(Own { warnings: warnings.collect(), plan })
}

/// Where nobody signs in, everybody would read and write the caches of everybody: there are none.
fn without_caches(pipeline: &Pipeline, config: &Config) -> Option<String> {
    let are_apart = config.auth == Auth::Token || config.caches_of_anonymous;
    let step = pipeline.steps.iter().find(|step| !step.caches.is_empty()).filter(|_| !are_apart)?;
    Some(format!(
        "no cache is read or kept, such as that of {}: nobody signs in to this server (--auth none), and everybody would share them",
        step.name
    ))
}

fn tried(pipeline: Pipeline, names: &[String], with_needs: bool) -> Result<Pipeline, Refused> {
    let all: Vec<String> = pipeline.steps.iter().map(|step| step.name.clone()).collect();
    own::only(pipeline, names, with_needs).map_err(|name| {
        let meant = crate::did_you_mean::nearest(&name, all.iter().map(String::as_str));
        let hint = meant.map_or_else(|| format!("it has {}", all.join(", ")), |near| format!("did you mean {near}?"));
        let message = format!("there is no step `{}` in this pipeline", shown(&name));
        Refused::only(Problem::at(Rule::UNKNOWN_STAGE, "pipeline.steps", message, hint))
    })
}

fn check_variables(asked: &Switches) -> Result<(), Refused> {
    let wrong = |message: String| {
        let hint = "a name has letters, digits and `_`, and begins with no digit";
        Refused::only(Problem::at(Rule::PROJECT_FILE, "pipeline.variables", message, hint))
    };
    if asked.variables.len() > VARIABLES_MAX {
        return Err(wrong(format!("the request has more than {VARIABLES_MAX} variables")));
    }
    match asked.variables.iter().find(|(name, value)| !vars::is_name(name) || value.contains('\0')) {
        Some((name, _)) => Err(wrong(format!("`{}` is no variable", shown(name)))),
        None => Ok(()),
    }
}

/// One problem of the file, with its place.
fn problem(file: &str, told: &Diagnostic) -> Problem {
    let message = format!("{}:{}:{}: {}", told.file, told.line, told.column, told.message);
    let hint = told.help.clone().unwrap_or_else(|| "docs/dialect.md says what a pipeline file may have".to_owned());
    let place = Place {
        code: told.code.as_str().to_owned(),
        line: told.line,
        column: told.column,
        excerpt: told.excerpt.clone(),
    };
    Problem { place: Some(Box::new(place)), ..Problem::at(Rule::PROJECT_FILE, file, message, hint) }
}

/// The verdict over a project with a pipeline of its own: the contract of a stack does not count, what the operator requires does.
///
/// # Errors
/// [`AdmissionError`].
pub fn admit(
    found: &Own,
    source: &Path,
    folder: Option<&Folder>,
    request: &JobRequest,
    kind: SourceKind,
    stack: &StackData,
    config: &Config,
) -> Result<Accepted, AdmissionError> {
    let facts = facts::gather(source, folder, &stack.contract)?;
    let combined = own::lay_in(found.plan.pipeline.clone(), &stack.pipeline, &config.policy.require);
    let combined = combined.map_err(|clash| {
        let message = format!(
            "`{}` of the project's pipeline has the name of {}, which the {} requires of every job",
            shown(&clash.own),
            clash.required,
            config.policy.who_requires(&Switch::of_stage(&clash.required))
        );
        let hint = "give that step or stage another name, or leave it out: the required one is run anyway";
        Refused::only(Problem::at(Rule::REQUIRED_STAGE_TAKEN, &found.plan.file, message, hint))
    })?;
    let wanted = versions::wanted(&stack.contract, |at| facts.look(at));
    let chosen = selection::versions(&request.versions, &stack.contract, &wanted);
    let selected = selection::select(request, kind, &combined, &BTreeSet::new(), config);
    let mut problems = super::contract::of_the_whole(&facts);
    problems.extend(selected.problems);
    if !problems.is_empty() {
        return Err(Refused { problems, candidates: Vec::new() }.into());
    }
    let mut warnings = found.warnings.clone();
    warnings.extend(selected.warnings);
    warnings.extend(without_caches(&found.plan.pipeline, config));
    let status = if warnings.is_empty() { AdmissionStatus::Accepted } else { AdmissionStatus::AcceptedWithIssues };
    Ok(Accepted {
        status,
        warnings,
        versions: chosen.versions,
        switches: selected.switches,
        stages: selected.stages,
        database: None,
        pipeline_name: PIPELINE_NAME.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nobody_signs_in_it_is_told_that_no_cache_is_kept() {
        let read = |text| pipeline::read("p.yml", text).unwrap();
        let with = read("default: {image: i}\na: {script: x}\nb: {script: x, cache: {paths: [x]}}\n");
        let without = read("a: {image: i, script: x}\n");
        let told = |pipeline, config: &Config| without_caches(pipeline, config).is_some();
        let open = Config::default();
        assert!(without_caches(&with, &open).is_some_and(|told| told.contains("such as that of b")));
        assert!(!told(&without, &open));
        assert!(!told(&with, &Config { auth: Auth::Token, ..Config::default() }));
        assert!(!told(&with, &Config { caches_of_anonymous: true, ..Config::default() }));
    }
}

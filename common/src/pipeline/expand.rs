//! From what is written to what is planned: `parallel` makes several steps of one, rules decide which of them there are, and
//! variables get their values. Afterwards no rule, matrix or template is left.

use std::collections::{BTreeMap, HashMap};

use super::{
    Trust, cache,
    context::{self, Context, PROJECT_DIR},
    diagnostic::Code,
    matrix::{self, Instance},
    model::{Artifacts, When},
    parse::RawFile,
    problems::{At, Problems, quoted},
    resolve::stage_of,
    rules::{self, RawRule, RuleWhen},
    service,
    step::{RawNeed, RawStep, check_group},
    vars::{self, Variables},
};

/// The most needs of one step: GitLab's limit.
const NEEDS_MAX: usize = 50;

/// The file with each step as often as it runs, and without those that do not.
pub(crate) fn expand(file: RawFile, trust: Trust, context: &Context, problems: &mut Problems<'_>) -> Option<RawFile> {
    let top = workflow(&file, context, problems)?;
    let mut instances: HashMap<String, Vec<String>> = HashMap::new();
    let mut steps: Vec<RawStep> = Vec::new();
    let mut absent: Vec<String> = Vec::new();
    for step in &file.steps {
        if step.refs.as_ref().is_some_and(|refs| !refs.fit(&context.predefined)) {
            continue;
        }
        if let Some(rules) = &step.rules {
            rules::check_changes(rules, &context.predefined, context, problems);
        }
        let made = matrix::instances(&step.name.value, step.parallel.as_ref());
        for instance in made {
            let variables = written(step, &top, &instance, context);
            let known: BTreeMap<String, String> = variables.iter().map(|(n, v)| (n.clone(), v.value.clone())).collect();
            let rule = match &step.rules {
                None => None,
                Some(rules) => {
                    match rules::fitting(rules, &known, context).filter(|rule| rule.when != Some(RuleWhen::Never)) {
                        Some(rule) => Some(rule),
                        None => {
                            absent.push(instance.name.clone());
                            continue;
                        }
                    }
                }
            };
            instances.entry(step.name.value.clone()).or_default().push(instance.name.clone());
            steps.push(one(step, rule, variables, &instance, (trust, context), problems));
        }
    }
    let absent: Vec<String> = file
        .steps
        .iter()
        .map(|step| step.name.value.clone())
        .filter(|name| !instances.contains_key(name))
        .chain(absent)
        .collect();
    let all: Vec<String> = steps.iter().map(|step| step.name.value.clone()).collect();
    for step in &mut steps {
        needs(step, trust, &Known { instances: &instances, all: &all, absent: &absent }, problems);
    }
    if steps.is_empty() && problems.is_empty() {
        let at = file.steps.first().map(|step| step.name.at).unwrap_or_default();
        problems
            .error(Code::NothingToRun, at, "no step is left to run: the rules of each take it away")
            .help("what rules ask about is said by `pipelinex plan`; -e NAME=VALUE sets a variable");
        return None;
    }
    Some(RawFile { steps, variables: Variables::new(), ..file })
}

/// The variables at the top, with those of the workflow's rule that fits.
fn workflow(file: &RawFile, context: &Context, problems: &mut Problems<'_>) -> Option<Variables> {
    let Some(rules) = &file.workflow else { return Some(file.variables.clone()) };
    let mut known: BTreeMap<String, String> = context.predefined.clone();
    known.extend(file.variables.iter().map(|(name, variable)| (name.clone(), variable.value.clone())));
    known.extend(context.given.clone());
    rules::check_changes(&rules.value, &known, context, problems);
    let fits = rules::fitting(&rules.value, &known, context).filter(|rule| rule.when != Some(RuleWhen::Never));
    let Some(rule) = fits else {
        problems
            .error(Code::NothingToRun, rules.at, "`workflow: rules` lets no pipeline run here")
            .help("none of its rules fits, or the one that does says `never`");
        return None;
    };
    let mut top = file.variables.clone();
    top.extend(rule.variables.clone());
    Some(top)
}

/// The variables of a step as they are written, the lowest first.
fn written(step: &RawStep, top: &Variables, instance: &Instance, context: &Context) -> Variables {
    let image = step.image.as_ref().map_or("", |image| image.value.as_str());
    let of_step = context::of_step(&instance.name, stage_of(step), image, (instance.index, instance.total));
    let mut variables = vars::plain(&context.predefined);
    if !context.predefined.is_empty() {
        variables.extend(vars::plain(&of_step.into_iter().collect()));
    }
    let inherited = top.iter().filter(|(name, _)| step.inherit_variables.takes(name));
    variables.extend(inherited.map(|(name, variable)| (name.clone(), variable.clone())));
    variables.extend(step.variables.clone());
    variables.extend(instance.variables.clone());
    // What was given counts most; what it refers to is its own affair.
    variables.extend(vars::plain(&context.given));
    variables
}

/// One instance of a step, under the rule that fits.
fn one(
    step: &RawStep,
    rule: Option<&RawRule>,
    mut variables: Variables,
    instance: &Instance,
    (trust, context): (Trust, &Context),
    problems: &mut Problems<'_>,
) -> RawStep {
    if let Some(rule) = rule {
        let given = |name: &String| context.given.contains_key(name);
        variables.extend(rule.variables.iter().filter(|(name, _)| !given(name)).map(|(n, v)| (n.clone(), v.clone())));
    }
    let (when, allow_failure) = rules::decided(rule, step.when, step.allow_failure.as_ref());
    let name = At { value: instance.name.clone(), at: step.name.at };
    let mut step = RawStep {
        name,
        when: Some(when),
        start_in_seconds: rule
            .and_then(|rule| rule.start_in_seconds)
            .or(step.start_in_seconds)
            .filter(|_| when == When::Delayed),
        allow_failure: Some(allow_failure),
        interruptible: rule.and_then(|rule| rule.interruptible).or(step.interruptible),
        rules: None,
        parallel: None,
        ..step.clone()
    };
    if let Some(needs) = rule.and_then(|rule| rule.needs.clone()) {
        step.needs = Some(needs);
    }
    if trust == Trust::Project {
        put_in(&mut step, &variables, problems);
    } else {
        step.beside = service::settled(&step.services, None, problems);
        step.kept = cache::settled(&step.caches, None, problems);
        step.environment = variables.into_iter().map(|(name, variable)| (name, variable.value)).collect();
    }
    step
}

/// Puts the values of variables where the runner would.
fn put_in(step: &mut RawStep, variables: &Variables, problems: &mut Problems<'_>) {
    let values = vars::expanded(variables, problems);
    if let Some(image) = &mut step.image {
        image.value = vars::expand(image, "`image`", &values, problems);
        if image.value.is_empty() || image.value.chars().any(|c| c.is_whitespace() || c.is_control()) {
            let message = format!(
                "the image of step {} comes to {}, which is none",
                quoted(&step.name.value),
                quoted(&image.value)
            );
            problems.error(Code::InvalidValue, image.at, message);
        }
    }
    let Artifacts { paths, exclude, junit, dotenv, .. } = &mut step.artifacts;
    for glob in paths.iter_mut().chain(exclude).chain(junit).chain(dotenv) {
        if glob.contains('$') {
            let written = At { value: glob.clone(), at: step.name.at };
            let put = vars::expand(&written, "a path of `artifacts`", &values, problems);
            *glob = put.strip_prefix(&format!("{PROJECT_DIR}/")).unwrap_or(&put).to_owned();
            if glob.starts_with('/') || glob.split('/').any(|part| part == "..") {
                let message = format!("{} leads out of the project", quoted(glob));
                problems.error(Code::InvalidValue, step.name.at, message);
            }
        }
    }
    step.beside = service::settled(&step.services, Some(&values), problems);
    step.kept = cache::settled(&step.caches, Some(&values), problems);
    step.resource_group = step.resource_group.take().and_then(|group| {
        let value = vars::expand(&group, "`resource_group`", &values, problems);
        let group = At { value, at: group.at };
        // One that comes to nothing is none.
        (!group.value.is_empty() && check_group(&group, problems)).then_some(group)
    });
    step.environment = values;
}

/// What there is to be needed.
struct Known<'k> {
    instances: &'k HashMap<String, Vec<String>>,
    all: &'k [String],
    absent: &'k [String],
}

/// Each need as the instances that it stands for. One that is absent and may be is left out.
fn needs(step: &mut RawStep, trust: Trust, known: &Known<'_>, problems: &mut Problems<'_>) {
    let name = step.name.value.clone();
    if let Some(written) = step.needs.take() {
        let mut found: Vec<RawNeed> = Vec::new();
        for need in written {
            found.extend(instances_of(&name, need, trust, known, problems));
        }
        if found.len() > NEEDS_MAX && trust == Trust::Project {
            let message =
                format!("step {} needs {} steps, at most {NEEDS_MAX} may be named", quoted(&name), found.len());
            problems
                .error(Code::InvalidValue, step.name.at, message)
                .help("leave `needs` out to wait for all earlier stages");
        }
        step.needs = Some(found);
    }
    let Some(dependencies) = step.dependencies.take() else { return };
    let mut taken: Vec<At<String>> = Vec::new();
    for dependency in dependencies {
        match known.instances.get(&dependency.value) {
            Some(instances) => taken.extend(instances.iter().map(|name| At { value: name.clone(), at: dependency.at })),
            None if known.all.contains(&dependency.value) => taken.push(dependency),
            None => {
                let absent =
                    if known.absent.contains(&dependency.value) { "its rules take away" } else { "does not exist" };
                let message =
                    format!("step {} takes artifacts of {}, which {absent}", quoted(&name), quoted(&dependency.value));
                let all = known.all.iter().map(String::as_str);
                problems.error(Code::UnknownStep, dependency.at, message).suggest(&dependency.value, all, None);
            }
        }
    }
    if let Some(needs) = &mut step.needs {
        for other in taken.iter().filter(|other| !needs.iter().any(|need| need.step.value == other.value)) {
            let message =
                format!("step {} takes artifacts of {}, which it does not need", quoted(&name), quoted(&other.value));
            problems.error(Code::InvalidValue, other.at, message).help("add it to `needs`");
        }
        for need in needs.iter_mut() {
            need.artifacts &= taken.iter().any(|other| other.value == need.step.value);
        }
    }
    step.dependencies = Some(taken);
}

fn instances_of(
    step: &str,
    need: RawNeed,
    trust: Trust,
    known: &Known<'_>,
    problems: &mut Problems<'_>,
) -> Vec<RawNeed> {
    let one =
        |name: &str| RawNeed { step: At { value: name.to_owned(), at: need.step.at }, picked: None, ..need.clone() };
    if let Some(rows) = &need.picked {
        let mut found = Vec::new();
        for row in rows {
            let name = matrix::name_of(&need.step.value, row);
            if known.all.contains(&name) {
                found.push(one(&name));
            } else if !need.optional {
                let message = format!("step {} needs {}, which does not exist", quoted(step), quoted(&name));
                let all = known.all.iter().map(String::as_str);
                problems.error(Code::UnknownStep, matrix::place_of(row, need.step.at), message).suggest(
                    &name,
                    all,
                    Some("name the values in the order of that step's matrix".to_owned()),
                );
            }
        }
        return found;
    }
    if let Some(instances) = known.instances.get(&need.step.value) {
        return instances.iter().map(|name| one(name)).collect();
    }
    let absent = known.absent.contains(&need.step.value);
    if trust == Trust::Project && need.optional && !known.all.contains(&need.step.value) {
        return Vec::new();
    }
    if absent {
        let message = format!("step {} needs {}, which its rules take away", quoted(step), quoted(&need.step.value));
        problems
            .error(Code::NeedsAbsent, need.step.at, message)
            .help(format!("write `{{job: {}, optional: true}}`, or give both the same rules", need.step.value));
        return Vec::new();
    }
    vec![need]
}

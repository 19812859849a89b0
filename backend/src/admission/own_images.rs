//! The images of a project's own pipeline, held against what the operator lets in: a refusal now is better than a red step later.

use std::collections::BTreeSet;

use pipelinex_common::{
    foreign::shown,
    pipeline::{Pipeline, images::is_allowed, vars},
};

use super::problem::{Place, Problem, Rule};

/// What the worker of the same process lets in. Where the worker is a process of its own, only that knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnImages {
    /// The names of the operator's table.
    pub names: BTreeSet<String>,
    /// Patterns of others.
    pub patterns: Vec<String>,
}

/// Every image that would not be let in, once, with its place in the file where it is written there as it is.
pub fn refused(pipeline: &Pipeline, allowed: &OwnImages, file: &str, text: &str) -> Vec<Problem> {
    let mut told: BTreeSet<&str> = BTreeSet::new();
    let mut problems = Vec::new();
    for step in &pipeline.steps {
        let services = step.services.iter().map(|service| service.image.as_str());
        for image in std::iter::once(step.image.as_str()).chain(services) {
            // What only the worker can put in, it judges.
            let is_known = !vars::is_left_to_the_worker(image);
            if is_known && !allowed.names.contains(image) && !is_allowed(&allowed.patterns, image) && told.insert(image)
            {
                problems.push(problem(&step.name, image, allowed, file, text));
            }
        }
    }
    problems
}

fn problem(step: &str, image: &str, allowed: &OwnImages, file: &str, text: &str) -> Problem {
    let names: Vec<&str> = allowed.names.iter().map(String::as_str).collect();
    let patterns = if allowed.patterns.is_empty() { "none" } else { &allowed.patterns.join(", ") };
    let hint = format!(
        "name one of this server's own images ({}) or one that its operator lets in with --allowed-images (now: {patterns})",
        names.join(", ")
    );
    let message = format!("step {} needs the image {}, which this server does not let in", shown(step), shown(image));
    let found = text.lines().enumerate().find_map(|(row, line)| Some((row, line, line.find(image)?)));
    let Some((row, line, byte)) = found else { return Problem::at(Rule::PROJECT_FILE, file, message, hint) };
    let (number, column) = (row + 1, line[..byte].chars().count() + 1);
    let gutter = " ".repeat(number.to_string().len());
    let place = Place {
        code: "PX006".to_owned(),
        line: u32::try_from(number).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
        excerpt: format!("{number} | {}\n{gutter} | {}^\n", shown(line), " ".repeat(column - 1)),
    };
    let message = format!("{file}:{number}:{column}: {message}");
    Problem { place: Some(Box::new(place)), ..Problem::at(Rule::PROJECT_FILE, file, message, hint) }
}

#[cfg(test)]
mod tests {
    use pipelinex_common::pipeline::{self, Context, Trust};

    use super::*;

    #[test]
    fn an_image_that_is_not_let_in_is_told_once_with_its_line() {
        let text = "a: {image: scan, script: x}\nb:\n  image: evil/x:1\n  script: x\n  services: [ok/db, evil/x:1]\nc: {image: \"i$CI_JOB_ID\", script: x}\n";
        let plan = pipeline::compile("p.yml", text, Trust::Project, &Context::default()).unwrap().pipeline;
        let allowed = OwnImages { names: ["scan".to_owned()].into(), patterns: vec!["ok/*".to_owned()] };
        let told = refused(&plan, &allowed, "p.yml", text);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].message.starts_with("p.yml:3:10: step b needs the image evil/x:1"), "{}", told[0].message);
    }
}

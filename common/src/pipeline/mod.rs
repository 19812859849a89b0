//! The pipeline dialect: a strict subset of GitLab CI, read with a place for every word, checked as a whole, resolved into
//! a model, and planned by a pure function. Nothing here reads files, waits or talks to an engine.
//!
//! [`read`] turns a file into a [`Pipeline`] or into everything that is wrong with it. [`select::select`] says which steps
//! a request wants, [`plan::next`] what may run now.

pub mod cache;
pub mod causes;
pub mod context;
mod contract;
pub mod detect;
pub mod diagnostic;
pub mod dotenv;
mod expand;
mod expr;
mod extends;
mod extension;
mod fields;
pub mod images;
mod include;
mod inputs;
mod keys;
mod matrix;
pub mod model;
mod only;
mod order;
pub mod own;
mod parse;
pub mod plan;
mod problems;
pub mod project;
mod reference;

mod resolve;
mod retry;
mod rules;
pub mod schema;
pub mod select;
mod service;
pub mod stack;
mod step;
mod syntax;
mod units;
pub mod vars;
mod yaml;

#[cfg(test)]
mod tests;

pub use context::Context;
pub use diagnostic::{Code, Diagnostic, Rejected, Severity};
pub use model::Pipeline;

/// A regular expression as a pipeline file writes it: between slashes, with flags.
///
/// # Errors
/// What is wrong with it.
pub fn regex(text: &str) -> Result<regex::Regex, String> {
    expr::regex(text)
}

/// Whose a pipeline file is, and so how far it is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The operator's: a built-in stack, or one of a folder that the operator names.
    Operator,
    /// A project's own: it says nothing of how far its steps are trusted.
    Project,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// What runs.
    pub pipeline: Pipeline,
    /// What the file calls this run (`workflow: name`).
    pub name: Option<String>,
    /// What its author should know, though it runs.
    pub warnings: Vec<Diagnostic>,
}

/// Reads a pipeline file of the operator's. `file` is its name as messages show it.
pub fn read(file: &str, text: &str) -> Result<Pipeline, Rejected> {
    compile(file, text, Trust::Operator, &Context::default()).map(|compiled| compiled.pipeline)
}

/// Reads a pipeline file, and makes the plan of it in that context: no rule, matrix, template or variable is left in it.
///
/// # Errors
/// [`Rejected`] with everything that is wrong.
pub fn compile(file: &str, text: &str, trust: Trust, context: &Context) -> Result<Compiled, Rejected> {
    let mut problems = problems::Problems::new(file, text);
    let root = yaml::parse(text, &mut problems);
    let was_good = problems.is_empty();
    let root = root.map(|root| include::laid_below(root, file, context, &mut problems));
    // What is missing because a file could not be included is not to blame.
    let root = root.filter(|_| !was_good || problems.is_empty());
    let root = root.and_then(|root| reference::resolved(root, &mut problems));
    let raw = root.as_ref().and_then(|root| parse::read(root, trust, &mut problems));
    let name = raw.as_ref().and_then(|raw| raw.name.clone());
    let raw = raw.and_then(|raw| expand::expand(raw, trust, context, &mut problems));
    let pipeline = raw.and_then(|raw| resolve::resolve(&raw, &mut problems));
    let (pipeline, warnings) = problems.finish_with_warnings(pipeline)?;
    let name = name.map(|name| name.value.trim().to_owned()).filter(|name| !name.is_empty());
    Ok(Compiled { pipeline, name, warnings })
}

//! The pipeline dialect: a strict subset of GitLab CI, read with a place for every word, checked as a whole, resolved into
//! a model, and planned by a pure function. Nothing here reads files, waits or talks to an engine.
//!
//! [`read`] turns a file into a [`Pipeline`] or into everything that is wrong with it. [`select::select`] says which steps
//! a request wants, [`plan::next`] what may run now.

pub mod causes;
mod contract;
pub mod detect;
pub mod diagnostic;
mod extends;
mod fields;
pub mod images;
mod keys;
pub mod model;
mod order;
mod ours;
mod parse;
pub mod plan;
mod problems;
pub mod project;
mod resolve;
pub mod select;
pub mod stack;
mod step;
mod syntax;
mod units;
mod yaml;

#[cfg(test)]
mod tests;

pub use diagnostic::{Code, Diagnostic, Rejected, Severity};
pub use model::Pipeline;

/// Reads a pipeline file. `file` is its name as messages show it.
pub fn read(file: &str, text: &str) -> Result<Pipeline, Rejected> {
    let mut problems = problems::Problems::new(file, text);
    let root = yaml::parse(text, &mut problems);
    let raw = root.as_ref().and_then(|root| parse::read(root, &mut problems));
    let pipeline = raw.and_then(|raw| resolve::resolve(&raw, &mut problems));
    problems.finish(pipeline)
}

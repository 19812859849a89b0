//! The room of what knows one language or tool, and cannot be said as data in a contract. A contract names such a check; which
//! file it looks into, and how code is told from comments, is known here.

mod maven;
pub mod xml;

use pipelinex_common::{pipeline::stack::Contract, request::Versions};

use super::{
    facts::Facts,
    problem::{Problem, Rule},
};

/// The names of all checks, as contracts write them.
pub const NAMES: [&str; 2] = [maven::IS_SPRING_BOOT, maven::JAVA_VERSION];

/// The rules of checks that say what a project is not.
pub(super) const OF_SHAPE: [Rule; 2] = maven::OF_SHAPE;

/// What a check says of a project.
#[derive(Debug, Default)]
pub struct Opinion {
    /// Why it is refused.
    pub problems: Vec<Problem>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// The files that the checks of a contract look into, as globs.
pub fn files(contract: &Contract) -> Vec<&'static str> {
    if contract.semantic.is_empty() { Vec::new() } else { vec![maven::POMS] }
}

/// Applies the checks that a contract names.
pub fn check(facts: &Facts, contract: &Contract, versions: &Versions) -> Opinion {
    if contract.semantic.is_empty() { Opinion::default() } else { maven::check(facts, &contract.semantic, versions) }
}

/// How often a text is in a file; of a language that is known, only code counts.
pub fn count(path: &str, content: &[u8], text: &str) -> usize {
    if path.ends_with(".java") { maven::java::count(content, text) } else { maven::java::occurrences(content, text) }
}

/// The rules of all checks.
#[cfg(test)]
pub fn rules() -> Vec<Rule> {
    maven::RULES.to_vec()
}

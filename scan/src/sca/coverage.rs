//! How much of a project its bill of materials covers.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use pipelinex_findings::{cyclonedx, cyclonedx::Component, maven};
use serde_json::Value;

use super::{database::Database, inputs, inputs::Input, manifests};
use crate::{
    project, report,
    stage::{Failure, Stage},
};

/// Largest pom.xml that is read, in bytes.
const MAX_POM: u64 = 5 << 20;
/// Names in one message.
const MAX_NAMED: usize = 10;
/// What OSV calls the registries that package URLs name. Others, like actions of a forge, are no part of the application.
const ECOSYSTEMS: [(&str, &str); 10] = [
    ("maven", "Maven"),
    ("npm", "npm"),
    ("pypi", "PyPI"),
    ("golang", "Go"),
    ("cargo", "crates.io"),
    ("gem", "RubyGems"),
    ("composer", "Packagist"),
    ("nuget", "NuGet"),
    ("hex", "Hex"),
    ("pub", "Pub"),
];

/// What can be looked up, and what cannot.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// Components with a version, of an ecosystem that the database has.
    pub(super) looked_up: usize,
    /// Their ecosystems.
    pub(super) ecosystems: BTreeSet<String>,
    /// Components of ecosystems that the database lacks.
    missing: BTreeMap<String, usize>,
    /// Components without a version.
    unversioned: BTreeSet<String>,
    /// Libraries in a jar that syft did not recognise.
    unknown: Vec<String>,
    /// Dependencies that pom files name.
    named: u64,
    /// Lock files and manifests that nobody read, and why.
    unread: Vec<(String, String)>,
    source_only: bool,
    /// The jars hold nothing but themselves, although pom files name dependencies.
    thin: bool,
}

impl Coverage {
    /// Compares a bill with what was scanned and with the database.
    ///
    /// # Errors
    /// The bill cannot be read, or there is a jar that nothing in it is about.
    pub(super) fn of(stage: &Stage, input: &Input, bill: &Value, database: &Database) -> Result<Self, Failure> {
        let components = cyclonedx::parse(bill.to_string().as_bytes());
        let components = components.map_err(|error| Failure::tool(format!("syft: {error}")))?;
        let mut coverage = Self::default();
        for component in &components {
            let Some(ecosystem) = ecosystem(component) else { continue };
            if component.version.is_none() {
                coverage.unversioned.insert(component.name.clone());
            } else if database.has(ecosystem) {
                coverage.looked_up += 1;
                coverage.ecosystems.insert(ecosystem.to_owned());
            } else {
                *coverage.missing.entry(ecosystem.to_owned()).or_default() += 1;
            }
        }
        coverage.read_poms(stage);
        match input {
            Input::Jars { folder, jars } => {
                let mut libraries = 0;
                for jar in jars {
                    libraries += coverage.compare_with_jar(folder, jar, &components)?;
                }
                coverage.thin = libraries == 0 && coverage.looked_up <= jars.len() && coverage.named > 0;
            }
            Input::Source(folder) => {
                coverage.source_only = true;
                coverage.unread.extend(manifests::unread(folder, bill));
            }
        }
        Ok(coverage)
    }

    /// Says how many libraries the jar holds.
    fn compare_with_jar(&mut self, folder: &Path, jar: &Path, components: &[Component]) -> Result<usize, Failure> {
        let in_jar = format!("/{}", jar.display());
        let told: BTreeSet<&str> = components
            .iter()
            .filter(|component| component.version.is_some())
            .filter_map(|component| component.location.as_deref()?.strip_prefix(&in_jar))
            .collect();
        if told.is_empty() {
            return Err(Failure::tool(format!("syft recognised nothing in {}: is it a whole jar?", jar.display())));
        }
        let libraries = inputs::libraries(&folder.join(jar))
            .map_err(|error| Failure::tool(format!("{} cannot be read: {error}", jar.display())))?;
        let known =
            |library: &str| told.iter().any(|place| place.strip_prefix(':').is_some_and(|p| p.starts_with(library)));
        let count = libraries.len();
        self.unknown.extend(libraries.into_iter().filter(|library| !known(library)));
        Ok(count)
    }

    fn read_poms(&mut self, stage: &Stage) {
        for path in project::files(&stage.app).iter().filter(|path| path.file_name().is_some_and(|n| n == "pom.xml")) {
            match report::bytes(path, MAX_POM).ok().and_then(|text| maven::dependencies(&text).ok()) {
                Some(count) => self.named += count,
                None => {
                    let path = path.strip_prefix(&stage.app).unwrap_or(path).to_string_lossy().into_owned();
                    self.unread.push((path, "it cannot be read as a pom file".to_owned()));
                }
            }
        }
    }

    /// Whether a component can be looked up.
    pub(super) fn covers(&self, component: &Component) -> bool {
        component.version.is_some() && ecosystem(component).is_some_and(|name| self.ecosystems.contains(name))
    }

    /// Warns of what is not covered.
    pub(super) fn tell(&self, stage: &mut Stage) {
        for (path, reason) in &self.unread {
            stage.coverage.skip(path, reason);
        }
        if !self.unknown.is_empty() {
            let count = self.unknown.len();
            stage.warn(format!(
                "{count} libraries in the jar were not recognised and not looked up: {}",
                listed(&self.unknown)
            ));
        }
        if self.source_only && !self.unversioned.is_empty() {
            let names: Vec<String> = self.unversioned.iter().cloned().collect();
            stage.warn(format!("{} components have no version that can be read: {}", names.len(), listed(&names)));
        }
        for (ecosystem, count) in &self.missing {
            stage.warn(format!(
                "the advisory database has nothing on {ecosystem}: {count} components were not looked up"
            ));
        }
    }

    /// The failure of a scan that could look nothing up.
    pub(super) fn nothing(&self) -> Failure {
        match self.judge("nothing was looked up".to_owned()) {
            Err(failure) => failure,
            Ok(_) => Failure::tool("syft found no component with a version: nothing can be looked up"),
        }
    }

    /// The message of a scan that covered everything; else the failure that says what is missing and what helps.
    ///
    /// # Errors
    /// Something was not covered.
    pub(super) fn judge(&self, message: String) -> Result<String, Failure> {
        if !self.missing.is_empty() {
            let names: Vec<&str> = self.missing.keys().map(String::as_str).collect();
            let names = names.join(", ");
            return Err(Failure::tool(format!(
                "the advisory database has nothing on {names}: add it with `pipelinex db update` or `pipelinex db import`. \
                 So far: {message}"
            )));
        }
        if self.source_only && self.named > 0 {
            return Err(Failure::tool(format!(
                "only a part of the dependencies can be seen in the source: pom files name {} ({} without a version \
                 there), and not what those bring in. Select run_package, so that the built jar is scanned. \
                 So far: {message}",
                self.named,
                self.unversioned.len()
            )));
        }
        if self.source_only && !self.unversioned.is_empty() {
            let count = self.unversioned.len();
            return Err(Failure::tool(format!(
                "{count} components have no version that can be read. So far: {message}"
            )));
        }
        if self.thin {
            return Err(Failure::tool(format!(
                "the jar holds none of the {} dependencies that pom files name: package the application with what it needs \
                 (spring-boot-maven-plugin, goal repackage). So far: {message}",
                self.named
            )));
        }
        match self.unknown.len() {
            0 => Ok(message),
            count => Ok(format!("{message}; {count} libraries not recognised")),
        }
    }
}

fn ecosystem(component: &Component) -> Option<&'static str> {
    let kind = component.kind()?;
    ECOSYSTEMS.iter().find(|(known, _)| *known == kind).map(|(_, name)| *name)
}

fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(MAX_NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", names.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", "))
}

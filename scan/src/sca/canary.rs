//! A component that nobody has, with an advisory that nobody wrote: both tools must bring it back.
//!
//! syft finds it in a folder of ours, osv-scanner in a database of ours that stands beside the operator's, in the same run
//! that looks up everything else. Its name is random, so no project has it.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    random, report,
    stage::{Failure, Stage},
};

const VERSION: &str = "1.0.0";
/// Where it may be planted: the type of a package URL, and what OSV calls that. One that the project uses is the operator's.
const ECOSYSTEMS: [(&str, &str); 2] = [("gem", "RubyGems"), ("pub", "Pub")];

/// What is planted.
pub(super) struct Canary {
    name: String,
    /// The entries of its bill of materials.
    components: Vec<Value>,
}

impl Canary {
    /// Chooses a name.
    ///
    /// # Errors
    /// There is no randomness.
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self { name: random::name()?, components: Vec::new() })
    }

    /// Makes a project that has it.
    ///
    /// # Errors
    /// /tmp cannot be written.
    pub(super) fn project(&self, stage: &Stage) -> Result<PathBuf, Failure> {
        let (folder, name) = (stage.scratch("planted"), &self.name);
        let gem = format!(
            "GEM\n  remote: https://rubygems.org/\n  specs:\n    {name} ({VERSION})\n\nDEPENDENCIES\n  {name}\n"
        );
        let dart = format!(
            "packages:\n  {name}:\n    dependency: \"direct main\"\n    description:\n      name: {name}\n      \
             url: \"https://pub.dev\"\n    source: hosted\n    version: \"{VERSION}\"\n"
        );
        let written = fs::create_dir(&folder)
            .and_then(|()| fs::write(folder.join("Gemfile.lock"), gem))
            .and_then(|()| fs::write(folder.join("pubspec.lock"), dart));
        written.map_err(scratch)?;
        Ok(folder)
    }

    /// Takes what syft says of that project.
    ///
    /// # Errors
    /// It did not see the component.
    pub(super) fn seen(&mut self, bill: &Value) -> Result<(), Failure> {
        let all = bill["components"].as_array().map(Vec::as_slice).unwrap_or_default();
        self.components = all.iter().filter(|entry| entry["name"] == self.name.as_str()).cloned().collect();
        let whole = ECOSYSTEMS.iter().all(|(kind, _)| self.component(kind).is_some());
        if whole { Ok(()) } else { Err(Failure::tool("syft did not find the components that were planted to try it")) }
    }

    fn component(&self, kind: &str) -> Option<&Value> {
        let start = format!("pkg:{kind}/{}@{VERSION}", self.name);
        self.components.iter().find(|entry| entry["purl"].as_str().is_some_and(|purl| purl.starts_with(&start)))
    }

    /// Lays out a database: the operator's for these ecosystems, and ours for one more. Says which component it is about.
    ///
    /// # Errors
    /// /tmp cannot be written, or the project uses every ecosystem that ours could be of.
    pub(super) fn database(
        &self,
        stage: &Stage,
        operators: &Path,
        used: &BTreeSet<String>,
    ) -> Result<(PathBuf, Value), Failure> {
        let free = ECOSYSTEMS.iter().find(|(_, name)| !used.contains(*name));
        let (kind, name) = free.ok_or_else(|| Failure::tool("no ecosystem is left to plant an advisory in"))?;
        let component = self.component(kind).cloned().unwrap_or_default();
        let (database, inside) = (stage.scratch("database"), "osv-scalibr");
        let ours = database.join(inside).join(name);
        let advisory = json!({
            "id": self.advisory(), "modified": "2026-01-01T00:00:00Z", "summary": "planted to try the scan",
            "affected": [{"package": {"ecosystem": name, "name": self.name}, "versions": [VERSION]}],
        });
        let mut archive = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        archive.start_file(format!("{}.json", self.advisory()), SimpleFileOptions::default()).map_err(odd)?;
        archive.write_all(advisory.to_string().as_bytes()).map_err(scratch)?;
        let archive = archive.finish().map_err(odd)?.into_inner();
        fs::create_dir_all(&ours).and_then(|()| fs::write(ours.join("all.zip"), archive)).map_err(scratch)?;
        for used in used {
            symlink(operators.join(inside).join(used), database.join(inside).join(used)).map_err(scratch)?;
        }
        Ok((database, component))
    }

    fn advisory(&self) -> String {
        format!("PIPELINEX-{}", self.name)
    }

    /// Takes it out of what osv-scanner answered; says whether it was there, with its advisory.
    pub(super) fn take_out(&self, told: &mut Value) -> bool {
        let (advisory, mut found) = (self.advisory(), false);
        for result in report::items(told, "results") {
            let Some(Value::Array(packages)) = result.get_mut("packages") else { continue };
            packages.retain(|package| {
                let ours = package["package"]["name"] == self.name.as_str();
                found |= ours && package["groups"].to_string().contains(&advisory);
                !ours
            });
        }
        found
    }
}

fn scratch(error: std::io::Error) -> Failure {
    Failure::tool(format!("/tmp: {error}"))
}

fn odd(error: zip::result::ZipError) -> Failure {
    Failure::tool(format!("/tmp: {error}"))
}

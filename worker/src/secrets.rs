//! Which secrets a step is given. By reference: what is on disk names none of them, and each holder of a job opens them again.
//!
//! A holder that takes a running step over masks by what the secrets are by then.

use std::path::{Path, PathBuf};

use pipelinex_common::{
    metadata::Metadata,
    pipeline::model::{Step, StepKind},
    secrets::{Secret, SecretKey},
    store::{SecretRecord, Store},
};

use crate::{config::WorkerConfig, mask::Mask};

/// Whose secrets the steps of a job may have.
#[derive(Clone, Debug)]
pub enum Scope {
    /// Nobody's: where nobody signed in everybody is the same.
    Nobody,
    /// Those that whoever runs this process named.
    Named(Vec<Secret>),
    /// Those of a project.
    OfProject {
        /// The project.
        project: String,
        /// Whether the job was made of a ref that it trusts.
        trusted: bool,
        /// The key's file.
        key: Option<PathBuf>,
    },
}

impl Scope {
    /// Of a job.
    pub fn of(metadata: &Metadata, config: &WorkerConfig) -> Self {
        if !config.named_secrets.is_empty() {
            return Self::Named(config.named_secrets.clone());
        }
        if metadata.owner.is_anonymous() {
            return Self::Nobody;
        }
        let (project, trusted) = (metadata.project.clone(), metadata.is_of_trusted_ref());
        Self::OfProject { project, trusted, key: config.secrets_key.clone() }
    }

    /// What a step of the project's own pipeline is given; nothing for any other. Blocks on the disk.
    ///
    /// # Errors
    /// A sentence: a step that would miss one is not run.
    pub fn given(&self, store: &Store, step: &Step, is_own: bool) -> Result<Given, String> {
        if step.kind == StepKind::Scan || !is_own {
            return Ok(Given::default());
        }
        match self {
            Self::Nobody => Ok(Given::default()),
            Self::Named(secrets) => Ok(Given::new(secrets.clone(), Vec::new())),
            Self::OfProject { project, trusted, key } => of_project(store, project, *trusted, key.as_deref()),
        }
    }
}

fn of_project(store: &Store, project: &str, trusted: bool, key: Option<&Path>) -> Result<Given, String> {
    let records =
        store.secrets_of(project, |record| record.purpose.is_of_steps()).map_err(|error| error.to_string())?;
    let allowed = |record: &SecretRecord| trusted || !record.protected;
    let (given, withheld): (Vec<_>, Vec<_>) = records.into_iter().partition(allowed);
    let names: Vec<&str> = withheld.iter().map(|record| record.name.as_str()).collect();
    let warnings = match names.is_empty() {
        true => Vec::new(),
        false => {
            vec![format!("not given: {}, which are for the default branch of a repository alone", names.join(", "))]
        }
    };
    if given.is_empty() {
        return Ok(Given::new(Vec::new(), warnings));
    }
    let key = key.ok_or("the project has secrets, and this worker has no --secrets-key to read them")?;
    let key = SecretKey::open(key, store.layout().root()).map_err(|error| error.to_string())?;
    let opened = store.open_secrets(&key, &given).map_err(|error| error.to_string())?;
    Ok(Given::new(opened, warnings))
}

/// What a step is given.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The secrets.
    pub secrets: Vec<Secret>,
    /// What takes them out of what it prints and reports.
    pub mask: Mask,
    /// What it is not given, and why.
    pub warnings: Vec<String>,
}

impl Given {
    fn new(secrets: Vec<Secret>, warnings: Vec<String>) -> Self {
        Self { mask: Mask::of(&secrets), secrets, warnings }
    }
}

#[cfg(test)]
mod tests {
    use pipelinex_common::{
        access::Owner, metadata::GitInfo, pipeline, secrets::Purpose, store::NewSecret, testing::sample,
    };

    use super::*;

    #[test]
    fn whoever_signed_in_has_the_projects_secrets_and_a_ref_that_is_not_trusted_no_protected_one() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("workspaces")).unwrap();
        let path = dir.path().join("key");
        let key = SecretKey::create(&path, store.layout().root()).unwrap();
        let git = || Purpose::Git("git.example".to_owned());
        for (name, purpose, protected) in
            [("OPEN", Purpose::Variable, false), ("GUARDED", Purpose::File, true), ("CLONE", git(), false)]
        {
            let secret = Secret::new(name, purpose, true, protected, b"long-enough".to_vec()).unwrap();
            store.set_secret(&key, &NewSecret { project: "shop", secret: &secret, by: "ada" }).unwrap();
        }
        let mut metadata = sample::metadata("01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(), ["BUILD"]);
        metadata.project = "shop".to_owned();
        let text = "default: {image: i}\nstages: [BUILD, SCAN]\nBUILD: {stage: BUILD, script: x}\nSCAN: {stage: SCAN, script: x}\n\
            .pipelinex: {jobs: {BUILD: {switch: run_build}, SCAN: {kind: scan, switch: run_sast}}}\n";
        let steps = pipeline::read("p.yml", text).unwrap().steps;
        let given = |metadata: &Metadata, config: &WorkerConfig, step: usize, is_own: bool| {
            let given = Scope::of(metadata, config).given(&store, &steps[step], is_own)?;
            let names: Vec<String> = given.secrets.iter().map(|secret| secret.name.clone()).collect();
            Ok::<_, String>(format!("{} {}", names.join(","), given.warnings.join("; ")))
        };
        let config = WorkerConfig { secrets_key: Some(path.clone()), ..WorkerConfig::default() };
        assert_eq!(given(&metadata, &config, 0, true).unwrap(), " ", "where nobody signed in");
        metadata.owner = Owner::named("ada");
        let zip = given(&metadata, &config, 0, true).unwrap();
        assert!(zip.starts_with("OPEN not given: GUARDED"), "{zip}");
        metadata.source.git =
            Some(GitInfo { url: "https://h/x".to_owned(), git_ref: None, history: false, default_branch: None });
        assert_eq!(given(&metadata, &config, 0, true).unwrap(), "GUARDED,OPEN ");
        assert_eq!(given(&metadata, &config, 0, false).unwrap(), " ", "a step of a built-in pipeline");
        assert_eq!(given(&metadata, &config, 1, true).unwrap(), " ", "a scan");
        metadata.project = "site".to_owned();
        assert_eq!(given(&metadata, &config, 0, true).unwrap(), " ");
        metadata.project = "shop".to_owned();
        let without = given(&metadata, &WorkerConfig::default(), 0, true);
        assert!(without.unwrap_err().contains("no --secrets-key"));
    }
}

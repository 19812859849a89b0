//! What `submit` and `precheck` send: an archive and the request beside it.

use std::{fs::File, io, path::Path};

use pipelinex_backend::pack;
use pipelinex_common::request::{JobRequest, Stack, Switches};

use zip::ZipArchive;

use crate::{args::ProjectArgs, client::Archive, exit::Exit, failure::Failure};

/// Ready to be sent.
#[derive(Debug)]
pub struct Project {
    /// The request, as JSON.
    pub metadata: String,
    /// The ZIP file.
    pub archive: Archive,
}

/// Packs a folder, or opens a ZIP file, and writes the request; tells how many files were packed. Blocks.
pub fn prepare(args: &ProjectArgs) -> Result<(Project, Option<u64>), Failure> {
    let limits = args.intake.limits();
    let meta = std::fs::metadata(&args.path).map_err(|error| unreadable(&args.path, error))?;
    // First what needs no reading of the whole project.
    let metadata = match &args.metadata {
        Some(path) => given_request(path)?,
        None => serde_json::to_string(&described(args)).map_err(|e| Failure::errored(e.to_string()))?,
    };
    let (archive, files) = if meta.is_dir() {
        let packed = pack::pack(&args.path, &limits, args.include_ignored)?;
        (Archive { file: packed.file, bytes: packed.bytes, name: "project.zip".to_owned() }, Some(packed.files))
    } else {
        pack::check_upload(meta.len(), &limits)?;
        let open = || File::open(&args.path).map_err(|error| unreadable(&args.path, error));
        ZipArchive::new(open()?).map_err(|error| Failure::Said {
            exit: Exit::Refused,
            message: format!("{} is neither a folder nor a readable ZIP file: {error}", args.path.display()),
        })?;
        let file = open()?;
        let name = args.path.file_name().map_or_else(|| "project.zip".into(), |name| name.to_string_lossy());
        (Archive { file, bytes: meta.len(), name: name.into_owned() }, None)
    };
    Ok((Project { metadata, archive }, files))
}

fn unreadable(path: &Path, error: io::Error) -> Failure {
    let message = format!("cannot read {}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::NotFound => Failure::usage(message),
        _ => Failure::errored(message),
    }
}

/// A request that was written by somebody else.
pub fn given_request(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, error))?;
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::usage(format!("{} is not JSON: {error}", path.display()))),
    }
}

/// The request that the flags make. A stack that is not named is recognised by the server, which has the stacks.
pub fn described(args: &ProjectArgs) -> JobRequest {
    let known = [("java", &args.java), ("build_tool", &args.build_tool)];
    let known = known.into_iter().filter_map(|(tool, version)| Some((tool.to_owned(), version.clone()?)));
    JobRequest {
        stack: Stack {
            requires_db: args.requires_db.clone().unwrap_or_default(),
            ..args.stack.clone().unwrap_or_default()
        },
        folder: args.folder.clone(),
        versions: known.chain(args.versions.iter().flatten().cloned()).collect(),
        pipeline: switches(args),
        application: args.application.clone(),
        project: args.project.clone(),
        branch: args.branch.clone(),
        commit: args.commit.clone(),
    }
}

/// No flags, no object: the server's default set. Which stages there are is known to the server, which has the stacks.
fn switches(args: &ProjectArgs) -> Option<Switches> {
    let switches = Switches {
        only: given(&args.only),
        skip: given(&args.skip),
        own: args.without_own_pipeline.then_some(false),
        file: args.file.clone(),
        ..Switches::default()
    };
    (switches != Switches::default()).then_some(switches)
}

/// Names without those that are empty, as compose files write them.
pub fn given(names: &[String]) -> Vec<String> {
    names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        args: ProjectArgs,
    }

    #[test]
    fn stages_are_only_named_when_asked_for() {
        let said = |flags: &[&str]| switches(&Flags::parse_from(["x", "."].iter().chain(flags)).args);
        assert_eq!(said(&[]), None);
        assert_eq!(said(&["--only", ""]), None, "as compose files write it");
        assert_eq!(said(&["--only", "build, TEST"]).unwrap().only, ["build", "TEST"]);
        assert_eq!(said(&["--skip", "lint"]).unwrap().skip, ["lint"]);
        assert_eq!(said(&["--without-own-pipeline"]).unwrap().own, Some(false));
        assert_eq!(said(&["--file", ".gitlab-ci.yml"]).unwrap().file.as_deref(), Some(".gitlab-ci.yml"));
    }
}

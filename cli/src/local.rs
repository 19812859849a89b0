//! A project of this machine as its pipeline sees it: the file, the files beside it, and what Git says of it.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Stdio},
};

use pipelinex_common::{
    limits::IntakeLimits,
    pipeline::{
        self, Compiled, Context, Rejected, Trust,
        context::{self, Origin},
        project,
    },
    request::{JobRequest, Switches},
};

use crate::{args::LocalArgs, exit::Exit, failure::Failure, pack, project::given};

/// The largest pipeline file that is read, in bytes: more is refused with a sentence by whoever reads it.
const FILE_MAX: u64 = 1024 * 1024;

/// What Git says of a folder; nothing where there is no repository, or no Git.
#[derive(Clone, Debug, Default)]
pub struct Git {
    branch: Option<String>,
    tag: Option<String>,
    commit: Option<String>,
}

impl Git {
    fn of(folder: &Path) -> Self {
        let ask = |words: &[&str]| {
            let mut git = Command::new("git");
            let asked =
                git.arg("-C").arg(folder).args(words).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
            let said = String::from_utf8(asked.stdout).ok()?.trim().to_owned();
            (asked.status.success() && !said.is_empty()).then_some(said)
        };
        let branch = ask(&["symbolic-ref", "--quiet", "--short", "HEAD"]);
        let tag = if branch.is_none() { ask(&["describe", "--tags", "--exact-match", "HEAD"]) } else { None };
        Self { branch, tag, commit: ask(&["rev-parse", "--verify", "--quiet", "HEAD"]) }
    }
}

/// A pipeline file of a project.
#[derive(Debug)]
pub struct OwnFile {
    /// Its name as seen from the project's folder.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// The pipeline file of a project; `None` where it has none, and the file says at most what the project is.
///
/// # Errors
/// A file that was named and is not there, or cannot be read.
pub fn own_file(folder: &Path, named: Option<&str>) -> Result<Option<OwnFile>, Failure> {
    let name = named.unwrap_or(project::FILE);
    let path = folder.join(name);
    let text = match read_text(&path)? {
        Some(text) => text,
        None if named.is_none() => return Ok(None),
        None => return Err(Failure::usage(format!("there is no file {}", path.display()))),
    };
    let only_corrections = named.is_none() && project::read(&text).is_ok_and(|read| !read.is_pipeline);
    Ok((!only_corrections).then(|| OwnFile { name: name.to_owned(), text }))
}

/// A text file; `None` where there is none.
///
/// # Errors
/// What cannot be read.
pub fn read_text(path: &Path) -> Result<Option<String>, Failure> {
    let bytes = match std::fs::metadata(path).and_then(|meta| Ok((meta.len(), std::fs::read(path)?))) {
        Ok((length, bytes)) if length <= FILE_MAX => bytes,
        Ok((length, _)) => {
            let message = format!("{} has {length} bytes, which is no pipeline file", path.display());
            return Err(Failure::Said { exit: Exit::Refused, message });
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::errored(format!("cannot read {}: {error}", path.display()))),
    };
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::Said { exit: Exit::Refused, message: format!("{} is not in UTF-8", path.display()) })?;
    Ok(Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)))
}

/// The name of a project: that of its folder.
pub fn project_name(folder: &Path) -> String {
    let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = absolute.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    if plain.trim().is_empty() { "default".to_owned() } else { plain }
}

/// Makes the plan of a project's own file, as `run` does.
///
/// # Errors
/// [`Rejected`] with everything that is wrong.
pub fn compile(
    folder: &Path,
    file: &OwnFile,
    env: &[(String, String)],
    include_ignored: bool,
) -> Result<Compiled, Rejected> {
    let git = Git::of(folder);
    let name = project_name(folder);
    let origin = Origin {
        project: &name,
        file: &file.name,
        branch: git.branch.as_deref(),
        tag: git.tag.as_deref(),
        commit: git.commit.as_deref(),
        source: "api",
    };
    // What cannot be packed is told where it is packed.
    let limits = IntakeLimits { files: u64::MAX, depth: u32::MAX, ..IntakeLimits::default() };
    let files: BTreeSet<String> =
        pack::list(folder, &limits, include_ignored).unwrap_or_default().into_iter().map(|(name, _)| name).collect();
    let read = |name: &String| {
        let text = std::fs::read_to_string(folder.join(name)).ok().filter(|text| text.len() as u64 <= FILE_MAX);
        Some((name.clone(), text?))
    };
    let texts = context::may_be_included(&file.text, files.iter()).into_iter().filter_map(read).collect();
    let context = Context { given: env.iter().cloned().collect(), files, texts, ..Context::of(&origin) };
    pipeline::compile(&file.name, &file.text, Trust::Project, &context)
}

/// The request that the flags make.
pub fn request(args: &LocalArgs) -> JobRequest {
    let git = Git::of(&args.path);
    let switches = Switches {
        only: given(&args.stage),
        file: args.file.clone(),
        variables: args.env.iter().cloned().collect(),
        steps: given(&args.step),
        with_needs: args.needs,
        ..Switches::default()
    };
    JobRequest {
        stack: args.stack.clone().unwrap_or_default(),
        pipeline: (switches != Switches::default()).then_some(switches),
        project: Some(project_name(&args.path)),
        branch: git.branch,
        commit: git.commit,
        ..JobRequest::default()
    }
}

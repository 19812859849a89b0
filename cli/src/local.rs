//! A project of this machine as its pipeline sees it: the file, the files beside it, and what Git says of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Command, Stdio},
};

use pipelinex_common::{
    disk::Versioned,
    limits::IntakeLimits,
    pipeline::{
        self, Compiled, Context, Rejected, Trust,
        context::{self, Changed, Origin, Repository},
        project,
    },
    request::{JobRequest, Switches},
};

use pipelinex_backend::pack;

use crate::{args::LocalArgs, exit::Exit, failure::Failure, project::given};

/// The largest pipeline file that is read, in bytes: more is refused with a sentence by whoever reads it.
const FILE_MAX: u64 = 1024 * 1024;

/// What Git says of a folder; nothing where there is no repository, or no Git.
#[derive(Clone, Debug, Default)]
pub struct Git {
    branch: Option<String>,
    tag: Option<String>,
    commit: Option<String>,
    default_branch: Option<String>,
}

impl Git {
    fn of(folder: &Path) -> Self {
        let ask = |words: &[&str]| ask(folder, words).filter(|said| !said.is_empty());
        let branch = ask(&["symbolic-ref", "--quiet", "--short", "HEAD"]);
        let tag = if branch.is_none() { ask(&["describe", "--tags", "--exact-match", "HEAD"]) } else { None };
        let head_of_origin = ask(&["symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"]);
        let default_branch = head_of_origin.and_then(|name| Some(name.strip_prefix("origin/")?.to_owned()));
        Self { branch, tag, commit: ask(&["rev-parse", "--verify", "--quiet", "HEAD"]), default_branch }
    }
}

/// What Git answers; `None` where it refuses, or is not there.
fn ask(folder: &Path, words: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(["-c", "core.quotePath=false"]).args(words);
    let asked = git.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let said = String::from_utf8(asked.stdout).ok()?.trim().to_owned();
    asked.status.success().then_some(said)
}

/// What is known of the repository of a folder, with what changed since the refs that these pipeline files compare to: the files as
/// they lie there, committed or not.
fn repository<'t>(git: &Git, folder: &Path, texts: impl Iterator<Item = &'t String>) -> Repository {
    let mut changes = BTreeMap::new();
    let default_branch = git.default_branch.as_deref().unwrap_or("main");
    for written in texts.flat_map(|text| context::refs_compared_to(text)) {
        let name =
            written.replace("${CI_DEFAULT_BRANCH}", default_branch).replace("$CI_DEFAULT_BRANCH", default_branch);
        if git.commit.is_some() && !name.contains('$') {
            changes.insert(name.clone(), changed(folder, &name));
        }
    }
    let (tag, default_branch) = (git.tag.clone(), git.default_branch.clone());
    Repository { schema: Repository::SCHEMA, tag, default_branch, changes }
}

/// A branch is looked for here and, as a clone seldom has all of them, at `origin`.
fn changed(folder: &Path, name: &str) -> Changed {
    let here = [name.to_owned(), format!("origin/{}", name.strip_prefix("refs/heads/").unwrap_or(name))];
    let found = here.iter().find_map(|name| {
        ask(folder, &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")])
    });
    let Some(found) = found else { return Changed::NoSuchRef };
    let Some(common) = ask(folder, &["merge-base", &found, "HEAD"]) else {
        return Changed::Unknown("the two have no commit in common".to_owned());
    };
    let lists = [
        ask(folder, &["diff", "--name-only", "--no-renames", "--relative", &common]),
        ask(folder, &["ls-files", "--others", "--exclude-standard"]),
    ];
    match lists {
        [Some(known), Some(new)] => Changed::Paths(known.lines().chain(new.lines()).map(str::to_owned).collect()),
        _ => Changed::Unknown("Git does not say what differs".to_owned()),
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
    let (files, texts) = files_and_texts(folder, file, include_ignored);
    let repository = repository(&git, folder, texts.values().chain([&file.text]));
    let origin = Origin {
        project: &name,
        file: &file.name,
        branch: git.branch.as_deref(),
        tag: repository.tag.as_deref(),
        commit: git.commit.as_deref(),
        source: "api",
        default_branch: repository.default_branch.as_deref(),
    };
    let (given, changes) = (env.iter().cloned().collect(), repository.changes);
    let context = Context { given, files, texts, changes, ..Context::of(&origin) };
    pipeline::compile(&file.name, &file.text, Trust::Project, &context)
}

/// What is known of the repository that the project lies in, as far as its pipeline asks.
///
/// # Errors
/// A pipeline file that was named and cannot be read.
pub fn repository_of(args: &LocalArgs) -> Result<Repository, Failure> {
    let Some(file) = own_file(&args.path, args.file.as_deref())? else { return Ok(Repository::default()) };
    let (_, texts) = files_and_texts(&args.path, &file, args.include_ignored);
    Ok(repository(&Git::of(&args.path), &args.path, texts.values().chain([&file.text])))
}

/// The files of a project, and the text of those that its pipeline file may include.
fn files_and_texts(
    folder: &Path,
    file: &OwnFile,
    include_ignored: bool,
) -> (BTreeSet<String>, BTreeMap<String, String>) {
    // What cannot be packed is told where it is packed.
    let limits = IntakeLimits { files: u64::MAX, depth: u32::MAX, ..IntakeLimits::default() };
    let files: BTreeSet<String> =
        pack::list(folder, &limits, include_ignored).unwrap_or_default().into_iter().map(|(name, _)| name).collect();
    let read = |name: &String| {
        let text = std::fs::read_to_string(folder.join(name)).ok().filter(|text| text.len() as u64 <= FILE_MAX);
        Some((name.clone(), text?))
    };
    let texts = context::may_be_included(&file.text, files.iter()).into_iter().filter_map(read).collect();
    (files, texts)
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

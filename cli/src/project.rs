//! What `submit` and `precheck` send: an archive and the request beside it.

use std::{fs::File, io, path::Path};

use pipelinex_common::request::{JobRequest, Stack, Switches, Versions};
use zip::ZipArchive;

use crate::{args::ProjectArgs, client::Archive, exit::Exit, failure::Failure, pack};

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
        None => serde_json::to_string(&request(args, meta.is_dir())?).map_err(|e| Failure::errored(e.to_string()))?,
    };
    let (archive, files) = if meta.is_dir() {
        let packed = pack::pack(&args.path, &limits, args.include_ignored)?;
        (Archive { file: packed.file, bytes: packed.bytes, name: "project.zip".to_owned() }, Some(packed.files))
    } else {
        pack::check_upload(meta.len(), &limits)?;
        let file = File::open(&args.path).map_err(|error| unreadable(&args.path, error))?;
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

fn request(args: &ProjectArgs, is_folder: bool) -> Result<JobRequest, Failure> {
    let stack = match &args.stack {
        Some(stack) => stack.clone(),
        None => detect(&args.path, is_folder)?,
    };
    Ok(described(args, stack))
}

/// The request that the flags make.
pub fn described(args: &ProjectArgs, stack: Stack) -> JobRequest {
    JobRequest {
        stack,
        versions: Versions { java: args.java.clone(), build_tool: args.build_tool.clone() },
        pipeline: switches(&args.only, &args.skip),
        project: args.project.clone(),
        branch: args.branch.clone(),
        commit: args.commit.clone(),
    }
}

/// No flags, no object: the server's default set. Which stages there are is known to the server, which has the stacks.
fn switches(only: &[String], skip: &[String]) -> Option<Switches> {
    let given = |names: &[String]| -> Vec<String> {
        names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    };
    let switches = Switches { only: given(only), skip: given(skip), ..Switches::default() };
    (switches != Switches::default()).then_some(switches)
}

/// The files at the top of a project that tell what it is.
const MARKS: [(&str, [&str; 3]); 1] = [("pom.xml", ["java", "spring-boot", "maven"])];

fn detect(path: &Path, is_folder: bool) -> Result<Stack, Failure> {
    let found = if is_folder {
        MARKS.iter().find(|(mark, _)| path.join(mark).is_file())
    } else {
        let names = names_in(path)?;
        MARKS.iter().find(|(mark, _)| names.iter().any(|name| lies_at_the_top(name, mark)))
    };
    let Some((_, [language, framework, build_tool])) = found else {
        let marks: Vec<_> = MARKS.iter().map(|(mark, _)| *mark).collect();
        return Err(Failure::Said {
            exit: Exit::Refused,
            message: format!(
                "no stack is recognised in {}: there is no {} at its top. Name the folder that has it, or the stack with \
                 --stack java/spring-boot/maven",
                path.display(),
                marks.join(" or ")
            ),
        });
    };
    Ok(stack_of([language, framework, build_tool]))
}

/// The stack of a project whose files cannot be seen here: the one there is.
pub fn usual_stack() -> Stack {
    stack_of(MARKS[0].1)
}

fn stack_of([language, framework, build_tool]: [&str; 3]) -> Stack {
    Stack {
        language: language.to_owned(),
        framework: framework.to_owned(),
        build_tool: build_tool.to_owned(),
        requires_db: false,
    }
}

/// A single folder around the project is peeled off by the server.
fn lies_at_the_top(name: &str, mark: &str) -> bool {
    name.strip_suffix(mark).is_some_and(|before| {
        before.is_empty() || before.strip_suffix('/').is_some_and(|folder| !folder.is_empty() && !folder.contains('/'))
    })
}

fn names_in(path: &Path) -> Result<Vec<String>, Failure> {
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    let zip = ZipArchive::new(file).map_err(|error| Failure::Said {
        exit: Exit::Refused,
        message: format!("{} is neither a folder nor a readable ZIP file: {error}", path.display()),
    })?;
    Ok(zip.file_names().filter_map(|name| name.ok().map(Into::into)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_only_named_when_asked_for() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(switches(&[], &[]), None);
        assert_eq!(switches(&words(&[""]), &[]), None, "as compose files write it");
        let only = switches(&words(&["build", " TEST"]), &[]).unwrap();
        assert_eq!(only.only, ["build", "TEST"]);
        assert_eq!(switches(&[], &words(&["lint"])).unwrap().skip, ["lint"]);
    }

    #[test]
    fn a_mark_counts_at_the_top_or_in_the_one_folder_there() {
        assert!(lies_at_the_top("pom.xml", "pom.xml") && lies_at_the_top("app/pom.xml", "pom.xml"));
        for not in ["a/b/pom.xml", "/pom.xml", "xpom.xml", "a/xpom.xml", "pom.xml/x"] {
            assert!(!lies_at_the_top(not, "pom.xml"), "{not}");
        }
    }
}

//! `init`: writes a pipeline file that the project at hand can begin with, by what it is recognised as.

use std::{io::Write, path::Path};

use pipelinex_backend::stacks::Stacks;
use pipelinex_common::{
    pipeline::project,
    request::{JobRequest, Stack},
};

use super::detect;
use crate::{
    args::InitArgs,
    client::points_of,
    exit::Exit,
    failure::Failure,
    output::{Line, Output, Style},
};

/// Writes the file; one that is there is never touched.
pub fn init(out: &Output, args: &InitArgs) -> Result<Exit, Failure> {
    let path = args.path.join(project::FILE);
    if !args.print && path.symlink_metadata().is_ok() {
        let message = format!("{} is there already; --print shows what would be written", path.display());
        return Err(Failure::usage(message));
    }
    let stacks = Stacks::load(args.pipelines.as_deref()).map_err(|error| Failure::errored(error.to_string()))?;
    let request = JobRequest { stack: args.stack.clone().unwrap_or_default(), ..JobRequest::default() };
    let detected = detect::of_this(&args.path, &request, &stacks)?;
    let Some(key) = detected.stack.as_ref().filter(|_| detected.problems.is_empty()) else {
        let answer = serde_json::to_value(&detected).map_err(|error| Failure::errored(error.to_string()))?;
        points_of(&answer).iter().for_each(|point| out.say(point.to_string()));
        let message = "it is not clear what this project is: name its stack with --stack, or see `pipelinex detect`";
        return Err(Failure::Said { exit: Exit::Refused, message: message.to_owned() });
    };
    let (language, framework, build_tool) = (key.language.clone(), key.framework.clone(), key.build_tool.clone());
    let asked = Stack { language, framework, build_tool, ..Stack::default() };
    let stack = stacks.find(&asked).map_err(|_| Failure::errored(format!("the stack {key} is not here")))?;
    let versions = detected.versions.iter().map(|(tool, version)| (tool.as_str(), version.version.as_str()));
    let Some(text) = stack.starter(versions) else {
        let message = format!("the stack {key} has no pipeline to begin with; docs/dialect.md says what one may say");
        return Err(Failure::Said { exit: Exit::Refused, message });
    };
    if args.print {
        text.lines().try_for_each(|line| out.data(line))?;
        return Ok(Exit::Passed);
    }
    write_new(&path, &text)?;
    out.data(Line::new().text("wrote ").add(Style::Bold, path.display().to_string()).text(format!(" for {key}")))?;
    out.say("run it here with `pipelinex run`");
    Ok(Exit::Passed)
}

/// Creates it, or fails: between the look and the writing somebody else may have.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::errored(format!("cannot write {}: {error}", path.display()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

//! What `submit` sends for the URL of a repository: the same request as for a project, and where it is.

use pipelinex_common::request::GitRequest;
use serde_json::{Map, Value};

use crate::{
    args::{GitArgs, ProjectArgs},
    failure::Failure,
    output::Output,
    project,
};

/// The body of the request.
pub fn request(args: &ProjectArgs, git: &GitArgs, out: &Output) -> Result<Value, Failure> {
    let mut body: Map<String, Value> = match &args.metadata {
        Some(path) => object(serde_json::from_str(&project::given_request(path)?))?,
        None => object(serde_json::to_value(project::described(args, stack(args, out))))?,
    };
    body.extend(object(serde_json::to_value(GitRequest {
        github_url: args.url().unwrap_or_default().to_owned(),
        git_ref: git.git_ref.clone(),
        token: git.token_name.clone(),
    }))?);
    Ok(Value::Object(body))
}

fn stack(args: &ProjectArgs, out: &Output) -> pipelinex_common::request::Stack {
    args.stack.clone().unwrap_or_else(|| {
        let stack = project::usual_stack();
        let name = [stack.language.as_str(), &stack.framework, &stack.build_tool].join("/");
        out.say(format!("taken for a project of {name}; --stack names another"));
        stack
    })
}

fn object(value: Result<Value, serde_json::Error>) -> Result<Map<String, Value>, Failure> {
    match value {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Failure::usage("the request is not a JSON object")),
        Err(error) => Err(Failure::errored(error.to_string())),
    }
}

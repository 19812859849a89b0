//! What `submit` sends for the URL of a repository: the same request as for a project, and where it is.

use pipelinex_common::request::{GitRequest, JobRequest};
use serde_json::{Map, Value};

use crate::{
    args::{GitArgs, ProjectArgs},
    failure::Failure,
    project,
};

/// The body of the request.
pub fn request(args: &ProjectArgs, git: &GitArgs) -> Result<Value, Failure> {
    let mut body: Map<String, Value> = match &args.metadata {
        Some(path) => object(serde_json::from_str(&project::given_request(path)?))?,
        None => object(serde_json::to_value(project::described(args)))?,
    };
    body.extend(object(serde_json::to_value(GitRequest {
        github_url: args.url().unwrap_or_default().to_owned(),
        git_ref: git.git_ref.clone(),
        token: git.token_name.clone(),
    }))?);
    Ok(Value::Object(body))
}

/// The body of a request that only asks what a repository is taken for.
pub fn detection(request: &JobRequest, url: &str, git: &GitArgs) -> Result<Value, Failure> {
    let mut body = object(serde_json::to_value(request))?;
    body.extend(object(serde_json::to_value(GitRequest {
        github_url: url.to_owned(),
        git_ref: git.git_ref.clone(),
        token: git.token_name.clone(),
    }))?);
    Ok(Value::Object(body))
}

fn object(value: Result<Value, serde_json::Error>) -> Result<Map<String, Value>, Failure> {
    match value {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Failure::usage("the request is not a JSON object")),
        Err(error) => Err(Failure::errored(error.to_string())),
    }
}

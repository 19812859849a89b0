//! The calls of the API one by one: what a person says of each, and which type answers it.

mod history;
mod jobs;
mod projects;
mod results;
mod server;

use schemars::{Schema, SchemaGenerator};

/// The name of a schema's maker.
type Make = fn(&mut SchemaGenerator) -> Schema;

/// What is sent with a call.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// Nothing.
    None,
    /// A form with the project and what is asked for.
    Upload,
    /// The address of a repository and what is asked for.
    Git,
    /// Either, or a list of files.
    Any,
    /// What is decided about a finding.
    Decision,
    /// A project that is to be.
    NewProject,
    /// What is to change of one.
    ProjectChange,
    /// A pipeline that is to run, in the words of a predecessor.
    Execute,
    /// What a host of repositories says of a push.
    Push,
}

/// What comes back where it is not refused.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// JSON, with this code.
    Json(u16, Make),
    /// A file of this media type.
    Bytes(&'static str),
    /// A log, or as JSON what a search found in it.
    Log,
    /// Server-sent events.
    Events(&'static str),
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// What clients that are generated call it.
    pub id: &'static str,
    /// GET or POST.
    pub method: &'static str,
    /// As the router writes it.
    pub path: &'static str,
    /// The group that it is shown in.
    pub tag: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// What is sent.
    pub body: Body,
    /// What comes back.
    pub answer: Answer,
    /// What that is, in words.
    pub answered: &'static str,
    /// The codes of refusals that are this call's own; any call may be refused with others besides.
    pub refusals: &'static [u16],
    /// Whether it takes a key that makes sending it again harmless.
    pub once: bool,
}

const READ: Operation = Operation {
    id: "",
    method: "GET",
    path: "",
    tag: "results",
    summary: "",
    body: Body::None,
    answer: Answer::Bytes("application/octet-stream"),
    answered: "",
    refusals: &[400, 401, 403, 404],
    once: false,
};
const SUBMIT: Operation = Operation {
    method: "POST",
    tag: "submit",
    refusals: &[400, 401, 403, 408, 413, 415, 422, 429, 503, 507],
    once: true,
    ..READ
};

fn of<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// All of them, in the order in which they are shown.
pub fn all() -> impl Iterator<Item = &'static Operation> {
    [jobs::OPERATIONS, results::OPERATIONS, projects::OPERATIONS, history::OPERATIONS, server::OPERATIONS]
        .into_iter()
        .flatten()
}

//! The HTTP side of Pipelinex: a straight line from a request over intake and admission to a job, and questions about jobs.

pub mod admission;
mod again;
pub mod app;
mod body;
mod cancel;
pub mod config;
pub mod error;
mod extract;
mod extract_url;
mod guard;
pub mod intake;
mod linger;
mod once;
pub mod request;
mod room;
mod routes;
pub mod serve;
pub mod stacks;
mod submit;
mod unread;
mod web;

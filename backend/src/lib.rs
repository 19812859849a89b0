//! The HTTP side of Pipelinex: a straight line from a request over intake and admission to a job, and questions about jobs.

pub mod admission;
pub mod app;
mod body;
pub mod config;
pub mod error;
mod extract;
pub mod intake;
pub mod request;
pub mod stacks;
mod submit;

//! The HTTP side of Pipelinex: a straight line from a request over intake and admission to a job, and questions about jobs.

pub mod access;
pub mod admission;
pub mod app;
mod bills;
mod cancel;
pub mod client;
pub mod config;
pub mod detection;
mod did_you_mean;
pub mod error;
pub mod events;
mod excerpts;
mod history;
pub mod http;
pub mod intake;
pub mod local;
mod metrics;
mod openapi;
pub mod pack;
mod pages;
mod play;
mod report_store;
mod report_zip;
pub mod request;
mod routes;
pub mod stacks;
mod submission;
mod watch;

pub use routes::{Unruled, router};

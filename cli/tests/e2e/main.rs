//! The product as it is used: the real program as processes of its own, real engines, real Redis, real projects.
//!
//! Each story has a world to itself, and the world fails the story that leaves anything behind.

#![allow(missing_docs, clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "a story that fails shows the logs of its processes")]

mod browser;
mod canceling;
mod clearing;
mod compose;
mod examples;
mod harness;
mod history;
// The Git server of the stories of clones.
#[allow(dead_code, reason = "those stories need more of it")]
#[path = "../git/host.rs"]
mod host;
mod isolation;
mod languages;
mod own;
mod pages;
mod people;
#[cfg(feature = "faults")]
mod poison;
mod product;
mod projects;
mod queue;
mod scanning;
mod server;
mod socket_proxy;
mod succession;
mod uploads;
mod without_root;
mod worker_container;
mod world;

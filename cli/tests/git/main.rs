//! Clones, as clients see them: the real program, and Git servers over TLS on the loopback that serve, refuse, redirect,
//! stall, drip and lie. Nothing leaves the machine.
//!
//! Each story has a server to itself, and fails when anything is left of it: a staged folder, a process, an error in its log.

#![allow(missing_docs, clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "a story that fails shows the log of its server")]

mod cloning;
mod host;
mod hostile;
mod hosts;
mod people;
mod proxy;
mod refusing;
mod repository;
mod world;

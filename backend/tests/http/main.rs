//! The HTTP side as its clients see it: a real server on a loopback port, over a folder of its own.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that fails by a panic fails in the right way, and says where it was"
)]

mod access;
mod answers;
mod artifacts;
mod cancel;
mod connections;
mod contract;
mod detect;
mod feed;
mod files;
mod findings;
mod folders;
mod full;
mod heads;
mod hooks;
mod hostile;
mod listing;
mod metrics;
mod multipart;
mod once;
mod operator;
mod pages;
mod paths;
mod pipelines;
mod projects;
mod pushes;
mod ranges;
mod redis;
mod report;
mod retry;
mod shares;
mod signing_in;
mod streams;
mod support;
mod test_cases;
mod tls;

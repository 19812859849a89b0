//! What breaks: real processes of the real program, killed by pid at named places and at random, beside a real engine and a
//! real Redis that are taken away. Each story ends with a judgement over all that was written down, and prints one line of
//! figures. `make test` runs them short; `make faults` long, and prints the lines together.

#![allow(missing_docs, clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "stories print their figures, and the logs of their processes when they fail")]

mod cancel;
mod disk;
mod engine_calls;
mod engine_faults;
mod engine_restarts;
mod event_log;
mod fake;
mod figures;
mod intake;
mod lines;
mod overtaken;
mod power;
#[allow(dead_code, reason = "other stories need more of it")]
#[path = "../e2e/projects.rs"]
mod projects;
mod proxy;
mod redis;
#[allow(dead_code, reason = "other stories need more of it")]
#[path = "../e2e/server.rs"]
mod server;
mod switched_off;
mod takeover;
mod trial;
mod workers;
#[allow(dead_code, reason = "other stories need more of it")]
#[path = "../e2e/world.rs"]
mod world;

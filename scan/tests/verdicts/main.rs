//! What a tool's end means, told with tools that are scripts: killed, silent, torn and lying ones. The real tools are run
//! in their containers by `dev/test-stages.sh`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod applications;
mod evasions;
mod reports;
mod world;

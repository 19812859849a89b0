//! One scanner, run and judged.
//!
//! Scanners end calmly when they have looked at nothing. So for each of them one rule holds: its report exists, parses, and
//! shows that something was scanned; only then does the exit code mean anything, and it must agree with the report. All
//! else is an error of the tool, never "clean".
//!
//! [`Stage`] is the frame that all have in common; one module for each scanner says what is special about it.

mod coverage;
mod custom;
mod dast;
mod http;
mod listening;
mod project;
mod random;
mod report;
mod sarif;
mod sast;
mod sca;
mod secrets;
mod smoke;
mod stage;
mod tool;

pub use stage::{Failure, Stage, Word, say};

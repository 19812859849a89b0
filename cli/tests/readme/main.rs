//! What README.md and the book in docs/ say is true: their lines run as they are written, and the table of settings is the program's.
//!
//! Behind `$` is what is run here; behind `%` what needs the internet or a registry. A few lines behind `$` are run by others,
//! which [`session::ELSEWHERE`] names.

#![allow(missing_docs, clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "a page that does not hold shows what was said instead")]

mod page;
mod session;
mod settings;

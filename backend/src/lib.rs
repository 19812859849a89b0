//! The HTTP side of Pipelinex: takes a submission in and answers questions about jobs.

pub mod intake;

//! The nouns of Pipelinex, and the only code that touches a job folder.

pub use pipelinex_findings as findings;

pub mod access;
pub mod advisories;
pub mod baseline;
pub mod clock;
pub mod coverage;
pub mod database;
pub mod disk;
pub mod execution;
pub mod fault;
pub mod folder;
pub mod foreign;
pub mod free_space;
pub mod headline;
pub mod hooks;
pub mod humanize;
pub mod id;
pub mod layout;
pub mod limits;
pub mod metadata;
pub mod oom;
pub mod pipeline;
pub mod policy;
pub mod queue;
pub mod request;
pub mod rules;
pub mod secrets;
pub mod slug;
pub mod stack_files;
pub mod stage;
pub mod state;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

//! How a project comes in: from bytes nobody trusts to a folder that holds plain files only.

pub mod git;
mod links;
mod project_path;
mod refusal;
mod zip_directory;
mod zip_entry;
mod zip_extract;
mod zip_headers;
mod zip_inflate;
mod zip_link;
mod zip_maker;
mod zip_names;
mod zip_scan;
mod zip_sniff;
mod zip_tree;
mod zip_warning;
mod zip_workers;

pub use links::PlannedLink;
pub use project_path::ProjectPath;
pub use refusal::{IntakeError, Refusal, Rule};
pub use zip_extract::{Unpacked, unpack};
pub use zip_names::Reading;
pub use zip_scan::{Plan, PlannedFile, ScanError, scan};
pub use zip_tree::Twins;
pub use zip_warning::Warning;

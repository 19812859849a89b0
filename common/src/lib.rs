//! The nouns of Pipelinex, and the only code that touches a job folder.

pub mod id;
pub mod limits;
pub mod slug;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

//! The nouns of Pipelinex, and the only code that touches a job folder.

pub mod id;
pub mod limits;
pub mod queue;
pub mod slug;
#[cfg(feature = "testing")]
pub mod testing;

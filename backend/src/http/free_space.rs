//! Whether the disk has room for one more submission. Asked before anything of it is written.

use std::sync::atomic::{AtomicBool, Ordering};

use pipelinex_common::{free_space::Watermark, store::Store};

use crate::error::ApiError;

/// The watermark, and whether the disk is known to be below it.
#[derive(Debug)]
pub struct FreeSpace {
    mark: Watermark,
    lacking: AtomicBool,
}

impl FreeSpace {
    /// What the operator asks of the disk.
    pub fn new(mark: Watermark) -> Self {
        Self { mark, lacking: AtomicBool::new(false) }
    }

    /// Looks at the disk; nothing is remembered but what the log has been told, so that space which comes back counts at
    /// once. Blocks.
    ///
    /// # Errors
    /// 507 with what is lacking.
    pub fn check(&self, store: &Store) -> Result<(), ApiError> {
        match self.mark.lacking(store.layout().root()).map_err(ApiError::internal)? {
            Some(detail) => {
                if !self.lacking.swap(true, Ordering::Relaxed) {
                    tracing::warn!(detail, "no submission is taken in until there is space");
                }
                Err(ApiError::LowSpace { detail })
            }
            None => {
                if self.lacking.swap(false, Ordering::Relaxed) {
                    tracing::info!("there is space again: submissions are taken in");
                }
                Ok(())
            }
        }
    }
}

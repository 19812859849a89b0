//! Helpers for the tests of every crate (feature `testing`): nothing here is part of the product.

pub mod bench;
pub mod crowd;
pub mod history;
mod opened;
mod redis_server;
pub mod sample;
mod small_disk;
pub mod zip_builder;

pub use opened::Opened;
pub use redis_server::RedisServer;
pub use small_disk::SmallDisk;

/// Reads a table of a test, by the reader of the dialect.
///
/// # Errors
/// A sentence with line and column.
pub fn from_yaml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

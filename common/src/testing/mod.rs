//! Helpers for the tests of every crate (feature `testing`): nothing here is part of the product.

pub mod bench;
pub mod crowd;
mod opened;
mod redis_server;
pub mod sample;
mod small_disk;
pub mod zip_builder;

pub use opened::Opened;
pub use redis_server::RedisServer;
pub use small_disk::SmallDisk;

//! Helpers for the tests of every crate.

mod redis_server;

pub use redis_server::RedisServer;

//! The product as it is used: the real program as processes of its own, real engines, real Redis, real projects.
//!
//! Each story has a world to itself, and the world fails the story that leaves anything behind.

#![allow(missing_docs, clippy::unwrap_used)]

mod examples;
mod isolation;
mod people;
mod projects;
mod queue;
mod succession;
mod uploads;
mod world;

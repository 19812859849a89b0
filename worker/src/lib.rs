//! The worker side of Pipelinex: claims jobs and runs their steps in hardened containers.

pub mod consumer;

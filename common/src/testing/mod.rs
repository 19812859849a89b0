//! Helpers for the tests of every crate (feature `testing`): nothing here is part of the product.

pub mod zip_builder;

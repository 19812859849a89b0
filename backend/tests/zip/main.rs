//! ZIP intake against what people send: hostile archives by case id, limits, damaged ones, and honest ones.

#![expect(clippy::unwrap_used, reason = "a helper fails as its test does, by a panic")]

mod cases;
mod honest;
mod limits;
mod properties;
mod support;
mod tools;

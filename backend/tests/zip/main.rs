//! ZIP intake against what people send: hostile archives by case id, limits, damaged ones, and honest ones.

mod cases;
mod honest;
mod limits;
mod properties;
mod support;

//! The server around the routes: listening, TLS, places shared between clients, bodies and connections that end well.

pub(crate) mod body;
pub(crate) mod connection_close;
pub(crate) mod connections;
pub(crate) mod free_space;
pub(crate) mod guard;
mod head_errors;
pub(crate) mod lingering_close;
pub(crate) mod patience;
pub mod serve;
pub(crate) mod shares;
pub mod tls;

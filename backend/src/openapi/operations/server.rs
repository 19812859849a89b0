//! The server itself, and who one is to it.

use super::{Answer, Operation, READ, of};
use crate::routes::{
    health::{Health, Readiness},
    whoami::WhoAmI,
};

/// In the order in which they are shown.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        id: "whoAmI",
        path: "/api/whoami",
        tag: "server",
        summary: "See who the server takes you for",
        answer: Answer::Json(200, of::<WhoAmI>),
        answered: "Your name, role and projects.",
        refusals: &[401],
        ..READ
    },
    Operation {
        id: "health",
        path: "/health",
        tag: "server",
        summary: "See whether the server runs",
        answer: Answer::Json(200, of::<Health>),
        answered: "It runs.",
        refusals: &[],
        ..READ
    },
    Operation {
        id: "ready",
        path: "/readyz",
        tag: "server",
        summary: "See whether the server can take a submission in",
        answer: Answer::Json(200, of::<Readiness>),
        answered: "It can; without a queue jobs begin a little later.",
        refusals: &[],
        ..READ
    },
];

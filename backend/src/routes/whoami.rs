//! `GET /api/whoami`: who the server takes a caller for.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use pipelinex_common::access::{Grant, Owner, Role};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    access::{Auth, Principal},
    app::App,
};

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WhoAmI {
    /// Whether there are accounts.
    accounts: bool,
    name: Owner,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    /// The first is that of a submission which names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    projects: Option<Vec<String>>,
    /// Projects that they are members of besides, and what they may do in each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    member_of: BTreeMap<String, Role>,
}

/// What is known of them.
pub async fn whoami(State(app): State<App>, who: Principal) -> Json<WhoAmI> {
    let (role, projects) = who.grant().cloned().map(|Grant { role, projects }| (role, projects)).unzip();
    let member_of = who.member_of().clone();
    Json(WhoAmI { accounts: app.config.auth == Auth::Token, name: who.owner().clone(), role, projects, member_of })
}

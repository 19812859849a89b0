//! Who asks, and whether they may: the one gate that every reading, submission, cancellation and retry passes.
//!
//! [`entry`] finds out who asks before a handler runs and holds them to the [`table`]: which right each address needs at all. A
//! handler then gets a [`Principal`], which nothing else can make, and [`crate::app::App`] gives no job without one.

mod audit;
mod book;
pub mod entry;
mod open;
pub mod session;
pub mod table;
mod wrong;

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::FromRequestParts, http::request::Parts};
pub use pipelinex_common::access::Right;
use pipelinex_common::{
    access::{DEFAULT_PROJECT, Grant, Owner, Role, home_project},
    metadata::Metadata,
    store::{Job, ProjectRecord, StoreError, TokenRecord},
};

pub use self::{book::Book, wrong::WrongTokens};
use crate::error::ApiError;

/// Whether there are accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// There are none: whoever reaches the server may do everything, with what was made in the same way.
    #[default]
    None,
    /// Each request has a token.
    Token,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    owner: Owner,
    /// What they may do; `None`: there are no accounts, and everything is anonymous's.
    grant: Option<Grant>,
    /// What projects let them do that they are in, beside what their token says.
    member: Arc<BTreeMap<String, Role>>,
    /// The part of the token that is no secret, by which it is found again.
    token: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or_else(|| ApiError::internal("a request that did not pass the gate"))
    }
}

#[cfg(test)]
impl Principal {
    pub(crate) fn of(owner: Owner) -> Self {
        Self { owner, grant: None, member: Arc::default(), token: None }
    }
}

impl Principal {
    fn anonymous() -> Self {
        Self { owner: Owner::anonymous(), grant: None, member: Arc::default(), token: None }
    }

    fn with_token(token: &TokenRecord, member: Arc<BTreeMap<String, Role>>) -> Self {
        Self { owner: token.owner(), grant: Some(token.grant.clone()), member, token: Some(token.id.clone()) }
    }

    /// Whoever runs this program, and asks no server.
    pub(crate) fn of_this_machine() -> Self {
        Self::anonymous()
    }

    /// What starts jobs of a project by itself. Without accounts its jobs are everybody's, as all are.
    pub(crate) fn of_program(name: &str, project: &str, auth: Auth) -> Self {
        let owner = if auth == Auth::None { Owner::anonymous() } else { Owner::named(name) };
        let grant = Grant { role: Role::Submitter, projects: vec![project.to_owned()] };
        Self { owner, grant: Some(grant), member: Arc::default(), token: None }
    }

    /// Whose a job is that they submit, and their keys and run numbers.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// What they may do; `None` where there are no accounts.
    pub fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }

    /// The projects that they are in, beside those of their token, and what each lets them do.
    pub fn member_of(&self) -> &BTreeMap<String, Role> {
        &self.member
    }

    /// Whether they have that right at all, in whatever project.
    pub fn has(&self, right: Right) -> bool {
        let in_a_project = || right.is_of_projects() && self.member.values().any(|role| role.has(right));
        self.grant.as_ref().is_none_or(|grant| grant.role.has(right) || in_a_project())
    }

    fn may_in(&self, grant: &Grant, right: Right, project: &str) -> bool {
        let as_member = || self.member.get(project).is_some_and(|role| role.has(right));
        grant.may(right, project) || (right.is_of_projects() && as_member())
    }

    /// Whether they may see a project that somebody made; without accounts everybody sees all.
    pub fn sees_project(&self, project: &str) -> bool {
        self.grant.as_ref().is_none_or(|grant| self.may_in(grant, Right::See, project))
    }

    /// Lets those by who decide about a project: its owner, and whoever administers the server.
    ///
    /// # Errors
    /// 403.
    pub fn check_manages(&self, project: &ProjectRecord) -> Result<(), ApiError> {
        self.check_named()?;
        if project.owner == self.owner.as_str() || self.has(Right::Administer) {
            return Ok(());
        }
        let detail = format!("members and settings of the project are its owner's to decide: {}", project.owner);
        Err(ApiError::Forbidden { code: "no-right", detail })
    }

    /// Lets those by who are somebody.
    ///
    /// # Errors
    /// 403 without accounts.
    pub fn check_named(&self) -> Result<(), ApiError> {
        if self.grant.is_some() {
            return Ok(());
        }
        let detail = "this server has no accounts (--auth none), so nobody can be named who decides; on its own machine whoever \
                      may write to its folder does, with --workspaces DIR";
        Err(ApiError::Forbidden { code: "no-accounts", detail: detail.to_owned() })
    }

    /// Whether they may do this with a job of that owner and project. Without accounts each has all rights on what is theirs, and
    /// none on what is not.
    pub fn may(&self, right: Right, owner: &Owner, project: &str) -> bool {
        match &self.grant {
            None => self.owner == *owner,
            Some(grant) => self.may_in(grant, right, home_project(owner, project)),
        }
    }

    /// [`Self::may`] of a job with this record.
    pub fn may_with(&self, right: Right, metadata: &Metadata) -> bool {
        self.may(right, &metadata.owner, &metadata.project)
    }

    /// Whether they may see that there is a job whose record cannot be read: nobody knows whose it is.
    pub fn sees_broken(&self) -> bool {
        self.has(Right::Administer)
    }

    /// Lets those by who may do this with a job.
    ///
    /// # Errors
    /// 404: whoever may not see a job is not told that it is there.
    pub(crate) fn check(&self, right: Right, job: &Job) -> Result<(), ApiError> {
        let may = match job.metadata() {
            Err(StoreError::NoSuchJob(id)) => return Err(StoreError::NoSuchJob(id).into()),
            // The answer says what is wrong with it.
            Err(_) => self.sees_broken(),
            Ok(metadata) => self.may_with(right, &metadata),
        };
        if may { Ok(()) } else { Err(StoreError::NoSuchJob(job.id()).into()) }
    }

    /// The project of a submission that asks for this one, or for none; `None` where it is not for accounts to say.
    ///
    /// # Errors
    /// 403 for a project that they may not submit to.
    pub(crate) fn project_for(&self, asked: Option<&str>) -> Result<Option<String>, ApiError> {
        let Some(grant) = &self.grant else { return Ok(None) };
        let of_token = grant.projects.iter().map(String::as_str).filter(|_| grant.role.has(Right::Submit));
        let as_member =
            self.member.iter().filter(|(_, role)| role.has(Right::Submit)).map(|(project, _)| project.as_str());
        let mut yours: Vec<&str> = of_token.chain(as_member).collect();
        let project = asked.or(yours.first().copied()).unwrap_or(DEFAULT_PROJECT);
        if self.may_in(grant, Right::Submit, project) {
            return Ok(Some(project.to_owned()));
        }
        yours.dedup();
        let yours = yours.join("`, `");
        let detail = format!("your token may not submit to the project `{project}`; it may to `{yours}`");
        Err(ApiError::Forbidden { code: "no-right", detail })
    }

    /// The project of a job that is made of an older one.
    pub(crate) fn project_of_again(&self, metadata: &Metadata) -> String {
        match self.grant {
            None => metadata.project.clone(),
            Some(_) => home_project(&metadata.owner, &metadata.project).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use pipelinex_common::access::Role;

    use super::*;

    #[test]
    fn without_accounts_everybody_has_all_rights_on_what_is_theirs_and_none_on_what_is_not() {
        let (anonymous, ada) = (Owner::anonymous(), Owner::named("ada"));
        for right in Right::ALL {
            for (who, owner, expected) in [
                (&anonymous, &anonymous, true),
                (&ada, &ada, true),
                (&anonymous, &ada, false),
                (&ada, &anonymous, false),
            ] {
                let who = Principal::of(who.clone());
                assert_eq!(who.may(right, owner, "shop"), expected, "{who:?} {right:?} {owner:?}");
            }
        }
    }

    #[test]
    fn a_token_submits_to_its_projects_alone_and_to_the_first_where_nothing_is_said() {
        let grant = Grant { role: Role::Submitter, projects: vec!["shop".to_owned(), "site".to_owned()] };
        let member = [("tools".to_owned(), Role::Submitter), ("docs".to_owned(), Role::Viewer)].into();
        let who = Principal { owner: Owner::named("ci"), grant: Some(grant), member: Arc::new(member), token: None };
        assert_eq!(who.project_for(None).unwrap().as_deref(), Some("shop"));
        assert_eq!(who.project_for(Some("site")).unwrap().as_deref(), Some("site"));
        assert!(matches!(who.project_for(Some("other")), Err(ApiError::Forbidden { code: "no-right", .. })));
        assert_eq!(who.project_for(Some("tools")).unwrap().as_deref(), Some("tools"), "a project is its members'");
        assert!(who.project_for(Some("docs")).is_err() && who.may(Right::See, &Owner::named("ada"), "docs"));
        assert!(who.may(Right::See, &Owner::named("ada"), "site"), "a project is its members'");
        assert!(!who.may(Right::See, &Owner::anonymous(), "site"), "what has no owner belongs to `default`");
    }
}

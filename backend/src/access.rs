//! Who asks, and whether they may: the one gate that every reading, submission, cancellation and retry passes.
//!
//! There are no accounts yet, so everybody is anonymous, and everything is anonymous's. A handler gets who asks from [`Principal`], which
//! nothing else can make, and [`crate::app::App`] gives no job without one.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};
use pipelinex_common::{
    access::Owner,
    store::{Job, StoreError},
};

use crate::error::ApiError;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    owner: Owner,
}

/// What somebody wants with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To read it, and all that belongs to it.
    See,
    /// To end it.
    Cancel,
    /// To make a new one of it.
    Retry,
    /// To make one at all, which is then theirs.
    Submit,
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Infallible;

    /// Tokens will be read here.
    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self { owner: Owner::anonymous() })
    }
}

#[cfg(test)]
impl Principal {
    pub(crate) fn of(owner: Owner) -> Self {
        Self { owner }
    }
}

impl Principal {
    /// Whose a job is that they submit, and their keys and run numbers.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Whether they may do this with a job of that owner. Each has all rights on what is theirs, and none on what is not.
    pub fn may(&self, right: Right, owner: &Owner) -> bool {
        match right {
            Right::See | Right::Cancel | Right::Retry | Right::Submit => self.owner == *owner,
        }
    }

    /// Lets those by who may do this with a job.
    ///
    /// # Errors
    /// 404: whoever may not see a job is not told that it is there.
    pub(crate) fn check(&self, right: Right, job: &Job) -> Result<(), ApiError> {
        // Whose a job is whose record cannot be read, nobody knows: it is anonymous's, and the answer says what is wrong with it.
        let owner = match job.metadata() {
            Err(StoreError::NoSuchJob(id)) => return Err(StoreError::NoSuchJob(id).into()),
            read => read.map(|metadata| metadata.owner).unwrap_or_default(),
        };
        if self.may(right, &owner) { Ok(()) } else { Err(StoreError::NoSuchJob(job.id()).into()) }
    }

    /// Lets those by who may submit.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn check_submits(&self) -> Result<(), ApiError> {
        let refused = || ApiError::Forbidden { code: "no-right", detail: "you may not submit here".to_owned() };
        if self.may(Right::Submit, &self.owner) { Ok(()) } else { Err(refused()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_all_rights_on_what_is_theirs_and_none_on_what_is_not() {
        let (anonymous, ada) = (Owner::anonymous(), Owner::named("ada"));
        for right in [Right::See, Right::Cancel, Right::Retry, Right::Submit] {
            for (who, owner, expected) in [
                (&anonymous, &anonymous, true),
                (&ada, &ada, true),
                (&anonymous, &ada, false),
                (&ada, &anonymous, false),
            ] {
                let who = Principal::of(who.clone());
                assert_eq!(who.may(right, owner), expected, "{who:?} {right:?} {owner:?}");
            }
        }
    }
}

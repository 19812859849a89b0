//! How a Git repository comes in: cloned by a process of its own, which is killed when it takes too long or too much.
//!
//! This side, in the server, says what is cloned (`url`, `refname`, `token`) and watches (`clone`). What a foreign server sends
//! is read on the other side ([`child`]), by the same program as `pipelinex git-clone`: only there is libgit2 called, without
//! any configuration, and a defect that a hostile repository finds there ends one clone. Order and report are JSON (`order`).

pub mod child;
mod clone;
mod fault;
mod order;
mod proxy;
mod refname;
mod token;
mod url;

pub use self::{
    clone::clone,
    fault::{CloneError, GitRule},
    order::{Cloned, Order},
    proxy::{GitProxy, InvalidProxy},
    refname::check_ref,
    token::{Credentials, TokenError},
    url::{Host, InvalidHost, RepositoryUrl},
};

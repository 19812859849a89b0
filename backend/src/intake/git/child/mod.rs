//! The process that clones: everything that reads what a foreign Git server sends.
//!
//! It starts nothing, has an empty environment, reads no configuration of Git's, and lives in limits of its own. The files
//! of a commit are planned from its tree by the rules of the ZIP intake, and only then written, by us: line ends and ids as
//! Git writes them, but no filter, no hook, no submodule, no Large File Storage, and no link that is followed.

mod advert;
mod attributes;
mod changes;
mod checkout;
mod fetch;
mod history;
mod http;
mod limits;
mod objects;
mod packet;
mod tree;

use std::{
    fs,
    io::{self, BufRead, Read, Write},
    process, thread,
};

use pipelinex_common::{disk::Versioned, pipeline::context::Repository};

use self::{
    advert::{Advertisement, Target},
    fetch::{Wants, Without},
    http::Carrier,
};
use super::{
    fault::CloneError,
    order::{Cloned, Order, Report},
};

/// The command of this program that is the process that clones.
pub const COMMAND: &str = "git-clone";

/// Takes an order from standard input, clones, and reports on standard output: a clone that did not succeed is a report, too.
///
/// # Errors
/// When nobody takes the report.
pub fn run() -> io::Result<()> {
    pipelinex_common::oom::be_ended_early(pipelinex_common::oom::AS_ANY);
    let report: Report = receive().and_then(|order| {
        limits::confine(&order.limits)?;
        end_with_the_server();
        work(&order)
    });
    let mut out = io::stdout();
    out.write_all(&serde_json::to_vec(&report)?)?;
    out.flush()
}

fn receive() -> Result<Order, CloneError> {
    let mut line = Vec::new();
    io::stdin().lock().read_until(b'\n', &mut line).map_err(|error| CloneError::io("read the order", &error))?;
    serde_json::from_slice(&line).map_err(|error| CloneError::internal("read the order", error))
}

/// The server holds our standard input: when it is gone, by whichever way, nobody wants this clone.
fn end_with_the_server() {
    thread::spawn(|| {
        let _ = io::stdin().lock().read(&mut [0]);
        process::exit(1);
    });
}

fn work(order: &Order) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CloneError::io("start the process that clones", &error))?;
    runtime.block_on(clone(order))
}

async fn clone(order: &Order) -> Report {
    let mut carrier = Carrier::new(order)?;
    let advert = Advertisement::read(&carrier.advertisement().await?)?;
    let asked = order.git_ref.as_deref();
    let target = match advert.choose(asked)? {
        Target::Prefix(prefix) => complete(order, &mut carrier, &advert, &prefix).await?,
        target => target,
    };
    let Target::Id { id, branch } = target else {
        return Err(CloneError::Ours("a commit was not completed".to_owned()));
    };

    let folder = order.scratch.join("objects");
    let wants = Wants { ids: vec![&id], whole_history: order.history, without: Without::Nothing };
    fetch::fetch(&mut carrier, &advert, &wants, &folder, &order.limits).await?;
    let repository = objects::open(&folder)?;
    let commit = objects::commit(&repository, &id)?;
    let plan = tree::plan(&repository, commit.tree_id(), &order.limits)?;
    let written = checkout::write(&repository, &plan, &order.source, &order.limits)?;
    let changes = changes::since(order, &mut carrier, &advert, &folder, &commit).await?;
    if order.history {
        history::keep(&folder, &order.source, &commit.id().to_string(), branch.as_deref())?;
    }
    Ok(Cloned {
        repository: Repository {
            schema: Repository::SCHEMA,
            tag: asked.filter(|_| branch.is_none()).and_then(|asked| advert.tag(asked)),
            default_branch: advert.head_branch().map(str::to_owned),
            changes,
        },
        commit: commit.id().to_string(),
        branch,
        received: carrier.received(),
        files: written.files,
        bytes: written.bytes,
        warnings: asked.and_then(|asked| advert.twice(asked)).into_iter().chain(written.warnings).collect(),
    })
}

/// The commit that begins like this: found among all commits, fetched without their files.
async fn complete(
    order: &Order,
    carrier: &mut Carrier,
    advert: &Advertisement,
    prefix: &str,
) -> Result<Target, CloneError> {
    let folder = order.scratch.join("commits");
    let wants = Wants { ids: advert.tips(), whole_history: true, without: Without::Trees };
    fetch::fetch(carrier, advert, &wants, &folder, &order.limits).await?;
    let id = objects::complete(&objects::open(&folder)?, prefix)?;
    fs::remove_dir_all(&folder).map_err(|error| CloneError::io("remove a folder", &error))?;
    Ok(Target::Id { id, branch: None })
}

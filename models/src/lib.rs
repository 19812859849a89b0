//! How a job is held, run and ended, as a model: two workers, one job of one step, and a fate that crashes, stops and wakes workers
//! and takes containers away between any two instructions. `tests/job.rs` checks every order of events.
//!
//! A worker is where it stands between two calls that others can see; each call of the product is one [`Action`], named like the
//! function that makes it:
//!
//! | action | in the product |
//! | --- | --- |
//! | `LookAtFinal`, `IsDead`, `CreateClaim`, `LookAgain` | the parts of `Job::claim` in `common/src/store/claims.rs`: bells and passes both lead there, so a lost or doubled bell is no event of its own |
//! | `EndOf`, `LatestAttempt`, `LabelledContainers` | `Running::prepare` in `worker/src/run.rs`, `worker/src/take_up.rs` |
//! | `BeginAttempt` | `Job::begin_attempt` in `common/src/store/record.rs` |
//! | `PutLogAside` | `worker/src/job_step/lost.rs` |
//! | `Holds` | `Claim::holds`, wherever `worker/src/{run,step,job_step}.rs` asks it |
//! | `Create`, `NotTooLate`, `TakeLog`, `Start`, `Inspect`, `DiscardLog`, `RemoveUnstarted`, `Settled` | `worker/src/step.rs`, `step/following.rs`, and for what a former holder left unstarted `job_step/taken_up.rs` |
//! | `RecordEnd` | `Job::record_end`, with the renames of `worker/src/collect.rs`, which are exclusive in the same way |
//! | `RemoveContainer`, `Sweep` | `worker/src/job_step.rs`, `worker/src/sweep.rs` |
//! | `Finish` | `Job::finish` |
//! | `Crash`, `Restart`, `Stop`, `Wake`, `Exit`, `Vanish` | what happens to workers and containers |
//!
//! What is left out: state.json, which is only drawn; logs, whose take-over is by a new file; time, for which a stopped holder's
//! heartbeat may count as dead at any moment.

mod protocol;
mod world;

pub use protocol::{Action, Guards, Protocol, names};
pub use world::{At, Container, Life, Phase, Seen, World};

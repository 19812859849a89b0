//! How a job is found, held, run, canceled and ended, as a model: a queue of bells, two workers, one job of one step, and a fate that
//! loses and doubles bells, crashes, stops and wakes workers and takes containers away between any two instructions. `tests/job.rs`
//! checks every order of events.
//!
//! A worker is where it stands between two calls that others can see; each call of the product is one [`Action`], named like the
//! function that makes it:
//!
//! | action | in the product |
//! | --- | --- |
//! | `Ring` | `ring` in `backend/src/submission/mod.rs`, after the job was admitted and answered for; the backend may die before it |
//! | `TakeBell` | BLPOP in `common/src/queue/listener.rs`: the bell is out of Redis before anybody looks into it, which is all the acknowledging there is. What a worker had in its hands when it died never comes back |
//! | `AnswerBell`, `Pass` | `Worker::answer` and `Worker::reconcile_once` in `worker/src/reconcile.rs`, up to the look at final.json with which `Job::claim` begins |
//! | `Leave` | a worker that is told to end before it looks into a bell: `JobBackend::close` puts it back |
//! | `LoseBells` | the backend dies before it rings, the list is full, or Redis is wiped |
//! | `RingMore` | a bell that nobody waited for: sent again by `common/src/queue/ringer.rs` because the answer to the first broke off, rung for a wish, or forged |
//! | `IsDead`, `CreateClaim`, `LookAgain` | the rest of `Job::claim` in `common/src/store/claims.rs` |
//! | `LatestAttempt`, `LabelledContainers`, `EndOf` | `run_job` and `Running::prepare` in `worker/src/run.rs`, `worker/src/adopt.rs` |
//! | `DrawState`, `HeedWish` | `Running::take_up` and `Running::finish` in `worker/src/run.rs`; `HeedWish` before any attempt is `run_job`'s own look |
//! | `Wish`, `AnswerQueued` | `Job::wish_cancel`, and `backend/src/cancel.rs`, which reads the state after that |
//! | `SeeWish` | `stopping::watch` in `worker/src/run/stopping.rs`, where it makes a difference: before the next attempt, a create, a start, and while a container is followed |
//! | `BeginAttempt` | `Job::begin` and `Job::begin_attempt` in `common/src/store/record.rs` |
//! | `PutLogAside` | `worker/src/job_step/lost.rs` |
//! | `Holds` | `Claim::holds`, wherever `worker/src/{run,step,job_step}.rs` asks it |
//! | `Create`, `NotTooLate`, `TakeLog`, `Start`, `Inspect`, `DiscardLog`, `RemoveUnstarted`, `Settled`, `StopContainer` | `worker/src/step.rs`, `step/following.rs`, and for what a former holder left unstarted `job_step/taken_up.rs` |
//! | `RecordTry`, `PutTryAside` | `Running::take_in` in `worker/src/run/records.rs`, `JobSteps::clear_earlier_try` in `worker/src/job_step/tries.rs`, with `common/src/store/tries.rs` |
//! | `RecordEnd` | `Job::record_end`, with the renames of `worker/src/collect.rs`, which are exclusive in the same way |
//! | `RemoveContainer`, `Sweep` | `worker/src/job_step.rs`, `worker/src/sweep.rs` |
//! | `Finish` | `Job::finish` |
//! | `Crash`, `Restart`, `Stop`, `Wake`, `Exit`, `Vanish` | what happens to workers and containers |
//!
//! What is left out: other jobs, and the places that they take; what state.json says besides that the job runs; what logs say, whose
//! take-over is by a new file; time, for which a stopped holder's heartbeat may count as dead at any moment, and with it the end of a
//! job whose time is over, which is canceling by another name; jobs that end the process that handles them; an engine that is away; what runs beside a step; and a holder that sleeps between the look
//! whether it still is one and the opening or removal of a log, which are one act here.
//!
//! Three of the [`Guards`] were found missing in the product by this model, and have stories of their own in
//! `cli/tests/faults/overtaken.rs`: [`Guards::held_when_told`] (`Run::to_the_end` in `worker/src/step.rs`), [`Guards::left_first`]
//! (`JobSteps::remove_ended` in `worker/src/job_step.rs`, which goes on where the engine cannot remove a container) and
//! [`Guards::end_before_anew`] (`JobSteps::execute` in `job_step/execute.rs`; `Run::make` lets go of the job, and whoever takes it up
//! again comes to the same look).

mod protocol;
mod world;

pub use protocol::{Action, Guards, Protocol, names};
pub use world::{At, Container, Fate, Life, Phase, Queue, Seen, Wish, Worker, World};

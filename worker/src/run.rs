//! One job, from its claim to its end: plan, start what may run, take in what ended, and finish. Only this room calls
//! `Job::finish`.
//!
//! The loop runs on a thread of its own and speaks to its steps over a channel, so that durable writes of one job stall
//! nobody else. Everything it decides, it decides from the files: a successor comes to the same answers.

mod ends;
mod error;
mod handed_on;
mod heartbeat;
mod outcome;
mod records;
mod stopping;
mod waiting;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use pipelinex_common::{
    clock::Stamp,
    disk::DiskError,
    execution::{Execution, StepRecord},
    id::JobId,
    metadata::Metadata,
    pipeline::plan::{self, Ended},
    slug::Slug,
    state::StepState,
    store::{Claim, Job, Place, ResourceGroup, StoreError},
};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use self::waiting::Told;
pub use self::{ends::end_poisoned, error::RunError};
use crate::{
    Worker, adopt,
    board::Board,
    caches,
    definition::{Definition, DefinitionError},
    engine::Engine,
    job_step::{JobSteps, StepReport},
    lock,
    secrets::Scope,
    step::Stop,
    sweep,
};

/// How this worker let go of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It has ended.
    Finished,
    /// It goes on without us: we were told to stop, or another holds it.
    Open,
    /// All that is left of it waits for a person or for its time: it goes on then.
    Waiting,
    /// The process that was started for it alone let go of it, or died over nothing of its data: it is tried again later.
    Apart,
}

/// What the plan leaves to do.
enum Round {
    /// Nothing any more.
    Done,
    /// Nothing but these steps, which wait.
    Waits(Vec<Slug>),
    /// Steps run, or the plan has more to say.
    UnderWay,
}

/// What the loop over a job is told.
enum Event {
    /// By the task of a step.
    Step(StepReport),
    /// That the job is to end, and why.
    Stop(Stop),
    /// That there is a newer job of the same branch.
    Superseded(JobId),
}

/// Runs a job that this worker has claimed. Blocks; call it on a thread for that. `engine`: none is needed for a job that is
/// canceled before it began, and others are then let go of. `bell`: rung when its wishes are worth a look.
///
/// # Errors
/// [`RunError`].
pub fn run_job(
    worker: &Arc<Worker>,
    engine: Option<Engine>,
    job: &Job,
    claim: Claim,
    bell: &Arc<Notify>,
) -> Result<Release, RunError> {
    let number = claim.number();
    let claim = Arc::new(Mutex::new(claim));
    let let_go = worker.stop.let_go.child_token();
    let _beating = heartbeat::show(worker, &claim, &let_go);
    match worker.store.take_over(job) {
        // What is not there yet is needed by nobody where the job only has to be ended.
        Err(StoreError::Disk(full)) if full.is_full() && never_begun_and_canceled(job)? => {
            tracing::warn!(job = %job.id(), error = %full, "a job is canceled on a disk that is full");
        }
        taken => taken?,
    }
    let planning = job.handling(number, Place::Plan);
    let metadata = job.metadata()?;
    job.put_torn_state_aside()?;
    if job.latest_attempt()? == 0
        && let Some(words) = job.cancel_wish()
    {
        let end = stopping::never_begun(&metadata, &stopping::canceled(&words), number);
        return ends::at_once(worker, None, job, lock(&claim).holds(), &end);
    }
    let Some(engine) = engine else { return Ok(Release::Open) };
    // The backend that admitted it may have died before it told the older one.
    if job.latest_attempt()? == 0 {
        worker.store.supersede_older(&metadata)?;
    }
    let started_at = job.view()?.execution.started_at.unwrap_or_else(Timestamp::now);
    let definition = Definition::read(job.paths(), &metadata, &worker.config.policy);
    // What the engine takes its time for is not ours to die over.
    drop(planning);
    let definition = match definition {
        Ok(definition) => Arc::new(definition),
        Err(DefinitionError::Refused(refused)) => {
            let end = ends::unrunnable(job, &metadata, refused, number, started_at);
            return ends::at_once(worker, Some(&engine), job, lock(&claim).holds(), &end);
        }
        Err(DefinitionError::Disk(error)) => return Err(error.into()),
    };
    let read = (&metadata, definition);
    let mut running = Running::prepare(worker, engine, job, read, (claim, let_go), started_at)?;
    let _watching = stopping::watch(worker, job, bell, running.deadline, running.events.0.clone());
    let left = running.run_to_the_end()?;
    if left == Release::Finished {
        running.clean_up();
    }
    Ok(left)
}

fn never_begun_and_canceled(job: &Job) -> Result<bool, RunError> {
    Ok(job.latest_attempt()? == 0 && job.cancel_wish().is_some())
}

/// A job that is being run.
struct Running<'a> {
    worker: &'a Arc<Worker>,
    engine: Engine,
    job: &'a Job,
    definition: Arc<Definition>,
    board: Board,
    ended: BTreeMap<Slug, Ended>,
    running: BTreeSet<Slug>,
    steps: Arc<JobSteps>,
    events: (mpsc::UnboundedSender<Event>, mpsc::UnboundedReceiver<Event>),
    hold: Arc<Mutex<Claim>>,
    claim: u64,
    /// Steps whose containers were lost under a former holder, in that attempt.
    lost: (u32, Vec<Slug>),
    /// Steps that wait to be started by hand or for their time, since when.
    waits: BTreeMap<Slug, Stamp>,
    /// The resource groups of its steps.
    groups: BTreeMap<Slug, ResourceGroup>,
    /// Steps that could run, and whose group another has.
    blocked: BTreeSet<Slug>,
    /// When the job's time is over.
    deadline: Instant,
    /// Why the job is ended before its steps have.
    stop: Option<Stop>,
}

impl<'a> Running<'a> {
    /// Reads plan and past from the files. The inner error ends the job.
    fn prepare(
        worker: &'a Arc<Worker>,
        engine: Engine,
        job: &'a Job,
        (metadata, definition): (&Metadata, Arc<Definition>),
        (claim, let_go): (Arc<Mutex<Claim>>, CancellationToken),
        started_at: Timestamp,
    ) -> Result<Self, RunError> {
        let number = lock(&claim).number();
        let found = worker.runtime.block_on(adopt::find(&engine, &worker.store, job, &claim))?;
        let planning = job.handling(number, Place::Plan);
        handed_on::take_over(worker, job, metadata, &definition, number)?;
        let mut board = Board::new(metadata, &definition.pipeline, started_at, number);
        let mut ended = BTreeMap::new();
        for step in &definition.pipeline.steps {
            if let Some(end) = job.end_of(&step.slug)? {
                ended.insert(step.slug.clone(), outcome::of(&end.record));
                board.put(&step.slug, end.record);
            }
        }
        drop(planning);
        let lost = found.lost(job, definition.selected.iter().filter(|slug| !ended.contains_key(*slug)).cloned());
        board.set_attempt(found.attempt);
        let lost = (found.attempt, lost);
        let deadline = stopping::deadline(worker, &engine, job, metadata, &definition)?;
        let groups = waiting::groups(worker.store.layout(), metadata, &definition.pipeline);
        let (caches, secrets) = (caches::scope_of(metadata, &worker.config), Scope::of(metadata, &worker.config));
        let steps = JobSteps::prepare(
            worker,
            &engine,
            (job, caches, secrets),
            &definition,
            (claim.clone(), number),
            let_go,
            found,
        );
        let steps = Arc::new(steps?);
        let (events, running) = (mpsc::unbounded_channel(), BTreeSet::new());
        let (hold, claim, stop) = (claim, number, None);
        Ok(Self {
            worker,
            engine,
            job,
            definition,
            board,
            ended,
            running,
            steps,
            events,
            hold,
            claim,
            lost,
            waits: BTreeMap::new(),
            groups,
            blocked: BTreeSet::new(),
            deadline,
            stop,
        })
    }

    /// What a former holder left, and what people wish for, before anything is started.
    fn take_up(&mut self) -> Result<(), RunError> {
        for slug in self.steps.tried() {
            if !self.ended.contains_key(&slug) {
                self.put_open(&slug);
            }
        }
        // Drawn before the look: whoever wished for the end, and then saw the job QUEUED, was in time.
        self.job.draw_state(&self.board.draw())?;
        self.steps.remove_left(&self.ended);
        self.heed_wish();
        self.heed_deadline();
        self.heed_newer();
        let (attempt, lost) = std::mem::take(&mut self.lost);
        match self.stop.clone() {
            Some(stop) => self.take_up_to_end(&stop, &lost),
            None => lost.iter().try_for_each(|step| self.try_again(step, attempt)),
        }
    }

    fn run_to_the_end(&mut self) -> Result<Release, RunError> {
        self.take_up()?;
        loop {
            if self.overtaken() {
                return Ok(Release::Open);
            }
            let round = match self.stop {
                None => self.go_on()?,
                Some(_) if self.running.is_empty() => Round::Done,
                Some(_) => Round::UnderWay,
            };
            match round {
                Round::Done => return self.finish(),
                Round::Waits(held) => match self.park(&held)? {
                    Some(left) => return Ok(left),
                    None => continue,
                },
                Round::UnderWay => {}
            }
            // Once a round, while what was started is under way: the drawing keeps nobody waiting.
            self.job.draw_state(&self.board.draw())?;
            let event = match self.told() {
                Some(Told::Event(event)) => event,
                Some(Told::Freed) => continue,
                None => return Ok(Release::Open),
            };
            match event {
                Event::Stop(stop) => self.stop(stop),
                Event::Superseded(newer) => self.supersede(newer),
                Event::Step(StepReport::Began(slug, at)) => self.began(&slug, at),
                Event::Step(StepReport::Ended(slug, record)) => self.take_in(&slug, *record)?,
                Event::Step(StepReport::Lost(slug, attempt)) => match self.stop.clone() {
                    Some(stop) => self.record_ended(&slug, &stop)?,
                    None => self.try_again(&slug, attempt)?,
                },
                Event::Step(StepReport::LetGo) => return Ok(Release::Open),
                Event::Step(StepReport::Broke(error)) => return Err(error),
            }
        }
    }

    /// Starts and skips what the plan says.
    fn go_on(&mut self) -> Result<Round, RunError> {
        let definition = self.definition.clone();
        let planning = self.job.handling(self.claim, Place::Plan);
        let next = loop {
            let (pipeline, selected) = (&definition.pipeline, &definition.selected);
            let next = plan::next(pipeline, selected, &self.ended, &self.running, &self.freed());
            // One that waits since before this holder may be due already.
            if !self.hold(&next.hold)? {
                break next;
            }
        };
        drop(planning);
        for (slug, reason) in &next.skip {
            self.skip(slug, reason)?;
        }
        self.blocked.clear();
        for slug in &next.start {
            if !self.is_blocked(slug)? {
                self.start(slug)?;
            }
        }
        Ok(match self.running.is_empty() {
            _ if next.done => Round::Done,
            true => Round::Waits(next.hold.into_iter().chain(self.blocked.iter().cloned()).collect()),
            false => Round::UnderWay,
        })
    }

    /// Whether another holds the job by now, or has ended it.
    fn overtaken(&self) -> bool {
        !lock(&self.hold).holds()
    }

    /// Starts a step. Without a place for it, it is PENDING until it has one; one whose container a former holder started runs.
    fn start(&mut self, slug: &Slug) -> Result<(), RunError> {
        let definition = self.definition.clone();
        let Some(step) = definition.step(slug) else { return Ok(()) };
        let place = Arc::clone(&self.worker.step_slots).try_acquire_owned().ok();
        if self.steps.is_adopted(slug) {
            let began = self.job.start_of(slug)?.map(|stamp| stamp.at);
            self.put_running(slug, began.unwrap_or_else(Timestamp::now));
        } else if place.is_some() {
            self.put_running(slug, Timestamp::now());
        } else {
            let places = self.worker.config.parallel_steps;
            let record = self.with_tries(slug, StepRecord::waiting_for_place(&step.name, places));
            self.board.put(slug, record);
        }
        self.running.insert(slug.clone());
        let (steps, step, events) = (self.steps.clone(), step.clone(), self.events.0.clone());
        let root = self.job.paths().root().to_owned();
        let waiting = place.is_none().then(|| events.clone());
        let has_a_place = move |slug, at| {
            // The receiver is gone once the job was let go of.
            waiting.map(|events| events.send(Event::Step(StepReport::Began(slug, at))));
        };
        let task = self.worker.runtime.spawn(steps.run(step, place, has_a_place));
        self.worker.runtime.spawn(async move {
            // A panic over one step's data is told as well: nobody waits for a report that never comes.
            let panicked = |panic| DiskError::io("go on with", root)(std::io::Error::other(panic)).into();
            let report = task.await.unwrap_or_else(|panic| StepReport::Broke(panicked(panic)));
            // The receiver is gone once the job was let go of.
            let _ = events.send(Event::Step(report));
        });
        Ok(())
    }

    /// A step that waited for a place has one.
    fn began(&mut self, slug: &Slug, at: Timestamp) {
        if self.board.get(slug).is_some_and(|record| record.status == StepState::Pending) {
            self.put_running(slug, at);
        }
    }

    fn put_running(&mut self, slug: &Slug, since: Timestamp) {
        let Some(step) = self.definition.step(slug) else { return };
        let mut record = StepRecord::bare(&step.name, StepState::Running, None, "running");
        record.started_at = Some(since);
        record.attempt = Some(self.steps.attempt());
        let record = self.with_tries(slug, record);
        self.board.put(slug, record);
    }

    /// The end as it stands now.
    fn end(&mut self) -> Result<Execution, RunError> {
        let (state, reason, error) = match self.stop.clone() {
            Some(stop) => {
                self.skip_the_rest(&stop)?;
                (stopping::state_after(&stop), Some(stop.reason), Some(stop.message))
            }
            None => outcome::of_job(&self.definition, &self.ended, &self.board),
        };
        Ok(self.board.draw_end(state, reason, error))
    }

    fn finish(&mut self) -> Result<Release, RunError> {
        let _finishing = self.job.handling(self.claim, Place::Finish);
        let mut end = self.end()?;
        pipelinex_common::fault_point!("worker.before-final");
        if self.overtaken() {
            return Ok(Release::Open);
        }
        // A wish that is there by now is granted, also when nothing is left to be ended. After this look the end is only written
        // and synced: a wish of that very moment comes too late.
        if self.stop.is_none() {
            self.heed_wish();
            end = if self.stop.is_some() { self.end()? } else { end };
        }
        let won = match self.job.finish(&end) {
            Err(StoreError::Disk(full)) if full.is_full() => self.finish_without_space(&end, &full)?,
            finished => finished?,
        };
        pipelinex_common::fault_point!("worker.after-final");
        tracing::info!(job = %self.job.id(), state = %end.state, won, "the job has ended");
        Ok(Release::Finished)
    }

    /// Its steps have ended and their reports are published: what they wrote goes first, for their end to find space.
    fn finish_without_space(&self, end: &Execution, full: &DiskError) -> Result<bool, RunError> {
        tracing::warn!(job = %self.job.id(), error = %full, "the end of a job finds no space: what its steps wrote goes first");
        self.worker.runtime.block_on(self.steps.removed());
        sweep::remove_folders(&self.worker.store, self.job)?;
        if let Err(error) = self.worker.store.empty_trash() {
            tracing::warn!(%error, "not everything that was thrown away could be removed");
        }
        Ok(self.job.finish(end)?)
    }

    /// Removes everything of the job that is not its record. What fails here is left to the sweeper.
    fn clean_up(&self) {
        self.worker.runtime.block_on(self.steps.removed());
        if let Err(error) = self.worker.runtime.block_on(sweep::job(&self.engine, &self.worker.store, self.job)) {
            tracing::warn!(job = %self.job.id(), %error, "not everything of a job could be removed; the sweeper tries again");
        }
        self.worker.empty_trash();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Whatever ended our hold on the job, no task of it goes on.
        self.steps.let_go();
    }
}

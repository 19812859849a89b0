//! What there is: files, containers, bells, workers, and what an observer has seen.

mod at;
mod seen;

pub use self::{at::At, seen::Seen};

/// The budget of attempts.
pub const BUDGET: u8 = 2;
/// More than the budget: attempts that are begun to learn that it is spent, each by a worker that dies over it.
pub(crate) const NAMES: usize = BUDGET as usize + 4;
/// Tries that a step can have.
pub(crate) const TRIES: usize = 2;

/// A moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// `claims/N`: which worker made it.
    pub claims: Vec<u8>,
    /// The highest of `attempts/N`.
    pub attempts: u8,
    /// There is a log of the step.
    pub log: bool,
    /// The first try of the step is one that another follows, once its container has ended by itself.
    pub flaky: bool,
    /// `tries/STEP/1/end.json`: the claim that recorded it,
    pub tried: Option<u8>,
    /// and whether the log of that try was put with it.
    pub aside: bool,
    /// `ends/STEP.json`: the claim that recorded it.
    pub end: Option<u8>,
    /// `final.json`: the claim that created it,
    pub ended: Option<u8>,
    /// and whether it says CANCELED.
    pub canceled: bool,
    /// `wishes/cancel.json`.
    pub wish: Wish,
    /// state.json says RUNNING.
    pub drawn: bool,
    /// The containers of the step by name, which is their try and attempt.
    pub containers: [Option<Container>; NAMES * TRIES],
    /// Ids that the engine has given away.
    pub ids: u8,
    /// The workers.
    pub workers: [Worker; 2],
    /// The queue.
    pub queue: Queue,
    /// What may still happen.
    pub fate: Fate,
    /// What was seen until now.
    pub seen: Seen,
}

/// How often what is nobody's plan may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fate {
    /// Workers crash, or are told to end.
    pub crashes: u8,
    /// Workers are stopped,
    pub stops: u8,
    /// containers taken away,
    pub losses: u8,
    /// and bells lost.
    pub lost_bells: u8,
    /// A bell rings that nobody waited for.
    pub more_bells: u8,
    /// Somebody wishes the job to be canceled.
    pub wishes: u8,
}

/// The queue: a list that whoever takes a bell takes it out of, and that knows nothing of who did. A bell that its taker did not get
/// to is nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Queue {
    /// The backend has admitted the job, and not rung yet.
    pub to_ring: bool,
    /// Bells in the list.
    pub waiting: u8,
}

/// The wish to cancel the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wish {
    /// Nobody has one.
    None,
    /// It is durable.
    Durable,
    /// It is, and whoever made it was told that the job was QUEUED after that.
    ToldQueued,
}

/// A container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Container {
    /// Given once.
    pub id: u8,
    /// Where it stands.
    pub phase: Phase,
}

/// Where a container stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Made.
    Created,
    /// Started.
    Running,
    /// Ended, by itself or because it was told to.
    Exited,
}

/// A worker process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Worker {
    /// Whether it runs.
    pub life: Life,
    /// The claim whose lock it holds; 0 for none.
    pub claim: u8,
    /// It has a bell that it took from the queue and did not look into yet.
    pub bell: bool,
    /// How many tries it knows to be over.
    pub tries: u8,
    /// It knows that the job is to be canceled, and ends what it took up.
    pub told: bool,
    /// Where it stands.
    pub at: At,
}

/// Whether a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// It runs.
    Alive,
    /// It was stopped and may wake up; its heartbeat stands still.
    Stopped,
    /// It is no more.
    Dead,
}

impl World {
    /// A job that was admitted, two workers, and what fate may do. `rings`: the backend lives for so long that it may ring.
    pub fn new(fate: Fate, rings: bool) -> Self {
        let worker = Worker { life: Life::Alive, claim: 0, bell: false, tries: 0, told: false, at: At::Idle };
        Self {
            claims: Vec::new(),
            attempts: 0,
            log: false,
            flaky: false,
            tried: None,
            aside: false,
            end: None,
            ended: None,
            canceled: false,
            wish: Wish::None,
            drawn: false,
            containers: [None; NAMES * TRIES],
            ids: 0,
            workers: [worker; 2],
            queue: Queue { to_ring: rings, waiting: 0 },
            fate,
            seen: Seen::default(),
        }
    }

    /// A worker is no more. Its lock is free, its heartbeat stands still, and what it had in its hands is gone.
    pub fn put_down(&mut self, number: u8) {
        self.see_cut_off(number);
        let worker = &mut self.workers[usize::from(number)];
        self.seen.bell_lost |= worker.bell;
        *worker = Worker { life: Life::Dead, claim: 0, bell: false, tries: 0, told: false, at: At::Idle };
    }

    /// Whether a worker who looks at the job now would find that another holds it.
    pub fn is_held(&self) -> bool {
        let latest = self.claims.len() as u8;
        latest > 0 && !self.is_still(latest)
    }

    /// The same of a step whose first try fails, and has another follow.
    pub fn flaky(self) -> Self {
        Self { flaky: true, ..self }
    }

    /// The name that a worker gives to the container of an attempt, in the try that it knows to be under way.
    pub fn name(&self, number: u8, attempt: u8) -> u8 {
        attempt + self.workers[usize::from(number)].tries * NAMES as u8
    }

    /// The container of a name.
    pub fn container(&mut self, name: u8) -> &mut Option<Container> {
        &mut self.containers[usize::from(name) - 1]
    }

    /// The latest attempt that has a container in a try, once `over` tries are; 0 for none.
    pub fn found(&mut self, attempt: u8, over: u8) -> u8 {
        let names = (1..=attempt.min(NAMES as u8)).rev();
        names.into_iter().find(|a| self.container(a + over * NAMES as u8).is_some()).unwrap_or(0)
    }

    /// Whether a claim's holder does nothing: its lock is free, or its heartbeat stands still.
    pub fn is_still(&self, claim: u8) -> bool {
        let holder = self.workers[usize::from(self.claims[usize::from(claim) - 1])];
        holder.claim != claim || holder.life != Life::Alive
    }

    /// The engine removes a container by its id, unless that runs. One that was started meanwhile and has ended goes too, and how it
    /// ended with it: a loss like any other.
    pub fn remove_unstarted(&mut self, name: u8, id: u8) {
        let gone = self.container(name).take_if(|c| c.id == id && c.phase != Phase::Running);
        self.seen.lost += u8::from(gone.is_some_and(|c| c.phase == Phase::Exited));
    }
}

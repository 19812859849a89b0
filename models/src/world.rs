//! What there is: files, containers, workers, and what an observer has seen.

/// The budget of attempts.
pub const BUDGET: u8 = 2;
/// More than the budget: attempts that are begun to learn that it is spent, each by a worker that dies over it.
const NAMES: usize = BUDGET as usize + 4;

/// A moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// `claims/N`: which worker made it.
    pub claims: Vec<u8>,
    /// The highest of `attempts/N`.
    pub attempts: u8,
    /// There is a log of the step.
    pub log: bool,
    /// `ends/STEP.json`: the claim that recorded it.
    pub end: Option<u8>,
    /// `final.json`: the claim that created it.
    pub ended: Option<u8>,
    /// The containers of the step by name, which is their attempt.
    pub containers: [Option<Container>; NAMES],
    /// Ids that the engine has given away.
    pub ids: u8,
    /// The workers.
    pub workers: [Worker; 2],
    /// Crashes that may still happen,
    pub crashes: u8,
    /// and workers that may still be stopped,
    pub stops: u8,
    /// and containers that may still be taken away.
    pub losses: u8,
    /// What was seen until now.
    pub seen: Seen,
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
    /// Ended by itself.
    Exited,
}

/// A worker process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Worker {
    /// Whether it runs.
    pub life: Life,
    /// The claim whose lock it holds; 0 for none.
    pub claim: u8,
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

/// Where a worker stands: what it has learned, and so what it does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is named by what comes before or after it")]
pub enum At {
    Idle,
    SawOpen,
    SawDead {
        latest: u8,
    },
    Linked,
    Held,
    ToList {
        attempt: u8,
    },
    /// With the attempt whose container was found; 0 for none.
    Listed {
        attempt: u8,
        found: u8,
    },
    BeforeRetry {
        after: u8,
    },
    ToLookAtEnd {
        after: u8,
    },
    ToBegin {
        after: u8,
    },
    BeforeAside {
        attempt: u8,
    },
    ToPutAside {
        attempt: u8,
    },
    BeforeCreate {
        attempt: u8,
    },
    ToCreate {
        attempt: u8,
    },
    Made {
        attempt: u8,
        id: u8,
    },
    BeforeLog {
        attempt: u8,
        id: u8,
    },
    BeforeStart {
        attempt: u8,
        id: u8,
    },
    ToStart {
        attempt: u8,
        id: u8,
    },
    ToInspect {
        attempt: u8,
    },
    BeforeRemoveUnstarted {
        attempt: u8,
        id: u8,
    },
    ToDiscardLog {
        attempt: u8,
        id: u8,
    },
    ToRemoveUnstarted {
        attempt: u8,
        id: u8,
    },
    BeforeFollow {
        attempt: u8,
    },
    Following {
        attempt: u8,
    },
    BeforeRecord {
        attempt: u8,
    },
    ToRecord {
        attempt: u8,
    },
    ToRemove {
        attempt: u8,
    },
    BeforeFinish,
    ToFinish,
    ToSweep,
    Done,
}

/// What an observer has seen who forgets nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    /// How often final.json came into being, or another took its place.
    pub finals: u8,
    /// An end that readers had seen was replaced by another.
    pub rewritten: bool,
    /// A container was started once the job had ended; or the step, with no container lost.
    pub late_start: bool,
    /// A container that had ended was started again.
    pub started_again: bool,
    /// Two containers of the step ran at once.
    pub two_running: bool,
    /// The number of attempts fell, or rose though nothing was lost.
    pub attempts_wrong: bool,
    /// Two workers held one claim.
    pub shared_claim: bool,
    /// Containers that were lost.
    pub lost: u8,
    /// Workers that crashed or were overtaken between a loss and the moment at which the log of what was lost is out of the way.
    pub cut_off: u8,
}

impl World {
    /// A job that was admitted, two workers, and what fate may do.
    pub fn new(crashes: u8, stops: u8, losses: u8) -> Self {
        let worker = Worker { life: Life::Alive, claim: 0, at: At::Idle };
        Self {
            claims: Vec::new(),
            attempts: 0,
            log: false,
            end: None,
            ended: None,
            containers: [None; NAMES],
            ids: 0,
            workers: [worker; 2],
            crashes,
            stops,
            losses,
            seen: Seen::default(),
        }
    }

    /// The container of an attempt.
    pub fn container(&mut self, attempt: u8) -> &mut Option<Container> {
        &mut self.containers[usize::from(attempt) - 1]
    }

    /// Whether a claim's holder does nothing: its lock is free, or its heartbeat stands still.
    pub fn is_still(&self, claim: u8) -> bool {
        let holder = self.workers[usize::from(self.claims[usize::from(claim) - 1])];
        holder.claim != claim || holder.life != Life::Alive
    }

    /// A start of a container: what an observer makes of it.
    pub fn see_start(&mut self, attempt: u8, before: Phase) {
        // A container that somebody took away is made up for, even if a holder that slept through it records its end after all.
        self.seen.late_start |= self.ended.is_some() || (self.end.is_some() && self.seen.lost == 0);
        self.seen.started_again |= before == Phase::Exited;
        if let Some(container) = self.container(attempt) {
            container.phase = Phase::Running;
        }
        let running = self.containers.iter().flatten().filter(|c| c.phase == Phase::Running).count();
        self.seen.two_running |= running > 1;
    }

    /// An attempt was begun.
    pub fn see_attempt(&mut self, number: u8) {
        self.attempts = self.attempts.max(number);
        // Where nothing was lost, nothing is made up for.
        let cut_off = if self.seen.lost > 0 { self.seen.cut_off } else { 0 };
        self.seen.attempts_wrong |= self.attempts > 1 + self.seen.lost + cut_off;
    }

    /// A worker crashes, or another takes its job: where it was making up for a loss, the attempt that it begins may go with it.
    pub fn see_cut_off(&mut self, number: u8) {
        let cut_off = match self.workers[usize::from(number)].at {
            At::ToLookAtEnd { .. } | At::BeforeAside { .. } | At::ToPutAside { .. } => true,
            At::ToBegin { after } => after > 0,
            // Past the budget the log stays where it is: it is that of the step's end.
            At::ToRecord { .. } => self.attempts > BUDGET,
            _ => false,
        };
        self.seen.cut_off += u8::from(cut_off);
    }
}

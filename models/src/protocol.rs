//! What workers do, one call at a time, and what happens to them.

use stateright::{Model, Property};

use crate::world::{At, BUDGET, Container, Life, Phase, World};

/// What keeps the promises. Each can be taken out, to see that the check misses it.
#[derive(Clone, Copy, Debug)]
pub struct Guards {
    /// Whoever takes a job from a stopped holder kills it first: both are on one machine.
    pub kill_first: bool,
    /// A claim is created exclusively, not after a look.
    pub exclusive_claim: bool,
    /// So is the end of the job,
    pub exclusive_final: bool,
    /// and that of a step.
    pub exclusive_end: bool,
    /// A holder asks whether it still is one.
    pub holds: bool,
    /// A holder removes what it made too late.
    pub not_too_late: bool,
    /// An attempt is the one after another, not the next free one.
    pub named_attempt: bool,
    /// A container is started by its maker alone and by its id; one that a former holder left unstarted is made anew.
    pub start_by_id: bool,
    /// The log, which says that there was a container, goes before a container that was never started.
    pub log_first: bool,
    /// The log of a lost container is put aside as soon as the attempt after it is begun, not when that has a container.
    pub log_aside: bool,
    /// Whoever misses a container looks for the end of its step after that: an older holder removes it once that is on disk.
    pub end_last: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            kill_first: false,
            exclusive_claim: true,
            exclusive_final: true,
            exclusive_end: true,
            holds: true,
            not_too_late: true,
            named_attempt: true,
            start_by_id: true,
            log_first: true,
            log_aside: true,
            end_last: true,
        }
    }
}

/// The model: the guards, and what fate may do.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// What is guarded.
    pub guards: Guards,
    /// The beginning.
    pub beginning: World,
}

/// The names of what is promised.
#[allow(missing_docs, reason = "their texts say it")]
pub mod names {
    pub const ONE_FINAL: &str = "there is at most one end of the job, the first";
    pub const BELIEF: &str = "what a reader has seen ended never ends otherwise";
    pub const NO_LATE_START: &str = "nothing is started after the end";
    pub const ONE_RUN: &str = "no container is started twice";
    pub const ONE_RUNNING: &str = "never two containers of one step run";
    pub const ATTEMPTS: &str = "attempts rise, and only over a loss";
    pub const ONE_HOLDER: &str = "no two workers hold one claim";
    pub const NOT_STUCK: &str = "as long as one worker lives, there is something to do until the job has ended";
    /// All of them that must never be broken.
    pub const PROMISES: [&str; 8] =
        [ONE_FINAL, BELIEF, NO_LATE_START, ONE_RUN, ONE_RUNNING, ATTEMPTS, ONE_HOLDER, NOT_STUCK];
    pub const ENDS: &str = "some job ends";
    pub const LOST: &str = "some job ends after its container was lost";
    pub const OVERTAKEN: &str = "some holder wakes up after its job was taken";
}

/// What happens next: a call of a worker, or a stroke of fate. The number is the worker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named like the functions of the product; the table in lib.rs says where those are")]
pub enum Action {
    LookAtFinal(u8),
    IsDead(u8),
    CreateClaim(u8),
    LookAgain(u8),
    EndOf(u8),
    LatestAttempt(u8),
    LabelledContainers(u8),
    BeginAttempt(u8),
    PutLogAside(u8),
    Holds(u8),
    Create(u8),
    NotTooLate(u8),
    TakeLog(u8),
    Start(u8),
    Inspect(u8),
    DiscardLog(u8),
    RemoveUnstarted(u8),
    Settled(u8),
    RecordEnd(u8),
    RemoveContainer(u8),
    Finish(u8),
    Sweep(u8),
    Crash(u8),
    Restart(u8),
    Stop(u8),
    Wake(u8),
    Exit(u8),
    Vanish(u8),
}

impl Protocol {
    /// What a worker does next, if anything. Polls that would change nothing are left out, so no order of events is endless.
    fn next_of(world: &World, number: u8) -> Option<Action> {
        let worker = world.workers[usize::from(number)];
        if worker.life != Life::Alive {
            return None;
        }
        let latest = world.claims.len() as u8;
        Some(match worker.at {
            At::Idle if latest > 0 && world.ended.is_none() && !world.is_still(latest) => return None,
            At::Idle => Action::LookAtFinal(number),
            At::SawOpen => Action::IsDead(number),
            At::SawDead { .. } => Action::CreateClaim(number),
            At::Linked => Action::LookAgain(number),
            At::Held => Action::LatestAttempt(number),
            At::Listed { .. } | At::ToLookAtEnd { .. } => Action::EndOf(number),
            At::ToList { .. } => Action::LabelledContainers(number),
            At::ToBegin { .. } => Action::BeginAttempt(number),
            At::BeforeRetry { .. }
            | At::BeforeAside { .. }
            | At::BeforeCreate { .. }
            | At::BeforeStart { .. }
            | At::BeforeRemoveUnstarted { .. }
            | At::BeforeRecord { .. }
            | At::BeforeFinish => Action::Holds(number),
            At::ToPutAside { .. } => Action::PutLogAside(number),
            At::ToCreate { .. } => Action::Create(number),
            At::Made { .. } => Action::NotTooLate(number),
            At::BeforeLog { .. } | At::BeforeFollow { .. } => Action::TakeLog(number),
            At::ToStart { .. } => Action::Start(number),
            At::ToInspect { .. } => Action::Inspect(number),
            At::ToDiscardLog { .. } => Action::DiscardLog(number),
            At::ToRemoveUnstarted { .. } => Action::RemoveUnstarted(number),
            At::Following { attempt } => {
                let running = |c: &Container| c.phase == Phase::Running;
                if world.containers[usize::from(attempt) - 1].as_ref().is_some_and(running) {
                    return None;
                }
                Action::Settled(number)
            }
            At::ToRecord { .. } => Action::RecordEnd(number),
            At::ToRemove { .. } => Action::RemoveContainer(number),
            At::ToFinish => Action::Finish(number),
            At::ToSweep => Action::Sweep(number),
            At::Done => return None,
        })
    }

    fn holds(&self, world: &World, number: u8) -> bool {
        let claim = world.workers[usize::from(number)].claim;
        !self.guards.holds || (usize::from(claim) == world.claims.len() && world.ended.is_none())
    }

    /// Where a worker stands after its call. `None`: it lets go of the job.
    fn call(&self, world: &mut World, number: u8) -> Option<At> {
        let me = usize::from(number);
        let holds = self.holds(world, number);
        let mine = world.workers[me].claim;
        let latest = world.claims.len() as u8;
        Some(match world.workers[me].at {
            At::Idle if world.ended.is_some() => At::ToSweep,
            At::Idle => At::SawOpen,
            At::SawOpen if latest > 0 && !world.is_still(latest) => return None,
            At::SawOpen => {
                let stopped = |holder: &u8| world.workers[usize::from(*holder)].life == Life::Stopped;
                if let Some(holder) = world.claims.last().copied().filter(|h| self.guards.kill_first && stopped(h)) {
                    world.see_cut_off(holder);
                    let holder = &mut world.workers[usize::from(holder)];
                    (holder.life, holder.claim, holder.at) = (Life::Dead, 0, At::Idle);
                }
                At::SawDead { latest }
            }
            At::SawDead { latest: seen } => {
                if latest > seen {
                    if self.guards.exclusive_claim {
                        return None;
                    }
                    world.seen.shared_claim = true;
                    world.claims[usize::from(seen)] = number;
                } else {
                    if let Some(holder) = world.claims.last().copied() {
                        world.see_cut_off(holder);
                    }
                    world.claims.push(number);
                }
                world.workers[me].claim = seen + 1;
                At::Linked
            }
            At::Linked if world.ended.is_some() => return None,
            At::Linked => At::Held,
            At::Held if world.attempts == 0 => At::ToBegin { after: 0 },
            At::Held if !self.guards.end_last && world.end.is_some() => At::BeforeFinish,
            At::Held => At::ToList { attempt: world.attempts },
            At::ToList { attempt } => {
                let found = (1..=attempt.min(BUDGET)).rev().find(|a| world.container(*a).is_some());
                At::Listed { attempt, found: found.unwrap_or(0) }
            }
            At::Listed { .. } if self.guards.end_last && world.end.is_some() => At::BeforeFinish,
            At::Listed { found: 0, attempt } if world.log => At::BeforeRetry { after: attempt },
            At::Listed { found: 0, attempt } => At::BeforeCreate { attempt },
            At::Listed { found, .. } => At::ToInspect { attempt: found },
            At::BeforeRetry { after } => holds.then_some(At::ToLookAtEnd { after })?,
            At::ToLookAtEnd { .. } if self.guards.end_last && world.end.is_some() => At::BeforeFinish,
            At::ToLookAtEnd { after } => At::ToBegin { after },
            At::ToBegin { after } => {
                let attempt = if self.guards.named_attempt { after + 1 } else { world.attempts + 1 };
                world.see_attempt(attempt);
                match attempt {
                    spent if spent > BUDGET => At::ToRecord { attempt: BUDGET },
                    again if after > 0 && self.guards.log_aside => At::BeforeAside { attempt: again },
                    attempt => At::BeforeCreate { attempt },
                }
            }
            At::BeforeAside { attempt } => holds.then_some(At::ToPutAside { attempt })?,
            At::ToPutAside { attempt } => {
                world.log = false;
                At::BeforeCreate { attempt }
            }
            At::BeforeCreate { attempt } => holds.then_some(At::ToCreate { attempt })?,
            At::ToCreate { attempt } => {
                let id = world.ids + 1;
                match world.container(attempt) {
                    Some(_) => At::ToInspect { attempt },
                    free => {
                        *free = Some(Container { id, phase: Phase::Created });
                        world.ids = id;
                        At::Made { attempt, id }
                    }
                }
            }
            At::Made { attempt, id } if holds || !self.guards.not_too_late => At::BeforeLog { attempt, id },
            At::Made { attempt, id } => {
                let container = world.container(attempt);
                container.take_if(|c| c.id == id && c.phase == Phase::Created);
                return None;
            }
            At::BeforeLog { attempt, id } => {
                world.log |= holds;
                holds.then_some(At::BeforeStart { attempt, id })?
            }
            At::BeforeStart { attempt, id } => holds.then_some(At::ToStart { attempt, id })?,
            At::ToStart { attempt, id } => {
                let by_id = self.guards.start_by_id;
                match world.container(attempt).filter(|c| !by_id || c.id == id) {
                    None => At::BeforeRetry { after: attempt },
                    Some(container) => {
                        if container.phase != Phase::Running {
                            world.see_start(attempt, container.phase);
                        }
                        At::Following { attempt }
                    }
                }
            }
            At::ToInspect { attempt } => match world.containers[usize::from(attempt) - 1] {
                // Made in time and removed as if too late: it never ran, so nothing was lost.
                None if !world.log => At::BeforeCreate { attempt },
                None => At::BeforeRetry { after: attempt },
                Some(Container { phase: Phase::Created, id }) if self.guards.start_by_id => {
                    At::BeforeRemoveUnstarted { attempt, id }
                }
                Some(Container { phase: Phase::Created, id }) => At::BeforeLog { attempt, id },
                Some(_) => At::BeforeFollow { attempt },
            },
            At::BeforeRemoveUnstarted { attempt, id } if self.guards.log_first => {
                holds.then_some(At::ToDiscardLog { attempt, id })?
            }
            At::BeforeRemoveUnstarted { attempt, id } => holds.then_some(At::ToRemoveUnstarted { attempt, id })?,
            At::ToDiscardLog { attempt, id } => {
                world.log = false;
                At::ToRemoveUnstarted { attempt, id }
            }
            At::ToRemoveUnstarted { attempt, id } => {
                world.container(attempt).take_if(|c| c.phase == Phase::Created && c.id == id);
                At::BeforeCreate { attempt }
            }
            At::BeforeFollow { attempt } => {
                world.log |= holds;
                holds.then_some(At::Following { attempt })?
            }
            At::Following { attempt } => match world.container(attempt) {
                None => At::BeforeRetry { after: attempt },
                Some(_) => At::BeforeRecord { attempt },
            },
            At::BeforeRecord { attempt } => holds.then_some(At::ToRecord { attempt })?,
            At::ToRecord { attempt } => {
                if world.end.is_none() || !self.guards.exclusive_end {
                    world.seen.rewritten |= world.end.is_some();
                    world.end = Some(mine);
                }
                At::ToRemove { attempt }
            }
            At::ToRemove { attempt } => {
                *world.container(attempt) = None;
                At::BeforeFinish
            }
            At::BeforeFinish => holds.then_some(At::ToFinish)?,
            At::ToFinish => {
                if world.ended.is_none() || !self.guards.exclusive_final {
                    world.seen.rewritten |= world.ended.is_some();
                    world.seen.finals += 1;
                    world.ended = Some(mine);
                }
                At::ToSweep
            }
            At::ToSweep => {
                world.containers = Default::default();
                At::Done
            }
            At::Done => return None,
        })
    }

    /// What fate may do.
    fn strokes(world: &World, actions: &mut Vec<Action>) {
        for number in [0, 1] {
            let worker = world.workers[usize::from(number)];
            let busy = !matches!(worker.at, At::Idle | At::Done);
            match worker.life {
                Life::Alive if busy => {
                    actions.extend((world.crashes > 0).then_some(Action::Crash(number)));
                    actions.extend((world.stops > 0).then_some(Action::Stop(number)));
                }
                Life::Alive => {}
                Life::Stopped => actions.push(Action::Wake(number)),
                Life::Dead => actions.push(Action::Restart(number)),
            }
        }
        for attempt in 1..=BUDGET {
            match world.containers[usize::from(attempt) - 1] {
                Some(Container { phase: Phase::Running, .. }) => {
                    actions.push(Action::Exit(attempt));
                    actions.extend((world.losses > 0).then_some(Action::Vanish(attempt)));
                }
                Some(_) => actions.extend((world.losses > 0).then_some(Action::Vanish(attempt))),
                None => {}
            }
        }
    }

    fn strike(world: &mut World, action: Action) {
        match action {
            Action::Crash(number) => {
                world.see_cut_off(number);
                let worker = &mut world.workers[usize::from(number)];
                (worker.life, worker.claim, worker.at) = (Life::Dead, 0, At::Idle);
                world.crashes -= 1;
            }
            Action::Restart(number) => world.workers[usize::from(number)].life = Life::Alive,
            Action::Stop(number) => {
                world.workers[usize::from(number)].life = Life::Stopped;
                world.stops -= 1;
            }
            Action::Wake(number) => world.workers[usize::from(number)].life = Life::Alive,
            Action::Exit(attempt) => {
                if let Some(container) = world.container(attempt) {
                    container.phase = Phase::Exited;
                }
            }
            Action::Vanish(attempt) => {
                *world.container(attempt) = None;
                world.losses -= 1;
                world.seen.lost += 1;
            }
            _ => {}
        }
    }

    /// Whether nothing goes on, and nothing will unless the dead are restarted or the stopped wake up.
    fn is_stuck(world: &World) -> bool {
        let lives = world.workers.iter().any(|worker| worker.life == Life::Alive);
        let runs = world.containers.iter().flatten().any(|c| c.phase == Phase::Running);
        let acts = [0, 1].into_iter().any(|number| Self::next_of(world, number).is_some());
        lives && !runs && !acts
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![self.beginning.clone()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        actions.extend([0, 1].into_iter().filter_map(|number| Self::next_of(world, number)));
        Self::strokes(world, actions);
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        let caller = [0, 1].into_iter().find(|number| Self::next_of(before, *number) == Some(action));
        match caller {
            Some(number) => {
                let at = self.call(&mut world, number);
                let worker = &mut world.workers[usize::from(number)];
                worker.at = at.unwrap_or(At::Idle);
                if matches!(worker.at, At::Idle | At::Done) {
                    worker.claim = 0;
                }
            }
            None => Self::strike(&mut world, action),
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(names::ONE_FINAL, |_, world: &World| world.seen.finals <= 1),
            Property::always(names::BELIEF, |_, world: &World| !world.seen.rewritten),
            Property::always(names::NO_LATE_START, |_, world: &World| !world.seen.late_start),
            Property::always(names::ONE_RUN, |_, world: &World| !world.seen.started_again),
            Property::always(names::ONE_RUNNING, |_, world: &World| !world.seen.two_running),
            Property::always(names::ATTEMPTS, |_, world: &World| !world.seen.attempts_wrong),
            Property::always(names::ONE_HOLDER, |_, world: &World| !world.seen.shared_claim),
            Property::always(names::NOT_STUCK, |_, world: &World| !Self::is_stuck(world) || world.ended.is_some()),
            Property::sometimes(names::ENDS, |_, world: &World| world.ended.is_some()),
            Property::sometimes(names::LOST, |_, world: &World| world.ended.is_some() && world.seen.lost > 0),
            Property::sometimes(names::OVERTAKEN, |_, world: &World| {
                let latest = world.claims.len() as u8;
                world.workers.iter().any(|w| w.life == Life::Alive && w.claim > 0 && w.claim < latest)
            }),
        ]
    }
}

//! What workers do, one call at a time, and what happens to them.

mod action;
mod call;
mod fate;
pub mod names;
mod running;

use stateright::{Model, Property};

pub use self::action::Action;
use crate::world::{At, Life, Phase, World};

/// What keeps the promises. Each can be taken out, to see that the check misses it.
#[derive(Clone, Copy, Debug)]
pub struct Guards {
    /// Whoever takes a job from a stopped holder kills it first: both are on one machine.
    pub kill_first: bool,
    /// Workers look at the folders by themselves, and not only when a bell rings.
    pub passes: bool,
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
    /// Whoever is told to end what it has made and not started asks whether it still holds the job, and lets the log go first: as with
    /// what a former holder left.
    pub held_when_told: bool,
    /// What is left of a step that has ended goes before the job ends: a holder that sleeps may be about to start it.
    pub left_first: bool,
    /// Whoever finds neither container nor log looks for the end of the step before it makes the container anew.
    pub end_before_anew: bool,
    /// Whoever misses a container looks whether its try has ended since, as for the end of the step.
    pub try_anew: bool,
    /// A holder draws the job as RUNNING before it looks whether somebody wishes for its end, not after that.
    pub draw_first: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            kill_first: false,
            passes: true,
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
            held_when_told: true,
            left_first: true,
            end_before_anew: true,
            try_anew: true,
            draw_first: true,
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

impl Protocol {
    /// Whether nothing goes on, and nothing will unless the dead are restarted, the stopped wake up, or somebody rings once more.
    pub(crate) fn is_stuck(&self, world: &World) -> bool {
        let lives = world.workers.iter().any(|worker| worker.life == Life::Alive);
        let runs = world.containers.iter().flatten().any(|c| c.phase == Phase::Running);
        let acts = [0, 1].into_iter().any(|number| !self.calls_of(world, number).is_empty());
        lives && !runs && !acts && !world.queue.to_ring
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![self.beginning.clone()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        actions.extend([0, 1].into_iter().flat_map(|number| self.calls_of(world, number)));
        Self::strokes(world, actions);
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        match [0, 1].into_iter().find(|number| self.next_of(before, *number) == Some(action)) {
            Some(number) => {
                let at = self.call(&mut world, number);
                let worker = &mut world.workers[usize::from(number)];
                worker.at = at.unwrap_or(At::Idle);
                if matches!(worker.at, At::Idle | At::Done) {
                    (worker.claim, worker.tries, worker.told) = (0, 0, false);
                }
            }
            None => self.strike(&mut world, action),
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        names::properties()
    }
}

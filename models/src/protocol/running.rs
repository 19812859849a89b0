//! A step's container, from its making to its end.

use super::Protocol;
use crate::world::{At, Container, Phase, World};

impl Protocol {
    /// The watch of a holder tells it that the job is to be canceled: what was lost or has not begun is recorded, what runs is ended.
    pub(super) fn see_wish(&self, world: &mut World, number: u8) {
        let worker = &mut world.workers[usize::from(number)];
        worker.told = true;
        worker.at = match worker.at {
            At::BeforeStart { attempt, id } if self.guards.held_when_told => At::BeforeRemoveUnstarted { attempt, id },
            At::BeforeRetry { after: attempt } | At::BeforeCreate { attempt } => At::BeforeRecord { attempt },
            At::BeforeStart { attempt, id } => At::ToRemoveUnstarted { attempt, id },
            At::BeforeLogAside { attempt } => At::BeforeRecord { attempt },
            At::Following { attempt } => At::BeforeStop { attempt },
            at => at,
        };
    }

    /// A container is made, unless there is one of that name.
    pub(super) fn make(&self, world: &mut World, number: u8) -> Option<At> {
        let holds = self.holds(world, number);
        Some(match world.workers[usize::from(number)].at {
            At::BeforeCreate { attempt } => holds.then_some(At::ToCreate { attempt })?,
            At::ToCreate { attempt } => {
                let (id, name) = (world.ids + 1, world.name(number, attempt));
                match world.container(name) {
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
                let name = world.name(number, attempt);
                world.remove_unstarted(name, id);
                return None;
            }
            _ => return None,
        })
    }

    /// The log says that there was a container, so it is there before that is started.
    pub(super) fn start(&self, world: &mut World, number: u8) -> Option<At> {
        let holds = self.holds(world, number);
        Some(match world.workers[usize::from(number)].at {
            At::BeforeLog { attempt, id } => {
                world.log |= holds;
                holds.then_some(At::BeforeStart { attempt, id })?
            }
            At::BeforeStart { attempt, id } => holds.then_some(At::ToStart { attempt, id })?,
            At::ToStart { attempt, id } => {
                let (by_id, name) = (self.guards.start_by_id, world.name(number, attempt));
                match world.container(name).filter(|c| !by_id || c.id == id) {
                    None => At::BeforeRetry { after: attempt },
                    Some(container) => {
                        if container.phase != Phase::Running {
                            world.see_start(name, container.phase);
                        }
                        At::Following { attempt }
                    }
                }
            }
            _ => return None,
        })
    }

    /// What a former holder left of the step.
    pub(super) fn look_at_left(&self, world: &mut World, number: u8) -> Option<At> {
        let (holds, told) = (self.holds(world, number), world.workers[usize::from(number)].told);
        Some(match world.workers[usize::from(number)].at {
            At::ToInspect { attempt } => match world.containers[usize::from(world.name(number, attempt)) - 1] {
                // Told to end it, whether it was lost or never began.
                None if told => At::BeforeRecord { attempt },
                // Made in time and removed as if too late: it never ran, so nothing was lost.
                None if !world.log => At::ToMakeAnew { attempt },
                None => At::BeforeRetry { after: attempt },
                Some(Container { phase: Phase::Created, id }) if self.guards.start_by_id => {
                    At::BeforeRemoveUnstarted { attempt, id }
                }
                Some(Container { phase: Phase::Created, id }) => At::BeforeLog { attempt, id },
                Some(_) => At::BeforeFollow { attempt },
            },
            // The log may have been discarded by a holder that slept over it, and the end be on disk.
            At::ToMakeAnew { .. } if self.guards.end_before_anew && world.end.is_some() => At::BeforeFinish,
            // Let go of: whoever takes the job up again finds the try.
            At::ToMakeAnew { .. } if self.misses_a_try(world, number) => return None,
            At::ToMakeAnew { attempt } => At::BeforeCreate { attempt },
            At::BeforeRemoveUnstarted { attempt, id } if self.guards.log_first => {
                holds.then_some(At::ToDiscardLog { attempt, id })?
            }
            At::BeforeRemoveUnstarted { attempt, id } => holds.then_some(At::ToRemoveUnstarted { attempt, id })?,
            _ => return None,
        })
    }

    /// A container that was made and never started: it goes, and its log before it.
    pub(super) fn remove_unstarted(&self, world: &mut World, number: u8) -> Option<At> {
        Some(match world.workers[usize::from(number)].at {
            At::ToDiscardLog { attempt, id } => {
                world.log = false;
                At::ToRemoveUnstarted { attempt, id }
            }
            At::ToRemoveUnstarted { attempt, id } => {
                let name = world.name(number, attempt);
                world.remove_unstarted(name, id);
                match world.workers[usize::from(number)].told {
                    true => At::ToInspect { attempt },
                    false => At::BeforeCreate { attempt },
                }
            }
            _ => return None,
        })
    }

    /// A container that runs comes to its end, or is brought to it.
    pub(super) fn follow(&self, world: &mut World, number: u8) -> Option<At> {
        let holds = self.holds(world, number);
        Some(match world.workers[usize::from(number)].at {
            At::BeforeFollow { attempt } => {
                world.log |= holds;
                holds.then_some(At::Following { attempt })?
            }
            At::Following { attempt } => match world.containers[usize::from(world.name(number, attempt)) - 1] {
                None => At::BeforeRetry { after: attempt },
                Some(_) if world.flaky && world.workers[usize::from(number)].tries == 0 => At::BeforeTry { attempt },
                Some(_) => At::BeforeRecord { attempt },
            },
            At::BeforeStop { attempt } => holds.then_some(At::ToStop { attempt })?,
            At::ToStop { attempt } => {
                let name = world.name(number, attempt);
                if let Some(container) = world.container(name).as_mut().filter(|c| c.phase == Phase::Running) {
                    container.phase = Phase::Exited;
                    world.seen.stopped = true;
                }
                At::BeforeRecord { attempt }
            }
            _ => return None,
        })
    }
}

//! Where a worker stands after a call: from a bell or a pass to the claim, from there to what is to be run, and the end.

use super::Protocol;
use crate::world::{At, BUDGET, Life, NAMES, TRIES, Wish, World};

impl Protocol {
    /// Whether a worker finds that it still holds the job.
    pub(super) fn holds(&self, world: &World, number: u8) -> bool {
        let claim = world.workers[usize::from(number)].claim;
        !self.guards.holds || (usize::from(claim) == world.claims.len() && world.ended.is_none())
    }

    /// Where a worker stands after its call. `None`: it lets go of the job. Each part knows its own places only.
    pub(super) fn call(&self, world: &mut World, number: u8) -> Option<At> {
        match world.workers[usize::from(number)].at {
            At::Idle | At::SawOpen | At::SawDead { .. } | At::Linked => self.claim(world, number),
            At::Held | At::SawUnbegun | At::ToList { .. } | At::Listed { .. } => self.prepare(world, number),
            At::ToRemoveOver { .. } => self.prepare(world, number),
            At::BeforeTry { .. } | At::ToTry { .. } | At::ToClear { .. } => self.next_try(world, number),
            At::BeforeLogAside { .. } | At::ToLogAside { .. } => self.next_try(world, number),
            At::ToDraw { .. } | At::Drawn { .. } => self.take_up(world, number),
            At::BeforeRetry { .. } | At::ToLookAtEnd { .. } | At::ToBegin { .. } => self.try_again(world, number),
            At::BeforeAside { .. } | At::ToPutAside { .. } => self.try_again(world, number),
            At::BeforeCreate { .. } | At::ToCreate { .. } | At::Made { .. } => self.make(world, number),
            At::BeforeLog { .. } | At::BeforeStart { .. } | At::ToStart { .. } => self.start(world, number),
            At::ToInspect { .. } | At::ToMakeAnew { .. } => self.look_at_left(world, number),
            At::BeforeRemoveUnstarted { .. } => self.look_at_left(world, number),
            At::ToDiscardLog { .. } | At::ToRemoveUnstarted { .. } => self.remove_unstarted(world, number),
            At::BeforeFollow { .. } | At::Following { .. } => self.follow(world, number),
            At::BeforeStop { .. } | At::ToStop { .. } => self.follow(world, number),
            At::BeforeRecord { .. } | At::ToRecord { .. } | At::ToRemove { .. } => self.record(world, number),
            At::BeforeFinish | At::LastLook | At::ToFinish { .. } | At::ToSweep | At::Done => {
                self.finish(world, number)
            }
        }
    }

    /// A bell is looked into, and is no more. With the job in hand it only says that a wish is worth a look, which comes anyway; a
    /// job that has ended it does nothing about.
    pub(super) fn answer_bell(world: &mut World, number: u8) {
        world.see_bell();
        let ended = world.ended.is_some();
        let worker = &mut world.workers[usize::from(number)];
        worker.bell = false;
        if worker.at == At::Idle && !ended {
            worker.at = At::SawOpen;
        }
    }

    /// From the first look at final.json, which a bell or a pass leads to, to the claim.
    fn claim(&self, world: &mut World, number: u8) -> Option<At> {
        let me = usize::from(number);
        let latest = world.claims.len() as u8;
        Some(match world.workers[me].at {
            At::Idle if world.ended.is_some() => At::ToSweep,
            At::Idle => At::SawOpen,
            At::SawOpen if world.is_held() => return None,
            At::SawOpen => {
                let stopped = |holder: &u8| world.workers[usize::from(*holder)].life == Life::Stopped;
                if let Some(holder) = world.claims.last().copied().filter(|h| self.guards.kill_first && stopped(h)) {
                    world.put_down(holder);
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
            _ if world.ended.is_some() => return None,
            _ => At::Held,
        })
    }

    /// What a former holder left, from the files and from the engine.
    fn prepare(&self, world: &mut World, number: u8) -> Option<At> {
        Some(match world.workers[usize::from(number)].at {
            At::Held if world.attempts == 0 => At::SawUnbegun,
            At::Held if !self.guards.end_last && world.end.is_some() => At::BeforeFinish,
            At::Held => At::ToList { attempt: world.attempts },
            At::SawUnbegun if world.wish != Wish::None => At::BeforeFinish,
            At::SawUnbegun => At::ToBegin { after: 0 },
            At::ToList { attempt } => {
                At::Listed { attempt, first: world.found(attempt, 0), second: world.found(attempt, 1) }
            }
            At::Listed { attempt, first, second } => {
                world.workers[usize::from(number)].tries = u8::from(world.tried.is_some());
                let over = world.workers[usize::from(number)].tries > 0;
                let found = if over { second } else { first };
                match (over && first > 0).then_some(first) {
                    Some(over) if self.guards.left_first => At::ToRemoveOver { attempt, found, over },
                    _ => self.looked_at_end(world, attempt, found, number),
                }
            }
            At::ToRemoveOver { attempt, found, over } => {
                *world.container(over) = None;
                self.looked_at_end(world, attempt, found, number)
            }
            _ => return None,
        })
    }

    fn looked_at_end(&self, world: &World, attempt: u8, found: u8, number: u8) -> At {
        // Under the log's name may still lie that of the try before.
        let is_of_this_try = world.workers[usize::from(number)].tries == 0 || world.aside;
        match world.end {
            Some(_) if found > 0 && self.guards.left_first => At::ToRemove { attempt: found },
            Some(_) if self.guards.end_last => At::BeforeFinish,
            _ => At::ToDraw { attempt, found, lost: found == 0 && world.log && is_of_this_try },
        }
    }

    /// Whether a try is over that a worker believes to be under way.
    pub(super) fn misses_a_try(&self, world: &World, number: u8) -> bool {
        self.guards.try_anew && world.tried.is_some() && world.workers[usize::from(number)].tries == 0
    }

    /// A try is on record, and the next one starts clean: what the one before left goes, its container first and its log last of all.
    fn next_try(&self, world: &mut World, number: u8) -> Option<At> {
        let mine = world.workers[usize::from(number)].claim;
        let holds = self.holds(world, number);
        Some(match world.workers[usize::from(number)].at {
            At::BeforeTry { attempt } => holds.then_some(At::ToTry { attempt })?,
            At::ToTry { attempt } => {
                world.tried = world.tried.or(Some(mine));
                At::ToClear { attempt }
            }
            At::ToClear { attempt } => {
                let name = world.name(number, attempt);
                *world.container(name) = None;
                world.workers[usize::from(number)].tries = 1;
                At::BeforeLogAside { attempt }
            }
            At::BeforeLogAside { attempt } => holds.then_some(At::ToLogAside { attempt })?,
            At::ToLogAside { attempt } => {
                if !world.aside {
                    (world.aside, world.log) = (true, false);
                }
                At::BeforeCreate { attempt }
            }
            _ => return None,
        })
    }

    /// The wish is looked for before anything is started, and the job drawn as RUNNING before that.
    fn take_up(&self, world: &mut World, number: u8) -> Option<At> {
        let at = world.workers[usize::from(number)].at;
        if matches!(at, At::ToDraw { .. }) == self.guards.draw_first {
            world.drawn = true;
        } else {
            world.workers[usize::from(number)].told = world.wish != Wish::None;
        }
        let told = world.workers[usize::from(number)].told;
        Some(match at {
            At::ToDraw { attempt, found, lost } => At::Drawn { attempt, found, lost },
            // What was lost ends as CANCELED, and what was never begun as SKIPPED.
            At::Drawn { attempt, found: 0, .. } if told => At::BeforeRecord { attempt },
            At::Drawn { attempt, lost: true, .. } => At::BeforeRetry { after: attempt },
            // The holder before died over making way for this try.
            At::Drawn { attempt, found: 0, .. } if world.workers[usize::from(number)].tries > 0 && !world.aside => {
                At::BeforeLogAside { attempt }
            }
            At::Drawn { attempt, found: 0, .. } => At::BeforeCreate { attempt },
            At::Drawn { found, .. } => At::ToInspect { attempt: found },
            _ => return None,
        })
    }

    /// The next attempt, with nothing of the lost container in its way.
    fn try_again(&self, world: &mut World, number: u8) -> Option<At> {
        let holds = self.holds(world, number);
        Some(match world.workers[usize::from(number)].at {
            At::BeforeRetry { after } => holds.then_some(At::ToLookAtEnd { after })?,
            At::ToLookAtEnd { .. } if self.guards.end_last && world.end.is_some() => At::BeforeFinish,
            // An older holder recorded the try, and only then removed its container.
            At::ToLookAtEnd { after } if self.misses_a_try(world, number) => {
                world.workers[usize::from(number)].tries = 1;
                At::BeforeLogAside { attempt: after }
            }
            At::ToLookAtEnd { after } => At::ToBegin { after },
            At::ToBegin { after } => {
                let attempt = if self.guards.named_attempt { after + 1 } else { world.attempts + 1 };
                world.see_attempt(attempt);
                match attempt {
                    spent if spent > BUDGET => At::ToRecord { attempt: BUDGET },
                    first if after == 0 => At::ToDraw { attempt: first, found: 0, lost: false },
                    again if self.guards.log_aside => At::BeforeAside { attempt: again },
                    attempt => At::BeforeCreate { attempt },
                }
            }
            At::BeforeAside { attempt } => holds.then_some(At::ToPutAside { attempt })?,
            At::ToPutAside { attempt } => {
                world.log = false;
                At::BeforeCreate { attempt }
            }
            _ => return None,
        })
    }

    /// The end of the step, which is durable before its container goes.
    fn record(&self, world: &mut World, number: u8) -> Option<At> {
        let mine = world.workers[usize::from(number)].claim;
        Some(match world.workers[usize::from(number)].at {
            At::BeforeRecord { attempt } => self.holds(world, number).then_some(At::ToRecord { attempt })?,
            At::ToRecord { attempt } => {
                if world.end.is_none() || !self.guards.exclusive_end {
                    world.seen.rewritten |= world.end.is_some();
                    world.end = Some(mine);
                }
                At::ToRemove { attempt }
            }
            At::ToRemove { attempt } => {
                let name = world.name(number, attempt);
                *world.container(name) = None;
                At::BeforeFinish
            }
            _ => return None,
        })
    }

    /// The end of the job, with a last look at what is wished for.
    fn finish(&self, world: &mut World, number: u8) -> Option<At> {
        let mine = world.workers[usize::from(number)].claim;
        Some(match world.workers[usize::from(number)].at {
            At::BeforeFinish => self.holds(world, number).then_some(At::LastLook)?,
            At::LastLook => At::ToFinish { canceled: world.wish != Wish::None },
            At::ToFinish { canceled } => {
                if world.ended.is_none() || !self.guards.exclusive_final {
                    world.see_final(canceled);
                    (world.ended, world.canceled) = (Some(mine), canceled);
                }
                At::ToSweep
            }
            At::ToSweep => {
                world.containers = [None; NAMES * TRIES];
                At::Done
            }
            _ => return None,
        })
    }
}

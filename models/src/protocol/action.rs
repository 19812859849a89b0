//! What can happen next.

use super::Protocol;
use crate::world::{At, Container, Life, Phase, Wish, World};

/// What happens next: a call of a worker, or a stroke of fate. The number is the worker's, or that of a container's attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named like the functions of the product; the table in lib.rs says where those are")]
pub enum Action {
    TakeBell(u8),
    AnswerBell(u8),
    Pass(u8),
    IsDead(u8),
    CreateClaim(u8),
    LookAgain(u8),
    LatestAttempt(u8),
    LabelledContainers(u8),
    EndOf(u8),
    DrawState(u8),
    HeedWish(u8),
    SeeWish(u8),
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
    StopContainer(u8),
    Settled(u8),
    RecordTry(u8),
    PutTryAside(u8),
    RecordEnd(u8),
    RemoveContainer(u8),
    Finish(u8),
    Sweep(u8),
    Ring,
    LoseBells,
    RingMore,
    Wish,
    AnswerQueued,
    Crash(u8),
    Leave(u8),
    Restart(u8),
    Stop(u8),
    Wake(u8),
    Exit(u8),
    Vanish(u8),
}

impl Protocol {
    /// Everything that a worker may do next.
    pub(super) fn calls_of(&self, world: &World, number: u8) -> Vec<Action> {
        let worker = world.workers[usize::from(number)];
        let mut calls: Vec<Action> = self.next_of(world, number).into_iter().collect();
        if worker.life == Life::Alive {
            // It has room for one bell more, also while it runs the job.
            match worker.bell {
                true => calls.push(Action::AnswerBell(number)),
                false => calls.extend((world.queue.waiting > 0).then_some(Action::TakeBell(number))),
            }
            // Its watch looks each second: at whatever moment that matters.
            let listens = matches!(
                worker.at,
                At::BeforeRetry { .. }
                    | At::BeforeCreate { .. }
                    | At::BeforeStart { .. }
                    | At::BeforeLogAside { .. }
                    | At::Following { .. }
            );
            calls.extend((listens && world.wish != Wish::None).then_some(Action::SeeWish(number)));
        }
        calls
    }

    /// What a worker does next where it stands, if anything. Polls that would change nothing are left out, so no order of events
    /// is endless.
    pub(super) fn next_of(&self, world: &World, number: u8) -> Option<Action> {
        let worker = world.workers[usize::from(number)];
        if worker.life != Life::Alive {
            return None;
        }
        Some(match worker.at {
            At::Idle if !self.guards.passes || (world.ended.is_none() && world.is_held()) => return None,
            At::Idle => Action::Pass(number),
            At::SawOpen => Action::IsDead(number),
            At::SawDead { .. } => Action::CreateClaim(number),
            At::Linked => Action::LookAgain(number),
            At::Held => Action::LatestAttempt(number),
            At::SawUnbegun | At::LastLook => Action::HeedWish(number),
            At::ToList { .. } => Action::LabelledContainers(number),
            At::Listed { .. } | At::ToLookAtEnd { .. } | At::ToMakeAnew { .. } => Action::EndOf(number),
            At::ToDraw { .. } if self.guards.draw_first => Action::DrawState(number),
            At::ToDraw { .. } => Action::HeedWish(number),
            At::Drawn { .. } if self.guards.draw_first => Action::HeedWish(number),
            At::Drawn { .. } => Action::DrawState(number),
            At::ToBegin { .. } => Action::BeginAttempt(number),
            At::BeforeRetry { .. }
            | At::BeforeAside { .. }
            | At::BeforeCreate { .. }
            | At::BeforeStart { .. }
            | At::BeforeRemoveUnstarted { .. }
            | At::BeforeStop { .. }
            | At::BeforeTry { .. }
            | At::BeforeLogAside { .. }
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
                // Told already, it does not wait for the end; its watch tells it.
                let name = world.name(number, attempt);
                if worker.told || world.containers[usize::from(name) - 1].as_ref().is_some_and(running) {
                    return None;
                }
                Action::Settled(number)
            }
            At::ToStop { .. } => Action::StopContainer(number),
            At::ToRecord { .. } => Action::RecordEnd(number),
            At::ToTry { .. } => Action::RecordTry(number),
            At::ToLogAside { .. } => Action::PutTryAside(number),
            At::ToRemove { .. } | At::ToRemoveOver { .. } | At::ToClear { .. } => Action::RemoveContainer(number),
            At::ToFinish { .. } => Action::Finish(number),
            At::ToSweep => Action::Sweep(number),
            At::Done => return None,
        })
    }
}

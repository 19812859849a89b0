//! What happens to workers, containers and bells, and what people do.

use super::{Action, Protocol};
use crate::world::{At, Container, Life, NAMES, Phase, TRIES, Wish, World};

impl Protocol {
    /// What fate may do.
    pub(super) fn strokes(world: &World, actions: &mut Vec<Action>) {
        for number in [0, 1] {
            let worker = world.workers[usize::from(number)];
            let busy = worker.bell || !matches!(worker.at, At::Idle | At::Done);
            match worker.life {
                Life::Alive if busy => {
                    actions.extend((world.fate.crashes > 0).then_some(Action::Crash(number)));
                    // Without a bell to give back, to end in order is to crash.
                    actions.extend((world.fate.crashes > 0 && worker.bell).then_some(Action::Leave(number)));
                    actions.extend((world.fate.stops > 0).then_some(Action::Stop(number)));
                }
                Life::Alive => {}
                Life::Stopped => actions.push(Action::Wake(number)),
                Life::Dead => actions.push(Action::Restart(number)),
            }
        }
        for attempt in 1..=(NAMES * TRIES) as u8 {
            match world.containers[usize::from(attempt) - 1] {
                Some(Container { phase: Phase::Running, .. }) => {
                    actions.push(Action::Exit(attempt));
                    actions.extend((world.fate.losses > 0).then_some(Action::Vanish(attempt)));
                }
                Some(_) => actions.extend((world.fate.losses > 0).then_some(Action::Vanish(attempt))),
                None => {}
            }
        }
        Self::strokes_outside(world, actions);
    }

    /// What happens in the queue and to people.
    fn strokes_outside(world: &World, actions: &mut Vec<Action>) {
        let (queue, fate) = (world.queue, world.fate);
        actions.extend(queue.to_ring.then_some(Action::Ring));
        let rings = queue.to_ring || queue.waiting > 0;
        actions.extend((rings && fate.lost_bells > 0).then_some(Action::LoseBells));
        actions.extend((!queue.to_ring && fate.more_bells > 0).then_some(Action::RingMore));
        actions.extend((fate.wishes > 0 && world.ended.is_none()).then_some(Action::Wish));
        let queued = world.wish == Wish::Durable && !world.drawn && world.ended.is_none();
        actions.extend(queued.then_some(Action::AnswerQueued));
    }

    /// What comes of it.
    pub(super) fn strike(&self, world: &mut World, action: Action) {
        match action {
            Action::TakeBell(number) => {
                world.queue.waiting -= 1;
                world.workers[usize::from(number)].bell = true;
            }
            Action::AnswerBell(number) => Self::answer_bell(world, number),
            Action::SeeWish(number) => self.see_wish(world, number),
            Action::Crash(number) | Action::Leave(number) => {
                let worker = &mut world.workers[usize::from(number)];
                if matches!(action, Action::Leave(_)) {
                    worker.bell = false;
                    world.queue.waiting += 1;
                }
                world.put_down(number);
                world.fate.crashes -= 1;
            }
            Action::Restart(number) | Action::Wake(number) => world.workers[usize::from(number)].life = Life::Alive,
            Action::Stop(number) => {
                world.workers[usize::from(number)].life = Life::Stopped;
                world.fate.stops -= 1;
            }
            Action::Exit(attempt) => {
                if let Some(container) = world.container(attempt) {
                    container.phase = Phase::Exited;
                }
            }
            Action::Vanish(attempt) => {
                *world.container(attempt) = None;
                world.fate.losses -= 1;
                world.seen.lost += 1;
            }
            outside => Self::strike_outside(world, outside),
        }
    }

    fn strike_outside(world: &mut World, action: Action) {
        match action {
            Action::Ring => {
                world.queue.to_ring = false;
                world.queue.waiting += 1;
            }
            // The backend dies before it rings, the list is full, or Redis is wiped: all that would be in it is gone.
            Action::LoseBells => {
                world.queue.to_ring = false;
                world.queue.waiting = 0;
                world.fate.lost_bells -= 1;
                world.seen.bell_lost = true;
            }
            Action::RingMore => {
                world.queue.waiting += 1;
                world.fate.more_bells -= 1;
                world.seen.bell_doubled = true;
            }
            Action::Wish => {
                world.wish = Wish::Durable;
                world.fate.wishes -= 1;
            }
            Action::AnswerQueued => {
                world.wish = Wish::ToldQueued;
                world.see_queued();
            }
            _ => {}
        }
    }
}

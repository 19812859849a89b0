//! What is promised, and what has to happen somewhere for a check to have looked at anything.
#![allow(missing_docs, reason = "their texts say it")]

use stateright::Property;

use super::Protocol;
use crate::world::{Life, Wish, World};

pub const ONE_FINAL: &str = "there is at most one end of the job, the first";
pub const BELIEF: &str = "what a reader has seen ended never ends otherwise";
pub const NO_LATE_START: &str = "nothing is started after the end";
pub const ONE_RUN: &str = "no container is started twice";
pub const ONE_RUNNING: &str = "never two containers of one step run";
pub const ATTEMPTS: &str = "attempts rise, and only over a loss";
pub const ONE_HOLDER: &str = "no two workers hold one claim";
pub const NOT_STUCK: &str = "as long as one worker lives, there is something to do until the job has ended";
pub const TRIES: &str =
    "without a loss, a step whose first try is to be followed ends with its second, unless it is ended from outside";
pub const QUEUED: &str = "a job that was QUEUED after the wish to cancel it is never started, and ends CANCELED";
/// All of them that must never be broken.
pub const PROMISES: [&str; 10] =
    [TRIES, ONE_FINAL, BELIEF, NO_LATE_START, ONE_RUN, ONE_RUNNING, ATTEMPTS, ONE_HOLDER, NOT_STUCK, QUEUED];

pub const ENDS: &str = "some job ends";
pub const LOST: &str = "some job ends after its container was lost";
pub const TRIED: &str = "some job ends after the second try of its step";
pub const OVERTAKEN: &str = "some holder wakes up after its job was taken";
pub const UNHEARD: &str = "some job ends whose bell was lost";
pub const IN_VAIN: &str = "some worker takes a doubled bell after the end, and does nothing";
pub const UNBEGUN: &str = "some job is canceled before it began";
pub const STOPPED: &str = "some job is canceled while its container runs";

/// All of this as properties of the model.
pub(super) fn properties() -> Vec<Property<Protocol>> {
    vec![
        Property::always(ONE_FINAL, |_, world: &World| world.seen.finals <= 1),
        Property::always(BELIEF, |_, world: &World| !world.seen.rewritten),
        Property::always(NO_LATE_START, |_, world: &World| !world.seen.late_start),
        Property::always(ONE_RUN, |_, world: &World| !world.seen.started_again),
        Property::always(ONE_RUNNING, |_, world: &World| !world.seen.two_running),
        Property::always(ATTEMPTS, |_, world: &World| !world.seen.attempts_wrong),
        Property::always(ONE_HOLDER, |_, world: &World| !world.seen.shared_claim),
        Property::always(NOT_STUCK, |model: &Protocol, world| !model.is_stuck(world) || world.ended.is_some()),
        Property::always(TRIES, |_, world: &World| {
            let outside = world.wish != Wish::None || world.seen.lost > 0;
            world.ended.is_none() || !world.flaky || outside || (world.tried.is_some() && world.seen.second)
        }),
        Property::always(QUEUED, |_, world: &World| !world.seen.word_broken),
        Property::sometimes(ENDS, |_, world: &World| world.ended.is_some()),
        Property::sometimes(LOST, |_, world: &World| world.ended.is_some() && world.seen.lost > 0),
        Property::sometimes(TRIED, |_, world: &World| {
            world.ended.is_some() && !world.canceled && world.aside && world.seen.second && world.seen.lost == 0
        }),
        Property::sometimes(OVERTAKEN, |_, world: &World| {
            let latest = world.claims.len() as u8;
            world.workers.iter().any(|w| w.life == Life::Alive && w.claim > 0 && w.claim < latest)
        }),
        Property::sometimes(UNHEARD, |_, world: &World| {
            world.ended.is_some() && world.seen.bell_lost && !world.seen.answered
        }),
        Property::sometimes(IN_VAIN, |_, world: &World| world.seen.in_vain),
        Property::sometimes(UNBEGUN, |_, world: &World| world.canceled && world.attempts == 0),
        Property::sometimes(STOPPED, |_, world: &World| world.canceled && world.seen.stopped),
    ]
}

//! Every order of events of one job: what is promised holds, and does not where a guard is taken out.

#![allow(clippy::print_stdout, reason = "says how much was looked at")]

use std::time::Instant;

use pipelinex_models::{Fate, Guards, Protocol, World, names};
use stateright::{Checker, HasDiscoveries, Model};

/// Nothing happens but what is planned.
const CALM: Fate = Fate { crashes: 0, stops: 0, losses: 0, lost_bells: 0, more_bells: 0, wishes: 0 };

fn fate(crashes: u8, stops: u8, losses: u8) -> Fate {
    Fate { crashes, stops, losses, ..CALM }
}

/// How a job begins whose bell rings, and one whose backend dies before that.
fn rung(fate: Fate) -> World {
    World::new(fate, true)
}

fn unrung(fate: Fate) -> World {
    World::new(fate, false)
}

/// Looks at every state that can be reached: no promise may be broken in any, and what may happen must happen in some.
fn holds_always(guards: Guards, beginning: World, happens: &[&'static str]) {
    let (fate, rings, began) = (beginning.fate, beginning.queue.to_ring, Instant::now());
    let checker = Protocol { guards, beginning }.checker().threads(2).spawn_bfs().join();
    let (all, different, took) = (checker.state_count(), checker.unique_state_count(), began.elapsed());
    println!("{fate:?}, rings: {rings}: {all} states, {different} of them different, in {took:.1?}");
    for promise in names::PROMISES {
        checker.assert_no_discovery(promise);
    }
    for name in happens {
        assert!(checker.discovery(name).is_some(), "{name}");
    }
}

#[test]
fn between_two_machines_all_that_is_promised_holds_in_every_order_of_events() {
    let all = Guards::default();
    holds_always(all, rung(fate(1, 1, 0)), &[names::ENDS, names::OVERTAKEN, names::UNHEARD]);
    holds_always(all, rung(fate(0, 2, 0)), &[names::ENDS, names::OVERTAKEN]);
    holds_always(all, rung(fate(2, 0, 1)), &[names::ENDS, names::LOST, names::UNHEARD]);
    // Without a bell: what it could add to this is in the others.
    holds_always(all, unrung(fate(1, 2, 1)), &[names::ENDS, names::LOST, names::OVERTAKEN]);
}

#[test]
fn on_one_machine_where_a_stopped_holder_is_killed_it_holds_too() {
    let guards = Guards { kill_first: true, ..Guards::default() };
    holds_always(guards, rung(fate(1, 1, 1)), &[names::ENDS, names::LOST]);
    let checker = Protocol { guards, beginning: rung(fate(1, 1, 0)) }.checker().spawn_bfs().join();
    checker.assert_no_discovery(names::OVERTAKEN);
}

#[test]
fn bells_that_are_lost_and_doubled_change_nothing() {
    let all = Guards::default();
    let (lost, both) = (Fate { lost_bells: 1, ..CALM }, Fate { lost_bells: 1, more_bells: 1, ..CALM });
    holds_always(all, rung(Fate { crashes: 1, stops: 1, ..lost }), &[names::ENDS, names::OVERTAKEN, names::UNHEARD]);
    holds_always(all, rung(Fate { crashes: 1, ..both }), &[names::ENDS, names::UNHEARD, names::IN_VAIN]);
    holds_always(all, rung(Fate { stops: 1, ..both }), &[names::OVERTAKEN, names::UNHEARD, names::IN_VAIN]);
    let wiped = Fate { lost_bells: 2, more_bells: 2, ..CALM };
    holds_always(all, rung(wiped), &[names::ENDS, names::UNHEARD, names::IN_VAIN]);
}

#[test]
fn a_wish_to_cancel_is_granted_whoever_dies_over_it() {
    let all = Guards::default();
    let canceled = [names::ENDS, names::UNBEGUN, names::STOPPED];
    holds_always(all, unrung(Fate { wishes: 1, ..fate(1, 1, 1) }), &canceled);
    holds_always(all, unrung(Fate { wishes: 1, ..fate(0, 2, 1) }), &canceled);
    let bells = Fate { lost_bells: 1, more_bells: 1, wishes: 1, ..fate(1, 0, 0) };
    holds_always(all, rung(bells), &[names::UNBEGUN, names::STOPPED, names::UNHEARD, names::IN_VAIN]);
}

#[test]
fn a_try_that_another_follows_is_neither_lost_nor_doubled() {
    let all = Guards::default();
    holds_always(all, unrung(fate(1, 1, 0)).flaky(), &[names::ENDS, names::TRIED, names::OVERTAKEN]);
    holds_always(all, unrung(fate(2, 0, 1)).flaky(), &[names::ENDS, names::TRIED, names::LOST]);
    holds_always(all, unrung(Fate { wishes: 1, ..fate(1, 1, 0) }).flaky(), &[names::ENDS, names::STOPPED]);
}

/// Without a guard, the check finds the promise broken. With it, one of the tests above has found it kept under this very fate, or
/// under one that may do more.
fn breaks(guards: Guards, beginning: World, promise: &'static str) {
    let stop = HasDiscoveries::AnyOf([promise].into());
    let (fate, began) = (beginning.fate, Instant::now());
    let checker = Protocol { guards, beginning }.checker().threads(2).finish_when(stop).spawn_bfs().join();
    let took = began.elapsed();
    println!("{fate:?}: {} states until {took:.1?}", checker.unique_state_count());
    let path = checker.discovery(promise);
    assert!(path.is_some(), "without its guard this should break: {promise}");
    if let Some(path) = path {
        println!("broken: {promise}: {:?}", path.into_actions());
    }
}

#[test]
fn each_guard_is_missed_when_it_is_taken_out() {
    let all = Guards::default();
    let (begun, wished) = (unrung(fate(1, 1, 1)), unrung(Fate { wishes: 1, ..fate(0, 1, 0) }));
    breaks(Guards { exclusive_claim: false, ..all }, begun.clone(), names::ONE_HOLDER);
    breaks(Guards { exclusive_final: false, ..all }, begun.clone(), names::ONE_FINAL);
    breaks(Guards { exclusive_final: false, ..all }, begun.clone(), names::BELIEF);
    breaks(Guards { exclusive_end: false, ..all }, begun.clone(), names::BELIEF);
    breaks(Guards { holds: false, ..all }, begun.clone(), names::NO_LATE_START);
    breaks(Guards { not_too_late: false, ..all }, unrung(fate(1, 2, 1)), names::ONE_RUNNING);
    breaks(Guards { named_attempt: false, ..all }, begun.clone(), names::ATTEMPTS);
    breaks(Guards { start_by_id: false, ..all }, begun.clone(), names::ONE_RUN);
    breaks(Guards { log_first: false, ..all }, begun.clone(), names::ATTEMPTS);
    breaks(Guards { log_aside: false, ..all }, begun.clone(), names::ATTEMPTS);
    breaks(Guards { end_last: false, ..all }, begun, names::NO_LATE_START);
    breaks(Guards { left_first: false, ..all }, unrung(fate(0, 2, 1)), names::NO_LATE_START);
    breaks(Guards { end_before_anew: false, ..all }, unrung(fate(1, 2, 0)), names::NO_LATE_START);
    let flaky = unrung(fate(1, 1, 0)).flaky();
    breaks(Guards { try_anew: false, ..all }, flaky, names::NO_LATE_START);
    breaks(Guards { held_when_told: false, ..all }, wished.clone(), names::ATTEMPTS);
    breaks(Guards { draw_first: false, ..all }, wished, names::QUEUED);
}

#[test]
fn without_passes_a_job_waits_for_ever_once_its_bell_is_lost() {
    let guards = Guards { passes: false, ..Guards::default() };
    breaks(guards, rung(Fate { lost_bells: 1, ..CALM }), names::NOT_STUCK);
    // Nobody rings again for what a worker took along when it died: neither a bell that it did not get to, nor a job.
    breaks(guards, rung(fate(1, 0, 0)), names::NOT_STUCK);
    // As long as nothing goes wrong, bells are enough.
    holds_always(guards, rung(Fate { more_bells: 1, ..CALM }), &[names::ENDS, names::IN_VAIN]);
}

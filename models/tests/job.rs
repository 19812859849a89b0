//! Every order of events of one job: what is promised holds, and does not where a guard is taken out.

#![allow(clippy::print_stdout, reason = "says how much was looked at")]

use pipelinex_models::{Guards, Protocol, World, names};
use stateright::{Checker, HasDiscoveries, Model};

fn protocol(guards: Guards, (crashes, stops, losses): (u8, u8, u8)) -> Protocol {
    Protocol { guards, beginning: World::new(crashes, stops, losses) }
}

/// Looks at every state that can be reached: no promise may be broken in any, and what may happen must happen in some.
fn holds_always(guards: Guards, fate: (u8, u8, u8), happens: &[&'static str]) {
    let checker = protocol(guards, fate).checker().threads(2).spawn_bfs().join();
    println!("fate {fate:?}: {} states, {} of them different", checker.state_count(), checker.unique_state_count());
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
    holds_always(all, (1, 1, 0), &[names::ENDS, names::OVERTAKEN]);
    holds_always(all, (0, 2, 0), &[names::ENDS, names::OVERTAKEN]);
    holds_always(all, (2, 0, 1), &[names::ENDS, names::LOST]);
    holds_always(all, (1, 1, 1), &[names::ENDS, names::LOST, names::OVERTAKEN]);
}

#[test]
fn on_one_machine_where_a_stopped_holder_is_killed_it_holds_too() {
    let guards = Guards { kill_first: true, ..Guards::default() };
    holds_always(guards, (1, 1, 1), &[names::ENDS, names::LOST]);
    let checker = protocol(guards, (1, 1, 0)).checker().spawn_bfs().join();
    checker.assert_no_discovery(names::OVERTAKEN);
}

/// Without a guard, the check finds the promise broken.
fn breaks(guards: Guards, promise: &'static str) {
    let stop = HasDiscoveries::AnyOf([promise].into());
    let checker = protocol(guards, (1, 2, 1)).checker().threads(2).finish_when(stop).spawn_bfs().join();
    let path = checker.discovery(promise);
    assert!(path.is_some(), "without its guard this should break: {promise}");
    if let Some(path) = path {
        println!("broken: {promise}: {:?}", path.into_actions());
    }
}

#[test]
fn each_guard_is_missed_when_it_is_taken_out() {
    let all = Guards::default();
    breaks(Guards { exclusive_claim: false, ..all }, names::ONE_HOLDER);
    breaks(Guards { exclusive_final: false, ..all }, names::ONE_FINAL);
    breaks(Guards { exclusive_final: false, ..all }, names::BELIEF);
    breaks(Guards { exclusive_end: false, ..all }, names::BELIEF);
    breaks(Guards { holds: false, ..all }, names::NO_LATE_START);
    breaks(Guards { not_too_late: false, ..all }, names::ONE_RUNNING);
    breaks(Guards { named_attempt: false, ..all }, names::ATTEMPTS);
    breaks(Guards { start_by_id: false, ..all }, names::ONE_RUN);
    breaks(Guards { log_first: false, ..all }, names::ATTEMPTS);
    breaks(Guards { log_aside: false, ..all }, names::ATTEMPTS);
    breaks(Guards { end_last: false, ..all }, names::NO_LATE_START);
}

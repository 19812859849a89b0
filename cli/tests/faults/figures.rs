//! How often, with which chance, and what came of it: counts of the short and the long form, the seed, and the line of a story.

use std::{collections::BTreeMap, env, time::Duration};

use pipelinex_common::testing::history::{Kind, Violation};

/// How often a fault is made: `make faults` wants more than `make test`. `PIPELINEX_FAULTS_TIMES` overrules both.
pub fn times(short: usize, long: usize) -> usize {
    let wanted = env::var("PIPELINEX_FAULTS_TIMES").ok().and_then(|times| times.parse().ok());
    wanted.unwrap_or(if is_long() { long } else { short })
}

/// Whether this is the long form.
pub fn is_long() -> bool {
    env::var_os("PIPELINEX_FAULTS_LONG").is_some_and(|long| !long.is_empty())
}

/// Chance that can be repeated: `PIPELINEX_FAULTS_SEED`, else one that is printed.
pub fn chance(story: &str) -> fastrand::Rng {
    let seed = env::var("PIPELINEX_FAULTS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(1..1_000_000));
    println!("{story}: PIPELINEX_FAULTS_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// Median and maximum of what was measured.
pub fn spread(what: &str, mut measured: Vec<Duration>) -> String {
    measured.sort();
    let Some(longest) = measured.last() else { return format!("{what}: not measured") };
    let median = measured[measured.len() / 2];
    format!("{what}: median {:.1} s, max {:.1} s", median.as_secs_f64(), longest.as_secs_f64())
}

/// Prints the line of a story, in the shape of a row of a table.
pub fn row(story: &str, faults: usize, jobs: usize, violations: &[Violation], wrong: usize, note: &str) {
    let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
    violations.iter().for_each(|violation| *kinds.entry(violation.kind).or_default() += 1);
    let of = |kind| kinds.get(&kind).copied().unwrap_or(0);
    let doubled = of(Kind::Doubled) + of(Kind::Disorder);
    let (lost, left) = (of(Kind::Lost), of(Kind::LeftOver));
    println!("\n| {story} | {faults} | {jobs} | {lost} | {doubled} | {left} | {wrong} | {note} |");
}

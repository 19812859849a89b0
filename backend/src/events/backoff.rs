//! When something is tried again that failed. Pure but for the clock and chance.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// After a try that failed, the next comes so many times the first pause later. With ten seconds that is a day in all.
const PAUSES: [u32; 7] = [1, 6, 30, 120, 360, 1440, 6480];
/// A pause is this much longer or shorter by chance, in parts of a hundred: what failed together does not come back together.
const JITTER: u64 = 20;

/// When comes the next try of what failed so often; `None`: never.
pub fn after(tries: u32, first_pause: Duration) -> Option<Timestamp> {
    let factor = PAUSES.get((tries as usize).checked_sub(1)?)?;
    let percent = 100 - JITTER + Uuid::new_v4().as_u64_pair().1 % (2 * JITTER + 1);
    let pause = first_pause.as_millis() * u128::from(*factor) * u128::from(percent) / 100;
    let pause = SignedDuration::from_millis(i64::try_from(pause).ok()?);
    Timestamp::now().checked_add(pause).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_tries_take_about_a_day_and_no_two_come_together() {
        let pause = |tries| Some(after(tries, Duration::from_secs(10))?.duration_since(Timestamp::now()).as_secs());
        let told: Vec<i64> = (1..=7).filter_map(pause).collect();
        assert!((7..=12).contains(&told[0]) && (4 * 60..=6 * 60).contains(&told[2]), "{told:?}");
        let hours = told.iter().sum::<i64>() / 3600;
        assert!(told.len() == 7 && (18..=29).contains(&hours), "{told:?}");
        assert_eq!((pause(0), pause(8)), (None, None));
        let some: std::collections::BTreeSet<_> = (0..50).filter_map(|_| pause(7)).collect();
        assert!(some.len() > 5, "{some:?}");
    }
}

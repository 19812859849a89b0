//! When schedules fire. A firing is a wish for a job, named by schedule and time: whoever dies before it is written down that the
//! schedule fired comes to the same name again, and there is one job.

use jiff::{SignedDuration, Timestamp};
use pipelinex_common::{
    disk::Versioned,
    store::{Fingerprint, JobWish, Missed, ScheduleRecord, Store, StoreError},
};

/// Fields of a cron expression.
const FIELDS: usize = 5;
/// A time that came this long ago was not missed yet: servers restart.
const GRACE: SignedDuration = SignedDuration::from_mins(5);

/// The next time of a schedule after this moment.
///
/// # Errors
/// A sentence about the expression or the time zone.
pub fn next(cron: &str, zone: &str, after: Timestamp) -> Result<Timestamp, String> {
    if cron.split_whitespace().count() != FIELDS {
        return Err("a time has five fields: minute, hour, day of the month, month, day of the week, as `0 3 * * 1-5`"
            .to_owned());
    }
    jiff::tz::TimeZone::get(zone).map_err(|_| "a time zone has a name such as Europe/Berlin or UTC".to_owned())?;
    let parsed = cronexpr::parse_crontab(&format!("{cron} {zone}")).map_err(|error| error.to_string())?;
    let next = parsed.find_next(cronexpr::MakeTimestamp(after)).map_err(|error| error.to_string())?;
    Ok(next.timestamp())
}

/// The time for which a schedule is to fire now, if there is one: the first that came after those that were seen to.
///
/// # Errors
/// Those of [`next`].
fn due(schedule: &ScheduleRecord, seen_to: Timestamp, now: Timestamp) -> Result<Option<Timestamp>, String> {
    let after = match schedule.missed {
        Missed::Once => seen_to,
        Missed::Skip => seen_to.max(now.saturating_sub(GRACE).unwrap_or(seen_to)),
    };
    Ok(Some(next(&schedule.cron, &schedule.zone, after)?).filter(|due| *due <= now))
}

/// Asks for the jobs of all schedules whose time has come. Whoever calls it holds what starts jobs.
///
/// # Errors
/// [`StoreError::Disk`] when they cannot be listed.
pub fn fire(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    for schedule in store.schedules()? {
        if let Err(error) = fire_one(store, &schedule, now) {
            tracing::warn!(schedule = schedule.id, project = schedule.project, error, "a schedule does not fire");
        }
    }
    Ok(())
}

fn fire_one(store: &Store, schedule: &ScheduleRecord, now: Timestamp) -> Result<(), String> {
    let told = |error: StoreError| error.to_string();
    let seen_to = store.fired_until(schedule).map_err(told)?;
    let Some(due) = due(schedule, seen_to, now)? else { return Ok(()) };
    store.wish_job(&name(schedule, due), &wish(schedule, due, now)).map_err(told)?;
    pipelinex_common::fault_point!("events.fired");
    // All other times until now were missed, and are one with it.
    store.set_fired_until(schedule, now).map_err(told)
}

/// Asks for a job of a schedule now; its times stay as they are.
///
/// # Errors
/// [`StoreError::Disk`].
pub fn run_now(store: &Store, schedule: &ScheduleRecord) -> Result<(), StoreError> {
    let now = Timestamp::now();
    let name = Fingerprint::of(&[b"by hand", schedule.id.as_bytes(), uuid::Uuid::new_v4().as_bytes()]);
    store.wish_job(&name, &JobWish { next_at: now, ..wish(schedule, now, now) })?;
    Ok(())
}

fn name(schedule: &ScheduleRecord, due: Timestamp) -> Fingerprint {
    Fingerprint::of(&[b"schedule", schedule.id.as_bytes(), due.to_string().as_bytes()])
}

/// How much later than its time a firing begins: by chance, and yet the same for whoever looks.
fn jitter(schedule: &ScheduleRecord, due: Timestamp) -> SignedDuration {
    let digits = u64::from_str_radix(&name(schedule, due).as_str()[..8], 16).unwrap_or_default();
    SignedDuration::from_secs((digits % (u64::from(schedule.jitter_seconds) + 1)).cast_signed())
}

fn wish(schedule: &ScheduleRecord, due: Timestamp, now: Timestamp) -> JobWish {
    JobWish {
        schema: JobWish::SCHEMA,
        by: format!("schedule:{}", schedule.id),
        project: schedule.project.clone(),
        url: schedule.url.clone(),
        git_ref: schedule.git_ref.clone(),
        token: schedule.token.clone(),
        wished_at: now,
        tries: 0,
        next_at: due.saturating_add(jitter(schedule, due)).unwrap_or(now),
        job: None,
        made: false,
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use pipelinex_common::store::NewSchedule;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn every_ten_minutes(store: &Store, missed: Missed, jitter_seconds: u32) -> ScheduleRecord {
        let new = NewSchedule {
            project: "shop",
            cron: "*/10 * * * *",
            zone: "UTC",
            jitter_seconds,
            missed,
            url: "https://git.example/shop",
            git_ref: None,
            token: None,
            by: "ada",
        };
        store.add_schedule(new).unwrap()
    }

    #[test]
    fn times_are_those_of_a_clock_in_their_zone() {
        let berlin = |after: &str| next("30 2 * * *", "Europe/Berlin", at(after)).unwrap().to_string();
        assert_eq!(berlin("2026-01-10T00:00:00Z"), "2026-01-10T01:30:00Z");
        assert_eq!(berlin("2026-07-10T00:00:00Z"), "2026-07-10T00:30:00Z");
        let weekdays = next("0 3 * * 1-5", "UTC", at("2026-01-10T00:00:00Z")).unwrap();
        assert_eq!(weekdays.to_string(), "2026-01-12T03:00:00Z", "the tenth is a Saturday");
        for (cron, zone) in
            [("0 3 * *", "UTC"), ("0 3 * * 1-5 UTC", "UTC"), ("99 3 * * *", "UTC"), ("0 3 * * *", "Mars/X")]
        {
            assert!(next(cron, zone, at("2026-01-10T00:00:00Z")).is_err(), "{cron} {zone}");
        }
    }

    #[test]
    fn what_was_missed_is_made_up_for_once_and_no_two_servers_fire_the_same_time() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let schedule = every_ten_minutes(&store, Missed::Once, 0);
        let made = schedule.created_at;
        fire(&store, made).unwrap();
        let late = made + SignedDuration::from_hours(30);
        let asked = |now| store.due_job_wishes(now).unwrap().len();
        assert_eq!(asked(late), 0);
        fire(&store, late).unwrap();
        assert_eq!(asked(late), 1, "of 180 times that were missed");
        // Who died before it was written down fires the same time again, also after its job was made.
        store.set_fired_until(&schedule, made).unwrap();
        fire(&store, late).unwrap();
        assert_eq!(asked(late), 1);
        let (name, wish) = store.due_job_wishes(late).unwrap().remove(0);
        store.settle_job_wish(&name, &JobWish { made: true, ..wish }).unwrap();
        store.set_fired_until(&schedule, made).unwrap();
        fire(&store, late + SignedDuration::from_mins(5)).unwrap();
        assert_eq!(asked(late + SignedDuration::from_mins(5)), 0, "the time that a job was made for");
        fire(&store, late + SignedDuration::from_mins(16)).unwrap();
        assert_eq!(asked(late + SignedDuration::from_mins(16)), 1, "the next one");
    }

    #[test]
    fn times_that_were_missed_are_left_out_where_the_schedule_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let schedule = every_ten_minutes(&store, Missed::Skip, 0);
        let seen_to = at("2026-01-10T00:01:00Z");
        let due_at = |now: &str| due(&schedule, seen_to, at(now)).unwrap().map(|due| due.to_string());
        assert_eq!(due_at("2026-01-10T00:09:59Z"), None);
        assert_eq!(due_at("2026-01-10T00:10:00Z").as_deref(), Some("2026-01-10T00:10:00Z"));
        assert_eq!(due_at("2026-01-10T00:14:00Z").as_deref(), Some("2026-01-10T00:10:00Z"), "a restart is no miss");
        assert_eq!(due_at("2026-01-10T07:16:00Z"), None);
        let once = ScheduleRecord { missed: Missed::Once, ..schedule };
        let made_up = due(&once, seen_to, at("2026-01-10T07:16:00Z")).unwrap().map(|due| due.to_string());
        assert_eq!(made_up.as_deref(), Some("2026-01-10T00:10:00Z"));
    }

    #[test]
    fn a_firing_is_late_by_chance_and_by_no_more_than_its_jitter() {
        let dir = tempfile::tempdir().unwrap();
        let schedule = every_ten_minutes(&Store::open(dir.path()).unwrap(), Missed::Once, 300);
        let midnight = at("2026-01-10T00:00:00Z");
        let late: std::collections::BTreeSet<_> =
            (0..50).map(|day| jitter(&schedule, midnight + SignedDuration::from_hours(24 * day)).as_secs()).collect();
        assert!(late.iter().all(|seconds| (0..=300).contains(seconds)) && late.len() > 20, "{late:?}");
        assert_eq!(jitter(&schedule, midnight), jitter(&schedule, midnight), "the same for each server");
    }
}

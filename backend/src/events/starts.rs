//! Makes jobs of wishes, by the same line as a submission by URL. Of all servers over one folder one at a time does so. The id of the
//! job is written into the wish before the job is made: whoever dies in between, and however often it is tried, there is one job.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use pipelinex_common::{
    id::JobId,
    store::{AuditLine, Fingerprint, JobWish, Store, StoreError},
};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{backoff, on_disk, schedule};
use crate::{
    access::Principal,
    app::App,
    client::Client,
    error::{ApiError, Told},
    submission::{
        self, body_git,
        idempotency::{Made, once_as},
    },
};

/// How often is looked for wishes and for times that have come.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often is looked for what can be forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
/// Wishes that are made jobs at the same time.
const AT_ONCE: usize = 4;

/// Makes jobs of wishes, until it is dropped.
pub async fn run(app: &App) {
    loop {
        match on_disk(&app.store, |store| store.hold_starts()).await {
            Ok(Some(_held)) => lead(app).await,
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "pushes and schedules start no jobs for a moment"),
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Goes on for as long as this server lives. A repository that is cloned slowly keeps no other waiting, as long as there are places.
async fn lead(app: &App) {
    let (mut running, mut names) = (FuturesUnordered::new(), BTreeSet::new());
    let (mut looks, mut sweeps) = (interval(LOOK_EVERY), interval(SWEEP_EVERY));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(name) = running.next() => { names.remove::<String>(&name); }
            _ = sweeps.tick() => sweep(app).await,
            _ = looks.tick() => match look(app).await {
                Ok(due) => for (name, wish) in due {
                    if running.len() < AT_ONCE && names.insert(name.to_string()) {
                        running.push(attend(app, name, wish));
                    }
                },
                Err(error) => tracing::warn!(%error, "what pushes and schedules ask for cannot be read for a moment"),
            },
        }
    }
}

async fn look(app: &App) -> Result<Vec<(Fingerprint, JobWish)>, StoreError> {
    on_disk(&app.store, |store| {
        schedule::fire(store, Timestamp::now())?;
        store.due_job_wishes(Timestamp::now())
    })
    .await
}

async fn sweep(app: &App) {
    if let Err(error) = on_disk(&app.store, |store| store.sweep_settled_wishes()).await {
        tracing::warn!(%error, "what pushes and schedules asked for long ago cannot be forgotten");
    }
}

/// Returns the wish's name.
async fn attend(app: &App, name: Fingerprint, wish: JobWish) -> String {
    let (told, by) = (name.to_string(), wish.by.clone());
    if let Err(error) = start(app, name, wish).await {
        tracing::warn!(by, %error, "a job that was asked for cannot be made for a moment");
    }
    told
}

async fn start(app: &App, name: Fingerprint, wish: JobWish) -> Result<(), StoreError> {
    let bound = {
        let name = name.clone();
        on_disk(&app.store, move |store| bind(store, &name, wish)).await?
    };
    let Some((mut wish, job)) = bound else { return Ok(()) };
    pipelinex_common::fault_point!("events.starting");
    let made = make(app, job, &wish).await;
    pipelinex_common::fault_point!("events.started");
    let again = match made {
        Ok(made) => {
            if !made.replayed {
                note(app, &wish.by, job).await;
            }
            tracing::info!(by = wish.by, project = wish.project, %job, "a job was started");
            (wish.made, wish.error) = (true, None);
            None
        }
        Err(error) => {
            let Told { status, detail, problems, .. } = error.tell();
            let first = problems.first().map(|problem| problem.message.clone());
            wish.tries += 1;
            wish.error = Some(first.unwrap_or(detail));
            let passes = status.is_server_error() || [408, 429].contains(&status.as_u16());
            backoff::after(wish.tries, app.config.hooks.first_pause).filter(|_| passes)
        }
    };
    if let (Some(error), None) = (&wish.error, again) {
        tracing::warn!(by = wish.by, project = wish.project, error, "no job came of what was asked for");
    }
    on_disk(&app.store, move |store| match again {
        Some(next_at) => store.postpone_job_wish(&name, &JobWish { next_at, ..wish }),
        None => store.settle_job_wish(&name, &wish),
    })
    .await
}

/// Writes down who made a job, as of any submission.
async fn note(app: &App, by: &str, job: JobId) {
    let line = AuditLine { who: Some(by.to_owned()), ..AuditLine::new("submit", "done") }.about(Some(job));
    if let Err(error) = on_disk(&app.store, move |store| store.audit(&line)).await {
        tracing::error!(?error, "audit.jsonl cannot be written");
    }
}

/// Writes down which job comes of a wish. What was removed meanwhile asks for nothing more.
fn bind(store: &Store, name: &Fingerprint, mut wish: JobWish) -> Result<Option<(JobWish, JobId)>, StoreError> {
    let stands = match wish.by.split_once(':') {
        Some(("hook", id)) => store.trigger(id)?.is_some(),
        Some(("schedule", id)) => store.schedule(id)?.is_some(),
        _ => false,
    };
    if !stands {
        store.drop_job_wish(name, &wish)?;
        return Ok(None);
    }
    let job = match wish.job {
        Some(job) => job,
        None => {
            let job = JobId::generate();
            wish.job = Some(job);
            store.bind_job_wish(name, &wish)?;
            job
        }
    };
    Ok(Some((wish, job)))
}

async fn make(app: &App, job: JobId, wish: &JobWish) -> Result<Made, ApiError> {
    let who = Principal::of_program(&wish.by, &wish.project, app.config.auth);
    let mut request = json!({"github_url": wish.url, "project": wish.project});
    for (key, value) in [("ref", &wish.git_ref), ("token", &wish.token)] {
        if let Some(value) = value {
            request[key] = value.as_str().into();
        }
    }
    let (text, client) = (request.to_string(), Client::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST)));
    let work = async |turn| {
        let clone = body_git::wish(app, &who, client, text.as_bytes()).await?;
        submission::submit(app, &who, clone.into(), turn).await
    };
    once_as(app, job, work).await
}

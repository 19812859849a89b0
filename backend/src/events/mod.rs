//! Tells others what happens to jobs, and makes jobs of what others tell. Out go webhooks of projects, sent from the outbox of `common::store`. Of all servers over one folder one
//! at a time does so. What is sent again has the same id, so that whoever is told twice can know it.

pub mod address;
mod backoff;
mod body;
mod deliver;
pub mod incoming;
pub mod schedule;
mod starts;
pub mod status;

use std::time::Duration;

use futures::{StreamExt, stream};
use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use pipelinex_common::{
    disk::Versioned,
    secrets::{Purpose, SecretKey},
    store::{Delivery, HookRecord, HookStanding, StatusOf, Store, StoreError},
};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use self::deliver::{Courier, Opened};
use crate::app::App;

/// How often is looked for what happened.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Hooks that are sent to at the same time.
const AT_ONCE: usize = 8;
/// How long one hook is sent to before the others have their turn again.
const TURN: Duration = Duration::from_secs(10);
/// When what cannot be sent for want of a key is looked at again.
const WITHOUT_KEY: SignedDuration = SignedDuration::from_secs(60);

/// Sends what there is to tell, and makes the jobs that were asked for, until it is dropped.
pub async fn run(app: App) {
    tokio::join!(tell(&app), starts::run(&app));
}

async fn tell(app: &App) {
    let courier = match Courier::new(app.config.hooks.clone(), app.config.git.ca_certs.as_deref()) {
        Ok(courier) => courier,
        Err(error) => return tracing::error!(%error, "no webhook is sent"),
    };
    loop {
        if let Err(error) = pass(app, &courier).await {
            tracing::warn!(%error, "webhooks cannot be sent for a moment");
        }
        sleep(LOOK_EVERY).await;
    }
}

/// One look at what happened, and one turn of each hook for which something is due.
async fn pass(app: &App, courier: &Courier) -> Result<(), StoreError> {
    let gathered = on_disk(&app.store, |store| {
        let Some(held) = store.hold_outbox()? else { return Ok(None) };
        store.gather_deliveries()?;
        Ok(Some((held, store.due_deliveries(Timestamp::now())?)))
    });
    let Some((held, due)) = gathered.await? else { return Ok(()) };
    let mut of_hooks: IndexMap<String, Vec<Delivery>> = IndexMap::new();
    for delivery in due {
        of_hooks.entry(delivery.hook.clone()).or_default().push(delivery);
    }
    let turns = of_hooks.into_values().map(|deliveries| turn(app, courier, deliveries));
    stream::iter(turns).buffer_unordered(AT_ONCE).for_each(|()| std::future::ready(())).await;
    drop(held);
    Ok(())
}

/// Sends the deliveries of one hook in their order, until one of them fails or its time is over.
async fn turn(app: &App, courier: &Courier, deliveries: Vec<Delivery>) {
    let began = Instant::now();
    for delivery in deliveries {
        let (id, hook) = (delivery.id.clone(), delivery.hook.clone());
        match deliver(app, courier, delivery).await {
            Ok(true) if began.elapsed() < TURN => {}
            Ok(_) => return,
            Err(error) => return tracing::warn!(delivery = id, hook, %error, "a delivery cannot be handled"),
        }
    }
}

/// Whether it is done with, and the next can follow.
async fn deliver(app: &App, courier: &Courier, delivery: Delivery) -> Result<bool, StoreError> {
    let id = delivery.hook.clone();
    let Some(hook) = on_disk(&app.store, move |store| store.hook(&id)).await? else {
        on_disk(&app.store, move |store| store.remove_delivery(&delivery)).await?;
        return Ok(true);
    };
    let asked = delivery.clone();
    if hook.format.is_status() && on_disk(&app.store, move |store| store.is_overtaken(&asked)).await? {
        // Told late, it would take the place of the commit's last state.
        on_disk(&app.store, move |store| store.remove_delivery(&delivery)).await?;
        return Ok(true);
    }
    let (key, opening) = (app.config.git.secrets_key.clone(), hook.clone());
    let opened = on_disk(&app.store, move |store| Ok(open(store, key.as_ref(), &opening))).await?;
    let sent = match opened {
        Ok(opened) => courier.send(&hook, &opened, &delivery).await,
        Err(why) => return on_disk(&app.store, move |store| wait(store, delivery, why)).await,
    };
    if sent.is_ok() {
        pipelinex_common::fault_point!("events.delivered");
    }
    let mut delivery = delivery;
    delivery.tries += u32::from(sent.is_err());
    let next = sent.is_err().then(|| courier.next_try(&delivery)).flatten();
    on_disk(&app.store, move |store| note(store, delivery, sent, next)).await
}

fn open(store: &Store, key: Option<&SecretKey>, hook: &HookRecord) -> Result<Opened, String> {
    let key = key.ok_or("this server has no --secrets-key to read its address")?;
    let target = hook.open(key).map_err(|error| error.to_string())?;
    let token = hook.status.as_ref().map(|of| token(store, key, &hook.project, of)).transpose()?;
    Ok(Opened { target, token })
}

/// The token of a repository's host, which the project keeps for that host.
fn token(store: &Store, key: &SecretKey, project: &str, of: &StatusOf) -> Result<String, String> {
    let url: Option<reqwest::Url> = of.repository.parse().ok();
    let host = url.as_ref().and_then(|url| Some((url.host_str()?, url.port())));
    let host =
        host.map(|(host, port)| port.map_or(host.to_owned(), |port| format!("{host}:{port}"))).unwrap_or_default();
    let purpose = Purpose::Git(host.clone());
    let meant = store.secrets_of(project, |record| record.name == of.token && record.purpose == purpose);
    let opened = store.open_secrets(key, &meant.map_err(|error| error.to_string())?);
    let opened = opened.map_err(|error| error.to_string())?;
    let secret = opened.first().ok_or_else(|| {
        let name = &of.token;
        format!("the project has no secret {name} for git:{host}: `pipelinex secret set {name} --project {project} --for git:{host}`")
    })?;
    // What is kept with a user has the token behind the colon.
    Ok(secret.expose().split_once(':').map_or(secret.expose(), |(_, token)| token).to_owned())
}

/// Nothing was tried, and nothing is counted.
fn wait(store: &Store, mut delivery: Delivery, why: String) -> Result<bool, StoreError> {
    delivery.next_at = Timestamp::now().saturating_add(WITHOUT_KEY).unwrap_or(Timestamp::MAX);
    store.postpone_delivery(&delivery)?;
    stand(store, &delivery, Err(why), false)?;
    Ok(false)
}

fn note(
    store: &Store,
    mut delivery: Delivery,
    sent: Result<(), String>,
    next: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let (taken, given_up) = (sent.is_ok(), sent.is_err() && next.is_none());
    if let (Err(why), true) = (&sent, given_up) {
        let (id, hook, project) = (&delivery.id, &delivery.hook, &delivery.project);
        tracing::warn!(delivery = id, hook, project, why, "a delivery is given up");
    }
    match next {
        Some(next) => {
            delivery.next_at = next;
            store.postpone_delivery(&delivery)?;
            stand(store, &delivery, sent, false)?;
        }
        None => {
            stand(store, &delivery, sent, given_up)?;
            store.remove_delivery(&delivery)?;
        }
    }
    Ok(taken)
}

fn stand(store: &Store, delivery: &Delivery, sent: Result<(), String>, given_up: bool) -> Result<(), StoreError> {
    let mut standing = store.hook_standing(&delivery.hook).ok().flatten().unwrap_or_default();
    let at = if sent.is_ok() { &mut standing.taken_at } else { &mut standing.failed_at };
    *at = Some(Timestamp::now());
    let (delivery_id, error) = (delivery.id.clone(), sent.err());
    let given_up = standing.given_up + u64::from(given_up);
    let standing = HookStanding { schema: HookStanding::SCHEMA, delivery: delivery_id, error, given_up, ..standing };
    store.set_hook_standing(&delivery.hook, &standing)
}

async fn on_disk<T: Send + 'static>(
    store: &Store,
    work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let store = store.clone();
    match spawn_blocking(move || work(&store)).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

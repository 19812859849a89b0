//! `Idempotency-Key`: a submission that is sent twice under one key is one job.
//!
//! Requests of one key take turns in this process, so the second waits for the first and gets its answer. What a turn cannot
//! see, a server that died or another one over the same folder, is decided by the files (`common::store::keys`).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use axum::http::{HeaderMap, HeaderName};
use pipelinex_common::{
    access::Owner,
    id::JobId,
    metadata::Metadata,
    store::{Fingerprint, Store, StoreError},
};
use tokio::sync::OwnedMutexGuard;

use crate::{
    access::Principal,
    app::App,
    error::{ApiError, Problem},
};

/// The request's header.
pub const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest key, in characters.
const KEY_MAX: usize = 255;
/// Whose a key is that came without an account: what was written before there were owners.
const EVERYBODY: &str = "everybody";
/// The rule of a key that was used for something else.
const REUSED: &str = "idempotency-key-reused";

/// A key as a client sent it, together with who sent it and to which address.
#[derive(Clone, Debug)]
pub struct Key {
    fingerprint: Fingerprint,
    /// The run number that the job is to have, where the client counts its runs itself.
    run_number: Option<u64>,
}

impl Key {
    /// The key of somebody's request to a route, if it has one.
    ///
    /// # Errors
    /// 400 for what is no key, and for two of them.
    pub fn of(who: &Principal, headers: &HeaderMap, route: &str) -> Result<Option<Self>, ApiError> {
        let mut sent = headers.get_all(KEY).iter();
        let Some(key) = sent.next() else { return Ok(None) };
        let key = key.as_bytes();
        let visible = (1..=KEY_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
        if !visible || sent.next().is_some() {
            let detail = format!("Idempotency-Key is sent once, as 1 to {KEY_MAX} visible ASCII characters");
            return Err(ApiError::Malformed { code: "idempotency-key", detail });
        }
        Ok(Some(Self::new(&[owner_of_key(who.owner()).as_bytes(), route.as_bytes(), key], None)))
    }

    /// The key of a run that a client counts itself: of one project, by its number.
    pub fn of_run(who: &Principal, project: &str, number: u64) -> Self {
        let parts = [owner_of_key(who.owner()), "run".to_owned(), project.to_owned(), number.to_string()];
        Self::new(&parts.each_ref().map(String::as_bytes), Some(number))
    }

    fn new(parts: &[&[u8]], run_number: Option<u64>) -> Self {
        Self { fingerprint: Fingerprint::of(parts), run_number }
    }

    /// Waits until no other request goes on under this key.
    async fn turn(self, app: &App, body: Fingerprint) -> Turn {
        let alone = app.turns.queue(&self.fingerprint).lock_owned().await;
        let named = Named::Key { key: self.fingerprint, body };
        Turn { named, run_number: self.run_number, _alone: alone }
    }
}

/// The name under which an owner's keys are kept. No account has the other name of anonymous: names of accounts follow a letter.
fn owner_of_key(owner: &Owner) -> String {
    if owner.is_anonymous() { EVERYBODY.to_owned() } else { format!("@{}", owner.as_str()) }
}

/// Makes a job, unless an earlier request of the same key made it: then the answer is that one's.
///
/// # Errors
/// 422 when something else was submitted under this key, and those of `make`.
pub async fn once<F, Making>(app: &App, key: Option<Key>, body: Fingerprint, make: F) -> Result<Made, ApiError>
where
    F: FnOnce(Option<Turn>) -> Making,
    Making: Future<Output = Result<Made, ApiError>>,
{
    let Some(key) = key else { return make(None).await };
    let turn = key.turn(app, body).await;
    match turn.earlier(app).await? {
        Some(made) => Ok(made),
        None => make(Some(turn)).await,
    }
}

/// Makes the job of this id, unless it is there.
///
/// # Errors
/// Those of `make`.
pub async fn once_as<F, Making>(app: &App, job: JobId, make: F) -> Result<Made, ApiError>
where
    F: FnOnce(Option<Turn>) -> Making,
    Making: Future<Output = Result<Made, ApiError>>,
{
    let alone = app.turns.queue(&Fingerprint::of(&[b"job", job.to_string().as_bytes()])).lock_owned().await;
    let turn = Turn { named: Named::Job(job), run_number: None, _alone: alone };
    match turn.earlier(app).await? {
        Some(made) => Ok(made),
        None => make(Some(turn)).await,
    }
}

/// A job that was asked for.
#[derive(Debug)]
pub struct Made {
    /// Its admission record.
    pub metadata: Metadata,
    /// Whether an earlier request of the same key made it.
    pub replayed: bool,
}

/// The right to submit something under a key or an id, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    named: Named,
    run_number: Option<u64>,
    _alone: OwnedMutexGuard<()>,
}

/// What says which job it is.
#[derive(Clone, Debug)]
enum Named {
    /// A client's key, and what was submitted under it.
    Key { key: Fingerprint, body: Fingerprint },
    /// The id, which is written down elsewhere.
    Job(JobId),
}

impl Turn {
    /// The job that an earlier request made; `None` when there is none, and it is to be made.
    ///
    /// # Errors
    /// 422 when something else was submitted under this key.
    async fn earlier(&self, app: &App) -> Result<Option<Made>, ApiError> {
        let named = self.named.clone();
        app.read(move |store| {
            let (id, same) = match named {
                Named::Job(id) => (id, true),
                Named::Key { key, body } => match store.key(&key)? {
                    Some(known) => (known.job_id, known.body == body),
                    None => return Ok(None),
                },
            };
            match store.job(id) {
                // Nothing came of it, or it was removed since.
                Err(StoreError::NoSuchJob(_)) => Ok(None),
                Err(error) => Err(error.into()),
                Ok(_) if !same => Err(reused(id)),
                Ok(job) => Ok(Some(Made { metadata: job.metadata().map_err(ApiError::broken)?, replayed: true })),
            }
        })
        .await
    }

    /// Binds the key, durably, and returns the id that the job must have. To be called right before its rename.
    ///
    /// # Errors
    /// 422 when another server was quicker, with something else.
    pub fn bind(&self, store: &Store) -> Result<JobId, ApiError> {
        let (key, body) = match &self.named {
            Named::Job(id) => return Ok(*id),
            Named::Key { key, body } => (key, body),
        };
        let record = store.bind_key(key, body)?;
        if record.body == *body { Ok(record.job_id) } else { Err(reused(record.job_id)) }
    }
}

impl Turn {
    /// The run number that the job is to have; `None`: the next one.
    pub fn run_number(&self) -> Option<u64> {
        self.run_number
    }

    /// Says that the job was made: a key whose job is removed makes another one then, and never the same again.
    pub fn used(&self, store: &Store) {
        let Named::Key { key, .. } = &self.named else { return };
        if let Err(error) = store.key_was_used(key) {
            tracing::warn!(%error, "that the job of a key was made could not be written down");
        }
    }
}

fn reused(job: JobId) -> ApiError {
    let problem = Problem {
        rule: REUSED.to_owned(),
        path: None,
        message: format!("this Idempotency-Key was used for something else, of which job {job} was made"),
        hint: "send a new key with a new submission; the same key is only for sending the same once more".to_owned(),
        place: None,
    };
    ApiError::refused(REUSED, problem)
}

/// Whose turn it is, by key.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<Fingerprint, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    fn queue(&self, key: &Fingerprint) -> Arc<tokio::sync::Mutex<()>> {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|_, queue| queue.strong_count() > 0);
        if let Some(queue) = queues.get(key).and_then(Weak::upgrade) {
            return queue;
        }
        let queue = Arc::default();
        queues.insert(key.clone(), Arc::downgrade(&queue));
        queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(keys: &[&[u8]]) -> Result<Option<Key>, ApiError> {
        let mut headers = HeaderMap::new();
        for &key in keys {
            headers.append(KEY, key.try_into().unwrap());
        }
        Key::of(&Principal::of(Owner::anonymous()), &headers, "upload")
    }

    #[test]
    fn each_owner_has_keys_of_their_own_and_those_from_before_are_anonymouss() {
        let headers = HeaderMap::from_iter([(KEY, "a".parse().unwrap())]);
        let key = |owner: Owner| Key::of(&Principal::of(owner), &headers, "upload").unwrap().unwrap().fingerprint;
        let anonymous = key(Owner::anonymous());
        assert_eq!(anonymous, Fingerprint::of(&[b"everybody", b"upload", b"a"]), "as older programs wrote it down");
        assert_ne!(key(Owner::named("everybody")), anonymous);
        assert_ne!(key(Owner::named("ada")), key(Owner::named("bob")));
    }

    #[test]
    fn a_key_is_visible_ascii_and_comes_once() {
        assert!(of(&[]).unwrap().is_none());
        for good in [&b"a"[..], b"\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", &[b'~'; 255]] {
            assert!(of(&[good]).unwrap().is_some());
        }
        for bad in [&[&b""[..]][..], &[&[b'a'; 256]], &[b"a b"], &[b"caf\xc3\xa9"], &[b"a", b"a"]] {
            assert!(matches!(of(bad), Err(ApiError::Malformed { code: "idempotency-key", .. })), "{bad:?}");
        }
    }

    #[test]
    fn a_turn_that_is_over_leaves_nothing_in_memory() {
        let turns = Turns::default();
        for n in 0..10 {
            drop(turns.queue(&Fingerprint::of(&[&[n]])));
        }
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }
}

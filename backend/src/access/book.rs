//! The tokens of the workspaces folder, and who is in which project, in memory: read again as soon as a folder of them has changed,
//! which is looked at several times a second. So what another process makes, changes or revokes is known here well within a second.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use pipelinex_common::{
    access::Role,
    store::{ProjectRecords, Store, StoreError, TokenRecord},
};

use crate::{app::App, error::ApiError};

/// So long nobody looks at the folder again.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A folder that changed within this time may change again without its time of change telling: file systems count in steps,
/// the coarsest that we know of in two seconds.
const SETTLED: i64 = 3;

/// Tokens by the part that is no secret, and the projects that accounts are in.
#[derive(Debug, Default)]
pub struct Known {
    by_id: HashMap<String, TokenRecord>,
    member: HashMap<String, Arc<BTreeMap<String, Role>>>,
}

impl Known {
    /// The token whose public part this is.
    pub fn token(&self, id: &str) -> Option<&TokenRecord> {
        self.by_id.get(id)
    }

    /// The projects that an account is in, and what each lets it do.
    pub fn member(&self, account: &str) -> Arc<BTreeMap<String, Role>> {
        self.member.get(account).cloned().unwrap_or_default()
    }
}

/// When the two folders changed.
type Changed = [(i64, i64); 2];

/// What is known of the tokens.
#[derive(Debug, Default)]
pub struct Book {
    read: Mutex<Option<Read>>,
    /// Held by the one who looks.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug)]
struct Read {
    at: Instant,
    /// The folders' times of change, from before they were read; `None` where they may change again without telling.
    changed: Option<Changed>,
    known: Arc<Known>,
}

impl Book {
    /// The tokens, as they were at most a second ago.
    ///
    /// # Errors
    /// Those of the disk: nobody gets in while the folder cannot be read.
    pub async fn tokens(&self, app: &App) -> Result<Arc<Known>, ApiError> {
        if let Some(read) = self.fresh() {
            return Ok(read.known);
        }
        let _alone = self.looking.lock().await;
        if let Some(read) = self.fresh() {
            return Ok(read.known);
        }
        self.look(app).await
    }

    /// The tokens as they are now: for one that is not known yet, because it may have been made a moment ago.
    ///
    /// # Errors
    /// As those of [`Self::tokens`].
    pub async fn tokens_now(&self, app: &App) -> Result<Arc<Known>, ApiError> {
        let asked = Instant::now();
        let _alone = self.looking.lock().await;
        // A look that began after the question answers it: however many ask at once, right tokens wait for two looks at most.
        if let Some(read) = self.last().filter(|read| read.at >= asked) {
            return Ok(read.known);
        }
        self.look(app).await
    }

    async fn look(&self, app: &App) -> Result<Arc<Known>, ApiError> {
        let before = self.last();
        let read = app.read(move |store| Ok(look(store, before)?)).await?;
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(read.clone());
        Ok(read.known)
    }

    fn last(&self) -> Option<Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh(&self) -> Option<Read> {
        self.last().filter(|read| read.at.elapsed() < LOOK_EVERY)
    }
}

fn look(store: &Store, before: Option<Read>) -> Result<Read, StoreError> {
    let at = Instant::now();
    let changed = [store.tokens_changed()?, store.project_records_changed()?];
    let settled = changed.iter().all(|changed| seconds_now() - changed.0 >= SETTLED);
    match before {
        Some(before) if before.changed == Some(changed) => Ok(Read { at, ..before }),
        _ => {
            let tokens = store.tokens()?;
            for error in &tokens.unreadable {
                tracing::warn!(%error, "a token cannot be read: nobody gets in by it");
            }
            let by_id = tokens.known.into_iter().map(|token| (token.id.clone(), token)).collect();
            let known = Known { by_id, member: members(store.project_records()?) };
            Ok(Read { at, changed: settled.then_some(changed), known: Arc::new(known) })
        }
    }
}

/// The projects of each account.
fn members(projects: ProjectRecords) -> HashMap<String, Arc<BTreeMap<String, Role>>> {
    for error in &projects.unreadable {
        tracing::warn!(%error, "a project cannot be read: nobody is a member of it, and nothing can be submitted to it");
    }
    let mut member: HashMap<String, BTreeMap<String, Role>> = HashMap::new();
    for project in projects.known {
        for account in project.members.keys().chain([&project.owner]) {
            let Some(role) = project.role_of(account) else { continue };
            member.entry(account.clone()).or_default().insert(project.name.clone(), role);
        }
    }
    member.into_iter().map(|(account, projects)| (account, Arc::new(projects))).collect()
}

fn seconds_now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}

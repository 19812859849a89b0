//! Jobs that were asked for by a push or a time, and are no jobs yet: `.events/wishes/NAME.json`, where NAME is a digest of what was asked
//! for. A wish is durable before anybody is told that it was heard, and made once: what was settled lies under the same name in
//! `.events/settled/`.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Fingerprint, Store, StoreError,
    triggers::{list, remove_file},
};
use crate::{
    disk::{self, Versioned},
    id::JobId,
};

/// How long it is known that something was asked for before.
const SETTLED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// `.events/wishes/NAME.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobWish {
    /// Schema version of the file.
    pub schema: u32,
    /// Who asks: `hook:ID` or `schedule:ID`.
    pub by: String,
    /// The project.
    pub project: String,
    /// The repository.
    pub url: String,
    /// The branch; `None`: the default one.
    pub git_ref: Option<String>,
    /// The name of a token.
    pub token: Option<String>,
    /// When it was asked for.
    pub wished_at: Timestamp,
    /// How often it was tried in vain.
    #[serde(default)]
    pub tries: u32,
    /// When it is to be tried.
    pub next_at: Timestamp,
    /// The id that its job has or will have, durable before there is a job: so there is one, however often it is tried.
    #[serde(default)]
    pub job: Option<JobId>,
    /// Whether the job was made.
    #[serde(default)]
    pub made: bool,
    /// Why none came of it, or not yet.
    #[serde(default)]
    pub error: Option<String>,
}

impl Versioned for JobWish {
    const SCHEMA: u32 = 1;
}

impl Store {
    /// Asks for a job. `false` when the same was asked for before.
    ///
    /// # Errors
    /// [`StoreError::Disk`]: nobody may then count on it.
    pub fn wish_job(&self, name: &Fingerprint, wish: &JobWish) -> Result<bool, StoreError> {
        let path = self.wish_file(name);
        if !disk::create_json(&path, wish)? {
            return Ok(false);
        }
        // It may have been settled between two looks, never between this file and that look.
        if fs::symlink_metadata(self.settled_file(name)).is_ok() {
            remove_file(&path)?;
            return Ok(false);
        }
        super::give_to_owner_of(self.layout.root(), &path)?;
        Ok(true)
    }

    /// The wishes whose time has come, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when they cannot be listed.
    pub fn due_job_wishes(&self, now: Timestamp) -> Result<Vec<(Fingerprint, JobWish)>, StoreError> {
        let mut due = Vec::new();
        for path in list(&self.layout.job_wishes())? {
            let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let Some(name) = Fingerprint::parse(&name) else { continue };
            if fs::symlink_metadata(self.settled_file(&name)).is_ok() {
                remove_file(&path)?;
                continue;
            }
            match disk::read_json::<JobWish>(&path) {
                Ok(Some(wish)) if wish.next_at <= now => due.push((name, wish)),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "what asks for a job cannot be read"),
            }
        }
        due.sort_by_key(|(_, wish)| wish.wished_at);
        Ok(due)
    }

    /// Writes down which id the job of a wish will have, before there is one.
    ///
    /// # Errors
    /// [`StoreError::Disk`]: no job may then be made.
    pub fn bind_job_wish(&self, name: &Fingerprint, wish: &JobWish) -> Result<(), StoreError> {
        Ok(disk::write_json(&self.wish_file(name), wish)?)
    }

    /// Writes down that a wish is to be tried again, and why.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn postpone_job_wish(&self, name: &Fingerprint, wish: &JobWish) -> Result<(), StoreError> {
        disk::write_json(&self.wish_file(name), wish)?;
        Ok(disk::write_json(&self.last_wish_file(wish), wish)?)
    }

    /// Writes down what came of a wish.
    ///
    /// # Errors
    /// [`StoreError::Disk`]; it is then tried again, and comes to the same job.
    pub fn settle_job_wish(&self, name: &Fingerprint, wish: &JobWish) -> Result<(), StoreError> {
        disk::write_json(&self.last_wish_file(wish), wish)?;
        disk::write_json(&self.settled_file(name), wish)?;
        remove_file(&self.wish_file(name))
    }

    /// Forgets a wish of what was removed.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn drop_job_wish(&self, name: &Fingerprint, wish: &JobWish) -> Result<(), StoreError> {
        disk::write_json(&self.settled_file(name), wish)?;
        remove_file(&self.wish_file(name))
    }

    /// The last wish of a trigger or a schedule that came to something, or was tried; `None` before the first.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn last_job_wish(&self, id: &str) -> Result<Option<JobWish>, StoreError> {
        Ok(disk::read_json(&self.last_wish_of(id))?)
    }

    /// Forgets what was settled long ago.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when it cannot be listed.
    pub fn sweep_settled_wishes(&self) -> Result<usize, StoreError> {
        let mut swept = 0;
        for path in list(&self.layout.settled_wishes())? {
            let written = fs::symlink_metadata(&path).and_then(|meta| meta.modified()).ok();
            let age = written.and_then(|written| SystemTime::now().duration_since(written).ok());
            if age.is_some_and(|age| age > SETTLED_FOR) && remove_file(&path).is_ok() {
                swept += 1;
            }
        }
        Ok(swept)
    }

    fn wish_file(&self, name: &Fingerprint) -> PathBuf {
        self.layout.job_wishes().join(format!("{name}.json"))
    }

    fn settled_file(&self, name: &Fingerprint) -> PathBuf {
        self.layout.settled_wishes().join(format!("{name}.json"))
    }

    fn last_wish_file(&self, wish: &JobWish) -> PathBuf {
        self.last_wish_of(wish.by.rsplit(':').next().unwrap_or_default())
    }

    /// Where is written down what came of the last wish of a trigger or a schedule.
    pub(super) fn last_wish_of(&self, id: &str) -> PathBuf {
        self.layout.events().join("last").join(format!("{id}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_twice_is_one_wish_also_after_it_was_settled() {
        let dir = tempfile::tempdir().unwrap();
        let (store, other) = (Store::open(dir.path()).unwrap(), Store::open(dir.path()).unwrap());
        let now = Timestamp::now();
        let wish = JobWish {
            schema: JobWish::SCHEMA,
            by: "hook:abc".to_owned(),
            project: "shop".to_owned(),
            url: "https://git.example/shop".to_owned(),
            git_ref: Some("main".to_owned()),
            token: None,
            wished_at: now,
            tries: 0,
            next_at: now,
            job: None,
            made: false,
            error: None,
        };
        let name = Fingerprint::of(&[b"abc", b"main", b"1", b"2"]);
        assert!(store.wish_job(&name, &wish).unwrap() && !other.wish_job(&name, &wish).unwrap());
        assert_eq!(other.due_job_wishes(now).unwrap(), [(name.clone(), wish.clone())]);
        let later = JobWish { next_at: now + jiff::SignedDuration::from_secs(60), ..wish.clone() };
        store.postpone_job_wish(&name, &later).unwrap();
        assert!(other.due_job_wishes(now).unwrap().is_empty());
        let made = JobWish { job: Some(JobId::generate()), made: true, ..wish.clone() };
        store.settle_job_wish(&name, &made).unwrap();
        assert!(!other.wish_job(&name, &wish).unwrap(), "it was settled");
        assert_eq!(other.last_job_wish("abc").unwrap(), Some(made));
        // Who died between the two files of a settlement leaves a wish that nobody takes up again.
        disk::write_json(&store.wish_file(&name), &wish).unwrap();
        assert!(other.due_job_wishes(now).unwrap().is_empty() && !store.wish_file(&name).exists());
        assert_eq!(store.sweep_settled_wishes().unwrap(), 0);
    }
}

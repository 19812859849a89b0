//! Waits for news of a job: something that its files show has changed. However many read along, the files of one job are looked at
//! by one task, and by none while nobody does. It looks instead of being told by the kernel, so it works on every file system.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use pipelinex_common::{id::JobId, store::Job};
use tokio::{sync::watch, time::sleep};

/// The pause between two looks while something happens.
const QUICK: Duration = Duration::from_millis(40);
/// The longest pause while nothing does.
const SLOW: Duration = Duration::from_millis(250);
/// After so many looks without news the pause grows.
const STILL: u32 = 100;

/// The jobs that somebody reads along.
#[derive(Debug, Default)]
pub struct Watching {
    jobs: Mutex<HashMap<JobId, watch::Sender<u64>>>,
}

/// Hears when the files of one job have changed.
#[derive(Debug)]
pub struct News {
    changes: watch::Receiver<u64>,
}

/// Where the files of a job are.
#[derive(Clone, Debug)]
pub struct Places {
    id: JobId,
    records: [PathBuf; 3],
    logs: PathBuf,
}

impl Places {
    /// Those of a job.
    pub fn of(job: &Job) -> Self {
        let paths = job.paths();
        let wishes = paths.root().join("wishes");
        Self { id: job.id(), records: [paths.state(), paths.final_record(), wishes], logs: paths.logs() }
    }
}

impl Watching {
    /// Hears of a job from now on. What changes after this call is not missed.
    pub fn hear(self: &Arc<Self>, places: Places) -> News {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = jobs.get(&places.id) {
            return News { changes: sender.subscribe() };
        }
        let (sender, changes) = watch::channel(0);
        jobs.insert(places.id, sender);
        tokio::spawn(look(Arc::clone(self), places));
        News { changes }
    }

    /// How many read along.
    pub fn readers(&self) -> usize {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.values().map(watch::Sender::receiver_count).sum()
    }

    /// Tells those who read along; `false` when there is nobody any more.
    fn tell(&self, id: JobId, changed: bool) -> bool {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = jobs.get(&id) else { return false };
        if sender.receiver_count() == 0 {
            jobs.remove(&id);
            return false;
        }
        if changed {
            sender.send_modify(|count| *count += 1);
        }
        true
    }
}

impl News {
    /// Forgets what has been heard: what comes after this is news.
    pub fn heard(&mut self) {
        self.changes.borrow_and_update();
    }

    /// Waits for something that was not heard yet.
    pub async fn wait(&mut self) {
        // The sender goes only when nobody listens.
        let _ = self.changes.changed().await;
    }
}

async fn look(watching: Arc<Watching>, places: Places) {
    let places = Arc::new(places);
    // Whoever heard of it before the first look may have read before it, too: that look is news.
    let mut before = None;
    let mut still = 0;
    loop {
        let here = Arc::clone(&places);
        let now = tokio::task::spawn_blocking(move || seen(&here)).await.ok();
        let changed = now != before;
        before = now;
        if !watching.tell(places.id, changed) {
            return;
        }
        still = if changed { 0 } else { still + 1 };
        sleep(if still < STILL { QUICK } else { SLOW }).await;
    }
}

/// What tells one state of the files from the next: which file it is, how long, how old.
fn seen(places: &Places) -> Vec<(u64, u64, i64, i64)> {
    let logs = fs::read_dir(&places.logs).into_iter().flatten().flatten().map(|entry| entry.path());
    let log = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "log" || ending == "tail");
    let mut all: Vec<_> = places.records.iter().map(|path| mark(path)).collect();
    let mut logs: Vec<_> = logs.filter(log).map(|path| mark(&path)).collect();
    logs.sort_unstable();
    all.extend(logs);
    all
}

fn mark(path: &Path) -> (u64, u64, i64, i64) {
    fs::symlink_metadata(path).map_or((0, 0, 0, 0), |meta| (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // One thread: nothing else runs until this test waits.
    #[tokio::test]
    async fn what_changes_before_the_first_look_is_news() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places {
            id: JobId::generate(),
            records: ["state", "final", "wishes"].map(|name| dir.path().join(name)),
            logs: dir.path().to_owned(),
        };
        let mut news = Arc::new(Watching::default()).hear(places);
        news.heard();
        fs::write(dir.path().join("build.log"), "one\n").unwrap();
        tokio::time::timeout(Duration::from_secs(20), news.wait()).await.unwrap();
    }
}

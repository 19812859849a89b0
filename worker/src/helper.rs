//! A small container of our own, hardened like every other, that does one thing: tries an overlay, or removes what only the
//! runner's user can remove.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::{
    engine::{Engine, EngineError, Phase},
    spec::{ContainerLimits, ContainerSpec, KeptLog, Mount, MountSource, OPEN_FILES, Program},
};

/// Pause between two looks at whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Whether an engine refused to this process what [`run_with_open_files`] asked for: each refusal costs a second.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// What is to be done.
#[derive(Clone)]
pub struct Helper {
    /// Name of the container.
    pub name: String,
    /// An image with a shell.
    pub image: String,
    /// A script for `/bin/sh`.
    pub script: String,
    /// What it may do.
    pub rights: Rights,
    /// All it sees of the host.
    pub shows: MountSource,
    /// Where it sees that.
    pub at: String,
    /// How it is found again.
    pub labels: BTreeMap<String, String>,
    /// The longest it may take.
    pub patience: Duration,
    /// Open files that it may have.
    pub open_files: u64,
}

/// What a helper may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// What a runner may.
    Runner,
    /// Remove whatever it sees, whoever owns it. Nothing of a project is ever run by it.
    Cleaner,
}

/// Runs a helper to its end with as many open files as it asks for or, where the engine itself may have fewer and cannot raise that
/// (it runs without root, or in a container), with as many as every engine allows. Returns how many it had.
///
/// # Errors
/// As [`run`].
pub async fn run_with_open_files(engine: &Engine, helper: Helper) -> Result<u64, String> {
    let fewer = Helper { open_files: OPEN_FILES, ..helper.clone() };
    if REFUSED.load(Ordering::Relaxed) {
        return run(engine, fewer).await.map(|()| OPEN_FILES);
    }
    let asked = helper.open_files;
    match run(engine, helper).await {
        // runc's words.
        Err(error) if error.contains("setting rlimit") => {
            REFUSED.store(true, Ordering::Relaxed);
            engine.remove_container(&fewer.name).await.map_err(|error| error.to_string())?;
            run(engine, fewer).await.map(|()| OPEN_FILES)
        }
        done => done.map(|()| asked),
    }
}

/// Runs a helper to its end. The container stays for whoever clears away what carries its labels.
///
/// # Errors
/// Why it could not be done, as a sentence; [`EngineError`] in words.
pub async fn run(engine: &Engine, helper: Helper) -> Result<(), String> {
    let Helper { name, image, script, rights, shows, at, labels, patience, open_files } = helper;
    let command = vec!["/bin/sh".to_owned(), "-c".to_owned(), script];
    let spec = ContainerSpec {
        name,
        image,
        program: Program::Command(command),
        env: BTreeMap::new(),
        mounts: vec![Mount { source: shows, target: at, read_only: false }],
        limits: ContainerLimits { memory_bytes: 64 << 20, milli_cpus: 1000, pids: 32, tmp_bytes: 1 << 20, open_files },
        scratch: Vec::new(),
        network: None,
        health: None,
        log: KeptLog::All,
        labels,
    };
    let words = |error: EngineError| error.to_string();
    match rights {
        Rights::Runner => engine.create(&spec).await.map_err(words)?,
        Rights::Cleaner => engine.create_cleaner(&spec).await.map_err(words)?,
    };
    engine.start(&spec.name).await.map_err(words)?;
    let ended = async {
        loop {
            match engine.inspect(&spec.name).await.map_err(words)? {
                Some(status) if status.phase == Phase::Ended => return Ok(()),
                Some(_) => tokio::time::sleep(LOOK_EVERY).await,
                None => return Err(format!("the container {} is gone", spec.name)),
            }
        }
    };
    let late = |_| Err(format!("the container {} did not end", spec.name));
    tokio::time::timeout(patience, ended).await.unwrap_or_else(late)
}

//! What the engine has: containers, volumes and networks, and what becomes of a container.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::chown,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use pipelinex_common::store::{RUNNER_GID, RUNNER_UID};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::lock;
use crate::event_log::EventLog;

/// Lines that each container prints, unless it is told otherwise.
pub const LINES: usize = 40;
/// Pause between two of them.
const BEAT: Duration = Duration::from_millis(5);

/// Everything there is.
pub struct Things {
    inside: Mutex<Inside>,
    log: EventLog,
    /// Lines that each container prints: two at least.
    pub lines: AtomicUsize,
    /// Rings whenever something has changed.
    pub changed: watch::Sender<()>,
}

#[derive(Default)]
pub struct Inside {
    /// In the order of their making.
    pub containers: Vec<Thing>,
    pub volumes: BTreeMap<String, Value>,
    pub networks: BTreeMap<String, Value>,
    ids: usize,
}

/// A container.
#[derive(Clone)]
pub struct Thing {
    pub id: String,
    pub name: String,
    pub wanted: Value,
    pub phase: Phase,
    /// What it printed, piece by piece, each in the frame that the API puts around it.
    pub printed: Vec<Vec<u8>>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Created,
    Running,
    Ended(i64),
}

/// Why something cannot be done: a status, and a sentence.
pub type Refusal = (u16, String);

impl Things {
    pub fn new(log: EventLog) -> Self {
        Self { inside: Mutex::default(), log, lines: AtomicUsize::new(LINES), changed: watch::Sender::new(()) }
    }

    pub fn with<T>(&self, look: impl FnOnce(&mut Inside) -> T) -> T {
        look(&mut lock(&self.inside))
    }

    /// The name behind an id; what is no id stays.
    pub fn name_of(&self, id: &str) -> String {
        self.find(id).map_or_else(|| id.to_owned(), |thing| thing.name)
    }

    /// A container by its id or name.
    pub fn find(&self, which: &str) -> Option<Thing> {
        self.with(|inside| inside.containers.iter().find(|thing| thing.is(which)).cloned())
    }

    /// Makes a container.
    pub fn create(&self, name: &str, wanted: Value) -> Result<String, Refusal> {
        self.with(|inside| {
            if inside.containers.iter().any(|thing| thing.name == name) {
                return Err((409, format!("The container name \"/{name}\" is already in use")));
            }
            inside.ids += 1;
            let id = format!("{:064x}", inside.ids);
            let thing = Thing {
                id: id.clone(),
                name: name.to_owned(),
                wanted,
                phase: Phase::Created,
                printed: Vec::new(),
                started_at: None,
                finished_at: None,
            };
            inside.containers.push(thing);
            Ok(id)
        })
    }

    /// Starts a container; one that has ended is started again, as engines do.
    pub fn start(self: &Arc<Self>, which: &str) -> Result<bool, Refusal> {
        let begun = self.change(which, |thing| {
            let starts = thing.phase != Phase::Running;
            if starts {
                (thing.phase, thing.started_at) = (Phase::Running, Some(Timestamp::now()));
            }
            starts
        });
        if !begun.ok_or_else(|| absent(which))? {
            return Ok(false);
        }
        let Some(thing) = self.find(which) else { return Err(absent(which)) };
        self.tell(&thing.name, "start");
        let me = self.clone();
        tokio::spawn(async move { me.run(thing).await });
        Ok(true)
    }

    /// What a container does: it prints its lines, leaves an artifact and a report, and ends well.
    async fn run(&self, thing: Thing) {
        let stage = thing.variable("STAGE").unwrap_or_default();
        let lines = self.lines.load(Ordering::Relaxed);
        for number in 1..=lines {
            tokio::time::sleep(BEAT).await;
            let line = match number {
                1 => "begun\n".to_owned(),
                last if last == lines => "done\n".to_owned(),
                number => format!("line {number} of {stage}\n"),
            };
            let is_there = self.change(&thing.id, |thing| {
                let runs = thing.phase == Phase::Running;
                if runs {
                    thing.printed.push(framed(line.as_bytes()));
                }
                runs
            });
            if is_there != Some(true) {
                return;
            }
        }
        self.leave(&thing, "/home/runner/reports", &format!("{}/note.txt", stage.to_lowercase()), "note\n");
        self.leave(&thing, "/home/runner/app", &format!("made/{stage}"), "thing\n");
        self.end(&thing.id, 0);
    }

    /// Writes a file as a process in a container would.
    fn leave(&self, thing: &Thing, target: &str, name: &str, content: &str) {
        let Some(folder) = self.with(|inside| thing.source(target, inside)) else { return };
        let path = folder.join(name);
        let Some(parent) = path.parent() else { return };
        if fs::create_dir_all(parent).and_then(|()| fs::write(&path, content)).is_ok() {
            for made in [parent, path.as_path()] {
                let _ = chown(made, Some(RUNNER_UID), Some(RUNNER_GID));
            }
        }
    }

    /// Ends a container that runs.
    pub fn end(&self, which: &str, code: i64) {
        let ended = self.change(which, |thing| {
            let runs = thing.phase == Phase::Running;
            if runs {
                (thing.phase, thing.finished_at) = (Phase::Ended(code), Some(Timestamp::now()));
            }
            runs.then(|| thing.name.clone())
        });
        if let Some(Some(name)) = ended {
            self.tell(&name, "die");
        }
    }

    /// Removes a container.
    pub fn remove(&self, which: &str, force: bool) -> Result<(), Refusal> {
        let thing = self.find(which).ok_or_else(|| absent(which))?;
        if thing.phase == Phase::Running && !force {
            return Err((409, "cannot remove a running container".to_owned()));
        }
        self.end(&thing.id, 137);
        self.with(|inside| inside.containers.retain(|other| other.id != thing.id));
        self.tell(&thing.name, "destroy");
        self.changed.send_replace(());
        Ok(())
    }

    /// Somebody removes every container of a job.
    pub fn vanish(&self, job: &str) {
        let of_job = |thing: &&Thing| thing.name.contains(job);
        let ids = |inside: &mut Inside| {
            inside.containers.iter().filter(of_job).map(|thing| thing.id.clone()).collect::<Vec<_>>()
        };
        for id in self.with(ids) {
            let _ = self.remove(&id, true);
        }
    }

    fn change<T>(&self, which: &str, change: impl FnOnce(&mut Thing) -> T) -> Option<T> {
        let done = self.with(|inside| inside.containers.iter_mut().find(|thing| thing.is(which)).map(change));
        self.changed.send_replace(());
        done
    }

    fn tell(&self, container: &str, action: &str) {
        self.log.note(&json!({"event": "container", "action": action, "container": container}));
    }
}

impl Thing {
    fn is(&self, which: &str) -> bool {
        self.id == which || self.name == which
    }

    fn variable(&self, name: &str) -> Option<String> {
        let all = self.wanted["Env"].as_array()?;
        let value = |text: &Value| text.as_str()?.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
        all.iter().find_map(value)
    }

    /// Where a folder of the container is on this machine.
    fn source(&self, target: &str, inside: &Inside) -> Option<PathBuf> {
        let mounts = self.wanted["HostConfig"]["Mounts"].as_array()?;
        let mount = mounts.iter().find(|mount| mount["Target"] == target && mount["ReadOnly"] != true)?;
        let source = mount["Source"].as_str()?;
        if mount["Type"] == "bind" {
            return Some(source.into());
        }
        let device = PathBuf::from(inside.volumes.get(source)?["Options"]["device"].as_str()?);
        let subpath = mount["VolumeOptions"]["Subpath"].as_str();
        Some(subpath.map_or_else(|| device.clone(), |subpath| device.join(subpath)))
    }
}

/// There is none.
pub fn absent(which: &str) -> Refusal {
    (404, format!("No such container: {which}"))
}

/// Bytes of standard output in the frame that the API puts around them.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u32).to_be_bytes();
    [&[1, 0, 0, 0], length.as_slice(), bytes].concat()
}

//! Who a holder is, so that a watcher on the same machine can tell whether a process is that holder, and end it.
//!
//! A number of a process says little: it is given again to another one, and each container counts its own. Together with the boot
//! of the machine, the namespace that counts and the moment of the start it names one process for good. Whatever cannot be
//! shown of a process keeps it from being touched: its job is then taken by the heartbeat alone, and the holder, when it wakes
//! up, finds the higher claim.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How long a killed process is waited for. One that hangs in the kernel stays longer, but runs no instruction of ours any more.
const GONE_WITHIN: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Who a worker process is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerIdentity {
    /// Unique to this process.
    pub worker: String,
    /// Name of the machine, for people.
    pub host: String,
    /// Random id of this boot of the machine.
    pub boot_id: String,
    /// Process id, in the process's own namespace.
    pub pid: u32,
    /// What makes the process id mean one process; `None` where it could not be found out, or by an older program.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub process: Option<ProcessMark>,
}

/// What makes a process id mean one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessMark {
    /// The inode of the namespace in which the id counts.
    pub pid_namespace: u64,
    /// When the process started, in ticks of the kernel's clock since the boot.
    pub started: u64,
}

/// What came of ending a holder that does nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is dead, or about to be: it runs no instruction any more.
    Down,
    /// It is not a process that we can show to be that holder, or may not be ended by us: it was not touched.
    Untouched,
}

impl WorkerIdentity {
    /// The identity of this process.
    pub fn of_this_process() -> Self {
        let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
        let host = read("/proc/sys/kernel/hostname").unwrap_or_else(|| "unknown".to_owned());
        let pid = std::process::id();
        let unique = Uuid::new_v4().as_simple().to_string();
        Self {
            worker: format!("{host}-{pid}-{}", &unique[..12]),
            host,
            // Without a boot id no lock is believed: a random one never equals another's.
            boot_id: read("/proc/sys/kernel/random/boot_id").unwrap_or(unique),
            pid,
            process: ProcessMark::of(pid),
        }
    }

    /// Kills this holder, if it is shown to be a process that `me` shares a machine with, and waits until it is gone.
    pub(super) fn put_down(&self, me: &Self) -> Put {
        // Of one process, two workers may hold claims: in a test.
        if self.boot_id != me.boot_id || self.pid == me.pid || self.process.is_none() {
            return Put::Untouched;
        }
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return Put::Untouched };
        // Taken before it is looked at: from here on the descriptor means that process, whoever gets its number.
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return Put::Untouched };
        let is_there = || ProcessMark::of(self.pid) == self.process;
        if !is_there() || pidfd_send_signal(&process, Signal::KILL).is_err() {
            return Put::Untouched;
        }
        let deadline = Instant::now() + GONE_WITHIN;
        while is_there() && Instant::now() < deadline {
            std::thread::sleep(LOOK_AGAIN);
        }
        Put::Down
    }
}

impl ProcessMark {
    /// The mark of a living process of our own namespace.
    fn of(pid: u32) -> Option<Self> {
        // A /proc of another namespace counts other processes.
        let own = fs::read_link("/proc/self").ok()?;
        if own.to_str()? != std::process::id().to_string() {
            return None;
        }
        let namespace = |pid: &str| fs::metadata(format!("/proc/{pid}/ns/pid")).map(|meta| meta.ino()).ok();
        let pid_namespace = namespace(&pid.to_string())?;
        if pid_namespace != namespace("self")? {
            return None;
        }
        Some(Self { pid_namespace, started: started(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)? })
    }
}

/// When a process started, as `/proc/PID/stat` tells it; `None` for one that has ended and is only not waited for.
fn started(stat: &str) -> Option<u64> {
    // The name in brackets may have anything in it; after it the third field follows.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use rustix::process::kill_process;

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("1000").spawn().unwrap()
    }

    fn identity(child: &Child) -> WorkerIdentity {
        WorkerIdentity { pid: child.id(), process: ProcessMark::of(child.id()), ..WorkerIdentity::of_this_process() }
    }

    #[test]
    fn a_stopped_process_is_ended_and_one_that_cannot_be_shown_to_be_the_holder_is_not_touched() {
        let me = WorkerIdentity::of_this_process();
        let mut child = sleeper();
        kill_process(Pid::from_child(&child), Signal::STOP).unwrap();
        let holder = identity(&child);
        let mark = holder.process.clone().unwrap();
        let strangers = [
            WorkerIdentity { boot_id: "another boot".to_owned(), ..holder.clone() },
            WorkerIdentity { process: None, ..holder.clone() },
            WorkerIdentity {
                process: Some(ProcessMark { started: mark.started + 1, ..mark.clone() }),
                ..holder.clone()
            },
            WorkerIdentity { process: Some(ProcessMark { pid_namespace: 1, ..mark }), ..holder.clone() },
            me.clone(),
        ];
        for stranger in strangers {
            assert_eq!(stranger.put_down(&me), Put::Untouched, "{stranger:?}");
            assert!(child.try_wait().unwrap().is_none(), "{stranger:?}");
        }
        assert_eq!(holder.put_down(&me), Put::Down);
        assert!(!child.wait().unwrap().success());
        assert_eq!(holder.put_down(&me), Put::Untouched, "it is gone");
    }

    #[test]
    fn the_start_of_a_process_is_read_behind_any_name() {
        let fields = |state: &str| format!("7 (a) b (c) {state} 1 {} 4711 5 6", "0 ".repeat(17));
        assert_eq!(started(&fields("S")), Some(4711));
        assert_eq!(started(&fields("Z")), None, "it has ended");
        assert_eq!(started("7 (x"), None);
    }
}

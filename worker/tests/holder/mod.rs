//! A worker that is a process of its own, to be stopped and killed: the test binary again, which works as a worker when it is told so
//! by a variable.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use pipelinex_common::store::{HeartbeatWatch, Job, Store, WorkerIdentity};
use pipelinex_worker::{StopOrders, Worker, config::WorkerConfig};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{World, text, until};

/// Tells this binary to be a worker: the workspaces folder.
const WORKSPACES: &str = "PIPELINEX_TEST_WORKSPACES";
/// The boot that it says it is of; its own where this is missing.
const BOOT: &str = "PIPELINEX_TEST_BOOT";

/// No test: what the process of a holder does.
#[test]
fn being_a_worker() {
    let Ok(workspaces) = std::env::var(WORKSPACES) else { return };
    #[cfg(feature = "faults")]
    pipelinex_common::fault::start().unwrap();
    let mut identity = WorkerIdentity::of_this_process();
    identity.boot_id = std::env::var(BOOT).unwrap_or(identity.boot_id);
    let config = WorkerConfig { reconcile_every: Duration::from_millis(200), ..WorkerConfig::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let store = Store::open(Path::new(&workspaces)).unwrap();
    // It takes nothing back by heartbeat: the stories are about what it does with what it had.
    let watch = HeartbeatWatch::new(Duration::from_secs(3600));
    let worker = Worker::known_as(identity, watch, config, store, StopOrders::default());
    runtime.block_on(worker.reconcile());
}

/// A holder that can be stopped, and dies with its story at the latest.
pub struct Holder(pub Child);

impl Holder {
    /// Starts one that comes to harm at these places, and says that it is of this boot.
    pub fn start(world: &World, boot: Option<&str>, faults: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "holder::being_a_worker", "--nocapture"]).stdout(Stdio::null());
        command.env(WORKSPACES, world.store.layout().root()).env("PIPELINEX_FAULTS", faults);
        command.envs(boot.map(|boot| (BOOT, boot)));
        Self(command.spawn().unwrap())
    }

    #[allow(dead_code, reason = "not every story stops one")]
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Waits until it has stopped itself.
    #[allow(dead_code, reason = "not every story stops one")]
    pub async fn stops(&self) {
        let stat = format!("/proc/{}/stat", self.0.id());
        until("the holder has stopped itself", async || text(&stat).contains(") T ").then_some(())).await;
    }

    /// Waits until it has died by itself.
    #[allow(dead_code, reason = "not every story kills one")]
    pub async fn dies(mut self) {
        until("the holder has died", async || self.0.try_wait().unwrap()).await;
    }

    /// Waits until it has let go of a job that it held by its first claim.
    #[allow(dead_code, reason = "not every story stops one")]
    pub async fn lets_go(&self, job: &Job) {
        let claim = fs::File::open(job.paths().claim(1)).unwrap();
        until("the holder lets go", async || claim.try_lock_shared().ok()).await;
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

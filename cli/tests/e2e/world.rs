//! Where a story happens: a folder of its own, the program as child processes, a client. When the story is over, by
//! whichever way, everything is stopped and looked through: what is left on the engine, in staging or as a process fails
//! it, and so does an error in a log, for no story has anything in it that an operator should be called for.

use std::{
    cell::Cell,
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use futures::FutureExt;
use pipelinex_common::id::JobId;
use pipelinex_worker::{
    engine::{Engine, Resources},
    spec::LABEL_INSTANCE,
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::server::{Process, Server};

/// How long anything may take that has to happen at last.
const PATIENCE: Duration = Duration::from_secs(400);
const PAUSE: Duration = Duration::from_millis(25);
/// The certificates of this machine: where a network signs TLS anew, builds in containers need them, too.
const CA_CERTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What makes of a command the one that starts it: under a tracer, for example.
pub type Through = Box<dyn Fn(&Command) -> Command>;

/// A story's surroundings.
pub struct World {
    folder: tempfile::TempDir,
    pub workspaces: PathBuf,
    pub engine: Engine,
    pub http: reqwest::Client,
    /// What processes that are started from now on find in their environment besides.
    pub environment: Vec<(&'static str, String)>,
    /// What processes that are started from now on are started through.
    pub through: Option<Through>,
    /// The story breaks what an operator should be called for.
    pub errors_are_expected: bool,
    processes: usize,
    /// The story made something on the engine itself.
    made: Cell<bool>,
    /// Whose processes the program's are, and the engine's socket for them.
    user: Option<(u32, PathBuf)>,
}

/// Runs a story; what it leaves behind fails it.
pub fn story(run: impl AsyncFnOnce(&mut World)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new().await;
        let told = std::panic::AssertUnwindSafe(run(&mut world)).catch_unwind().await;
        let left = world.sweep().await;
        world.remove_own().await;
        if let Err(panic) = told {
            world.print_logs();
            std::panic::resume_unwind(panic);
        }
        assert_eq!(left, Vec::<String>::new(), "left behind");
    });
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("pipelinex-e2e-").tempdir_in("/var/tmp").unwrap();
        let engine =
            Engine::connect(None).await.expect("these tests need a container engine: `make test` brings one up");
        let workspaces = folder.path().join("workspaces");
        Self {
            folder,
            workspaces,
            engine,
            http: reqwest::Client::new(),
            processes: 0,
            made: Cell::new(false),
            user: None,
            environment: Vec::new(),
            through: None,
            errors_are_expected: false,
        }
    }

    /// A name for what the story makes on the engine itself.
    pub fn name(&self) -> String {
        self.folder.path().file_name().unwrap().to_str().unwrap().to_lowercase()
    }

    /// The label that everything with this name has to carry: it is removed when the story is over.
    pub fn label(&self) -> String {
        self.made.set(true);
        format!("pipelinex.test={}", self.name())
    }

    /// A path for a file of the story's own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// From here on the program runs as this user, who reaches the engine by this socket. The folder becomes theirs.
    pub fn become_user(&mut self, user: u32, socket: &Path) {
        std::os::unix::fs::chown(self.folder.path(), Some(user), Some(user)).unwrap();
        self.user = Some((user, socket.to_owned()));
    }

    /// The program with these arguments, and nothing of the surroundings that could change what it does.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipelinex"));
        command.args(args).env_clear().stdin(Stdio::null());
        command.env("HOME", self.folder.path()).env("PIPELINEX_WORKSPACES", &self.workspaces);
        command.envs(std::env::var_os("DOCKER_HOST").map(|host| ("DOCKER_HOST", host)));
        if Path::new(CA_CERTS).exists() {
            command.env("PIPELINEX_CA_CERTS", CA_CERTS);
        }
        if let Some((user, socket)) = &self.user {
            command.uid(*user).gid(*user).env("DOCKER_HOST", format!("unix://{}", socket.display()));
        }
        command.envs(self.environment.iter().cloned());
        command
    }

    /// A command that ends by itself.
    pub async fn run(&self, args: &[&str]) -> Said {
        let mut command = tokio::process::Command::from(self.command(args));
        said(tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await.expect("it ends").unwrap())
    }

    /// Starts `worker` or whatever else goes on until it is stopped.
    pub fn start(&mut self, args: &[&str]) -> Process {
        self.start_with(args, &[])
    }

    /// The same, with variables besides.
    pub fn start_with(&mut self, args: &[&str], variables: &[(&str, &str)]) -> Process {
        self.processes += 1;
        let log = self.log(self.processes);
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        if let Some(through) = &self.through {
            command = through(&command);
        }
        let child = command.stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        Process { child, log }
    }

    /// Starts `serve` or `backend` on a port that is free, and waits until it answers.
    pub async fn serve(&mut self, args: &[&str]) -> Server {
        let mut process = self.start(&[args, &["--listen", "127.0.0.1:0"]].concat());
        let url = until("the server listens", async || {
            assert!(process.child.try_wait().unwrap().is_none(), "it ended: {}", process.log());
            let log = process.log();
            let (_, rest) = log.split_once("listening on ")?;
            rest.split_whitespace().next().filter(|_| rest.contains('\n')).map(str::to_owned)
        })
        .await;
        Server { process, url, http: self.http.clone() }
    }

    fn log(&self, process: usize) -> PathBuf {
        self.path(&format!("process-{process}.log"))
    }

    /// The folder of a job.
    pub fn job(&self, id: &str) -> PathBuf {
        self.workspaces.join(id)
    }

    /// How many claims a job had: 1 if nobody took it twice.
    pub fn claims(&self, id: &str) -> usize {
        fs::read_dir(self.job(id).join("claims")).unwrap().count()
    }

    /// What the installation has on the engine.
    pub async fn resources(&self) -> Resources {
        let Ok(instance) = fs::read_to_string(self.workspaces.join(".instance")) else { return Resources::default() };
        self.engine.find(&[format!("{LABEL_INSTANCE}={}", instance.trim())]).await.unwrap()
    }

    /// Ends and removes what there still is, and names it.
    async fn sweep(&self) -> Vec<String> {
        let mut left = Vec::new();
        for (pid, name) in self.running() {
            left.push(format!("process {name}"));
            let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
        }
        let found = self.resources().await;
        if !found.is_empty() {
            left.push(format!("on the engine: {found:?}"));
            self.engine.remove(&found).await.unwrap();
        }
        for log in (1..=self.processes).filter(|_| !self.errors_are_expected).map(|number| text(self.log(number))) {
            left.extend(log.lines().filter(|line| line.contains(" ERROR ")).map(str::to_owned));
        }
        left.extend(names(&self.workspaces.join(".staging")).into_iter().map(|name| format!("staging/{name}")));
        for id in names(&self.workspaces).into_iter().filter(|name| name.parse::<JobId>().is_ok()) {
            let passing = |name: &String| name == "trees" || name == "outbox" || name.starts_with(".collecting");
            left.extend(names(&self.job(&id)).into_iter().filter(passing).map(|name| format!("{id}/{name}")));
        }
        left
    }

    /// Removes what the story itself made on the engine.
    async fn remove_own(&self) {
        if !self.made.get() {
            return;
        }
        self.engine.remove(&self.engine.find(&[self.label()]).await.unwrap()).await.unwrap();
        let images = format!("label={}", self.label());
        let images = docker(&["image", "ls", "--quiet", "--filter", &images]).await;
        for image in images.lines() {
            docker(&["image", "rm", "--force", image]).await;
        }
    }

    /// Processes that were given this world's workspaces folder, and their children.
    fn running(&self) -> Vec<(i32, String)> {
        let mark = format!("PIPELINEX_WORKSPACES={}", self.workspaces.display()).into_bytes();
        let ours = |pid: &i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == mark)
        };
        let pids = names(Path::new("/proc")).into_iter().filter_map(|name| name.parse::<i32>().ok()).filter(ours);
        pids.map(|pid| (pid, fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default())).collect()
    }

    fn print_logs(&self) {
        for number in 1..=self.processes {
            println!("-- the log of process {number}\n{}", text(self.log(number)));
        }
    }
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn said(output: Output) -> Said {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs the engine's own client; returns all that it said.
pub async fn docker(args: &[&str]) -> String {
    let mut command = tokio::process::Command::new("docker");
    let output = command.args(args).env("DOCKER_BUILDKIT", "1").stdin(Stdio::null()).kill_on_drop(true).output();
    let said = said(tokio::time::timeout(PATIENCE, output).await.expect("it ends").expect("docker is installed"));
    assert_eq!(said.code, 0, "docker {args:?}: {}", said.err);
    // A container's log comes on both.
    if args[0] == "logs" { format!("{}{}", said.out, said.err) } else { said.out }
}

/// Looks again and again until there is an answer; a generous deadline keeps a broken test from hanging.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    in_time(look).await.unwrap_or_else(|| panic!("waited {} seconds until {what}", PATIENCE.as_secs()))
}

/// What there is when it is looked for again and again; nothing if that takes longer than anything may.
pub async fn in_time<T>(mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(answer) = look().await {
            return Some(answer);
        }
        tokio::time::sleep(PAUSE).await;
    }
    None
}

/// The names in a folder; none if it is not there.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// The text of a file, or nothing as long as it is not there.
pub fn text(path: impl AsRef<Path>) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

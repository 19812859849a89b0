//! Where a story happens: a folder of its own, the program as child processes, a client. When the story is over, by
//! whichever way, everything is stopped and looked through: what is left on the engine, in staging or as a process fails it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use futures::FutureExt;
use pipelinex_common::id::JobId;
use pipelinex_worker::{
    engine::{Belongings, Engine},
    spec::LABEL_INSTANCE,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::time::Instant;

/// How long anything may take that has to happen at last.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(25);
/// The certificates of this machine: where a network signs TLS anew, builds in containers need them, too.
const CA_CERTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A story's surroundings.
pub struct World {
    folder: tempfile::TempDir,
    pub workspaces: PathBuf,
    pub engine: Engine,
    pub http: reqwest::Client,
    processes: usize,
}

/// Runs a story; what it leaves behind fails it.
pub fn story(run: impl AsyncFnOnce(&mut World)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new().await;
        let told = std::panic::AssertUnwindSafe(run(&mut world)).catch_unwind().await;
        let left = world.sweep().await;
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
        Self { folder, workspaces, engine, http: reqwest::Client::new(), processes: 0 }
    }

    /// A path for a file of the story's own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
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
        command
    }

    /// A command that ends by itself.
    pub async fn run(&self, args: &[&str]) -> Said {
        let mut command = tokio::process::Command::from(self.command(args));
        said(tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await.expect("it ends").unwrap())
    }

    /// Starts `worker` or whatever else goes on until it is stopped.
    pub fn start(&mut self, args: &[&str]) -> Process {
        self.processes += 1;
        let log = self.folder.path().join(format!("process-{}.log", self.processes));
        let mut command = self.command(args);
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

    /// The folder of a job.
    pub fn job(&self, id: &str) -> PathBuf {
        self.workspaces.join(id)
    }

    /// How many claims a job had: 1 if nobody took it twice.
    pub fn claims(&self, id: &str) -> usize {
        fs::read_dir(self.job(id).join("claims")).unwrap().count()
    }

    async fn belongings(&self) -> Belongings {
        let Ok(instance) = fs::read_to_string(self.workspaces.join(".instance")) else { return Belongings::default() };
        self.engine.find(&[format!("{LABEL_INSTANCE}={}", instance.trim())]).await.unwrap()
    }

    /// Ends and removes what there still is, and names it.
    async fn sweep(&self) -> Vec<String> {
        let mut left = Vec::new();
        for (pid, name) in self.running() {
            left.push(format!("process {name}"));
            let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
        }
        let found = self.belongings().await;
        if !found.is_empty() {
            left.push(format!("on the engine: {found:?}"));
            self.engine.remove(&found).await.unwrap();
        }
        left.extend(names(&self.workspaces.join(".staging")).into_iter().map(|name| format!("staging/{name}")));
        for id in names(&self.workspaces).into_iter().filter(|name| name.parse::<JobId>().is_ok()) {
            let passing = |name: &String| name == "trees" || name == "outbox" || name.starts_with(".collecting");
            left.extend(names(&self.job(&id)).into_iter().filter(passing).map(|name| format!("{id}/{name}")));
        }
        left
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
            let log = fs::read_to_string(self.path(&format!("process-{number}.log"))).unwrap_or_default();
            println!("-- the log of process {number}\n{log}");
        }
    }
}

/// A process of the program; killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let status = until("the process ends", async || self.child.try_wait().unwrap()).await;
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// Kills it as a crash would.
    pub fn kill(mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that answers.
pub struct Server {
    pub process: Process,
    pub url: String,
    http: reqwest::Client,
}

impl Server {
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.answer(self.http.get(self.url(path))).await
    }

    pub async fn answer(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.timeout(Duration::from_secs(60)).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    /// Sends a form whose parts may also be absent.
    pub async fn post(&self, path: &str, zip: Option<Vec<u8>>, metadata: Option<&str>) -> Answer {
        let mut form = reqwest::multipart::Form::new();
        if let Some(zip) = zip {
            form = form.part("project_zip", reqwest::multipart::Part::bytes(zip).file_name("app.zip"));
        }
        if let Some(metadata) = metadata {
            form = form.text("metadata", metadata.to_owned());
        }
        self.answer(self.http.post(self.url(path)).multipart(form)).await
    }

    /// Submits a project that is admitted; returns the id of its job.
    pub async fn submit(&self, zip: Vec<u8>, metadata: &Value) -> String {
        let answer = self.post("/api/jobs/upload", Some(zip), Some(&metadata.to_string())).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["job_id"].as_str().unwrap().to_owned()
    }

    pub async fn status(&self, id: &str) -> Value {
        let answer = self.get(&format!("/api/jobs/{id}/status")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Waits for the end of a job; returns its status.
    pub async fn end_of(&self, id: &str) -> Value {
        until("the job ends", async || Some(self.status(id).await).filter(has_ended)).await
    }
}

fn has_ended(status: &Value) -> bool {
    matches!(status["execution"]["state"].as_str(), Some("SUCCEEDED" | "FAILED" | "CANCELED"))
}

/// What came back over HTTP.
pub struct Answer {
    pub status: u16,
    headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
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

/// Looks again and again until there is an answer; a generous deadline keeps a broken test from hanging.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(answer) = look().await {
            return answer;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("waited {} seconds until {what}", PATIENCE.as_secs());
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

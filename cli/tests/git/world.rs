//! A server of the product, and what must not be left when a story is over.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use futures::FutureExt;
use pipelinex_common::id::JobId;
use serde_json::{Value, json};

use crate::host::AUTHORITY;

/// How long anything may take that has to happen at last.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

pub struct World {
    folder: tempfile::TempDir,
    http: reqwest::Client,
    server: Option<Server>,
}

struct Server {
    process: Child,
    url: String,
}

/// An answer of the product.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// The rule of the only problem, with the path it is about.
    pub fn rule(&self) -> String {
        let problems = self.body["problems"].as_array().unwrap_or_else(|| panic!("{self:?}"));
        assert_eq!(problems.len(), 1, "{self:?}");
        let problem = &problems[0];
        assert!(
            problem["hint"].as_str().unwrap().len() > 10 && problem["message"].as_str().unwrap().len() > 10,
            "{self:?}"
        );
        format!("{} {} {}", self.status, problem["rule"].as_str().unwrap(), problem["path"].as_str().unwrap_or("-"))
    }

    /// Its code and sentence.
    pub fn said(&self) -> String {
        format!(
            "{} {}: {}",
            self.status,
            self.body["code"].as_str().unwrap_or("-"),
            self.body["detail"].as_str().unwrap_or("-")
        )
    }
}

/// Runs a story; what it leaves behind fails it.
pub fn story(run: impl AsyncFnOnce(&mut World)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World { folder: tempfile::tempdir().unwrap(), http: reqwest::Client::new(), server: None };
        let told = std::panic::AssertUnwindSafe(run(&mut world)).catch_unwind().await;
        let left = if told.is_ok() { world.left().await } else { Vec::new() };
        world.stop();
        if told.is_err() || !left.is_empty() {
            println!("-- the server's log\n{}", world.log());
        }
        if let Err(panic) = told {
            std::panic::resume_unwind(panic);
        }
        assert_eq!(left, Vec::<String>::new(), "left behind");
    });
}

impl World {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of repositories.
    pub fn repositories(&self) -> PathBuf {
        self.path("repositories")
    }

    /// The program, with nothing of the surroundings.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipelinex"));
        command.args(args).env_clear().env("HOME", self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Starts a server that clones from these hosts.
    pub async fn serve(&mut self, hosts: &[&str], more: &[&str]) {
        let authority = self.path("authority.pem");
        fs::write(&authority, &AUTHORITY.pem).unwrap();
        let mut command = self.command(&["backend", "--listen", "127.0.0.1:0"]);
        command.args(more).env("PIPELINEX_GIT_HOSTS", hosts.join(","));
        command.env("PIPELINEX_WORKSPACES", self.workspaces()).env("PIPELINEX_CA_CERTS", authority);
        // What would lead Git astray, if anybody asked it.
        fs::write(self.path(".gitconfig"), "[url \"https://elsewhere.example/\"]\n\tinsteadOf = https://\n[core\n")
            .unwrap();
        command.env("GIT_DIR", "/nonexistent").env("GIT_SSL_NO_VERIFY", "1").env("HTTPS_PROXY", "http://127.0.0.1:1");
        let log = File::create(self.path("log")).unwrap();
        let process = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.server = Some(Server { process, url: String::new() });
        let url = until("the server listens", async || {
            let log = self.log();
            let (_, rest) = log.split_once("listening on ")?;
            rest.split_whitespace().next().filter(|_| rest.contains('\n')).map(str::to_owned)
        })
        .await;
        self.server.as_mut().unwrap().url = url;
    }

    pub fn workspaces(&self) -> PathBuf {
        self.path("workspaces")
    }

    pub fn url(&self) -> String {
        self.server.as_ref().unwrap().url.clone()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Submits a repository as it is; `more` is put over the request.
    pub async fn submit(&self, url: &str, more: Value) -> Answer {
        let mut request = json!({
            "github_url": url,
            "stack": {"language": "java", "framework": "spring-boot", "build_tool": "maven"},
        });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post(self.http.post(format!("{}/api/jobs/github", self.url())).json(&request)).await
    }

    pub async fn post(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.timeout(PATIENCE).send().await.unwrap();
        Answer { status: response.status().as_u16(), body: response.json().await.unwrap() }
    }

    /// The folder of the job that was admitted.
    pub fn job(&self, answer: &Answer) -> PathBuf {
        assert_eq!(answer.status, 201, "{answer:?}");
        self.workspaces().join(answer.body["job_id"].as_str().unwrap())
    }

    pub fn jobs(&self) -> usize {
        names(&self.workspaces()).iter().filter(|name| name.parse::<JobId>().is_ok()).count()
    }

    pub fn staged(&self) -> Vec<String> {
        names(&self.workspaces().join(".staging"))
    }

    /// Processes that the server started and that still are there.
    pub fn clones(&self) -> Vec<u32> {
        let Some(server) = &self.server else { return Vec::new() };
        children(server.process.id())
    }

    /// Kills the server, so that it can do nothing more.
    pub fn kill(&mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.process.kill();
            server.process.wait().unwrap();
        }
    }

    /// A refusal leaves nothing: no job, no process, and soon no staged folder.
    pub async fn assert_untouched(&self) {
        assert_eq!(self.jobs(), 0);
        assert_eq!(self.left().await, Vec::<String>::new());
    }

    /// Names what should not be there any more, or never should have been.
    async fn left(&self) -> Vec<String> {
        if self.server.is_none() {
            return Vec::new();
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while !(self.staged().is_empty() && self.clones().is_empty()) && Instant::now() < deadline {
            tokio::time::sleep(PAUSE).await;
        }
        let mut left: Vec<_> = self.staged().into_iter().map(|name| format!("staging/{name}")).collect();
        left.extend(self.clones().into_iter().map(|pid| format!("process {pid}")));
        left.extend(
            self.log().lines().filter(|line| line.contains("ERROR") || line.contains("panicked")).map(str::to_owned),
        );
        left
    }
}

/// Processes whose parent this is.
pub fn children(parent: u32) -> Vec<u32> {
    let pids = names(Path::new("/proc")).into_iter().filter_map(|name| name.parse::<u32>().ok());
    let parent_of = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    pids.filter(|pid| parent_of(pid) == Some(parent)).collect()
}

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

pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect()
}

/// What a command said on standard output.
pub fn output(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap().trim().to_owned()
}

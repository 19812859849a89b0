//! One trial: processes with an event log, an engine that is watched, jobs that are counted, and the judgement at the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use pipelinex_common::{
    id::JobId,
    testing::history::{self, Event, Evidence},
};
use pipelinex_worker::engine::Engine;
use serde_json::{Value, json};

use crate::{
    event_log::EventLog,
    fake::FakeEngine,
    figures,
    projects::{shell, shell_project, shell_stack_of},
    server::{Process, Server},
    world::{World, names, text},
};

/// How long hundreds of jobs may take on a machine that others use as well.
const PATIENCE: Duration = Duration::from_secs(900);
const PAUSE: Duration = Duration::from_millis(100);

/// Two steps in one tree: enough for a death between stages, and for artifacts and reports that are collected.
const TWO_STEPS: &str = "
stages: [BUILD, TEST]
default: {image: scan}
BUILD: {stage: BUILD, script: [bash run.sh], artifacts: {paths: [made/*]}}
TEST: {stage: TEST, needs: [BUILD], retry: {max: 1, exit_codes: [75]}, script: [bash run.sh]}
.pipelinex: {jobs: {BUILD: {tree: BUILD, memory: 128m}, TEST: {tree: BUILD, memory: 128m}}}
";

/// Prints a word at its beginning and at its end, and leaves an artifact and a report.
pub const QUICK: &str = "echo begun\nmkdir -p made \"$REPORTS_DIR/${STAGE,,}\"\necho thing > made/$STAGE\n\
    echo note > \"$REPORTS_DIR/${STAGE,,}/note.txt\"\nsleep 0.3\necho done\n";

/// The same, with a first try of TEST that fails.
pub fn flaky() -> String {
    format!("{QUICK}test \"$STAGE$PIPELINEX_TRY\" != TEST1 || exit 75\n")
}

/// What is judged at the end.
pub struct Trial<'w> {
    pub world: &'w mut World,
    pub pipelines: String,
    /// How many faults were made.
    pub faults: usize,
    pub log: EventLog,
    watches: Vec<(Child, PathBuf)>,
    /// The engine writes its events down itself.
    unwatched: bool,
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        for (watch, _) in &mut self.watches {
            let _ = watch.kill();
            let _ = watch.wait();
        }
    }
}

impl<'w> Trial<'w> {
    /// Jobs of two quick steps.
    pub fn new(world: &'w mut World) -> Self {
        Self::of(world, TWO_STEPS)
    }

    pub fn of(world: &'w mut World, pipeline: &str) -> Self {
        let pipelines = shell_stack_of(world, pipeline);
        let log = EventLog::new(world.path("events.jsonl"));
        world.environment = vec![("PIPELINEX_EVENTS", log.path().to_str().unwrap().to_owned())];
        Self { world, pipelines, faults: 0, log, watches: Vec::new(), unwatched: false }
    }

    /// The same over an engine that is none.
    pub async fn over_fake(world: &'w mut World) -> (Self, FakeEngine) {
        let mut trial = Self::new(world);
        let engine = FakeEngine::new(&trial.world.path("engine.sock"), trial.log.clone());
        trial.world.engine = Engine::connect(Some(&engine.host)).await.unwrap();
        trial.world.environment.push(("DOCKER_HOST", engine.host.clone()));
        trial.unwatched = true;
        (trial, engine)
    }

    /// Starts a backend, and watches the engine from the first one on.
    pub async fn backend(&mut self, faults: &str, more: &[&str]) -> Server {
        let pipelines = self.pipelines.clone();
        self.armed("backend", faults);
        let server = self.world.serve(&[&["backend", "--pipelines", &pipelines], more].concat()).await;
        self.armed("", "");
        if self.watches.is_empty() && !self.unwatched {
            self.watch();
        }
        server
    }

    /// Starts a worker that looks over the folders every second, and runs four jobs at once.
    pub fn worker(&mut self, faults: &str, more: &[&str]) -> Process {
        self.worker_of(4, faults, more)
    }

    /// Starts a worker that runs so many jobs at once.
    pub fn worker_of(&mut self, parallel: usize, faults: &str, more: &[&str]) -> Process {
        self.armed("worker", faults);
        let parallel = parallel.to_string();
        let own = ["worker", "--reconcile-every", "1s", "--parallel", &parallel];
        let worker = self.world.start(&[&own, more].concat());
        self.armed("", "");
        worker
    }

    /// Only processes of that command suffer the faults: what a worker starts for a suspected job would die of nothing in that job.
    fn armed(&mut self, command: &str, faults: &str) {
        self.world.environment.retain(|(name, _)| !name.starts_with("PIPELINEX_FAULTS"));
        if !faults.is_empty() {
            self.world.environment.push(("PIPELINEX_FAULTS", faults.to_owned()));
            self.world.environment.push(("PIPELINEX_FAULTS_OF", command.to_owned()));
        }
    }

    /// Kills a process as a crash would, and writes that down.
    pub fn kill(&mut self, process: Process) {
        self.kills(process.child.id());
        process.kill();
    }

    /// Writes down that the story ends that process, before it does.
    pub fn kills(&mut self, pid: u32) {
        self.note(&json!({"event": "kill", "victim": pid.to_string()}));
        self.faults += 1;
    }

    /// Writes down what the story makes go wrong, before it does.
    pub fn fault(&mut self, what: &str, how: &str) {
        self.log.fault(what, how);
        self.faults += 1;
    }

    /// Writes down what the story itself does.
    pub fn note(&self, about: &Value) {
        self.log.note(about);
    }

    /// Submits a project that is admitted.
    pub async fn submit(&mut self, server: &Server, script: &str) -> String {
        let id = server.submit(shell_project(script), &shell()).await;
        self.log.answered(&id);
        id
    }

    /// Writes the engine's own record of this world's containers beside the events.
    pub fn watch(&mut self) {
        let path = self.world.path(&format!("engine-{}.jsonl", self.watches.len()));
        let instance = text(self.world.workspaces.join(".instance"));
        let mut events = Command::new("docker");
        let since = jiff::Timestamp::now().as_second().to_string();
        events.args(["events", "--since", &since, "--format", "{{json .}}", "--filter", "type=container"]);
        events.args(["--filter", &format!("label=pipelinex.instance={}", instance.trim())]);
        let child = events.stdin(Stdio::null()).stdout(File::create(&path).unwrap()).stderr(Stdio::null()).spawn();
        self.watches.push((child.expect("the engine's own client is installed"), path));
    }

    /// All that was written down: by the program, the client, the proxy, the story, and the engine.
    pub fn events(&self) -> Vec<Event> {
        let mut events = Event::read(&text(self.log.path()));
        let mut seen = BTreeSet::new();
        for (_, path) in &self.watches {
            // A watch that begins anew repeats what happened in its second.
            events.extend(text(path).lines().filter(|line| seen.insert((*line).to_owned())).filter_map(of_engine));
        }
        events.extend(self.ends_untold(&events));
        events.sort_by_key(|event| event.at_ns);
        events
    }

    /// The ends of jobs whose workers died before they wrote them down: by their files.
    fn ends_untold(&self, events: &[Event]) -> Vec<Event> {
        let told: BTreeSet<&str> = events.iter().filter(|event| event.name == "final").map(Event::job).collect();
        let of = |(id, _): (String, Option<String>)| {
            let end: Value = serde_json::from_str(&text(self.world.job(&id).join("final.json"))).ok()?;
            let at: jiff::Timestamp = end["finished_at"].as_str()?.parse().ok()?;
            let event = json!({"event": "final", "job": id, "won": "by its file", "at_ns": at.as_nanosecond() as i64});
            Event::read(&event.to_string()).pop()
        };
        self.jobs()
            .into_iter()
            .filter(|(id, end)| end.is_some() && !told.contains(id.as_str()))
            .filter_map(of)
            .collect()
    }

    /// When the engine says that a container of a job ended (`die`), or was removed (`destroy`).
    pub fn told_of(&self, id: &str, action: &str) -> Option<i64> {
        let events = self.events();
        let told = events.iter().rfind(|event| event.text("action") == action && event.job() == id);
        told.map(|event| event.at_ns)
    }

    /// The jobs that are there, each with the state it ended in.
    pub fn jobs(&self) -> BTreeMap<String, Option<String>> {
        let ids = names(&self.world.workspaces).into_iter().filter(|name| name.parse::<JobId>().is_ok());
        let end = |id: &String| {
            let end: Value = serde_json::from_str(&text(self.world.job(id).join("final.json"))).ok()?;
            end["state"].as_str().map(str::to_owned)
        };
        ids.map(|id| (id.clone(), end(&id))).collect()
    }

    /// What is there and should be gone once every job has ended.
    async fn left_over(&self) -> Vec<String> {
        let found = self.world.resources().await;
        let mut left = [found.containers, found.volumes, found.networks].concat();
        for folder in [".staging", ".trash"] {
            let inside = names(&self.world.workspaces.join(folder));
            left.extend(inside.into_iter().map(|name| format!("{folder}/{name}")));
        }
        for id in self.jobs().keys() {
            left.extend(left_in(&self.world.job(id)).into_iter().map(|name| format!("{id}/{name}")));
        }
        left
    }

    /// Waits until every job has ended. A worker that starts then looks for leftovers at once, and not in a minute.
    pub async fn all_end(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.jobs().values().any(Option::is_none) && Instant::now() < deadline {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until every job has ended and nothing is left over; then, or when patience ends, what there is to judge.
    pub async fn settled(&self) -> Evidence {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (jobs, left_over) = (self.jobs(), self.left_over().await);
            let all_ended = jobs.values().all(Option::is_some) && left_over.is_empty();
            let events = self.events();
            if (all_ended && nothing_runs(&events)) || Instant::now() > deadline {
                return Evidence { events, jobs, left_over };
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Judges what was done, where it is no row of the table.
    pub async fn kept_its_promises(&self) {
        let violations = history::judge(&self.settled().await);
        assert!(violations.is_empty(), "{violations:#?}");
    }

    /// Judges what was done, prints the line of figures, and fails the story if a promise was not kept.
    pub async fn judged(&self, story: &str, expected: &str, note: &str) {
        let evidence = self.settled().await;
        let told = evidence.events.iter().any(|event| event.name == "answered");
        assert!(told, "no client was told of a job: then nothing of what it was told is judged");
        let violations = history::judge(&evidence);
        let state = |end: &Option<String>| end.as_deref() == Some(expected);
        let wrong: Vec<_> = evidence.jobs.iter().filter(|(_, end)| !state(end)).collect();
        figures::row(story, self.faults, evidence.jobs.len(), &violations, wrong.len(), note);
        for (id, end) in &wrong {
            println!("{id} ended {end:?}: {}", text(self.world.job(id).join("final.json")));
        }
        assert!(violations.is_empty(), "{violations:#?}");
        assert!(wrong.is_empty(), "jobs that should have ended {expected}: {wrong:?}");
    }
}

/// What is in the folder of a job that has ended and should not be there.
pub fn left_in(job: &Path) -> Vec<String> {
    let passing = |name: &String| {
        ["trees", "outbox", "inputs", ".reserve"].contains(&name.as_str())
            || [".collecting", ".tmp", ".new"].iter().any(|passing| name.starts_with(passing))
    };
    let folders = ["", "logs", "claims", "attempts", "starts", "ends"];
    let inside = |folder: &str| names(&job.join(folder)).into_iter().filter(passing).collect::<Vec<_>>();
    folders.iter().flat_map(|folder| inside(folder).into_iter().map(move |name| format!("{folder}/{name}"))).collect()
}

/// Whether each container that the engine says it started has ended: its record comes a moment after the fact.
fn nothing_runs(events: &[Event]) -> bool {
    let mut running = BTreeSet::new();
    for event in events {
        match (event.name.as_str(), event.text("action")) {
            ("container", "start") => _ = running.insert(event.text("container")),
            ("container", _) => _ = running.remove(event.text("container")),
            ("engine-stopped", _) => running.clear(),
            _ => {}
        }
    }
    running.is_empty()
}

/// A line of the engine's record in our words.
fn of_engine(line: &str) -> Option<Event> {
    let said: Value = serde_json::from_str(line).ok()?;
    let action = said["Action"].as_str().filter(|action| ["start", "die", "destroy"].contains(action))?;
    let name = said["Actor"]["Attributes"]["name"].as_str()?;
    let about = json!({"at_ns": said["timeNano"], "event": "container", "action": action, "container": name});
    Event::read(&about.to_string()).pop()
}

/// Each step's script printed its first and its last word once: it ran once, to its end.
pub fn ran_once(world: &World, id: &str) {
    for step in ["build", "test"] {
        let log = fs::read_to_string(world.job(id).join(format!("logs/{step}.log"))).unwrap();
        assert_eq!(log.lines().filter(|line| *line == "begun").count(), 1, "{id} {step}: {log}");
        assert_eq!(log.lines().filter(|line| *line == "done").count(), 1, "{id} {step}: {log}");
        assert_eq!(text(world.job(id).join(format!("reports/{step}/note.txt"))), "note\n", "{id} {step}");
    }
}

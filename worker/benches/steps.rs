//! What a step costs beside a plain container: the same hardened containers, with the same mounts and network, made with
//! nothing but the engine's client. Both sides in one run, taking turns; volumes and networks are made inside both timings.

use std::{
    fs,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use bollard::{Docker, models::VolumeCreateRequest, query_parameters as q};
use futures::StreamExt;
use pipelinex_common::{
    id::JobId,
    layout::JobPaths,
    pipeline,
    queue::{self, Doorbell},
    slug::Slug,
    state::JobState,
    store::{Job, Onto, Store, make_runner_dir},
    testing::{
        bench::{Results, Row, measure},
        sample,
    },
};
use pipelinex_worker::{
    StopOrders,
    config::WorkerConfig,
    engine::{Engine, VolumeSpec, convert},
    inputs,
    spec::{self, ContainerSpec, Extras, JobContext, NetworkKind, NetworkPlace, TreeKind},
    tree,
};
use tokio_util::sync::CancellationToken;

struct Bench {
    store: Store,
    docker: Docker,
    bell: Doorbell,
    config: WorkerConfig,
}

const FIRST_BYTE: &str = "steps: from the 201 to the first byte of log";
const CHAIN: &str = "steps: ten no-op steps in a chain";
const AT_ONCE: &str = "steps: fifty independent no-op steps";
const LAID: &str = "steps: 5,000 artifacts laid into the tree of another step";

fn main() -> ExitCode {
    let Some(results) = Results::open() else { return ExitCode::SUCCESS };
    if ![FIRST_BYTE, CHAIN, AT_ONCE, LAID].iter().any(|name| results.wants(name)) {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(results))
}

async fn run(mut results: Results) -> ExitCode {
    let folder = tempfile::Builder::new().prefix("pipelinex-bench-").tempdir_in("/var/tmp").expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let docker = Docker::connect_with_defaults().expect("an engine").negotiate_version().await.expect("an engine");
    let (bell, bells) = queue::in_process();
    let shutdown = CancellationToken::new();
    let config = WorkerConfig { reconcile_every: Duration::from_secs(3600), ..WorkerConfig::default() };
    let working = tokio::spawn(pipelinex_worker::run(
        config.clone(),
        store.clone(),
        bells,
        StopOrders { let_go: shutdown.clone(), ..StopOrders::default() },
    ));
    let bench = Bench { store: store.clone(), docker, bell, config };
    let work = async {
        bench.job(&definition(1, false, "egress")).await; // both sides warm: images, probe of the overlay
        let all: [(&str, f64, usize, &str); 4] = [
            (FIRST_BYTE, 1.15, 15, "the same container, plain"),
            (CHAIN, 1.05, 5, "ten such containers, one after another"),
            (AT_ONCE, 1.0, 3, "fifty such containers, started at once"),
            (LAID, 2.0, 7, "the same files, copied by `cp -a`"),
        ];
        for (name, goal, samples, what) in all {
            if !results.wants(name) {
                continue;
            }
            let (mut ours, mut plain) = (Vec::new(), Vec::new());
            for _ in 0..samples {
                let (a, b) = match name {
                    FIRST_BYTE => (bench.first_byte().await, bench.plain_first_byte().await),
                    CHAIN => (bench.job(&definition(10, true, "none")).await, bench.plain_chain(10).await),
                    LAID => bench.laid(),
                    _ => (bench.job(&definition(50, false, "none")).await, bench.plain_at_once(50).await),
                };
                ours.push(a.as_secs_f64() * 1000.0);
                plain.push(b.as_secs_f64() * 1000.0);
            }
            results.add(Row::compare(name, "ms", ours, what, &plain).goal(goal));
        }
    };
    let clean_up = async {
        shutdown.cancel();
        let _ = working.await;
        let engine = Engine::connect(None).await.expect("an engine");
        let of_ours = format!("{}={}", spec::LABEL_INSTANCE, store.instance().as_str());
        // Until two looks find nothing: after a signal the engine still makes what it was asked for a moment ago.
        let mut empty = 0;
        while empty < 2 {
            let found = engine.find(std::slice::from_ref(&of_ours)).await.expect("what is left");
            empty = if found.is_empty() { empty + 1 } else { 0 };
            let _ = engine.remove(&found).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let code = measure(work, clean_up).await;
    results.say();
    code
}

/// A pipeline of no-op steps: each after the one before it, or all at once.
fn definition(steps: usize, chain: bool, network: &str) -> String {
    let mut text = String::from("stages: [S]\ndefault: {image: scan}\n");
    for n in 0..steps {
        let needs = if chain && n > 0 { format!("[s{}]", n - 1) } else { "[]".to_owned() };
        text.push_str(&format!("s{n}: {{stage: S, needs: {needs}, script: [\"echo\"]}}\n"));
    }
    text.push_str(".pipelinex:\n  jobs:\n");
    for n in 0..steps {
        text.push_str(&format!("    s{n}: {{network: {network}}}\n"));
    }
    text
}

impl Bench {
    fn admit(&self, definition: &str) -> Job {
        let pipeline = pipeline::read("pipeline.yml", definition).expect("a definition");
        let staging = self.store.stage().expect("a staging folder");
        fs::write(staging.paths().definition(), definition).expect("written");
        let id = JobId::generate();
        self.store.admit(staging, &sample::metadata(id, pipeline.stages.iter().map(String::as_str))).expect("admitted");
        self.store.job(id).expect("a job")
    }

    /// A whole job of ours, from its admission to its end.
    async fn job(&self, definition: &str) -> Duration {
        let job = self.admit(definition);
        let start = Instant::now();
        self.bell.ring(job.id()).await.expect("rung");
        let path = job.paths().final_record();
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let took = start.elapsed();
        let end = job.final_record().expect("read").expect("there");
        assert_eq!(end.state, JobState::Succeeded, "{end:#?}");
        self.gone(&job).await;
        took
    }

    /// From the admission of a job to the first byte in the log of its first step.
    async fn first_byte(&self) -> Duration {
        let job = self.admit(&definition(1, false, "egress"));
        let log = job.paths().log(&Slug::of("s0"));
        let start = Instant::now();
        self.bell.ring(job.id()).await.expect("rung");
        while fs::metadata(&log).map_or(0, |meta| meta.len()) == 0 {
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        let took = start.elapsed();
        while !job.paths().final_record().exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.gone(&job).await;
        took
    }

    /// Artifacts of 5,000 files in a hundred folders: how long we take to lay them into a tree, and `cp` to copy them.
    fn laid(&self) -> (Duration, Duration) {
        let paths = JobPaths::at(self.store.layout().root().join("laid"));
        let maker = Slug::of("maker");
        let from = paths.artifacts_of(&maker);
        for number in 0..5000 {
            let folder = from.join(format!("target/classes/{}", number % 100));
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(folder.join(format!("{number}.class")), vec![b'x'; 2000]).expect("written");
        }
        let (ours, plain) = (paths.root().join("ours"), paths.root().join("plain"));
        for folder in [&ours, &plain] {
            fs::create_dir(folder).expect("a folder");
        }
        let onto = Onto { folder: &ours, is_upper: true };
        let start = Instant::now();
        inputs::lay(&self.store, &paths, &[maker], onto, &self.config.limits).expect("laid");
        let took = start.elapsed();
        let start = Instant::now();
        let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(&plain).status().expect("cp");
        let plain_took = start.elapsed();
        assert!(copied.success());
        fs::remove_dir_all(paths.root()).expect("removed");
        (took, plain_took)
    }

    /// Waits until nothing of a job is left, so that its clean-up is not timed with the other side.
    async fn gone(&self, job: &Job) {
        while job.paths().trees().exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What a plain container needs: the folders, outside of the timing; and the spec that ours has.
    fn plain(&self, number: usize, network: &str) -> (ContainerSpec, Vec<VolumeSpec>, JobPaths) {
        let pipeline = pipeline::read("pipeline.yml", &definition(1, false, network)).expect("a definition");
        let step = &pipeline.steps[0];
        let paths = JobPaths::at(self.store.layout().root().join(format!("plain-{number}-{}", JobId::generate())));
        for folder in [
            paths.root().to_owned(),
            paths.source(),
            paths.pipelines(),
            paths.step_scripts(),
            paths.outbox(),
            paths.trees(),
        ] {
            fs::create_dir(folder).expect("a folder");
        }
        make_runner_dir(&paths.outbox_of(&step.slug)).expect("a folder");
        tree::prepare(&paths, &step.slug, TreeKind::Overlay).expect("a tree");
        for (name, text) in pipelinex_worker::script::files(step) {
            fs::write(paths.step_scripts().join(name), text).expect("written");
        }
        let context = JobContext {
            instance: self.store.instance().clone(),
            job: JobId::generate(),
            attempt: 1,
            number: 1,
            on_engine: paths.clone(),
            trees: TreeKind::Overlay,
            volume_folders: false,
            ca: None,
            stack_files: None,
            limits: self.config.limits.clone(),
            open_files: pipelinex_worker::spec::OPEN_FILES,
            versions: Default::default(),
            folder: None,
        };
        let reports = VolumeSpec {
            name: context.reports_volume(),
            options: [("type", "none"), ("o", "bind"), ("device", paths.outbox().to_str().expect("text"))]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
            labels: context.labels(),
        };
        let image = self.config.images["scan"].clone();
        let spec = spec::container(&context, step, &step.slug, image, &Extras::default());
        (spec, vec![reports, tree::overlay_volume(&context, &step.slug)], paths)
    }

    async fn plain_first_byte(&self) -> Duration {
        let (spec, volumes, paths) = self.plain(0, "egress");
        let start = Instant::now();
        let took = self.plain_container(&spec, &volumes, start).await;
        fs::remove_dir_all(paths.root()).expect("removed");
        took
    }

    async fn plain_chain(&self, length: usize) -> Duration {
        let made: Vec<_> = (0..length).map(|n| self.plain(n, "none")).collect();
        let start = Instant::now();
        for (spec, volumes, _) in &made {
            self.plain_container(spec, volumes, start).await;
        }
        let took = start.elapsed();
        made.iter().for_each(|(_, _, paths)| fs::remove_dir_all(paths.root()).expect("removed"));
        took
    }

    async fn plain_at_once(&self, many: usize) -> Duration {
        let made: Vec<_> = (0..many).map(|n| self.plain(n, "none")).collect();
        let start = Instant::now();
        futures::future::join_all(made.iter().map(|(spec, volumes, _)| self.plain_container(spec, volumes, start)))
            .await;
        let took = start.elapsed();
        made.iter().for_each(|(_, _, paths)| fs::remove_dir_all(paths.root()).expect("removed"));
        took
    }

    /// Makes, runs and removes one container with its volumes and network. Returns the time from `start` to its first output.
    async fn plain_container(&self, spec: &ContainerSpec, volumes: &[VolumeSpec], start: Instant) -> Duration {
        let docker = &self.docker;
        for volume in volumes {
            let request = VolumeCreateRequest {
                name: Some(volume.name.clone()),
                driver: Some("local".to_owned()),
                driver_opts: Some(volume.options.clone().into_iter().collect()),
                labels: Some(volume.labels.clone().into_iter().collect()),
                ..Default::default()
            };
            docker.create_volume(request).await.expect("a volume");
        }
        if let Some(NetworkPlace { network, .. }) = &spec.network {
            docker.create_network(convert::network(network, NetworkKind::Out, &spec.labels)).await.expect("a network");
        }
        let options = q::CreateContainerOptionsBuilder::default().name(&spec.name).build();
        docker.create_container(Some(options), convert::container(spec)).await.expect("a container");
        let options = q::AttachContainerOptionsBuilder::default().stream(true).stdout(true).stderr(true).build();
        let mut attached = docker.attach_container(&spec.name, Some(options)).await.expect("attached");
        let options = q::WaitContainerOptionsBuilder::default().condition("not-running").build();
        let mut wait = Box::pin(docker.wait_container(&spec.name, Some(options)));
        docker.start_container(&spec.name, None).await.expect("started");
        attached.output.next().await.expect("output").expect("output");
        let first = start.elapsed();
        while attached.output.next().await.is_some() {}
        wait.next().await;
        let options = q::RemoveContainerOptionsBuilder::default().force(true).build();
        docker.remove_container(&spec.name, Some(options)).await.expect("removed");
        for volume in volumes {
            docker.remove_volume(&volume.name, None::<q::RemoveVolumeOptions>).await.expect("removed");
        }
        if let Some(NetworkPlace { network, .. }) = &spec.network {
            docker.remove_network(network).await.expect("removed");
        }
        first
    }
}

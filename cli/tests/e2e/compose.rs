//! The three services of docker-compose.yml, as somebody runs them who types `docker compose up`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    browser::Browser,
    product::{base, socket},
    projects::{GATED, printed, release, repository, shell, shell_project, shell_stack},
    server::has_ended,
    world::{Said, World, docker, said, story, until},
};

/// The stack of services under test.
struct Stack {
    files: [String; 2],
    variables: Vec<(&'static str, String)>,
    url: String,
}

impl Stack {
    /// Makes the images, and writes down what is different here: names, a port that is free, the stack of the stories.
    async fn new(world: &World) -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_pipelinex"));
        let context = world.path("context");
        fs::create_dir(&context).unwrap();
        fs::copy(&program, context.join("pipelinex")).unwrap();
        let base = base(world, &[&program]).await;
        let redis = redis(world).await;
        let pipelines = shell_stack(world, "egress");
        let file = repository().join("Dockerfile");
        let different = format!(
            "services:\n  backend:\n    build: {{context: {}, dockerfile: {}, labels: ['{}'], \
             args: {{BINARY: pipelinex}}}}\n    \
             environment: {{PIPELINEX_PIPELINES: /pipelines}}\n    volumes: ['{pipelines}:/pipelines:ro']\n",
            context.display(),
            file.display(),
            world.label(),
        );
        let path = world.path("compose.test.yml");
        fs::write(&path, different).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let variables = vec![
            ("COMPOSE_PROJECT_NAME", world.name()),
            ("PIPELINEX_IMAGE", world.name()),
            ("PIPELINEX_PROGRAM", "given".to_owned()),
            ("PIPELINEX_BASE", base),
            ("PIPELINEX_REDIS_IMAGE", redis),
            ("PIPELINEX_DOCKER_SOCKET", socket()),
            ("PIPELINEX_PORT", port.to_string()),
        ];
        let compose = repository().join("docker-compose.yml");
        let files = [compose, path].map(|path| path.to_str().unwrap().to_owned());
        Self { files, variables, url: format!("http://127.0.0.1:{port}") }
    }

    /// `make up`, with what is different here.
    async fn make_up(&self) -> Said {
        let mut command = tokio::process::Command::new("make");
        command.arg("-C").arg(repository()).arg("up").env("COMPOSE_FILE", self.files.join(":"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).kill_on_drop(true);
        let said = said(command.output().await.unwrap());
        assert_eq!(said.code, 0, "make up: {}{}", said.out, said.err);
        said
    }

    async fn compose(&self, args: &[&str]) -> Said {
        let mut command = tokio::process::Command::new("docker");
        command.arg("compose").args(["-f", &self.files[0], "-f", &self.files[1]]).args(args);
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).kill_on_drop(true);
        let said = said(command.output().await.unwrap());
        assert_eq!(said.code, 0, "docker compose {args:?}: {}{}", said.out, said.err);
        said
    }

    async fn status(&self, world: &World, id: &str) -> Option<Value> {
        let answer = world.http.get(format!("{}/api/jobs/{id}/status", self.url)).send().await.ok()?;
        answer.json().await.ok()
    }

    async fn succeeds(&self, world: &World, id: &str) {
        let ended = async || self.status(world, id).await.filter(has_ended);
        let status = until("the job ends", ended).await;
        assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
        assert_eq!(status["execution"]["attempt"], 1, "{status:#}");
    }
}

/// Redis of this machine as an image: none can be pulled where these stories run.
async fn redis(world: &World) -> String {
    let programs = ["/usr/bin/redis-server", "/usr/bin/redis-cli"].map(PathBuf::from);
    base(world, &[&programs[0], &programs[1]]).await
}

async fn submit(world: &World, stack: &Stack, project: Vec<u8>) -> String {
    let zip = world.path("curl.zip");
    fs::write(&zip, project).unwrap();
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-X", "POST", &format!("{}/api/jobs/upload", stack.url)]);
    curl.args(["-F", &format!("project_zip=@{}", zip.display()), "-F", &format!("metadata={}", shell())]);
    let metadata: Value = serde_json::from_str(&said(curl.output().unwrap()).out).unwrap();
    metadata["job_id"].as_str().unwrap_or_else(|| panic!("{metadata}")).to_owned()
}

#[test]
fn the_compose_stack_takes_jobs_from_people_and_programs_and_survives_restarts() {
    story(async |world| {
        let stack = Stack::new(world).await;
        let said = stack.make_up().await;
        assert!(said.err.contains(&format!("the page is on {}", stack.url)), "{said:?}");
        let volume = format!("{}_workspaces", world.name());
        let mountpoint = docker(&["volume", "inspect", "--format", "{{.Mountpoint}}", &volume]).await;
        world.workspaces = PathBuf::from(mountpoint.trim());

        let id = by_form(world, &stack).await;
        printed(world, &id, "begun\n").await;
        stack.compose(&["restart", "redis"]).await;
        stack.compose(&["restart", "backend"]).await;
        release(world, &id);
        stack.succeeds(world, &id).await;
        assert_eq!(world.claims(&id), 1, "the worker did not notice");

        stack.compose(&["restart", "worker"]).await;
        unreachable(world, &stack).await;
        stack.compose(&["down", "--timeout", "30"]).await;
        let mark = format!("label=com.docker.compose.project={}", world.name());
        let left = async |what: &str| docker(&[what, "ls", "--quiet", "--filter", &mark]).await;
        assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &mark]).await, "");
        assert_eq!(left("network").await, "");
        assert_eq!(left("volume").await.trim(), volume, "the jobs stay");
        stack.compose(&["down", "--volumes"]).await;
    });
}

async fn by_form(world: &World, stack: &Stack) -> String {
    let browser = Browser::start(world, true).await;
    browser.driver.goto(&format!("{}/new", stack.url)).await.unwrap();
    let zip = world.path("form.zip");
    fs::write(&zip, shell_project(GATED)).unwrap();
    browser.find("#project_zip").await.send_keys(zip.to_str().unwrap()).await.unwrap();
    browser.shows("#verdict", "would be admitted").await;
    browser.find("#submit button[type=submit]").await.click().await.unwrap();
    browser.shows(".sentence", "BUILD").await;
    let url = browser.driver.current_url().await.unwrap();
    browser.close().await;
    url.path_segments().unwrap().next_back().unwrap().to_owned()
}

/// A step with a way out reaches neither the API nor Redis: not by name, not by address, not over the host.
async fn unreachable(world: &World, stack: &Stack) {
    let address = async |service: &str| {
        let container = stack.compose(&["ps", "--quiet", service]).await.out;
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
        docker(&["inspect", "--format", format, container.trim()]).await.trim().to_owned()
    };
    let (redis, backend) = (address("redis").await, address("backend").await);
    let port = stack.url.rsplit(':').next().unwrap();
    let script = format!(
        "try() {{ if timeout 3 bash -c \"exec 3<>/dev/tcp/$1/$2\" 2>/dev/null; then echo \"ALLOWED $1 $2\"; else echo \"DENIED $1 $2\"; fi; }}\n\
         for host in redis {redis}; do try $host 6379; done\n\
         for host in backend {backend}; do try $host 8000; done\n\
         gateway=$(awk '$2 == \"00000000\" {{print $3}}' /proc/net/route)\n\
         [ -n \"$gateway\" ]; try $(printf '%d.%d.%d.%d' 0x${{gateway:6:2}} 0x${{gateway:4:2}} 0x${{gateway:2:2}} 0x${{gateway:0:2}}) {port}\n\
         mkdir made; echo x > made/x\n"
    );
    let id = submit(world, stack, shell_project(&script)).await;
    stack.succeeds(world, &id).await;
    let log = crate::world::text(world.job(&id).join("logs/build.log"));
    let tried = redis.split(' ').count() + backend.split(' ').count() + 3;
    assert_eq!((log.matches("DENIED").count(), log.contains("ALLOWED")), (tried, false), "{log}");
}

#[test]
fn the_variant_with_a_socket_proxy_is_well_formed() {
    let file = |name: &str| repository().join(name).display().to_string();
    let mut command = Command::new("docker");
    command.args(["compose", "-f", &file("docker-compose.yml"), "-f", &file("docker-compose.socket-proxy.yml")]);
    let config = said(command.args(["config", "--format", "json"]).output().unwrap());
    let config: Value = serde_json::from_str(&config.out).unwrap_or_else(|_| panic!("{}", config.err));
    let mounts = config["services"]["worker"]["volumes"].to_string();
    assert!(mounts.contains("/workspaces") && !mounts.contains("docker.sock"), "{mounts}");
    assert!(Path::new(&file("docker-compose.yml")).exists());
}

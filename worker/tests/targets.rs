//! Stories about an application that runs beside the checks of it: how it is kept, watched and cleared away.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod support;

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    time::Duration,
};

use futures::StreamExt;
use pipelinex_common::{
    execution::{Execution, StepRecord},
    slug::Slug,
    state::{JobState, Reason, StepState},
    store::Job,
};
use pipelinex_worker::{
    engine::Phase,
    spec::{JobContext, TreeKind},
};
use support::{World, story, text, until};

/// An application: answers each request with a line, tells what it sees of itself, and ends when `/end/CODE` is asked for.
const SERVER: &str = r#"
use strict; use IO::Socket::INET; $| = 1;
my $port = $ENV{SERVER_PORT};
my $server = IO::Socket::INET->new(LocalAddr => '0.0.0.0', LocalPort => $port, Listen => 9, ReuseAddr => 1) or die "no port\n";
print "listening on $port in ", `pwd`;
print `grep -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status`, `id -u`;
print `echo x > ~/demo.mv.db && echo x > /var/tmp/x && echo home written`;
print `touch x 2>&1 && echo writable; awk '\$5 ~ "^/home/" {print "mount", \$5, substr(\$6, 1, 2)}' /proc/self/mountinfo | sort`;
while (my $client = $server->accept) {
  my $asked = <$client>; print "asked for $asked";
  if ($asked =~ m{/end/(\d+)}) { print "the end\n\n"; exit $1 }
  print $client "HTTP/1.0 200 OK\r\n\r\nall is well\n"; close $client;
}
"#;

/// Asks the application for a path, and until it answers at all.
const ASK: &str = r#"ask() { exec 3<>"/dev/tcp/app/8080" && printf 'GET %s HTTP/1.0\r\n\r\n' "$1" >&3 && cat <&3; }; up() { until ask /up 2>/dev/null; do sleep 0.1; done; }"#;

/// A job that makes an application and checks it with these commands; a file `go` in the source is the test's word.
fn definition(command: &str, checks: &str) -> String {
    let wait = r#"go() { until [ -e "$APP_DIR/go" ]; do sleep 0.05; done; }"#;
    let checks = serde_json::to_string(&format!("{ASK}; {wait}; {checks}")).unwrap();
    let command = serde_json::to_string(command).unwrap();
    format!(
        r#"
stages: [PACKAGE, SMOKE-TEST]
default: {{image: scan}}
PACKAGE:
  stage: PACKAGE
  script: [mkdir target, cp server.pl target/]
  artifacts: {{paths: [target/]}}
SMOKE-TEST:
  stage: SMOKE-TEST
  needs: [PACKAGE]
  script: [{checks}]
  variables: {{SERVER_PORT: "1"}}
.pipelinex:
  jobs:
    SMOKE-TEST: {{kind: scan, network: internal, target: {{artifact_of: PACKAGE, command: {command}, health: /up, startup: 9s}}}}
"#
    )
}

const SERVE: &str = "perl target/server.pl";

fn submit(world: &World, command: &str, checks: &str) -> Job {
    world.submit(&definition(command, checks), &[("server.pl", SERVER)])
}

/// The same for a project that wants a database, with an application that asks it something.
fn submit_with_database(world: &World, checks: &str) -> Job {
    let ask = "PGPASSWORD=$SPRING_DATASOURCE_PASSWORD psql -h db -p 5432 -U $SPRING_DATASOURCE_USERNAME -d app_db \
               -Atc 'create table t (n int); insert into t values (1), (2); select count(*), current_user from t'; \
               echo $SPRING_DATASOURCE_URL; sleep 1000";
    let definition = definition(ask, checks).replace("{artifact_of", "{image: postgres, artifact_of");
    world.submit_with(&definition, &[("server.pl", SERVER)], |metadata| metadata.stack.requires_db = true.into())
}

fn smoke(end: &Execution) -> &StepRecord {
    &end.stages["SMOKE-TEST"].steps[0]
}

fn app_log(job: &Job) -> String {
    text(job.paths().reports_of(&Slug::of("SMOKE-TEST")).join("app.log"))
}

fn log(job: &Job) -> String {
    text(job.paths().log(&Slug::of("SMOKE-TEST")))
}

fn say_go(job: &Job) {
    fs::write(job.paths().source().join("go"), "").unwrap();
}

fn name(job: &Job, attempt: u32, service: &str) -> String {
    format!("pipelinex-{}-a{attempt}-t1-smoke-test{service}", job.id())
}

/// Waits until the checks have said so.
async fn ready(job: &Job) {
    let log = job.paths().log(&Slug::of("SMOKE-TEST"));
    let said = async || fs::read_to_string(&log).ok().filter(|text| text.contains("\nready\n"));
    until("the checks are ready", said).await;
}

async fn in_phase(world: &World, name: &str, phase: Phase) {
    until(&format!("{name} is {phase:?}"), async || {
        world.engine.inspect(name).await.unwrap().filter(|status| status.phase == phase)
    })
    .await;
}

#[test]
fn an_application_runs_hardened_beside_its_checks_and_its_log_is_kept() {
    story(async |world| {
        let checks = r#"up; echo "$TARGET_URL $TARGET_HEALTH $TARGET_STARTUP_SECONDS"; ls "$INPUTS_DIR/package/target"; \
            mkdir -p "$REPORTS_DIR/smoke-test"; echo forged | tee "$REPORTS_DIR/smoke-test/app.log" > "$REPORTS_DIR/smoke-test/kept.log""#;
        let job = submit(world, SERVE, &checks.replace("\\\n", ""));
        let end = world.run(&job).await;
        let (app, log) = (app_log(&job), log(&job));
        assert_eq!(end.state, JobState::Succeeded, "{end:#?}\n{log}\n{app}");
        assert!(log.contains("all is well\nhttp://app:8080 /up 9\nserver.pl\n"), "{log}");
        assert!(app.contains("listening on 8080 in /home/runner/app\n"), "ours stands above the definition's: {app}");
        for kept in ["CapEff:\t0000000000000000\nCapBnd:\t0000000000000000", "NoNewPrivs:\t1\nSeccomp:\t2", "\n10001\n"]
        {
            assert!(app.contains(kept), "{kept}: {app}");
        }
        let mounts = "mount /home/runner rw\nmount /home/runner/app ro\nmount /home/runner/pipelines ro\nasked";
        assert!(app.contains("Read-only file system") && !app.contains("writable") && app.contains(mounts), "{app}");
        assert!(smoke(&end).warnings[0].contains("app.log has a name that is ours"), "{end:#?}");
        assert_eq!(text(job.paths().reports_of(&Slug::of("SMOKE-TEST")).join("kept.log")), "forged\n");
    });
}

#[test]
fn an_application_that_ends_first_ends_the_step_and_says_why() {
    story(async |world| {
        world.config.limits.memory_bytes = 64 << 20;
        let eat = "echo eating; head -c 300m /dev/zero | tail > /dev/null";
        for (command, checks, reason, message) in [
            (
                "echo cannot begin; exit 3",
                "sleep 1000",
                Reason::ScriptFailure,
                "ended with code 3 before the checks were over: cannot begin",
            ),
            (
                SERVE,
                "up; ask /end/4; sleep 1000",
                Reason::ScriptFailure,
                "ended with code 4 before the checks were over: the end",
            ),
            // Whatever the checks make of it.
            (
                SERVE,
                "up; ask /end/5 || true; exit 10",
                Reason::ScriptFailure,
                "ended with code 5 before the checks were over: the end",
            ),
            (
                SERVE,
                "up; ask /end/0 || true; sleep 1; exit 0",
                Reason::ScriptFailure,
                "ended with code 0 before the checks were over: the end",
            ),
            (eat, "sleep 1000", Reason::Oom, "needed more memory than it may have and ended with code 137: "),
        ] {
            let job = submit(world, command, checks);
            let end = world.run(&job).await;
            let smoke = smoke(&end);
            assert_eq!((smoke.status, smoke.reason), (StepState::Failed, Some(reason)), "{command}: {end:#?}");
            assert!(smoke.message.starts_with(&format!("the application {message}")), "{}", smoke.message);
            let advised = smoke.message.contains("(--skip smoke-test,dast)");
            assert_eq!(advised, smoke.message.contains("code 0 "), "of what ran to its end: {}", smoke.message);
            assert!(!app_log(&job).is_empty());
        }
    });
}

#[test]
fn checks_go_on_with_their_application_under_a_successor() {
    story(async |world| {
        let job = submit(world, SERVE, "up; echo ready; go; up");
        let working = world.work();
        ready(&job).await;
        working.stop().await;
        let before = world.engine.inspect(&name(&job, 1, ".app")).await.unwrap().unwrap();
        assert_eq!(before.phase, Phase::Running);
        say_go(&job);
        let end = world.run(&job).await;
        assert_eq!((end.state, end.attempt), (JobState::Succeeded, 1), "{end:#?}\n{}", log(&job));
        assert_eq!(app_log(&job).matches("listening").count(), 1, "the same application: {}", app_log(&job));
    });
}

#[test]
fn an_application_that_ended_while_nobody_watched_fails_the_checks_that_went_on_without_it() {
    story(async |world| {
        // A scanner that does not notice, and would report that all is clean.
        let job = submit(world, SERVE, "up; echo ready; go; ask /end/7 || true; sleep 1; exit 0");
        let working = world.work();
        ready(&job).await;
        working.stop().await;
        say_go(&job);
        in_phase(world, &name(&job, 1, ""), Phase::Ended).await;
        let end = world.run(&job).await;
        let smoke = smoke(&end);
        assert_eq!((smoke.status, smoke.reason, end.attempt), (StepState::Failed, Some(Reason::ScriptFailure), 1));
        assert!(smoke.message.starts_with("the application ended with code 7"), "{}", smoke.message);
    });
}

#[test]
fn an_application_that_a_former_worker_ended_after_the_checks_is_no_failure() {
    story(async |world| {
        let job = submit(world, SERVE, "up; echo ready; go");
        let working = world.work();
        ready(&job).await;
        working.stop().await;
        say_go(&job);
        in_phase(world, &name(&job, 1, ""), Phase::Ended).await;
        // As far as a worker gets that dies right after it.
        world.engine.stop(&name(&job, 1, ".app"), Duration::from_secs(5)).await.unwrap();
        let end = world.run(&job).await;
        assert_eq!((end.state, end.attempt), (JobState::Succeeded, 1), "{end:#?}\n{}", log(&job));
        assert!(app_log(&job).contains("listening"));
    });
}

#[test]
fn an_application_that_is_removed_is_a_lost_step_with_fresh_containers() {
    story(async |world| {
        let job = submit(world, SERVE, "up; echo ready; go");
        let working = world.work();
        let app = name(&job, 1, ".app");
        ready(&job).await;
        world.engine.remove_container(&app).await.unwrap();
        in_phase(world, &name(&job, 2, ".app"), Phase::Running).await;
        assert!(world.engine.inspect(&name(&job, 1, "")).await.unwrap().is_none(), "no checks without an application");
        say_go(&job);
        let end = world.end_of(&job).await;
        working.stop().await;
        assert_eq!((end.state, end.attempt), (JobState::Succeeded, 2), "{end:#?}");
    });
}

/// What the first attempt of a job is run with.
fn context(world: &World, job: &Job) -> JobContext {
    JobContext {
        instance: world.store.instance().clone(),
        job: job.id(),
        attempt: 1,
        number: 1,
        on_engine: job.paths().clone(),
        trees: TreeKind::Overlay,
        volume_folders: false,
        ca: None,
        stack_files: None,
        limits: world.config.limits.clone(),
        open_files: pipelinex_worker::spec::OPEN_FILES,
        versions: Default::default(),
        folder: None,
    }
}

#[test]
fn what_a_worker_left_that_died_before_the_checks_began_is_made_anew() {
    story(async |world| {
        let job = submit(world, SERVE, "up");
        // The former worker's application, which has ended meanwhile: nobody saw it from its beginning.
        let definition = "stages: [S]\nS: {stage: S, image: scan, script: [\"true\"]}\n";
        let read = pipelinex_common::pipeline::read("p.yml", definition).unwrap();
        let context = context(world, &job);
        let image = world.config.images["scan"].clone();
        let slug = Slug::of("SMOKE-TEST");
        let mut left = pipelinex_worker::spec::container(&context, &read.steps[0], &slug, image, &Default::default());
        (left.name, left.mounts) = (name(&job, 1, ".app"), Vec::new());
        left.labels.insert("pipelinex.step".into(), "smoke-test".into());
        left.labels.insert("pipelinex.service".into(), "app".into());
        world.engine.create(&left).await.unwrap();
        world.engine.start(&left.name).await.unwrap();
        let end = world.run(&job).await;
        assert_eq!((end.state, end.attempt), (JobState::Succeeded, 1), "{end:#?}\n{}", log(&job));
    });
}

#[test]
fn nothing_on_the_internal_network_reaches_this_host() {
    story(async |world| {
        // On every address of the host, as a careless service of the operator's would be.
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let outward = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.connect("192.0.2.1:9").map(|()| socket));
        let mine =
            outward.and_then(|socket| socket.local_addr()).map_or("127.0.0.1".to_owned(), |at| at.ip().to_string());
        let checks = format!(
            r#"up
line=$(awk '$8 != "00000000" && $8 != "Mask" {{print $2; exit}}' /proc/net/route)
gateway=$(printf '%d.%d.%d.%d' 0x${{line:6:2}} 0x${{line:4:2}} 0x${{line:2:2}} $((0x${{line:0:2}} + 1)))
for host in "$gateway" {mine} 127.0.0.1 example.com; do
  if timeout 5 bash -c "exec 3<>/dev/tcp/$host/{port}" 2>/dev/null; then echo "ALLOWED $host"; else echo "DENIED $host"; fi
done"#
        );
        let job = submit(world, SERVE, &checks);
        let end = world.run(&job).await;
        let log = log(&job);
        assert_eq!(end.state, JobState::Succeeded, "{end:#?}\n{log}");
        assert_eq!((log.matches("DENIED ").count(), log.matches("ALLOWED ").count()), (4, 0), "{log}");
        drop(listener);
    });
}

#[test]
fn a_project_that_wants_a_database_has_one_before_its_application_starts() {
    story(async |world| {
        let job = submit_with_database(world, "go; timeout 5 bash -c 'exec 3<>/dev/tcp/db/5432'");
        let working = world.work();
        let app = name(&job, 1, ".app");
        in_phase(world, &app, Phase::Running).await;
        let answered = "INSERT 0 2\n2|postgres\njdbc:postgresql://db:5432/app_db\n";
        until("the database has answered", async || {
            let pieces: Vec<_> = world.engine.past_logs(&app, None).collect().await;
            let text: Vec<u8> = pieces.into_iter().flatten().flatten().collect();
            String::from_utf8(text).unwrap().contains(answered).then_some(())
        })
        .await;
        say_go(&job);
        let end = world.end_of(&job).await;
        working.stop().await;
        assert_eq!(end.state, JobState::Succeeded, "{end:#?}\n{}", log(&job));
        assert!(app_log(&job).contains(answered));
        let db = text(job.paths().reports_of(&Slug::of("SMOKE-TEST")).join("db.log"));
        assert!(db.contains("ready to accept connections"), "{db}");
    });
}

#[test]
fn a_project_may_have_several_databases_and_each_answers_its_own_client() {
    story(async |world| {
        let ask = "mariadb -h $MYSQL_HOST -P $MYSQL_PORT -u $MYSQL_USER -p$MYSQL_PASSWORD $MYSQL_DATABASE -Ne \
                   'create table t (n int); insert into t values (1), (2); select count(*), user() like \"app@%\" from t'; \
                   exec 3<>/dev/tcp/$REDIS_HOST/$REDIS_PORT; echo PING >&3; head -n 1 <&3; echo $DATABASE_URL $REDIS_URL; sleep 1000";
        let definition = definition(ask, "go").replace("{artifact_of", "{image: mariadb, artifact_of");
        let job = world.submit_with(&definition, &[("server.pl", SERVER)], |metadata| {
            metadata.stack.requires_db = "mariadb,redis".parse().unwrap();
        });
        let working = world.work();
        let app = name(&job, 1, ".app");
        let answered = "2\t1\n+PONG\r\nmysql://app:app@mariadb:3306/app_db redis://redis:6379/0\n";
        until("both databases have answered", async || {
            let pieces: Vec<_> = world.engine.past_logs(&app, None).collect().await;
            let text: Vec<u8> = pieces.into_iter().flatten().flatten().collect();
            String::from_utf8(text).unwrap().contains(answered).then_some(())
        })
        .await;
        // One that the project needs ends: whose it was is told.
        world.engine.stop(&name(&job, 1, ".redis"), Duration::from_secs(5)).await.unwrap();
        let end = world.end_of(&job).await;
        working.stop().await;
        assert_eq!(smoke(&end).reason, Some(Reason::ToolError), "{end:#?}");
        assert!(smoke(&end).message.starts_with("the database redis ended with code 0"), "{}", smoke(&end).message);
        let reports = job.paths().reports_of(&Slug::of("SMOKE-TEST"));
        assert!(text(reports.join("mariadb.log")).contains("ready for connections"));
        assert!(text(reports.join("redis.log")).contains("Ready to accept connections"));
    });
}

#[test]
fn a_database_that_ends_or_never_was_is_our_fault() {
    story(async |world| {
        let job = submit_with_database(world, "echo ready; sleep 1000");
        let working = world.work();
        ready(&job).await;
        world.engine.stop(&name(&job, 1, ".db"), Duration::from_secs(5)).await.unwrap();
        let end = world.end_of(&job).await;
        working.stop().await;
        assert_eq!(smoke(&end).reason, Some(Reason::ToolError), "{end:#?}");
        assert!(smoke(&end).message.starts_with("the database ended with code "), "{}", smoke(&end).message);

        // An image that is none of a database, and one that is not there.
        for (image, reason) in
            [("pipelinex/scan:1", Reason::ToolError), ("pipelinex/postgres:0", Reason::ImageUnavailable)]
        {
            world.config.images.insert("postgres".into(), image.into());
            let job = submit_with_database(world, "sleep 1000");
            let end = world.run(&job).await;
            assert_eq!(smoke(&end).reason, Some(reason), "{end:#?}");
            assert!(!job.paths().log(&Slug::of("SMOKE-TEST")).exists(), "the checks were not begun");
        }
    });
}

#[test]
fn what_an_application_holds_open_without_a_name_counts_as_its_steps() {
    story(async |world| {
        world.config.limits.disk_bytes = 64 << 20;
        // In its home, which is a folder of the step's on disk; removed before a byte is in it. A walk over the folders finds nothing.
        let hold = "perl target/server.pl & exec 3> ~/large; rm ~/large; head -c 100m /dev/zero >&3; wait";
        let job = submit(world, hold, "up; sleep 1000");
        let end = world.run(&job).await;
        let step = smoke(&end);
        assert_eq!((step.status, step.reason), (StepState::Failed, Some(Reason::DiskLimit)), "{step:#?}");
        assert!(step.message.contains("64 MiB") && step.message.contains("--step-disk"), "{step:?}");
    });
}

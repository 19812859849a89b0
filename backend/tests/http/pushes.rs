//! Pushes that a host of repositories tells of, times of schedules, and the jobs that come of them.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use pipelinex_backend::{access::Auth, config::Config, events::schedule};
use pipelinex_common::{
    disk, queue,
    secrets::SecretKey,
    store::{JobWish, Missed, NewSchedule, NewTrigger, PushHost, Store, TriggerRecord},
};
use serde_json::{Value, json};

use crate::{
    contract::Contract,
    hooks::until,
    once::cloner,
    support::{Answer, TestServer},
};

const SECRET: &str = "a secret of the host";

/// A server that clones by a script, and a trigger.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn key(&self) -> SecretKey {
        let (path, beside) = (self.folder.path().join("key"), self.folder.path().join("elsewhere"));
        SecretKey::create(&path, &beside).or_else(|_| SecretKey::open(&path, &beside)).unwrap()
    }

    fn set_up(&self, config: &mut Config) {
        config.git.secrets_key = Some(self.key());
        config.git.program = cloner(self.folder.path());
        config.hooks.first_pause = Duration::from_millis(20);
    }

    fn trigger(&self, store: &Store, host: PushHost) -> TriggerRecord {
        let refs = vec!["main".to_owned(), "release/*".to_owned()];
        let (project, url) = ("shop", "https://github.com/team/app");
        let new = NewTrigger { project, host, url, refs, token: None, secret: SECRET, by: "ada" };
        store.add_trigger(&self.key(), new).unwrap()
    }
}

fn push(branch: &str, after: &str) -> Value {
    let foreign = json!({"clone_url": "https://evil.example/x"});
    json!({"ref": format!("refs/heads/{branch}"), "before": "1".repeat(40), "after": after.repeat(40), "repository": foreign})
}

fn signature(secret: &str, body: &str) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    hex::encode(aws_lc_rs::hmac::sign(&key, body.as_bytes()))
}

async fn tell(server: &TestServer, trigger: &TriggerRecord, secret: &str, body: &Value) -> Answer {
    let body = body.to_string();
    tell_signed(server, trigger, (secret, &signature(secret, &body)), body).await
}

async fn tell_signed(
    server: &TestServer,
    trigger: &TriggerRecord,
    (secret, signed): (&str, &str),
    body: String,
) -> Answer {
    let request = server.client.post(server.url(&format!("/api/hooks/{}", trigger.id)));
    let request = match trigger.host {
        PushHost::Github => {
            request.header("X-GitHub-Event", "push").header("X-Hub-Signature-256", format!("sha256={signed}"))
        }
        PushHost::Gitlab => request.header("X-Gitlab-Event", "Push Hook").header("X-Gitlab-Token", secret),
        PushHost::Gitea => request.header("X-Forgejo-Event", "push").header("X-Forgejo-Signature", signed),
    };
    server.send(request.header("content-type", "application/json").body(body)).await
}

#[tokio::test]
async fn a_push_of_each_host_starts_one_job_of_the_project_and_only_with_the_secret() {
    let world = World::new();
    let accounts = |config: &mut Config| {
        world.set_up(config);
        config.auth = Auth::Token;
    };
    let server = TestServer::start_with(accounts).await;
    let mut contract = Contract::of(&server).await;
    for (made, host) in PushHost::ALL.into_iter().enumerate() {
        let trigger = world.trigger(&server.store, host);
        let wrong = tell(&server, &trigger, "another secret of it", &push("main", "a")).await;
        wrong.assert_problem(401, "unauthorized");
        if host != PushHost::Gitlab {
            let signed = signature(SECRET, &push("main", "a").to_string());
            let other = tell_signed(&server, &trigger, (SECRET, &signed), push("main", "b").to_string()).await;
            other.assert_problem(401, "unauthorized");
        }
        let heard = tell(&server, &trigger, SECRET, &push("main", "a")).await;
        assert_eq!((heard.status, &heard.json()["accepted"]), (202, &json!(true)), "{}", heard.text());
        contract.compare("post", "/api/hooks/{id}", &heard);
        let last = || server.store.last_job_wish(&trigger.id).unwrap();
        until(|| last().is_some_and(|wish| wish.made)).await;
        let again = tell(&server, &trigger, SECRET, &push("main", "a")).await;
        assert_eq!((again.status, &again.json()["accepted"]), (202, &json!(false)), "{}", again.text());
        let metadata = server.store.job(last().unwrap().job.unwrap()).unwrap().metadata().unwrap();
        let git = metadata.source.git.unwrap();
        assert_eq!((metadata.project.as_str(), git.git_ref.as_deref()), ("shop", Some("main")));
        assert_eq!(metadata.owner.as_str(), format!("hook:{}", trigger.id), "who started it has a name");
        assert_eq!(git.url, "https://github.com/team/app", "the trigger's, whatever the push says");
        assert_eq!(server.store.ids().unwrap().len(), made + 1);
        let audit = server.store.audit_tail(100).unwrap();
        let submitted =
            audit.iter().any(|line| line.action == "submit" && line.who.as_deref() == Some(metadata.owner.as_str()));
        assert!(submitted, "{audit:?}");

        let deleted =
            json!({"ref": "refs/heads/main", "before": "1".repeat(40), "after": "0".repeat(40), "deleted": true});
        let tag = json!({"ref": "refs/tags/v1", "before": "0".repeat(40), "after": "b".repeat(40)});
        for (body, why) in [(push("wip", "b"), "none of those"), (deleted, "deleted"), (tag, "only pushes of branches")]
        {
            let heard = tell(&server, &trigger, SECRET, &body).await.json();
            assert_eq!(heard["accepted"], json!(false), "{heard}");
            assert!(heard["detail"].as_str().unwrap().contains(why), "{heard}");
        }
    }
    let nowhere = server.send(server.client.post(server.url("/api/hooks/0123456789ab")).body("{}")).await;
    nowhere.assert_problem(404, "not-found");
    server.stop().await;
}

#[tokio::test]
async fn what_was_answered_202_becomes_one_job_though_the_server_dies_and_the_host_is_away() {
    let world = World::new();
    let server = TestServer::start_with(|config| world.set_up(config)).await;
    let broken = world.folder.path().join("broken");
    std::fs::write(&broken, "").unwrap();
    let (trigger, store) = (world.trigger(&server.store, PushHost::Github), server.store.clone());
    let heard = tell(&server, &trigger, SECRET, &push("release/1", "c")).await;
    assert_eq!(heard.json()["accepted"], json!(true), "{}", heard.text());
    let folder = server.stop_and_keep().await;
    assert_eq!(store.ids().unwrap().len(), 0);

    std::fs::remove_file(&broken).unwrap();
    let next = TestServer::start_over(Arc::clone(&folder), queue::in_process().0, |config| world.set_up(config)).await;
    let last = || store.last_job_wish(&trigger.id).unwrap();
    until(|| last().is_some_and(|wish| wish.made)).await;
    assert_eq!(store.ids().unwrap(), [last().unwrap().job.unwrap()]);
    let again = tell(&next, &trigger, SECRET, &push("release/1", "c")).await;
    assert_eq!(again.json()["accepted"], json!(false));
    let folder = next.stop_and_keep().await;

    // Who died after the job was made, and before that was written down, left the wish.
    let settled: Vec<_> = files(&store.layout().settled_wishes());
    let [path] = &settled[..] else { panic!("{settled:?}") };
    let wish: JobWish = disk::read_json(path).unwrap().unwrap();
    let left = store.layout().job_wishes().join(path.file_name().unwrap());
    disk::write_json(&left, &JobWish { made: false, next_at: Timestamp::now(), ..wish }).unwrap();
    std::fs::remove_file(path).unwrap();
    let last_one = TestServer::start_over(folder, queue::in_process().0, |config| world.set_up(config)).await;
    until(|| path.exists() && !left.exists()).await;
    assert_eq!(store.ids().unwrap(), [last().unwrap().job.unwrap()], "the job that there is");
    last_one.stop().await;
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn what_was_removed_starts_nothing_more_and_what_is_refused_says_why() {
    let world = World::new();
    let server = TestServer::start_with(|config| world.set_up(config)).await;
    let trigger = world.trigger(&server.store, PushHost::Gitlab);
    let (removed, store) = (world.trigger(&server.store, PushHost::Gitlab), server.store.clone());
    let folder = server.stop_and_keep().await;
    let new = |url| NewSchedule { url, ..far_away() };
    let refused = store.add_schedule(new("https://elsewhere.example/app")).unwrap();
    schedule::run_now(&store, &refused).unwrap();
    let gone = store.add_schedule(new("https://github.com/team/app")).unwrap();
    schedule::run_now(&store, &gone).unwrap();
    assert!(store.remove_schedule(&gone.id).unwrap() && !store.remove_schedule(&gone.id).unwrap());
    assert!(store.remove_trigger(&removed.id).unwrap());

    let next = TestServer::start_over(folder, queue::in_process().0, |config| world.set_up(config)).await;
    tell(&next, &removed, SECRET, &push("main", "a")).await.assert_problem(404, "not-found");
    assert_eq!(tell(&next, &trigger, SECRET, &push("main", "a")).await.status, 202);
    until(|| files(&store.layout().job_wishes()).is_empty()).await;
    let why = store.last_job_wish(&refused.id).unwrap().unwrap();
    assert!(!why.made && why.error.unwrap().contains("elsewhere.example"));
    let job = store.last_job_wish(&trigger.id).unwrap().unwrap().job;
    assert_eq!(store.ids().unwrap(), [job.unwrap()]);
    next.stop().await;
}

/// A schedule whose next time is months away, on most days.
fn far_away() -> NewSchedule<'static> {
    NewSchedule {
        project: "shop",
        cron: "0 0 1 1 *",
        zone: "Europe/Berlin",
        jitter_seconds: 0,
        missed: Missed::Once,
        url: "https://github.com/team/app",
        git_ref: None,
        token: None,
        by: "ada",
    }
}

#[tokio::test]
async fn a_time_of_a_schedule_is_one_job_of_its_project_for_several_servers_and_over_a_death() {
    let world = World::new();
    let one = TestServer::start_with(|config| world.set_up(config)).await;
    let two = TestServer::start_over(one.folder.clone(), queue::in_process().0, |config| world.set_up(config)).await;
    let store = one.store.clone();
    let schedule = store.add_schedule(far_away()).unwrap();
    let years_ago = Timestamp::now() - SignedDuration::from_hours(3 * 365 * 24);
    store.set_fired_until(&schedule, years_ago).unwrap();
    let last = || store.last_job_wish(&schedule.id).unwrap();
    until(|| last().is_some_and(|wish| wish.made)).await;
    let first = last().unwrap().job.unwrap();
    assert_eq!(store.job(first).unwrap().metadata().unwrap().project, "shop");
    assert!(store.fired_until(&schedule).unwrap() > years_ago);
    one.stop().await;
    let folder = two.stop_and_keep().await;

    // Who died between the decision and its note leaves the note of before.
    store.set_fired_until(&schedule, years_ago).unwrap();
    let next = TestServer::start_over(folder, queue::in_process().0, |config| world.set_up(config)).await;
    until(|| store.fired_until(&schedule).unwrap() > years_ago).await;
    schedule::run_now(&store, &schedule).unwrap();
    until(|| last().is_some_and(|wish| wish.made && wish.job != Some(first))).await;
    let second = last().unwrap().job.unwrap();
    assert_eq!(store.ids().unwrap(), [second, first], "one for the time, one by hand");
    next.stop().await;
}

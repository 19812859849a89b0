//! The list of jobs.

use pipelinex_common::{
    state::{JobState, Reason, StepState},
    testing::{Opened, crowd},
};
use serde_json::{Value, json};

use crate::{
    answers::Worker,
    support::{TestServer, project, request},
};

fn ids(page: &Value) -> Vec<&str> {
    page["jobs"].as_array().unwrap().iter().map(|job| job["job_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_is_anothers_is_not_there_for_whoever_asks() {
    let server = TestServer::start().await;
    let (own, others) = (server.job().await, server.job().await);
    let path = others.paths().metadata();
    let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(record["owner"], "anonymous");
    record["owner"] = "ada".into();
    std::fs::write(&path, record.to_string()).unwrap();
    assert_eq!(ids(&server.get("/api/jobs").await.json()), [own.id().to_string()]);
    let (own, id) = (own.id().to_string(), others.id().to_string());
    let home = server.get("/").await.text();
    assert!(home.contains(&own) && !home.contains(&id), "{home}");
    let job = format!("/api/jobs/{id}");
    for below in ["", "/status", "/reports", "/findings", "/artifacts", "/artifacts/build/x", "/build/logs"] {
        server.get(&format!("{job}{below}")).await.assert_problem(404, "not-found");
    }
    for path in [format!("{job}/cancel"), format!("/api/job/cancel/{id}"), format!("{job}/retry")] {
        server.send(server.client.post(server.url(&path))).await.assert_problem(404, "not-found");
    }
    assert_eq!(server.get(&format!("/jobs/{id}")).await.status, 404);
    for path in [format!("/jobs/{id}/again"), format!("/jobs/{id}/cancel")] {
        assert_eq!(server.send(server.client.post(server.url(&path))).await.status, 404, "{path}");
    }
    assert!(others.cancel_wish().is_none());
    server.stop().await;
}

#[tokio::test]
async fn pages_newest_first_with_filters_and_a_broken_job_breaks_nothing() {
    let server = TestServer::start().await;
    let mut jobs = Vec::new();
    for number in 0..5 {
        let mut metadata = request();
        metadata["project"] = json!(if number == 2 { "other" } else { "shop" });
        metadata["branch"] = json!(if number == 4 { "trunk" } else { "main" });
        let page = server.upload(&project(), &metadata).await.json();
        assert_eq!(page["run_number"], if number == 2 { 1 } else { number + i32::from(number < 2) });
        jobs.insert(0, page["job_id"].as_str().unwrap().to_owned());
    }
    let failed = server.store.job(jobs[1].parse().unwrap()).unwrap();
    let mut worker = Worker::take(&failed);
    worker.stage("BUILD", StepState::Failed, Some(Reason::ScriptFailure), "mvn ended with 1");
    worker.finish(JobState::Failed, Some(Reason::ScriptFailure), None);
    std::fs::write(server.store.job(jobs[3].parse().unwrap()).unwrap().paths().metadata(), "{").unwrap();

    let all = server.get("/api/jobs").await.json();
    assert_eq!(ids(&all), jobs);
    assert_eq!(all["next"], Value::Null);
    assert_eq!(all["jobs"][1]["reason"], "script_failure");
    let broken = &all["jobs"][3]["broken"];
    assert!(broken.as_str().unwrap().starts_with("metadata.json of this job cannot be read: EOF"), "{broken}");
    assert_eq!(all["jobs"][4]["link"], format!("/api/jobs/{}", jobs[4]));

    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.get(&format!("/api/jobs?limit=2{cursor}")).await.json();
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, jobs);
    assert_eq!(ids(&server.get("/api/jobs?state=failed").await.json()), [&jobs[1]]);
    assert_eq!(ids(&server.get("/api/jobs?project=other").await.json()), [&jobs[2]]);
    assert_eq!(ids(&server.get("/api/jobs?branch=other").await.json()), [""; 0]);
    assert_eq!(ids(&server.get("/api/jobs?branch=trunk&project=shop").await.json()), [&jobs[0]]);
    assert_eq!(ids(&server.get("/api/jobs?state=RUNNING&project=shop").await.json()), [""; 0]);
    for query in ["state=LOST", "limit=0", "limit=201", "limit=x", "cursor=x", "page=2", "state=failed&state=queued"] {
        server.get(&format!("/api/jobs?{query}")).await.assert_problem(400, "query");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_page_opens_its_own_jobs_and_no_other_however_many_there_are() {
    let server = TestServer::start().await;
    let mut all = crowd::ended(&server.store, 2_000).unwrap();
    all.extend(crowd::waiting(&server.store, 200).unwrap());
    let folders = all.iter().map(|id| server.store.layout().job(*id).root().to_owned());
    let mut opened = Opened::watch(folders).unwrap();
    let newest: Vec<String> = all.iter().rev().take(20).map(ToString::to_string).collect();
    for _ in 0..3 {
        assert_eq!(ids(&server.get("/api/jobs").await.json()), newest);
        assert_eq!(server.get("/").await.status, 200);
    }
    assert_eq!(opened.count(), 20);
    let page = server.get(&format!("/api/jobs?limit=5&cursor={}", all[1_000])).await.json();
    assert_eq!(ids(&page)[0], all[999].to_string());
    assert_eq!(opened.count(), 25);

    // What this process adds is there with the next page, what others do soon after: nobody waits for a long list.
    let own = server.job().await.id();
    assert_eq!(ids(&server.get("/api/jobs?limit=1").await.json()), [own.to_string()]);
    let added = crowd::waiting(&server.store, 1).unwrap()[0];
    std::fs::rename(server.store.layout().job(own).root(), server.store.layout().trash().join("x")).unwrap();
    let expected = [added.to_string(), all[2_199].to_string()];
    for look in 0.. {
        let page = server.get("/api/jobs?limit=2").await.json();
        assert!(!ids(&page).contains(&own.to_string().as_str()), "what is gone is on no page");
        if ids(&page) == expected {
            break;
        }
        assert!(look < 1_000, "{page}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_job_that_is_set_aside_says_why_in_the_list_on_its_page_and_as_its_status() {
    let server = TestServer::start().await;
    let [torn, newer, lost, fine] = [server.job().await, server.job().await, server.job().await, server.job().await];
    std::fs::write(torn.paths().metadata(), "{\"schema\": 2, \"job_").unwrap();
    std::fs::write(newer.paths().state(), "{\"schema\": 99}").unwrap();
    std::fs::create_dir(lost.paths().ends()).unwrap();
    std::fs::write(lost.paths().ends().join("build.json"), "").unwrap();

    let all = server.get("/api/jobs").await.json();
    let of = |job: &pipelinex_common::store::Job| {
        let id = job.id().to_string();
        all["jobs"].as_array().unwrap().iter().find(|row| row["job_id"] == id.as_str()).unwrap().clone()
    };
    assert!(of(&fine).get("broken").is_none());
    let home = server.get("/").await.text();
    for (job, sentence, status) in [
        (&torn, "metadata.json of this job cannot be read", 500),
        (&newer, "state.json of this job was written by a newer pipelinex (schema version 99, known are 1)", 200),
        (&lost, "ends/build.json of this job cannot be read: it is empty", 200),
    ] {
        let broken = of(job)["broken"].as_str().unwrap().to_owned();
        assert!(broken.starts_with(sentence) && broken.contains("all other jobs go on"), "{broken}");
        assert!(home.contains(sentence), "{home}");
        let answer = server.get(&format!("/api/jobs/{}/status", job.id())).await;
        assert_eq!(answer.status, status);
        let said = answer.json();
        assert_eq!(if status == 200 { &said["execution"]["error"] } else { &said["detail"] }, broken.as_str());
        let page = server.get(&format!("/jobs/{}", job.id())).await;
        assert!(page.status == status && page.text().contains(sentence), "{}", page.text());
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_a_job_while_it_is_removed_gets_a_whole_answer_or_none() {
    let server = TestServer::start().await;
    let jobs = crowd::ended(&server.store, 40).unwrap();
    for id in &jobs {
        let folder = server.store.layout().job(*id).reports().join("build");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("report.txt"), "whole").unwrap();
    }
    let store = server.store.clone();
    let (read, next) = std::sync::mpsc::channel();
    let removing = tokio::task::spawn_blocking(move || {
        for id in next {
            assert!(store.remove_ended(&store.job(id).unwrap()).unwrap());
            store.empty_trash().unwrap();
        }
    });
    let (mut whole, mut gone) = (0, 0);
    for id in &jobs {
        let mut first = true;
        loop {
            let status = server.get(&format!("/api/jobs/{id}/status")).await;
            let reports = server.get(&format!("/api/jobs/{id}/reports")).await;
            for (answer, sign) in [(&status, &b"SUCCEEDED"[..]), (&reports, &b"build/report.txt"[..])] {
                match answer.status {
                    200 => {
                        assert!(answer.body.windows(sign.len()).any(|part| part == sign), "only a part of it");
                        whole += 1;
                    }
                    404 => gone += 1,
                    other => panic!("{other}: {}", answer.text()),
                }
            }
            let page = server.get("/api/jobs?limit=200").await;
            assert!(page.status == 200 && !page.text().contains("broken") && !page.text().contains("QUEUED"));
            if reports.status == 404 {
                break;
            }
            // It was read whole once, and goes while it is read again and again.
            if std::mem::take(&mut first) {
                read.send(*id).unwrap();
            }
        }
    }
    drop(read);
    removing.await.unwrap();
    assert!(whole >= 2 * jobs.len() && gone >= jobs.len(), "{whole} {gone}");
    server.stop().await;
}

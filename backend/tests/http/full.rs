//! A disk that is full, or nearly: 507, nothing left behind, and no restart to come back.

use std::sync::Arc;

use pipelinex_backend::config::Config;
use pipelinex_common::{
    free_space::Watermark,
    queue,
    state::{JobState, Reason},
    testing::SmallDisk,
};
use serde_json::json;

use crate::{
    answers::Worker,
    support::{Answer, TestServer, file, form, project, project_of, request, text},
};

const MIB: u64 = 1024 * 1024;
const PAGE: u64 = 4096;

async fn server_on(disk: &SmallDisk, change: impl FnOnce(&mut Config)) -> TestServer {
    let folder = tempfile::tempdir_in(disk.path()).unwrap();
    TestServer::start_over(Arc::new(folder), queue::in_process().0, change).await
}

fn assert_later(answer: &Answer, code: &str) {
    answer.assert_problem(507, code);
    assert_eq!(answer.header("retry-after"), "60");
}

#[tokio::test]
async fn below_the_watermark_nothing_is_taken_in_and_all_else_goes_on() {
    let disk = SmallDisk::in_memory();
    let server = server_on(&disk, |config| config.min_free = Watermark { bytes: 8 * MIB, files: 10 }).await;
    let job = server.job().await;
    Worker::take(&job).finish(JobState::Failed, Some(Reason::ScriptFailure), None);
    disk.leave(4 * MIB);

    let upload = server.upload(&project(), &request()).await;
    assert_later(&upload, "storage-low");
    assert!(upload.text().contains("MiB are free on the disk of the workspaces, below 8 MiB"), "{}", upload.text());
    let wish = json!({"github_url": "https://github.com/team/app", "stack": request()["stack"]});
    assert_later(&server.send(server.client.post(server.url("/api/jobs/github")).json(&wish)).await, "storage-low");
    let retry = server.client.post(server.url(&format!("/api/jobs/{}/retry", job.id())));
    assert_later(&server.send(retry).await, "storage-low");
    let ready = server.get("/readyz").await;
    assert_eq!((ready.status, &ready.json()["workspaces"]["status"]), (503, &json!("DOWN")));
    assert!(ready.text().contains("below 8 MiB"), "{}", ready.text());
    assert_eq!(server.get(&format!("/api/jobs/{}/status", job.id())).await.status, 200);
    assert_eq!(server.store.ids().unwrap(), [job.id()]);
    server.assert_nothing_staged().await;

    disk.make_room();
    assert_eq!(server.get("/readyz").await.status, 200);
    assert_eq!(server.upload(&project(), &request()).await.status, 201);
    server.stop().await;
}

#[tokio::test]
async fn files_that_do_not_fit_count_like_bytes() {
    let disk = SmallDisk::in_memory();
    let server = server_on(&disk, |config| config.min_free = Watermark { bytes: 1, files: u64::MAX }).await;
    let upload = server.upload(&project(), &request()).await;
    assert_later(&upload, "storage-low");
    assert!(upload.text().contains("more files fit"), "{}", upload.text());
    server.assert_untouched().await;
    server.stop().await;
}

#[tokio::test]
async fn wherever_an_upload_meets_the_end_of_the_disk_nothing_of_it_is_left() {
    // On the one every other page is tried, on the other what its tables add is enough.
    let disks = [(Some(SmallDisk::in_memory()), 2), (SmallDisk::ext4(), 11)];
    for (disk, step) in disks.into_iter().filter_map(|(disk, step)| Some((disk?, step))) {
        let server = server_on(&disk, |_| ()).await;
        let large = project_of(96 * 1024);
        let body = form(&[file(&large), text("metadata", &request().to_string())]);
        let (mut full, mut made) = (0, 0);
        // From no page at all to more than it needs: the end comes at each write of the way once.
        for pages in (0..110).step_by(step) {
            disk.leave(pages * PAGE);
            let answer = server.post_form("/api/jobs/upload", body.clone()).await;
            server.assert_nothing_staged().await;
            match answer.status {
                201 => made += 1,
                _ => {
                    assert_later(&answer, "storage-full");
                    full += 1;
                }
            }
            assert_eq!(server.store.ids().unwrap().len(), made, "{}", answer.text());
        }
        assert!(full > 2 && made > 2, "{full} times full, {made} times not");
        for id in server.store.ids().unwrap() {
            server.store.job(id).unwrap().view().unwrap();
        }
        disk.make_room();
        assert_eq!(server.post_form("/api/jobs/upload", body).await.status, 201);
        server.stop().await;
    }
}

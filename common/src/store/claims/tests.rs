use super::*;
use crate::{id::JobId, layout::JobPaths};

#[test]
fn a_free_lock_is_believed_on_a_local_file_system_only() {
    let dir = tempfile::tempdir().unwrap();
    let job = Job::new(JobId::generate(), JobPaths::at(dir.path()));
    fs::create_dir(job.paths().claims()).unwrap();
    let me = WorkerIdentity::of_this_process();
    let local = Lease::Lock { file_system: "ext4" };
    let shared = Lease::Heartbeat { file_system: "nfs".to_owned() };
    let mut claim = job.create_claim(1, &me, &shared).unwrap().unwrap();
    claim.beat().unwrap();
    let dead = |lease: &Lease| job.is_dead(1, &me, &mut HeartbeatWatch::default(), lease).unwrap();
    assert!(!dead(&local), "its lock is held");
    drop(claim);
    assert!(dead(&local));
    assert!(!dead(&shared), "there a lock is free for other reasons as well");
}

#[test]
fn a_beat_for_which_a_full_disk_has_no_space_is_seen_all_the_same() {
    let disk = crate::testing::SmallDisk::in_memory();
    let job = Job::new(JobId::generate(), JobPaths::at(disk.path()));
    fs::create_dir(job.paths().claims()).unwrap();
    let (me, path) = (WorkerIdentity::of_this_process(), job.paths().claim(1));
    let mut claim = job.create_claim(1, &me, &Lease::of(disk.path()).unwrap()).unwrap().unwrap();
    // As where nothing is overwritten in place: the counter needs a block that nobody has.
    claim.counter_at = 1024 * 1024;
    disk.leave(0);
    let text = || disk::read_file(&path, 64 * 1024).unwrap().unwrap();
    let (before, pulse) = (text(), watch::pulse(&path, text()));
    claim.beat().unwrap();
    assert_eq!(text(), before, "there was no space");
    assert_ne!(watch::pulse(&path, text()), pulse);
}

#[test]
fn what_cannot_be_looked_at_is_not_held() {
    let dir = tempfile::tempdir().unwrap();
    let job = Job::new(JobId::generate(), JobPaths::at(dir.path()));
    fs::create_dir(job.paths().claims()).unwrap();
    let lease = Lease::of(dir.path()).unwrap();
    let claim = job.create_claim(1, &WorkerIdentity::of_this_process(), &lease).unwrap().unwrap();
    assert!(claim.holds());
    let aside = dir.path().with_extension("thrown-away");
    fs::rename(dir.path(), &aside).unwrap();
    assert!(!claim.holds(), "the job is gone");
    fs::rename(&aside, dir.path()).unwrap();
    fs::remove_file(job.paths().claim(1)).unwrap();
    fs::remove_dir(job.paths().claims()).unwrap();
    // Something else in its place: a look there is an error, and not the answer that nothing is there.
    fs::write(job.paths().claims(), "").unwrap();
    assert!(!claim.holds());
}

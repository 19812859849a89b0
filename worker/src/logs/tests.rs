use pipelinex_common::{limits::MIB, testing::SmallDisk};

use super::*;

fn limits(stored: u64, raw: u64) -> StepLimits {
    StepLimits { log_stored_bytes: stored, log_raw_bytes: raw, ..Default::default() }
}

fn place() -> (tempfile::TempDir, JobPaths, Slug) {
    let dir = tempfile::tempdir().unwrap();
    let paths = JobPaths::at(dir.path());
    fs::create_dir(paths.logs()).unwrap();
    (dir, paths, Slug::of("build"))
}

#[test]
fn a_log_is_taken_up_where_text_and_index_agree() {
    let (_dir, paths, step) = place();
    let mut first = LogWriter::open(&paths, &step, &limits(1000, 1000)).unwrap();
    first.append(b"one\ntwo\n").unwrap();
    first.append(b"three\nhalf a li").unwrap();
    // The first holder is stopped here; another goes on.
    let mut second = LogWriter::open(&paths, &step, &limits(1000, 1000)).unwrap();
    assert_eq!(second.lines(), 2, "a write that did not end on a line has no row");
    for piece in ["on", "e\ntwo\nthr", "ee\nhalf a line\n"] {
        second.append_following(piece.as_bytes()).unwrap();
    }
    assert!(first.was_taken() && !second.was_taken());
    first.append(b"a holder that wakes up\n").unwrap();
    assert_eq!(fs::read_to_string(paths.log(&step)).unwrap(), "one\ntwo\nthree\nhalf a line\n");
}

#[test]
fn two_that_take_a_log_up_at_once_mix_up_nothing_and_leave_nothing() {
    let (_dir, paths, step) = place();
    let mut first = LogWriter::open(&paths, &step, &limits(1000, 1000)).unwrap();
    first.append(b"one\ntwo\n").unwrap();
    let index = fs::read_to_string(paths.log_index(&step)).unwrap();
    for _ in 0..200 {
        std::thread::scope(|scope| {
            let open = || assert_eq!(LogWriter::open(&paths, &step, &limits(1000, 1000)).unwrap().lines(), 2);
            scope.spawn(open);
            scope.spawn(open);
        });
        assert_eq!(fs::read_to_string(paths.log(&step)).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(paths.log_index(&step)).unwrap(), index);
    }
    assert_eq!(fs::read_dir(paths.logs()).unwrap().count(), 2);
}

#[test]
fn on_a_full_disk_a_log_says_where_something_is_missing_and_goes_on_once_there_is_space() {
    let disks = [Some(SmallDisk::in_memory()), SmallDisk::ext4()];
    for disk in disks.into_iter().flatten() {
        let (paths, step) = (JobPaths::at(disk.path()), Slug::of("build"));
        fs::create_dir(paths.logs()).unwrap();
        let mut log = LogWriter::open(&paths, &step, &limits(MIB, MIB)).unwrap();
        log.append(b"before\n").unwrap();
        disk.leave(0);
        let long = format!("{}\n", "x".repeat(200 * 1024));
        for _ in 0..3 {
            log.append(long.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(paths.log(&step)).unwrap(), format!("before\n{GAP_MARKER}"));
        // Whoever takes over now gets from the engine what the disk had no space for.
        disk.make_room();
        let mut successor = LogWriter::open(&paths, &step, &limits(MIB, MIB)).unwrap();
        assert_eq!(successor.lines(), 1);
        successor.append_following(format!("before\n{long}after\n").as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(paths.log(&step)).unwrap(), format!("before\n{long}after\n"));
    }
}

#[test]
fn a_log_with_a_gap_still_agrees_with_its_index() {
    let disk = SmallDisk::in_memory();
    let (paths, step) = (JobPaths::at(disk.path()), Slug::of("build"));
    fs::create_dir(paths.logs()).unwrap();
    let mut log = LogWriter::open(&paths, &step, &limits(64 * MIB, 64 * MIB)).unwrap();
    let mut printed = String::new();
    for round in 0..30 {
        disk.leave([0, 4096, 8192, 1 << 20][round % 4]);
        for number in 0..200 {
            let line = format!("{round} {number} {}\n", "y".repeat(100));
            log.append(line.as_bytes()).unwrap();
            printed += &line;
        }
    }
    disk.make_room();
    log.append(b"last\n").unwrap();
    log.finish().unwrap();
    let gaps = fs::read_to_string(paths.log(&step)).unwrap().matches(GAP_MARKER).count();
    assert!(gaps > 3, "{gaps}");
    // A successor skips what the index counts and goes on behind it: nothing is there twice, nothing is torn.
    let mut successor = LogWriter::open(&paths, &step, &limits(64 * MIB, 64 * MIB)).unwrap();
    successor.append_following(format!("{printed}last\n").as_bytes()).unwrap();
    let text = fs::read_to_string(paths.log(&step)).unwrap();
    let kept: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('[')).collect();
    let mut whole = printed.lines().chain(["last"]);
    assert!(kept.iter().all(|line| whole.any(|printed| printed == *line)), "in order, each once");
    assert!(text.ends_with("last\n"));
}

#[test]
fn a_long_log_keeps_its_head_and_its_tail_and_a_longer_one_ends_the_step() {
    let (_dir, paths, step) = place();
    let mut log = LogWriter::open(&paths, &step, &limits(10, 300)).unwrap();
    assert_eq!(log.append_following(b"0123456789abc\n").unwrap(), Appended::Taken);
    assert_eq!(log.append_following(b"more\n").unwrap(), Appended::Taken);
    assert_eq!(log.append_following(b"x\n".repeat(3).as_slice()).unwrap(), Appended::TooMuch);
    log.finish().unwrap();
    let text = fs::read_to_string(paths.log(&step)).unwrap();
    assert!(text.starts_with("0123456789\n[pipelinex]"), "{text}");
    let tail = fs::read_to_string(paths.log_tail(&step)).unwrap();
    assert!(tail.starts_with("abc\nmore\n"), "{tail}");
}

#[test]
fn a_successor_counts_what_its_predecessor_took_in() {
    let (_dir, paths, step) = place();
    let limits = limits(1000, 300);
    let mut log = LogWriter::open(&paths, &step, &limits).unwrap();
    assert_eq!(log.append_following(b"\n\n\n").unwrap(), Appended::Taken);
    let mut successor = LogWriter::open(&paths, &step, &limits).unwrap();
    assert_eq!(successor.append_following(b"\n\n\n").unwrap(), Appended::Taken);
    assert_eq!(successor.append_following(b"\n\n").unwrap(), Appended::TooMuch);
    assert_eq!(fs::read_to_string(paths.log(&step)).unwrap(), "\n".repeat(5));
}

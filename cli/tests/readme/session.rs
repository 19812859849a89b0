//! Each section of the page as somebody works through it: a shell in a folder that looks like the checkout, the lines one
//! after another. The network is the session's own, so that the page's own addresses, port 8000 and that of Redis, are free.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use pipelinex_common::id::JobId;

use crate::page::{Line, Section, pipeline_files, root, sections};

/// Lines that a test of their own runs, because they take long or need a machine to themselves.
pub const ELSEWHERE: [(&str, &str); 6] = [
    ("make demo", "dev/demo-cold.sh, a part of make test"),
    ("make images", "dev/test.sh, before anything else"),
    ("cargo build --release --package pipelinex", "dev/demo-cold.sh"),
    ("make up", "cli/tests/e2e/compose.rs"),
    ("make test", "whoever reads this"),
    ("make bench", "by hand: it measures"),
];
/// The longest that one line may take: a job with all its stages, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(300);
const END: &str = "\u{1}the line has ended with ";
const CA_CERTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What has to be there before a section's lines, said in the words around them.
const REDIS: &str = "redis-server --port 6379 --save '' --daemonize yes >redis.log";
const UP: &str = "until curl -fs http://127.0.0.1:8000/health; do sleep 0.1; done";

struct Session {
    folder: tempfile::TempDir,
    shell: Child,
    said: Receiver<String>,
    id: String,
    background: usize,
}

impl Drop for Session {
    fn drop(&mut self) {
        // With the shell ends all that it started: it is the first process of its own.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

impl Session {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("pipelinex-readme-").tempdir_in("/var/tmp").unwrap();
        let checkout = folder.path().join("checkout");
        fs::create_dir_all(checkout.join("target/release")).unwrap();
        symlink(root().join("examples"), checkout.join("examples")).unwrap();
        for program in ["target/release/pipelinex", "../pipelinex"] {
            symlink(env!("CARGO_BIN_EXE_pipelinex"), checkout.join(program)).unwrap();
        }
        fs::write(checkout.join("all.zip"), advisories()).unwrap();
        let (end, said) = channel();
        let (read, write) = std::io::pipe().unwrap();
        let mut command = Command::new("unshare");
        command.args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "--noprofile", "--norc"]);
        command.current_dir(&checkout).env_clear().envs(environment(folder.path()));
        command.stdin(Stdio::piped()).stdout(write.try_clone().unwrap()).stderr(write);
        let shell = command.spawn().expect("unshare of util-linux, as root");
        drop(command);
        thread::spawn(move || {
            for line in BufReader::new(read).lines() {
                let Ok(line) = line else { return };
                let _ = end.send(line);
            }
        });
        let mut session = Self { folder, shell, said, id: String::new(), background: 0 };
        session.type_in("ip link set lo up");
        session
    }

    /// Runs a line and returns what was said until it ended. A background process may say something in between.
    fn type_in(&mut self, command: &str) -> Vec<String> {
        let stdin = self.shell.stdin.as_mut().unwrap();
        writeln!(stdin, "{command}\nprintf '\\n{END}%s\\n' $?").unwrap();
        let mut said = Vec::new();
        loop {
            let line =
                self.said.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("`{command}` does not end: {said:#?}"));
            if let Some(code) = line.strip_prefix(END) {
                assert_eq!(code, "0", "`{command}` ended with {code}:\n{}", said.join("\n"));
                return said;
            }
            said.push(line);
        }
    }

    fn run(&mut self, line: &Line) {
        let command = line.command.replace("JOB_ID", &self.id);
        println!("$ {command}");
        let mut said = self.type_in(&command);
        if line.command.split(" # ").next().unwrap().trim().ends_with('&') {
            self.background += 1;
            let wait = if command.contains("worker") { "sleep 0" } else { UP };
            said.extend(self.type_in(wait));
        }
        println!("{}", said.join("\n"));
        assert!(
            !said.iter().any(|line| line.contains("urn:pipelinex:problem")),
            "curl is content with a refusal; we are not"
        );
        for shown in line.shown.iter().filter(|shown| *shown != "...") {
            let found = said.iter().any(|line| alike(line).contains(&alike(shown)));
            assert!(found, "the page shows `{shown}` below `{command}`, which said:\n{}", said.join("\n"));
        }
        if !command.contains("submit ") && !command.contains("/upload") {
            return;
        }
        let mut words = said.iter().flat_map(|line| line.split(|c: char| !(c.is_ascii_hexdigit() || c == '-')));
        if let Some(id) = words.rfind(|word| word.parse::<JobId>().is_ok()) {
            id.clone_into(&mut self.id);
        }
    }

    fn end(mut self) {
        let running = self.type_in("jobs -r | wc -l");
        assert!(running.contains(&self.background.to_string()), "what was started goes on: {running:?}");
        let instance = fs::read_to_string(self.folder.path().join("workspaces/.instance")).unwrap_or_default();
        for what in ["container", "volume", "network"] {
            let label = format!("label=pipelinex.instance={}", instance.trim());
            let all = if what == "container" { "--all" } else { "--quiet" };
            let mut list = Command::new("docker");
            list.args([what, "ls", "--quiet", all, "--filter", &label]);
            // A job is told to have ended before its worker has cleared up behind it.
            let left = (0..600).map(|_| list.output().unwrap().stdout).find(|left| {
                let none = left.is_empty();
                if !none {
                    thread::sleep(Duration::from_millis(100));
                }
                none
            });
            assert!(left.is_some(), "{what} left behind");
        }
    }
}

fn environment(folder: &Path) -> Vec<(&'static str, String)> {
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut environment = vec![("PATH", path), ("HOME", text(folder.to_owned()))];
    environment.push(("PIPELINEX_WORKSPACES", text(folder.join("workspaces"))));
    environment.extend(std::env::var("DOCKER_HOST").map(|host| ("DOCKER_HOST", host)));
    if Path::new(CA_CERTS).exists() {
        environment.push(("PIPELINEX_CA_CERTS", CA_CERTS.to_owned()));
    }
    environment
}

/// An archive as OSV publishes them.
fn advisories() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("A-1.json", zip::write::SimpleFileOptions::default()).unwrap();
    let package = r#"{"package": {"ecosystem": "Maven", "name": "g:a"}}"#;
    write!(zip, r#"{{"id": "A-1", "modified": "2026-01-02T00:00:00Z", "affected": [{package}]}}"#).unwrap();
    zip.finish().unwrap().into_inner()
}

/// The words of a text without what is different each time: ids, counts and times.
fn alike(text: &str) -> String {
    let same =
        |word: &&str| !word.starts_with(|c: char| c.is_ascii_digit()) && !["s", "min", "ms", "KiB"].contains(word);
    text.split_whitespace().filter(same).collect::<Vec<_>>().join(" ")
}

fn elsewhere(line: &Line) -> bool {
    let command = line.command.split(" # ").next().unwrap().trim();
    ELSEWHERE.iter().any(|(known, _)| *known == command)
}

fn work_through(section: &Section, before: &[&str]) {
    let mut session = Session::start();
    for command in before {
        session.type_in(command);
    }
    for line in section.run.iter().filter(|line| !elsewhere(line)) {
        session.run(line);
    }
    session.end();
}

fn section(title: &str) -> Section {
    let found = sections().into_iter().find(|section| section.title == title);
    found.unwrap_or_else(|| panic!("the page has no section `{title}` with commands"))
}

#[test]
fn trying_it_goes_as_the_page_says() {
    work_through(&section("Try it"), &[]);
}

#[test]
fn a_first_job_and_a_pipeline_of_ones_own_go_as_the_book_says() {
    for title in ["Your first job", "A pipeline of your own"] {
        work_through(&section(title), &[]);
    }
}

#[test]
fn submitting_goes_as_the_book_says() {
    work_through(&section("Submitting"), &[]);
}

#[test]
fn backend_and_worker_apart_go_as_the_page_says() {
    work_through(&section("Operating it"), &[REDIS]);
}

#[test]
fn advisories_without_a_network_go_as_the_page_says() {
    work_through(&section("Advisories"), &[]);
}

#[test]
fn accounts_go_as_the_page_says() {
    work_through(&section("Accounts"), &[]);
}

#[test]
fn secrets_go_as_the_page_says() {
    work_through(&section("Secrets"), &[]);
}

#[test]
fn the_pipeline_files_that_it_shows_are_without_mistakes() {
    let files = pipeline_files();
    assert!(!files.is_empty());
    for file in files {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".pipelinex.yml"), &file).unwrap();
        let program = env!("CARGO_BIN_EXE_pipelinex");
        let checked = Command::new(program).arg("check").arg(folder.path()).output().unwrap();
        assert!(checked.status.success(), "{file}{checked:?}");
    }
}

#[test]
fn every_line_is_run_somewhere() {
    let all = sections();
    let known = [
        "Try it",
        "Your first job",
        "Submitting",
        "A pipeline of your own",
        "Operating it",
        "Accounts",
        "Advisories",
        "Secrets",
    ];
    let mut used = Vec::new();
    for section in &all {
        for line in &section.run {
            assert!(known.contains(&section.title.as_str()) || elsewhere(line), "{line:?} is run by nothing");
            used.extend(elsewhere(line).then(|| line.command.split(" # ").next().unwrap().trim().to_owned()));
        }
    }
    for (line, by) in ELSEWHERE {
        assert!(used.iter().any(|used| used == line), "`{line}` is not on the page any more ({by})");
    }
    let not_run: usize = all.iter().map(|section| section.elsewhere.len()).sum();
    assert!((1..=6).contains(&not_run), "{not_run} lines are run by nothing: keep them few");
}

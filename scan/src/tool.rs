//! Runs a scanner: its output goes to the log line by line, its last lines are kept, and an end by a signal is no exit code.

use std::{
    cell::Cell,
    collections::VecDeque,
    ffi::OsStr,
    fs::File,
    io::{self, BufRead, BufReader, PipeReader, Read, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitStatus, Stdio},
    rc::Rc,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::stage::{Failure, Stage, one_line, say};

/// Last lines that are told when a tool broke.
const TAIL: usize = 5;
/// Longest line that is taken as one, in bytes.
const MAX_LINE: u64 = 16 * 1024;
/// How long a tool has to end once it was told to.
const GRACE: Duration = Duration::from_secs(20);
/// How long output may still come once the tool itself has ended; what it left running holds the pipe open.
const DRAIN: Duration = Duration::from_secs(2);
/// Longest time between two looks at whether the tool has ended.
const LOOK: Duration = Duration::from_millis(20);

/// A program that is about to be run.
pub(crate) struct Tool {
    name: String,
    command: Command,
    deadline: Option<Duration>,
    input: &'static str,
    /// Set by whoever reads its lines, once it has done what it may.
    enough: Rc<Cell<bool>>,
    copy: Option<File>,
}

/// How it ended.
pub(crate) struct Ended {
    name: String,
    status: ExitStatus,
    /// Whether it was told to end: at its deadline, or because it had done enough.
    pub(crate) interrupted: bool,
    tail: VecDeque<String>,
}

impl Tool {
    /// A program of the image, with an environment that nothing of the project's is in, and a HOME that can be written.
    pub(crate) fn new(stage: &Stage, name: &str) -> Self {
        let mut command = Command::new(name);
        command.env_clear();
        command.env("PATH", stage.variable("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin"));
        command.env("HOME", stage.scratch.path()).env("TMPDIR", stage.scratch.path()).env("LANG", "C.UTF-8");
        command.current_dir(stage.scratch.path());
        Self { name: name.to_owned(), command, deadline: None, input: "", enough: Rc::default(), copy: None }
    }

    /// A command of the request's own, as it is, in the environment that the container has.
    pub(crate) fn shell(stage: &Stage, name: &str, text: &str) -> Self {
        let mut command = Command::new("bash");
        command.args(["-c", text]).env_clear().envs(stage.variables()).current_dir(&stage.app);
        Self { name: name.to_owned(), command, deadline: None, input: "", enough: Rc::default(), copy: None }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Interrupts it after that time, with this waiting on its standard input.
    pub(crate) fn interrupt_after(mut self, deadline: Duration, input: &'static str) -> Self {
        (self.deadline, self.input) = (Some(deadline), input);
        self
    }

    /// Interrupts it also once this is set, in the same way.
    pub(crate) fn interrupt_when(mut self, enough: Rc<Cell<bool>>) -> Self {
        self.enough = enough;
        self
    }

    /// Also writes its output there, byte for byte.
    pub(crate) fn copy_to(mut self, file: File) -> Self {
        self.copy = Some(file);
        self
    }

    /// The command itself, for who reads its output as bytes.
    pub(crate) fn into_command(self) -> Command {
        self.command
    }

    /// Runs it to its end. `see` gets each line of its output and says what the log shows of it.
    ///
    /// # Errors
    /// It cannot be started, or does not end.
    pub(crate) fn run(mut self, mut see: impl FnMut(&str) -> Option<String>) -> Result<Ended, Failure> {
        let failed = |name: &str, error: io::Error| Failure::tool(format!("{name} cannot be run: {error}"));
        let (reader, writer) = io::pipe().map_err(|error| failed(&self.name, error))?;
        let second = writer.try_clone().map_err(|error| failed(&self.name, error))?;
        self.command.stdin(Stdio::piped()).stdout(writer).stderr(second);
        let mut child = self.command.spawn().map_err(|error| failed(&self.name, error))?;
        // The command holds the ends of the pipe that are to be the child's alone.
        drop(self.command);
        if let Some(mut stdin) = child.stdin.take() {
            // A tool that reads no input is as good.
            let _ = stdin.write_all(self.input.as_bytes());
        }
        let (lines, received) = mpsc::sync_channel(64);
        let copy = self.copy.take();
        thread::spawn(move || send_lines(reader, copy, &lines));
        let mut tail = VecDeque::new();
        let take = |line: Vec<u8>| {
            let line = one_line(&String::from_utf8_lossy(&line), MAX_LINE as usize);
            if let Some(shown) = see(&line) {
                say(&shown);
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                tail.push_back(shown);
            }
        };
        let (status, interrupted) = follow(&mut child, &received, self.deadline, &self.enough, take)
            .map_err(|error| failed(&self.name, error))?;
        tail.retain(|line| !line.trim().is_empty());
        Ok(Ended { name: self.name, status, interrupted, tail })
    }
}

fn send_lines(reader: PipeReader, mut copy: Option<File>, lines: &mpsc::SyncSender<Vec<u8>>) {
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        match reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
        if copy.as_mut().is_some_and(|file| file.write_all(&line).is_err()) {
            say("the copy of the tool's output cannot be written; it ends here");
            copy = None;
        }
        if lines.send(line).is_err() {
            return;
        }
    }
}

/// Takes lines until the child has ended and its output too, or nearly so.
fn follow(
    child: &mut Child,
    lines: &mpsc::Receiver<Vec<u8>>,
    deadline: Option<Duration>,
    enough: &Cell<bool>,
    mut take: impl FnMut(Vec<u8>),
) -> io::Result<(ExitStatus, bool)> {
    let started = Instant::now();
    let mut interrupted: Option<Instant> = None;
    let mut ended: Option<(ExitStatus, Instant)> = None;
    loop {
        let open = match lines.recv_timeout(LOOK) {
            Ok(line) => {
                take(line);
                true
            }
            Err(mpsc::RecvTimeoutError::Timeout) => true,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                thread::sleep(LOOK);
                false
            }
        };
        if ended.is_none() {
            ended = child.try_wait()?.map(|status| (status, Instant::now()));
        }
        let due = enough.get() || deadline.is_some_and(|deadline| started.elapsed() > deadline);
        match (ended, interrupted) {
            (Some((status, at)), _) if !open || at.elapsed() > DRAIN => return Ok((status, interrupted.is_some())),
            (None, None) if due => {
                interrupted = Some(Instant::now());
                signal(child, Signal::INT);
            }
            (None, Some(at)) if at.elapsed() > GRACE => signal(child, Signal::KILL),
            _ => {}
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    // It is waited for here and nowhere else, so the number is still its own.
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

impl Ended {
    /// The exit code.
    ///
    /// # Errors
    /// A signal ended it: it was killed, or crashed.
    pub(crate) fn code(&self) -> Result<i32, Failure> {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => Ok(code),
            (None, signal) => Err(self.failed(&format!("was ended by signal {}", signal.unwrap_or_default()))),
        }
    }

    /// A failure that says what happened, with the tool's last lines.
    pub(crate) fn failed(&self, what: &str) -> Failure {
        let tail: Vec<&str> = self.tail.iter().map(|line| line.trim()).collect();
        let told = if tail.is_empty() { String::new() } else { format!(": {}", tail.join(" | ")) };
        Failure::tool(format!("{} {what}{told}", self.name))
    }
}

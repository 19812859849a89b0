//! Records what a program asks of the file system: its system calls, as strace tells them.

use std::{collections::HashMap, fs, path::Path, process::Command};

/// What a program asked for. Files are numbers, given in the order of their making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A new file under a name.
    Create { file: usize, name: String },
    /// Bytes at a place in a file.
    Write { file: usize, at: usize, bytes: Vec<u8> },
    /// A new folder.
    MakeDir { name: String },
    /// A second name for what has a first one.
    Link { from: String, to: String },
    /// Another name for a file or folder.
    Rename { from: String, to: String },
    /// A name less.
    Unlink { name: String },
    /// What was written to a file is durable.
    SyncFile { file: usize },
    /// The names in a folder are durable.
    SyncDir { name: String },
    /// Everything is.
    SyncAll,
    /// The program has told somebody that something is done.
    Told { what: String },
}

const CALLS: &str = "trace=openat,write,pwrite64,close,mkdir,link,linkat,rename,renameat,renameat2,unlink,unlinkat,fsync,fdatasync,syncfs";

/// Runs a program under strace, perhaps with a call that fails; whether it succeeded, and what it asked for below `root`.
pub fn record(program: &mut Command, root: &Path, failing: Option<&str>) -> (bool, Vec<Call>) {
    let log = root.with_extension("strace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-xx", "-s", "10000000", "-e", CALLS, "-o"]).arg(&log);
    strace.args(failing.into_iter().flat_map(|inject| ["-e", inject]));
    strace.arg(program.get_program()).args(program.get_args());
    strace.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let status = strace.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status();
    let status = status.expect("these tests need strace: `make setup` installs it");
    let text = fs::read_to_string(&log).unwrap();
    fs::remove_file(&log).unwrap();
    (status.success(), Reading::new(root).read(&text))
}

/// Follows descriptors and names through the calls.
struct Reading {
    root: String,
    files: usize,
    /// The files behind names, and the files and places behind descriptors.
    names: HashMap<String, usize>,
    open: HashMap<i64, Open>,
    calls: Vec<Call>,
}

#[derive(Clone)]
enum Open {
    File { file: usize, at: usize },
    Dir { name: String },
    Teller,
}

impl Reading {
    fn new(root: &Path) -> Self {
        let root = root.to_str().unwrap().to_owned();
        Self { root, files: 0, names: HashMap::new(), open: HashMap::new(), calls: Vec::new() }
    }

    fn read(mut self, text: &str) -> Vec<Call> {
        for line in text.lines() {
            assert!(!line.contains("<unfinished"), "the program has one thread that writes: {line}");
            let Some((call, rest)) = line.split_once(' ').and_then(|(_, rest)| rest.trim_start().split_once('('))
            else {
                continue;
            };
            let Some((arguments, result)) = rest.rsplit_once(" = ") else { continue };
            let result: i64 = result.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(-1);
            if result >= 0 {
                let texts: Vec<Vec<u8>> = arguments.split('"').skip(1).step_by(2).map(unhex).collect();
                self.take(call, arguments, &texts, result);
            }
        }
        self.calls
    }

    /// The name below the root; `None` for what is elsewhere.
    fn name(&self, text: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(text);
        let name = text.strip_prefix(&self.root)?.trim_start_matches('/');
        // Room for a full disk: many files, and nobody reads them.
        let is_room = name.split('/').any(|part| part == ".reserve");
        (!is_room).then(|| name.to_owned())
    }

    fn take(&mut self, call: &str, arguments: &str, texts: &[Vec<u8>], result: i64) {
        let number = || arguments.split([',', ')']).next().and_then(|n| n.trim().parse::<i64>().ok());
        let names: Vec<String> = texts.iter().filter_map(|text| self.name(text)).collect();
        match (call, names.as_slice()) {
            ("openat", _) if texts[0] == b"/dev/null" => _ = self.open.insert(result, Open::Teller),
            ("openat", [name]) => self.opened(name.clone(), arguments, result),
            ("close", _) => _ = number().map(|fd| self.open.remove(&fd)),
            ("write" | "pwrite64", _) => {
                let at = arguments.rsplit(", ").next().and_then(|n| n.trim_end_matches(')').parse().ok());
                self.written(number(), &texts[0], at.filter(|_| call == "pwrite64"));
            }
            ("mkdir", [name]) => self.calls.push(Call::MakeDir { name: name.clone() }),
            ("link" | "linkat", [from, to]) => {
                if let Some(file) = self.names.get(from).copied() {
                    self.names.insert(to.clone(), file);
                }
                self.calls.push(Call::Link { from: from.clone(), to: to.clone() });
            }
            ("rename" | "renameat" | "renameat2", [from, to]) => self.renamed(from, to),
            ("unlink" | "unlinkat", [name]) => {
                self.names.remove(name);
                self.calls.push(Call::Unlink { name: name.clone() });
            }
            ("fsync" | "fdatasync", _) => match number().and_then(|fd| self.open.get(&fd)) {
                Some(Open::File { file, .. }) => self.calls.push(Call::SyncFile { file: *file }),
                Some(Open::Dir { name }) => self.calls.push(Call::SyncDir { name: name.clone() }),
                _ => {}
            },
            ("syncfs", _) => self.calls.push(Call::SyncAll),
            _ => {}
        }
    }

    fn opened(&mut self, name: String, arguments: &str, fd: i64) {
        let known = self.names.get(&name).copied();
        let file = match known {
            Some(file) => file,
            None if arguments.contains("O_CREAT") => {
                self.files += 1;
                self.names.insert(name.clone(), self.files);
                self.calls.push(Call::Create { file: self.files, name });
                self.files
            }
            None => {
                self.open.insert(fd, Open::Dir { name });
                return;
            }
        };
        self.open.insert(fd, Open::File { file, at: 0 });
    }

    fn written(&mut self, fd: Option<i64>, bytes: &[u8], place: Option<usize>) {
        match fd.and_then(|fd| self.open.get_mut(&fd)) {
            Some(Open::Teller) => self.calls.push(Call::Told { what: String::from_utf8_lossy(bytes).into_owned() }),
            Some(Open::File { file, at }) => {
                self.calls.push(Call::Write { file: *file, at: place.unwrap_or(*at), bytes: bytes.to_vec() });
                *at += if place.is_none() { bytes.len() } else { 0 };
            }
            _ => {}
        }
    }

    fn renamed(&mut self, from: &str, to: &str) {
        let moved: Vec<String> = self.names.keys().filter(|name| is_in(name, from)).cloned().collect();
        for name in moved {
            if let Some(file) = self.names.remove(&name) {
                self.names.insert(format!("{to}{}", &name[from.len()..]), file);
            }
        }
        self.calls.push(Call::Rename { from: from.to_owned(), to: to.to_owned() });
    }
}

/// Whether a name is that of a folder, or of something in it.
pub fn is_in(name: &str, folder: &str) -> bool {
    name == folder || name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn unhex(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

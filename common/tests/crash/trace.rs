//! Records what programs ask of the file system: their system calls, as strace tells them.

#[path = "trace/text.rs"]
mod text;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use self::text::{Piece, pieces};

/// What a program asked for. Files are numbers, given in the order of their making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A new file under a name.
    Create { file: usize, name: String },
    /// Bytes at a place in a file.
    Write { file: usize, at: usize, bytes: Vec<u8> },
    /// A file is as long as this.
    Cut { file: usize, length: usize },
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

const CALLS: &str = "trace=openat,openat2,write,pwrite64,lseek,ftruncate,close,mkdir,mkdirat,link,linkat,rename,renameat,renameat2,\
    unlink,unlinkat,rmdir,fsync,fdatasync,syncfs,copy_file_range,sendfile,splice";
/// Bytes that the kernel copies by itself are not seen: without these calls, a program reads and writes them.
const NO_COPIES: &str = "inject=copy_file_range,sendfile,splice:error=ENOSYS";

/// The program under strace, which writes what it sees to `log`; perhaps with a call that fails. The process is the program's own.
pub fn traced(program: &Command, log: &Path, failing: Option<&str>) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "-y", "-xx", "-s", "10000000", "-e", CALLS, "-e", NO_COPIES, "-o"]).arg(log);
    strace.args(failing.into_iter().flat_map(|inject| ["-e", inject]));
    strace.arg(program.get_program()).args(program.get_args());
    strace.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    strace
}

/// What strace wrote to `log`, once it is whole: it goes on for a moment after the program.
pub fn whole(log: &Path) -> String {
    for _ in 0..3000 {
        let text = fs::read_to_string(log).unwrap_or_default();
        if text.lines().last().is_some_and(|line| line.ends_with(" +++")) {
            return text;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("strace did not come to an end: {}", log.display());
}

/// Follows descriptors and names through the calls of one program after another.
pub struct Reading {
    root: String,
    teller: PathBuf,
    files: usize,
    /// The files behind names, how long they are, and the place in a file where a descriptor is.
    names: HashMap<String, usize>,
    lengths: HashMap<usize, usize>,
    places: HashMap<i64, Place>,
    /// Calls of threads that were under way when another made one; and how many calls there were when they began.
    under_way: HashMap<String, (String, usize)>,
    calls: Vec<Call>,
}

#[derive(Clone, Copy)]
struct Place {
    file: usize,
    at: usize,
    /// Whatever the place is, writes go to the end.
    appends: bool,
}

impl Reading {
    /// Looks at what is below `root`. What is written to the file `teller` was told somebody.
    pub fn new(root: &Path, teller: &Path) -> Self {
        Self {
            root: root.to_str().unwrap().to_owned(),
            teller: teller.to_owned(),
            files: 0,
            names: HashMap::new(),
            lengths: HashMap::new(),
            places: HashMap::new(),
            under_way: HashMap::new(),
            calls: Vec::new(),
        }
    }

    /// Reads what strace wrote down of one program, whole.
    pub fn take_in(&mut self, text: &str) {
        self.places.clear();
        for line in text.lines() {
            let Some((thread, rest)) = line.split_once(' ') else { continue };
            let rest = rest.trim_start();
            if let Some(closing) = rest.strip_suffix(" <unfinished ...>").and_then(|rest| rest.strip_prefix("close(")) {
                // The number is free before the call returns, and another thread may have opened the next file under it by then.
                self.closed(closing);
            } else if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
                self.under_way.insert(thread.to_owned(), (begun.to_owned(), self.calls.len()));
            } else if let Some(end) = rest.strip_prefix("<... ") {
                let Some((begun, since)) = self.under_way.remove(thread) else { continue };
                let end = end.split_once(" resumed>").map_or("", |(_, end)| end);
                self.line(&format!("{begun}{end}"), since);
            } else {
                self.line(rest, self.calls.len());
            }
        }
        self.under_way.clear();
    }

    /// What there was, in its order.
    pub fn calls(self) -> Vec<Call> {
        self.calls
    }

    fn line(&mut self, line: &str, since: usize) {
        let Some((call, rest)) = line.split_once('(') else { return };
        let Some((arguments, result)) = rest.rsplit_once(" = ") else { return };
        let digits: String = result.chars().take_while(|c| c.is_ascii_digit()).collect();
        if let Ok(result) = digits.parse() {
            self.take(call, arguments, result, since);
        }
    }

    /// The name below the root; `None` for what is elsewhere.
    fn name(&self, path: &Path) -> Option<String> {
        let name = path.to_str()?.strip_prefix(&self.root)?.trim_start_matches('/');
        // Room for a full disk: many files, and nobody reads them. Nor what was thrown away.
        let is_read = !name.split('/').any(|part| part == ".reserve") && !name.starts_with(".trash/");
        is_read.then(|| name.to_owned())
    }

    fn take(&mut self, call: &str, arguments: &str, result: i64, since: usize) {
        let pieces = pieces(arguments);
        let names = self.names_in(&pieces);
        let last = || arguments.rsplit(", ").next().and_then(|n| n.trim_end_matches(')').parse::<usize>().ok());
        let open =
            pieces.iter().find_map(|piece| if let Piece::Open(fd, path) = piece { Some((*fd, path)) } else { None });
        match (call, names.as_slice()) {
            ("openat" | "openat2", [Some(name)]) => self.opened(name.clone(), arguments, result),
            ("close", _) => self.closed(arguments),
            ("lseek", _) => {
                if let Some(place) = open.and_then(|(fd, _)| self.places.get_mut(&fd)) {
                    place.at = result as usize;
                }
            }
            ("write" | "pwrite64", _) => {
                let (Some((fd, path)), Some(Piece::Text(bytes))) = (open, pieces.get(1)) else { return };
                self.written(fd, path, &bytes[..result as usize], last().filter(|_| call == "pwrite64"));
            }
            ("ftruncate", _) => {
                if let (Some(file), Some(length)) = (open.and_then(|(_, path)| self.file(path)), last()) {
                    self.lengths.insert(file, length);
                    self.calls.push(Call::Cut { file, length });
                }
            }
            ("mkdir" | "mkdirat", [Some(name)]) => self.calls.push(Call::MakeDir { name: name.clone() }),
            ("link" | "linkat", [Some(from), Some(to)]) => {
                if let Some(file) = self.names.get(from).copied() {
                    self.names.insert(to.clone(), file);
                }
                self.calls.push(Call::Link { from: from.clone(), to: to.clone() });
            }
            ("rename" | "renameat" | "renameat2", [Some(from), Some(to)]) => self.renamed(from, to),
            // Into the trash.
            ("rename" | "renameat" | "renameat2", [Some(from), None]) => self.unlinked(from),
            ("unlink" | "unlinkat" | "rmdir", [Some(name)]) => self.unlinked(name),
            ("fsync" | "fdatasync", _) => {
                let Some((_, path)) = open else { return };
                let sync = match (self.file(path), self.name(Path::new(path))) {
                    (Some(file), _) => Call::SyncFile { file },
                    (None, Some(name)) => Call::SyncDir { name },
                    (None, None) => return,
                };
                self.synced(sync, since);
            }
            ("syncfs", _) => self.synced(Call::SyncAll, since),
            _ => {}
        }
    }

    /// The names that a call has, each below the folder that is named before it; `None` for one that is elsewhere.
    fn names_in(&self, pieces: &[Piece]) -> Vec<Option<String>> {
        let mut folder = PathBuf::from("/");
        let mut names = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Open(_, path) => folder = path.into(),
                Piece::Text(text) => names.push(self.name(&folder.join(String::from_utf8_lossy(text).as_ref()))),
            }
        }
        names
    }

    fn file(&self, path: &str) -> Option<usize> {
        self.names.get(&self.name(Path::new(path))?).copied()
    }

    /// A sync covers what came before it began. Where more came while it was under way, it counts from its beginning: it is told
    /// to nobody before its end, so nothing is missed but a few states in between.
    fn synced(&mut self, sync: Call, since: usize) {
        let folder = |name: &str| name.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
        let is_touched = |call: &Call| match (&sync, call) {
            (_, Call::Told { .. } | Call::SyncFile { .. } | Call::SyncDir { .. } | Call::SyncAll) => false,
            (Call::SyncFile { file }, Call::Write { file: other, .. } | Call::Cut { file: other, .. }) => file == other,
            (Call::SyncFile { .. }, _) => false,
            (
                Call::SyncDir { name },
                Call::Create { name: new, .. } | Call::MakeDir { name: new } | Call::Unlink { name: new },
            ) => folder(new) == *name,
            (Call::SyncDir { name }, Call::Link { to, .. } | Call::Rename { to, .. }) => folder(to) == *name,
            (Call::SyncDir { .. }, _) => false,
            _ => true,
        };
        if self.calls[since..].iter().any(is_touched) {
            self.calls.insert(since, sync);
            self.under_way.values_mut().filter(|(_, other)| *other > since).for_each(|(_, other)| *other += 1);
        } else {
            self.calls.push(sync);
        }
    }

    fn opened(&mut self, name: String, arguments: &str, fd: i64) {
        let file = match self.names.get(&name).copied() {
            Some(file) => file,
            None if arguments.contains("O_CREAT") => {
                self.files += 1;
                self.names.insert(name.clone(), self.files);
                self.calls.push(Call::Create { file: self.files, name });
                self.files
            }
            // A folder.
            None => return,
        };
        if arguments.contains("O_TRUNC") && self.lengths.insert(file, 0).is_some_and(|length| length > 0) {
            self.calls.push(Call::Cut { file, length: 0 });
        }
        self.places.insert(fd, Place { file, at: 0, appends: arguments.contains("O_APPEND") });
    }

    fn closed(&mut self, arguments: &str) {
        if let Some(Piece::Open(fd, _)) = pieces(arguments).first() {
            self.places.remove(fd);
        }
    }

    fn written(&mut self, fd: i64, path: &str, bytes: &[u8], place: Option<usize>) {
        if Path::new(path) == self.teller {
            return self.calls.push(Call::Told { what: String::from_utf8_lossy(bytes).into_owned() });
        }
        let Some(open) = self.places.get_mut(&fd) else {
            // What is left out here would be missing on every disk that is judged.
            assert_eq!(self.file(path), None, "a write to {path}, which nobody has opened as {fd}");
            return;
        };
        let length = self.lengths.entry(open.file).or_default();
        let at = place.unwrap_or(if open.appends { *length } else { open.at });
        open.at = if place.is_none() { at + bytes.len() } else { open.at };
        *length = (*length).max(at + bytes.len());
        self.calls.push(Call::Write { file: open.file, at, bytes: bytes.to_vec() });
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

    fn unlinked(&mut self, name: &str) {
        self.names.retain(|other, _| !is_in(other, name));
        self.calls.push(Call::Unlink { name: name.to_owned() });
    }
}

/// Whether a name is that of a folder, or of something in it.
pub fn is_in(name: &str, folder: &str) -> bool {
    name == folder || name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

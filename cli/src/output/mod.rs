//! The only place that prints. Standard output carries data alone; everything said to a person goes to standard error.
//!
//! Writes give errors instead of panics: a pipe that the reader closed (`| head`) ends the program quietly.

mod escape;
mod line;

use std::{
    env,
    io::{self, IsTerminal, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;

pub use self::{
    escape::Escaper,
    line::{Line, Style},
};
use crate::args::GlobalArgs;

/// Both channels, and how each is to be treated.
pub struct Output {
    data: Channel,
    talk: Channel,
    json: bool,
    quiet: bool,
}

struct Channel {
    writer: Mutex<Box<dyn Write + Send>>,
    terminal: bool,
    color: bool,
}

impl Output {
    /// The channels of this process.
    pub fn new(global: &GlobalArgs) -> Self {
        let wanted = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && env::var_os("TERM").is_none_or(|value| value != "dumb");
        let (data, talk) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            data: Channel::new(io::stdout(), data, wanted),
            talk: Channel::new(io::stderr(), talk, wanted),
            json: global.json,
            quiet: global.quiet,
        }
    }

    /// Whether data is wanted as JSON.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether a person reads the data channel.
    pub fn data_is_terminal(&self) -> bool {
        self.data.terminal
    }

    /// A line of data.
    pub fn data(&self, line: impl Into<Line>) -> io::Result<()> {
        self.data.line(&line.into())
    }

    /// A JSON document as one line of data.
    pub fn document(&self, value: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(value)?;
        text.push(b'\n');
        self.bytes(&text)
    }

    /// Data as it is. The caller escapes what a terminal must not see.
    pub fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let mut writer = self.data.lock();
        writer.write_all(bytes)?;
        writer.flush()
    }

    /// Says something to a person. Nobody listening is no error.
    pub fn say(&self, line: impl Into<Line>) {
        if !self.quiet {
            let _ = self.talk.line(&line.into());
        }
    }

    /// Says what went wrong; `--quiet` does not hide it.
    pub fn error(&self, message: &str) {
        let mut lines = message.lines();
        let first = Line::new().add(Style::Bad, "error").text(": ").text(lines.next().unwrap_or("unknown"));
        let _ = self.talk.line(&first);
        for line in lines {
            let _ = self.talk.line(&line.into());
        }
    }
}

impl Channel {
    fn new(writer: impl Write + Send + 'static, terminal: bool, color_wanted: bool) -> Self {
        Self { writer: Mutex::new(Box::new(writer)), terminal, color: terminal && color_wanted }
    }

    fn lock(&self) -> MutexGuard<'_, Box<dyn Write + Send>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, line: &Line) -> io::Result<()> {
        let mut text = line.render(self.terminal, self.color);
        text.push('\n');
        let mut writer = self.lock();
        writer.write_all(text.as_bytes())?;
        writer.flush()
    }
}

//! A real Redis for one test: its own process, its own port, its own folder, gone at the end.

use std::{
    io::{BufRead, BufReader, ErrorKind},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use secrecy::SecretString;

/// A `redis-server` on a private port of 127.0.0.1; killed when dropped.
///
/// Starting blocks until Redis is ready, which takes some milliseconds.
pub struct RedisServer {
    port: u16,
    password: Option<String>,
    folder: tempfile::TempDir,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts a Redis without a password.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts a Redis that wants this password.
    pub fn start_with_password(password: &str) -> Self {
        Self::start_with(Some(password.to_owned()))
    }

    fn start_with(password: Option<String>) -> Self {
        // Another process may take the port between the look and the start: then try another one.
        for _ in 0..10 {
            let folder = tempfile::tempdir().expect("a folder");
            let mut server = Self { port: free_port(), password: password.clone(), folder, process: None };
            if server.try_launch() {
                return server;
            }
        }
        panic!("no free port for redis-server after 10 attempts");
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it saves what it holds, when it is told to.
    pub fn dump(&self) -> PathBuf {
        self.folder.path().join("dump.rdb")
    }

    /// The URL, with the right password if there is one.
    pub fn url(&self) -> SecretString {
        match &self.password {
            Some(password) => self.url_with_password(password),
            None => SecretString::from(format!("redis://127.0.0.1:{}", self.port)),
        }
    }

    /// The URL with a password of the test's choice.
    pub fn url_with_password(&self, password: &str) -> SecretString {
        SecretString::from(format!("redis://:{password}@127.0.0.1:{}", self.port))
    }

    /// Kills Redis as a crash would (SIGKILL); all that it held is lost.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("redis-server can be killed");
            process.wait().expect("redis-server can be waited for");
        }
    }

    /// Starts Redis again on the same port, empty.
    pub fn start_again(&mut self) {
        self.kill();
        assert!(self.try_launch(), "port {} is no longer free for redis-server", self.port);
    }

    /// Runs one command over a connection of its own, and returns what Redis answers.
    pub async fn command(&self, words: &[&str]) -> redis::Value {
        use secrecy::ExposeSecret;
        let client = redis::Client::open(self.url().expose_secret()).expect("the URL is well formed");
        let mut connection = client.get_multiplexed_async_connection().await.expect("redis-server is there");
        let mut command = redis::Cmd::new();
        command.arg(words);
        command.query_async(&mut connection).await.expect("redis-server does what the test wants")
    }

    /// The entries of a list, the oldest first.
    pub async fn list(&self, key: &str) -> Vec<String> {
        let answer = self.command(&["LRANGE", key, "0", "-1"]).await;
        redis::from_redis_value(answer).expect("a list of texts")
    }

    /// A number that Redis keeps of itself, such as `total_error_replies` of `stats`.
    pub async fn counted(&self, section: &str, name: &str) -> u64 {
        let answer = self.command(&["INFO", section]).await;
        let info: String = redis::from_redis_value(answer).expect("a text");
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no number {name} in {info}"))
    }

    /// False if the port is taken.
    fn try_launch(&mut self) -> bool {
        let mut process = self.spawn();
        let output = process.stdout.take().expect("stdout is a pipe");
        let mut lines = BufReader::new(output).lines();
        let ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains("Ready to accept connections"));
        if !ready {
            process.wait().expect("redis-server can be waited for");
            return false;
        }
        // The pipe has to be emptied, or a talkative Redis would stand still.
        std::thread::spawn(move || lines.for_each(drop));
        self.process = Some(process);
        true
    }

    fn spawn(&self) -> Child {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(self.password.iter().flat_map(|password| ["--requirepass", password]));
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().unwrap_or_else(|error| match error.kind() {
            ErrorKind::NotFound => {
                panic!("redis-server is not installed, and this test needs a real one: apt-get install redis-server")
            }
            _ => panic!("redis-server does not start: {error}"),
        })
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on 127.0.0.1");
    listener.local_addr().expect("a bound listener has an address").port()
}

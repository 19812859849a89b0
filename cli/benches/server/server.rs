//! The released binary as a process of its own, and a client as plain as can be: a socket, bytes out, bytes in.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A process of ours, killed when dropped.
pub struct Process(Child);

impl Process {
    /// Starts `pipelinex` with these arguments and nothing of the surroundings but the engine's address.
    pub fn start(arguments: &[&str], workspaces: &Path, redis: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipelinex"));
        command.args(arguments).env_clear().env("HOME", "/nonexistent");
        command.envs(std::env::var_os("DOCKER_HOST").map(|host| ("DOCKER_HOST", host)));
        command.env("PIPELINEX_WORKSPACES", workspaces).env("PIPELINEX_REDIS_URL", redis);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Self(command.spawn().expect("the binary starts"))
    }

    /// Waits for a line of its log with this word in it, and returns what follows the word.
    pub fn says(&mut self, word: &str) -> String {
        let mut lines = BufReader::new(self.0.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
        let found = lines.find_map(|line| Some(line.split_once(word)?.1.to_owned()));
        // The pipe has to be emptied, or the process would stand still.
        std::thread::spawn(move || lines.for_each(drop));
        found.unwrap_or_else(|| panic!("the process never said {word}"))
    }

    /// Resident memory in MiB, as a field of `/proc/<pid>/status` says.
    fn status_mib(&self, field: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with(field)).expect("a line");
        line.split_whitespace().nth(1).expect("a number").parse::<f64>().expect("a number") / 1024.0
    }

    /// Resident memory now, in MiB.
    pub fn resident_mib(&self) -> f64 {
        self.status_mib("VmRSS:")
    }

    /// The most resident memory since [`Self::forget_peak`], in MiB.
    pub fn peak_mib(&self) -> f64 {
        self.status_mib("VmHWM:")
    }

    /// Lets the peak begin anew.
    pub fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.0.id()), "5").expect("the peak can be reset");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A backend that answers.
pub struct Server {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub address: String,
}

impl Server {
    /// Starts a backend and waits until it listens.
    pub fn start(workspaces: &Path, redis: &str) -> Self {
        Self::listen(Process::start(&["backend", "--listen", "127.0.0.1:0"], workspaces, redis))
    }

    /// Starts API and worker in one process, without an engine, and waits until it listens.
    pub fn serve_without_engine(workspaces: &Path, redis: &str, health_file: &str) -> Self {
        let engine = "unix:///nonexistent/docker.sock";
        let flags = ["serve", "--listen", "127.0.0.1:0", "--health-file", health_file, "--docker-host", engine];
        Self::listen(Process::start(&flags, workspaces, redis))
    }

    fn listen(mut process: Process) -> Self {
        let address = process.says("http://");
        let address = address.split_whitespace().next().expect("an address").to_owned();
        Self { process, address }
    }

    /// A connection.
    pub fn connect(&self) -> Connection {
        let stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Connection { reader: BufReader::new(stream), host: self.address.clone() }
    }

    /// Uploads an archive. Returns the time until the answer, and the id of the job.
    pub fn upload(&self, archive: &[u8]) -> (Duration, String) {
        let mut connection = self.connect();
        let request = serde_json::json!({
            "stack": {"language": "java", "framework": "spring-boot", "build_tool": "maven"},
            "versions": {"java": "17"}, "pipeline": {"run_build": true},
        });
        let front = format!(
            "--x\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{request}\r\n\
             --x\r\nContent-Disposition: form-data; name=\"project_zip\"; filename=\"a.zip\"\r\n\r\n"
        );
        let back = "\r\n--x--\r\n";
        let head = format!(
            "POST /api/jobs/upload HTTP/1.1\r\nHost: {}\r\nContent-Type: multipart/form-data; boundary=x\r\n\
             Content-Length: {}\r\n\r\n",
            self.address,
            front.len() + archive.len() + back.len()
        );
        let start = Instant::now();
        for part in [head.as_bytes(), front.as_bytes(), archive, back.as_bytes()] {
            connection.reader.get_mut().write_all(part).expect("sent");
        }
        let (code, body) = connection.answer();
        let took = start.elapsed();
        assert_eq!(code, 201, "{}", String::from_utf8_lossy(&body));
        let metadata: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        (took, metadata["job_id"].as_str().expect("an id").to_owned())
    }
}

/// A connection that is kept.
pub struct Connection {
    reader: BufReader<TcpStream>,
    host: String,
}

impl Connection {
    /// One GET that answers 200.
    pub fn get(&mut self, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        self.reader.get_mut().write_all(request.as_bytes()).expect("sent");
        assert_eq!(self.answer().0, 200, "{path}");
    }

    fn answer(&mut self) -> (u16, Vec<u8>) {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("an answer");
        let code = line.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let mut length = 0;
        loop {
            line.clear();
            self.reader.read_line(&mut line).expect("a header");
            match line.trim_end().to_ascii_lowercase().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().expect("a length"),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).expect("the body");
        (code, body)
    }
}

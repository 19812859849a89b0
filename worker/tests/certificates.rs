//! The story of a network that signs TLS again: tools in a read-only container of a user that is not root trust the
//! operator's extra certificate, by mounted files and variables alone.

mod support;

use pipelinex_common::{slug::Slug, state::JobState};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use support::{story, text};

/// A server of the step's own on loopback, and three tools that read certificates in three ways.
const STEP: &str = r#"
stages: [S]
tools:
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
.pipelinex: {jobs: {tools: {network: none}}}
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
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let server_cert = server.signed_by(&server_key, &Issuer::from_params(&ca, &ca_key)).unwrap();
    let (server_pem, server_key) = (server_cert.pem(), server_key.serialize_pem());
    let files = [("server.pem", server_pem.as_str()), ("server.key", server_key.as_str()), ("Ask.java", ASK)];

    story(async |world| {
        let folder = tempfile::tempdir().unwrap();
        let bundle = folder.path().join("extra.pem");
        std::fs::write(&bundle, ca_cert.pem()).unwrap();
        for (certificates, word) in [(None, "refuses"), (Some(bundle), "trusts")] {
            world.config.ca_certs = certificates;
            let job = world.submit(STEP, &files);
            let end = world.run(&job).await;
            let log = text(job.paths().log(&Slug::of("tools")));
            assert_eq!(end.state, JobState::Succeeded, "{log}");
            for tool in ["curl", "git", "java"] {
                assert!(log.lines().any(|line| line.starts_with(&format!("{tool} {word}"))), "{tool} {word}: {log}");
            }
        }
    });
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

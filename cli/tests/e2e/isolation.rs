//! A step with a way out reaches what is outside, and neither the API nor Redis.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::Command,
};

use pipelinex_common::testing::RedisServer;
use secrecy::ExposeSecret;

use crate::{
    projects::{shell, shell_project, shell_stack, shell_stack_of},
    world::{said, story, text},
};

/// The addresses of this machine besides the loopback.
fn addresses() -> Vec<Ipv4Addr> {
    let shown = said(Command::new("ip").args(["-4", "-o", "addr"]).output().expect("ip is installed")).out;
    let words = shown.lines().filter_map(|line| line.split_whitespace().nth(3)?.split('/').next()?.parse().ok());
    words.filter(|address: &Ipv4Addr| !address.is_loopback()).collect()
}

#[test]
fn a_step_with_a_way_out_reaches_neither_api_nor_redis() {
    story(async |world| {
        let redis = RedisServer::start();
        let pipelines = shell_stack(world, "egress");
        let url = redis.url().expose_secret().to_owned();
        let server = world.serve(&["serve", "--redis-url", &url, "--pipelines", &pipelines]).await;
        let api = server.url.rsplit_once(':').unwrap().1;
        // On every address, so that a probe which sees nothing at all is found out.
        let open = TcpListener::bind("0.0.0.0:0").unwrap();
        let open_port = open.local_addr().unwrap().port();
        let mut hosts: Vec<String> = addresses().iter().map(ToString::to_string).collect();
        assert!(!hosts.is_empty(), "an engine has a bridge at least");
        hosts.extend(["127.0.0.1", "127.0.0.2", "localhost", "::1"].map(str::to_owned));
        let script = format!(
            r#"
hex=$(awk '$2 == "00000000" {{print $3}}' /proc/net/route)
gateway=$(printf '%d.%d.%d.%d' 0x${{hex:6:2}} 0x${{hex:4:2}} 0x${{hex:2:2}} 0x${{hex:0:2}})
probe() {{ if timeout 2 bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null; then echo "OPEN $3"; else echo "CLOSED $3"; fi; }}
for host in "$gateway" {hosts}; do
  probe "$host" {api} api &
  probe "$host" {redis} redis &
done
probe "$gateway" {open_port} control
wait
"#,
            hosts = hosts.join(" "),
            redis = redis.port(),
        );
        let id = server.submit(shell_project(&script), &shell()).await;
        let status = server.end_of(&id).await;
        let log = text(world.job(&id).join("logs/build.log"));
        assert_eq!(status["execution"]["state"], "SUCCEEDED", "{log}");
        assert!(log.contains("OPEN control\n"), "the probe sees what is open: {log}");
        for what in ["api", "redis"] {
            assert!(!log.contains(&format!("OPEN {what}")), "{log}");
            assert_eq!(log.matches(&format!("CLOSED {what}\n")).count(), hosts.len() + 1, "{log}");
        }
        server.process.stop().await;
    });
}

#[test]
fn builds_read_the_operators_files_and_only_what_has_a_network_is_told_of_the_proxy() {
    story(async |world| {
        let pipelines = shell_stack_of(
            world,
            "stages: [BUILD, TEST]\ndefault: {image: scan}\nBUILD: {stage: BUILD, script: [bash run.sh]}\nTEST: {stage: TEST, script: [bash run.sh]}\n\
             .pipelinex: {jobs: {BUILD: {network: egress, memory: 256m}, TEST: {network: none, memory: 256m}}}\n",
        );
        let (npm, proxy) = (world.path("npmrc"), world.path("proxy"));
        std::fs::write(&npm, "registry=https://npm.example/\n").unwrap();
        std::fs::write(&proxy, "HTTPS_PROXY=http://proxy.example:3128\n").unwrap();
        let given = format!("npm/npmrc={},proxy/env={}", npm.display(), proxy.display());
        let server = world.serve(&["serve", "--pipelines", &pipelines, "--stack-file", &given]).await;
        let script = "cat \"$npm_config_userconfig\"\necho \"proxy <${HTTPS_PROXY:-}>\"\n\
                      if echo x >>\"$npm_config_userconfig\"; then echo written; fi 2>/dev/null\n";
        let id = server.submit(shell_project(script), &shell()).await;
        server.end_of(&id).await;
        for (step, told) in [("build", "proxy <http://proxy.example:3128>\n"), ("test", "proxy <>\n")] {
            let log = text(world.job(&id).join(format!("logs/{step}.log")));
            assert!(log.contains("registry=https://npm.example/\n") && log.contains(told), "{step}: {log}");
            assert!(!log.contains("written"), "{step}: {log}");
        }
        server.process.stop().await;

        std::fs::write(&npm, "//npm.example/:_authToken=abc123\n").unwrap();
        let refused = world.run(&["serve", "--listen", "127.0.0.1:0", "--stack-file", &given]).await;
        assert_eq!(refused.code, 64, "{refused:?}");
        assert!(refused.err.contains("line 1 may hold") && !refused.err.contains("abc123"), "{refused:?}");
    });
}

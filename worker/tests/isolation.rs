//! Stories about steps that reach for what is not theirs. Each probe opens what it should not, or asks for what it should
//! not get, and says `DENIED` or `ALLOWED`: none may say `ALLOWED`, and each must have spoken.

mod support;

use std::{collections::BTreeSet, net::TcpListener};

use pipelinex_common::{slug::Slug, state::JobState};
use pipelinex_worker::spec::TreeKind;
use support::{story, text};

/// Probes that run inside a real runner. `try` says what the command after its name comes to.
const PROBE: &str = r##"
try() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "ALLOWED $name"; else echo "DENIED $name"; fi; }
lacks() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "DENIED $name"; else echo "ALLOWED $name"; fi; }
status() { grep -q "^$1:[[:space:]]*$2\$" /proc/self/status; }
lacks P01-user test "$(id -u):$(id -G)" = 10001:10001
for set in CapInh CapPrm CapEff CapBnd CapAmb; do lacks P02-$set status $set 0000000000000000; done
lacks P03-privileges status NoNewPrivs 1
lacks P04-seccomp status Seccomp 2
try P04-unshare unshare -U true
# Refused by the profile, not by the kernel for its arguments: io_uring, BPF, perf, keys, other programs' memory, userfaultfd.
refused() { name=$1; shift; lacks "P04-$name" perl -e 'my @n = @ARGV; syscall($n[0], map { $_ + 0 } @n[1..$#n]) == -1 or exit 1; exit($! == 1 || $! == 38 ? 0 : 1)' "$@"; }
refused io-uring 425 1 0
refused bpf 321 0 0 0
refused perf 298 0 0 0 0 0
refused keys 248 0 0 0 0 0
refused ptrace 101 0 1 0 0
refused userfaultfd 323 1
refused old-sockets 41 38 5 0
try P04-mount mount -t tmpfs none /tmp
lacks P20-localhost getent hosts localhost
try P20-interfaces sh -c 'ls /sys/class/net | grep -v "^lo$"'
lacks P20-names grep -qx 'nameserver 127.0.0.1' /etc/resolv.conf
try P14-kcore head -c 1 /proc/kcore
try P15-sysrq sh -c ': > /proc/sysrq-trigger'
try P15-core-pattern sh -c ': > /proc/sys/kernel/core_pattern'
try P16-cgroup sh -c 'ls -d /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/release_agent 2>/dev/null | xargs -r -n1 sh -c ": >> \$0" ; touch /sys/fs/cgroup/x'
try P17-sockets sh -c 'ls /var/run/docker.sock /run/docker.sock /run/containerd /run/podman 2>/dev/null | grep .'
try P22-mknod mknod /tmp/dev b 8 0
try P22-mem head -c 1 /dev/mem
try P23-kmsg sh -c ': > /dev/kmsg'
try P24-time date -s 2000-01-01
try P24-hostname hostname elsewhere
try P26-setuid sh -c 'find / -xdev -perm /6000 -type f 2>/dev/null | grep .'
for place in / /etc /usr /home /bin; do try P27-$place touch $place/x; done
try P28-script sh -c ': >> "$PIPELINES_DIR/.steps/probe.sh"'
try P28-remove rm -f "$PIPELINES_DIR/.steps/probe.sh"
try P28-replace mv "$PIPELINES_DIR/.steps/probe.sh" "$PIPELINES_DIR/.steps/x"
try P29-env sh -c 'env | grep -iE "redis|docker_host|token|secret|password"'
lacks P27-own-home test -O "$HOME" -a "$(stat -c %d "$HOME")" != "$(stat -c %d /home)"
try P27-mounts sh -c 'rmdir "$HOME/app" || mv "$HOME/pipelines" "$HOME/x" || rmdir "$HOME/reports"'
lacks P30-files test "$(ls /proc/self/fd | wc -l)" -le 4
lacks P13-core test "$(ulimit -c)" = 0
try other-reports sh -c 'ls "$REPORTS_DIR/.." | grep -E "victim|outbox"'
try other-jobs sh -c 'ls / /home /home/runner | grep -E "[0-9a-f]{8}-[0-9a-f]{4}-7"'
"##;

const NAMES: &str = "P01-user P02-CapAmb P02-CapBnd P02-CapEff P02-CapInh P02-CapPrm P03-privileges P04-bpf P04-io-uring \
    P04-keys P04-mount P04-old-sockets P04-perf P04-ptrace P04-seccomp P04-unshare P04-userfaultfd P13-core P14-kcore P15-core-pattern P15-sysrq P16-cgroup P17-sockets P20-interfaces P20-localhost P20-names P22-mem P22-mknod P23-kmsg P24-hostname \
    P24-time P26-setuid P27-/ P27-/bin P27-/etc P27-/home P27-/usr P27-mounts P27-own-home P28-remove P28-replace P28-script P29-env \
    P30-files other-jobs other-reports";

fn indented(script: &str) -> String {
    script.lines().map(|line| format!("        {line}\n")).collect()
}

#[test]
fn every_probe_inside_a_runner_is_denied() {
    story(async |world| {
        let definition = format!(
            "stages: [S]\ndefault: {{image: java17-maven}}\nprobe:\n  stage: S\n  script:\n    - |\n{}\n.pipelinex: {{jobs: {{probe: {{network: none}}}}}}\n",
            indented(PROBE)
        );
        let job = world.submit(&definition, &[]);
        let end = world.run(&job).await;
        let log = text(job.paths().log(&Slug::of("probe")));
        assert_eq!(end.state, JobState::Succeeded, "{log}");
        let said = |word: &str| -> BTreeSet<&str> { log.lines().filter_map(|l| l.strip_prefix(word)).collect() };
        assert_eq!(said("ALLOWED "), BTreeSet::new(), "{log}");
        assert_eq!(said("DENIED "), NAMES.split_whitespace().collect(), "a probe that is gone proves nothing: {log}");
    });
}

#[test]
fn a_step_reaches_neither_anothers_report_nor_the_source_nor_the_scan_of_it() {
    story(async |world| {
        let definition = r#"
stages: [BUILD, SECRETS]
default: {image: scan}
victim:
  stage: BUILD
  script: ['mkdir -p "$REPORTS_DIR/build"; echo true > "$REPORTS_DIR/build/victim.txt"']
attacker:
  stage: BUILD
  needs: [victim]
  script:
    - mkdir -p "$REPORTS_DIR/build" "$REPORTS_DIR/secrets" "$REPORTS_DIR/../victim" || true
    - echo forged > "$REPORTS_DIR/../victim/victim.txt" || true
    - echo forged > "$REPORTS_DIR/secrets/result.json"
    - ln -s /etc/shadow "$REPORTS_DIR/build/link.txt"; mkfifo "$REPORTS_DIR/build/pipe"
    - echo edited > input.txt; rm -f deleted.txt
scan:
  stage: SECRETS
  needs: [attacker]
  script: ['cat input.txt deleted.txt; touch input.txt 2>/dev/null && echo WRITABLE || true']
.pipelinex: {jobs: {scan: {kind: scan}}}
"#;
        for trees in [TreeKind::Overlay, TreeKind::Copy] {
            world.config.copy_trees = trees == TreeKind::Copy;
            let job = world.submit(definition, &[("input.txt", "as submitted\n"), ("deleted.txt", "still there\n")]);
            let end = world.run(&job).await;
            assert_eq!(end.state, JobState::Succeeded, "{end:#?}");
            let build = job.paths().reports_of(&Slug::of("BUILD"));
            assert_eq!(text(build.join("victim/victim.txt")), "true\n");
            assert!(!build.join("attacker/link.txt").exists() && !build.join("attacker/pipe").exists());
            let scan = text(job.paths().log(&Slug::of("scan")));
            assert!(scan.ends_with("as submitted\nstill there\n"), "{scan}");
            let result = text(job.paths().reports_of(&Slug::of("SECRETS")).join("result.json"));
            assert!(result.contains("\"SUCCESS\"") && !result.contains("forged"), "{result}");
            assert_eq!(text(job.paths().source().join("input.txt")), "as submitted\n");
            let warnings = end.stages["BUILD"].steps[&Slug::of("attacker")].warnings.join("\n");
            assert!(warnings.contains("secrets/result.json") && warnings.contains("link.txt"), "{warnings}");
        }
    });
}

#[test]
fn a_step_with_a_way_out_reaches_no_listener_on_this_machines_loopback() {
    story(async |world| {
        // Stand-ins for the API and Redis, on loopback as both are by default.
        let listeners = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
        let ports: Vec<String> = listeners.iter().map(|l| l.local_addr().unwrap().port().to_string()).collect();
        let definition = format!(
            r#"
stages: [S]
out:
  stage: S
  image: scan
  script:
    - |
        hex=$(awk '$2 == "00000000" {{print $3}}' /proc/net/route)
        gateway=$(printf '%d.%d.%d.%d' 0x${{hex:6:2}} 0x${{hex:4:2}} 0x${{hex:2:2}} 0x${{hex:0:2}})
        for host in 127.0.0.1 "$gateway"; do for port in {}; do
          if timeout 2 bash -c "exec 3<>/dev/tcp/$host/$port" 2>/dev/null; then echo "ALLOWED $host"; else echo "DENIED $host"; fi
        done; done
.pipelinex: {{jobs: {{out: {{network: egress}}}}}}
"#,
            ports.join(" ")
        );
        let job = world.submit(&definition, &[]);
        let end = world.run(&job).await;
        let log = text(job.paths().log(&Slug::of("out")));
        assert_eq!(end.state, JobState::Succeeded, "{log}");
        assert_eq!((log.matches("DENIED ").count(), log.matches("ALLOWED ").count()), (4, 0), "{log}");
    });
}

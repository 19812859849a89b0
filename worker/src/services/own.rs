//! Services of a project's own step: what their containers look like, when they count as ready, and what is told of those that were not.

use std::{collections::BTreeMap, time::Instant};

use pipelinex_common::{
    limits::MIB,
    pipeline::model::{Service, Step},
    slug::Slug,
};

use super::{Beside, LOOK_AGAIN, Role, Services, containers, log};
use crate::{
    engine::{ContainerStatus, ImageFacts, Phase},
    lock,
    spec::{ContainerLimits, ContainerSpec, JobContext, Program, Scratch},
    step::StepError,
};

/// How long services may take until they answer; then the step begins all the same, as in GitLab. Theirs is 30 seconds.
const READY: std::time::Duration = std::time::Duration::from_secs(60);
/// Memory of a service, in bytes, what it writes included.
const MEMORY: u64 = 1024 * MIB;
/// What a service can write into each of the folders that it is known to need, in bytes.
const FILES: u64 = 512 * MIB;
/// Processes of a service.
const PIDS: u64 = 256;
/// The exit code of one that was told to end: by a former holder, if it has ended already.
const ENDED_BY_US: i64 = 143;
/// The most folders that an image may ask for.
const FOLDERS_MAX: usize = 8;
/// Where programs have sockets and marks of theirs: small, and their image may have made the inner ones for a user of its own.
const RUNTIME_DIRS: [&str; 3] = ["/run", "/run/mysqld", "/run/postgresql"];
/// The variable by which a service says on which port it answers, as in GitLab.
const PORT_VARIABLE: &str = "HEALTHCHECK_TCP_PORT";

/// The services beside the step whose container is `step_container`; `images` are theirs, with what is known of each.
pub fn all(
    context: &JobContext,
    step: &Step,
    step_container: &ContainerSpec,
    images: Vec<(String, ImageFacts)>,
) -> Vec<Beside> {
    let slugs = Slug::assign(step.services.iter().map(|service| service.aliases[0].as_str()));
    let numbered = step.services.iter().zip(slugs).zip(images).enumerate();
    numbered
        .map(|(index, ((service, slug), (image, facts)))| Beside {
            role: Role::Own { alias: service.aliases[0].clone(), log: format!("service-{slug}.log") },
            spec: container(context, step, service, step_container, index + 1, image, &facts),
        })
        .collect()
}

fn container(
    context: &JobContext,
    step: &Step,
    service: &Service,
    step_container: &ContainerSpec,
    number: usize,
    image: String,
    facts: &ImageFacts,
) -> ContainerSpec {
    let mut env = BTreeMap::from([("HOME".to_owned(), "/tmp".to_owned())]);
    env.extend(step.variables.clone());
    env.extend(service.variables.clone());
    let port = service.variables.get(PORT_VARIABLE).and_then(|port| port.parse().ok());
    let folders = RUNTIME_DIRS.iter().map(|folder| Scratch { target: (*folder).to_owned(), bytes: 16 * MIB });
    let files = facts.folders.iter().filter(|folder| may_be_written(folder)).take(FOLDERS_MAX);
    let limits = &context.limits;
    ContainerSpec {
        image,
        program: Program::Service { entrypoint: service.entrypoint.clone(), command: service.command.clone() },
        health: match (port, &facts.health, facts.ports.as_slice()) {
            (Some(port), ..) => Some(listens(&[port])),
            (None, Some(health), _) => Some(health.clone()),
            (None, None, []) => None,
            (None, None, ports) => Some(listens(ports)),
        },
        env,
        scratch: folders.chain(files.map(|folder| Scratch { target: folder.clone(), bytes: FILES })).collect(),
        limits: ContainerLimits {
            memory_bytes: limits.memory_bytes.min(MEMORY),
            milli_cpus: limits.milli_cpus,
            pids: limits.pids.min(PIDS),
            tmp_bytes: limits.tmp_bytes,
            open_files: context.open_files,
        },
        ..containers::beside(step_container, &format!("svc{number}"), &service.aliases)
    }
}

/// Whether a folder that an image names may be one in memory: none of the engine's own, and no way around those.
fn may_be_written(folder: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains([',', ':', '=']);
    let Some(path) = folder.strip_prefix('/').map(|path| path.trim_end_matches('/')) else { return false };
    let first = path.split('/').next().unwrap_or_default();
    path.split('/').all(plain)
        && !matches!(first, "proc" | "sys" | "dev" | "tmp" | "bin" | "sbin" | "lib" | "lib64" | "usr" | "etc")
        && !RUNTIME_DIRS.contains(&folder.trim_end_matches('/'))
}

/// A check that something listens on one of these ports, and not on loopback alone. Asked inside of the container, since a network
/// without a way out has no way in either; with what every shell has, since an image may have nothing else.
fn listens(ports: &[u16]) -> Vec<String> {
    let ports: Vec<String> = ports.iter().map(|port| format!("{port:04X}")).collect();
    let script = format!(
        "for table in /proc/net/tcp /proc/net/tcp6; do [ -r $table ] || continue; \
         while read -r _ at _ state _; do [ \"$state\" = 0A ] || continue; \
         case $at in 0100007F:*|00000000000000000000000001000000:*) continue;; esac; \
         case ${{at##*:}} in {}) exit 0;; esac; done <$table; done; exit 1",
        ports.join("|")
    );
    ["/bin/sh".to_owned(), "-c".to_owned(), script].to_vec()
}

impl Services {
    fn own(&self) -> impl Iterator<Item = (&str, &ContainerSpec)> {
        self.list.iter().filter_map(|beside| match &beside.role {
            Role::Own { alias, .. } => Some((alias.as_str(), &beside.spec)),
            Role::Database(_) | Role::Application => None,
        })
    }

    /// Waits until all services answer, or have had the time for it.
    pub(super) async fn wait_for_own(&self) -> Result<(), StepError> {
        let deadline = Instant::now() + READY;
        for (alias, spec) in self.own() {
            loop {
                let told = match self.look(&spec.name).await? {
                    None => Some("is gone".to_owned()),
                    Some(status) if status.phase == Phase::Ended => match status.exit_code {
                        // One that only prepares something is done.
                        0 => break,
                        _ => Some(how_it_ended(&status)),
                    },
                    Some(status) if status.healthy || spec.health.is_none() => break,
                    Some(_) if Instant::now() < deadline => None,
                    Some(_) => Some(format!("did not answer within {} seconds", READY.as_secs())),
                };
                let Some(told) = told else {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    continue;
                };
                self.note(alias, spec, &told).await;
                break;
            }
        }
        Ok(())
    }

    /// Notes which services have ended by now; asked before the others are ended.
    pub(super) async fn look_at_own(&self) -> Result<(), StepError> {
        for (alias, spec) in self.own() {
            if let Some(status) = self.look(&spec.name).await?
                && status.phase == Phase::Ended
                && (!matches!(status.exit_code, 0 | ENDED_BY_US) || status.oom_killed)
            {
                self.note(alias, spec, &how_it_ended(&status)).await;
            }
        }
        Ok(())
    }

    async fn note(&self, alias: &str, spec: &ContainerSpec, told: &str) {
        let last = log::last_words(&self.engine, &spec.name).await;
        lock(&self.notes).entry(alias.to_owned()).or_insert_with(|| format!("the service {alias} {told}{last}"));
    }
}

fn how_it_ended(status: &ContainerStatus) -> String {
    if status.oom_killed {
        return "needed more memory than it may have".to_owned();
    }
    format!("ended with code {} before the step did", status.exit_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_an_image_is_in_memory_only_where_that_hides_nothing() {
        for folder in ["/data", "/var/lib/postgresql/data", "/var/lib/mysql/"] {
            assert!(may_be_written(folder), "{folder}");
        }
        for folder in ["", "/", "data", "/proc/x", "/usr/lib", "/a/../proc", "/run", "/tmp", "/a,mode=0", "/a//b"] {
            assert!(!may_be_written(folder), "{folder}");
        }
    }

    #[test]
    fn a_port_is_open_where_the_kernel_says_so() {
        let server = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let inner = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let answers = |port: u16| {
            let check = listens(&[1, port]);
            std::process::Command::new(&check[0]).args(&check[1..]).status().unwrap().success()
        };
        assert!(answers(server.local_addr().unwrap().port()));
        assert!(!answers(inner.local_addr().unwrap().port()), "loopback is no answer to others");
    }
}

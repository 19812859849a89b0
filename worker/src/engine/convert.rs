//! Our words into the engine's: one pure function a thing, so that a test can hold the whole hardening in one picture.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, Mount as EngineMount,
    MountType, MountVolumeOptions, NetworkCreateRequest, NetworkingConfig, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum,
};
use pipelinex_common::store::{RUNNER_GID, RUNNER_UID};

use crate::{
    script::SIGNAL_THE_GROUP,
    spec::{ContainerSpec, HOME, KeptLog, Mount, MountSource, NetworkKind, NetworkPlace, OPEN_FILES, Program},
};

/// The name of every container's host.
const HOST_NAME: &str = "runner";
/// Where the host is short of memory, the kernel ends a runner before anything else.
const OOM_SCORE: i64 = 500;
/// The largest file a step may write, in bytes: above any artifact that would be collected.
const MAX_FILE_BYTES: i64 = 8 * 1024 * 1024 * 1024;
/// Size of /dev/shm, in bytes; it counts as memory of the container. The engine's own default, said so that no daemon's
/// configuration changes it.
const SHARED_MEMORY_BYTES: i64 = 64 * 1024 * 1024;
/// Seconds between TERM and KILL when the engine stops a container by itself.
const STOP_GRACE_SECONDS: i64 = 10;

/// Nanoseconds in a second: the engine counts health checks in them.
const SECOND: i64 = 1_000_000_000;

/// The system calls that a runner may make: everything that is not named is refused. Ours, so that what a runner can do is the
/// same on every engine, whatever its own default is.
const SECCOMP: &str = include_str!("seccomp.json");

/// The create request of any container we make: of a step, of the application beside it, and of its database. There is one
/// function, so that none is hardened less than another.
pub fn container(spec: &ContainerSpec) -> ContainerCreateBody {
    let (entrypoint, cmd, working_dir) = match &spec.program {
        Program::Command(command) | Program::Fed(command) => (Some(Vec::new()), Some(command.clone()), HOME),
        // A folder that every image has.
        Program::OfImage => (None, None, "/"),
        // One that it can write: some keep what they know in the folder that they start in.
        Program::Service { entrypoint, command } => (entrypoint.clone(), command.clone(), "/tmp"),
    };
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        entrypoint,
        cmd,
        env: Some(environment(spec)),
        user: Some(format!("{RUNNER_UID}:{RUNNER_GID}")),
        // Constants: a name or folder chosen by the image or the project has been a way out before (CVE-2024-21626).
        hostname: Some(HOST_NAME.to_owned()),
        working_dir: Some(working_dir.to_owned()),
        tty: Some(false),
        // What is sent there is in no record of the engine.
        open_stdin: Some(matches!(spec.program, Program::Fed(_))),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        stop_timeout: Some(STOP_GRACE_SECONDS),
        // Without a network it is network mode `none` that says so: this switch would also leave /etc/hosts empty, and tests
        // that listen on `localhost` would not find it.
        network_disabled: Some(false),
        healthcheck: spec.health.as_deref().map(health_check),
        labels: Some(spec.labels.clone().into_iter().collect()),
        host_config: Some(host_config(spec)),
        networking_config: spec.network.as_ref().and_then(endpoint),
        ..Default::default()
    }
}

/// The create request of a container that removes what a worker without root cannot. As hard as all others, but for the two
/// rights that this takes; it runs a line of ours and nothing of a project's.
pub fn cleaner(spec: &ContainerSpec) -> ContainerCreateBody {
    let mut body = container(spec);
    body.user = Some("0:0".to_owned());
    if let Some(host) = &mut body.host_config {
        host.cap_add = Some(vec!["DAC_OVERRIDE".to_owned(), "FOWNER".to_owned()]);
    }
    body
}

/// Asked often until it is answered well for the first time, then as seldom as nobody minds: each check is a process. Engines
/// before API 1.44 know only the second number.
fn health_check(command: &[String]) -> HealthConfig {
    HealthConfig {
        test: Some(std::iter::once("CMD".to_owned()).chain(command.iter().cloned()).collect()),
        interval: Some(SECOND),
        timeout: Some(5 * SECOND),
        // How long it may take, the worker decides; until then it is only "not yet".
        retries: Some(1_000_000),
        start_period: Some(600 * SECOND),
        start_interval: Some(SECOND / 5),
    }
}

fn environment(spec: &ContainerSpec) -> Vec<String> {
    let said = spec.env.iter().map(|(name, value)| format!("{name}={value}"));
    // The engine's init then tells the launcher and its guard of TERM, and not one process alone.
    let ours = matches!(spec.program, Program::Command(_) | Program::Fed(_)).then(|| format!("{SIGNAL_THE_GROUP}=1"));
    said.chain(ours).collect()
}

fn endpoint(place: &NetworkPlace) -> Option<NetworkingConfig> {
    if place.aliases.is_empty() {
        return None;
    }
    let settings = EndpointSettings { aliases: Some(place.aliases.clone()), ..Default::default() };
    Some(NetworkingConfig { endpoints_config: Some(HashMap::from([(place.network.clone(), settings)])) })
}

fn host_config(spec: &ContainerSpec) -> HostConfig {
    let limits = spec.limits;
    HostConfig {
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned(), format!("seccomp={SECCOMP}")]),
        privileged: Some(false),
        readonly_rootfs: Some(true),
        // exec: native parts of Java libraries, `go test` and virtual environments start programs there.
        tmpfs: Some(
            std::iter::once((
                "/tmp".to_owned(),
                format!("rw,exec,nosuid,nodev,size={},nr_inodes=262144,mode=1777", limits.tmp_bytes),
            ))
            .chain(spec.scratch.iter().map(|scratch| (scratch.target.clone(), scratch_options(scratch.bytes))))
            .collect(),
        ),
        memory: Some(limits.memory_bytes as i64),
        memory_swap: Some(limits.memory_bytes as i64),
        nano_cpus: Some(limits.milli_cpus as i64 * 1_000_000),
        pids_limit: Some(limits.pids as i64),
        ulimits: Some(vec![
            ulimit("nofile", (OPEN_FILES.min(limits.open_files) as i64, limits.open_files as i64)),
            ulimit("core", (0, 0)),
            ulimit("fsize", (MAX_FILE_BYTES, MAX_FILE_BYTES)),
        ]),
        oom_score_adj: Some(OOM_SCORE),
        ipc_mode: Some("private".to_owned()),
        shm_size: Some(SHARED_MEMORY_BYTES),
        cgroupns_mode: Some(bollard::models::HostConfigCgroupnsModeEnum::PRIVATE),
        network_mode: Some(spec.network.as_ref().map_or_else(|| "none".to_owned(), |place| place.network.clone())),
        // The engine's resolver asks for names it does not know in the container's own network where a server is named, and on
        // the host where none is and the host's own server is on loopback: a way out of a network that has none
        // (CVE-2024-29018). Names of containers are answered by the engine itself.
        dns: spec
            .network
            .as_ref()
            .is_none_or(|place| place.kind == NetworkKind::Internal)
            .then(|| vec!["127.0.0.1".to_owned()]),
        // On a network the engine gives the name an address.
        extra_hosts: spec.network.is_none().then(|| vec![format!("{HOST_NAME}:127.0.0.1")]),
        mounts: Some(spec.mounts.iter().map(mount).collect()),
        log_config: Some(log_config(spec.log)),
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        // The exit code must outlive the process until it is on our disk.
        auto_remove: Some(false),
        init: Some(true),
        ..Default::default()
    }
}

fn log_config(log: KeptLog) -> HostConfigLogConfig {
    let (size, files) = match log {
        // Never rotated: that loses lines of a log that is followed. "No limit" cannot be written down, and a default of the
        // daemon's configuration must not take its place, so it is one file of a size that no step reaches.
        KeptLog::All => ("1000g", "1"),
        // Nobody follows it: it is read once, when the container has ended, so it may rotate and has an end.
        KeptLog::Latest => ("64m", "2"),
    };
    let config = [("max-size", size), ("max-file", files)].map(|(k, v)| (k.to_owned(), v.to_owned()));
    HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(config.into()) }
}

fn scratch_options(bytes: u64) -> String {
    format!("rw,noexec,nosuid,nodev,size={bytes},uid={RUNNER_UID},gid={RUNNER_GID},mode=0700")
}

fn ulimit(name: &str, (soft, hard): (i64, i64)) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(soft), hard: Some(hard) }
}

fn mount(mount: &Mount) -> EngineMount {
    let (typ, source, subpath) = match &mount.source {
        MountSource::Bind(path) => (MountType::BIND, path.display().to_string(), None),
        MountSource::Volume(name) => (MountType::VOLUME, name.clone(), None),
        MountSource::VolumeFolder(name, folder) => (MountType::VOLUME, name.clone(), Some(folder.clone())),
    };
    EngineMount {
        typ: Some(typ),
        source: Some(source),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        // Without this an engine fills an empty volume from the image's folder of that name, and takes over its owner.
        volume_options: (typ == MountType::VOLUME).then(|| MountVolumeOptions {
            no_copy: Some(true),
            subpath,
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The create request of a job's own bridge. Over an egress network its containers cannot reach each other, since each step
/// that may go out is alone there, unless it is there with its services. An internal one gives the host no address: its gateway would else be a way to everything
/// that listens on all of the host's addresses.
pub fn network(name: &str, kind: NetworkKind, labels: &BTreeMap<String, String>) -> NetworkCreateRequest {
    let (option, value) = match kind {
        NetworkKind::Internal => ("com.docker.network.bridge.inhibit_ipv4", "true"),
        NetworkKind::Out => ("com.docker.network.bridge.enable_icc", "false"),
        NetworkKind::OutAndTogether => ("com.docker.network.bridge.enable_icc", "true"),
    };
    let options = HashMap::from([(option.to_owned(), value.to_owned())]);
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        internal: Some(kind == NetworkKind::Internal),
        options: Some(options),
        labels: Some(labels.clone().into_iter().collect()),
        ..Default::default()
    }
}

/// A filter for all of these labels.
pub(super) fn label_filter(labels: &[String]) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), labels.to_vec())])
}

/// Splits `registry:5000/name:tag`; a missing tag is `latest`, a digest stays with the name.
pub(super) fn name_and_tag(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') && !name.contains('@') => (name, tag),
        _ if image.contains('@') => (image, ""),
        _ => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use pipelinex_common::{
        database::{DatabaseConfig, DatabaseKind},
        id::{InstanceId, JobId},
        layout::JobPaths,
        limits::StepLimits,
        pipeline,
        slug::Slug,
    };

    use super::*;
    use crate::{
        services::containers,
        spec::{self, Extras, JobContext, TreeKind},
    };

    /// The create requests of a step and of what runs beside it, as JSON, with the random parts replaced.
    struct Requests {
        step: serde_json::Value,
        application: Option<serde_json::Value>,
        databases: Vec<serde_json::Value>,
    }

    fn request(ours: &str, trees: TreeKind, volume_folders: bool) -> serde_json::Value {
        requests(ours, trees, volume_folders).step
    }

    fn requests(ours: &str, trees: TreeKind, volume_folders: bool) -> Requests {
        let text = format!(
            "stages: [S]\ndefault: {{image: scan}}\nPACKAGE: {{stage: S, script: [make]}}\n\
             S: {{stage: S, script: [make], needs: [PACKAGE]}}\n.pipelinex: {{jobs: {{S: {ours}}}}}\n"
        );
        let pipeline = pipeline::read("pipeline.yml", &text).unwrap();
        let step = &pipeline.steps[1];
        let job: JobId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let context = JobContext {
            instance: InstanceId::parse(&"0".repeat(32)).unwrap(),
            job,
            attempt: 1,
            number: 1,
            on_engine: JobPaths::at("/workspaces/JOB"),
            trees,
            volume_folders,
            ca: Some(PathBuf::from("/workspaces/.ca/x")),
            stack_files: None,
            limits: StepLimits::default(),
            open_files: spec::OPEN_FILES_MAX,
            versions: Default::default(),
            folder: None,
        };
        let extras = Extras { inputs: step.target.is_some(), ..Extras::default() };
        let spec = spec::container(&context, step, &step.slug, "sha256:0a1b".to_owned(), &extras);
        let database = DatabaseConfig::default();
        let image = || "sha256:2c3d".to_owned();
        Requests {
            application: step.target.as_ref().map(|target| {
                let producer = Slug::of("PACKAGE");
                let variables = database.client_environment(&true.into(), &target.database);
                as_json(containers::application(&context, step, target, &producer, &spec, image(), variables))
            }),
            databases: [DatabaseKind::Postgresql, DatabaseKind::Mariadb, DatabaseKind::Redis]
                .map(|kind| as_json(containers::database(&context, &spec, image(), &database, kind)))
                .into(),
            step: as_json(spec),
        }
    }

    fn as_json(mut spec: ContainerSpec) -> serde_json::Value {
        spec.labels.insert(spec::LABEL_CREATED.to_owned(), "0".to_owned());
        serde_json::to_value(container(&spec)).unwrap()
    }

    #[test]
    fn a_runner_container_is_hardened_like_this() {
        let mut request = request("{network: egress, memory: 1g}", TreeKind::Overlay, true);
        request["HostConfig"]["Mounts"] = serde_json::Value::Null;
        let profile = request["HostConfig"]["SecurityOpt"][1].as_str().unwrap().strip_prefix("seccomp=").unwrap();
        let profile: serde_json::Value = serde_json::from_str(profile).unwrap();
        assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO", "what is not named is refused");
        request["HostConfig"]["SecurityOpt"][1] = "seccomp=the profile".into();
        request["Cmd"][2] = "the launcher".into();
        insta::with_settings!({sort_maps => true}, { insta::assert_json_snapshot!(request) });
    }

    const TARGET: &str = "{kind: scan, network: internal, target: {artifact_of: PACKAGE, command: run, port: 8081}}";

    /// What one request says otherwise than another, by the paths of its values.
    fn differences(
        path: &str,
        of: &serde_json::Value,
        from: &serde_json::Value,
        found: &mut BTreeMap<String, serde_json::Value>,
    ) {
        match (of, from) {
            (serde_json::Value::Object(of), serde_json::Value::Object(from)) => {
                let keys: std::collections::BTreeSet<_> = of.keys().chain(from.keys()).collect();
                for key in keys {
                    let at =
                        |map: &serde_json::Map<String, serde_json::Value>| map.get(key).cloned().unwrap_or_default();
                    differences(&format!("{path}/{key}"), &at(of), &at(from), found);
                }
            }
            (of, from) if of != from => _ = found.insert(path.to_owned(), of.clone()),
            _ => {}
        }
    }

    #[test]
    fn application_and_databases_are_hardened_like_a_step_but_for_this() {
        let requests = requests(TARGET, TreeKind::Overlay, true);
        for mut service in requests.application.into_iter().chain(requests.databases) {
            let mut found = BTreeMap::new();
            if let Some(launcher) = service["Cmd"].get_mut(2) {
                *launcher = "the launcher".into();
            }
            differences("", &service, &requests.step, &mut found);
            insta::with_settings!({sort_maps => true}, { insta::assert_json_snapshot!(found) });
        }
    }

    #[test]
    fn a_network_without_a_way_out_leads_nowhere_not_even_to_this_host() {
        for kind in [NetworkKind::Internal, NetworkKind::Out] {
            insta::with_settings!({sort_maps => true}, {
                insta::assert_json_snapshot!(network("n", kind, &BTreeMap::new()))
            });
        }
        let with_services = network("n", NetworkKind::OutAndTogether, &BTreeMap::new());
        let expected = HashMap::from([("com.docker.network.bridge.enable_icc".to_owned(), "true".to_owned())]);
        assert_eq!((with_services.internal, with_services.options), (Some(false), Some(expected)));
        let request = request(TARGET, TreeKind::Overlay, true);
        assert_eq!(request["HostConfig"]["Dns"], serde_json::json!(["127.0.0.1"]));
        assert_eq!(request["NetworkingConfig"], serde_json::Value::Null, "the checks have no name there");
    }

    #[test]
    fn a_step_mounts_this_and_nothing_else() {
        let mounts = |ours, trees, folders| {
            let request = request(ours, trees, folders);
            let mounts = request["HostConfig"]["Mounts"].as_array().unwrap().clone();
            let line = |m: &serde_json::Value| {
                let folder = m["VolumeOptions"]["Subpath"].as_str().map(|f| format!("/{f}")).unwrap_or_default();
                let mode = if m["ReadOnly"] == true { "ro" } else { "rw" };
                format!(
                    "{} {}{folder} -> {} {mode}",
                    m["Type"].as_str().unwrap(),
                    m["Source"].as_str().unwrap(),
                    m["Target"].as_str().unwrap()
                )
            };
            mounts.iter().map(line).collect::<Vec<_>>().join("\n")
        };
        insta::assert_snapshot!(mounts("{kind: scan}", TreeKind::Overlay, false));
        insta::assert_snapshot!(mounts("{network: none}", TreeKind::Overlay, true));
        insta::assert_snapshot!(mounts("{network: none}", TreeKind::Copy, false));
        insta::assert_snapshot!(mounts(TARGET, TreeKind::Copy, false));
    }

    #[test]
    fn an_image_reference_is_split_at_its_tag_and_nowhere_else() {
        for (image, expected) in [
            ("debian", ("debian", "latest")),
            ("debian:12", ("debian", "12")),
            ("registry.example:5000/a/b", ("registry.example:5000/a/b", "latest")),
            ("registry.example:5000/a/b:1", ("registry.example:5000/a/b", "1")),
            ("a/b@sha256:00", ("a/b@sha256:00", "")),
        ] {
            assert_eq!(name_and_tag(image), expected);
        }
    }
}

//! Our words into the engine's: one pure function a thing, so that a test can hold the whole hardening in one picture.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount as EngineMount, MountType, MountVolumeOptions,
    NetworkCreateRequest, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use pipelinex_common::store::{RUNNER_GID, RUNNER_UID};

use crate::spec::{ContainerSpec, HOME, Mount, MountSource};

/// Open files a step may have: enough for a JVM build, far below what would starve the host.
const MAX_OPEN_FILES: i64 = 16_384;
/// The largest file a step may write, in bytes: above any artifact that would be collected.
const MAX_FILE_BYTES: i64 = 8 * 1024 * 1024 * 1024;
/// Size of /dev/shm, in bytes; it counts as memory of the container. The engine's own default, said so that no daemon's
/// configuration changes it.
const SHARED_MEMORY_BYTES: i64 = 64 * 1024 * 1024;
/// Seconds between TERM and KILL when the engine stops a container by itself.
const STOP_GRACE_SECONDS: i64 = 10;

/// The create request of a runner container.
pub fn container(spec: &ContainerSpec) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        // The image's own entry point is not asked.
        entrypoint: Some(Vec::new()),
        cmd: Some(spec.command.clone()),
        env: Some(spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        user: Some(format!("{RUNNER_UID}:{RUNNER_GID}")),
        // Constants: a name or folder chosen by the image or the project has been a way out before (CVE-2024-21626).
        hostname: Some("runner".to_owned()),
        working_dir: Some(HOME.to_owned()),
        tty: Some(false),
        open_stdin: Some(false),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        stop_timeout: Some(STOP_GRACE_SECONDS),
        network_disabled: Some(spec.network.is_none()),
        labels: Some(spec.labels.clone().into_iter().collect()),
        host_config: Some(host_config(spec)),
        ..Default::default()
    }
}

fn host_config(spec: &ContainerSpec) -> HostConfig {
    let limits = spec.limits;
    HostConfig {
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        privileged: Some(false),
        readonly_rootfs: Some(true),
        // exec: native parts of Java libraries, `go test` and virtual environments start programs there.
        tmpfs: Some(HashMap::from([(
            "/tmp".to_owned(),
            format!("rw,exec,nosuid,nodev,size={},nr_inodes=262144,mode=1777", limits.tmp_bytes),
        )])),
        memory: Some(limits.memory_bytes as i64),
        memory_swap: Some(limits.memory_bytes as i64),
        nano_cpus: Some(limits.milli_cpus as i64 * 1_000_000),
        pids_limit: Some(limits.pids as i64),
        ulimits: Some(vec![ulimit("nofile", MAX_OPEN_FILES), ulimit("core", 0), ulimit("fsize", MAX_FILE_BYTES)]),
        ipc_mode: Some("private".to_owned()),
        shm_size: Some(SHARED_MEMORY_BYTES),
        cgroupns_mode: Some(bollard::models::HostConfigCgroupnsModeEnum::PRIVATE),
        network_mode: Some(spec.network.clone().unwrap_or_else(|| "none".to_owned())),
        mounts: Some(spec.mounts.iter().map(mount).collect()),
        // Never rotated: that loses lines of a log that is followed. "No limit" cannot be written down, and a default of the
        // daemon's configuration must not take its place, so it is one file of a size that no step reaches.
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some([("max-size", "1000g"), ("max-file", "1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
        }),
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        // The exit code must outlive the process until it is on our disk.
        auto_remove: Some(false),
        init: Some(true),
        ..Default::default()
    }
}

fn ulimit(name: &str, value: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(value), hard: Some(value) }
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

/// The create request of a job's own bridge: its containers cannot reach each other over an egress network, since each
/// step that may go out is alone there.
pub fn network(name: &str, internal: bool, labels: &BTreeMap<String, String>) -> NetworkCreateRequest {
    let options = if internal {
        HashMap::new()
    } else {
        HashMap::from([("com.docker.network.bridge.enable_icc".to_owned(), "false".to_owned())])
    };
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        internal: Some(internal),
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
        id::{InstanceId, JobId},
        layout::JobPaths,
        limits::StepLimits,
        pipeline,
    };

    use super::*;
    use crate::spec::{self, JobContext, TreeKind};

    /// The create request of a step, as JSON, with the random parts replaced.
    fn request(ours: &str, trees: TreeKind, volume_folders: bool) -> serde_json::Value {
        let text =
            format!("stages: [S]\nS: {{stage: S, image: scan, script: [make]}}\n.pipelinex: {{jobs: {{S: {ours}}}}}\n");
        let pipeline = pipeline::read("pipeline.yml", &text).unwrap();
        let step = &pipeline.steps[0];
        let job: JobId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let context = JobContext {
            instance: InstanceId::parse(&"0".repeat(32)).unwrap(),
            job,
            attempt: 1,
            on_engine: JobPaths::at("/workspaces/JOB"),
            trees,
            volume_folders,
            ca: Some(PathBuf::from("/workspaces/.ca/x")),
            limits: StepLimits::default(),
            versions: Default::default(),
        };
        let mut spec = spec::container(&context, step, &step.slug, "pipelinex/scan:1".to_owned());
        spec.labels.insert(spec::LABEL_CREATED.to_owned(), "0".to_owned());
        serde_json::to_value(container(&spec)).unwrap()
    }

    #[test]
    fn a_runner_container_is_hardened_like_this() {
        let mut request = request("{network: egress, memory: 1g}", TreeKind::Overlay, true);
        request["HostConfig"]["Mounts"] = serde_json::Value::Null;
        request["Cmd"][2] = "the launcher".into();
        insta::with_settings!({sort_maps => true}, { insta::assert_json_snapshot!(request) });
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

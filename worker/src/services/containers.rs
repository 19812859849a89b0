//! What the containers beside a step look like: values in, values out.

use std::collections::BTreeMap;

use pipelinex_common::{
    database::{DatabaseConfig, DatabaseKind},
    limits::MIB,
    pipeline::model::{Step, Target},
    slug::Slug,
};

use crate::{
    home,
    spec::{
        self, APP_DIR, ContainerLimits, ContainerSpec, JobContext, KeptLog, LABEL_SERVICE, NetworkPlace, PIPELINES_DIR,
        Program, Scratch,
    },
};

/// Memory of a database, in bytes, its files included. PostgreSQL takes 128 MiB for its buffers and writes 40 MiB at first.
const DATABASE_MEMORY: u64 = 1024 * MIB;
/// The largest database, in bytes.
const DATABASE_FILES: u64 = 512 * MIB;
/// Processes of a database, and threads: PostgreSQL and MariaDB have one for each of at most a hundred connections.
const DATABASE_PIDS: u64 = 256;

/// The application beside the step whose container is `step_container`.
pub fn application(
    context: &JobContext,
    step: &Step,
    target: &Target,
    producer: &Slug,
    step_container: &ContainerSpec,
    image: String,
    of_databases: BTreeMap<String, String>,
) -> ContainerSpec {
    let mut env = spec::common_environment(context, step);
    let port = target.port.to_string();
    env.insert("APP_DIR".to_owned(), context.folder_dir());
    env.extend(["SERVER_PORT", "PORT"].map(|name| (name.to_owned(), port.clone())));
    env.extend(of_databases);
    let artifacts = context.on_engine.inputs_of(&step.slug).join(producer.as_str());
    let limits = &context.limits;
    ContainerSpec {
        image,
        program: Program::Command(crate::script::application(&target.command)),
        env,
        mounts: home::mounts(&context.on_engine.tree(&step.slug), home::Owner::Application)
            .chain([
                spec::bind(context.on_engine.pipelines(), PIPELINES_DIR, true),
                spec::bind(artifacts, APP_DIR, true),
            ])
            .collect(),
        scratch: vec![spec::runtime_dir()],
        limits: ContainerLimits {
            memory_bytes: limits.memory_bytes,
            milli_cpus: limits.milli_cpus,
            pids: limits.pids,
            tmp_bytes: limits.tmp_bytes,
            open_files: context.open_files,
        },
        ..beside(step_container, "app", std::slice::from_ref(&target.alias))
    }
}

/// A database beside the step whose container is `step_container`.
pub fn database(
    context: &JobContext,
    step_container: &ContainerSpec,
    image: String,
    config: &DatabaseConfig,
    kind: DatabaseKind,
) -> ContainerSpec {
    let mut env = config.server_environment(kind);
    let (files, sockets) = folders(kind);
    if kind == DatabaseKind::Postgresql {
        env.insert("PGDATA".to_owned(), files.to_owned());
    }
    let sockets = sockets.map(|target| Scratch { target: target.to_owned(), bytes: MIB });
    let limits = &context.limits;
    ContainerSpec {
        image,
        program: Program::OfImage,
        env,
        scratch: [Scratch { target: files.to_owned(), bytes: DATABASE_FILES }].into_iter().chain(sockets).collect(),
        limits: ContainerLimits {
            memory_bytes: limits.memory_bytes.min(DATABASE_MEMORY),
            milli_cpus: limits.milli_cpus,
            pids: limits.pids.min(DATABASE_PIDS),
            tmp_bytes: limits.tmp_bytes.min(64 * MIB),
            open_files: context.open_files,
        },
        health: Some(config.ready(kind)),
        ..beside(step_container, kind.alias(), &[kind.alias().to_owned()])
    }
}

/// Where a database has its files, and its sockets: as in the published image, said so that no image decides it.
fn folders(kind: DatabaseKind) -> (&'static str, Option<&'static str>) {
    match kind {
        DatabaseKind::Postgresql => ("/var/lib/postgresql/data", Some("/var/run/postgresql")),
        DatabaseKind::Mysql | DatabaseKind::Mariadb => ("/var/lib/mysql", Some("/run/mysqld")),
        DatabaseKind::Redis => ("/data", None),
    }
}

/// What all of them have in common with the step's own container: its labels, and its network, on which they have a name.
pub(super) fn beside(step_container: &ContainerSpec, word: &str, aliases: &[String]) -> ContainerSpec {
    let mut labels = step_container.labels.clone();
    labels.insert(LABEL_SERVICE.to_owned(), word.to_owned());
    let place = |place: &NetworkPlace| NetworkPlace { aliases: aliases.to_vec(), ..place.clone() };
    ContainerSpec {
        name: format!("{}.{word}", step_container.name),
        network: step_container.network.as_ref().map(place),
        log: KeptLog::Latest,
        labels,
        mounts: Vec::new(),
        scratch: Vec::new(),
        health: None,
        ..step_container.clone()
    }
}

//! From a command to an exit code. Clients and servers get the runtime that suits them.

mod accept;
mod artifacts;
mod audit;
mod cancel;
mod check;
mod completions;
mod db;
mod detect;
mod doctor;
mod find;
mod findings;
mod gc;
mod health;
mod hooks;
mod init;
mod job;
mod list;
mod login;
mod logs;
mod plan;
mod play;
mod projects;
mod report;
mod reports;
mod run;
mod runs;
mod secrets;
mod serve;
mod settings;
mod submit;
mod tests_of;
mod token;
mod triggers;

use std::{future::Future, io, path::Path, time::Duration};

use pipelinex_backend::intake::git::child;
use pipelinex_common::id::JobId;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use self::settings::Settings;
use crate::{
    args::{AuditCommand, Cli, Command, DbCommand, JobRef, ProjectPlace, ProjectWord, ServerAddress},
    client::{Client, Wanted},
    exit::Exit,
    failure::Failure,
    output::Output,
    telemetry,
};

/// How long work that was given up may take to let go when a client ends.
const LETTING_GO: Duration = Duration::from_millis(100);

/// The same of a server, in which a step's artifacts may be on their way to the disk.
const CLOSING: Duration = Duration::from_secs(2);

/// Does what was asked for.
pub fn run(cli: Cli, out: &Output) -> Result<Exit, Failure> {
    let ca_certs = cli.global.ca_certs.as_deref();
    match cli.command {
        Command::Serve { common, backend, worker } => {
            server(serve::both(Settings::new(&common, ca_certs)?, &backend, &worker))
        }
        Command::Backend { common, backend } => server(serve::backend(Settings::new(&common, ca_certs)?, &backend)),
        Command::Worker { common, worker } => server(serve::worker(Settings::new(&common, ca_certs)?, &worker)),
        Command::Run { run } => server(run::run(out, run, ca_certs)),
        Command::Init { init } => init::init(out, &init),
        Command::Check { paths, format } => check::check(out, &paths, format),
        Command::Plan { local, format } => plan::plan(out, &local, format),
        Command::Submit { project, git, wait } => {
            let client = connect(&project.server, ca_certs)?;
            interruptible(submit::submit(&client, out, project, git, wait))
        }
        Command::Precheck { project } => {
            let client = connect(&project.server, ca_certs)?;
            interruptible(submit::precheck(&client, out, project))
        }
        Command::Detect { project, git } => interruptible(detect::detect(out, project, git, ca_certs)),
        Command::Status { id, watch, server } => {
            of_job(&server, ca_certs, id, async |client, id| job::status(client, out, id, watch).await)
        }
        Command::Cancel { id, server } => {
            of_job(&server, ca_certs, id, async |client, id| cancel::cancel(client, out, id).await)
        }
        Command::Play { id, step, server } => {
            of_job(&server, ca_certs, id, async |client, id| play::play(client, out, id, &step).await)
        }
        Command::Retry { id, failed, wait, server } => {
            of_job(&server, ca_certs, id, async |client, id| submit::retry(client, out, id, failed, wait).await)
        }
        Command::Version => {
            let version = env!("PIPELINEX_VERSION");
            let told = if out.json() {
                out.document(&json!({"version": version}))
            } else {
                out.data(format!("pipelinex {version}"))
            };
            told.map(|()| Exit::Passed).map_err(Failure::from)
        }
        Command::Logs { id, stage, step, number, failed, follow, server } => {
            let wanted = logs::Wanted { stage, step, number, failed, follow };
            of_job(&server, ca_certs, id, async |client, id| logs::logs(client, out, id, &wanted).await)
        }
        Command::List { state, project, branch, limit, server } => {
            let wanted = Wanted { state: state.map(Into::into), project, branch };
            interruptible(list::list(&connect(&server, ca_certs)?, out, &wanted, limit))
        }
        Command::Reports { id, output, server } => {
            of_job(&server, ca_certs, id, async |client, id| reports::reports(client, out, id, output.as_deref()).await)
        }
        Command::Report { id: Some(id), format, output, server, .. } => {
            of_job(&server, ca_certs, id, async |client, id| {
                report::report(client, out, id, format, output.as_deref()).await
            })
        }
        Command::Report { id: None, runs, format, output, server } => {
            let client = connect(&server, ca_certs)?;
            interruptible(runs::runs(&client, out, &runs, (format, output.as_deref())))
        }
        Command::Findings { id, new, baseline, format, server } => of_job(&server, ca_certs, id, async |client, id| {
            let baseline = match &baseline {
                Some(named) => Some(find::job(client, named).await?),
                None => None,
            };
            let wanted = findings::Wanted { new, baseline, format };
            findings::findings(client, out, id, &wanted).await
        }),
        Command::Accept { id, fingerprint, reason, until, false_positive, remove, list, workspaces, server } => {
            let what = match (list, remove) {
                (true, _) => accept::What::List,
                (false, true) => accept::What::Remove,
                (false, false) => accept::What::Accept { reason: reason.unwrap_or_default(), until, false_positive },
            };
            let fingerprint = fingerprint.unwrap_or_default();
            match (workspaces, id) {
                (Some(folder), JobRef::Id(id)) => accept::here(out, &folder, accept::Wanted { id, fingerprint, what }),
                (Some(_), named) => {
                    Err(Failure::usage(format!("with --workspaces a job is named by its whole id, not {named}")))
                }
                (None, named) => of_job(&server, ca_certs, named, async |client, id| {
                    let (fingerprint, what) = (fingerprint.clone(), what.clone());
                    accept::there(client, out, accept::Wanted { id, fingerprint, what }).await
                }),
            }
        }
        Command::Tests { id, failed, text, format, server } => {
            let wanted = tests_of::Wanted { failed, text, format };
            of_job(&server, ca_certs, id, async |client, id| tests_of::tests(client, out, id, &wanted).await)
        }
        Command::Artifacts { id, to, server } => {
            of_job(&server, ca_certs, id, async |client, id| artifacts::artifacts(client, out, id, to.as_deref()).await)
        }
        Command::Db(command) => database(command, ca_certs, out),
        Command::Audit(AuditCommand::Tail { lines, follow, workspaces }) => {
            interruptible(audit::tail(out, workspaces.as_deref(), lines, follow))
        }
        Command::Token(command) => token::token(out, command),
        Command::Secret(command) => secrets::secret(out, command),
        Command::Project(ProjectWord::Hook(command)) => hooks::hook(out, command),
        Command::Project(ProjectWord::Trigger(command)) => triggers::trigger(out, command),
        Command::Project(ProjectWord::Schedule(command)) => triggers::schedule(out, command),
        Command::Project(ProjectWord::Project(command)) => {
            let ProjectPlace { workspaces, server } = command.place().clone();
            match workspaces {
                Some(folder) => projects::here(out, &folder, command),
                None => interruptible(projects::there(&connect(&server, ca_certs)?, out, command)),
            }
        }
        Command::Login { server } => interruptible(login::login(connect(&server, ca_certs)?, out)),
        Command::Logout { server } => login::logout(&connect(&server, ca_certs)?, out),
        Command::Whoami { server } => interruptible(login::whoami(&connect(&server, ca_certs)?, out)),
        Command::Doctor { common, worker, server } => {
            let client = connect(&server, ca_certs)?;
            interruptible(doctor::doctor(&client, out, &Settings::new(&common, ca_certs)?, &worker))
        }
        Command::Gc { dry_run, keep, workspaces, docker_host } => {
            interruptible(gc::gc(out, workspaces.as_deref(), docker_host.as_deref(), &keep, dry_run))
        }
        Command::Health { health_file: Some(file), .. } => health::worker(&file, out),
        Command::Health { health_file: None, server } => {
            interruptible(health::server(&connect(&server, ca_certs)?, out))
        }
        Command::Schema => {
            out.document(&pipelinex_common::pipeline::schema::schema())?;
            Ok(Exit::Passed)
        }
        Command::Completions { shell } => completions::print(shell, out),
        Command::HandleJob { log_format } => {
            telemetry::start(log_format)?;
            pipelinex_worker::poison::run().map(|()| Exit::Passed).map_err(Failure::errored)
        }
        Command::GitClone => child::run().map(|()| Exit::Passed).map_err(Failure::from),
    }
}

fn database(command: DbCommand, ca_certs: Option<&Path>, out: &Output) -> Result<Exit, Failure> {
    match command {
        DbCommand::Import { path, place } => interruptible(db::import(out, place.workspaces.as_deref(), &path)),
        DbCommand::Update { ecosystem, from, place } => {
            interruptible(db::update(out, place.workspaces.as_deref(), ecosystem, &from, ca_certs))
        }
        DbCommand::Info { place } => db::info(out, place.workspaces.as_deref()),
    }
}

fn connect(server: &ServerAddress, ca_certs: Option<&Path>) -> Result<Client, Failure> {
    Client::new(&server.url, ca_certs).map_err(Failure::from)
}

/// Does something with the job that was named.
fn of_job(
    server: &ServerAddress,
    ca_certs: Option<&Path>,
    named: JobRef,
    work: impl AsyncFnOnce(&Client, JobId) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let client = connect(server, ca_certs)?;
    interruptible(async {
        let id = find::job(&client, &named).await?;
        work(&client, id).await
    })
}

/// Runs a client's work until it is done or Ctrl-C comes. Nothing is left behind either way: what is half done lives in
/// files without a name, or is removed when its owner is dropped.
fn interruptible(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = runtime(&mut Builder::new_current_thread())?;
    let done = runtime.block_on(async {
        tokio::select! {
            // A command that has something to say about Ctrl-C hears it first.
            biased;
            done = work => done,
            _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
        }
    });
    runtime.shutdown_timeout(LETTING_GO);
    done
}

/// Runs a server; it hears signals itself. Work on files that is still under way when it has ended is not waited for for ever:
/// whatever it leaves half done, whoever comes next does again.
fn server(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = runtime(&mut Builder::new_multi_thread())?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(CLOSING);
    done
}

fn runtime(builder: &mut Builder) -> Result<Runtime, Failure> {
    builder.enable_all().build().map_err(|error: io::Error| Failure::errored(format!("cannot start: {error}")))
}

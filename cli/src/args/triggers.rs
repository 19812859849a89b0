//! Flags of `project trigger` and `project schedule`: what starts jobs of a project by itself. They act on the workspaces folder.

use std::{path::PathBuf, time::Duration};

use clap::Subcommand;
use pipelinex_common::store::{Missed, PushHost};

use super::{secrets::SealedPlace, values};

/// What to do with triggers.
#[derive(Subcommand, Debug)]
pub enum TriggerCommand {
    /// Start a job for each push to a repository; prints the path that the host is to be told
    Add {
        /// The project
        #[arg(value_parser = values::project)]
        project: String,
        /// Who tells of pushes: github, gitlab or gitea (also for Forgejo)
        #[arg(long, env = "PIPELINEX_FROM", value_name = "HOST")]
        from: PushHost,
        /// The repository that is cloned, whatever the push says
        #[arg(long, env = "PIPELINEX_REPOSITORY", value_name = "URL")]
        repository: String,
        /// Branches whose pushes start a job, also as patterns
        #[arg(long, env = "PIPELINEX_BRANCHES", value_name = "GLOB", value_delimiter = ',', required = true)]
        #[arg(value_parser = pipelinex_backend::events::incoming::check_glob)]
        branches: Vec<String>,
        /// The name of a token for a private repository (`pipelinex secret set --for git:HOST`)
        #[arg(long, env = "PIPELINEX_GIT_TOKEN", value_name = "NAME")]
        git_token: Option<String>,
        /// A file with the secret that the host is given as well
        #[arg(long, env = "PIPELINEX_SECRET_FILE", value_name = "FILE")]
        secret_file: PathBuf,
        #[command(flatten)]
        place: SealedPlace,
    },
    /// List the triggers, and what came of the last push
    List {
        /// Where jobs live, and the triggers with them [default: as for `serve`]
        #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
        workspaces: Option<PathBuf>,
    },
    /// Remove a trigger; jobs that it started go on
    Rm {
        /// Its id, as `list` shows it
        id: String,
        /// Where jobs live, and the triggers with them [default: as for `serve`]
        #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
        workspaces: Option<PathBuf>,
    },
}

/// What to do with schedules.
#[derive(Subcommand, Debug)]
pub enum ScheduleCommand {
    /// Start a job at times of the clock
    Add {
        /// The project
        #[arg(value_parser = values::project)]
        project: String,
        /// Minute, hour, day of the month, month and day of the week, such as "0 3 * * 1-5"
        #[arg(long, env = "PIPELINEX_CRON", value_name = "TIMES")]
        cron: String,
        /// The time zone, such as Europe/Berlin
        #[arg(long, env = "PIPELINEX_ZONE", value_name = "NAME", default_value = "UTC")]
        zone: String,
        /// The repository that is cloned
        #[arg(long, env = "PIPELINEX_REPOSITORY", value_name = "URL")]
        repository: String,
        /// A branch, a tag or a commit [default: the default branch]
        #[arg(long = "ref", env = "PIPELINEX_REF", value_name = "NAME")]
        git_ref: Option<String>,
        /// The name of a token for a private repository (`pipelinex secret set --for git:HOST`)
        #[arg(long, env = "PIPELINEX_GIT_TOKEN", value_name = "NAME")]
        git_token: Option<String>,
        /// Each job begins up to so much later, by chance, so that not all schedules begin at once [default: not at all]
        #[arg(long, env = "PIPELINEX_JITTER", value_name = "TIME", value_parser = values::duration)]
        jitter: Option<Duration>,
        /// What becomes of times at which no server ran: one job makes up for them once, or skip leaves them out
        #[arg(long, env = "PIPELINEX_MISSED", value_name = "once|skip", default_value_t)]
        missed: Missed,
        /// Where jobs live, and the schedules with them [default: as for `serve`]
        #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
        workspaces: Option<PathBuf>,
    },
    /// List the schedules, their next times, and what came of the last one
    List {
        /// Where jobs live, and the schedules with them [default: as for `serve`]
        #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
        workspaces: Option<PathBuf>,
    },
    /// Remove a schedule; jobs that it started go on
    Rm {
        /// Its id, as `list` shows it
        id: String,
        /// Where jobs live, and the schedules with them [default: as for `serve`]
        #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
        workspaces: Option<PathBuf>,
    },
    /// Start a job of a schedule now; its times stay as they are
    Run {
        /// Its id, as `list` shows it
        id: String,
        /// Where jobs live, and the schedules with them [default: as for `serve`]
        #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
        workspaces: Option<PathBuf>,
    },
}

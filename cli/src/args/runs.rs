//! Which past runs are asked for.

use clap::Args;

/// Which past runs.
#[derive(Args, Clone, Debug, Default)]
pub struct RunsArgs {
    /// Past runs of this pipeline or project, in place of one job
    #[arg(long, env = "PIPELINEX_PIPELINE", value_name = "NAME", conflicts_with = "id")]
    pub pipeline: Option<String>,
    /// With --pipeline: the run of this number
    #[arg(long = "run", env = "PIPELINEX_RUN", value_name = "N", requires = "pipeline")]
    pub number: Option<u64>,
    /// With --pipeline: this stage alone
    #[arg(long, env = "PIPELINEX_STAGE", value_name = "STAGE", requires = "pipeline")]
    pub stage: Option<String>,
    /// With --pipeline and --stage: this step alone
    #[arg(long, env = "PIPELINEX_JOB", value_name = "STEP", requires = "stage")]
    pub job: Option<String>,
}

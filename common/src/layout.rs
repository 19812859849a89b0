//! Every path of the workspaces folder. Nobody else joins strings to find a file of a job.

use std::path::{Path, PathBuf};

use crate::{id::JobId, slug::Slug};

/// The paths of one workspaces folder.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The random id of this installation.
    pub fn instance(&self) -> PathBuf {
        self.root.join(".instance")
    }

    /// Submissions that are not jobs yet.
    pub fn staging(&self) -> PathBuf {
        self.root.join(".staging")
    }

    /// Keys of submissions, by which one that comes twice is known.
    pub fn keys(&self) -> PathBuf {
        self.root.join(".keys")
    }

    /// Locked by whoever binds a key or sweeps them.
    pub fn keys_lock(&self) -> PathBuf {
        self.index().join("keys.lock")
    }

    /// Who may use this server: tokens, and what belongs to them.
    pub fn access(&self) -> PathBuf {
        self.root.join(".access")
    }

    /// One file for each token.
    pub fn tokens(&self) -> PathBuf {
        self.access().join("tokens")
    }

    /// The token of an account; `name` was checked.
    pub fn token(&self, name: &str) -> PathBuf {
        self.tokens().join(format!("{name}.json"))
    }

    /// Tokens that are not taken any more.
    pub fn revoked_tokens(&self) -> PathBuf {
        self.access().join("revoked")
    }

    /// One file for each session of a person on the page.
    pub fn sessions(&self) -> PathBuf {
        self.access().join("sessions")
    }

    /// One file for each project that somebody made.
    pub fn project_records(&self) -> PathBuf {
        self.access().join("projects")
    }

    /// Secrets of projects, one sealed file each.
    pub fn secrets(&self) -> PathBuf {
        self.access().join("secrets")
    }

    /// Webhooks of projects, one file each.
    pub fn hooks(&self) -> PathBuf {
        self.access().join("hooks")
    }

    /// What is to be told to others.
    pub fn events(&self) -> PathBuf {
        self.root.join(".events")
    }

    /// Marks of jobs of which something is to be told.
    pub fn hooked_jobs(&self) -> PathBuf {
        self.events().join("jobs")
    }

    /// Deliveries that were not taken yet.
    pub fn outbox(&self) -> PathBuf {
        self.events().join("outbox")
    }

    /// What lets hosts of repositories start jobs, one file each.
    pub fn triggers(&self) -> PathBuf {
        self.access().join("triggers")
    }

    /// Times at which jobs of projects start by themselves, one file each.
    pub fn schedules(&self) -> PathBuf {
        self.access().join("schedules")
    }

    /// Up to when each schedule was seen to.
    pub fn fired(&self) -> PathBuf {
        self.events().join("fired")
    }

    /// Jobs that were asked for and are none yet.
    pub fn job_wishes(&self) -> PathBuf {
        self.events().join("wishes")
    }

    /// Those of which it is known what came of them.
    pub fn settled_wishes(&self) -> PathBuf {
        self.events().join("settled")
    }

    /// What people decided about findings, one file for each project.
    pub fn triage(&self) -> PathBuf {
        self.root.join(".triage")
    }

    /// Who did what.
    pub fn audit(&self) -> PathBuf {
        self.root.join(".audit/audit.jsonl")
    }

    /// What was in that file before.
    pub fn audit_aside(&self, number: u32) -> PathBuf {
        self.root.join(format!(".audit/audit-{number}.jsonl"))
    }

    /// Locked by whoever adds a line.
    pub fn audit_lock(&self) -> PathBuf {
        self.root.join(".audit/lock")
    }

    /// Which steps have resource groups.
    pub fn groups(&self) -> PathBuf {
        self.root.join(".groups")
    }

    /// The newest job of each branch.
    pub fn newest(&self) -> PathBuf {
        self.root.join(".newest")
    }

    /// What steps keep for later jobs: the worker's alone.
    pub fn caches(&self) -> PathBuf {
        self.root.join(".caches")
    }

    /// Caches that are being written.
    pub fn cache_drafts(&self) -> PathBuf {
        self.caches().join(".new")
    }

    /// The caches of one project, owner and kind of refs; `key` is a digest of the three.
    pub fn caches_of(&self, key: &str) -> PathBuf {
        self.caches().join(key)
    }

    /// What was thrown away and is being removed.
    pub fn trash(&self) -> PathBuf {
        self.root.join(".trash")
    }

    /// Files kept ready for what must be written on a full disk.
    pub fn spare(&self) -> PathBuf {
        self.root.join(".spare")
    }

    /// Databases of advisories, one folder for each import.
    pub fn advisories(&self) -> PathBuf {
        self.root.join(".advisories")
    }

    /// Run numbers, and indexes that can be made again.
    pub fn index(&self) -> PathBuf {
        self.root.join(".index")
    }

    /// The folder that hands out the run numbers of one project and pipeline; `key` is a digest of the two.
    pub fn run_numbers(&self, key: &str) -> PathBuf {
        self.index().join("runs").join(key)
    }

    /// Which jobs each project has.
    pub fn projects(&self) -> PathBuf {
        self.index().join("projects")
    }

    /// The marks of one project's jobs; `key` is a digest of its name.
    pub fn project_runs(&self, key: &str) -> PathBuf {
        self.projects().join(key)
    }

    /// The report archives of jobs that have ended.
    pub fn report_archives(&self) -> PathBuf {
        self.index().join("reports")
    }

    /// The folder of one job's report archive.
    pub fn report_archive(&self, id: JobId) -> PathBuf {
        self.report_archives().join(id.to_string())
    }

    /// The folder of a job.
    pub fn job(&self, id: JobId) -> JobPaths {
        JobPaths { root: self.root.join(id.to_string()) }
    }
}

/// The paths of one job's folder, or of one that is being staged.
#[derive(Clone, Debug)]
pub struct JobPaths {
    root: PathBuf,
}

impl JobPaths {
    /// The paths below a folder that is not, or not yet, under its job's name.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The workspaces folder that the job is in.
    pub fn workspaces(&self) -> Layout {
        Layout::new(self.root.parent().unwrap_or(&self.root))
    }

    /// The admission record.
    pub fn metadata(&self) -> PathBuf {
        self.root.join("metadata.json")
    }

    /// The live record.
    pub fn state(&self) -> PathBuf {
        self.root.join("state.json")
    }

    /// The end.
    pub fn final_record(&self) -> PathBuf {
        self.root.join("final.json")
    }

    /// Who holds the job.
    pub fn claims(&self) -> PathBuf {
        self.root.join("claims")
    }

    /// One claim.
    pub fn claim(&self, number: u64) -> PathBuf {
        self.claims().join(number.to_string())
    }

    /// How steps ended.
    pub fn ends(&self) -> PathBuf {
        self.root.join("ends")
    }

    /// How one step ended.
    pub fn end(&self, step: &Slug) -> PathBuf {
        self.ends().join(format!("{step}.json"))
    }

    /// Tries of steps that were followed by another.
    pub fn tries(&self) -> PathBuf {
        self.root.join("tries")
    }

    /// Those of one step.
    pub fn tries_of(&self, step: &Slug) -> PathBuf {
        self.tries().join(step.as_str())
    }

    /// Everything of one such try.
    pub fn try_folder(&self, step: &Slug, number: u32) -> PathBuf {
        self.tries_of(step).join(number.to_string())
    }

    /// How it ended.
    pub fn try_end(&self, step: &Slug, number: u32) -> PathBuf {
        self.try_folder(step, number).join("end.json")
    }

    /// When it began.
    pub fn try_start(&self, step: &Slug, number: u32) -> PathBuf {
        self.try_folder(step, number).join("start.json")
    }

    /// What it printed.
    pub fn try_log(&self, step: &Slug, number: u32) -> PathBuf {
        self.try_folder(step, number).join("log")
    }

    /// The end of its log, where that was too long to store.
    pub fn try_tail(&self, step: &Slug, number: u32) -> PathBuf {
        self.try_folder(step, number).join("tail")
    }

    /// Its reports.
    pub fn try_reports(&self, step: &Slug, number: u32) -> PathBuf {
        self.try_folder(step, number).join("reports")
    }

    /// Its artifacts.
    pub fn try_artifacts(&self, step: &Slug, number: u32) -> PathBuf {
        self.try_folder(step, number).join("artifacts")
    }

    /// The attempts that were begun.
    pub fn attempts(&self) -> PathBuf {
        self.root.join("attempts")
    }

    /// One attempt.
    pub fn attempt(&self, number: u32) -> PathBuf {
        self.attempts().join(number.to_string())
    }

    /// When steps began whose containers may still run.
    pub fn starts(&self) -> PathBuf {
        self.root.join("starts")
    }

    /// When one step began.
    pub fn start(&self, step: &Slug) -> PathBuf {
        self.starts().join(format!("{step}.json"))
    }

    /// Wishes of people; the one folder that stays the backend's.
    pub fn wishes(&self) -> PathBuf {
        self.root.join("wishes")
    }

    /// The wish to cancel.
    pub fn cancel_wish(&self) -> PathBuf {
        self.wishes().join("cancel.json")
    }

    /// Says which newer job there is of the same branch.
    pub fn superseded_wish(&self) -> PathBuf {
        self.wishes().join("superseded.json")
    }

    /// The wish to start a step that waits for it.
    pub fn play_wish(&self, step: &Slug) -> PathBuf {
        self.wishes().join(format!("play-{step}.json"))
    }

    /// Steps that wait for a person or for their time.
    pub fn waits(&self) -> PathBuf {
        self.root.join("waits")
    }

    /// That one step waits.
    pub fn wait(&self, step: &Slug) -> PathBuf {
        // A dot no slug has: the names beside these are ours.
        self.waits().join(format!("step.{step}.json"))
    }

    /// That the holder of this claim let go of the job for all that was left waits.
    pub fn parked(&self, claim: u64) -> PathBuf {
        self.waits().join(format!("parked-{claim}.json"))
    }

    /// That somebody took it up again.
    pub fn resumed(&self, claim: u64) -> PathBuf {
        self.waits().join(format!("resumed-{claim}.json"))
    }

    /// What was submitted.
    pub fn source(&self) -> PathBuf {
        self.root.join("source")
    }

    /// Definition and scripts of this job.
    pub fn pipelines(&self) -> PathBuf {
        self.root.join("pipelines")
    }

    /// The plan of a pipeline that the project brings itself.
    pub fn plan(&self) -> PathBuf {
        self.pipelines().join("plan.json")
    }

    /// What was known of the repository when the project was taken from it.
    pub fn repository(&self) -> PathBuf {
        self.pipelines().join("repository.json")
    }

    /// The definition that this job runs.
    pub fn definition(&self) -> PathBuf {
        self.pipelines().join("pipeline.yml")
    }

    /// Scripts that the worker writes from the definition, one per step.
    pub fn step_scripts(&self) -> PathBuf {
        self.pipelines().join(".steps")
    }

    /// What steps get of the artifacts of others.
    pub fn inputs(&self) -> PathBuf {
        self.root.join("inputs")
    }

    /// What one step gets of the artifacts of others: copies that a runner may read and not write.
    pub fn inputs_of(&self, step: &Slug) -> PathBuf {
        self.inputs().join(step.as_str())
    }

    /// Marks of who handles the job's data inside its own process.
    pub fn handling(&self) -> PathBuf {
        self.root.join("handling")
    }

    /// All trees.
    pub fn trees(&self) -> PathBuf {
        self.root.join("trees")
    }

    /// The tree of a step: `upper` and `work` of an overlay, or `copy`; and `cache`.
    pub fn tree(&self, step: &Slug) -> PathBuf {
        self.trees().join(step.as_str())
    }

    /// What the reports volume is bound to.
    pub fn outbox(&self) -> PathBuf {
        self.root.join("outbox")
    }

    /// A step's own folder of the reports volume.
    pub fn outbox_of(&self, step: &Slug) -> PathBuf {
        self.outbox().join(step.as_str())
    }

    /// All logs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// What a step printed.
    pub fn log(&self, step: &Slug) -> PathBuf {
        self.logs().join(format!("{step}.log"))
    }

    /// Rows that tie a log to the engine's stream.
    pub fn log_index(&self, step: &Slug) -> PathBuf {
        self.logs().join(format!("{step}.idx"))
    }

    /// The end of a log that was too long to store.
    pub fn log_tail(&self, step: &Slug) -> PathBuf {
        self.logs().join(format!("{step}.tail"))
    }

    /// All published reports.
    pub fn reports(&self) -> PathBuf {
        self.root.join("reports")
    }

    /// The published reports of a stage; `stage` is the slug of its name.
    pub fn reports_of(&self, stage: &Slug) -> PathBuf {
        self.reports().join(stage.as_str())
    }

    /// All published artifacts.
    pub fn artifacts(&self) -> PathBuf {
        self.root.join("artifacts")
    }

    /// The published artifacts of a step.
    pub fn artifacts_of(&self, step: &Slug) -> PathBuf {
        self.artifacts().join(step.as_str())
    }

    /// Room for how steps ended and how the job does, kept for a disk that is full by then.
    pub fn reserve(&self) -> PathBuf {
        self.root.join(".reserve")
    }

    /// Where a claim gathers what it is about to publish.
    pub fn collecting(&self, claim: u64) -> PathBuf {
        self.root.join(format!(".collecting-{claim}"))
    }
}

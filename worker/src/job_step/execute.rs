//! A step's container from what it needs to its end, with what runs beside it.

use std::{borrow::Cow, path::PathBuf, sync::Arc, time::Instant};

use pipelinex_common::{
    execution::StepRecord,
    pipeline::model::{Step, StepKind},
    state::{Reason, StepState},
    store::TreeError,
};
use tokio::time::timeout_at;

use super::{JobSteps, taken_up::TakenUp};
use crate::{
    advisories, collect,
    engine::{Phase, Resources},
    home, inputs, lock,
    modes::ScanMode,
    peak::{Peak, Sampler},
    secrets::Given,
    services::Services,
    spec::{self, ContainerSpec, Extras, JobContext},
    step::{Ending, Holds, StepError, Stop},
    tree,
    verdict::Voice,
};

/// What became of a step.
pub(super) enum Executed {
    /// It was not started, and is skipped with this record.
    Skipped(Box<StepRecord>),
    /// It ran, or should have.
    Ran(Box<Ran>),
}

impl Executed {
    fn ran(ran: Ran) -> Self {
        Self::Ran(Box::new(ran))
    }
}

/// A step whose container has ended.
pub(super) struct Ran {
    /// How.
    pub ending: Ending,
    /// The id of its image.
    pub image_id: Option<String>,
    /// What runs beside it, not ended yet.
    pub services: Option<Services>,
    /// The most that its own container was seen to use.
    pub peak: Peak,
    /// The secrets that it had.
    pub given: Given,
}

impl Ran {
    /// A step that has no container.
    pub fn not_begun(stop: Stop) -> Self {
        Self {
            ending: Ending::Ended(stop),
            image_id: None,
            services: None,
            peak: Peak::default(),
            given: Given::default(),
        }
    }
}

impl JobSteps {
    /// Whose words those of a step are.
    pub(super) fn voice(&self, step: &Step) -> Voice {
        Voice::of(step, self.mode(step))
    }

    fn mode(&self, step: &Step) -> Option<&ScanMode> {
        self.definition.modes.get(&step.slug)?.as_ref().ok()
    }

    /// Runs a step to the end of its container, or goes on with one that a former holder started.
    pub(super) async fn execute(&self, step: &Step, attempt: u32) -> Result<Executed, StepError> {
        let began = Instant::now();
        let adopted = self.take_up(step).await?;
        let fresh = adopted.is_none();
        let mut extras = Extras { mode: self.mode(step).cloned(), ..Extras::default() };
        let step = &self.with_variables_left(step)?;
        if fresh {
            // Looked for after the containers were: another may have ended it while we slept, and removed its container and log.
            if let Some(end) = self.job.end_of(&step.slug).map_err(TreeError::from)? {
                return Ok(Executed::Skipped(Box::new(end.record)));
            }
            // So it may have ended the try: whoever takes the job up again finds that.
            if self.job.tries_of(&step.slug).map_err(TreeError::from)?.len() >= self.number_of(&step.slug) as usize {
                return Err(StepError::NotMine);
            }
            if let Some(Err(reason)) = self.definition.modes.get(&step.slug) {
                return Ok(Executed::ran(Ran::not_begun(Stop::new(Reason::ToolError, reason))));
            }
            self.clear_earlier_try(step).await?;
            if let Some(record) = self.nothing_to_start(step)? {
                return Ok(Executed::Skipped(Box::new(record)));
            }
            match self.advisories(step) {
                Ok(folder) => extras.advisories = folder,
                Err(not_run) => return Ok(not_run),
            }
        }
        let given = match self.given(step).await {
            Ok(given) => given,
            // Also of one that runs: what it prints could not be masked.
            Err(why) => return Ok(Executed::ran(Ran::not_begun(Stop::new(Reason::ToolError, why)))),
        };
        extras.secrets = !given.secrets.is_empty();
        let deadline = began + self.timeout(step);
        // Pulling an image and starting a database count as time of the step: a registry that stalls ends it, and nothing else.
        let prepared = tokio::select! {
            biased;
            // A container that runs is taken up first, and then ended in order.
            stop = self.ordered(), if fresh => return Ok(Executed::ran(Ran::not_begun(stop))),
            prepared = timeout_at(deadline.into(), self.prepare_container(step, attempt, adopted, extras)) => prepared,
        };
        let Ok(prepared) = prepared else {
            return Ok(Executed::ran(Ran::not_begun(self.too_long(step))));
        };
        let mut prepared = prepared?;
        prepared.given = given;
        let sampler = Sampler::start(&self.engine, &prepared.spec);
        let ending = match prepared.instead.take() {
            Some(ending) => ending,
            None => self.follow(step, &prepared).await?,
        };
        let peak = sampler.peak();
        let image_id = Some(prepared.spec.image);
        let (services, given) = (prepared.services, prepared.given);
        Ok(Executed::ran(Ran { ending, image_id, services, peak, given }))
    }

    /// The secrets of a step.
    async fn given(&self, step: &Step) -> Result<Given, String> {
        let is_own = self.definition.is_own && !self.definition.required.contains(&step.slug);
        let (worker, scope, step) = (Arc::clone(&self.worker), self.secrets.clone(), step.clone());
        let open = move || scope.given(&worker.store, &step, is_own);
        tokio::task::spawn_blocking(open).await.map_err(|panic| panic.to_string())?
    }

    /// The step with the variables that those have left whose artifacts it gets, the later ones above the earlier, all above its own
    /// and below those that were given with the submission, as in GitLab.
    fn with_variables_left<'a>(&self, step: &'a Step) -> Result<Cow<'a, Step>, StepError> {
        let steps = &self.definition.pipeline.steps;
        let mut step = Cow::Borrowed(step);
        for producer in inputs::laid(&self.definition.pipeline, &step) {
            let leaves = steps.iter().find(|other| other.slug == producer && !other.artifacts.dotenv.is_empty());
            let Some(producer) = leaves else { continue };
            let left = collect::dotenv::left(&self.reports_to(producer)).map_err(TreeError::from)?;
            let left = left.into_iter().filter(|(name, _)| !self.definition.given.contains(name));
            step.to_mut().variables.extend(left);
        }
        Ok(step)
    }

    /// The record of a step whose target is to be made of artifacts that the project does not have: a library starts nothing.
    fn nothing_to_start(&self, step: &Step) -> Result<Option<StepRecord>, StepError> {
        let Some((target, glob)) = step.target.as_ref().and_then(|it| Some((it, it.exists.as_ref()?))) else {
            return Ok(None);
        };
        let steps = &self.definition.pipeline.steps;
        let producer = steps.iter().find(|other| other.name == target.artifact_of).map_or(&step.slug, |it| &it.slug);
        if inputs::published(&self.paths, producer, glob, &self.worker.config.limits)? {
            return Ok(None);
        }
        let message =
            format!("there is nothing to start: {} published no {glob}, and its log says why", target.artifact_of);
        let reason = Some(Reason::NotApplicable);
        Ok(Some(StepRecord::bare(&step.name, StepState::Skipped, reason, message)))
    }

    /// The database of advisories for a step that wants it; the error is what the step comes to without.
    fn advisories(&self, step: &Step) -> Result<Option<PathBuf>, Executed> {
        if !step.advisories {
            return Ok(None);
        }
        match advisories::in_force(self.worker.store.layout(), &self.workspaces) {
            Ok(Some(folder)) => Ok(Some(folder)),
            Ok(None) if self.definition.required.contains(&step.slug) => {
                let message = format!("{}; the operator requires this stage", advisories::MISSING);
                Err(Executed::ran(Ran::not_begun(Stop::new(Reason::NoAdvisoryDb, message))))
            }
            Ok(None) => {
                let (state, reason) = (StepState::Skipped, Some(Reason::NoAdvisoryDb));
                Err(Executed::Skipped(Box::new(StepRecord::bare(&step.name, state, reason, advisories::MISSING))))
            }
            Err(reason) => Err(Executed::ran(Ran::not_begun(Stop::new(Reason::ToolError, reason)))),
        }
    }

    /// Everything up to the step's own container: images, folders, networks, and what runs beside it.
    async fn prepare_container(
        &self,
        step: &Step,
        attempt: u32,
        adopted: Option<TakenUp>,
        mut extras: Extras,
    ) -> Result<Prepared, StepError> {
        let fresh = adopted.is_none();
        let context = JobContext { attempt, number: self.number_of(&step.slug), ..self.context.clone() };
        let found = adopted.as_ref().and_then(|adopted| adopted.found.as_ref());
        let live = found.is_none_or(|status| status.phase != Phase::Ended);
        let (began, overran) = (self.began(step, found)?, self.overran(step, found)?);
        let image = match found.and_then(|status| status.image_id.clone()) {
            // What the name means now is not what that container was made of.
            Some(id) => id,
            None => self.image_id(&step.image).await?,
        };
        let producers = inputs::producers(&self.definition.pipeline, step);
        extras.inputs = producers.is_some();
        let owner = self.definition.tree_owner(step);
        let mut spec = spec::container(&context, step, owner, image, &extras);
        if let Some(of_stack) = &step.database {
            spec.env.extend(self.worker.config.database.client_environment(&self.definition.databases, of_stack));
        }
        if let Some(TakenUp { name, .. }) = adopted {
            // Its attempt is in its name, and in that of its own network.
            if let Some(place) = spec.network.as_mut().filter(|place| place.network == spec.name) {
                place.network.clone_from(&name);
            }
            spec.name = name;
        }
        let services = self.services(step, &spec, &context, fresh).await?;
        self.remember(step, &spec, services.as_ref());
        let mut homes = vec![(home::Owner::Step, spec.mounts.clone())];
        let application = services.iter().filter_map(Services::application);
        homes.extend(application.map(|application| (home::Owner::Application, application.mounts.clone())));
        let homes = if fresh { homes } else { Vec::new() };
        self.make_ready(step, &spec, producers.filter(|_| fresh), homes, fresh).await?;
        if fresh && step.kind == StepKind::Normal {
            // After the tree, which may be a copy made just now.
            tree::mark_beginning(&self.paths, owner, &step.slug)?;
        }
        let instead = match &services {
            Some(services) if fresh => services.start().await?,
            _ => None,
        };
        Ok(Prepared { spec, fresh, live, began, overran, services, instead, given: Given::default() })
    }

    pub(super) async fn image_id(&self, name: &str) -> Result<String, StepError> {
        let image = self.worker.image(name)?;
        self.images.id(&self.engine, &self.worker.config, &image).await
    }

    /// Remembers what is to be removed once the step's end is on disk.
    fn remember(&self, step: &Step, spec: &ContainerSpec, services: Option<&Services>) {
        let beside = services.iter().flat_map(|services| services.names()).map(str::to_owned);
        let containers = std::iter::once(spec.name.clone()).chain(beside).collect();
        let own_network =
            spec.network.iter().map(|place| place.network.clone()).filter(|network| *network == spec.name);
        let made = Resources { containers, volumes: Vec::new(), networks: own_network.collect() };
        lock(&self.made).insert(step.slug.clone(), made);
    }

    pub(super) fn holds(&self) -> Holds {
        let claim = self.claim.clone();
        Arc::new(move || lock(&claim).holds())
    }
}

/// A step whose own container may be made.
pub(super) struct Prepared {
    /// It.
    pub spec: ContainerSpec,
    /// Whether no former holder started it.
    pub fresh: bool,
    /// Whether it had not ended when we took it up.
    pub live: bool,
    /// When its time began.
    pub began: Instant,
    /// Whether it ended after its time, while nobody watched.
    pub overran: bool,
    /// What runs beside it.
    pub services: Option<Services>,
    /// How the step ends instead of having a container.
    pub instead: Option<Ending>,
    /// The secrets that it has.
    pub given: Given,
}

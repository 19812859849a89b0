//! A step's own container while it runs, and what else may end it: an order, something beside it, a tree that outgrew its limit.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use pipelinex_common::pipeline::model::Step;

use super::{JobSteps, execute::Prepared};
use crate::{
    growth::{Grower, Watch},
    script,
    services::Services,
    spec::ContainerSpec,
    step::{AFTERWARDS, Ending, GRACE, Run, StepError, Stop},
};

impl JobSteps {
    /// Runs the step's own container, and watches over what runs beside it.
    pub(super) async fn follow(&self, step: &Step, prepared: &Prepared) -> Result<Ending, StepError> {
        let Prepared { spec, fresh, live, began, overran, services, given, .. } = prepared;
        let (tell, told) = watch::channel(None);
        // Once the checks are over, a former holder may have ended the application itself.
        let watched = services.as_ref().filter(|_| *live);
        let watching = watched.map(|services| watch_over(services.clone(), tell.clone()));
        let (grower, _entered) = self.worker.guard.enter(tell.clone());
        let watch = Arc::new(self.watch(step, spec, services.as_ref(), grower));
        let growing = AbortOnDropHandle::new(tokio::spawn(tell_when_outgrown(watch.clone(), tell.clone())));
        let mut order = self.order.subscribe();
        let ending_beside = end_when_ordered(order.clone(), services.clone(), tell);
        let run = Run {
            engine: &self.engine,
            spec,
            fresh: *fresh,
            log: self.log_of(step, &given.mask),
            sent: (!given.secrets.is_empty()).then(|| script::secrets(&given.secrets)),
            began: *began,
            live: *live,
            timeout: self.timeout(step),
            too_long: self.too_long(step),
            afterwards: if step.after_script.is_empty() { Duration::ZERO } else { AFTERWARDS },
            detach: &self.let_go,
            told,
            holds: self.holds(),
        };
        let ending = run.to_the_end().await?;
        drop((watching, growing));
        let ending = match ending {
            // What it wrote after the last look counts as well.
            Ending::Exited(status) => watch.at_the_end().await.map_or(Ending::Exited(status), Ending::Ended),
            other => other,
        };
        let ordered = order.borrow_and_update().clone();
        let ending = match (ordered, services) {
            (Some(stop), _) => {
                let _ = ending_beside.await;
                // However it ended while all of it was being ended, also when a former holder was doing that: a script can answer
                // the wish to end with any code.
                if matches!(ending, Ending::Exited(_)) { Ending::Ended(stop) } else { ending }
            }
            (None, Some(services)) => services.judge(ending, *live).await?,
            (None, None) => ending,
        };
        let too_late = *overran && matches!(ending, Ending::Exited(_));
        Ok(if too_late { Ending::Ended(self.too_long(step)) } else { ending })
    }

    /// The folders in which a step writes: the tree it works in, its home, and its reports.
    pub(super) fn written_by(&self, step: &Step) -> Vec<PathBuf> {
        let owner = self.definition.tree_owner(step);
        let mut folders = vec![self.paths.tree(owner), self.paths.outbox_of(&step.slug)];
        if *owner != step.slug {
            folders.push(self.paths.tree(&step.slug));
        }
        folders
    }
}

impl JobSteps {
    /// Whatever a step writes where its host sees it.
    fn watch(&self, step: &Step, spec: &ContainerSpec, services: Option<&Services>, grower: Arc<Grower>) -> Watch {
        Watch {
            engine: self.engine.clone(),
            container: spec.name.clone(),
            beside: services.iter().flat_map(|services| services.names()).map(str::to_owned).collect(),
            root: self.worker.store.layout().root().to_owned(),
            folders: self.written_by(step),
            most: self.worker.config.limits.disk(),
            grower,
        }
    }
}

/// Tells how the step ends once something beside it has ended.
fn watch_over(services: Services, tell: watch::Sender<Option<Ending>>) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        match services.watch().await {
            Ok(ending) => _ = tell.send(Some(ending)),
            // The step's own container meets the same error, or ends first.
            Err(error) => tracing::warn!(%error, "what runs beside a step cannot be watched"),
        }
    }))
}

/// Tells how the step ends once it wrote more than it may.
async fn tell_when_outgrown(watch: Arc<Watch>, tell: watch::Sender<Option<Ending>>) {
    let stop = watch.outgrown().await;
    let _ = tell.send(Some(Ending::Ended(stop)));
}

/// Once all steps of the job are ordered to end, tells this one, and ends what runs beside it at the same time: one after the
/// other they would have twice the time.
fn end_when_ordered(
    mut order: watch::Receiver<Option<Stop>>,
    services: Option<Services>,
    tell: watch::Sender<Option<Ending>>,
) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let Ok(stop) = order.wait_for(Option::is_some).await.map(|stop| stop.clone()) else { return };
        let _ = tell.send(stop.map(Ending::Ended));
        if let Some(services) = services
            && let Err(error) = services.end(GRACE).await
        {
            tracing::warn!(%error, "what runs beside a step could not be ended in order");
        }
    }))
}

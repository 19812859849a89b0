//! What is to run beside a step: the list of it, made of the definition and not started yet.

use pipelinex_common::{database::Databases, pipeline::model::Step};

use super::JobSteps;
use crate::{
    engine::ImageFacts,
    services::{Beside, Role, Services, containers, own},
    spec::{ContainerSpec, JobContext},
    step::StepError,
};

impl JobSteps {
    /// What runs beside a step; `None`: nothing. Of what a former holder started (`fresh` is false) only the names are asked for.
    pub(super) async fn services(
        &self,
        step: &Step,
        spec: &ContainerSpec,
        context: &JobContext,
        fresh: bool,
    ) -> Result<Option<Services>, StepError> {
        if step.target.is_none() && step.database.is_none() && step.services.is_empty() {
            return Ok(None);
        }
        let mut list = Vec::new();
        let databases = (step.target.is_some() || step.database.is_some()).then_some(&self.definition.databases);
        for kind in databases.into_iter().flat_map(Databases::iter) {
            let image = self.image_of(kind.image(), fresh).await?;
            let spec = containers::database(context, spec, image, &self.worker.config.database, kind);
            list.push(Beside { role: Role::Database(kind), spec });
        }
        list.extend(self.own_services(step, spec, context, fresh).await?);
        if let Some(target) = &step.target {
            let made_of = self.definition.pipeline.steps.iter().find(|other| other.name == target.artifact_of);
            let (producer, image) = made_of.map_or((&step.slug, &step.image), |other| (&other.slug, &other.image));
            let image = self.image_of(target.image.as_ref().unwrap_or(image), fresh).await?;
            let variables =
                self.worker.config.database.client_environment(&self.definition.databases, &target.database);
            let spec = containers::application(context, step, target, producer, spec, image, variables);
            list.push(Beside { role: Role::Application, spec });
        }
        Ok(Some(Services { engine: self.engine.clone(), list, holds: self.holds(), notes: Default::default() }))
    }

    async fn own_services(
        &self,
        step: &Step,
        spec: &ContainerSpec,
        context: &JobContext,
        fresh: bool,
    ) -> Result<Vec<Beside>, StepError> {
        let mut images = Vec::new();
        for service in &step.services {
            let image = self.image_of(&service.image, fresh).await?;
            let facts = if fresh { self.engine.image_facts(&image).await? } else { ImageFacts::default() };
            images.push((image, facts));
        }
        Ok(own::all(context, step, spec, images))
    }

    async fn image_of(&self, name: &str, fresh: bool) -> Result<String, StepError> {
        if fresh { self.image_id(name).await } else { self.worker.image(name) }
    }
}

//! The record of a step whose container has ended: what the engine, the clock and the kernel say of it.

use std::{fs::File, io::Read};

use pipelinex_common::{
    clock::Stamp, execution::StepRecord, pipeline::model::Step, state::StepState, store::StoreError,
};

use super::{JobSteps, execute::Ran, taken_up::Times};
use crate::{
    engine::ContainerStatus,
    kernel_log,
    step::{Ending, Stop},
    verdict::{self, Verdict},
};

/// How much of a log is looked at to see that a script never began, in bytes.
const FIRST_WORDS: u64 = 4096;

impl JobSteps {
    /// The record as it is before anything was collected.
    pub(super) fn record_of(
        &self,
        step: &Step,
        attempt: u32,
        had_place: Stamp,
        ran: &Ran,
    ) -> Result<StepRecord, StoreError> {
        let mut verdict = verdict::with_peak(verdict::of(&ran.ending, self.voice(step)), &ran.peak);
        let image = self.worker.image(&step.image).ok();
        let mut warnings = ran.given.warnings.clone();
        if let Ending::Exited(status) = &ran.ending {
            verdict = verdict::if_never_begun(verdict, &self.first_words(step, status), image.as_deref());
            if status.oom_killed {
                let name = kernel_log::killed(&status.id);
                verdict = verdict::with_victim(verdict, name.as_deref());
                warnings.extend(verdict::survived_by_the_script(&verdict, name.as_deref(), &ran.peak));
            }
        }
        let Verdict { state, reason, message, exit_code } = verdict;
        let Times { started_at, finished_at, took } = self.times(step, had_place, &ran.ending)?;
        let mut record = StepRecord::bare(&step.name, state, reason, message);
        record.exit_code = exit_code;
        record.attempt = Some(attempt);
        record.image = image;
        record.image_id = ran.image_id.clone();
        record.peak_memory_bytes = ran.peak.used.map(|used| used.memory_bytes);
        record.started_at = Some(started_at);
        record.finished_at = Some(finished_at);
        record.duration_ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        record.warnings = warnings;
        Ok(record)
    }

    /// The beginning of a step's log, where its end leaves open whether its script began.
    fn first_words(&self, step: &Step, status: &ContainerStatus) -> String {
        let mut words = Vec::new();
        if verdict::may_be_of_the_init(status.exit_code)
            && let Ok(log) = File::open(self.paths.log(&step.slug))
        {
            let _ = log.take(FIRST_WORDS).read_to_end(&mut words);
        }
        String::from_utf8_lossy(&words).into_owned()
    }
}

/// The record of a step that waited for a place when its job was ended.
pub(super) fn never_started(step: &Step, stop: &Stop) -> StepRecord {
    let Stop { reason, message } = stop;
    StepRecord::bare(&step.name, StepState::Skipped, Some(*reason), format!("not started: {message}"))
}

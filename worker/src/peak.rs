//! The most that a step's container was seen to use, looked at while it runs. What happens between two looks is not seen, except
//! for memory where the kernel keeps the most itself (cgroup 1).

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio_util::task::AbortOnDropHandle;

use crate::{
    engine::{Engine, Usage},
    lock,
    spec::ContainerSpec,
};

/// The first pause between two looks; each is twice as long as the one before, for the sake of short steps.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const PAUSE: Duration = Duration::from_secs(1);

/// The most that a container was seen to use, and what it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peak {
    /// The most of each at any look; `None` where it ended before the first.
    pub used: Option<Usage>,
    /// What it may use.
    pub allowed: Usage,
}

/// Looks at a container until it is dropped.
pub struct Sampler {
    used: Arc<Mutex<Option<Usage>>>,
    allowed: Usage,
    _looking: AbortOnDropHandle<()>,
}

impl Sampler {
    /// Begins to look. Call it inside of a tokio runtime.
    pub fn start(engine: &Engine, spec: &ContainerSpec) -> Self {
        let used: Arc<Mutex<Option<Usage>>> = Arc::default();
        let (engine, name, most) = (engine.clone(), spec.name.clone(), Arc::clone(&used));
        let looking = tokio::spawn(async move {
            let mut pause = FIRST_PAUSE;
            loop {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE);
                // An engine that does not answer is the matter of whoever follows the container.
                let Ok(Some(now)) = engine.usage(&name).await else { continue };
                let mut most = lock(&most);
                let before = most.unwrap_or_default();
                *most = Some(Usage {
                    memory_bytes: before.memory_bytes.max(now.memory_bytes),
                    pids: before.pids.max(now.pids),
                    written_bytes: now.written_bytes,
                });
            }
        });
        let allowed = Usage { memory_bytes: spec.limits.memory_bytes, pids: spec.limits.pids, ..Usage::default() };
        Self { used, allowed, _looking: AbortOnDropHandle::new(looking) }
    }

    /// The most until now.
    pub fn peak(&self) -> Peak {
        Peak { used: *lock(&self.used), allowed: self.allowed }
    }
}

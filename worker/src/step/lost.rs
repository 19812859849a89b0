//! Whether a container that did not end well ended by itself.

use std::time::Duration;

use super::{ASK_AGAIN, Ending};
use crate::engine::{ContainerStatus, Engine, EngineError};

/// Exit codes from here on are of programs that a signal ended, or of which the engine does not know how they did.
const SIGNALLED: i64 = 128;

/// How a container ended that did not end well, or while its engine was `away`. Somebody who removes a container by force kills
/// it first, and an engine that stops ends all of them with itself: in both cases it is lost, and no step has failed.
pub(crate) async fn ended_or_lost(engine: &Engine, name: &str, status: ContainerStatus, mut away: bool) -> Ending {
    if (status.exit_code == 0 && !away) || status.oom_killed {
        return Ending::Exited(status);
    }
    let signalled = status.exit_code >= SIGNALLED;
    // For a moment one that is being removed looks like one that was killed.
    let mut pause = if signalled { ASK_AGAIN } else { Duration::ZERO };
    loop {
        tokio::time::sleep(pause).await;
        pause = ASK_AGAIN;
        match look_again(engine, name).await {
            Ok(None) => return Ending::Lost,
            // A program that is asked to end does so with any code; one that a signal ended says so also to who comes later.
            Ok(Some((_, true))) if away || signalled => return Ending::Lost,
            // What killed it may have been told only now.
            Ok(Some((status, _))) => return Ending::Exited(status),
            Err(error) if error.is_unreachable() => {
                tracing::warn!(container = name, %error, "it has ended, perhaps with its engine; asking again");
                away = true;
            }
            Err(_) => return Ending::Exited(status),
        }
    }
}

/// What the engine says of a container, and whether that ended before this engine began. Asked on a connection of its own, which an
/// engine that is about to stop refuses.
async fn look_again(engine: &Engine, name: &str) -> Result<Option<(ContainerStatus, bool)>, EngineError> {
    let engine = engine.anew().await?;
    let Some(status) = engine.inspect(name).await? else { return Ok(None) };
    let (ended, since) = (status.finished_at, engine.running_since().await?);
    let before = matches!((ended, since), (Some(ended), Some(since)) if ended < since) && !status.oom_killed;
    Ok(Some((status, before)))
}

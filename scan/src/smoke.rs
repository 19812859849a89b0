//! SMOKE-TEST: whether the packaged application comes up, says that it is well, and answers at its root.

use crate::{
    http::Target,
    stage::{Failure, Stage, say},
};

pub(crate) fn run(stage: &mut Stage) -> Result<String, Failure> {
    let target = Target::of(stage)?;
    say(&format!("waiting for {}", target.url));
    let up = target.wait(stage)?;
    say(&up);
    // It need not have a page there; it must not break there.
    match target.answer("/") {
        Ok(answer) if answer.status < 500 => Ok(format!("{up}; GET / answered {}", answer.status)),
        Ok(answer) => Err(Failure::Project(format!("{up}, but GET / answered {}", answer.status))),
        Err(error) => Err(Failure::Project(format!("{up}, but GET / failed: {error}"))),
    }
}

//! Named places where a test ends or stops this process, and a record of what it did: for the fault harness, and compiled out
//! of everything that is not built with the feature `faults`.
//!
//! Both are configured by the environment, once, at the start of the program. `PIPELINEX_FAULTS` names places and what happens
//! there: `worker.claimed=1*kill;intake.admitted=abort`. `kill` and `stop` send this process SIGKILL and SIGSTOP, `abort` ends
//! it as a crash would, `overflow` uses up the stack; everything else is an action of the `fail` crate, whose whole grammar
//! holds: `3*off->1*kill` is the fourth time. Where `PIPELINEX_FAULTS_OF` names a command, only its processes suffer them, and
//! none that they start. `PIPELINEX_EVENTS` names a file that gets one line of JSON for each event, appended in one write, so
//! that processes share it.

/// A named place where a test can end or stop this process; nothing without the feature `faults`.
#[cfg(feature = "faults")]
#[macro_export]
macro_rules! fault_point {
    ($name:expr) => {
        $crate::fault::reached($name)
    };
}

/// A named place where a test can end or stop this process; nothing without the feature `faults`.
#[cfg(not(feature = "faults"))]
#[macro_export]
macro_rules! fault_point {
    ($name:expr) => {};
}

/// Writes down that something happened: its name, and what it happened to (`job = id`). Nothing without the feature `faults`.
#[cfg(feature = "faults")]
#[macro_export]
macro_rules! fault_event {
    ($event:literal $(, $key:ident = $value:expr)* $(,)?) => {
        $crate::fault::event($event, &[$((stringify!($key), $value.to_string())),*])
    };
}

/// Writes down that something happened: its name, and what it happened to (`job = id`). Nothing without the feature `faults`.
#[cfg(not(feature = "faults"))]
#[macro_export]
macro_rules! fault_event {
    ($($anything:tt)*) => {};
}

#[cfg(feature = "faults")]
pub use self::armed::{event, reached, start};

#[cfg(feature = "faults")]
mod armed {
    use std::{
        fs::{File, OpenOptions},
        io::Write,
        process,
        sync::OnceLock,
    };

    use jiff::Timestamp;
    use rustix::process::{Signal, getpid, kill_process};

    /// The file that events go to, if there is one.
    static EVENTS: OnceLock<File> = OnceLock::new();

    /// Until a signal to stop has reached every thread of this process, on a busy machine.
    const STANDING: std::time::Duration = std::time::Duration::from_millis(200);

    /// Reads both variables. To be called once, before the program does anything.
    ///
    /// # Errors
    /// A sentence, when a variable cannot be used.
    pub fn start() -> Result<(), String> {
        let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(path) = read("PIPELINEX_EVENTS") {
            let file = OpenOptions::new().append(true).create(true).open(&path);
            let file = file.map_err(|error| format!("PIPELINEX_EVENTS: cannot open {path}: {error}"))?;
            let _ = EVENTS.set(file);
            event("process", &[("command", std::env::args().skip(1).take(1).collect())]);
        }
        if read("PIPELINEX_FAULTS_OF").is_some_and(|of| std::env::args().nth(1) != Some(of)) {
            return Ok(());
        }
        for wish in read("PIPELINEX_FAULTS").iter().flat_map(|all| all.split(';')).filter(|wish| !wish.is_empty()) {
            let wrong = |reason: &str| format!("PIPELINEX_FAULTS: `{wish}` cannot be used: {reason}");
            let (name, actions) = wish.split_once('=').ok_or_else(|| wrong("it is not name=action"))?;
            fail::cfg(name.trim(), &understood(actions)).map_err(|reason| wrong(&reason))?;
        }
        Ok(())
    }

    /// Our own actions in the words of the `fail` crate: each returns its name, and [`reached`] does what it says.
    fn understood(actions: &str) -> String {
        let ours = |term: &str| {
            let term = term.trim();
            let cut = term.rfind(['*', '%']).map_or(0, |at| at + 1);
            let (times, action) = term.split_at(cut);
            match action {
                "kill" | "stop" | "abort" | "overflow" => format!("{times}return({action})"),
                _ => term.to_owned(),
            }
        };
        actions.split("->").map(ours).collect::<Vec<_>>().join("->")
    }

    /// This process has come to a named place.
    pub fn reached(name: &str) {
        fail::fail_point!(name, |action| suffer(name, action.as_deref().unwrap_or_default()));
    }

    fn suffer(name: &str, action: &str) {
        event("fault", &[("point", name.to_owned()), ("action", action.to_owned())]);
        match action {
            "kill" => _ = kill_process(getpid(), Signal::KILL),
            "stop" => {
                let _ = kill_process(getpid(), Signal::STOP);
                // Another thread may be the one that hears of it first: this one goes no further until all stand.
                std::thread::sleep(STANDING);
            }
            "abort" => process::abort(),
            "overflow" => _ = deeper(0),
            _ => {}
        }
    }

    /// Calls itself until there is no stack left.
    fn deeper(depth: u64) -> u64 {
        if depth == u64::MAX { depth } else { std::hint::black_box(deeper(std::hint::black_box(depth + 1))) + 1 }
    }

    /// Appends one event. What cannot be written is lost: a test that needs it sees that it is not there.
    pub fn event(event: &str, about: &[(&str, String)]) {
        let Some(mut file) = EVENTS.get() else { return };
        let mut line = serde_json::json!({
            "at_ns": Timestamp::now().as_nanosecond() as i64,
            "pid": process::id(),
            "event": event,
        });
        for (key, value) in about {
            line[*key] = value.as_str().into();
        }
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }

    #[cfg(test)]
    mod tests {
        use super::understood;

        #[test]
        fn our_actions_may_be_counted_and_chained_like_all_others() {
            assert_eq!(understood("kill"), "return(kill)");
            assert_eq!(understood("1*kill"), "1*return(kill)");
            assert_eq!(understood("3*off->1*stop"), "3*off->1*return(stop)");
            assert_eq!(understood("overflow"), "return(overflow)");
            assert_eq!(understood("10%abort -> sleep(5)"), "10%return(abort)->sleep(5)");
        }

        #[test]
        fn a_place_that_nobody_configured_is_passed() {
            super::reached("no.such.place");
        }
    }
}

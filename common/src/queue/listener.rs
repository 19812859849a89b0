//! The consumer's task: owns the connection over which bells come from Redis.

use std::{sync::Arc, time::Duration};

use redis::pipe;
use tokio::time::timeout;

use super::{
    link::{ANSWER_LIMIT, IDLE_CHECK, Link},
    mailbox::Mailbox,
};
use crate::id::JobId;

/// How long Redis holds our question open while no bell rings.
const WAIT_FOR_BELL: Duration = Duration::from_secs(5);

/// Fetches one bell whenever the worker has room for one, until the mailbox is closed.
///
/// A busy worker takes nothing out of Redis, so what it could not answer soon is there for an idle one.
pub(super) async fn run(mut link: Link, mailbox: Arc<Mailbox>) {
    while !mailbox.is_closed() {
        if let Err(_already_reported) = listen_once(&mut link, &mailbox).await {
            tokio::select! {
                () = link.rest() => {}
                () = mailbox.closed() => {}
            }
        }
    }
    give_back(&mut link, mailbox.drain()).await;
}

async fn listen_once(link: &mut Link, mailbox: &Mailbox) -> Result<(), String> {
    // Without a connection the first thing is to get one, wanted or not: the health should be true while all is quiet,
    // and the worker wants to know at once when Redis is back, since bells may have been lost.
    if !link.is_connected() {
        return link.check().await;
    }
    tokio::select! {
        () = mailbox.closed() => return Ok(()),
        wanted = timeout(IDLE_CHECK, mailbox.wanted()) => if wanted.is_err() {
            return link.check().await;
        }
    }
    if let Some(entry) = fetch(link, mailbox).await? {
        match read_id(&entry) {
            Some(id) => _ = mailbox.put(id),
            None => link.reporter.reject(&excerpt(&entry)),
        }
    }
    Ok(())
}

/// Asks Redis for the oldest entry, and lets it take some time until there is one.
async fn fetch(link: &mut Link, mailbox: &Mailbox) -> Result<Option<Vec<u8>>, String> {
    let mut question = pipe();
    question.cmd("BLPOP").arg(&link.config.key).arg(WAIT_FOR_BELL.as_secs());
    let unblock = link.unblock();
    let answer = link.run(&question, WAIT_FOR_BELL + ANSWER_LIMIT);
    tokio::pin!(answer);
    // To walk away from an open question would lose a bell that comes at that moment, so Redis is asked to end it.
    let (answer,): (Option<(Vec<u8>, Vec<u8>)>,) = tokio::select! {
        answer = answer.as_mut() => answer?,
        () = mailbox.closed() => tokio::join!(answer, unblock).0?,
    };
    Ok(answer.map(|(_key, entry)| entry))
}

/// Puts back, in front, what this worker took and did not get to.
async fn give_back(link: &mut Link, ids: Vec<JobId>) {
    if !ids.is_empty() {
        let newest_first: Vec<String> = ids.iter().rev().map(JobId::to_string).collect();
        // An error has been reported, and the reconciler finds the jobs.
        let _ =
            link.run::<()>(pipe().cmd("LPUSH").arg(&link.config.key).arg(newest_first).ignore(), ANSWER_LIMIT).await;
    }
}

/// Anyone who reaches Redis can write into the list: only what is exactly an id gets any further.
fn read_id(entry: &[u8]) -> Option<JobId> {
    std::str::from_utf8(entry).ok()?.parse().ok()
}

/// The start of an entry, fit for a log line.
fn excerpt(entry: &[u8]) -> String {
    let start = String::from_utf8_lossy(&entry[..entry.len().min(60)]);
    format!("{} bytes: {}", entry.len(), start.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_is_an_id() {
        let id = JobId::generate();
        assert_eq!(read_id(id.to_string().as_bytes()), Some(id));
        for forged in [&b""[..], b"../..", b"\xff\xfe", &[b'a'; 1 << 20], format!("{id}\n").as_bytes()] {
            assert_eq!(read_id(forged), None);
        }
    }

    #[test]
    fn an_excerpt_is_short_and_on_one_line() {
        let text = excerpt(&[b'\n'; 1 << 20]);
        assert!(text.len() < 200 && !text.contains('\n'), "{text}");
    }
}

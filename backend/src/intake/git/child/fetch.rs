//! Asks for objects and receives them as one pack (gitprotocol-pack). libgit2 indexes the pack while it comes in.
//!
//! The conversation is ours, because it is small as long as nothing is there yet: every clone asks once and has nothing.
//! libgit2's own transport would bring a second TLS library, and cannot be told which hosts it may follow a redirect to.

use std::{fs, io::Write, path::Path};

use git2::Indexer;
use pipelinex_common::limits::IntakeLimits;

use super::{
    advert::{Advertisement, refuses},
    http::Carrier,
    objects::broken_pack,
    packet::{FLUSH, Packet, Packets, broken, line},
};
use crate::intake::git::fault::{CloneError, GitRule};

/// What is sent of us, where the server knows it.
const CAPABILITIES: [&str; 3] = ["side-band-64k", "ofs-delta", "no-progress"];
/// `PACK`, a version, and how many objects: four bytes each.
const PACK_HEAD: usize = 12;
/// Mode of packs and indexes.
const PACK_MODE: u32 = 0o644;

/// What is asked for.
pub(super) struct Wants<'a> {
    /// The ids.
    pub ids: Vec<&'a str>,
    /// With everything that came before, or as they are.
    pub whole_history: bool,
    /// What of it is left out.
    pub without: Without,
}

/// What a server is asked to leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Without {
    /// Nothing.
    Nothing,
    /// Files: commits and folders come.
    Files,
    /// Files and folders: commits alone come.
    Trees,
}

impl Without {
    fn filter(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Files => Some("filter blob:none\n"),
            Self::Trees => Some("filter tree:0\n"),
        }
    }
}

impl Wants<'_> {
    fn request(&self, advert: &Advertisement) -> String {
        let known = CAPABILITIES.into_iter().filter(|capability| advert.can(capability));
        let mut capabilities: Vec<&str> = known.chain(self.without.filter().map(|_| "filter")).collect();
        capabilities.extend((!self.whole_history).then_some("shallow"));
        let mut request = String::new();
        for (at, id) in self.ids.iter().enumerate() {
            let more = if at == 0 { format!(" {}", capabilities.join(" ")) } else { String::new() };
            request += &line(&format!("want {id}{more}\n"));
        }
        if !self.whole_history {
            request += &line("deepen 1\n");
        }
        if let Some(filter) = self.without.filter() {
            request += &line(filter);
        }
        request + FLUSH + &line("done\n")
    }
}

/// Fetches into `folder/pack`.
pub(super) async fn fetch(
    carrier: &mut Carrier,
    advert: &Advertisement,
    wants: &Wants<'_>,
    folder: &Path,
    limits: &IntakeLimits,
) -> Result<(), CloneError> {
    if !advert.can("side-band-64k") || !(wants.whole_history || advert.can("shallow")) {
        return Err(broken());
    }
    let mut receiver = Receiver::new(&folder.join("pack"), limits)?;
    let mut answer = Answer { state: if wants.whole_history { State::Acknowledged } else { State::Boundary } };
    let mut packets = Packets::default();
    let mut pieces = carrier.upload_pack(wants.request(advert)).await?;
    while let Some(piece) = carrier.next(&mut pieces).await? {
        packets.feed(&piece);
        while let Some(packet) = packets.next()? {
            answer.take(packet, &mut receiver)?;
        }
    }
    match answer.state {
        State::Done => receiver.finish(),
        _ => Err(CloneError::Unreachable("the host broke off before the repository was whole; try again".to_owned())),
    }
}

/// Where in its answer a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It names commits whose parents it leaves out.
    Boundary,
    /// It says that nothing is there yet.
    Acknowledged,
    Pack,
    Done,
}

struct Answer {
    state: State,
}

impl Answer {
    fn take(&mut self, packet: Packet, receiver: &mut Receiver) -> Result<(), CloneError> {
        let line = match (packet, self.state) {
            (Packet::Flush, State::Boundary) => {
                self.state = State::Acknowledged;
                return Ok(());
            }
            (Packet::Flush, State::Pack) => {
                self.state = State::Done;
                return Ok(());
            }
            (Packet::Flush, State::Acknowledged | State::Done) | (Packet::Line(_), State::Done) => return Err(broken()),
            (Packet::Line(line), _) => line,
        };
        if self.state != State::Pack
            && let Some(words) = line.strip_prefix(b"ERR ")
        {
            return Err(refuses(words));
        }
        match (self.state, line.split_first()) {
            (State::Boundary, _) if line.starts_with(b"shallow ") => Ok(()),
            (State::Acknowledged, _) if line.starts_with(b"NAK") => {
                self.state = State::Pack;
                Ok(())
            }
            (State::Pack, Some((1, pack))) => receiver.write(pack),
            // What it would show to a person who waits.
            (State::Pack, Some((2, _))) => Ok(()),
            (State::Pack, Some((3, words))) => Err(refuses(words)),
            _ => Err(broken()),
        }
    }
}

/// A pack that comes in.
struct Receiver {
    indexer: Indexer<'static>,
    /// The first bytes, until the number of objects is among them.
    head: Vec<u8>,
    objects_max: u64,
}

impl Receiver {
    fn new(folder: &Path, limits: &IntakeLimits) -> Result<Self, CloneError> {
        fs::create_dir_all(folder).map_err(|error| CloneError::io("make a folder", &error))?;
        // Whether all that is referred to came along shows when the files are written.
        let indexer = Indexer::new(None, folder, PACK_MODE, false).map_err(|error| broken_pack(&error))?;
        Ok(Self { indexer, head: Vec::with_capacity(PACK_HEAD), objects_max: limits.clone_objects })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CloneError> {
        if self.head.len() < PACK_HEAD {
            let missing = bytes.len().min(PACK_HEAD - self.head.len());
            self.head.extend_from_slice(&bytes[..missing]);
            self.check_head()?;
        }
        self.indexer.write_all(bytes).map_err(|error| match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(inner) => broken_pack(inner),
            None => CloneError::io("write a pack", &error),
        })
    }

    /// The number of objects stands before them all.
    fn check_head(&self) -> Result<(), CloneError> {
        let Some(count) = self.head.get(8..PACK_HEAD).and_then(|bytes| bytes.try_into().ok()) else { return Ok(()) };
        match u64::from(u32::from_be_bytes(count)) {
            0 => {
                let hint = "try again, and tell who runs the host";
                Err(GitRule::Damaged.problem("the host sends no object of what was asked for", hint).into())
            }
            count if count > self.objects_max => {
                let most = self.objects_max;
                let sentence =
                    format!("the clone has {count} objects, and {most} are taken; a ZIP of the project may fit");
                Err(CloneError::TooLarge(sentence))
            }
            _ => Ok(()),
        }
    }

    fn finish(self) -> Result<(), CloneError> {
        self.indexer.commit().map(drop).map_err(|error| broken_pack(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_the_server_knows() {
        let body = line("# service=git-upload-pack\n")
            + FLUSH
            + &line(&format!("{} HEAD\0side-band-64k shallow filter ofs-delta\n", "a".repeat(40)))
            + FLUSH;
        let advert = Advertisement::read(body.as_bytes()).unwrap();
        let request = |ids: &[&'static str], whole_history, without| {
            Wants { ids: ids.to_vec(), whole_history, without }.request(&advert)
        };
        assert_eq!(
            request(&["a"], false, Without::Nothing),
            "002bwant a side-band-64k ofs-delta shallow\n000ddeepen 1\n00000009done\n"
        );
        assert_eq!(
            request(&["a", "b"], true, Without::Trees),
            "002awant a side-band-64k ofs-delta filter\n000bwant b\n0012filter tree:0\n00000009done\n"
        );
    }
}

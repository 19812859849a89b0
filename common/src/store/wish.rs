//! The wish to cancel a job: a file first, so that it outlives whoever took it.
//!
//! The backend creates it, once, and may do nothing else to a job that a worker has claimed. The worker believes its being
//! there, and repeats its words cut short and escaped; everything else in `wishes/` is nothing to it. Which of wish and end
//! was first, only the end says: final.json is created once. Nothing decides between a wish that becomes durable after its
//! holder's last look and the end that this holder is creating: the end then stands, and the wish was in vain.

use std::fs;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Job, StoreError, reserve::Room};
use crate::{
    disk::{self, Versioned},
    execution::Execution,
    foreign::{Beneath, ForeignError, shown_up_to},
    state::JobState,
};

/// The largest wish that is read, in bytes.
const WISH_MAX: u64 = 4096;
/// The most characters of a wish's words that are repeated.
const WORDS_MAX: usize = 200;

/// `wishes/cancel.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CancelWish {
    /// Schema version of the file.
    pub schema: u32,
    /// When it was wished for.
    pub wished_at: Timestamp,
    /// By which way, as words that follow "canceled".
    pub words: String,
}

impl Versioned for CancelWish {
    const SCHEMA: u32 = 1;
}

/// What came of wishing.
#[derive(Clone, Debug, PartialEq)]
pub enum Wished {
    /// The wish is durable, from now or from before: a worker ends the job, unless it was writing another end at this very moment.
    Durable,
    /// The job has ended like this, and nothing changes that.
    Ended(Box<Execution>),
}

impl Job {
    /// Wishes that this job be canceled. Wishing again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Disk`]: nobody may then count on the wish.
    pub fn wish_cancel(&self, words: &str) -> Result<Wished, StoreError> {
        if let Some(end) = self.final_record()? {
            return Ok(Wished::Ended(Box::new(end)));
        }
        let (folder, path) = (self.paths().wishes(), self.paths().cancel_wish());
        disk::make_dir(&folder, 0o750)?;
        let wish = CancelWish { schema: CancelWish::SCHEMA, wished_at: Timestamp::now(), words: words.to_owned() };
        if !self.create(&path, &wish, Room::Spare)? {
            // Whoever created it may have died before it was durable.
            disk::sync_dir(&folder)?;
        }
        // It may have ended meanwhile, as wished or otherwise: the end knows.
        Ok(match self.final_record()? {
            Some(end) if end.state != JobState::Canceled => Wished::Ended(Box::new(end)),
            _ => {
                crate::fault_event!("wish", job = self.id());
                Wished::Durable
            }
        })
    }

    /// Whether somebody wishes it to be canceled: the words, which may be none. The folder is the backend's: of whatever
    /// lies there under that name only its being there is believed.
    pub fn cancel_wish(&self) -> Option<String> {
        // One look for the many jobs of which nobody wishes anything.
        fs::symlink_metadata(self.paths().cancel_wish()).ok()?;
        let folder = Beneath::open(&self.paths().wishes()).ok()?;
        match folder.read("cancel.json", WISH_MAX) {
            Ok(text) => {
                let wish = serde_json::from_slice::<CancelWish>(&text).ok();
                Some(wish.map(|wish| shown_up_to(&wish.words, WORDS_MAX)).unwrap_or_default())
            }
            Err(ForeignError::Refused { .. } | ForeignError::TooMuch(_)) => Some(String::new()),
            Err(ForeignError::Missing(_)) => None,
            Err(ForeignError::Io { path, source }) => {
                tracing::warn!(job = %self.id(), path, %source, "whether a job should be canceled cannot be read");
                None
            }
        }
    }
}

//! What an observer has seen, and how what happens looks to one.

use super::{At, BUDGET, Container, NAMES, Phase, Wish, World};

/// What an observer has seen who forgets nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    /// How often final.json came into being, or another took its place.
    pub finals: u8,
    /// An end that readers had seen was replaced by another.
    pub rewritten: bool,
    /// A container was started once the job had ended; or the step, with no container lost.
    pub late_start: bool,
    /// A container that had ended was started again.
    pub started_again: bool,
    /// Two containers of the step ran at once.
    pub two_running: bool,
    /// The number of attempts fell, or rose though nothing was lost.
    pub attempts_wrong: bool,
    /// Two workers held one claim.
    pub shared_claim: bool,
    /// A container of the second try was started.
    pub second: bool,
    /// Containers that were lost.
    pub lost: u8,
    /// Workers that crashed or were overtaken between a loss and the moment at which the log of what was lost is out of the way.
    pub cut_off: u8,
    /// Somebody was told that the job was QUEUED after wishing for its end, and it was started or ended otherwise.
    pub word_broken: bool,
    /// A container was ended because of the wish.
    pub stopped: bool,
    /// A bell was lost,
    pub bell_lost: bool,
    /// or one rang that nobody waited for.
    pub bell_doubled: bool,
    /// A bell made a worker look at the job before it had ended,
    pub answered: bool,
    /// or only after that.
    pub in_vain: bool,
}

impl World {
    /// A start of a container: what an observer makes of it.
    pub fn see_start(&mut self, name: u8, before: Phase) {
        let second = usize::from(name) > NAMES;
        self.seen.second |= second;
        // What is true of a step and its end is of a try and its end.
        self.seen.late_start |= !second && self.tried.is_some() && self.seen.lost == 0;
        self.seen.late_start |= second && self.tried.is_none();
        // A container that somebody took away is made up for, even if a holder that slept through it records its end after all.
        self.seen.late_start |= self.ended.is_some() || (self.end.is_some() && self.seen.lost == 0);
        self.seen.started_again |= before == Phase::Exited;
        self.seen.word_broken |= self.wish == Wish::ToldQueued;
        if let Some(container) = self.container(name) {
            container.phase = Phase::Running;
        }
        let running = self.containers.iter().flatten().filter(|c| c.phase == Phase::Running).count();
        self.seen.two_running |= running > 1;
    }

    /// Whoever wished for the end is told that the job is QUEUED.
    pub fn see_queued(&mut self) {
        let unstarted = |c: &Container| c.phase == Phase::Created;
        self.seen.word_broken |= self.end.is_some() || !self.containers.iter().flatten().all(unstarted);
    }

    /// final.json came into being, or another took its place.
    pub fn see_final(&mut self, canceled: bool) {
        self.seen.rewritten |= self.ended.is_some();
        self.seen.finals += 1;
        self.seen.word_broken |= self.wish == Wish::ToldQueued && !canceled;
    }

    /// A worker looks into a bell.
    pub fn see_bell(&mut self) {
        match self.ended {
            Some(_) => self.seen.in_vain |= self.seen.bell_doubled,
            None => self.seen.answered = true,
        }
    }

    /// An attempt was begun.
    pub fn see_attempt(&mut self, number: u8) {
        self.attempts = self.attempts.max(number);
        // Where nothing was lost, nothing is made up for.
        let cut_off = if self.seen.lost > 0 { self.seen.cut_off } else { 0 };
        self.seen.attempts_wrong |= self.attempts > 1 + self.seen.lost + cut_off;
    }

    /// A worker crashes, or another takes its job: where it was making up for a loss, the attempt that it begins may go with it.
    pub fn see_cut_off(&mut self, number: u8) {
        let cut_off = match self.workers[usize::from(number)].at {
            At::ToLookAtEnd { .. } | At::BeforeAside { .. } | At::ToPutAside { .. } => true,
            At::ToBegin { after } => after > 0,
            // Past the budget the log stays where it is: it is that of the step's end.
            At::ToRecord { .. } => self.attempts > BUDGET,
            _ => false,
        };
        self.seen.cut_off += u8::from(cut_off);
    }
}

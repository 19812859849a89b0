//! Where a worker stands between two calls.

/// Where a worker stands: what it has learned, and so what it does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is named by what comes before or after it")]
pub enum At {
    Idle,
    SawOpen,
    SawDead {
        latest: u8,
    },
    Linked,
    Held,
    /// No attempt was begun yet.
    SawUnbegun,
    ToList {
        attempt: u8,
    },
    /// With the attempts whose containers were found, of the first try and of the second; 0 for none.
    Listed {
        attempt: u8,
        first: u8,
        second: u8,
    },
    /// A container of a try that is over was found.
    ToRemoveOver {
        attempt: u8,
        found: u8,
        over: u8,
    },
    /// And whether it had one that is gone.
    ToDraw {
        attempt: u8,
        found: u8,
        lost: bool,
    },
    Drawn {
        attempt: u8,
        found: u8,
        lost: bool,
    },
    BeforeRetry {
        after: u8,
    },
    ToLookAtEnd {
        after: u8,
    },
    ToBegin {
        after: u8,
    },
    BeforeAside {
        attempt: u8,
    },
    ToPutAside {
        attempt: u8,
    },
    BeforeCreate {
        attempt: u8,
    },
    ToCreate {
        attempt: u8,
    },
    Made {
        attempt: u8,
        id: u8,
    },
    BeforeLog {
        attempt: u8,
        id: u8,
    },
    BeforeStart {
        attempt: u8,
        id: u8,
    },
    ToStart {
        attempt: u8,
        id: u8,
    },
    ToInspect {
        attempt: u8,
    },
    /// There is neither container nor log.
    ToMakeAnew {
        attempt: u8,
    },
    BeforeRemoveUnstarted {
        attempt: u8,
        id: u8,
    },
    ToDiscardLog {
        attempt: u8,
        id: u8,
    },
    ToRemoveUnstarted {
        attempt: u8,
        id: u8,
    },
    BeforeFollow {
        attempt: u8,
    },
    Following {
        attempt: u8,
    },
    BeforeStop {
        attempt: u8,
    },
    ToStop {
        attempt: u8,
    },
    /// A try has ended that another follows.
    BeforeTry {
        attempt: u8,
    },
    ToTry {
        attempt: u8,
    },
    ToClear {
        attempt: u8,
    },
    BeforeLogAside {
        attempt: u8,
    },
    ToLogAside {
        attempt: u8,
    },
    BeforeRecord {
        attempt: u8,
    },
    ToRecord {
        attempt: u8,
    },
    ToRemove {
        attempt: u8,
    },
    BeforeFinish,
    LastLook,
    ToFinish {
        canceled: bool,
    },
    ToSweep,
    Done,
}

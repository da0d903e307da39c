//! Echo or edit? Pure.

use std::time::Duration;

use crate::catalog::Side;
use crate::clock::{Instant, after};
use crate::ids::EntryId;

/// What a notice turned out to mean once the product had been looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Something had changed on that side.
    Change,
    /// Nothing had changed but what we wrote: the notice is the echo of this write.
    Echo(EntryId),
    /// Nothing had changed, and no write of ours explains the notice: an edit that was taken back, an
    /// edit of a field that is not carried, or a platform that tells of nothing.
    Nothing,
}

/// How long after a write its notice may come in. What comes later is told of as what it most likely is: an edit of
/// something that is not carried.
const ECHO_WITHIN: Duration = Duration::from_secs(2 * 60);

/// Judges a notice of `side`, received at `received_at`, after a look at which that side `changed` or not.
/// `last_write` is our newest landed write on that side. Time decides nothing here but which write is
/// named: whether there is news was decided by comparing with the shadow.
#[must_use]
pub fn meaning(changed: bool, last_write: Option<(EntryId, Instant)>, received_at: Instant) -> Meaning {
    match last_write {
        _ if changed => Meaning::Change,
        Some((entry, written_at)) if (written_at..=after(written_at, ECHO_WITHIN)).contains(&received_at) => {
            Meaning::Echo(entry)
        }
        _ => Meaning::Nothing,
    }
}

impl Meaning {
    /// The word in the inbox.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Echo(_) => "echo",
            Self::Nothing => "nothing",
        }
    }
}

/// A notice that waits for its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Which platform told.
    pub side: Side,
    /// The sender's id of the event.
    pub event_id: String,
    /// When it came in.
    pub received_at: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_an_echo_only_when_nothing_else_changed() {
        let at = |second| Instant::from_timestamp(second, 0).unwrap();
        let write = EntryId(uuid::Uuid::nil());
        assert_eq!(meaning(true, Some((write, at(1))), at(2)), Meaning::Change);
        assert_eq!(meaning(false, Some((write, at(1))), at(2)), Meaning::Echo(write));
        assert_eq!(meaning(false, Some((write, at(3))), at(2)), Meaning::Nothing);
        assert_eq!(
            meaning(false, Some((write, at(1))), at(122)),
            Meaning::Nothing,
            "an edit of something else"
        );
        assert_eq!(meaning(false, None, at(2)), Meaning::Nothing);
    }
}

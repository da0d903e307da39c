//! What came of a call, as a decision.

use crate::clock::Instant;

/// Why our own gate lets no call out, in words for whoever waits for it.
pub(super) const ALLOWANCE_SPENT: &str = "Concord's allowance of calls to it is used up for the moment";

/// A call that did not succeed. The variant says what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// Nothing was done; come back at this time. Rate limits and outages: no fault of the item.
    #[error("come back at {until}: {why}")]
    Later {
        /// When the platform, or our own gate, will serve again.
        until: Instant,
        /// What the platform said.
        why: String,
    },
    /// Nothing was done, because somebody else has this record at the moment. It comes back by itself and counts its
    /// tries: whoever goes on editing is no reason for others to wait.
    #[error("busy: {why}")]
    Busy {
        /// What the platform said.
        why: String,
    },
    /// The write may or may not have taken effect: look before doing anything again.
    #[error("the outcome is unclear: {why}")]
    Unclear {
        /// What broke.
        why: String,
    },
    /// The record does not exist (any more).
    #[error("not found: {why}")]
    Gone {
        /// What the platform said.
        why: String,
    },
    /// The platform understood and will not do it; the same call will never succeed.
    #[error("refused with status {status}: {why}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The platform's own code, where it gives one.
        code: Option<String>,
        /// What the platform said.
        why: String,
    },
    /// The account's credentials or rights do not suffice: a person has to act.
    #[error("the account needs attention: {why}")]
    Account {
        /// What the platform said.
        why: String,
    },
}

impl CallError {
    /// The same error said of a record, or of a stage of the work.
    #[must_use]
    pub fn about(self, what: &str) -> Self {
        let say = |why: String| format!("{what}: {why}");
        match self {
            Self::Later { until, why } => Self::Later { until, why: say(why) },
            Self::Busy { why } => Self::Busy { why: say(why) },
            Self::Unclear { why } => Self::Unclear { why: say(why) },
            Self::Gone { why } => Self::Gone { why: say(why) },
            Self::Refused { status, code, why } => Self::Refused { status, code, why: say(why) },
            Self::Account { why } => Self::Account { why: say(why) },
        }
    }

    /// The platform's code of a refusal.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => code.as_deref(),
            _ => None,
        }
    }
}

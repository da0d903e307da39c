//! Known mistakes, for proving that the storms find them.
//!
//! Each is a mistake that a sync of this kind has really been shipped with. They are compiled only with the
//! feature `planted`, which no build that serves merchants has; a test plants one on its own thread and shows
//! that the storm catches it. Without the feature every question is answered with no, at compile time.

/// A mistake that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// The shadow is what was sent, not what was read back.
    ShadowIsWhatWasSent,
    /// A stock change whose answer was lost is sent again under a new key.
    BlindRetryOfADelta,
    /// Whoever visits may write, whether or not the lease still holds.
    SettleWithoutFence,
    /// Open writes are closed after merging instead of before.
    IntentClosedAfterMerging,
    /// Two notices that say the same are taken for one.
    DedupeByContent,
    /// Feeds are read from the last timestamp on, without overlap.
    CursorByTimestampOnly,
    /// What a list leaves out is taken for deleted.
    DeleteByAbsence,
    /// A rate limit counts as a failure of the product.
    RateLimitIsFailure,
    /// What an absolute count trampled is not put back.
    NoRepair,
    /// A write is judged not to have landed while its request may still be on its way.
    JudgedAtOnce,
    /// A write is sent however long ago it was decided.
    SentTooLate,
    /// A category that only the web has is left out when a product is put into another one.
    OwnCategoriesDropped,
    /// Which picture is which is not told by what each was uploaded with: all are uploaded again at any change.
    PicturesUploadedAgain,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::ShadowIsWhatWasSent,
        Self::BlindRetryOfADelta,
        Self::SettleWithoutFence,
        Self::IntentClosedAfterMerging,
        Self::DedupeByContent,
        Self::CursorByTimestampOnly,
        Self::DeleteByAbsence,
        Self::RateLimitIsFailure,
        Self::NoRepair,
        Self::JudgedAtOnce,
        Self::SentTooLate,
        Self::OwnCategoriesDropped,
        Self::PicturesUploadedAgain,
    ];
}

#[cfg(feature = "planted")]
mod planting {
    use std::cell::Cell;

    use super::Mistake;

    std::thread_local! {
        static PLANTED: Cell<Option<Mistake>> = const { Cell::new(None) };
    }

    /// From now on this thread makes this mistake, and no other.
    pub fn plant(mistake: Option<Mistake>) {
        PLANTED.set(mistake);
    }

    /// Is this mistake to be made?
    #[must_use]
    pub fn planted(mistake: Mistake) -> bool {
        PLANTED.get() == Some(mistake)
    }
}

#[cfg(feature = "planted")]
pub use planting::{plant, planted};

/// Is this mistake to be made? Never.
#[cfg(not(feature = "planted"))]
#[must_use]
pub const fn planted(_mistake: Mistake) -> bool {
    false
}

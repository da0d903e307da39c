//! The storm finds planted mistakes: a net without holes of this size.

use std::sync::atomic::{AtomicU64, Ordering};

use concord::planted::{Mistake, plant};

use super::script::Script;
use super::{ABREAST, play};

/// Within so many seeds each has to be found.
const WITHIN: u64 = 500;

/// Does the storm of this seed find the mistake?
fn finds(seed: u64, mistake: Mistake) -> bool {
    let Err(why) = play(&Script::drawn_from(seed)) else { return false };
    let words: String = why.chars().take(160).collect();
    eprintln!("{mistake:?}: seed {seed}: {}", words.replace('\n', " "));
    true
}

/// A seed whose storm finds the mistake: `known`, if that still does, else the first. Most seeds do not, so this one
/// saves what the others would take.
fn found_at(mistake: Mistake, known: u64) -> Option<u64> {
    plant(Some(mistake));
    if finds(known, mistake) {
        return Some(known);
    }
    eprintln!("{mistake:?}: seed {known} does not find it any more: write here what does");
    let (next, found) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    std::thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(|| {
                plant(Some(mistake));
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= WITHIN.min(found.load(Ordering::Relaxed)) {
                        return;
                    }
                    if finds(seed, mistake) {
                        found.fetch_min(seed, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    Some(found.into_inner()).filter(|seed| *seed < WITHIN)
}

macro_rules! found {
    ($($name:ident: $mistake:ident at $known:literal,)*) => {
        $(#[test]
        fn $name() {
            let found = found_at(Mistake::$mistake, $known);
            assert!(found.is_some(), "no storm of {WITHIN} finds it");
        })*

        #[test]
        fn every_mistake_is_looked_for() {
            assert_eq!(Mistake::ALL.to_vec(), vec![$(Mistake::$mistake),*]);
        }
    };
}

found! {
    shadow_is_what_was_sent: ShadowIsWhatWasSent at 16,
    blind_retry_of_a_delta: BlindRetryOfADelta at 4,
    settle_without_fence: SettleWithoutFence at 11,
    intent_closed_after_merging: IntentClosedAfterMerging at 4,
    dedupe_by_content: DedupeByContent at 0,
    cursor_by_timestamp_only: CursorByTimestampOnly at 178,
    delete_by_absence: DeleteByAbsence at 147,
    rate_limit_is_failure: RateLimitIsFailure at 37,
    no_repair: NoRepair at 79,
    judged_at_once: JudgedAtOnce at 79,
    sent_too_late: SentTooLate at 141,
    own_categories_dropped: OwnCategoriesDropped at 1,
    pictures_uploaded_again: PicturesUploadedAgain at 9,
}

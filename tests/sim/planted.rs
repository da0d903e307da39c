//! The storm finds planted mistakes: a net without holes of this size.

use std::sync::atomic::{AtomicU64, Ordering};

use concord::planted::{Mistake, plant};

use super::script::Script;
use super::{ABREAST, play};

/// Within so many seeds each has to be found.
const WITHIN: u64 = 500;

/// The first seed whose storm finds the mistake.
fn found_at(mistake: Mistake) -> Option<u64> {
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
                    if let Err(why) = play(&Script::drawn_from(seed)) {
                        let words: String = why.chars().take(160).collect();
                        eprintln!("{mistake:?}: seed {seed}: {}", words.replace('\n', " "));
                        found.fetch_min(seed, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    Some(found.into_inner()).filter(|seed| *seed < WITHIN)
}

macro_rules! found {
    ($($name:ident: $mistake:ident,)*) => {
        $(#[test]
        fn $name() {
            let found = found_at(Mistake::$mistake);
            assert!(found.is_some(), "no storm of {WITHIN} finds it");
        })*

        #[test]
        fn every_mistake_is_looked_for() {
            assert_eq!(Mistake::ALL.to_vec(), vec![$(Mistake::$mistake),*]);
        }
    };
}

found! {
    shadow_is_what_was_sent: ShadowIsWhatWasSent,
    blind_retry_of_a_delta: BlindRetryOfADelta,
    settle_without_fence: SettleWithoutFence,
    intent_closed_after_merging: IntentClosedAfterMerging,
    dedupe_by_content: DedupeByContent,
    cursor_by_timestamp_only: CursorByTimestampOnly,
    delete_by_absence: DeleteByAbsence,
    rate_limit_is_failure: RateLimitIsFailure,
    no_repair: NoRepair,
    judged_at_once: JudgedAtOnce,
    sent_too_late: SentTooLate,
    own_categories_dropped: OwnCategoriesDropped,
    pictures_uploaded_again: PicturesUploadedAgain,
}

//! Identities and randomness as parameters.
//!
//! Every id is a newtype over a UUID, so a product cannot be handed where a
//! connection is wanted. New ids and random bytes come from [`SharedIds`]:
//! production draws version 7 UUIDs from the system's generator, tests a
//! reproducible sequence from a seed.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Instant;

/// The source of ids as it is handed around.
pub type SharedIds = Arc<dyn Ids>;

/// Makes new ids and random bytes.
pub trait Ids: Send + Sync + fmt::Debug {
    /// A new UUID, version 7: ids made later sort later.
    fn uuid(&self, now: Instant) -> Uuid;
    /// Fills `bytes` with randomness fit for keys and nonces (in production).
    fn fill(&self, bytes: &mut [u8]);
}

/// Ids from a cryptographic generator: seeded by the system in production, by a number in tests.
#[derive(Debug)]
pub struct GeneratedIds {
    generator: Mutex<ChaCha12Rng>,
    /// The newest id: its millisecond, and its place among those of the same one.
    newest: Mutex<(u64, u32)>,
}

/// Bits of an id that count within a millisecond.
const COUNTED: u32 = 26;

impl GeneratedIds {
    /// Seeded by the operating system.
    #[must_use]
    pub fn from_system() -> Self {
        Self { generator: Mutex::new(ChaCha12Rng::from_os_rng()), newest: Mutex::default() }
    }

    /// The same seed gives the same sequence.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { generator: Mutex::new(ChaCha12Rng::seed_from_u64(seed)), newest: Mutex::default() }
    }
}

impl Ids for GeneratedIds {
    fn uuid(&self, now: Instant) -> Uuid {
        let mut tail = [0_u8; 10];
        self.fill(&mut tail);
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        // Of two ids of the same millisecond the later one sorts later too: entries of the ledger are read in the
        // order of their ids. A new millisecond begins somewhere in the lower half.
        let [one, two, three, four, ..] = tail;
        let drawn = u32::from_be_bytes([one, two, three, four]) >> (u32::BITS - COUNTED + 1);
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let count = if newest.0 == millis { newest.1.wrapping_add(1) } else { drawn };
        *newest = (millis, count);
        drop(newest);
        // 12 bits behind the version, 14 behind the variant (RFC 9562, section 5.7).
        let [_, _, one, two] = ((count >> 14) & 0xFFF).to_be_bytes();
        let [_, _, three, four] = (count & 0x3FFF).to_be_bytes();
        let [_, _, _, _, rest @ ..] = tail;
        let [five, six, seven, eight, nine, ten] = rest;
        let tail = [one, two, three, four, five, six, seven, eight, nine, ten];
        uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.generator.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[derive(utoipa::ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = Uuid)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id.
            #[must_use]
            pub fn new(ids: &SharedIds, now: Instant) -> Self {
                Self(ids.uuid(now))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id!(/// One merchant's pair of accounts.
    ConnectionId);
id!(/// One product as Concord knows it: the R-Series record and the E-Series record together.
    ProductId);
id!(/// One entry of the ledger. The id of a write is the id of its entry.
    EntryId);
id!(/// One conflict between the two sides.
    ConflictId);
id!(/// One run over the whole catalogue.
    SyncId);
id!(/// One claim of an item by a worker; fences a worker that has lost its lease.
    LeaseToken);

id!(/// One key of the REST interface.
    KeyId);
id!(/// One act in the audit.
    AuditId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_made_later_sorts_later_also_within_a_millisecond() {
        let ids = GeneratedIds::seeded(7);
        let at = |millis| Instant::from_timestamp_millis(millis).unwrap();
        let times = std::iter::repeat_n(at(1_000), 50_000).chain(std::iter::repeat_n(at(1_001), 50_000));
        let made: Vec<Uuid> = times.map(|at| ids.uuid(at)).collect();
        assert!(made.is_sorted_by(|one, two| one < two));
        assert!(made.iter().all(|id| id.get_version_num() == 7));
    }

    #[test]
    fn the_same_seed_gives_the_same_ids_and_another_seed_others() {
        let at = Instant::UNIX_EPOCH;
        let draw = |seed| {
            let ids = GeneratedIds::seeded(seed);
            [ids.uuid(at), ids.uuid(at)]
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_ne!(draw(1)[0], draw(1)[1]);
    }
}

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
}

impl GeneratedIds {
    /// Seeded by the operating system.
    #[must_use]
    pub fn from_system() -> Self {
        Self { generator: Mutex::new(ChaCha12Rng::from_os_rng()) }
    }

    /// The same seed gives the same sequence.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { generator: Mutex::new(ChaCha12Rng::seed_from_u64(seed)) }
    }
}

impl Ids for GeneratedIds {
    fn uuid(&self, now: Instant) -> Uuid {
        let mut tail = [0_u8; 10];
        self.fill(&mut tail);
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
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

//! Room in the plans that need not be counted again: counting 70,000 products takes long, and a first look creates
//! one after the other.

use std::sync::{Mutex, PoisonError};

use crate::catalog::{Limits, Use};

/// Of the room that is left, this part is given out without counting again: several processes may do so at the same
/// time, and merchants add products of their own.
const PART: i64 = 20;

/// What a process may still create on a connection without counting.
#[derive(Debug, Default)]
pub struct Grant(Mutex<Option<(Limits, Use)>>);

impl Grant {
    /// Takes what is needed out of the grant, if it was given under these very limits and is large enough.
    pub fn take(&self, limits: &Limits, need: Use) -> bool {
        let mut grant = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((given_under, left)) = grant.as_mut() else { return false };
        let rest = Use {
            pieces: left.pieces.saturating_sub(need.pieces),
            products: left.products.saturating_sub(need.products),
        };
        if given_under != limits || rest.pieces < 0 || rest.products < 0 {
            *grant = None;
            return false;
        }
        *left = rest;
        true
    }

    /// So much is used, as was just counted: a part of what is left is granted.
    pub fn renew(&self, limits: &Limits, used: Use) {
        let part = |limit: Option<i64>, used: i64| {
            limit.map_or(i64::MAX, |limit| limit.saturating_sub(used).max(0) / PART)
        };
        let left = Use {
            pieces: part(limits.most_pieces(), used.pieces),
            products: part(limits.products, used.products),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((limits.clone(), left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twentieth_of_the_room_is_given_out_and_close_to_the_limit_nothing() {
        let limits = Limits {
            plan: "x".into(),
            pieces: Some(100),
            support_asked: false,
            products: None,
            variations: true,
        };
        let one = Use { pieces: 1, products: 1 };
        let grant = Grant::default();
        assert!(!grant.take(&limits, one), "nothing was counted yet");
        grant.renew(&limits, Use { pieces: 40, products: 40 });
        assert_eq!((0..5).filter(|_| grant.take(&limits, one)).count(), 3);
        grant.renew(&limits, Use { pieces: 90, products: 90 });
        assert!(!grant.take(&limits, one));
        grant.renew(&limits, Use { pieces: 0, products: 0 });
        let others = Limits { products: Some(5), ..limits.clone() };
        assert!(!grant.take(&others, one), "given under other limits");
        assert!(!grant.take(&limits, one), "and void since");
    }
}

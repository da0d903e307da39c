//! How many products the plans allow, and whether another one fits. Nothing is dropped in silence, and never half a
//! matrix: what does not fit waits, with the reason, until there is room.

/// Why a product is parked that the plan has no room for.
pub const PLAN_LIMIT: &str = "plan_limit";

/// Why a product waits whose variants the plan of the store does not have.
pub const PLAN_FEATURE: &str = "plan_feature";

/// Products and variants beyond which Lightspeed Support wants to be asked (integration-rules.md, section 1).
pub const ASK_SUPPORT: i64 = 70_000;

/// What the plans allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Name of the plan.
    pub plan: String,
    /// Products and variants, counted one by one (integration-rules.md, section 1); none is unlimited.
    pub pieces: Option<i64>,
    /// An operator has acknowledged that Lightspeed Support was asked about more than 70,000.
    pub support_asked: bool,
    /// Products of the store, whose variations do not count (e-series-api.md, section 11, `maxProductLimit`).
    pub products: Option<i64>,
    /// The plan of the store has variations, as far as is known (e-series-api.md, section 5.5).
    pub variations: bool,
}

/// What is online, or needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Use {
    /// Products and variants, one by one: a product with variants is as many as it has variants.
    pub pieces: i64,
    /// Products, with their variants or without.
    pub products: i64,
}

impl Use {
    /// Both together.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self {
            pieces: self.pieces.saturating_add(more.pieces),
            products: self.products.saturating_add(more.products),
        }
    }
}

impl Limits {
    /// Products and variants that may be online: by the plan, or until Support has been asked.
    #[must_use]
    pub fn most_pieces(&self) -> Option<i64> {
        self.pieces.or_else(|| (!self.support_asked).then_some(ASK_SUPPORT))
    }

    /// Why there can be no variation at all, if so.
    #[must_use]
    pub fn lacks_variations(&self) -> Option<String> {
        let reason = "The E-Series plan has no variations (they need Business or above), so a product with variants \
                      cannot be online. It goes on by itself once the plan has them: upgrade the plan.";
        (!self.variations).then(|| reason.to_owned())
    }

    /// Why what is needed does not fit beside what is used, if it does not.
    #[must_use]
    pub fn lacks_room(&self, used: Use, need: Use) -> Option<String> {
        let over = |limit: Option<i64>, used: i64, need: i64| {
            limit.filter(|limit| need > 0 && used.saturating_add(need) > *limit)
        };
        let goes_on = "It goes on by itself as soon as there is room";
        if let Some(limit) = over(self.products, used.products, need.products) {
            return Some(format!(
                "The E-Series store takes {limit} products, and has {}. {goes_on}: upgrade the plan, or remove \
                 products.",
                used.products
            ));
        }
        let limit = over(self.most_pieces(), used.pieces, need.pieces)?;
        Some(if self.pieces.is_none() {
            format!(
                "{} products and variants are online. Beyond {ASK_SUPPORT} Lightspeed Support wants to be asked \
                 first: ask them, then set support_asked in the settings of the connection. {goes_on}.",
                used.pieces
            )
        } else {
            format!(
                "The plan {} has room for {limit} products and variants, counted one by one. {} are online, and \
                 this product is {}. {goes_on}: upgrade the plan, or archive products.",
                self.plan, used.pieces, need.pieces
            )
        })
    }

    /// Who of those who wait, first come first served, fits beside what is used. Somebody who does not fit does not
    /// hold up those behind.
    pub fn fitting<T>(&self, mut used: Use, waiting: impl IntoIterator<Item = (T, Use)>) -> Vec<T> {
        let mut fitting = Vec::new();
        for (who, need) in waiting {
            // An update needs no room of its own, but the plan must not be exceeded (e-series-api.md, section 2.2).
            let exceeded = |limit: Option<i64>, used: i64| limit.is_some_and(|limit| used > limit);
            let stuck = need == Use::default()
                && (exceeded(self.products, used.products) || exceeded(self.most_pieces(), used.pieces));
            if stuck || self.lacks_room(used, need).is_some() {
                continue;
            }
            used = used.and(need);
            fitting.push(who);
        }
        fitting
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits(pieces: Option<i64>, products: Option<i64>) -> Limits {
        Limits { plan: "venture".into(), pieces, support_asked: false, products, variations: true }
    }

    fn amount(pieces: i64, products: i64) -> Use {
        Use { pieces, products }
    }

    #[test]
    fn a_matrix_fits_as_a_whole_or_not_at_all() {
        let venture = limits(Some(100), None);
        assert_eq!(venture.lacks_room(amount(94, 40), amount(6, 1)), None);
        let reason = venture.lacks_room(amount(95, 40), amount(6, 1)).unwrap();
        assert!(reason.contains("room for 100") && reason.contains("95 are online"), "{reason}");
    }

    #[test]
    fn the_store_counts_products_and_not_their_variants() {
        let store = limits(None, Some(10));
        assert_eq!(store.lacks_room(amount(60, 9), amount(6, 1)), None);
        assert!(store.lacks_room(amount(60, 10), amount(6, 1)).is_some());
        assert_eq!(store.lacks_room(amount(60, 10), amount(1, 0)), None, "another variant of a product");
    }

    #[test]
    fn beyond_seventy_thousand_support_is_asked_first() {
        let unlimited = limits(None, None);
        let reason = unlimited.lacks_room(amount(ASK_SUPPORT, ASK_SUPPORT), amount(1, 1)).unwrap();
        assert!(reason.contains("support_asked"), "{reason}");
        let asked = Limits { support_asked: true, ..unlimited };
        assert_eq!(asked.lacks_room(amount(ASK_SUPPORT, ASK_SUPPORT), amount(1, 1)), None);
    }

    #[test]
    fn what_is_too_big_does_not_hold_up_what_is_small() {
        let venture = limits(Some(100), None);
        let waiting =
            [("matrix", amount(6, 1)), ("one", amount(1, 1)), ("two", amount(1, 1)), ("three", amount(1, 1))];
        assert_eq!(venture.fitting(amount(98, 50), waiting), ["one", "two"]);
        let update = [("update", Use::default())];
        assert_eq!(venture.fitting(amount(101, 50), update), Vec::<&str>::new());
        assert_eq!(venture.fitting(amount(100, 50), update), ["update"]);
    }

    proptest! {
        #[test]
        fn whoever_is_let_in_leaves_the_plan_within_its_limits(
            used in 0..120_i64,
            needs in proptest::collection::vec(1..20_i64, 0..30),
        ) {
            let venture = limits(Some(100), Some(60));
            let waiting = needs.iter().enumerate().map(|(who, need)| (who, amount(*need, 1)));
            let fitting = venture.fitting(amount(used, used.min(60)), waiting);
            let taken: i64 = fitting.iter().map(|who| needs[*who]).sum();
            prop_assert!(fitting.is_empty() || used + taken <= 100);
            // Nobody is left out for whom there is room.
            let left_out = (0..needs.len()).filter(|who| !fitting.contains(who));
            let products = used.min(60) + i64::try_from(fitting.len()).unwrap();
            for who in left_out {
                prop_assert!(used + taken + needs[who] > 100 || products >= 60);
            }
        }
    }
}

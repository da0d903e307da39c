//! Prices: decimals, never floating point.

use std::fmt;
use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

/// An amount in the store's own currency. `12.5` and `12.50` are equal; printed without trailing zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Money(Decimal);

impl Money {
    /// No money.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// The amount as a decimal.
    #[must_use]
    pub fn amount(self) -> Decimal {
        self.0
    }

    /// Is this what `sent` becomes when it is rounded, up or down, to hundredths?
    #[must_use]
    pub fn is_rounding_of(self, sent: Self) -> bool {
        const DECIMALS: u32 = 2;
        let near = self.0.checked_sub(sent.0).is_some_and(|apart| apart.abs() < Decimal::new(1, DECIMALS));
        near && self.0.normalize().scale() <= DECIMALS && sent.0.normalize().scale() > DECIMALS
    }

    /// Rounded to a whole amount, halves away from zero.
    #[must_use]
    pub fn whole(self) -> Self {
        Self(self.0.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero).normalize())
    }

    /// Above zero?
    #[must_use]
    pub fn is_positive(self) -> bool {
        self.0 > Decimal::ZERO
    }
}

impl From<Decimal> for Money {
    fn from(amount: Decimal) -> Self {
        Self(amount.normalize())
    }
}

impl FromStr for Money {
    type Err = rust_decimal::Error;

    /// Reads plain (`12.50`) and scientific (`1e2`) notation, since JSON numbers may come in either.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Decimal::from_str(text).or_else(|_| Decimal::from_scientific(text)).map(Self::from)
    }
}

impl TryFrom<String> for Money {
    type Error = rust_decimal::Error;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Money> for String {
    fn from(money: Money) -> Self {
        money.to_string()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.normalize().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_compare_as_numbers_and_print_in_shortest_form() {
        for (left, right) in [("12.5", "12.50"), ("0", "0.00"), ("100", "1e2")] {
            let (left, right): (Money, Money) = (left.parse().unwrap(), right.parse().unwrap());
            assert_eq!(left, right);
            assert_eq!(left.to_string(), right.to_string());
        }
        assert!("12,50".parse::<Money>().is_err());
    }

    #[test]
    fn hundredths_are_a_rounded_or_cut_form_and_nothing_else_is() {
        let form =
            |shown: &str, exact: &str| shown.parse::<Money>().unwrap().is_rounding_of(exact.parse().unwrap());
        assert!(form("11.00", "11.005") && form("11.01", "11.005") && form("8.99", "8.999"));
        assert!(form("9", "8.999"));
        assert!(!form("11.02", "11.005") && !form("11", "11.01") && !form("11.004", "11.005"));
    }
}

//! One scalar of a record: how it is printed, read back, compared and matched.

use std::cmp::Ordering;

use chrono::{DateTime, SubsecRound, Utc};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::clock::Instant;

/// The logical type of a field. On the wire all of them are strings (section 1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Decimal,
    Boolean,
    Text,
    Time,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Integer(i64),
    Decimal(Decimal),
    Boolean(bool),
    Text(String),
    Time(Instant),
}

impl Cell {
    /// The string that stands on the wire.
    pub(super) fn wire(&self) -> String {
        match self {
            Self::Integer(number) => number.to_string(),
            Self::Decimal(number) => decimal(*number),
            Self::Boolean(yes) => yes.to_string(),
            Self::Text(text) => text.clone(),
            Self::Time(at) => time(*at),
        }
    }

    /// Reads what a query or a cursor says about a field of this kind.
    pub(super) fn parse(kind: Kind, text: &str) -> Option<Self> {
        match kind {
            Kind::Integer => text.parse().ok().map(Self::Integer),
            Kind::Decimal => text.parse().ok().map(Self::Decimal),
            Kind::Boolean => truth(text).map(Self::Boolean),
            Kind::Text => Some(Self::Text(text.to_owned())),
            Kind::Time => instant(text).map(Self::Time),
        }
    }

    /// The value as it stands in a cursor, where numbers are numbers (section 1.10).
    pub(super) fn cursor(&self) -> Value {
        match self {
            Self::Integer(number) => Value::from(*number),
            other => Value::String(other.wire()),
        }
    }

    /// Order of two values of the same kind. `fold` ignores case.
    pub(super) fn compare(&self, other: &Self, fold: bool) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            (Self::Decimal(a), Self::Decimal(b)) => a.cmp(b),
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) if fold => a.to_lowercase().cmp(&b.to_lowercase()),
            (a, b) => a.wire().cmp(&b.wire()),
        }
    }
}

/// A decimal in its shortest form (section 1.3).
pub(super) fn decimal(number: Decimal) -> String {
    number.normalize().to_string()
}

/// A timestamp: always UTC as `+00:00`, whole seconds (section 1.3).
pub(super) fn time(at: Instant) -> String {
    at.format("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// The instant as the platform keeps it: whole seconds.
pub(super) fn second(at: Instant) -> Instant {
    at.trunc_subsecs(0)
}

/// Booleans as they may be spelt in a request.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" | "" => Some(false),
        _ => None,
    }
}

/// `+00:00`, `-0400`, `Z` and `-00:00` are understood (section 1.8).
fn instant(text: &str) -> Option<Instant> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%z"))
        .ok()
        .map(|at| at.with_timezone(&Utc))
}

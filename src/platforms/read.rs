//! Tolerant readers: one helper for lists, one for each kind of scalar.
//!
//! R-Series prints every scalar as a string, a list of one as an object and an empty list as `""`, or
//! leaves it out (r-series-api.md, sections 1.3 and 1.5). E-Series prints real JSON, but its pages do
//! not agree on which numbers come quoted (e-series-api.md, section 12.2).

use std::borrow::Cow;

use chrono::DateTime;
use serde_json::{Map, Value};

use crate::catalog::Money;
use crate::clock::Instant;

/// Most pieces of anything: a thousand times more than 32 bits count.
const MOST_PIECES: i64 = 1_000_000_000_000;

/// The rows of a list that may be missing, `""`, null, one object, or an array.
#[must_use]
pub fn list(value: Option<&Value>) -> Cow<'_, [Value]> {
    match value {
        None | Some(Value::Null) => Cow::Borrowed(&[]),
        Some(Value::String(text)) if text.is_empty() => Cow::Borrowed(&[]),
        Some(Value::Array(rows)) => Cow::Borrowed(rows),
        Some(one) => Cow::Borrowed(std::slice::from_ref(one)),
    }
}

/// A record being read: its fields by name, each scalar from a string, a number or a boolean.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    kind: &'static str,
    fields: &'a Map<String, Value>,
}

/// A record that cannot be read: which field, and what stood there (shortened).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}.{field} is not readable: {found}")]
pub struct Unreadable {
    kind: &'static str,
    field: String,
    found: String,
}

impl<'a> Record<'a> {
    /// Starts reading a record of this kind (named in errors).
    pub fn of(kind: &'static str, value: &'a Value) -> Result<Self, Unreadable> {
        match value {
            Value::Object(fields) => Ok(Self { kind, fields }),
            other => Err(Unreadable { kind, field: "(record)".into(), found: shortened(other) }),
        }
    }

    /// The raw value of a field.
    #[must_use]
    pub fn raw(&self, field: &str) -> Option<&'a Value> {
        self.fields.get(field)
    }

    /// A record within the record; an empty text or list in its place is none.
    #[must_use]
    pub fn nested(&self, field: &str) -> Option<&'a Value> {
        self.raw(field).filter(|value| value.as_object().is_some_and(|fields| !fields.is_empty()))
    }

    /// A text; a number or boolean is taken as it is printed.
    pub fn text(&self, field: &str) -> Result<Option<String>, Unreadable> {
        match self.raw(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(Value::Bool(flag)) => Ok(Some(flag.to_string())),
            Some(_) => Err(self.unreadable(field)),
        }
    }

    /// A whole number; an empty text counts as missing.
    pub fn integer(&self, field: &str) -> Result<Option<i64>, Unreadable> {
        self.parsed(field, |text| {
            text.parse().ok().or_else(|| text.strip_suffix(".0").and_then(|whole| whole.parse().ok()))
        })
    }

    /// A number of pieces; an empty text counts as missing. One that no shop can have is not readable: sums and
    /// differences are made of these, and must not overflow.
    pub fn pieces(&self, field: &str) -> Result<Option<i64>, Unreadable> {
        let count = self.integer(field)?;
        if count.is_some_and(|count| !(-MOST_PIECES..=MOST_PIECES).contains(&count)) {
            return Err(self.unreadable(field));
        }
        Ok(count)
    }

    /// An amount; an empty text counts as missing.
    pub fn money(&self, field: &str) -> Result<Option<Money>, Unreadable> {
        self.parsed(field, |text| text.parse().ok())
    }

    /// A flag; an empty text counts as missing.
    pub fn flag(&self, field: &str) -> Result<Option<bool>, Unreadable> {
        self.parsed(field, |text| match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        })
    }

    /// A time with offset, as either platform prints it; an empty text counts as missing.
    pub fn time(&self, field: &str) -> Result<Option<Instant>, Unreadable> {
        self.parsed(field, |text| {
            DateTime::parse_from_rfc3339(text)
                .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S %z"))
                .ok()
                .map(|time| time.to_utc())
        })
    }

    /// A field that must be there.
    pub fn needed<T>(&self, field: &str, value: Option<T>) -> Result<T, Unreadable> {
        value.ok_or_else(|| self.unreadable(field))
    }

    fn parsed<T>(&self, field: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Unreadable> {
        match self.text(field)? {
            None => Ok(None),
            Some(text) if text.is_empty() => Ok(None),
            Some(text) => parse(&text).map(Some).ok_or_else(|| self.unreadable(field)),
        }
    }

    fn unreadable(&self, field: &str) -> Unreadable {
        let found = self.raw(field).map_or_else(|| "missing".to_owned(), shortened);
        Unreadable { kind: self.kind, field: field.to_owned(), found }
    }
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_of_a_list_is_a_list() {
        let of = |json: &Value| list(json.get("x")).len();
        assert_eq!(of(&json!({})), 0);
        assert_eq!(of(&json!({"x": ""})), 0);
        assert_eq!(of(&json!({"x": null})), 0);
        assert_eq!(of(&json!({"x": []})), 0);
        assert_eq!(of(&json!({"x": {"a": 1}})), 1);
        assert_eq!(of(&json!({"x": "White"})), 1);
        assert_eq!(of(&json!({"x": [1, 2]})), 2);
    }

    #[test]
    fn scalars_come_as_strings_numbers_or_booleans() {
        let json = json!({"a": "12", "b": 12, "c": "", "d": "true", "e": false, "f": "12.50", "g": 12.5,
            "h": "2024-05-17T09:30:02+00:00", "i": "2026-01-05 09:12:44 +0000", "j": [], "k": 3.0});
        let record = Record::of("Test", &json).unwrap();
        assert_eq!(record.integer("a").unwrap(), Some(12));
        assert_eq!(record.integer("b").unwrap(), Some(12));
        assert_eq!(record.integer("k").unwrap(), Some(3));
        assert_eq!(record.integer("c").unwrap(), None);
        assert_eq!(record.integer("missing").unwrap(), None);
        assert_eq!(record.flag("d").unwrap(), Some(true));
        assert_eq!(record.flag("e").unwrap(), Some(false));
        assert_eq!(record.money("f").unwrap(), record.money("g").unwrap());
        assert!(record.time("h").unwrap().is_some() && record.time("i").unwrap().is_some());
        let error = record.integer("j").unwrap_err().to_string();
        assert!(error.contains("Test.j"), "{error}");
        assert!(record.needed("missing", record.integer("missing").unwrap()).is_err());
    }

    /// Any JSON: scalars of every kind, texts that look like numbers and times, lists and records in one another.
    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[-+]?[0-9]{0,40}([.][0-9]{0,40})?([eE][-+]?[0-9]{1,12})?".prop_map(Value::from),
            "[0-9]{4,6}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}[-+Z ]{0,2}[0-9:]{0,6}"
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(field(), inner, 0..8)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    fn field() -> impl Strategy<Value = String> {
        const FIELDS: [&str; 34] = [
            "itemID",
            "description",
            "customSku",
            "itemType",
            "archived",
            "publishToEcom",
            "itemMatrixID",
            "timeStamp",
            "Prices",
            "ItemPrice",
            "ItemShops",
            "ItemShop",
            "amount",
            "useTypeID",
            "itemShopID",
            "shopID",
            "qoh",
            "inventoryLogID",
            "qohChange",
            "saleID",
            "automated",
            "id",
            "name",
            "sku",
            "price",
            "enabled",
            "quantity",
            "unlimited",
            "updateTimestamp",
            "updated",
            "generalInfo",
            "storeId",
            "options",
            "date",
        ];
        proptest::sample::select(FIELDS.to_vec()).prop_map(str::to_owned)
    }

    proptest! {
        #[test]
        fn no_record_of_either_platform_breaks_a_reader(
            fields in proptest::collection::btree_map(field(), anything(), 0..20),
        ) {
            use crate::platforms::{eseries, rseries};
            let json = Value::Object(fields.into_iter().collect());
            let errors = [
                rseries::wire::Item::read(&json).err(),
                rseries::wire::ItemShop::read(&json).err(),
                rseries::wire::LogRow::read(&json).err(),
                rseries::wire::Shop::read(&json).err(),
                rseries::wire::PriceLevel::read(&json).err(),
                eseries::wire::Product::read(&json).err(),
                eseries::wire::Deleted::read(&json).err(),
                eseries::wire::Profile::read(&json).err(),
            ];
            for error in errors.into_iter().flatten() {
                prop_assert!(error.to_string().len() < 500, "{error}");
            }
        }

        #[test]
        fn no_scalar_breaks_a_reader(value in anything()) {
            let json = json!({"x": value});
            let record = Record::of("Test", &json).unwrap();
            let _ = (record.text("x"), record.integer("x"), record.money("x"), record.flag("x"), record.time("x"));
            if let Ok(Some(pieces)) = record.pieces("x") {
                prop_assert!(pieces.abs() <= MOST_PIECES);
            }
        }
    }

    #[test]
    fn more_pieces_than_there_can_be_are_not_readable() {
        let json = json!({"a": i64::MAX, "b": "-9223372036854775808", "c": MOST_PIECES, "d": "1e12"});
        let record = Record::of("Test", &json).unwrap();
        assert!(record.pieces("a").is_err() && record.pieces("b").is_err() && record.pieces("d").is_err());
        assert_eq!(record.pieces("c").unwrap(), Some(MOST_PIECES));
    }
}

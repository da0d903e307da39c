//! Values on the wire: dates, numbers, switches in query strings and `responseFields` (section 3 of the
//! E-Series reference).

use std::iter::Peekable;
use std::str::{Chars, FromStr};

use chrono::{DateTime, NaiveDate, NaiveDateTime, SubsecRound, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Number, Value};

use super::refusal::Refusal;
use crate::clock::Instant;

/// `2026-01-05 09:12:44 +0000`.
pub(super) fn date(at: Instant) -> String {
    at.format("%Y-%m-%d %H:%M:%S +0000").to_string()
}

/// The platform keeps whole seconds (section 13, trap 15).
pub(super) fn whole_seconds(at: Instant) -> Instant {
    at.trunc_subsecs(0)
}

/// Unix seconds, `yyyy-MM-dd HH:mm:ss Z`, `yyyy-MM-dd HH:mm:ss` or `yyyy-MM-dd`.
pub(super) fn parse_date(text: &str) -> Option<Instant> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<i64>() {
        return DateTime::from_timestamp(seconds, 0);
    }
    if let Ok(at) = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S %z") {
        return Some(at.with_timezone(&Utc));
    }
    if let Ok(at) = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S") {
        return Some(at.and_utc());
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0).map(|at| at.and_utc())
}

/// A price as a JSON number in its shortest form: `10`, `0.5`.
pub(super) fn number(value: Decimal) -> Value {
    let value = value.normalize();
    if let (0, Some(whole)) = (value.scale(), value.to_i64()) {
        return whole.into();
    }
    // By way of the text: the nearest double, and so the same digits when printed.
    let double = value.to_string().parse::<f64>().ok();
    double.and_then(Number::from_f64).map_or(Value::Null, Value::Number)
}

/// A JSON number, digit for digit.
pub(super) fn decimal(value: &Value) -> Option<Decimal> {
    let text = value.as_number()?.to_string();
    Decimal::from_str(&text).or_else(|_| Decimal::from_scientific(&text)).ok()
}

/// Whole numbers are written without a decimal point, wherever they stand.
pub(super) fn tidy(value: Value) -> Value {
    match value {
        Value::Number(ref it) if it.is_f64() => match decimal(&value) {
            Some(whole) if whole.is_integer() => number(whole),
            _ => value,
        },
        Value::Array(items) => items.into_iter().map(tidy).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, it)| (name, tidy(it))).collect(),
        other => other,
    }
}

/// The query of a request, in order and decoded.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(text: &str) -> Self {
        Self(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// `true false yes no on off 1 0`; anything else is 400 (section 1.1).
    pub fn switch(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.text(name) {
            None => Ok(None),
            Some("true" | "yes" | "on" | "1") => Ok(Some(true)),
            Some("false" | "no" | "off" | "0") => Ok(Some(false)),
            Some(_) => Err(Refusal::wrong_parameter(format!(
                "Wrong parameter '{name}' value: expected one of true, false, yes, no, on, off, 1, 0"
            ))),
        }
    }

    pub fn is_on(&self, name: &str) -> Result<bool, Refusal> {
        Ok(self.switch(name)?.unwrap_or(false))
    }

    pub fn date(&self, name: &str) -> Result<Option<Instant>, Refusal> {
        self.read(name, parse_date, "a date")
    }

    pub fn decimal(&self, name: &str) -> Result<Option<Decimal>, Refusal> {
        self.read(name, |text| Decimal::from_str(text).ok(), "a number")
    }

    pub fn whole(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.read(name, |text| text.parse().ok(), "an integer")
    }

    fn read<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Option<T>,
        expected: &str,
    ) -> Result<Option<T>, Refusal> {
        self.text(name)
            .map(|text| {
                parse(text).ok_or_else(|| {
                    Refusal::wrong_parameter(format!("Wrong parameter '{name}' value: expected {expected}"))
                })
            })
            .transpose()
    }
}

/// A page of a list: `{total, count, offset, limit, items}`.
pub(super) fn page<T>(query: &Query, all: Vec<T>, write: impl FnMut(T) -> Value) -> Result<Value, Refusal> {
    let offset = query.whole("offset")?.unwrap_or(0);
    let limit = query.whole("limit")?.unwrap_or(100);
    if offset < 0 || limit < 1 {
        return Err(Refusal::wrong_parameter("Wrong parameter 'offset' or 'limit' value"));
    }
    // More than 100 is clamped, and reported so (section 14).
    let limit = limit.min(100);
    let total = all.len();
    let skip = usize::try_from(offset).unwrap_or(usize::MAX);
    let take = usize::try_from(limit).unwrap_or(100);
    let items: Vec<Value> = all.into_iter().skip(skip).take(take).map(write).collect();
    Ok(serde_json::json!({
        "total": total, "count": items.len(), "offset": offset, "limit": limit, "items": items,
    }))
}

/// `total,items(id,sku,combinations(id))`: the fields to keep, each with what to keep of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Keep(Vec<(String, Option<Keep>)>);

impl Keep {
    /// What a query's `responseFields` asks for, if it asks.
    pub fn of(query: &Query) -> Result<Option<Self>, Refusal> {
        let Some(text) = query.text("responseFields").filter(|text| !text.trim().is_empty()) else {
            return Ok(None);
        };
        let mut rest = text.chars().peekable();
        match Self::parse(&mut rest) {
            Some(keep) if rest.next().is_none() => Ok(Some(keep)),
            _ => Err(Refusal::wrong_parameter("Wrong parameter 'responseFields' value")),
        }
    }

    fn parse(rest: &mut Peekable<Chars<'_>>) -> Option<Self> {
        let mut fields = Vec::new();
        loop {
            let mut name = String::new();
            while let Some(letter) = rest.next_if(|letter| !matches!(letter, ',' | '(' | ')')) {
                name.push(letter);
            }
            let name = name.trim().to_owned();
            if name.is_empty() {
                return None;
            }
            let inner = if rest.next_if_eq(&'(').is_some() {
                let inner = Self::parse(rest)?;
                rest.next_if_eq(&')')?;
                Some(inner)
            } else {
                None
            };
            fields.push((name, inner));
            if rest.next_if_eq(&',').is_none() {
                return Some(Self(fields));
            }
        }
    }

    /// What to keep of one field.
    pub fn inside(&self, name: &str) -> Option<&Self> {
        self.0.iter().find(|(field, _)| field == name).and_then(|(_, inner)| inner.as_ref())
    }

    /// Cuts a value down. A list is cut down item by item.
    pub fn cut(&self, value: Value) -> Value {
        match value {
            Value::Array(items) => items.into_iter().map(|item| self.cut(item)).collect(),
            Value::Object(fields) => Value::Object(self.cut_fields(fields)),
            other => other,
        }
    }

    fn cut_fields(&self, fields: Map<String, Value>) -> Map<String, Value> {
        let kept = fields.into_iter().filter_map(|(name, value)| {
            let (_, inner) = self.0.iter().find(|(field, _)| *field == name)?;
            Some((name, inner.as_ref().map_or_else(|| value.clone(), |inner| inner.cut(value.clone()))))
        });
        kept.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dates_are_read_in_all_four_forms_and_written_in_one() {
        for text in
            ["1767604364", "2026-01-05 09:12:44 +0000", "2026-01-05 01:12:44 -0800", "2026-01-05 09:12:44"]
        {
            assert_eq!(parse_date(text).map(date).as_deref(), Some("2026-01-05 09:12:44 +0000"), "{text}");
        }
        assert_eq!(parse_date("2026-01-05").map(date).as_deref(), Some("2026-01-05 00:00:00 +0000"));
        assert_eq!(parse_date("yesterday"), None);
    }

    #[test]
    fn whole_numbers_have_no_point_and_others_keep_their_digits() {
        let texts = [("10.00", "10"), ("0.50", "0.5"), ("19.99", "19.99"), ("1234567.01", "1234567.01")];
        for (price, written) in texts {
            assert_eq!(number(price.parse().unwrap()).to_string(), written);
        }
        assert_eq!(tidy(json!({"a": [1.0, 2.5, {"b": -3.0}]})).to_string(), r#"{"a":[1,2.5,{"b":-3}]}"#);
    }

    #[test]
    fn response_fields_cut_nested_values_down() {
        let query = Query::parse("responseFields=total,items(id,combinations(sku))");
        let keep = Keep::of(&query).unwrap().unwrap();
        let whole = json!({"total": 1, "count": 1, "items": [{"id": 1, "sku": "A", "combinations": [{"id": 2, "sku": "B"}]}]});
        assert_eq!(
            keep.cut(whole),
            json!({"total": 1, "items": [{"id": 1, "combinations": [{"sku": "B"}]}]})
        );
        assert!(Keep::of(&Query::parse("responseFields=items(id")).is_err());
    }
}

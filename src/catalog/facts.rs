//! What one side says about one product.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Field, Stock, Value};

/// The fields of a product as one side shows them. A field may be missing: not looked at yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts(BTreeMap<Field, Value>);

impl Facts {
    /// Nothing known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a field, if known.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&Value> {
        self.0.get(&field)
    }

    /// Sets a field.
    pub fn set(&mut self, field: Field, value: Value) {
        self.0.insert(field, value);
    }

    /// The same facts with one field set.
    #[must_use]
    pub fn with(mut self, field: Field, value: Value) -> Self {
        self.set(field, value);
        self
    }

    /// Forgets a field.
    pub fn forget(&mut self, field: Field) {
        self.0.remove(&field);
    }

    /// Every known field.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &Value)> {
        self.0.iter().map(|(field, value)| (*field, value))
    }

    /// The name, or an empty text.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text(Field::Name)
    }

    /// The SKU, or an empty text.
    #[must_use]
    pub fn sku(&self) -> &str {
        self.text(Field::Sku)
    }

    /// Offered on the web?
    #[must_use]
    pub fn enabled(&self) -> bool {
        matches!(self.get(Field::Enabled), Some(Value::Flag(true)))
    }

    /// The stock, if known.
    #[must_use]
    pub fn stock(&self) -> Option<Stock> {
        match self.get(Field::Stock) {
            Some(Value::Stock(stock)) => Some(*stock),
            _ => None,
        }
    }

    /// The texts of a list; none when the field is not known.
    #[must_use]
    pub fn list(&self, field: Field) -> Option<&[String]> {
        match self.get(field) {
            Some(Value::List(texts)) => Some(texts),
            _ => None,
        }
    }

    /// Moves a tracked stock by `delta`; an unknown or unlimited one stays.
    pub fn add_stock(&mut self, delta: i64) {
        if let Some(Stock::Tracked(count)) = self.stock() {
            self.set(Field::Stock, Value::Stock(Stock::Tracked(count.saturating_add(delta))));
        }
    }

    fn text(&self, field: Field) -> &str {
        match self.get(field) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }
}

impl FromIterator<(Field, Value)> for Facts {
    fn from_iter<I: IntoIterator<Item = (Field, Value)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(field, value)| (field, value.to_json())))
    }
}

impl<'de> Deserialize<'de> for Facts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<Field, serde_json::Value>::deserialize(deserializer)?
            .iter()
            .map(|(field, json)| Ok((*field, Value::from_json(*field, json).map_err(D::Error::custom)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_survive_their_stored_form() {
        let facts: Facts = [
            (Field::Name, Value::Text(" Mug \"blue\" \u{1F375}".into())),
            (Field::Price, Value::Money("12.50".parse().unwrap())),
            (Field::Enabled, Value::Flag(false)),
            (Field::Stock, Value::Stock(Stock::Unlimited)),
        ]
        .into_iter()
        .collect();
        let json = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<Facts>(&json).unwrap(), facts);
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_an_error_that_names_the_field() {
        let error = serde_json::from_str::<Facts>(r#"{"price":true}"#).unwrap_err();
        assert!(error.to_string().contains("price"), "{error}");
    }
}

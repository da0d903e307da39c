//! One value of one field, in platform-neutral form.

use std::fmt;

use serde_json::json;

use super::{Field, Money, Place, Stock, spelling};

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// Of [`Field::Name`] and [`Field::Sku`].
    Text(String),
    /// Of [`Field::Price`].
    Money(Money),
    /// Of [`Field::Enabled`].
    Flag(bool),
    /// Of [`Field::Stock`].
    Stock(Stock),
    /// Of [`Field::Options`] and [`Field::OptionValues`].
    List(Vec<String>),
    /// Of [`Field::Category`].
    Place(Place),
}

/// A stored value that does not fit its field.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{json} is no value of the field `{field}`")]
pub struct ValueError {
    field: Field,
    json: String,
}

impl Value {
    /// Do both mean the same to a merchant? Outer spaces of texts do not count: platforms trim them or
    /// not, and a difference that nobody can see must not travel to and fro.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(left), Self::Text(right)) => left.trim() == right.trim(),
            (Self::List(left), Self::List(right)) => {
                left.iter().map(|text| text.trim()).eq(right.iter().map(|text| text.trim()))
            }
            (left, right) => left == right,
        }
    }

    /// Is this what a platform may make of `sent`? Texts are trimmed, money is rounded or cut to hundredths
    /// (e-series-api.md, section 13, traps 13 and 14). For judging a write whose answer was lost.
    #[must_use]
    pub fn may_stand_for(&self, sent: &Self) -> bool {
        match (self, sent) {
            (Self::Money(shown), Self::Money(sent)) => shown == sent || shown.is_rounding_of(*sent),
            _ => self.same(sent),
        }
    }

    /// Is this what a platform may have made of `sent`, however it spells texts? For judging what it shows of a record
    /// that was just written, where nobody knows its habits: what is taken for an edit there would travel back.
    #[must_use]
    pub fn may_have_become(&self, sent: &Self) -> bool {
        match (self, sent) {
            (Self::Text(shown), Self::Text(sent)) => spelling::may_be(shown, sent),
            (Self::List(shown), Self::List(sent)) => {
                shown.len() == sent.len()
                    && shown.iter().zip(sent).all(|(shown, sent)| spelling::may_be(shown, sent))
            }
            _ => self.may_stand_for(sent),
        }
    }

    /// As in the REST interface: texts and money as strings, flags as booleans, stock as a number or
    /// `"unlimited"`, lists as lists of strings, a category as its number in the shop (null for none) and the names
    /// from the root down, with its number on E-Series where it was seen there.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Money(money) => json!(money.to_string()),
            Self::Flag(flag) => json!(flag),
            Self::Stock(Stock::Tracked(count)) => json!(count),
            Self::Stock(Stock::Unlimited) => json!("unlimited"),
            Self::List(texts) => json!(texts),
            Self::Place(place) if place.is_none() => json!({ "id": null, "path": [] }),
            Self::Place(Place { id, path, online }) => json!({ "id": id, "path": path, "online": online }),
        }
    }

    /// The reverse of [`Value::to_json`]: the field tells which kind is meant.
    pub fn from_json(field: Field, json: &serde_json::Value) -> Result<Self, ValueError> {
        let value = match field {
            Field::Name | Field::Sku => json.as_str().map(|text| Self::Text(text.to_owned())),
            Field::Price => json.as_str().and_then(|text| text.parse().ok()).map(Self::Money),
            Field::Enabled => json.as_bool().map(Self::Flag),
            Field::Stock => match json.as_i64() {
                Some(count) => Some(Self::Stock(Stock::Tracked(count))),
                None => (json == "unlimited").then_some(Self::Stock(Stock::Unlimited)),
            },
            Field::Options | Field::OptionValues => serde_json::from_value(json.clone()).ok().map(Self::List),
            Field::Category => place(json).map(Self::Place),
            // What the ledger tells of pictures is no value that could be merged.
            Field::Images => None,
        };
        value.ok_or_else(|| ValueError { field, json: json.to_string() })
    }

    /// The texts of a list.
    #[must_use]
    pub fn list(&self) -> Option<&[String]> {
        match self {
            Self::List(texts) => Some(texts),
            _ => None,
        }
    }

    /// The count of a tracked stock.
    #[must_use]
    pub fn tracked(&self) -> Option<i64> {
        match self {
            Self::Stock(stock) => stock.tracked(),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "“{text}”"),
            Self::Money(money) => money.fmt(f),
            Self::Flag(flag) => f.write_str(if *flag { "enabled" } else { "disabled" }),
            Self::Stock(stock) => stock.fmt(f),
            Self::List(texts) => write!(f, "“{}”", texts.join(" / ")),
            Self::Place(place) if place.is_none() => f.write_str("no category"),
            Self::Place(place) => write!(f, "“{}”", place.path.join(" / ")),
        }
    }
}

fn place(json: &serde_json::Value) -> Option<Place> {
    let id = match json.get("id")? {
        serde_json::Value::Null => return Some(Place::none()),
        id => id.as_i64()?,
    };
    let path = json.get("path").and_then(|path| serde_json::from_value(path.clone()).ok());
    let online = json.get("online").and_then(serde_json::Value::as_i64);
    Some(Place { id, path: path.unwrap_or_default(), online })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_outer_spaces_are_overlooked() {
        let same = |left: &str, right: &str| Value::Text(left.into()).same(&Value::Text(right.into()));
        assert!(same("Mug", " Mug ") && same("", "  "));
        assert!(!same("Mug", "mug") && !same("Blue mug", "Blue  mug") && !same("Mug", ""));
        let money = |amount: &str| Value::Money(amount.parse().unwrap());
        assert!(money("1.5").same(&money("1.50")) && !money("1.5").same(&money("1.501")));
    }

    #[test]
    fn a_category_survives_its_stored_form() {
        let mugs =
            Place { id: 7, path: vec!["Kitchen / Bar".into(), "Mugs \u{1F375}".into()], online: Some(70) };
        for (place, shown) in [(mugs, "“Kitchen / Bar / Mugs \u{1F375}”"), (Place::none(), "no category")]
        {
            let value = Value::Place(place.clone());
            assert_eq!(value.to_string(), shown);
            let Ok(Value::Place(read)) = Value::from_json(Field::Category, &value.to_json()) else {
                panic!()
            };
            assert_eq!((read.id, &read.path, read.online), (place.id, &place.path, place.online));
        }
        assert!(Value::from_json(Field::Category, &json!(7)).is_err());
    }
}

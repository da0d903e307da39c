//! Bodies whose objects are objects. Derived readers take a list for an object too, its values in the order of the
//! fields: what was meant otherwise would be taken without a word.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

/// Is every object of a `T` an object in this body?
///
/// # Errors
///
/// Words about the first that is none.
pub(super) fn check<T: DeserializeOwned>(body: &[u8]) -> Result<(), serde_json::Error> {
    T::deserialize(Shaped(serde_json::from_slice(body)?)).map(drop)
}

/// A value that is read by what it is, and nothing else.
struct Shaped(Value);

fn members(object: Map<String, Value>) -> impl Iterator<Item = (String, Shaped)> {
    object.into_iter().map(|(name, value)| (name, Shaped(value)))
}

impl IntoDeserializer<'_, serde_json::Error> for Shaped {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Shaped {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Shaped))),
            Value::Object(object) => visitor.visit_map(MapDeserializer::new(members(object))),
            plain => plain.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        if self.0.is_array() {
            return Err(Self::Error::custom("a list stands where an object is asked for"));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use crate::connections::Settings;

    #[test]
    fn a_list_is_no_object_at_any_depth() {
        let good = br#"{"fields": {"price": {"way": "r_to_e", "rule": null}}, "caps": {"at_least": 3}}"#;
        super::check::<Settings>(good).unwrap();
        for wrong in
            [r#"{"fields": {"price": [null, null]}}"#, r#"{"caps": [1, 2, 3]}"#, r#"[{}, "custom_sku"]"#]
        {
            assert!(super::check::<Settings>(wrong.as_bytes()).is_err(), "{wrong}");
        }
        super::check::<Option<Vec<Settings>>>(b"[{}, {}]").unwrap();
    }
}

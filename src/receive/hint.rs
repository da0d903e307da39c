//! Where does a notice point? Pure. Only ids and kinds are read; never a name, a price or a quantity.

use serde_json::Value;

/// The envelope of an E-Series notice (e-series-api.md, section 12.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EEnvelope {
    /// `eventId`.
    pub event_id: String,
    /// `eventCreated` in plain decimal, as it goes into the signature.
    pub event_created: String,
    /// `storeId`.
    pub store_id: i64,
    /// `eventType`.
    pub event_type: String,
    /// The product to look at, if the event is about one.
    pub product: Option<i64>,
    /// The category it is about: both trees are compared.
    pub category: Option<i64>,
}

/// What cannot be read, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoEnvelope(pub String);

/// How the types of notices about categories begin, on either platform.
pub const CATEGORY: &str = "category.";

/// Is a notice of this type about the tree of categories?
#[must_use]
pub fn about_categories(event_type: &str) -> bool {
    event_type.starts_with(CATEGORY)
}

/// Longest event id or type that is kept, in bytes; both platforms' are far shorter.
pub const LONGEST: usize = 200;

/// Reads an E-Series envelope. Numbers may come quoted.
pub fn e_series(body: &[u8]) -> Result<EEnvelope, NoEnvelope> {
    let json: Value =
        serde_json::from_slice(body).map_err(|error| NoEnvelope(format!("not JSON: {error}")))?;
    let text = |name: &str| {
        let text = json.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let text = text.filter(|text| text.len() <= LONGEST && !text.contains('\0'));
        text.map(str::to_owned).ok_or_else(|| NoEnvelope(format!("{name} is missing or no short text")))
    };
    let digits = |name: &str| {
        let digits = match json.get(name) {
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::String(text)) => Some(text.clone()),
            _ => None,
        };
        let plain =
            |text: &String| (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.filter(plain).ok_or_else(|| NoEnvelope(format!("{name} is missing or no plain whole number")))
    };
    let number = |name: &str| {
        let digits = digits(name)?;
        digits.parse::<i64>().map_err(|_| NoEnvelope(format!("{name} is out of range")))
    };
    let event_type = text("eventType")?;
    let product = if event_type.starts_with("product.") { Some(number("entityId")?) } else { None };
    let category = about_categories(&event_type).then(|| number("entityId")).transpose()?;
    Ok(EEnvelope {
        event_id: text("eventId")?,
        event_created: digits("eventCreated")?,
        store_id: number("storeId")?,
        event_type,
        product,
        category,
    })
}

/// Where an R-Series notice points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RHint {
    /// `type`.
    pub event_type: String,
    /// The item, matrix or category to look at, if the event is about one.
    pub record: Option<i64>,
    /// It is a matrix.
    pub is_matrix: bool,
}

/// Reads a notice at the R-Series door: a form with `type` and `payload`, or the same as JSON.
pub fn r_series(content_type: &str, body: &[u8]) -> Result<RHint, NoEnvelope> {
    let (event_type, payload) = if content_type.to_ascii_lowercase().starts_with("application/json") {
        let json: Value =
            serde_json::from_slice(body).map_err(|error| NoEnvelope(format!("not JSON: {error}")))?;
        let event_type = json.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        (event_type, json.get("payload").cloned().unwrap_or(Value::Null))
    } else {
        let fields: Vec<(String, String)> =
            serde_urlencoded::from_bytes(body).map_err(|error| NoEnvelope(format!("no form: {error}")))?;
        let field =
            |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
        let payload = field("payload").unwrap_or("null");
        let payload = serde_json::from_str(payload)
            .map_err(|error| NoEnvelope(format!("the payload is not JSON: {error}")))?;
        (field("type").unwrap_or_default().to_owned(), payload)
    };
    if event_type.is_empty() || event_type.len() > LONGEST || event_type.contains('\0') {
        return Err(NoEnvelope("type is missing or no short text".into()));
    }
    let id = |key: &str| {
        let id = payload.get(key).and_then(|id| match id {
            Value::String(text) => text.parse().ok(),
            other => other.as_i64(),
        });
        id.filter(|id: &i64| *id > 0)
    };
    if event_type.starts_with("image.") {
        // An image belongs to one of both (r-series-api.md, section 4.6). One that does not say to which is found by
        // the poll.
        let (item, matrix) = (id("itemID"), id("itemMatrixID"));
        return Ok(RHint { event_type, record: item.or(matrix), is_matrix: item.is_none() });
    }
    let kinds = [
        ("item.", "itemID"),
        ("inventory.", "itemID"),
        ("item_matrix.", "itemMatrixID"),
        (CATEGORY, "categoryID"),
    ];
    let key = kinds.into_iter().find(|(kind, _)| event_type.starts_with(kind)).map(|(_, key)| key);
    let missing = |key: &str| NoEnvelope(format!("payload.{key} is missing or no id"));
    let record = key.map(|key| id(key).ok_or_else(|| missing(key))).transpose()?;
    let is_matrix = key == Some("itemMatrixID");
    Ok(RHint { event_type, record, is_matrix })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_may_come_quoted() {
        let plain = br#"{"eventId":"a","eventCreated":1767225600,"storeId":1003,"entityId":5,"eventType":"product.updated"}"#;
        let quoted = br#"{"eventId":"a","eventCreated":"1767225600","storeId":"1003","entityId":"5","eventType":"product.updated"}"#;
        assert_eq!(e_series(plain).unwrap(), e_series(quoted).unwrap());
        assert_eq!(e_series(plain).unwrap().product, Some(5));
    }

    #[test]
    fn only_product_events_need_an_entity() {
        let other = br#"{"eventId":"a","eventCreated":1,"storeId":1,"entityId":"x","eventType":"application.installed"}"#;
        assert_eq!(e_series(other).unwrap().product, None);
        let broken =
            br#"{"eventId":"a","eventCreated":1,"storeId":1,"entityId":"x","eventType":"product.updated"}"#;
        assert!(e_series(broken).is_err());
        for time in ["1.5", "-1", "1e3", "\"+1\"", "null", "\"1 \""] {
            let body = format!(r#"{{"eventId":"a","eventCreated":{time},"storeId":1,"eventType":"x"}}"#);
            assert!(e_series(body.as_bytes()).is_err(), "{time}");
        }
    }

    #[test]
    fn the_r_series_door_takes_forms_and_json() {
        let form = b"type=inventory.update&payload=%7B%22itemID%22%3A%22318%22%7D";
        let json = br#"{"type":"inventory.update","payload":{"itemID":318}}"#;
        let hint = RHint { event_type: "inventory.update".into(), record: Some(318), is_matrix: false };
        assert_eq!(r_series("application/x-www-form-urlencoded", form).unwrap(), hint);
        assert_eq!(r_series("application/json; charset=utf-8", json).unwrap(), hint);
        assert_eq!(r_series("", b"type=customer.update&payload=%7B%7D").unwrap().record, None);
        let of = |body: &[u8]| {
            let hint = r_series("application/json", body).unwrap();
            (hint.record, hint.is_matrix)
        };
        let image = br#"{"type":"image.create","payload":{"imageID":"7","itemID":"0","itemMatrixID":"12"}}"#;
        assert_eq!(of(image), (Some(12), true));
        let image = br#"{"type":"image.update","payload":{"imageID":"7","itemID":"318","itemMatrixID":"0"}}"#;
        assert_eq!(of(image), (Some(318), false));
        assert_eq!(of(br#"{"type":"image.delete","payload":{"imageID":"7"}}"#).0, None);
        assert!(r_series("", b"payload=%7B%7D").is_err());
        assert!(r_series("", b"type=item.update&payload=%7B%7D").is_err());
        assert!(r_series("application/json", b"[]").is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = e_series(&bytes);
            let _ = r_series("application/json", &bytes);
            let _ = r_series("", &bytes);
        }
    }
}

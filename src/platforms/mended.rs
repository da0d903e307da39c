//! JSON of a platform, without what would make a whole answer worthless for the sake of one text in it.

use serde_json::Value;

/// Where R-Series tells of the next page (r-series-api.md, section 1.4).
const PAGES: &str = "@attributes";

/// What stands for a character that cannot be told.
const UNKNOWN: &[u8] = b"\\ufffd";

/// Reads an answer. Half a surrogate pair, as a text has that was cut off within one, is an unknown character; NUL,
/// which no database keeps, is left out of texts.
#[must_use]
pub fn json(body: &[u8]) -> Option<Value> {
    let mut read: Value =
        serde_json::from_slice(body).or_else(|_| serde_json::from_slice(&paired(body))).ok()?;
    if body.windows(6).any(|six| six == b"\\u0000") {
        without_nul(&mut read);
    }
    Some(read)
}

fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) => text.retain(|letter| letter != '\0'),
        Value::Array(rows) => rows.iter_mut().for_each(without_nul),
        Value::Object(fields) => {
            // What tells of pages is no text: without it an address would be none, and a walk complete.
            fields.iter_mut().filter(|(name, _)| *name != PAGES).for_each(|(_, value)| without_nul(value));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The same with every `\uD8xx` that has no other half replaced. A backslash that is itself escaped begins nothing.
fn paired(body: &[u8]) -> Vec<u8> {
    let mut mended = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((first, after)) = rest.split_first() {
        let length = match (unit(rest), unit(rest.get(6..).unwrap_or_default())) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.extend_from_slice(UNKNOWN);
                rest = rest.get(6..).unwrap_or_default();
                continue;
            }
            (Some(_), _) => 6,
            (None, _) if *first == b'\\' && !after.is_empty() => 2,
            (None, _) => 1,
        };
        let (whole, left) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        mended.extend_from_slice(whole);
        rest = left;
    }
    mended
}

/// The unit that a `\uXXXX` at the beginning stands for.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_broken_text_does_not_hide_the_others() {
        let read = |text: &str| json(text.as_bytes());
        assert_eq!(read(r#"{"a": "x\ud83d"}"#), Some(json!({"a": "x\u{fffd}"})));
        assert_eq!(read(r#"["\udd84\ud83e\udd84", "\ud83e\udd84"]"#), Some(json!(["\u{fffd}🦄", "🦄"])));
        assert_eq!(read(r#"["\ud83e\ud83e\udd84"]"#), Some(json!(["\u{fffd}🦄"])));
        assert_eq!(read(r#"["\\ud83d", "\ud83d"]"#), Some(json!(["\\ud83d", "\u{fffd}"])));
        assert_eq!(read(r#"{"a": ["M\u0000ug", 1, null]}"#), Some(json!({"a": ["Mug", 1, null]})));
        let pages = json!({"@attributes": {"next": "\0"}});
        assert_eq!(json(pages.to_string().as_bytes()), Some(pages), "an address is no text");
        assert_eq!(read(r#"["\\u0000"]"#), Some(json!(["\\u0000"])), "an escaped backslash is no NUL");
        for broken in ["", "{", r#""\ud83d"#, r#"["\u00"]"#, "\\", "\"\\"] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }
}

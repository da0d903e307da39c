//! Tags of items and matrices: how they are read and printed (section 4.8).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::habits::TagForm;
use super::item::{invalid, scalar};
use super::render::{list, many};
use super::state::State;

/// A list of plain strings as a client may send it: nothing, one, or an array.
pub(super) fn words(name: &str, payload: &Value) -> Result<Vec<String>, Refusal> {
    let rows = match payload {
        Value::Array(rows) => rows.iter().map(|row| scalar(name, row)).collect::<Result<Vec<_>, _>>()?,
        one => vec![scalar(name, one)?],
    };
    Ok(rows.into_iter().filter(|word| !word.is_empty()).collect())
}

/// The set a payload names. It replaces what was there; the empty string clears it.
pub(super) fn read(payload: &Value) -> Result<BTreeSet<String>, Refusal> {
    let words = match payload {
        Value::Null => Vec::new(),
        Value::String(nothing) if nothing.is_empty() => Vec::new(),
        Value::Object(wrapper) => words("tag", wrapper.get("tag").unwrap_or(&Value::Null))?,
        _ => return Err(invalid("Tags")),
    };
    Ok(words.iter().map(|word| spelt(word)).filter(|word| !word.is_empty()).collect())
}

/// "New Tag" came back as `newtag`.
pub(super) fn spelt(word: &str) -> String {
    word.to_lowercase().split_whitespace().collect()
}

impl State {
    /// Every tag gets a number the first time it is seen.
    pub(super) fn know_tags(&mut self, tags: &BTreeSet<String>) {
        for tag in tags {
            let next = i64::try_from(self.tags.len()).unwrap_or(i64::MAX).saturating_add(1);
            self.tags.entry(tag.clone()).or_insert(next);
        }
    }

    /// `Tags` or `TagRelations`, whichever the habit is.
    pub(super) fn put_tags(&self, tags: &BTreeSet<String>, with_tag: bool, record: &mut Map<String, Value>) {
        let habits = self.habits();
        match habits.tag_form {
            TagForm::Tags if tags.is_empty() => {
                record.insert("Tags".to_owned(), Value::String(String::new()));
            }
            TagForm::Tags => {
                let words = tags.iter().cloned().map(Value::String).collect();
                let count = tags.len().to_string();
                let tags = json!({ "@attributes": { "count": count }, "tag": many(words, habits) });
                record.insert("Tags".to_owned(), tags);
            }
            TagForm::TagRelations => {
                let rows = tags.iter().map(|tag| {
                    let id = self.tags.get(tag).copied().unwrap_or_default().to_string();
                    if with_tag {
                        json!({ "tagID": id, "Tag": { "tagID": id, "name": tag } })
                    } else {
                        json!({ "tagID": id })
                    }
                });
                record.insert("TagRelations".to_owned(), list("TagRelation", rows.collect(), habits));
            }
        }
    }
}

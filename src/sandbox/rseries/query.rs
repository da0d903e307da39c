//! The query string of section 1.7, taken apart.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::answer::Refusal;
use super::cell::truth;
use super::habits::Habits;
use super::resource::Resource;

/// Parameters that are no filters.
const RESERVED: [&str; 12] = [
    "limit",
    "sort",
    "after",
    "before",
    "count",
    "archived",
    "load_relations",
    "or",
    "pretty_print",
    "offset",
    "orderby",
    "orderby_desc",
];

/// One parameter; `raw` is its value before decoding.
#[derive(Debug, Clone)]
struct Parameter {
    name: String,
    raw: String,
    value: String,
}

/// A query string.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    parameters: Vec<Parameter>,
}

/// Which records `archived` selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Archived {
    Active,
    Both,
    Only,
}

/// The relations to load.
#[derive(Debug, Clone, Default)]
pub(super) struct Relations {
    names: BTreeSet<String>,
}

impl Relations {
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    pub(super) fn of(names: &[&str]) -> Self {
        Self { names: names.iter().map(|name| (*name).to_owned()).collect() }
    }
}

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let mut parameters: Vec<Parameter> = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, raw) = part.split_once('=').unwrap_or((part, ""));
            let name = decode(name);
            // The same name twice is unknown ground (section 1.8); the last one wins, as everywhere in PHP.
            parameters.retain(|earlier| earlier.name != name);
            parameters.push(Parameter { name, raw: raw.to_owned(), value: decode(raw) });
        }
        Self { parameters }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|parameter| parameter.name == name).map(|found| found.value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    pub(super) fn pretty(&self) -> bool {
        self.value("pretty_print").and_then(truth) == Some(true)
    }

    /// Field filters in the order they were given.
    pub(super) fn filters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters
            .iter()
            .filter(|parameter| !RESERVED.contains(&parameter.name.as_str()))
            .map(|parameter| (parameter.name.as_str(), parameter.value.as_str()))
    }

    /// The alternatives of `or`. They are parted at bars that are not percent-encoded: an encoded bar is
    /// part of a value (section 1.8).
    pub(super) fn alternatives(&self) -> Vec<(String, String)> {
        let Some(or) = self.parameters.iter().find(|parameter| parameter.name == "or") else {
            return Vec::new();
        };
        or.raw
            .split('|')
            .map(decode)
            .filter(|part| !part.is_empty())
            .map(|part| match part.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned()),
                None => (part, String::new()),
            })
            .collect()
    }

    /// What `next` repeats of this query besides `sort`, `limit` and the cursor, still encoded.
    pub(super) fn rest(&self) -> String {
        self.parameters
            .iter()
            .filter(|parameter| !["sort", "limit", "after", "before"].contains(&parameter.name.as_str()))
            .fold(String::new(), |text, parameter| format!("{text}&{}={}", parameter.name, parameter.raw))
    }

    pub(super) fn archived(&self) -> Result<Archived, Refusal> {
        match self.value("archived") {
            None | Some("false" | "0") => Ok(Archived::Active),
            Some("true" | "1") => Ok(Archived::Both),
            Some("only") => Ok(Archived::Only),
            Some(other) => Err(Refusal::bad(format!("Invalid value '{other}' for archived."))),
        }
    }

    /// Relations to load, each allowed on the resource (section 1.9).
    pub(super) fn relations(&self, resource: &Resource) -> Result<Relations, Refusal> {
        let Some(text) = self.value("load_relations").filter(|text| !text.is_empty()) else {
            return Ok(Relations::default());
        };
        if text == "all" {
            let all = resource.relations.iter().map(|(name, _)| *name);
            let names =
                all.filter(|name| !name.starts_with("CustomFieldValues")).map(str::to_owned).collect();
            return Ok(Relations { names });
        }
        let Ok(Value::Array(asked)) = serde_json::from_str(text) else {
            return Err(Refusal::bad("load_relations must be a JSON array of relation names or 'all'."));
        };
        let mut names = BTreeSet::new();
        let mut refused = Vec::new();
        for name in asked {
            let name = name.as_str().map_or_else(|| name.to_string(), str::to_owned);
            if resource.reach(&name).is_none() {
                refused.push(name);
                continue;
            }
            // Naming a nested relation loads its parent too.
            if let Some((parent, _)) = name.split_once('.') {
                names.insert(parent.to_owned());
            }
            names.insert(name);
        }
        if refused.is_empty() {
            return Ok(Relations { names });
        }
        let message = "Tried to load one or more relations that are not allowed";
        Err(Refusal::bad(format!("{message}: {}", refused.join(", "))))
    }

    /// Refuses what V3 has removed (section 1.7).
    pub(super) fn check_removed(&self, habits: &Habits) -> Result<(), Refusal> {
        let removed = ["offset", "orderby", "orderby_desc"].into_iter().find(|name| self.has(name));
        match removed {
            Some(name) if habits.refuse_removed_parameters => {
                Err(Refusal::bad(format!("The parameter '{name}' is not supported in V3.")))
            }
            _ => Ok(()),
        }
    }
}

/// Undoes the encoding of a form: `+` is a blank.
fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

//! Product options: what is taken, how it is put in order, and what a selection costs (section 4.3 of the
//! E-Series reference).
//!
//! Options and choices have no ids. A name is a key, so two of a kind are refused.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Number, Value, json};

use super::fields::{Kind, check, sent, sent_switch, sent_text, translate, wrong};
use super::habits::Habits;
use super::refusal::Refusal;
use super::spelling::spelt;
use super::values::{decimal, number, tidy};

/// The types of an option.
const TYPES: &[&str] =
    &["SELECT", "RADIO", "CHECKBOX", "TEXTFIELD", "TEXTAREA", "DATE", "FILES", "SIZE", "SWATCHES"];

/// The types that have choices.
const WITH_CHOICES: &[&str] = &["SELECT", "RADIO", "CHECKBOX", "SIZE", "SWATCHES"];

/// One option of a product.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ProductOption {
    pub kind: String,
    pub name: String,
    /// Empty for the types without.
    pub choices: Vec<Choice>,
    pub default_choice: Option<usize>,
    pub required: bool,
    /// `nameTranslated` and `useImageAsSwatchSelector`, as sent.
    more: Map<String, Value>,
}

/// One choice of an option.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub text: String,
    pub modifier: Decimal,
    pub is_percent: bool,
    /// `textTranslated`, `hexCodes` and `imageId`, as sent.
    more: Map<String, Value>,
}

impl Choice {
    /// A choice without a price of its own.
    pub fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), modifier: Decimal::ZERO, is_percent: false, more: Map::new() }
    }

    /// Another text. Translations of the old one are gone.
    pub fn rename(&mut self, text: &str) {
        text.clone_into(&mut self.text);
        self.more.shift_remove("textTranslated");
    }

    fn read(value: &Value, habits: &Habits) -> Result<Self, Refusal> {
        let fields = value.as_object().ok_or_else(|| wrong("options"))?;
        let (text, mut more) = named(fields, "text", habits)?;
        let kind = sent_text(fields, "priceModifierType")?;
        let is_percent = match kind.as_deref() {
            None | Some("ABSOLUTE") => false,
            Some("PERCENT") => true,
            Some(_) => return Err(wrong("priceModifierType")),
        };
        let modifier = match sent(fields, "priceModifier") {
            None => Decimal::ZERO,
            // May be negative.
            Some(it) => decimal(it).ok_or_else(|| wrong("priceModifier"))?,
        };
        for (name, kind) in [("hexCodes", Kind::List), ("imageId", Kind::Text)] {
            if let Some(it) = sent(fields, name) {
                check(it, kind, name, habits)?;
                more.insert(name.to_owned(), tidy(it.clone()));
            }
        }
        Ok(Self { text, modifier, is_percent, more })
    }

    fn wire(&self, languages: &[String]) -> Value {
        let mut record = Map::new();
        record.insert("text".to_owned(), self.text.as_str().into());
        record.extend(self.more.clone());
        translate(&mut record, "text", languages);
        record.insert("priceModifier".to_owned(), number(self.modifier));
        let kind = if self.is_percent { "PERCENT" } else { "ABSOLUTE" };
        record.insert("priceModifierType".to_owned(), kind.into());
        Value::Object(record)
    }
}

impl ProductOption {
    /// What a variation makes of an option that the product lacks (section 5.3).
    pub fn select(name: &str) -> Self {
        Self {
            kind: "SELECT".to_owned(),
            name: name.to_owned(),
            choices: Vec::new(),
            default_choice: None,
            required: false,
            more: Map::new(),
        }
    }

    /// Another name. Translations of the old one are gone.
    pub fn rename(&mut self, name: &str) {
        name.clone_into(&mut self.name);
        self.more.shift_remove("nameTranslated");
    }

    /// Whether variations can be built from it.
    pub fn varies(&self, habits: &Habits) -> bool {
        match self.kind.as_str() {
            "SELECT" | "RADIO" | "SIZE" => true,
            "SWATCHES" => habits.swatches_vary,
            _ => false,
        }
    }

    /// The choice with this text.
    pub fn choice(&self, text: &str) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.text == text)
    }

    /// The choice that is taken unless the customer takes another.
    pub fn default(&self) -> Option<&Choice> {
        self.choices.get(self.default_choice?)
    }

    /// Checks one option and puts it in order.
    pub fn read(value: &Value, habits: &Habits) -> Result<Self, Refusal> {
        let fields = value.as_object().ok_or_else(|| wrong("options"))?;
        let (name, mut more) = named(fields, "name", habits)?;
        let kind = sent_text(fields, "type")?.filter(|kind| TYPES.contains(&kind.as_str()));
        let kind = kind.ok_or_else(|| wrong("type"))?;
        let mut choices = Vec::new();
        // The other types have none; what is sent for them is dropped.
        if WITH_CHOICES.contains(&kind.as_str()) {
            let list = match sent(fields, "choices") {
                None => &Vec::new(),
                Some(list) => list.as_array().ok_or_else(|| wrong("choices"))?,
            };
            for choice in list {
                let choice = Choice::read(choice, habits)?;
                if choices.iter().any(|other: &Choice| other.text == choice.text) {
                    let message = format!("Option '{name}' has the choice '{}' twice", choice.text);
                    return Err(Refusal::wrong_parameter(message));
                }
                choices.push(choice);
            }
        }
        let default_choice = match sent(fields, "defaultChoice") {
            Some(place) if !choices.is_empty() && kind != "CHECKBOX" => {
                let place = place.as_u64().and_then(|place| usize::try_from(place).ok());
                Some(place.filter(|at| *at < choices.len()).ok_or_else(|| wrong("defaultChoice"))?)
            }
            _ => None,
        };
        if let Some(it) = sent_switch(fields, "useImageAsSwatchSelector")? {
            more.insert("useImageAsSwatchSelector".to_owned(), it.into());
        }
        let required = sent_switch(fields, "required")?.unwrap_or(false);
        Ok(Self { kind, name, choices, default_choice, required, more })
    }

    /// As it is read.
    pub fn wire(&self, languages: &[String]) -> Value {
        let mut record = Map::new();
        record.insert("type".to_owned(), self.kind.as_str().into());
        record.insert("name".to_owned(), self.name.as_str().into());
        record.extend(self.more.clone());
        translate(&mut record, "name", languages);
        if WITH_CHOICES.contains(&self.kind.as_str()) {
            let choices = self.choices.iter().map(|choice| choice.wire(languages)).collect();
            record.insert("choices".to_owned(), choices);
            // Absent for checkboxes.
            if self.kind != "CHECKBOX" {
                record.insert("defaultChoice".to_owned(), json!(self.default_choice));
            }
        }
        record.insert("required".to_owned(), self.required.into());
        Value::Object(record)
    }
}

/// A name or text with its translations. The plain one is that of the default language (section 3).
fn named(
    fields: &Map<String, Value>,
    plain: &str,
    habits: &Habits,
) -> Result<(String, Map<String, Value>), Refusal> {
    let mut more = Map::new();
    let twin = format!("{plain}Translated");
    if let Some(map) = sent(fields, &twin) {
        check(map, Kind::Translations, &twin, habits)?;
        more.insert(twin.clone(), map.clone());
    }
    let of_default = || habits.languages.first().and_then(|it| more.get(&twin)?.get(it)?.as_str());
    let text = sent_text(fields, plain)?.or_else(|| of_default().map(str::to_owned));
    let text = text.map(|it| spelt(&it, habits));
    let text = text.filter(|it| !it.trim().is_empty()).ok_or_else(|| wrong(plain))?;
    // Only what says more than the plain text is kept, so that a record sent back as it was read changes nothing.
    let default = habits.languages.first();
    if let Some(map) = more.get_mut(&twin).and_then(Value::as_object_mut) {
        map.retain(|language, text| Some(language) != default && text != "");
    }
    Ok((text, more))
}

/// Reads a whole list, in its order.
pub(super) fn read(value: &Value, habits: &Habits) -> Result<Vec<ProductOption>, Refusal> {
    let list = value.as_array().ok_or_else(|| wrong("options"))?;
    let mut options: Vec<ProductOption> = Vec::with_capacity(list.len());
    for option in list {
        let option = ProductOption::read(option, habits)?;
        if options.iter().any(|other| other.name == option.name) {
            return Err(Refusal::wrong_parameter(format!("The option '{}' is there twice", option.name)));
        }
        options.push(option);
    }
    Ok(options)
}

/// The price of a selection: the base, the absolute modifiers, and the percentages, all of them of the base. By
/// habit it is reckoned in doubles and keeps their noise (section 13, trap 13).
pub(super) fn selected(base: Decimal, choices: &[&Choice], habits: &Habits) -> Value {
    let exact = choices.iter().fold(base, |sum, choice| {
        let part =
            if choice.is_percent { base * choice.modifier / Decimal::ONE_HUNDRED } else { choice.modifier };
        sum + part
    });
    if choices.is_empty() || !habits.derived_prices_have_noise {
        return number(exact);
    }
    let double = |it: Decimal| it.to_string().parse::<f64>().unwrap_or_default();
    let base_double = double(base);
    let noisy = choices.iter().fold(base_double, |sum, choice| {
        let modifier = double(choice.modifier);
        sum + if choice.is_percent { base_double * modifier / 100.0 } else { modifier }
    });
    // Without noise it is written as every other price.
    if Some(noisy) == exact.to_f64() {
        return number(exact);
    }
    Number::from_f64(noisy).map_or(Value::Null, Value::Number)
}

/// Every selection of the options that variations can be built from: the pairs of names and choices. `None` where
/// there are more than `most`.
pub(super) fn selections(
    options: &[ProductOption],
    most: usize,
    habits: &Habits,
) -> Option<Vec<Vec<(String, String)>>> {
    let varying: Vec<&ProductOption> =
        options.iter().filter(|option| option.varies(habits) && !option.choices.is_empty()).collect();
    let count = varying.iter().fold(1, |count: usize, it| count.saturating_mul(it.choices.len()));
    if count > most {
        return None;
    }
    let mut all: Vec<Vec<(String, String)>> = Vec::new();
    for option in varying {
        let before = if all.is_empty() { vec![Vec::new()] } else { all };
        all = Vec::new();
        for selection in before {
            for choice in &option.choices {
                let mut longer = selection.clone();
                longer.push((option.name.clone(), choice.text.clone()));
                all.push(longer);
            }
        }
    }
    Some(all)
}

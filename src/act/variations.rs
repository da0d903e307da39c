//! Writing variations and the options they are made of.
//!
//! Options and choices have no ids, and a product cannot drop one that a variation uses (e-series-api.md, sections
//! 4.3 and 5.6). So what is new is added first, then the variations follow, and what nobody uses any more goes last.
//! Each of these steps can be done again.

use serde_json::{Value, json};

use super::half_done;
use crate::catalog::spelling;
use crate::clock::Instant;
use crate::platforms::eseries::wire::{Product, Variation, VariationWrite};
use crate::platforms::{CallError, eseries};

/// Creates a variation and reads it back with its product. Options and choices that the product lacks are added to
/// it by that (section 5.3).
pub async fn create_variation_on_e(
    e: &eseries::Client,
    product_id: i64,
    write: &VariationWrite,
    by: Instant,
) -> Result<(Product, Variation), CallError> {
    let id = e.create_variation(product_id, write, by).await?;
    read_back(e, product_id, id).await
}

/// Replaces fields of a variation and reads it back with its product: its price may follow the product's.
pub async fn update_variation_on_e(
    e: &eseries::Client,
    product: &Product,
    variation: &Variation,
    write: &VariationWrite,
    by: Instant,
) -> Result<(Product, Variation), CallError> {
    let options = write.options.as_ref().map(|options| spelt_there(product, variation, options));
    if let Some(options) = &options {
        add_choices(e, product, options, by).await?;
    }
    let write = VariationWrite { options, ..write.clone() };
    e.update_variation(product.id, variation.id, &write, by).await?;
    if write.options.is_some() {
        // A choice without a variation cannot be bought: what is left over does no harm.
        let _ = drop_choices(e, product.id, &variation.options, by).await;
    }
    read_back(e, product.id, variation.id).await
}

/// Removes a variation, and the choices that nobody uses after it.
pub async fn remove_variation_on_e(
    e: &eseries::Client,
    product_id: i64,
    variation: &Variation,
    by: Instant,
) -> Result<(), CallError> {
    match e.delete_variation(product_id, variation.id, by).await {
        Ok(()) | Err(CallError::Gone { .. }) => {}
        Err(error) => return Err(error),
    }
    let _ = drop_choices(e, product_id, &variation.options, by).await;
    Ok(())
}

/// Names of options, each with its value.
type Pairs = Vec<(String, String)>;

/// Other options for a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionsWrite {
    /// Other names for some, along with every variation that uses them: the name now, and the name then.
    Rename(Vec<(String, String)>),
    /// What is new is added first, then the variations follow, and the options that nobody uses any more go last.
    Reshape {
        /// How they are called.
        wanted: Vec<String>,
        /// By the variation's id, its options and values.
        values: Vec<(i64, Pairs)>,
        /// Those that go.
        dropped: Vec<String>,
    },
}

/// Gives a product other options. Where it breaks off after something was done, the answer is unclear, whatever it broke
/// off with: half of it would be taken for somebody's edit.
pub async fn write_options_on_e(
    e: &eseries::Client,
    product_id: i64,
    write: &OptionsWrite,
    by: Instant,
) -> Result<Product, CallError> {
    let mut begun = false;
    let done = change_options(e, product_id, write, &mut begun, by).await;
    done.map_err(|error| if begun { half_done(error) } else { error })
}

/// Goes on with what was begun; a refusal is one.
pub async fn finish_options_on_e(
    e: &eseries::Client,
    product_id: i64,
    write: &OptionsWrite,
    by: Instant,
) -> Result<Product, CallError> {
    change_options(e, product_id, write, &mut false, by).await
}

async fn change_options(
    e: &eseries::Client,
    product_id: i64,
    write: &OptionsWrite,
    begun: &mut bool,
    by: Instant,
) -> Result<Product, CallError> {
    let product = match write {
        OptionsWrite::Rename(renamed) => rename(e, product_id, renamed, begun, by).await,
        OptionsWrite::Reshape { wanted, values, dropped } => {
            reshape(e, product_id, (wanted, values, dropped), begun, by).await
        }
    };
    product?;
    e.product(product_id).await.map_err(|error| CallError::Unclear { why: error.to_string() })
}

async fn rename(
    e: &eseries::Client,
    product_id: i64,
    renamed: &[(String, String)],
    begun: &mut bool,
    by: Instant,
) -> Result<(), CallError> {
    let raw = e.raw_product(product_id).await?;
    let mut options = options_of(&raw);
    let has = |options: &[Value], name: &str| options.iter().any(|option| called(option, name));
    for (now, then) in renamed {
        let Some(copy) = options.iter().find(|option| called(option, now)).cloned() else { continue };
        if !has(&options, then) {
            options.push(renamed_option(copy, then));
        }
    }
    e.set_options(product_id, &options, by).await?;
    *begun = true;
    let product = e.product(product_id).await?;
    for variation in &product.variations {
        let name = |name: &String| {
            let change = renamed.iter().find(|(now, _)| now.trim() == name.trim());
            change.map_or_else(|| name.clone(), |(_, then)| then.clone())
        };
        let pairs: Pairs =
            variation.options.iter().map(|(option, value)| (name(option), value.clone())).collect();
        dress(e, product_id, variation, pairs, by).await?;
    }
    options.retain(|option| !renamed.iter().any(|(now, _)| called(option, now)));
    e.set_options(product_id, &options, by).await
}

async fn reshape(
    e: &eseries::Client,
    product_id: i64,
    (wanted, values, dropped): (&[String], &[(i64, Pairs)], &[String]),
    begun: &mut bool,
    by: Instant,
) -> Result<(), CallError> {
    let product = e.product(product_id).await?;
    let mut all = Pairs::new();
    for name in wanted {
        let of_it = values.iter().flat_map(|(_, pairs)| pairs).filter(|(option, _)| option == name);
        for pair in of_it {
            if !all.contains(pair) {
                all.push(pair.clone());
            }
        }
    }
    add_choices(e, &product, &all, by).await?;
    *begun = true;
    for (id, pairs) in values {
        if let Some(variation) = product.variation(*id) {
            dress(e, product_id, variation, pairs.clone(), by).await?;
        }
    }
    let raw = e.raw_product(product_id).await?;
    let mut options = options_of(&raw);
    let before = options.len();
    options.retain(|option| !dropped.iter().any(|name| called(option, name)));
    if options.len() < before {
        e.set_options(product_id, &options, by).await?;
    }
    Ok(())
}

/// Gives a variation these options, unless it has them, or is there no more.
async fn dress(
    e: &eseries::Client,
    product_id: i64,
    variation: &Variation,
    pairs: Pairs,
    by: Instant,
) -> Result<(), CallError> {
    if pairs == variation.options {
        return Ok(());
    }
    let write = VariationWrite { options: Some(pairs), ..VariationWrite::default() };
    match e.update_variation(product_id, variation.id, &write, by).await {
        Ok(()) | Err(CallError::Gone { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The same values as other variations' choices spell them: a store that spells texts in its own way would take the
/// same choice for a second one. What the variation has now is what is to change, and if it were the spelling alone.
fn spelt_there(
    product: &Product,
    variation: &Variation,
    wanted: &[(String, String)],
) -> Vec<(String, String)> {
    let spelt = |(name, value): &(String, String)| {
        let option = product.options.iter().find(|option| option.name.trim() == name.trim());
        let choices =
            || option.into_iter().flat_map(|option| &option.choices).map(|choice| choice.text.trim());
        let is_there = choices().any(|text| text == value.trim());
        let now = variation.value(name).map(str::trim);
        let same = choices().find(|text| !is_there && Some(*text) != now && spelling::may_be(text, value));
        (name.clone(), same.unwrap_or(value).to_owned())
    };
    wanted.iter().map(spelt).collect()
}

/// Adds choices that a variation is about to use.
async fn add_choices(
    e: &eseries::Client,
    product: &Product,
    wanted: &[(String, String)],
    by: Instant,
) -> Result<(), CallError> {
    let known = |(name, value): &(String, String)| {
        let option = product.options.iter().find(|option| option.name.trim() == name.trim());
        option.is_some_and(|option| option.choices.iter().any(|choice| choice.text.trim() == value.trim()))
    };
    if wanted.iter().all(known) {
        return Ok(());
    }
    let raw = e.raw_product(product.id).await?;
    let mut options = options_of(&raw);
    for (name, value) in wanted.iter().filter(|pair| !known(pair)) {
        // An earlier try may have added it, and been refused what it was for.
        if has_choice(&options, name, value) {
            continue;
        }
        let choice = json!({ "text": value });
        match options.iter_mut().find(|option| called(option, name)) {
            Some(option) => {
                if let Some(choices) = option.get_mut("choices").and_then(Value::as_array_mut) {
                    choices.push(choice);
                }
            }
            None => options.push(json!({ "type": "SELECT", "name": name, "choices": [choice] })),
        }
    }
    e.set_options(product.id, &options, by).await
}

/// Drops those of these choices that no variation uses any more. An option keeps its last choice.
async fn drop_choices(
    e: &eseries::Client,
    product_id: i64,
    unwanted: &[(String, String)],
    by: Instant,
) -> Result<(), CallError> {
    let product = e.product(product_id).await?;
    let used = |(name, value): &(String, String)| {
        product.variations.iter().any(|variation| variation.value(name).map(str::trim) == Some(value.trim()))
    };
    let unwanted: Vec<&(String, String)> = unwanted.iter().filter(|pair| !used(pair)).collect();
    if unwanted.is_empty() {
        return Ok(());
    }
    let raw = e.raw_product(product_id).await?;
    let mut options = options_of(&raw);
    let before = options.clone();
    for (name, value) in unwanted {
        let option = options.iter_mut().find(|option| called(option, name));
        let Some(choices) = option.and_then(|option| option.get_mut("choices")?.as_array_mut()) else {
            continue;
        };
        let text =
            |choice: &Value| choice.get("text").and_then(Value::as_str).map(|text| text.trim().to_owned());
        if choices.len() > 1 {
            choices.retain(|choice| text(choice).as_deref() != Some(value.trim()));
        }
    }
    if options == before { Ok(()) } else { e.set_options(product_id, &options, by).await }
}

/// Reads back a variation that has just been written.
async fn read_back(e: &eseries::Client, product_id: i64, id: i64) -> Result<(Product, Variation), CallError> {
    let unclear = |why: String| CallError::Unclear { why };
    let product = e.product(product_id).await.map_err(|error| unclear(error.to_string()))?;
    let variation = product.variation(id).cloned();
    let variation =
        variation.ok_or_else(|| unclear("E-Series: the variation is not in its product".into()))?;
    Ok((product, variation))
}

fn options_of(raw: &Value) -> Vec<Value> {
    raw.get("options").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn has_choice(options: &[Value], name: &str, value: &str) -> bool {
    let option = options.iter().find(|option| called(option, name));
    let choices = option.and_then(|option| option.get("choices")?.as_array());
    let text = |choice: &Value| choice.get("text").and_then(Value::as_str).map(|text| text.trim().to_owned());
    choices.into_iter().flatten().any(|choice| text(choice).as_deref() == Some(value.trim()))
}

fn called(option: &Value, name: &str) -> bool {
    option.get("name").and_then(Value::as_str).map(str::trim) == Some(name.trim())
}

/// The same option under another name. Its translations were of the old one.
fn renamed_option(mut option: Value, name: &str) -> Value {
    if let Some(fields) = option.as_object_mut() {
        fields.insert("name".to_owned(), json!(name));
        fields.remove("nameTranslated");
    }
    option
}

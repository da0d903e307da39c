//! Items: the record, what a payload does to it, and archiving (sections 1.6, 4.1 and 4.2).

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::answer::Refusal;
use super::attributes::Attributes;
use super::cell::{Cell, second, truth};
use super::habits::{Habits, LongText};
use super::state::{PriceLevel, State};
use super::stock::{ALL_SHOPS, Cause};
use super::tag;
use crate::clock::Instant;

const LONGEST_TEXT: usize = 255;
/// Keeps sums of quantities far from overflow.
const LARGEST_NUMBER: i64 = 999_999_999_999;
const TYPES: [&str; 6] = ["default", "non_inventory", "box", "assembly", "serialized", "serialized_assembly"];

/// One item.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub(super) system_sku: i64,
    pub(super) default_cost: Decimal,
    pub(super) discountable: bool,
    pub(super) tax: bool,
    pub(super) archived: bool,
    pub(super) kind: String,
    pub(super) serialized: bool,
    pub(super) description: String,
    pub(super) model_year: i64,
    pub(super) upc: String,
    pub(super) ean: String,
    pub(super) custom_sku: String,
    pub(super) manufacturer_sku: String,
    pub(super) create_time: Instant,
    pub(super) time_stamp: Instant,
    pub(super) publish_to_ecom: bool,
    pub(super) category_id: i64,
    pub(super) tax_class_id: i64,
    pub(super) department_id: i64,
    pub(super) matrix_id: i64,
    pub(super) manufacturer_id: i64,
    pub(super) season_id: i64,
    pub(super) default_vendor_id: i64,
    /// By price level; a level that is not here is at 0.
    pub(super) prices: BTreeMap<i64, Decimal>,
    /// Of an item that is in a matrix.
    pub(super) attributes: Option<Attributes>,
    pub(super) tags: BTreeSet<String>,
    /// IDs of the stock rows by shop, the summary under 0.
    pub(super) rows: BTreeMap<i64, i64>,
}

impl Item {
    /// The defaults of a minimal POST (section 4.1).
    pub(super) fn blank(habits: &Habits) -> Self {
        Self {
            system_sku: 0,
            default_cost: Decimal::ZERO,
            discountable: true,
            tax: true,
            archived: false,
            kind: "default".to_owned(),
            serialized: false,
            description: String::new(),
            model_year: 0,
            upc: String::new(),
            ean: String::new(),
            custom_sku: String::new(),
            manufacturer_sku: String::new(),
            create_time: Instant::UNIX_EPOCH,
            time_stamp: Instant::UNIX_EPOCH,
            publish_to_ecom: habits.publish_by_default,
            category_id: 0,
            tax_class_id: 1,
            department_id: 0,
            matrix_id: 0,
            manufacturer_id: 0,
            season_id: 0,
            default_vendor_id: 0,
            prices: BTreeMap::new(),
            attributes: None,
            tags: BTreeSet::new(),
            rows: BTreeMap::new(),
        }
    }

    /// Whether the record itself differs, beside prices and what is kept in related records.
    fn differs(&self, before: &Self) -> bool {
        let (prices, attributes, tags) =
            (before.prices.clone(), before.attributes.clone(), before.tags.clone());
        Self { prices, attributes, tags, ..self.clone() } != *before
    }

    pub(super) fn cell(&self, id: i64, field: &str) -> Option<Cell> {
        Some(match field {
            "itemID" => Cell::Integer(id),
            "systemSku" => Cell::Integer(self.system_sku),
            "defaultCost" | "avgCost" => Cell::Decimal(self.default_cost),
            "discountable" => Cell::Boolean(self.discountable),
            "tax" => Cell::Boolean(self.tax),
            "archived" => Cell::Boolean(self.archived),
            "itemType" => Cell::Text(self.kind.clone()),
            "serialized" => Cell::Boolean(self.serialized),
            "description" => Cell::Text(self.description.clone()),
            "modelYear" => Cell::Integer(self.model_year),
            "upc" => Cell::Text(self.upc.clone()),
            "ean" => Cell::Text(self.ean.clone()),
            "customSku" => Cell::Text(self.custom_sku.clone()),
            "manufacturerSku" => Cell::Text(self.manufacturer_sku.clone()),
            "createTime" => Cell::Time(self.create_time),
            "timeStamp" => Cell::Time(self.time_stamp),
            "publishToEcom" => Cell::Boolean(self.publish_to_ecom),
            "categoryID" => Cell::Integer(self.category_id),
            "taxClassID" => Cell::Integer(self.tax_class_id),
            "departmentID" => Cell::Integer(self.department_id),
            "itemMatrixID" => Cell::Integer(self.matrix_id),
            "manufacturerID" => Cell::Integer(self.manufacturer_id),
            "seasonID" => Cell::Integer(self.season_id),
            "defaultVendorID" => Cell::Integer(self.default_vendor_id),
            _ => return None,
        })
    }

    /// Lays a payload over the record: what is not named stays, empty or null clears, unknown and read-only
    /// fields are passed over (section 1.6). `archived` is heeded on PUT only, and only to unarchive.
    fn lay_over(
        &mut self,
        body: &Map<String, Value>,
        is_put: bool,
        levels: &BTreeMap<i64, PriceLevel>,
        habits: &Habits,
    ) -> Result<(), Refusal> {
        for (name, value) in body {
            match name.as_str() {
                "description" => self.description = text(name, value, habits)?,
                "customSku" => self.custom_sku = text(name, value, habits)?,
                "manufacturerSku" => self.manufacturer_sku = text(name, value, habits)?,
                "upc" => self.upc = barcode(name, value, habits)?,
                "ean" => self.ean = barcode(name, value, habits)?,
                "itemType" => self.kind = item_type(value)?,
                "defaultCost" => self.default_cost = decimal(name, value)?,
                "discountable" => self.discountable = boolean(name, value)?,
                "tax" => self.tax = boolean(name, value)?,
                "serialized" => self.serialized = boolean(name, value)?,
                "publishToEcom" => self.publish_to_ecom = boolean(name, value)?,
                "archived" if is_put => self.archived = self.archived && boolean(name, value)?,
                "modelYear" => self.model_year = integer(name, value)?,
                "categoryID" => self.category_id = reference(name, value)?,
                "taxClassID" => self.tax_class_id = reference(name, value)?,
                "departmentID" => self.department_id = reference(name, value)?,
                "itemMatrixID" => self.matrix_id = reference(name, value)?,
                "manufacturerID" => self.manufacturer_id = reference(name, value)?,
                "seasonID" => self.season_id = reference(name, value)?,
                "defaultVendorID" => self.default_vendor_id = reference(name, value)?,
                "Prices" => lay_prices(&mut self.prices, value, levels, habits)?,
                "Tags" => self.tags = tag::read(value)?,
                _ => {}
            }
        }
        Ok(())
    }
}

impl State {
    /// POST Item.
    pub(super) fn post_item(&mut self, now: Instant, body: &Map<String, Value>) -> Result<i64, Refusal> {
        let mut item = Item::blank(self.habits());
        item.lay_over(body, false, &self.price_levels, self.habits())?;
        if item.description.is_empty() {
            return Err(Refusal::bad("Item not created. An Item must have a description."));
        }
        self.check_barcodes(None, &item)?;
        self.check_category(item.category_id, 0)?;
        self.check_matrix_id(item.matrix_id, 0)?;
        item.attributes = self.read_attributes(item.matrix_id, None, body.get("ItemAttributes"))?;
        self.check_attributes(None, item.matrix_id, item.attributes.as_ref())?;
        let writes = match body.get("ItemShops") {
            Some(payload) => self.read_stock(None, payload)?,
            None => Vec::new(),
        };
        let id = self.insert_item(now, item);
        self.write_stock(now, id, &writes);
        Ok(id)
    }

    /// Gives an item its ID, its system SKU and its stock rows, the summary's first.
    pub(super) fn insert_item(&mut self, now: Instant, mut item: Item) -> i64 {
        item.system_sku = self.next_system_sku();
        item.create_time = second(now);
        item.time_stamp = second(now);
        // The number of a record that was merged away is not used again.
        let id = self.last_item + 1;
        self.last_item = id;
        self.keep_item(now, id, item);
        self.stock_row(now, id, ALL_SHOPS);
        if !self.habits().shop_rows_only_where_stocked {
            let shops: Vec<i64> = self.shops.keys().copied().collect();
            for shop in shops {
                self.stock_row(now, id, shop);
            }
        }
        self.tell_item("item.create", id);
        id
    }

    /// PUT Item. Everything is checked before anything is done.
    pub(super) fn put_item(
        &mut self,
        now: Instant,
        id: i64,
        body: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        let before = self.items.get(&id).ok_or_else(|| Refusal::no_such("Item", id))?.clone();
        let habits = self.habits();
        let mut item = before.clone();
        item.lay_over(body, true, &self.price_levels, habits)?;
        if item.description.is_empty() {
            return Err(Refusal::bad("Item not updated. An Item must have a description."));
        }
        self.check_barcodes(Some(id), &item)?;
        self.check_category(item.category_id, before.category_id)?;
        self.check_matrix_id(item.matrix_id, before.matrix_id)?;
        let kept = before.attributes.as_ref().filter(|_| item.matrix_id == before.matrix_id);
        item.attributes = self.read_attributes(item.matrix_id, kept, body.get("ItemAttributes"))?;
        if item.attributes != before.attributes {
            self.check_attributes(Some(id), item.matrix_id, item.attributes.as_ref())?;
        }
        let writes = match body.get("ItemShops") {
            Some(payload) => self.read_stock(Some(id), payload)?,
            None => Vec::new(),
        };
        let writes_stock = writes.iter().any(|write| write.qoh.is_some());
        if item.archived && writes_stock && !habits.archived_items_take_stock {
            return Err(Refusal::bad("Item not updated. The Item is archived."));
        }

        let prices_differ = item.prices != before.prices;
        let (attributes_differ, tags_differ) =
            (item.attributes != before.attributes, item.tags != before.tags);
        let only_related =
            body.keys().all(|name| ["ItemShops", "ItemAttributes", "Tags"].contains(&name.as_str()));
        let moves = item.differs(&before)
            || (attributes_differ && habits.attribute_write_moves_item_time_stamp)
            || (tags_differ && habits.tag_write_moves_time_stamp)
            || (prices_differ && habits.price_write_moves_item_time_stamp)
            || (!only_related && !prices_differ && habits.unchanged_write_moves_item_time_stamp)
            || (writes_stock && habits.stock_write_moves_item_time_stamp);
        if moves {
            item.time_stamp = second(now);
        }
        self.keep_item(now, id, item);
        self.write_stock(now, id, &writes);
        if moves || prices_differ || attributes_differ || tags_differ {
            self.tell_item("item.update", id);
        }
        Ok(())
    }

    /// Stores an item; its matrix learns of new values, and tags get their numbers.
    fn keep_item(&mut self, now: Instant, id: i64, item: Item) {
        self.know_tags(&item.tags);
        let membership = |item: &Item| (item.matrix_id, item.attributes.clone().unwrap_or_default().values);
        let before = self.items.get(&id).map(membership);
        let after = membership(&item);
        self.items.insert(id, item);
        if before.as_ref() == Some(&after) {
            return;
        }
        if let Some((left, _)) = before.filter(|(matrix, _)| *matrix != after.0) {
            self.append_values(now, left, &[const { String::new() }; 3]);
        }
        self.append_values(now, after.0, &after.1);
    }

    /// An edit by hand: what is the item's own moves its `timeStamp`, prices included (section 6).
    pub(super) fn edit_item(&mut self, now: Instant, id: i64, with: impl FnOnce(&mut Item)) {
        let Some(before) = self.items.get(&id).cloned() else { return };
        let mut item = before.clone();
        with(&mut item);
        if item == before {
            return;
        }
        let habits = self.habits();
        if item.differs(&before)
            || item.prices != before.prices
            || (item.attributes != before.attributes && habits.attribute_write_moves_item_time_stamp)
            || (item.tags != before.tags && habits.tag_write_moves_time_stamp)
        {
            item.time_stamp = second(now);
        }
        self.keep_item(now, id, item);
        self.tell_item("item.update", id);
    }

    fn check_matrix_id(&self, wanted: i64, before: i64) -> Result<(), Refusal> {
        let fits = wanted == 0 || wanted == before || self.matrices.contains_key(&wanted);
        if fits || !self.habits().check_references { Ok(()) } else { Err(invalid("itemMatrixID")) }
    }

    /// DELETE Item: archives it and takes its stock away for good (section 4.1).
    pub(super) fn archive_item(&mut self, now: Instant, id: i64) -> Result<(), Refusal> {
        let item = self.items.get_mut(&id).ok_or_else(|| Refusal::no_such("Item", id))?;
        if item.archived {
            return Ok(());
        }
        item.archived = true;
        item.time_stamp = second(now);
        let shops: Vec<i64> = item.rows.range(ALL_SHOPS + 1..).map(|(shop, _)| *shop).collect();
        for shop in shops {
            if self.qoh(id, shop) != 0 {
                self.set_qoh(now, id, shop, 0, Cause::ARCHIVE);
            }
        }
        self.tell_item("item.delete", id);
        Ok(())
    }

    fn check_barcodes(&self, id: Option<i64>, item: &Item) -> Result<(), Refusal> {
        if !self.habits().check_barcodes {
            return Ok(());
        }
        for (name, code) in [("UPC", &item.upc), ("EAN", &item.ean)] {
            let taken = self.items.iter().any(|(other, found)| {
                Some(*other) != id && !code.is_empty() && (found.upc == *code || found.ean == *code)
            });
            if taken {
                return Err(Refusal::bad(format!("An Item with the {name} '{code}' already exists.")));
            }
        }
        Ok(())
    }
}

/// Section 4.2: only the levels sent are changed; the ID decides, the name alone works too.
pub(super) fn lay_prices(
    prices: &mut BTreeMap<i64, Decimal>,
    payload: &Value,
    levels: &BTreeMap<i64, PriceLevel>,
    habits: &Habits,
) -> Result<(), Refusal> {
    let rows = listed(payload, "ItemPrice")?;
    if rows.is_empty() || habits.prices_replace_all {
        prices.clear();
    }
    for row in rows {
        let by_id = match row.get("useTypeID") {
            None | Some(Value::Null) => None,
            Some(value) => Some(integer("useTypeID", value)?),
        };
        let level = match (by_id, row.get("useType").and_then(Value::as_str)) {
            (Some(id), _) => levels.get(&id).filter(|level| !level.archived).map(|_| id),
            (None, Some(name)) => levels
                .iter()
                .find(|(_, level)| !level.archived && level.name.eq_ignore_ascii_case(name))
                .map(|(id, _)| *id),
            (None, None) => None,
        };
        let level = level.ok_or_else(|| Refusal::bad("Invalid ItemPrice: there is no such price level."))?;
        if let Some(amount) = row.get("amount") {
            let amount = decimal("amount", amount)?;
            let amount = habits.price_decimals.map_or(amount, |places| amount.round_dp(places));
            prices.insert(level, amount);
        }
    }
    Ok(())
}

/// The rows of a nested list as a client may send it: absent rows, one object or an array (section 4.2).
pub(super) fn listed<'a>(payload: &'a Value, element: &str) -> Result<Vec<&'a Map<String, Value>>, Refusal> {
    let invalid = || Refusal::bad(format!("Invalid list of {element}."));
    let wrapper = match payload {
        Value::Null => return Ok(Vec::new()),
        Value::String(text) if text.is_empty() => return Ok(Vec::new()),
        Value::Object(wrapper) => wrapper,
        _ => return Err(invalid()),
    };
    match wrapper.get(element) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Value::Object(row)) => Ok(vec![row]),
        Some(Value::Array(rows)) => rows.iter().map(|row| row.as_object().ok_or_else(invalid)).collect(),
        Some(_) => Err(invalid()),
    }
}

/// A scalar as text: requests may use real JSON types as well as strings (section 1.3).
pub(super) fn scalar(name: &str, value: &Value) -> Result<String, Refusal> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Bool(yes) => Ok(yes.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Array(_) | Value::Object(_) => Err(invalid(name)),
    }
}

pub(super) fn invalid(name: &str) -> Refusal {
    Refusal::bad(format!("Invalid value for {name}."))
}

pub(super) fn text(name: &str, value: &Value, habits: &Habits) -> Result<String, Refusal> {
    let mut text = scalar(name, value)?;
    if habits.drop_control_characters {
        text.retain(|letter| !letter.is_control());
    }
    if habits.collapse_spaces {
        while text.contains("  ") {
            text = text.replace("  ", " ");
        }
    }
    if habits.trim_text {
        text = text.trim().to_owned();
    }
    if text.chars().count() > LONGEST_TEXT {
        match habits.long_text {
            LongText::Keep => {}
            LongText::Cut => text = text.chars().take(LONGEST_TEXT).collect(),
            LongText::Refuse => {
                return Err(Refusal::bad(format!("{name} is longer than {LONGEST_TEXT} characters.")));
            }
        }
    }
    Ok(text)
}

fn barcode(name: &str, value: &Value, habits: &Habits) -> Result<String, Refusal> {
    let code = scalar(name, value)?;
    let fits = code.is_empty()
        || ((11..=14).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit()));
    if fits || !habits.check_barcodes { Ok(code) } else { Err(invalid(name)) }
}

pub(super) fn item_type(value: &Value) -> Result<String, Refusal> {
    let name = scalar("itemType", value)?;
    match name.as_str() {
        "" => Ok("default".to_owned()),
        known if TYPES.contains(&known) => Ok(name),
        _ => Err(invalid("itemType")),
    }
}

/// A whole number; cleared is 0.
pub(super) fn integer(name: &str, value: &Value) -> Result<i64, Refusal> {
    let text = scalar(name, value)?;
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().ok().filter(|number: &i64| number.abs() <= LARGEST_NUMBER).ok_or_else(|| invalid(name))
}

pub(super) fn reference(name: &str, value: &Value) -> Result<i64, Refusal> {
    integer(name, value).and_then(|id| if id < 0 { Err(invalid(name)) } else { Ok(id) })
}

pub(super) fn decimal(name: &str, value: &Value) -> Result<Decimal, Refusal> {
    let text = scalar(name, value)?;
    if text.is_empty() { Ok(Decimal::ZERO) } else { text.parse().map_err(|_| invalid(name)) }
}

pub(super) fn boolean(name: &str, value: &Value) -> Result<bool, Refusal> {
    truth(&scalar(name, value)?).ok_or_else(|| invalid(name))
}

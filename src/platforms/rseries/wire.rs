//! The shapes that travel: what Concord reads of R-Series' records, and what it writes.

mod category;
mod create;
mod image;
mod matrix;

use serde_json::{Value, json};

use crate::catalog::Money;
use crate::clock::Instant;
use crate::platforms::read::{Record, Unreadable, list};

pub use category::Category;
pub use create::{ItemCreate, MatrixCreate, NOT_COUNTED};
pub use image::{Image, Pictured};
pub use matrix::{AttributeSet, Attributes, Matrix};

/// An item (r-series-api.md, section 4.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Item {
    /// `itemID`.
    pub id: i64,
    /// `description`: the product's name.
    pub description: String,
    /// `systemSku`: given by the platform, read-only.
    pub system_sku: String,
    /// `customSku`.
    pub custom_sku: String,
    /// `manufacturerSku`.
    pub manufacturer_sku: String,
    /// `itemType`: `default`, `non_inventory`, `box`, `assembly`, …
    pub item_type: String,
    /// `archived`.
    pub archived: bool,
    /// `publishToEcom`; absent on accounts without eCom, and then taken as true (section 6).
    pub publish_to_ecom: bool,
    /// `itemMatrixID`; 0 is none.
    pub matrix_id: i64,
    /// `categoryID`; 0 is none.
    pub category_id: i64,
    /// `ItemAttributes`: its values in a matrix; none when the relation was not asked for, or it has none.
    pub attributes: Option<Attributes>,
    /// `timeStamp` of the item itself; stock does not move it.
    pub time_stamp: Option<Instant>,
    /// `Prices`.
    pub prices: Vec<ItemPrice>,
    /// `ItemShops`; none when the relation was not asked for.
    pub shops: Option<Vec<ItemShop>>,
}

/// A price of an item on one level (section 4.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ItemPrice {
    /// `useTypeID`: the price level.
    pub level: i64,
    /// `useType`: the level's name.
    pub name: String,
    /// `amount`.
    pub amount: Money,
}

/// Stock of an item in one shop; shop 0 is the sum over all (section 4.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ItemShop {
    /// `itemShopID`.
    pub id: i64,
    /// `itemID`.
    pub item_id: i64,
    /// `shopID`.
    pub shop_id: i64,
    /// `qoh`: pieces on hand, may be negative.
    pub qoh: i64,
    /// `timeStamp`: moves with every change of stock.
    pub time_stamp: Option<Instant>,
}

/// A row of the inventory log (section 4.10).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogRow {
    /// `inventoryLogID`, ascending.
    pub id: i64,
    /// `itemID`.
    pub item_id: i64,
    /// `shopID`.
    pub shop_id: i64,
    /// `qohChange`.
    pub change: i64,
    /// `reason`.
    pub reason: String,
    /// `saleID`; 0 is none.
    pub sale_id: i64,
    /// `automated`.
    pub automated: bool,
}

impl LogRow {
    /// Stock that left an item because it was merged into another one (section 4.1)?
    #[must_use]
    pub fn is_merged_away(&self) -> bool {
        self.reason.eq_ignore_ascii_case("DeletedByMerge")
    }

    /// Left by a direct write of `qoh` (section 4.3), as ours are?
    #[must_use]
    pub fn is_manual(&self) -> bool {
        let reason = self.reason.to_ascii_lowercase();
        self.sale_id == 0 && !self.automated && reason.contains("manual")
    }
}

/// A shop (section 4.9).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shop {
    /// `shopID`.
    pub id: i64,
    /// `name`.
    pub name: String,
    /// `archived`.
    pub archived: bool,
}

/// A price level (section 4.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PriceLevel {
    /// `priceLevelID`.
    pub id: i64,
    /// `name`, which the merchant may change.
    pub name: String,
    /// `canBeArchived`: false for Default, MSRP and the level an eCom connection created.
    pub can_be_archived: bool,
    /// `archived`.
    pub archived: bool,
}

impl Item {
    /// Reads an item.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("Item", value)?;
        let shops = match record.raw("ItemShops") {
            None => None,
            Some(shops) => {
                Some(list(shops.get("ItemShop")).iter().map(ItemShop::read).collect::<Result<Vec<_>, _>>()?)
            }
        };
        let prices = record.raw("Prices").and_then(|prices| prices.get("ItemPrice"));
        Ok(Self {
            id: record.needed("itemID", record.integer("itemID")?)?,
            description: record.needed("description", record.text("description")?)?,
            system_sku: record.text("systemSku")?.unwrap_or_default(),
            custom_sku: record.text("customSku")?.unwrap_or_default(),
            manufacturer_sku: record.text("manufacturerSku")?.unwrap_or_default(),
            item_type: record.text("itemType")?.unwrap_or_default(),
            archived: record.flag("archived")?.unwrap_or(false),
            publish_to_ecom: record.flag("publishToEcom")?.unwrap_or(true),
            matrix_id: record.integer("itemMatrixID")?.unwrap_or(0),
            category_id: record.integer("categoryID")?.unwrap_or(0),
            attributes: record.nested("ItemAttributes").map(Attributes::read).transpose()?,
            time_stamp: record.time("timeStamp")?,
            prices: list(prices).iter().map(ItemPrice::read).collect::<Result<_, _>>()?,
            shops,
        })
    }

    /// The amount on a price level.
    #[must_use]
    pub fn price(&self, level: i64) -> Option<Money> {
        self.prices.iter().find(|price| price.level == level).map(|price| price.amount)
    }

    /// The record as an answer to a write shows it, with the attribute set that only a look asks for.
    #[must_use]
    pub fn with_relations_of(mut self, looked: &Self) -> Self {
        let set = looked.attributes.as_ref().and_then(|attributes| attributes.set.clone());
        match &mut self.attributes {
            Some(attributes) if attributes.set.is_none() => attributes.set = set,
            Some(_) => {}
            None => self.attributes.clone_from(&looked.attributes),
        }
        self
    }

    /// Pieces on hand in one shop; a missing row is none (section 6), a missing relation is unknown.
    #[must_use]
    pub fn qoh(&self, shop_id: i64) -> Option<i64> {
        let shops = self.shops.as_ref()?;
        Some(shops.iter().find(|row| row.shop_id == shop_id).map_or(0, |row| row.qoh))
    }
}

impl ItemPrice {
    fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("ItemPrice", value)?;
        Ok(Self {
            level: record.needed("useTypeID", record.integer("useTypeID")?)?,
            name: record.text("useType")?.unwrap_or_default(),
            amount: record.money("amount")?.unwrap_or_default(),
        })
    }
}

impl ItemShop {
    /// Reads a stock row.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("ItemShop", value)?;
        Ok(Self {
            id: record.integer("itemShopID")?.unwrap_or(0),
            item_id: record.integer("itemID")?.unwrap_or(0),
            shop_id: record.needed("shopID", record.integer("shopID")?)?,
            qoh: record.needed("qoh", record.pieces("qoh")?)?,
            time_stamp: record.time("timeStamp")?,
        })
    }
}

impl LogRow {
    /// Reads a log row.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("InventoryLog", value)?;
        Ok(Self {
            id: record.needed("inventoryLogID", record.integer("inventoryLogID")?)?,
            item_id: record.needed("itemID", record.integer("itemID")?)?,
            shop_id: record.needed("shopID", record.integer("shopID")?)?,
            change: record.pieces("qohChange")?.unwrap_or(0),
            reason: record.text("reason")?.unwrap_or_default(),
            sale_id: record.integer("saleID")?.unwrap_or(0),
            automated: record.flag("automated")?.unwrap_or(false),
        })
    }
}

impl Shop {
    /// Reads a shop.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("Shop", value)?;
        Ok(Self {
            id: record.needed("shopID", record.integer("shopID")?)?,
            name: record.text("name")?.unwrap_or_default(),
            archived: record.flag("archived")?.unwrap_or(false),
        })
    }
}

impl PriceLevel {
    /// Reads a price level.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("PriceLevel", value)?;
        Ok(Self {
            id: record.needed("priceLevelID", record.integer("priceLevelID")?)?,
            name: record.text("name")?.unwrap_or_default(),
            can_be_archived: record.flag("canBeArchived")?.unwrap_or(true),
            archived: record.flag("archived")?.unwrap_or(false),
        })
    }
}

/// What is written to an item; only what is set travels (section 1.6: omitted fields keep their value).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemWrite {
    /// `description`.
    pub description: Option<String>,
    /// `customSku`.
    pub custom_sku: Option<String>,
    /// `manufacturerSku`.
    pub manufacturer_sku: Option<String>,
    /// `publishToEcom`.
    pub publish_to_ecom: Option<bool>,
    /// Amount on one price level: `(useTypeID, amount)`.
    pub price: Option<(i64, Money)>,
    /// Absolute pieces on hand in one shop: `(shopID, qoh)`.
    pub qoh: Option<(i64, i64)>,
    /// `attribute1` to `attribute3`, in that order; an empty one where the set has none (section 4.4).
    pub attributes: Option<[String; 3]>,
    /// `itemAttributeSetID`, where the attributes are of another set than before.
    pub attribute_set_id: Option<i64>,
    /// `categoryID`; 0 is none.
    pub category_id: Option<i64>,
}

impl ItemWrite {
    /// The request body.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = serde_json::Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(key.to_owned(), value);
            }
        };
        put("description", self.description.as_ref().map(|text| json!(text)));
        put("customSku", self.custom_sku.as_ref().map(|text| json!(text)));
        put("manufacturerSku", self.manufacturer_sku.as_ref().map(|text| json!(text)));
        put("categoryID", self.category_id.map(|id| json!(id.to_string())));
        put("publishToEcom", self.publish_to_ecom.map(|flag| json!(flag.to_string())));
        put(
            "Prices",
            self.price.map(|(level, amount)| {
                json!({"ItemPrice": [{"amount": amount.to_string(), "useTypeID": level.to_string()}]})
            }),
        );
        put(
            "ItemShops",
            self.qoh.map(
                |(shop, qoh)| json!({"ItemShop": [{"shopID": shop.to_string(), "qoh": qoh.to_string()}]}),
            ),
        );
        put(
            "ItemAttributes",
            self.attributes.as_ref().map(|[first, second, third]| {
                let mut row = json!({"attribute1": first, "attribute2": second, "attribute3": third});
                if let (Some(id), Some(row)) = (self.attribute_set_id, row.as_object_mut()) {
                    row.insert("itemAttributeSetID".to_owned(), json!(id.to_string()));
                }
                row
            }),
        );
        Value::Object(body)
    }

    /// Drips a write costs: one, and half of one for each nested entity (section 3.3; whether a price
    /// counts is unknown, so it is counted).
    #[must_use]
    pub fn cost(&self) -> f64 {
        let nested = [self.price.is_some(), self.qoh.is_some(), self.attributes.is_some()];
        1.0 + 0.5 * nested.into_iter().map(|there| f64::from(u8::from(there))).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_read_from_strings_and_single_objects() {
        let json = json!({"itemID":"318","systemSku":"210000000324","archived":"false","itemType":"default",
            "description":"Stoneware mug","customSku":"MUG-350","manufacturerSku":"",
            "timeStamp":"2024-05-17T09:30:02+00:00","itemMatrixID":"0",
            "ItemShops":{"ItemShop":{"itemShopID":"951","qoh":"-3","itemID":"318","shopID":"1",
                "timeStamp":"2024-05-18T11:02:33+00:00"}},
            "Prices":{"ItemPrice":[{"amount":"12.5","useTypeID":"1","useType":"Default"},
                {"amount":"0","useTypeID":"3","useType":"Online"}]}});
        let item = Item::read(&json).unwrap();
        assert_eq!((item.id, item.qoh(1), item.qoh(2)), (318, Some(-3), Some(0)));
        assert_eq!(item.price(1), Some("12.50".parse().unwrap()));
        assert!(item.publish_to_ecom && !item.archived);
    }

    #[test]
    fn an_item_without_a_description_is_an_error_and_not_an_empty_name() {
        let error = Item::read(&json!({"itemID":"1"})).unwrap_err();
        assert!(error.to_string().contains("description"), "{error}");
    }

    #[test]
    fn a_write_carries_only_what_is_set() {
        let write = ItemWrite { qoh: Some((1, 9)), ..ItemWrite::default() };
        assert_eq!(write.body(), json!({"ItemShops":{"ItemShop":[{"shopID":"1","qoh":"9"}]}}));
        assert!((write.cost() - 1.5).abs() < f64::EPSILON);
    }
}

//! Stock: the `ItemShop` rows, the `InventoryLog`, and the one way in which a quantity changes.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use serde_json::Value;

use super::answer::Refusal;
use super::cell::{Cell, second};
use super::item::{integer, listed};
use super::state::State;
use crate::clock::Instant;

/// The shop of the summary row.
pub(super) const ALL_SHOPS: i64 = 0;

/// One `ItemShop` (section 4.3).
#[derive(Debug)]
pub(super) struct StockRow {
    pub(super) item_id: i64,
    pub(super) shop_id: i64,
    pub(super) qoh: i64,
    pub(super) reorder_point: i64,
    pub(super) reorder_level: i64,
    pub(super) time_stamp: Instant,
}

/// One `InventoryLog` row (section 4.10).
#[derive(Debug)]
pub(super) struct LogRow {
    pub(super) item_id: i64,
    pub(super) shop_id: i64,
    pub(super) change: i64,
    pub(super) create_time: Instant,
    pub(super) caused_negative: bool,
    pub(super) cause: Cause,
}

/// Why a quantity changes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cause {
    pub(super) reason: &'static str,
    pub(super) automated: bool,
    pub(super) sale_id: i64,
    pub(super) order_id: i64,
}

impl Cause {
    /// A direct write, through the API or by hand (section 4.3).
    pub(super) const MANUAL: Self =
        Self { reason: "ManualQuantityAdjustment", automated: false, sale_id: 0, order_id: 0 };
    /// Stock that goes because its item is archived (section 4.1).
    pub(super) const ARCHIVE: Self =
        Self { reason: "RemoveForArchiveItem", automated: true, sale_id: 0, order_id: 0 };
    /// Stock that leaves the losing item of a merge (section 4.1).
    pub(super) const DELETED_BY_MERGE: Self =
        Self { reason: "DeletedByMerge", automated: true, sale_id: 0, order_id: 0 };
    /// The same stock, where it comes to.
    pub(super) const MODIFIED_BY_MERGE: Self =
        Self { reason: "ModifiedByMerge", automated: true, sale_id: 0, order_id: 0 };
}

/// One row of a stock write, checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct StockWrite {
    pub(super) shop_id: i64,
    pub(super) qoh: Option<i64>,
    pub(super) reorder_point: Option<i64>,
    pub(super) reorder_level: Option<i64>,
}

impl StockRow {
    pub(super) fn cell(&self, id: i64, cost: Decimal, field: &str) -> Option<Cell> {
        let value =
            |quantity: i64| Cell::Decimal(cost.checked_mul(Decimal::from(quantity)).unwrap_or_default());
        Some(match field {
            "itemShopID" => Cell::Integer(id),
            "itemID" => Cell::Integer(self.item_id),
            "shopID" => Cell::Integer(self.shop_id),
            "qoh" => Cell::Integer(self.qoh),
            "sellable" => Cell::Integer(self.qoh.max(0)),
            "reorderPoint" => Cell::Integer(self.reorder_point),
            "reorderLevel" => Cell::Integer(self.reorder_level),
            "timeStamp" => Cell::Time(self.time_stamp),
            "averageCost" if self.shop_id == ALL_SHOPS => Cell::Decimal(cost),
            "totalValueFifo" | "totalValueAvgCost" => value(self.qoh.max(0)),
            "totalValueNegativeInventory" => value(self.qoh.min(0)),
            "backorder" | "componentQoh" | "componentBackorder" | "onLayaway" | "onSpecialOrder"
            | "onWorkorder" | "onTransferOut" | "onTransferIn" => Cell::Integer(0),
            _ => return None,
        })
    }
}

impl LogRow {
    pub(super) fn cell(&self, id: i64, field: &str) -> Option<Cell> {
        Some(match field {
            "inventoryLogID" => Cell::Integer(id),
            "shopID" => Cell::Integer(self.shop_id),
            "itemID" => Cell::Integer(self.item_id),
            "qohChange" => Cell::Integer(self.change),
            "costChange" => Cell::Integer(0),
            "createTime" => Cell::Time(self.create_time),
            "automated" => Cell::Boolean(self.cause.automated),
            "causedNegative" => Cell::Boolean(self.caused_negative),
            "reason" => Cell::Text(self.cause.reason.to_owned()),
            "saleID" => Cell::Integer(self.cause.sale_id),
            "orderID" => Cell::Integer(self.cause.order_id),
            "employeeID" => Cell::Integer(1),
            "customerID" | "inventoryCountID" | "itemImportID" | "transferID" | "vendorReturnID" => {
                Cell::Integer(0)
            }
            _ => return None,
        })
    }
}

impl State {
    /// An item's rows in the order of the wire: the summary last, although its ID is the lowest.
    pub(super) fn stock_rows(&self, item_id: i64) -> Vec<i64> {
        let Some(item) = self.items.get(&item_id) else { return Vec::new() };
        let shops = item.rows.range(ALL_SHOPS + 1..).map(|(_, row)| *row);
        shops.chain(item.rows.get(&ALL_SHOPS).copied()).collect()
    }

    /// Creates the row of an item in a shop where it is missing. Gives its ID.
    pub(super) fn stock_row(&mut self, now: Instant, item_id: i64, shop_id: i64) -> Option<i64> {
        let item = self.items.get_mut(&item_id)?;
        if let Some(row) = item.rows.get(&shop_id) {
            return Some(*row);
        }
        let id = self.stock.last_key_value().map_or(1, |(id, _)| id + 1);
        item.rows.insert(shop_id, id);
        let time_stamp = second(now);
        let row = StockRow { item_id, shop_id, qoh: 0, reorder_point: 0, reorder_level: 0, time_stamp };
        self.stock.insert(id, row);
        Some(id)
    }

    pub(super) fn qoh(&self, item_id: i64, shop_id: i64) -> i64 {
        let row = self.items.get(&item_id).and_then(|item| item.rows.get(&shop_id));
        row.and_then(|row| self.stock.get(row)).map_or(0, |row| row.qoh)
    }

    /// The one way in which a quantity changes: the shop's row and the summary move together and are both
    /// stamped, the log gets a row, the item's own `timeStamp` stays (sections 4.1 and 4.3).
    pub(super) fn set_qoh(&mut self, now: Instant, item_id: i64, shop_id: i64, qoh: i64, cause: Cause) {
        let before = self.qoh(item_id, shop_id);
        let change = qoh - before;
        if change == 0 && !self.habits().log_zero_changes {
            return;
        }
        let summary = self.stock_row(now, item_id, ALL_SHOPS);
        let shop = self.stock_row(now, item_id, shop_id);
        let (Some(summary), Some(shop)) = (summary, shop) else { return };
        if change != 0 {
            for row in [summary, shop] {
                if let Some(row) = self.stock.get_mut(&row) {
                    row.qoh += change;
                    row.time_stamp = second(now);
                }
            }
        }
        let id = self.log.last_key_value().map_or(1, |(id, _)| id + 1);
        let caused_negative = qoh < 0 && before >= 0;
        let create_time = second(now);
        self.log.insert(id, LogRow { item_id, shop_id, change, create_time, caused_negative, cause });
        if change != 0 {
            self.tell_stock(shop);
        }
    }

    /// Reads the `ItemShops` of a payload. A row that is invalid or redundant fails the whole request (since
    /// 2025-06-06, section 4.3).
    pub(super) fn read_stock(
        &self,
        item_id: Option<i64>,
        payload: &Value,
    ) -> Result<Vec<StockWrite>, Refusal> {
        let mut shops = BTreeSet::new();
        let mut writes = Vec::new();
        for row in listed(payload, "ItemShop")? {
            let number = |name: &str| match row.get(name) {
                None => Ok(None),
                Some(value) => integer(name, value).map(Some),
            };
            let by_shop = number("shopID")?;
            let by_row = match number("itemShopID")? {
                None | Some(0) => None,
                Some(id) => {
                    let found = self.stock.get(&id).filter(|row| Some(row.item_id) == item_id);
                    let found = found.ok_or_else(|| {
                        Refusal::bad(format!("Invalid ItemShop: itemShopID '{id}' is not of this item."))
                    })?;
                    Some(found.shop_id)
                }
            };
            let shop_id = match (by_row, by_shop) {
                (Some(a), Some(b)) if a != b => {
                    return Err(Refusal::bad(
                        "Invalid ItemShop: itemShopID and shopID do not belong together.",
                    ));
                }
                (Some(shop), _) | (None, Some(shop)) => shop,
                (None, None) => {
                    return Err(Refusal::bad("Invalid ItemShop: itemShopID or shopID is required."));
                }
            };
            if !self.shops.contains_key(&shop_id) {
                return Err(Refusal::bad(format!("Invalid ItemShop: there is no shop '{shop_id}'.")));
            }
            if !shops.insert(shop_id) {
                return Err(Refusal::bad(format!("Redundant ItemShop: shop '{shop_id}' is there twice.")));
            }
            writes.push(StockWrite {
                shop_id,
                qoh: number("qoh")?,
                reorder_point: number("reorderPoint")?,
                reorder_level: number("reorderLevel")?,
            });
        }
        Ok(writes)
    }

    pub(super) fn write_stock(&mut self, now: Instant, item_id: i64, writes: &[StockWrite]) {
        for write in writes {
            if let Some(qoh) = write.qoh {
                self.set_qoh(now, item_id, write.shop_id, qoh, Cause::MANUAL);
            }
            if write.reorder_point.is_some() || write.reorder_level.is_some() {
                let row = self.stock_row(now, item_id, write.shop_id);
                if let Some(row) = row {
                    self.set_reorder(now, row, write.reorder_point, write.reorder_level);
                }
            }
        }
    }

    /// Reorder values are the row's own: neither the summary nor the log knows of them.
    pub(super) fn set_reorder(&mut self, now: Instant, row: i64, point: Option<i64>, level: Option<i64>) {
        let Some(row) = self.stock.get_mut(&row) else { return };
        let wanted = (point.unwrap_or(row.reorder_point), level.unwrap_or(row.reorder_level));
        if wanted != (row.reorder_point, row.reorder_level) {
            (row.reorder_point, row.reorder_level) = wanted;
            row.time_stamp = second(now);
        }
    }
}

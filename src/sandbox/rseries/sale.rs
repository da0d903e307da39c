//! Sales, and the registers and payment types they need.
//!
//! The reference prices the calls (section 3.3) and names the use (section 4.3); records and fields are those of
//! the vendor's pages on Sale, SaleLine, Register and PaymentType and of its tutorial on sales. What these
//! leave open is a switch in [`super::Habits`].

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::DEFAULT_LEVEL;
use super::answer::Refusal;
use super::cell::{Cell, decimal as shortest, second};
use super::item::{boolean, decimal, integer, listed, text};
use super::query::Relations;
use super::render::{Style, list};
use super::resource::Reach::{Many, One};
use super::resource::{Resource, Which};
use super::state::State;
use super::stock::Cause;
use crate::clock::{Instant, after};

use super::cell::Kind::{Boolean, Decimal as Amount, Integer, Text, Time};

/// The vendor's page on Sale. A page of a collection has no lines and payments unless they are asked for.
pub(super) static SALE: Resource = Resource {
    which: Which::Sale,
    name: "Sale",
    key: "saleID",
    fields: &[
        ("saleID", Integer),
        ("timeStamp", Time),
        ("discountPercent", Amount),
        ("completed", Boolean),
        ("archived", Boolean),
        ("voided", Boolean),
        ("enablePromotions", Boolean),
        ("isTaxInclusive", Boolean),
        ("createTime", Time),
        ("updatetime", Time),
        ("completeTime", Time),
        ("referenceNumber", Text),
        ("referenceNumberSource", Text),
        ("ticketNumber", Text),
        ("calcSubtotal", Amount),
        ("calcTotal", Amount),
        ("calcPayments", Amount),
        ("total", Amount),
        ("balance", Amount),
        ("customerID", Integer),
        ("employeeID", Integer),
        ("registerID", Integer),
        ("shopID", Integer),
        ("taxCategoryID", Integer),
    ],
    sortable: &["timeStamp", "completeTime", "updatetime"],
    relations: &[
        ("SaleLines", Many),
        ("SaleLines.TaxClass", One),
        ("SaleLines.Item", One),
        ("SalePayments", Many),
        ("SalePayments.PaymentType", One),
        ("Customer", One),
        ("TaxCategory", One),
    ],
    filters: true,
    archivable: true,
    write_cost: 20,
};

/// The vendor's page on Register.
pub(super) static REGISTER: Resource = Resource {
    which: Which::Register,
    name: "Register",
    key: "registerID",
    fields: &[
        ("registerID", Integer),
        ("name", Text),
        ("open", Boolean),
        ("archived", Boolean),
        ("tipEnabled", Boolean),
        ("openEmployeeID", Integer),
        ("shopID", Integer),
    ],
    sortable: &[],
    relations: &[],
    filters: true,
    archivable: true,
    write_cost: 10,
};

/// The vendor's page on PaymentType.
pub(super) static PAYMENT_TYPE: Resource = Resource {
    which: Which::PaymentType,
    name: "PaymentType",
    key: "paymentTypeID",
    fields: &[
        ("paymentTypeID", Integer),
        ("name", Text),
        ("requireCustomer", Boolean),
        ("archived", Boolean),
        ("internalReserved", Boolean),
        ("type", Text),
        ("refundAsPaymentTypeID", Integer),
    ],
    sortable: &[],
    relations: &[],
    filters: true,
    archivable: true,
    write_cost: 10,
};

/// A till.
#[derive(Debug)]
pub(super) struct Register {
    pub(super) shop_id: i64,
    pub(super) open: bool,
}

/// One sale.
#[derive(Debug, Clone)]
pub(super) struct Sale {
    pub(super) shop_id: i64,
    pub(super) register_id: i64,
    pub(super) employee_id: i64,
    pub(super) completed: bool,
    pub(super) archived: bool,
    pub(super) voided: bool,
    pub(super) reference: String,
    source: String,
    create_time: Instant,
    pub(super) time_stamp: Instant,
    complete_time: Option<Instant>,
    tax_percent: u32,
    pub(super) lines: Vec<Line>,
    pub(super) payments: Vec<(i64, Decimal)>,
}

#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) item_id: i64,
    pub(super) quantity: i64,
    pub(super) price: Decimal,
    tax: bool,
}

impl Sale {
    fn subtotal(&self) -> Decimal {
        self.lines.iter().map(|line| line.price * Decimal::from(line.quantity)).sum()
    }

    pub(super) fn total(&self) -> Decimal {
        let taxed = |line: &Line| {
            let rate = if line.tax { self.tax_percent } else { 0 };
            let net = line.price * Decimal::from(line.quantity);
            net + net * Decimal::new(i64::from(rate), 2)
        };
        self.lines.iter().map(taxed).sum::<Decimal>().round_dp(2)
    }

    pub(super) fn paid(&self) -> Decimal {
        self.payments.iter().map(|(_, amount)| *amount).sum()
    }

    fn cell(&self, id: i64, field: &str) -> Option<Cell> {
        Some(match field {
            "saleID" => Cell::Integer(id),
            "timeStamp" | "updatetime" => Cell::Time(self.time_stamp),
            "createTime" => Cell::Time(self.create_time),
            "completeTime" => Cell::Time(self.complete_time?),
            "completed" => Cell::Boolean(self.completed),
            "archived" => Cell::Boolean(self.archived),
            "voided" => Cell::Boolean(self.voided),
            "enablePromotions" | "isTaxInclusive" => Cell::Boolean(false),
            "referenceNumber" => Cell::Text(self.reference.clone()),
            "referenceNumberSource" => Cell::Text(self.source.clone()),
            "ticketNumber" => Cell::Text(format!("22{id:010}")),
            "calcSubtotal" => Cell::Decimal(self.subtotal()),
            "calcTotal" | "total" => Cell::Decimal(self.total()),
            "calcPayments" => Cell::Decimal(self.paid()),
            "balance" => Cell::Decimal(self.total() - self.paid()),
            "discountPercent" => Cell::Decimal(Decimal::ZERO),
            "customerID" => Cell::Integer(0),
            "employeeID" => Cell::Integer(self.employee_id),
            "registerID" => Cell::Integer(self.register_id),
            "shopID" => Cell::Integer(self.shop_id),
            "taxCategoryID" => Cell::Integer(1),
            _ => return None,
        })
    }
}

/// What every account has, and one that the merchant has made for the web.
pub(super) fn payment_types() -> BTreeMap<i64, String> {
    let names = ["Cash", "Credit Card", "Check", "Credit Account", "Gift Card", "Web"];
    (1..).zip(names.map(str::to_owned)).collect()
}

/// Does a payload complete its sale?
pub(super) fn says_completed(body: &Value) -> bool {
    body.get("completed").is_some_and(|value| boolean("completed", value).unwrap_or(false))
}

impl State {
    /// Rows of the log that show by now.
    pub(super) fn visible_log(&self) -> Vec<i64> {
        let lag = std::time::Duration::from_secs(u64::from(self.habits().log_lag_seconds));
        let shows =
            |row: &super::stock::LogRow| lag.is_zero() || after(row.create_time, lag) <= self.asked_at;
        self.log.iter().filter(|(_, row)| shows(row)).map(|(id, _)| *id).collect()
    }

    pub(super) fn till_cell(&self, resource: &Resource, id: i64, field: &str) -> Option<Cell> {
        match resource.which {
            Which::Sale => self.sales.get(&id)?.cell(id, field),
            Which::Register => {
                let register = self.registers.get(&id)?;
                Some(match field {
                    "registerID" => Cell::Integer(id),
                    "name" => Cell::Text(format!("Register {id}")),
                    "open" => Cell::Boolean(register.open),
                    "archived" | "tipEnabled" => Cell::Boolean(false),
                    "openEmployeeID" => Cell::Integer(1),
                    "shopID" => Cell::Integer(register.shop_id),
                    _ => return None,
                })
            }
            Which::PaymentType => {
                let name = self.payment_types.get(&id)?;
                let own = id > 5;
                Some(match field {
                    "paymentTypeID" => Cell::Integer(id),
                    "name" => Cell::Text(name.clone()),
                    "requireCustomer" => Cell::Boolean(id == 4),
                    "archived" => Cell::Boolean(false),
                    "internalReserved" => Cell::Boolean(!own),
                    "type" => Cell::Text(if own { "user defined".into() } else { name.to_lowercase() }),
                    "refundAsPaymentTypeID" => Cell::Integer(0),
                    _ => return None,
                })
            }
            _ => None,
        }
    }

    /// Lines and payments, as relations or unasked after a write (section 1.6).
    pub(super) fn sale_relations(
        &self,
        id: i64,
        relations: &Relations,
        style: Style,
        record: &mut Map<String, Value>,
    ) {
        let Some(sale) = self.sales.get(&id) else { return };
        let habits = self.habits();
        if relations.has("SaleLines") || style.is_written() {
            let rows = sale.lines.iter().enumerate().map(|(at, line)| {
                serde_json::json!({
                    "saleLineID": format!("{id}{at:02}"),
                    "unitQuantity": line.quantity.to_string(),
                    "unitPrice": shortest(line.price),
                    "tax": line.tax.to_string(),
                    "itemID": line.item_id.to_string(),
                    "shopID": sale.shop_id.to_string(),
                    "saleID": id.to_string(),
                })
            });
            record.insert("SaleLines".to_owned(), list("SaleLine", rows.collect(), habits));
        }
        if relations.has("SalePayments") || style.is_written() {
            let rows = sale.payments.iter().enumerate().map(|(at, (kind, amount))| {
                serde_json::json!({
                    "salePaymentID": format!("{id}{at:02}"),
                    "amount": shortest(*amount),
                    "saleID": id.to_string(),
                    "paymentTypeID": kind.to_string(),
                    "registerID": sale.register_id.to_string(),
                })
            });
            record.insert("SalePayments".to_owned(), list("SalePayment", rows.collect(), habits));
        }
    }

    /// POST Sale. Everything is checked before anything is done.
    pub(super) fn post_sale(&mut self, now: Instant, body: &Map<String, Value>) -> Result<i64, Refusal> {
        let number = |name: &str| body.get(name).map_or(Ok(0), |value| integer(name, value));
        let (shop_id, register_id, employee_id) =
            (number("shopID")?, number("registerID")?, number("employeeID")?);
        if !self.shops.contains_key(&shop_id) {
            return Err(Refusal::bad("Sale not created. A Sale must have a shopID."));
        }
        if employee_id == 0 {
            return Err(Refusal::bad("Sale not created. A Sale must have an employeeID."));
        }
        if self.registers.get(&register_id).is_none_or(|register| register.shop_id != shop_id) {
            return Err(Refusal::bad("Sale not created. A Sale must have a registerID of its shop."));
        }
        let words = |name: &str| body.get(name).map_or(Ok(String::new()), |v| text(name, v, self.habits()));
        let mut lines = Vec::new();
        for row in listed(body.get("SaleLines").unwrap_or(&Value::Null), "SaleLine")? {
            let field = |name: &str| row.get(name).unwrap_or(&Value::Null);
            let item_id = integer("itemID", field("itemID"))?;
            let item = self.items.get(&item_id).ok_or_else(|| Refusal::no_such("Item", item_id))?;
            if item.archived {
                return Err(Refusal::bad("Sale not created. The Item is archived."));
            }
            let price = match row.get("unitPrice") {
                Some(price) => decimal("unitPrice", price)?,
                None => item.prices.get(&DEFAULT_LEVEL).copied().unwrap_or_default(),
            };
            let tax = row.get("tax").map_or(Ok(item.tax), |value| boolean("tax", value))?;
            lines.push(Line {
                item_id,
                quantity: integer("unitQuantity", field("unitQuantity"))?,
                price,
                tax,
            });
        }
        let mut sale = Sale {
            shop_id,
            register_id,
            employee_id,
            completed: false,
            archived: false,
            voided: false,
            reference: words("referenceNumber")?,
            source: words("referenceNumberSource")?,
            create_time: second(now),
            time_stamp: second(now),
            complete_time: None,
            tax_percent: self.habits().tax_percent,
            lines,
            payments: Vec::new(),
        };
        let completes = self.lay_over_sale(&mut sale, body)?;
        let id = self.next_sale();
        self.keep_sale(now, id, sale, completes);
        Ok(id)
    }

    /// PUT Sale, as far as a sale is completed by it.
    pub(super) fn put_sale(
        &mut self,
        now: Instant,
        id: i64,
        body: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        let mut sale = self.sales.get(&id).ok_or_else(|| Refusal::no_such("Sale", id))?.clone();
        if sale.archived {
            return Err(Refusal::bad("Sale not updated. The Sale is archived."));
        }
        if sale.completed {
            return if self.habits().completed_sales_take_writes {
                Ok(())
            } else {
                Err(Refusal::bad("Sale not updated. The Sale is completed."))
            };
        }
        let completes = self.lay_over_sale(&mut sale, body)?;
        sale.time_stamp = second(now);
        self.keep_sale(now, id, sale, completes);
        Ok(())
    }

    /// DELETE Sale archives it: "You can't archive a completed sale" (the vendor's page).
    pub(super) fn delete_sale(&mut self, now: Instant, id: i64) -> Result<(), Refusal> {
        let sale = self.sales.get_mut(&id).ok_or_else(|| Refusal::no_such("Sale", id))?;
        if sale.completed {
            return Err(Refusal::bad("Sale not deleted. The Sale is completed."));
        }
        sale.archived = true;
        sale.time_stamp = second(now);
        Ok(())
    }

    /// Payments and `completed` of a payload. True when the sale is completed by it.
    fn lay_over_sale(&self, sale: &mut Sale, body: &Map<String, Value>) -> Result<bool, Refusal> {
        let habits = self.habits();
        let mut payments = Vec::new();
        for row in listed(body.get("SalePayments").unwrap_or(&Value::Null), "SalePayment")? {
            let field = |name: &str| row.get(name).unwrap_or(&Value::Null);
            let kind = integer("paymentTypeID", field("paymentTypeID"))?;
            if !self.payment_types.contains_key(&kind) {
                return Err(Refusal::no_such("PaymentType", kind));
            }
            payments.push((kind, decimal("amount", field("amount"))?));
        }
        if !says_completed(&Value::Object(body.clone())) {
            // A sale that is not complete has no payments.
            return Ok(false);
        }
        let open = self.registers.get(&sale.register_id).is_some_and(|register| register.open);
        let paid: Decimal = payments.iter().map(|(_, amount)| *amount).sum();
        let why = if !open && !habits.closed_registers_take_sales {
            "The Register is closed."
        } else if paid != sale.total() && !habits.unpaid_sales_complete {
            "The payments do not equal the total."
        } else {
            sale.payments = payments;
            return Ok(true);
        };
        if habits.refused_completion_leaves_open {
            return Ok(false);
        }
        Err(Refusal::bad(format!("Sale not completed. {why}")))
    }

    /// A completed sale takes its pieces out of its shop, and the log names it.
    pub(super) fn keep_sale(&mut self, now: Instant, id: i64, mut sale: Sale, completes: bool) {
        if completes {
            sale.completed = true;
            sale.complete_time = Some(second(now));
            let cause = Cause { reason: "Sale", automated: true, sale_id: id, order_id: 0 };
            for line in &sale.lines {
                let counted = self.items.get(&line.item_id).is_some_and(|item| item.kind != "non_inventory");
                if counted {
                    let qoh = self.qoh(line.item_id, sale.shop_id).saturating_sub(line.quantity);
                    self.set_qoh(now, line.item_id, sale.shop_id, qoh, cause);
                }
            }
        }
        self.sales.insert(id, sale);
    }

    /// A sale at the till: rung up, paid in cash and completed at once.
    pub(super) fn sell_at_till(&mut self, now: Instant, item_id: i64, shop_id: i64, quantity: i64) {
        let Some(item) = self.items.get(&item_id) else { return };
        if !self.shops.contains_key(&shop_id) {
            return;
        }
        let price = item.prices.get(&DEFAULT_LEVEL).copied().unwrap_or_default();
        let register = self.registers.iter().find(|(_, register)| register.shop_id == shop_id);
        let mut sale = Sale {
            shop_id,
            register_id: register.map_or(0, |(id, _)| *id),
            employee_id: 1,
            completed: false,
            archived: false,
            voided: false,
            reference: String::new(),
            source: String::new(),
            create_time: second(now),
            time_stamp: second(now),
            complete_time: None,
            tax_percent: self.habits().tax_percent,
            lines: vec![Line { item_id, quantity, price, tax: item.tax }],
            payments: Vec::new(),
        };
        sale.payments.push((1, sale.total()));
        let id = self.next_sale();
        self.keep_sale(now, id, sale, true);
    }
}

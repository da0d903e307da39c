//! Sales: how stock sold on the web is booked where the merchant wants an audit trail
//! (r-series-api.md, sections 3.3 and 4.3; fields as in the vendor's pages on Sale, Register and PaymentType).
//!
//! A sale is rung up open, which moves no stock, and completed by its id, which moves it once. So a lost answer
//! never sells twice: the open sale is found by its reference number, and a completed one says so.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::Client;
use crate::catalog::Money;
use crate::clock::Instant;
use crate::platforms::CallError;
use crate::platforms::read::{Record, Unreadable};

/// Where our sales say they come from.
const SOURCE: &str = "Concord";

/// A sale, as far as Concord looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// `saleID`.
    pub id: i64,
    /// `completed`: paid, and the pieces are gone.
    pub completed: bool,
    /// `archived`: thrown away before it was completed.
    pub archived: bool,
    /// `voided`.
    pub voided: bool,
    /// `referenceNumber`.
    pub reference: String,
    /// `calcTotal`: what has to be paid, tax included.
    pub total: Money,
}

/// What is rung up.
#[derive(Debug, Clone, PartialEq)]
pub struct SaleWrite {
    /// `shopID`.
    pub shop_id: i64,
    /// `registerID`.
    pub register_id: i64,
    /// `employeeID`.
    pub employee_id: i64,
    /// `referenceNumber`.
    pub reference: String,
    /// `itemID` of the only line. Whether it is taxed is the item's own setting.
    pub item_id: i64,
    /// `unitQuantity`.
    pub quantity: i64,
    /// `unitPrice`.
    pub price: Money,
}

/// A register of a shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// `registerID`.
    pub id: i64,
    /// `shopID`.
    pub shop_id: i64,
    /// `open`.
    pub open: bool,
    /// `archived`.
    pub archived: bool,
}

/// A way to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentType {
    /// `paymentTypeID`.
    pub id: i64,
    /// `name`.
    pub name: String,
    /// `archived`.
    pub archived: bool,
    /// `requireCustomer`.
    pub requires_customer: bool,
}

impl Sale {
    /// Reads a sale.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("Sale", value)?;
        Ok(Self {
            id: record.needed("saleID", record.integer("saleID")?)?,
            completed: record.needed("completed", record.flag("completed")?)?,
            archived: record.flag("archived")?.unwrap_or(false),
            voided: record.flag("voided")?.unwrap_or(false),
            reference: record.text("referenceNumber")?.unwrap_or_default(),
            total: record.needed("calcTotal", record.money("calcTotal")?)?,
        })
    }

    /// Has it taken its pieces out of the shop? A sale that was voided had, and what came back since is news.
    #[must_use]
    pub fn sold(&self) -> bool {
        self.completed
    }
}

impl Register {
    fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("Register", value)?;
        Ok(Self {
            id: record.needed("registerID", record.integer("registerID")?)?,
            shop_id: record.needed("shopID", record.integer("shopID")?)?,
            open: record.flag("open")?.unwrap_or(false),
            archived: record.flag("archived")?.unwrap_or(false),
        })
    }
}

impl PaymentType {
    fn read(value: &Value) -> Result<Self, Unreadable> {
        let record = Record::of("PaymentType", value)?;
        Ok(Self {
            id: record.needed("paymentTypeID", record.integer("paymentTypeID")?)?,
            name: record.text("name")?.unwrap_or_default(),
            archived: record.flag("archived")?.unwrap_or(false),
            requires_customer: record.flag("requireCustomer")?.unwrap_or(false),
        })
    }
}

impl Client {
    /// Every register of the account.
    pub async fn registers(&self) -> Result<Vec<Register>, CallError> {
        self.all("Register", &[], Register::read).await
    }

    /// Every way to pay.
    pub async fn payment_types(&self) -> Result<Vec<PaymentType>, CallError> {
        self.all("PaymentType", &[], PaymentType::read).await
    }

    /// The employee in whose name the token acts; none where the session does not tell (section 4.9).
    pub async fn own_employee(&self) -> Result<Option<i64>, CallError> {
        let json = self.session().await?;
        let employee = Record::of("Session", &json).and_then(|record| record.integer("employeeID"));
        Ok(employee.ok().flatten().filter(|id| *id > 0))
    }

    /// May this token read sales at all?
    pub async fn may_see_sales(&self) -> Result<(), CallError> {
        let url = self.url(&["Sale.json"], &[("limit", "1"), ("sort", "-saleID")]);
        self.page(url, "Sale", 1.0, Sale::read).await.map(|_| ())
    }

    /// Rings up an open sale: no stock moves yet. Not sent after `by`. Costs 2.5 drips.
    pub async fn open_sale(&self, write: &SaleWrite, by: Instant) -> Result<Sale, CallError> {
        let body = json!({
            "shopID": write.shop_id.to_string(),
            "registerID": write.register_id.to_string(),
            "employeeID": write.employee_id.to_string(),
            "completed": "false",
            "referenceNumber": write.reference,
            "referenceNumberSource": SOURCE,
            "SaleLines": {"SaleLine": [{
                "itemID": write.item_id.to_string(),
                "unitQuantity": write.quantity.to_string(),
                "unitPrice": write.price.to_string(),
            }]},
        });
        let url = self.url(&["Sale.json"], &[]);
        self.write_sale(Method::POST, url, 2.5, Some(&body), Some(by)).await
    }

    /// Completes an open sale with one payment of its whole total: the sum must fit, or it is refused. Costs 5.5
    /// drips.
    pub async fn complete_sale(&self, sale: &Sale, payment_type: i64) -> Result<Sale, CallError> {
        let mut body = json!({"completed": "true"});
        if let (true, Some(body)) = (sale.total.is_positive(), body.as_object_mut()) {
            let payment =
                json!({"amount": sale.total.to_string(), "paymentTypeID": payment_type.to_string()});
            body.insert("SalePayments".into(), json!({"SalePayment": [payment]}));
        }
        let url = self.url(&["Sale", &format!("{}.json", sale.id)], &[]);
        self.write_sale(Method::PUT, url, 5.5, Some(&body), None).await
    }

    /// Throws an open sale away; a completed one is refused. Costs 2 drips.
    pub async fn discard_sale(&self, id: i64) -> Result<(), CallError> {
        let url = self.url(&["Sale", &format!("{id}.json")], &[]);
        self.write_sale(Method::DELETE, url, 2.0, None, None).await.map(|_| ())
    }

    /// One sale.
    pub async fn sale(&self, id: i64) -> Result<Sale, CallError> {
        let url = self.url(&["Sale", &format!("{id}.json")], &[]);
        let json = self.read(url, 1.0).await?;
        let sale = json.get("Sale").ok_or_else(|| self.unreadable_answer("no Sale in the answer"))?;
        Sale::read(sale).map_err(|error| self.unreadable_record(sale, "saleID", id, &error))
    }

    /// Sales with this reference number that changed at or after `since`, thrown away ones too. The filter on the
    /// number may have no effect (section 1.8), so `since` bounds the look, and every row is checked.
    pub async fn sales_with_reference(
        &self,
        reference: &str,
        since: Instant,
    ) -> Result<Vec<Sale>, CallError> {
        let since = format!(">=,{}", super::feed::wire_time(since));
        let query = [
            ("archived", "true"),
            ("referenceNumber", reference),
            ("sort", "saleID"),
            ("timeStamp", since.as_str()),
        ];
        let mut sales = self.all("Sale", &query, Sale::read).await?;
        sales.retain(|sale| sale.reference == reference);
        Ok(sales)
    }

    async fn write_sale(
        &self,
        method: Method,
        url: url::Url,
        cost: f64,
        body: Option<&Value>,
        by: Option<Instant>,
    ) -> Result<Sale, CallError> {
        let answer = self.call(method, url, cost, body, by).await?;
        let unclear = |why: String| CallError::Unclear { why };
        let json = answer.json().ok_or_else(|| unclear("the answer is no JSON".into()))?;
        let sale = json.get("Sale").ok_or_else(|| unclear("no Sale in the answer".into()))?;
        Sale::read(sale).map_err(|error| unclear(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_is_read_from_strings_and_must_say_whether_it_is_completed() {
        let json = json!({"saleID":"7","completed":"true","voided":"false","referenceNumber":"a","calcTotal":"23.8"});
        let sale = Sale::read(&json).unwrap();
        assert_eq!((sale.id, sale.sold(), sale.total), (7, true, "23.80".parse().unwrap()));
        let error = Sale::read(&json!({"saleID":"7","calcTotal":"1"})).unwrap_err().to_string();
        assert!(error.contains("completed"), "{error}");
    }
}

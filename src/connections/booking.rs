//! What sales booked from the web need: a register, somebody who rings them up, and a way to pay.

use serde::{Deserialize, Serialize};

use super::accounts::Accounts;
use super::connect::{ConnectError, Problem, not_proved};
use crate::catalog::Side;
use crate::platforms::{CallError, rseries};
use crate::store::connections;

/// Names of payment types that stand for the web, in lower case. Cash would falsify the drawer's count.
const WEB_PAYMENTS: [&str; 4] = ["ecom", "web", "online", "webshop"];

/// How sales from the web are booked (the vendor's pages on Sale, Register and PaymentType).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// `registerID`, of the primary shop.
    pub register_id: i64,
    /// `employeeID`.
    pub employee_id: i64,
    /// `paymentTypeID`.
    pub payment_type_id: i64,
}

impl Accounts {
    /// Finds out whether and how sales from the web can be booked for a connection. Says in words what is
    /// missing.
    pub async fn prove_web_sales(
        &self,
        row: &connections::Row,
    ) -> Result<Option<serde_json::Value>, ConnectError> {
        let account = self.open(row).await;
        let account = account.map_err(|error| not_proved(Side::RSeries, Problem::Call(error)))?;
        prove(&account.r, row.r_primary_shop_id).await
    }
}

/// The same with a client.
pub(super) async fn prove(
    r: &rseries::Client,
    shop_id: i64,
) -> Result<Option<serde_json::Value>, ConnectError> {
    let booking = find(r, shop_id).await.map_err(|problem| not_proved(Side::RSeries, problem))?;
    Ok(serde_json::to_value(booking).ok())
}

async fn find(r: &rseries::Client, shop_id: i64) -> Result<Booking, Problem> {
    r.may_see_sales().await.map_err(|error| match error {
        CallError::Account { why } => Problem::Words(format!(
            "{why}. Booking web sales as sales needs the scope employee:register: connect with a token that has it"
        )),
        other => Problem::Call(other),
    })?;
    let registers = r.registers().await?;
    let mine = registers.iter().filter(|register| register.shop_id == shop_id && !register.archived);
    // An open one, because a closed one may refuse; the lowest id, so that it is the same one every time.
    let register = mine.min_by_key(|register| (!register.open, register.id)).ok_or_else(|| {
        Problem::Words(format!(
            "shop {shop_id} has no register, and a sale needs one: add a register there, or book web sales as \
             counts"
        ))
    })?;
    let employee_id = r.own_employee().await?.ok_or_else(|| {
        Problem::Words("the token acts for no employee, and a sale needs one who rings it up".into())
    })?;
    let types = r.payment_types().await?;
    let fits = |name: &str| WEB_PAYMENTS.contains(&name.trim().to_lowercase().as_str());
    let usable = types.iter().filter(|kind| !kind.archived && !kind.requires_customer && fits(&kind.name));
    let payment = usable.min_by_key(|kind| kind.id).ok_or_else(|| {
        Problem::Words(
            "there is no payment type for the web: add one named Web that needs no customer (Settings, Payment \
             types)"
                .into(),
        )
    })?;
    Ok(Booking { register_id: register.id, employee_id, payment_type_id: payment.id })
}

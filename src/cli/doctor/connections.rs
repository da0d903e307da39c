//! Each pair of accounts: do both platforms accept the tokens and allow what a visit needs, do notices come in, and
//! is anything waiting?

use chrono::TimeDelta;

use super::Report;
use crate::catalog::Side;
use crate::clock::{Instant, SharedClock};
use crate::connections::{Account, Accounts, care};
use crate::platforms::CallError;
use crate::store::connections::{Row, State};
use crate::store::{Store, StoreError, connections, dirty, server};

/// Silence for longer is worth a word: a shop in which nothing changes for a week is rare.
const SILENT: TimeDelta = TimeDelta::days(7);
/// R-Series access tokens live for an hour (r-series-api.md, section 2.2), and polls use them every minute.
const STALE: TimeDelta = TimeDelta::days(1);
/// A product that waits for longer is waiting for something.
const WAITS_LONG: i64 = 900;

pub(super) async fn check(
    report: &mut Report,
    store: &Store,
    accounts: &Accounts,
    key_id: &str,
    clock: &SharedClock,
) {
    let rows = async {
        let mut db = store.begin().await?;
        connections::load(&mut db, None).await
    };
    let rows = match rows.await {
        Ok(rows) => rows,
        Err(error) => return report.fault(error.to_string(), "See above."),
    };
    if rows.is_empty() {
        report.good("none yet: make one with POST /v1/connections");
    }
    for row in rows {
        let name = format!("“{}” ({})", row.name, row.connection_id);
        if let Some(reason) = &row.state_reason {
            let remedy = "Mend it, then POST /v1/connections/{id}/resume.";
            match row.state {
                State::Paused => report.note(format!("{name} is paused: {reason}"), remedy),
                _ => report.fault(format!("{name} is not worked on: {reason}"), remedy),
            }
        }
        let opened = accounts.open(&row).await;
        let opens = opened.is_ok();
        match opened {
            Ok(account) => {
                shop(report, &name, &row, &account).await;
                web(report, &name, &row, &account).await;
            }
            Err(error) => report.fault(
                format!("{name}: {error}"),
                "Start with the CONCORD_MASTER_KEY that sealed its tokens, or connect the account again.",
            ),
        }
        if let Err(error) = house(report, &name, &row, store, (key_id, opens), clock.now()).await {
            report.fault(format!("{name}: {error}"), "See above.");
        }
    }
}

fn refused(report: &mut Report, name: &str, side: Side, what: &str, error: &CallError) {
    let said = side.says(&error.to_string());
    match error {
        CallError::Later { .. } | CallError::Unclear { .. } => report.note(
            format!("{name}: {said} ({what})"),
            "The platform could not be asked now. Try again in a while; if it lasts, look at its status page.",
        ),
        _ => report.fault(
            format!("{name}: {said} ({what})"),
            match side {
                Side::RSeries => {
                    "Connect the account again, by an employee who may see and edit inventory, with the scopes \
                     employee:inventory and employee:inventory_log (and employee:register for web_sales = sale)."
                }
                Side::ESeries => {
                    "Connect the store again, with the scopes read_store_profile, read_catalog, update_catalog and \
                     create_catalog."
                }
            },
        ),
    }
}

/// The shop: account, shops, the price level of the web, and what a visit reads.
async fn shop(report: &mut Report, name: &str, row: &Row, account: &Account) {
    let (r, side) = (&account.r, Side::RSeries);
    match r.account_ids().await {
        Err(error) => return refused(report, name, side, "account", &error),
        Ok(ids) if !ids.contains(&row.r_account_id.to_string()) => {
            return report.fault(
                format!(
                    "{name}: the R-Series token belongs to account {}, not {}",
                    ids.join(", "),
                    row.r_account_id
                ),
                "Connect the account again with a token of that account.",
            );
        }
        Ok(_) => {}
    }
    match r.shops().await {
        Err(error) => return refused(report, name, side, "shops", &error),
        Ok(shops) => {
            let open = |id: &i64| shops.iter().any(|shop| shop.id == *id && !shop.archived);
            let gone: Vec<String> =
                row.r_shop_ids.iter().filter(|id| !open(id)).map(i64::to_string).collect();
            if !gone.is_empty() {
                report.fault(
                    format!("{name}: connected shop {} is archived or gone on R-Series", gone.join(", ")),
                    "Its stock is still counted. Connect the account again with the shops that are open.",
                );
            }
        }
    }
    match (r.price_levels().await, row.r_online_level_id) {
        (Err(error), _) => return refused(report, name, side, "price levels", &error),
        (Ok(levels), Some(level)) if !levels.iter().any(|known| known.id == level && !known.archived) => report.fault(
            format!("{name}: the price level of the web (id {level}) is gone or archived on R-Series"),
            "Make a price level named Online again, and connect the account again.",
        ),
        (Ok(_), None) => report.note(
            format!("{name}: the R-Series account has no price level named Online"),
            "The Default price goes to the web, and a price changed there cannot come back. To change that, make a \
             price level named Online and connect the account again.",
        ),
        (Ok(_), Some(_)) => {}
    }
    if let Err(error) = r.items_by_id(&[1]).await {
        return refused(report, name, side, "items", &error);
    }
    if let Err(error) = r.inventory_log_head().await {
        return refused(report, name, side, "inventory log", &error);
    }
    report.good(format!("{name}: R-Series accepts the token, and lets items, stock and their log be read"));
}

/// The web: store and products.
async fn web(report: &mut Report, name: &str, row: &Row, account: &Account) {
    let (e, side) = (&account.e, Side::ESeries);
    match e.profile().await {
        Err(error) => return refused(report, name, side, "profile", &error),
        Ok(profile) if profile.store_id != row.e_store_id => {
            return report.fault(
                format!(
                    "{name}: the E-Series token belongs to store {}, not {}",
                    profile.store_id, row.e_store_id
                ),
                "Connect the store again with a token of that store.",
            );
        }
        Ok(_) => {}
    }
    if let Err(error) = e.products(0).await {
        return refused(report, name, side, "products", &error);
    }
    report.good(format!("{name}: E-Series accepts the token, and lets products be read"));
}

/// What our own books say: notices, tokens, what waits.
async fn house(
    report: &mut Report,
    name: &str,
    row: &Row,
    store: &Store,
    (key_id, opens): (&str, bool),
    now: Instant,
) -> Result<(), StoreError> {
    let mut db = store.begin().await?;
    match server::last_notice(&mut db, row.connection_id, Side::ESeries).await? {
        Some(at) if now - at <= SILENT => {
            report.good(format!("{name}: the last notice of E-Series came at {at}"));
        }
        last => {
            let since = last.map_or_else(
                || "no notice of E-Series has ever come".to_owned(),
                |at| format!("the last notice of E-Series came at {at}"),
            );
            report.note(
                format!("{name}: {since}"),
                "If the web shop is edited, ask Ecwid to set the application's webhookUrl to …/webhooks/e-series \
                 (deploy/README.md). Until then its changes are found by polling.",
            );
        }
    }
    if let Some((at, key)) = server::secret_age(&mut db, row.connection_id, "r_access_token").await? {
        if row.state == State::Active && now - at > STALE {
            report.note(
                format!("{name}: the R-Series access token was last renewed at {at}"),
                "It lives for an hour and is renewed by every sweep: is `concord serve` running?",
            );
        }
        if key != key_id && opens {
            report.note(
                format!("{name}: its secrets are sealed with an earlier master key, {key}"),
                "Run `concord rotate-key`, then take CONCORD_OLD_MASTER_KEY away.",
            );
        } else if key != key_id {
            report.fault(
                format!("{name}: its secrets are sealed with key {key}, and this is key {key_id}"),
                "Start with the CONCORD_MASTER_KEY that sealed them.",
            );
        }
    }
    if let Some(warning) = care(&mut db, row.connection_id, now).await?.warning {
        report.fault(
            format!("{name}: {warning}"),
            "POST /v1/oauth/r-series/start with its connection_id asks the merchant for new tokens.",
        );
    }
    let counts = dirty::counts(&mut db, row.connection_id, now).await?;
    if counts.parked > 0 {
        report.note(
            format!("{name}: {} products are parked", counts.parked),
            "Each has its reason: GET /v1/connections/{id}/parked.",
        );
    }
    if row.state == State::Active && counts.oldest_seconds > WAITS_LONG {
        report.note(
            format!("{name}: a product has waited for {} minutes", counts.oldest_seconds / 60),
            "Is `concord serve` running? Its log says why visits are put off.",
        );
    }
    Ok(())
}

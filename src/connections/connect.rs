//! Connecting a merchant's two accounts: both credentials are proved before anything is stored.

use secrecy::SecretString;

use super::accounts::Accounts;
use super::settings::{PLANS, Settings, WebSales};
use super::shops::Shops;
use super::tokens::{E_ACCESS, R_ACCESS, R_REFRESH, R_WEBHOOK};
use crate::catalog::Side;
use crate::clock::Instant;
use crate::ids::{ConnectionId, SyncId};
use crate::platforms::eseries::wire::Profile;
use crate::platforms::rseries::wire::PriceLevel;
use crate::platforms::{CallError, eseries, rseries};
use crate::store::{StoreError, connections, grants, syncs, trees};

/// What a merchant's accounts need to be connected.
#[derive(Debug)]
pub struct Request {
    /// What the operator calls the connection.
    pub name: String,
    /// R-Series `accountID`.
    pub r_account_id: i64,
    /// R-Series access token.
    pub r_access_token: SecretString,
    /// R-Series refresh token.
    pub r_refresh_token: Option<SecretString>,
    /// R-Series shops whose stock is summed; empty means all.
    pub r_shop_ids: Vec<i64>,
    /// R-Series shop in which stock sold on the web is booked; none means the first.
    pub r_primary_shop_id: Option<i64>,
    /// E-Series `storeId`.
    pub e_store_id: i64,
    /// E-Series access token.
    pub e_access_token: SecretString,
    /// Plan name.
    pub plan: Option<String>,
    /// Settings.
    pub settings: Settings,
    /// Grants that the tokens come from: used up once the connection is made.
    pub grants: Vec<(ConnectionId, Side)>,
}

/// A connection that was made.
#[derive(Debug)]
pub struct Connected {
    /// Id.
    pub connection_id: ConnectionId,
    /// The first look that was started.
    pub sync_id: SyncId,
    /// The key for notices at the R-Series door; shown once.
    pub r_webhook_secret: SecretString,
}

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A platform did not accept the credentials or does not have what was named.
    #[error("{side}: {reason}")]
    NotProved {
        /// Which side.
        side: Side,
        /// What it said, and what to do.
        reason: String,
    },
    /// A platform cannot be asked now, which says nothing about the credentials.
    #[error("{why}")]
    NotNow {
        /// Which side.
        side: Side,
        /// When it can be asked again, if that is known.
        until: Option<Instant>,
        /// What keeps it from answering.
        why: String,
    },
    /// The request contradicts itself; nobody was asked.
    #[error("{0}")]
    Invalid(String),
    /// Somebody else was faster with the same grant, or it ran out while the tokens were proved.
    #[error("the grant of {0} was used or has run out meanwhile")]
    GrantSpent(Side),
    /// One of the accounts is connected already.
    #[error("this {0} account is connected already; delete that connection first")]
    Taken(Side),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Longest name of a connection, in characters.
const LONGEST_NAME: usize = 200;

/// Can this be the name of a connection? Postgres keeps no NUL in texts.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if name.trim().is_empty() {
        Err("name must not be empty")
    } else if name.chars().count() > LONGEST_NAME {
        Err("name must not be longer than 200 characters")
    } else if name.chars().any(char::is_control) {
        Err("name must not hold control characters")
    } else {
        Ok(())
    }
}

impl Accounts {
    /// Proves both credentials, stores the connection and starts its first look.
    pub async fn connect(&self, request: Request) -> Result<Connected, ConnectError> {
        let wiring = &self.wiring;
        let plan = request.plan.clone().unwrap_or_else(|| "unlimited".into());
        if !PLANS.contains(&plan.as_str()) {
            return Err(ConnectError::Invalid(format!("plan must be one of {}", PLANS.join(", "))));
        }
        check_name(&request.name).map_err(|words| ConnectError::Invalid(words.into()))?;
        request.settings.check().map_err(ConnectError::Invalid)?;
        check_primary(&request.r_shop_ids, request.r_primary_shop_id)?;

        let (r, tokens) =
            self.new_r(request.r_account_id, request.r_access_token.clone(), request.r_refresh_token.clone());
        let wanted = |open: &[i64]| Shops::first(open, &request.r_shop_ids, request.r_primary_shop_id);
        let proved = prove_r(&r, request.r_account_id, wanted).await;
        let ProvedAccount { shops, online_level } =
            proved.map_err(|error| not_proved(Side::RSeries, error))?;
        let web_sale = match request.settings.web_sales {
            WebSales::Count => None,
            WebSales::Sale => super::booking::prove(&r, shops.primary).await?,
        };
        let e = self.new_e(request.e_store_id, request.e_access_token.clone());
        let profile =
            prove_e(&e, request.e_store_id).await.map_err(|error| not_proved(Side::ESeries, error))?;

        let now = wiring.clock.now();
        let connection_id = ConnectionId::new(&wiring.ids, now);
        let mut secret = [0_u8; 32];
        wiring.ids.fill(&mut secret);
        let r_webhook_secret = SecretString::from(hex::encode(secret));
        let (r_access, r_refresh) = tokens.pair.lock().await.clone();
        let row = connections::Row {
            connection_id,
            name: request.name,
            state: connections::State::Active,
            state_reason: None,
            r_account_id: request.r_account_id,
            r_shop_ids: shops.ids,
            r_primary_shop_id: shops.primary,
            r_online_level_id: online_level,
            e_store_id: request.e_store_id,
            e_product_limit: profile.max_product_limit,
            e_price_decimals: profile.price_decimals,
            e_variations: profile.has_variations,
            e_full_at: None,
            e_limit_read_at: None,
            plan,
            settings: serde_json::to_value(&request.settings).unwrap_or_default(),
            web_sale,
            created_at: now,
            swept_at: None,
            sweep_due_at: now,
            sweep_found: 0,
            token_generation: 0,
            e_uninstalled_at: None,
        };
        let mut db = wiring.store.begin().await?;
        connections::insert(&mut db, &row).await.map_err(|error| match error.constraint() {
            Some("connections_r_account") => ConnectError::Taken(Side::RSeries),
            Some("connections_e_store") => ConnectError::Taken(Side::ESeries),
            _ => ConnectError::Store(error),
        })?;
        trees::mark(&mut db, connection_id, true, now).await.map_err(ConnectError::Store)?;
        let mut secrets =
            vec![(R_ACCESS, &r_access), (R_WEBHOOK, &r_webhook_secret), (E_ACCESS, &request.e_access_token)];
        if let Some(refresh) = &r_refresh {
            secrets.push((R_REFRESH, refresh));
        }
        wiring.put_secrets_in(&mut db, connection_id, &secrets).await?;
        for (grant, side) in &request.grants {
            if !grants::done(&mut db, *grant, *side).await? {
                return Err(ConnectError::GrantSpent(*side));
            }
        }
        let sync_id = SyncId::new(&wiring.ids, now);
        syncs::start(&mut db, connection_id, sync_id, syncs::Mode::Apply, now).await?;
        db.commit().await?;
        self.hurry();
        Ok(Connected { connection_id, sync_id, r_webhook_secret })
    }
}

/// What an account has shown.
pub(super) struct ProvedAccount {
    pub(super) shops: Shops,
    pub(super) online_level: Option<i64>,
}

/// Why something about an account could not be proved.
pub(super) enum Problem {
    /// A call did not succeed.
    Call(CallError),
    /// It is as it is, in words.
    Words(String),
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

pub(super) fn not_proved(side: Side, problem: Problem) -> ConnectError {
    let reason = match problem {
        Problem::Call(CallError::Later { until, why }) => {
            return ConnectError::NotNow { side, until: Some(until), why };
        }
        Problem::Call(CallError::Busy { why } | CallError::Unclear { why }) => {
            return ConnectError::NotNow { side, until: None, why };
        }
        Problem::Words(words) => words,
        Problem::Call(
            CallError::Account { why } | CallError::Refused { why, .. } | CallError::Gone { why },
        ) => {
            format!("{}. Check the account number, the token and its scopes.", why.trim_end_matches('.'))
        }
    };
    ConnectError::NotProved { side, reason }
}

/// The token belongs to this store, and may read its products.
pub(super) async fn prove_e(e: &eseries::Client, store_id: i64) -> Result<Profile, Problem> {
    let profile = e.profile().await?;
    if profile.store_id != store_id {
        let words = format!("the token belongs to store {}, not {store_id}", profile.store_id);
        return Err(Problem::Words(words));
    }
    // The profile can be read with any token; products cannot.
    e.products(0).await?;
    Ok(profile)
}

/// The token belongs to this account, and may read what a visit reads. Which shops are taken, `wanted` says of those that
/// are open.
pub(super) async fn prove_r(
    r: &rseries::Client,
    account_id: i64,
    wanted: impl FnOnce(&[i64]) -> Result<Shops, String>,
) -> Result<ProvedAccount, Problem> {
    let accounts = r.account_ids().await?;
    let account = account_id.to_string();
    if !accounts.contains(&account) {
        let words = format!("the token belongs to account {}, not {account}", accounts.join(", "));
        return Err(Problem::Words(words));
    }
    let shops = r.shops().await?;
    let open: Vec<i64> = shops.iter().filter(|shop| !shop.archived).map(|shop| shop.id).collect();
    let shops = wanted(&open).map_err(Problem::Words)?;
    let levels = r.price_levels().await?;
    // Every token may read what was read so far; a visit needs items and their log as well.
    r.items_by_id(&[1]).await?;
    r.inventory_log_head().await?;
    Ok(ProvedAccount { shops, online_level: online_level(&levels) })
}

/// Where the shops are named, the primary one must be among them: for that nobody needs to be asked.
fn check_primary(shop_ids: &[i64], primary: Option<i64>) -> Result<(), ConnectError> {
    match primary {
        Some(primary) if !shop_ids.is_empty() && !shop_ids.contains(&primary) => {
            Err(ConnectError::Invalid("primary_shop_id must be one of shop_ids".into()))
        }
        _ => Ok(()),
    }
}

/// The price level of the web: made by an eCom connection, so it cannot be archived; its name may have
/// been changed (r-series-api.md, section 4.2).
fn online_level(levels: &[PriceLevel]) -> Option<i64> {
    let candidates: Vec<&PriceLevel> =
        levels.iter().filter(|level| level.id > 2 && !level.can_be_archived && !level.archived).collect();
    let named = candidates.iter().find(|level| level.name.eq_ignore_ascii_case("online"));
    match (named, candidates.as_slice()) {
        (Some(level), _) => Some(level.id),
        (None, [only]) => Some(only.id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(id: i64, name: &str, can_be_archived: bool) -> PriceLevel {
        PriceLevel { id, name: name.into(), can_be_archived, archived: false }
    }

    #[test]
    fn the_online_level_is_found_by_what_it_is_and_not_by_its_number() {
        let fixed = || vec![level(1, "Default", false), level(2, "MSRP", false)];
        let with = |more: Vec<PriceLevel>| online_level(&[fixed(), more].concat());
        assert_eq!(with(vec![]), None);
        assert_eq!(with(vec![level(3, "Sale", true), level(4, "Online", false)]), Some(4));
        assert_eq!(with(vec![level(5, "My web shop", false)]), Some(5));
        assert_eq!(with(vec![level(5, "A", false), level(6, "B", false)]), None);
    }
}

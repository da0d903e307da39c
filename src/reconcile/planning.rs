//! What the study has to say of two sights, and what a run would do now.

use super::Corridor;
use super::category;
use super::sight::{InShop, Online, Reading, Sight, Sights};
use crate::catalog::{Facts, Field, Hold, Side, Value};
use crate::connections::Account;
use crate::decide::{self, Plan, brake};
use crate::ids::{ConnectionId, ProductId};
use crate::mapping;
use crate::platforms::CallError;
use crate::store::links::{self, Link, Parent};
use crate::store::{StoreError, categories, connections};

/// What a run would do now, and what it is based on.
#[derive(Debug)]
pub struct Preview {
    /// The link.
    pub link: Link,
    /// R-Series now; none when it has no such item.
    pub r: Option<Facts>,
    /// E-Series now; none when it has no such product.
    pub e: Option<Facts>,
    /// What would be done.
    pub plan: Plan,
}

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A platform.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The link vanished while it was looked at.
    #[error("the product is gone")]
    Gone,
}

/// Merges and plans, and tells whose news there was.
pub(super) fn plan_for(
    account: &Account,
    link: &Link,
    reading: &Reading<'_>,
    shop: &InShop,
    online: &Online,
) -> (Plan, [bool; 2]) {
    let (r, e) = (shop.facts(reading), online.facts(reading));
    let news = |now: &Facts, side: Side| {
        now.iter().any(|(field, value)| link.shadow.side(side).get(field) != Some(value))
    };
    let changed = [news(&r, Side::RSeries), news(&e, Side::ESeries)];
    let shadow = category::as_it_counts(&link.shadow, &e, &account.tree);
    let verdicts = decide::merge(&shadow, &r, &e, &account.rules);
    let refuses = refusal(account, reading, shop);
    let mut plan = decide::plan(&shadow, verdicts, link.owed_on_r, r.stock(), &refuses);
    if !reading.variant {
        let several = mapping::category::several(&online.product.category_ids, &account.tree);
        plan.holds.extend(several.map(|hold| (Field::Category, hold)));
    }
    brake::freeze(&mut plan, &brake::frozen(&link.holds));
    (plan, changed)
}

/// What either side cannot take of a product.
pub(super) fn refusal<'a>(
    account: &'a Account,
    reading: &'a Reading<'_>,
    shop: &'a InShop,
) -> impl Fn(Side, Field, &Value) -> Option<Hold> + 'a {
    let names = reading.names.as_ref().filter(|_| reading.tied);
    move |side, field, value| match side {
        _ if field == Field::Category => mapping::category::refuses(side, value, &account.tree),
        Side::RSeries => mapping::rseries::refuses(shop.item(), &account.context, names, field, value),
        Side::ESeries => mapping::eseries::refuses(names, field, value),
    }
}

impl Corridor {
    /// What a run would do now, without doing it: looks at both sides, writes nothing anywhere.
    pub async fn preview(
        &self,
        connection_id: ConnectionId,
        product_id: ProductId,
    ) -> Result<Option<Preview>, PreviewError> {
        let Some((account, link, parent, sights)) = self.sights_of(connection_id, product_id).await? else {
            return Ok(None);
        };
        let reading = Reading::of(&account, &link, parent.as_ref());
        let nothing = Plan { shadow: link.shadow.clone(), ..Plan::default() };
        let (r, e, plan) = match (&sights.r, &sights.e) {
            (Sight::Here(shop), Sight::Here(online)) => {
                let plan = plan_for(&account, &link, &reading, shop, online).0;
                (Some(shop.facts(&reading)), Some(online.facts(&reading)), plan)
            }
            (Sight::Here(shop), Sight::NoHalf) if !shop.archived() => {
                let facts = shop.facts(&reading);
                let plan = decide::plan::plan_creation(&facts);
                (Some(facts), None, plan)
            }
            (Sight::Here(shop), _) => (Some(shop.facts(&reading)), None, nothing),
            (_, Sight::Here(online)) => (None, Some(online.facts(&reading)), nothing),
            _ => (None, None, nothing),
        };
        Ok(Some(Preview { link, r, e, plan }))
    }

    /// What both sides show of a product now.
    pub(super) async fn sights_of(
        &self,
        connection_id: ConnectionId,
        product_id: ProductId,
    ) -> Result<Option<(Account, Link, Option<Parent>, Sights)>, PreviewError> {
        let mut db = self.store.begin().await?;
        let Some(row) = connections::get(&mut db, connection_id).await? else { return Ok(None) };
        let Some(link) = links::load(&mut db, connection_id, &[product_id]).await?.pop() else {
            return Ok(None);
        };
        let parent = links::parents(&mut db, connection_id, &[product_id]).await?.remove(&product_id);
        let tree = categories::tree(&mut db, connection_id).await?;
        drop(db);
        let account = Account { tree, ..self.accounts.open(&row).await? };
        let sights = self.look_at_all(&account, std::iter::once(&link)).await.map_err(|(_, error)| error)?;
        let sights = sights.into_values().next().ok_or(PreviewError::Gone)?;
        Ok(Some((account, link, parent, sights)))
    }
}

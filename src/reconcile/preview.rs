//! What a run would do now, without doing it.

use std::collections::BTreeMap;

use super::planning::plan_for;
use super::sight::{Reading, Sight, Sights};
use super::{Corridor, born};
use crate::catalog::Facts;
use crate::connections::{Account, BornOnline};
use crate::decide::{self, Plan};
use crate::ids::{ConnectionId, ProductId};
use crate::platforms::CallError;
use crate::store::links::{self, Link, Parent};
use crate::store::{StoreError, categories, connections};

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
            (Sight::NoHalf, Sight::Here(online)) if account.born_online == BornOnline::Auto => {
                (None, Some(online.facts(&reading)), born::plan_of(online, &reading))
            }
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
        let seen = self.look_at_all(&account, std::iter::once(&link), BTreeMap::new(), &[]).await;
        let (sights, _) = seen.map_err(|(_, error)| error)?;
        let sights = sights.into_values().next().ok_or(PreviewError::Gone)?;
        Ok(Some((account, link, parent, sights)))
    }
}

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

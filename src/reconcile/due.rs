//! What is known of a group of products before anybody looks, and the first look at all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::edits::Wanted;
use super::halt::Stop;
use super::looks::{self, Listed};
use super::sight::Sights;
use super::{Corridor, Visit};
use crate::catalog::Tree;
use crate::clock::before;
use crate::connections::Account;
use crate::ids::{ConnectionId, ProductId};
use crate::ledger::Entry;
use crate::ledger::origin::Notice;
use crate::platforms::CallError;
use crate::store::connections::Row;
use crate::store::decisions::{self, Decision};
use crate::store::dirty::Claim;
use crate::store::edits::Edit;
use crate::store::links::{self, Link, Parent};
use crate::store::matching::{self, Listing};
use crate::store::wishes::{self, Wish};
use crate::store::{self, StoreError, brakes, categories, connections, cursors, inbox, ledger, reviews};

/// What is written down about the products of a group.
pub(super) struct Known {
    pub(super) connection: Row,
    /// The tree of categories, as it was brought in step last.
    pub(super) tree: Tree,
    links: BTreeMap<ProductId, Link>,
    parents: BTreeMap<ProductId, Parent>,
    listed: BTreeMap<ProductId, Listed>,
    listing: Listing,
    braked: BTreeSet<ProductId>,
    reviews: BTreeMap<ProductId, Option<reviews::Choice>>,
    wishes: BTreeMap<ProductId, Wish>,
    edits: BTreeMap<ProductId, Vec<Edit>>,
    withdrawn: BTreeSet<ProductId>,
    decisions: BTreeMap<ProductId, Decision>,
    intents: BTreeMap<ProductId, Vec<Entry>>,
    notices: BTreeMap<ProductId, Vec<Notice>>,
    log_cursor: Option<i64>,
}

/// A visit that is about to begin.
pub(super) struct Due<'a> {
    pub(super) visit: Visit<'a>,
    /// Writes whose outcome nobody knows.
    pub(super) intents: Vec<Entry>,
    /// What the common look showed; without it, it is looked at when its turn comes.
    pub(super) sights: Option<Sights>,
    /// It ends before it has begun.
    pub(super) stop: Option<Stop>,
}

impl Corridor {
    /// Reads it, in one transaction; none where the connection is gone.
    pub(super) async fn known(
        &self,
        connection_id: ConnectionId,
        claims: &[Claim],
    ) -> Result<Option<Known>, StoreError> {
        let products: Vec<ProductId> = claims.iter().map(|claim| claim.product_id).collect();
        let mut db = self.store.begin().await?;
        let Some(connection) = connections::get(&mut db, connection_id).await? else { return Ok(None) };
        let mut links = links::load(&mut db, connection_id, &products).await?;
        let parents = links::parents(&mut db, connection_id, &products).await?;
        self.lift_released(&mut db, connection_id, &mut links).await?;
        let braked = brakes::concerned(&mut db, connection_id, &products).await?;
        let oldest = before(self.clock.now(), looks::LOOK_LIFE);
        let listing = matching::listing(&mut db, connection_id, oldest).await?;
        let mut listed = self.listed(&mut db, connection_id, &links).await?;
        let reviews = reviews::of(&mut db, connection_id, &products).await?;
        let wishes = wishes::of(&mut db, connection_id, &products).await?;
        let edits = store::edits::of(&mut db, connection_id, &products).await?;
        let withdrawn = store::edits::withdrawn(&mut db, connection_id, &products).await?;
        let decisions = decisions::of(&mut db, connection_id, &products).await?;
        let mut intents = BTreeMap::<ProductId, Vec<_>>::new();
        for entry in ledger::open(&mut db, connection_id, &products).await? {
            if let Some(product) = entry.product_id {
                intents.entry(product).or_default().push(entry);
            }
        }
        let notices = inbox::open(&mut db, connection_id, &products).await?;
        let cursor = cursors::get(&mut db, connection_id, "r_inventory_log").await?;
        let log_cursor = cursor.and_then(|position| position.get("id")?.as_i64());
        let tree = categories::tree(&mut db, connection_id).await?;
        // What a write that is open has done can only be seen by looking.
        listed.retain(|product, _| !intents.contains_key(product));
        let links = links.into_iter().map(|link| (link.product_id, link)).collect();
        Ok(Some(Known {
            connection,
            tree,
            links,
            parents,
            listed,
            listing,
            braked,
            reviews,
            wishes,
            edits,
            withdrawn,
            decisions,
            intents,
            notices,
            log_cursor,
        }))
    }

    /// Looks at both sides of all of them with one call each. None where nobody could be visited: then everyone is given
    /// back.
    pub(super) async fn first_look<'a>(
        &self,
        account: &'a Account,
        mut known: Known,
        claims: Vec<Claim>,
    ) -> Result<Option<Vec<Due<'a>>>, StoreError> {
        let mut besides: Vec<i64> = known
            .links
            .values()
            .filter(|link| link.e_product_id.is_none())
            .filter_map(|link| known.parents.get(&link.product_id)?.e_product_id)
            .collect();
        besides.sort_unstable();
        besides.dedup();
        let began = self.clock.now();
        let listed = std::mem::take(&mut known.listed);
        let (mut sights, online) =
            match self.look_at_all(account, known.links.values(), listed, &besides).await {
                Ok(seen) => seen,
                // Somebody in the group is refused: each is looked at by itself, so that only that one stops.
                Err((_, CallError::Refused { .. } | CallError::Gone { .. })) => {
                    (BTreeMap::new(), BTreeMap::new())
                }
                Err((side, error)) => {
                    self.all_stop(&claims, side, error).await?;
                    return Ok(None);
                }
            };
        let mut pictures = self.pictures_due(account, known.links.values()).await?;
        let mut due = Vec::new();
        for claim in claims {
            let product = claim.product_id;
            // A link that is gone took its place in the dirty set with it.
            let Some(mut link) = known.links.remove(&product) else { continue };
            let sights = sights.remove(&product);
            let listed = sights.as_ref().and_then(|sights| sights.listed);
            link.r_seen_at = Some(listed.map_or(looks::later_than(began), |(asked_at, _)| asked_at));
            let parent = known.parents.remove(&product);
            let parent_online = parent
                .as_ref()
                .filter(|_| link.e_product_id.is_none())
                .and_then(|parent| online.get(&parent.e_product_id?).cloned());
            let edits = known.edits.remove(&product).unwrap_or_default();
            let visit = Visit {
                account,
                claim,
                known_sku: link.sku.clone(),
                link,
                parent,
                assumed: None,
                notices: known.notices.remove(&product).unwrap_or_default(),
                changed: [false, false],
                log_cursor: listed.map_or(known.log_cursor, |(_, log_id)| log_id),
                log_now: known.log_cursor,
                listed_shop: listed.is_some(),
                listing: known.listing,
                parent_online,
                in_doubt: known.reviews.contains_key(&product),
                choice: known.reviews.remove(&product).flatten(),
                mark: None,
                shop_counts: None,
                in_old_shops: None,
                braked: known.braked.contains(&product),
                wish: known.wishes.remove(&product),
                pictures: pictures.remove(&product).unwrap_or_default(),
                edits: edits.into_iter().map(Wanted::from).collect(),
                withdrawn: known.withdrawn.contains(&product),
                decision: known.decisions.remove(&product),
                gone: None,
                stands_in: None,
                batched: None,
            };
            let intents = known.intents.remove(&product).unwrap_or_default();
            due.push(Due { visit, intents, sights, stop: None });
        }
        Ok(Some(due))
    }
}

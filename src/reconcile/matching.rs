//! Finding the product on E-Series that a product of the shop is: what was found is judged in `decide::matching`.
//!
//! While a run is under way, what it has listed answers for the whole of E-Series, together with what Concord has
//! heard of since. Otherwise, and whenever the store has refused a creation, the store is searched.

use std::collections::BTreeSet;

use super::sight::{InShop, Online};
use super::{Corridor, Stop, Visit};
use crate::catalog::{Facts, Side};
use crate::connections::Account;
use crate::decide::matching::{self as judge, Evidence, Found, Verdict};
use crate::ids::ProductId;
use crate::mapping;
use crate::platforms::CallError;
use crate::platforms::eseries::wire::Product;
use crate::platforms::rseries::wire::Item;
use crate::store::matching::Listing;
use crate::store::reviews::Choice;
use crate::store::{Db, StoreError, links, matching};

/// By how many SKUs of its variants a product is searched for. Variants of one product are in one product, so one
/// that is found tells where the others are.
const SKUS_TRIED: usize = 3;

/// A product that is looked for.
pub(super) struct Sought<'a> {
    pub(super) product_id: ProductId,
    pub(super) marker: String,
    pub(super) name: &'a str,
    /// The SKU of a simple product; may be empty.
    pub(super) sku: String,
    /// SKUs of the variants; none for a simple product.
    pub(super) variants: Option<Vec<String>>,
    /// Products that its own items are by themselves, until it calls them: none of those is it.
    pub(super) own_items: BTreeSet<i64>,
}

impl<'a> Sought<'a> {
    pub(super) fn of(account: &Account, product_id: ProductId, marker: String, shop: &'a InShop) -> Self {
        let sku = |facts: Facts| facts.sku().trim().to_owned();
        let variant = |item: &Item| sku(mapping::rseries::variant_facts(item, &account.context, None));
        let (own, variants) = match shop {
            InShop::Item(item) => (sku(mapping::rseries::facts(item, &account.context)), None),
            InShop::Matrix { .. } => (String::new(), Some(shop.live_items().map(variant).collect())),
        };
        let own_items = BTreeSet::new();
        Self { product_id, marker, name: shop.name(), sku: own, variants, own_items }
    }

    /// Takes note of what its own items are by themselves.
    pub(super) async fn besides_own_items(
        &mut self,
        db: &mut Db,
        account: &Account,
        shop: &InShop,
    ) -> Result<(), StoreError> {
        if let InShop::Matrix { .. } = shop {
            let items: Vec<i64> = shop.live_items().map(|item| item.id).collect();
            let alone = links::alone(db, account.connection_id, self.product_id, &items).await?;
            self.own_items = alone.into_iter().map(|alone| alone.e_product_id).collect();
        }
        Ok(())
    }
}

/// What a run has listed says of it, together with what Concord has heard of.
pub(super) async fn among_listed(
    db: &mut Db,
    account: &Account,
    sought: &Sought<'_>,
) -> Result<Verdict, StoreError> {
    let connection = account.connection_id;
    if let Some(product) = matching::by_marker(db, connection, &sought.marker).await? {
        return Ok(Verdict::It(product, Evidence::Marker));
    }
    if let Some(variants) = &sought.variants {
        let skus = telling(db, account, variants).await?;
        let wanted: Vec<String> = skus.iter().cloned().collect();
        let mut found = matching::by_skus(db, connection, &wanted, true).await?;
        found.retain(|found| !sought.own_items.contains(&found.e_product_id));
        return Ok(judge::with_variants(&skus, &found));
    }
    if sought.sku.is_empty() {
        let found = matching::by_name(db, connection, sought.name).await?;
        return Ok(judge::without_sku(sought.name, &found));
    }
    let found = matching::by_skus(db, connection, std::slice::from_ref(&sought.sku), true).await?;
    judge_simple(db, account, sought, &found).await
}

async fn judge_simple(
    db: &mut Db,
    account: &Account,
    sought: &Sought<'_>,
    found: &[Found],
) -> Result<Verdict, StoreError> {
    let (connection, own) = (account.connection_id, sought.product_id);
    let twins = links::others_with_sku(db, connection, &sought.sku, own).await?;
    let case_twins = matching::case_twins(db, connection, &sought.sku, own).await?;
    Ok(judge::simple(&sought.sku, twins, case_twins, found))
}

/// Those of the SKUs that tell variants apart: there, and of one item alone.
async fn telling(
    db: &mut Db,
    account: &Account,
    variants: &[String],
) -> Result<BTreeSet<String>, StoreError> {
    let shared = links::shared_skus(db, account.connection_id, variants).await?;
    let skus = variants.iter().filter(|sku| !sku.is_empty() && !shared.contains(*sku));
    Ok(skus.cloned().collect())
}

impl Corridor {
    /// The product on E-Series that this one is, read by its id, and why. What is not certain is not guessed.
    pub(super) async fn find_match(
        &self,
        visit: &Visit<'_>,
        shop: &InShop,
    ) -> Result<Option<(Product, Evidence)>, Stop> {
        let account = visit.account;
        if visit.listing == Listing::UnderWay {
            // A search shows neither what differs in case nor what came a moment ago.
            let why = "the first run is still listing what E-Series has".into();
            return Err(Stop::Later { until: self.in_seconds(5), why, failed: false });
        }
        let mut sought = Sought::of(account, visit.link.product_id, visit.marker(), shop);
        let mut db = self.store.begin().await?;
        sought.besides_own_items(&mut db, account, shop).await?;
        drop(db);
        // What has just been found gone may be among what was listed before.
        if visit.listing == Listing::Done && visit.claim.attempts == 0 && visit.gone.is_none() {
            let mut db = self.store.begin().await?;
            let verdict = among_listed(&mut db, account, &sought).await?;
            drop(db);
            match verdict {
                Verdict::Nobody => return Ok(None),
                // Perhaps no longer: what is put before a person is asked anew.
                Verdict::Doubt(_) => {}
                Verdict::It(product, evidence) => match account.e.product(product).await {
                    Ok(product) if still(&product, &evidence, &sought) => {
                        return Ok(Some((product, evidence)));
                    }
                    // It has changed since.
                    Ok(_) | Err(CallError::Gone { .. }) => {}
                    Err(error) => return Err(self.stop(Side::ESeries, error)),
                },
            }
        }
        self.search(visit, &sought).await
    }

    async fn search(
        &self,
        visit: &Visit<'_>,
        sought: &Sought<'_>,
    ) -> Result<Option<(Product, Evidence)>, Stop> {
        let (account, e) = (visit.account, &visit.account.e);
        let connection = account.connection_id;
        let call = |error| self.stop(Side::ESeries, error);
        let by_marker = sought.variants.is_some() || sought.sku.is_empty();
        if by_marker
            && let Some(product) = e.product_by_marker(&sought.marker).await.map_err(call)?
            && Some(product.id) != visit.gone
        {
            return self.by_id(visit, product.id, Evidence::Marker).await;
        }
        let mut db = self.store.begin().await?;
        let (skus, tried) = match &sought.variants {
            Some(variants) => {
                let skus = telling(&mut db, account, variants).await?;
                // In the order of the items, whatever order the texts have.
                let tried: Vec<String> =
                    variants.iter().filter(|sku| skus.contains(*sku)).take(SKUS_TRIED).cloned().collect();
                (skus, tried)
            }
            None => (BTreeSet::from([sought.sku.clone()]), vec![sought.sku.clone()]),
        };
        let wanted: Vec<String> = skus.iter().cloned().collect();
        // Of variations only the lists tell, until their product is in step.
        let listed = visit.listing == Listing::Done;
        let known = matching::by_skus(&mut db, connection, &wanted, listed).await?;
        let twins = match sought.variants {
            Some(_) => 0,
            None => links::others_with_sku(&mut db, connection, &sought.sku, sought.product_id).await?,
        };
        let mut by_name = matching::by_name(&mut db, connection, sought.name).await?;
        drop(db);
        let is_there = |found: &Found| {
            Some(found.e_product_id) != visit.gone && !sought.own_items.contains(&found.e_product_id)
        };
        by_name.retain(is_there);
        // What Concord has heard of may show another SKU by now: what is the same to the letter, the store tells. It
        // is not searched for a SKU that several items share: that is for a person to decide whatever it has.
        let heard = |known: &Found| (twins > 0 || !skus.contains(known.sku.trim())) && is_there(known);
        let mut found: Vec<Found> = known.into_iter().filter(heard).collect();
        for sku in tried.iter().filter(|sku| !sku.is_empty() && twins == 0) {
            for product in e.products_with_sku(sku).await.map_err(call)? {
                found.extend(carriers(&product, &skus).into_iter().filter(is_there));
            }
        }
        let mut verdict = self.judged(account, sought, (&skus, &found), &by_name).await?;
        if matches!(verdict, Verdict::Doubt(_)) && !found.is_empty() {
            // A person is asked about what is there, not about what a search shows that lags behind.
            let there = self.still_there(account, found).await?;
            verdict = self.judged(account, sought, (&skus, &there), &by_name).await?;
        }
        match verdict {
            Verdict::Nobody => Ok(None),
            Verdict::Doubt(doubt) => Err(Stop::Review(Box::new(doubt))),
            // A search may be seconds old; what is merged is looked at by id, and may have let go of its SKU since.
            Verdict::It(product, evidence) => {
                let found = self.by_id(visit, product, evidence).await?;
                Ok(found.filter(|(product, evidence)| still(product, evidence, sought)))
            }
        }
    }

    async fn judged(
        &self,
        account: &Account,
        sought: &Sought<'_>,
        (skus, found): (&BTreeSet<String>, &[Found]),
        by_name: &[Found],
    ) -> Result<Verdict, Stop> {
        let mut db = self.store.begin().await?;
        Ok(match &sought.variants {
            Some(_) => judge::with_variants(skus, found),
            None if sought.sku.is_empty() => judge::without_sku(sought.name, by_name),
            None => judge_simple(&mut db, account, sought, found).await?,
        })
    }

    /// Those of them that show their SKU still: a look by id does not lag (e-series-api.md, section 3).
    async fn still_there(&self, account: &Account, found: Vec<Found>) -> Result<Vec<Found>, Stop> {
        let ids: BTreeSet<i64> = found.iter().map(|found| found.e_product_id).collect();
        let mut there = Vec::new();
        for id in ids {
            let product = match account.e.product(id).await {
                Ok(product) => product,
                Err(CallError::Gone { .. }) => continue,
                Err(error) => return Err(self.stop(Side::ESeries, error)),
            };
            there.extend(found.iter().filter(|found| found.e_product_id == id).filter_map(|found| {
                let shown = match found.e_combination_id {
                    None => Some(product.sku.as_str()),
                    Some(id) => product.variation(id).and_then(|variation| variation.sku.as_deref()),
                };
                (shown?.trim() == found.sku.trim()).then(|| found.clone())
            }));
        }
        Ok(there)
    }

    async fn by_id(
        &self,
        visit: &Visit<'_>,
        product: i64,
        evidence: Evidence,
    ) -> Result<Option<(Product, Evidence)>, Stop> {
        match visit.account.e.product(product).await {
            Ok(product) => Ok(Some((product, evidence))),
            // One that was online before may find itself: the search lags behind its removal.
            Err(CallError::Gone { .. }) if visit.link.shadow.r_series.iter().next().is_some() => Ok(None),
            Err(CallError::Gone { .. }) => Err(Stop::Again("one side vanished before they were tied")),
            Err(error) => Err(self.stop(Side::ESeries, error)),
        }
    }

    /// Does what a person has said of a product whose match was in doubt.
    pub(super) async fn as_chosen(
        &self,
        visit: &mut Visit<'_>,
        shop: &InShop,
        facts: &Facts,
        choice: Choice,
    ) -> Result<(), Stop> {
        match choice {
            Choice::Link(product) => match visit.account.e.product(product).await {
                Ok(product) => {
                    self.meet(visit, shop, Online::whole(product), true, &Evidence::Operator).await
                }
                Err(CallError::Gone { .. }) => Err(Stop::Park {
                    code: "choice_gone",
                    reason: format!(
                        "The product {product} that was chosen is not on E-Series any more. Choose again."
                    ),
                }),
                Err(error) => Err(self.stop(Side::ESeries, error)),
            },
            Choice::Create => {
                // What has its SKU stays what it is, so the system SKU stands in until the item has one of its own.
                let system_sku = shop.item().map(|item| item.system_sku.clone());
                let taken = match facts.sku().trim() {
                    "" => false,
                    sku => {
                        let found = visit.account.e.products_with_sku(sku).await;
                        !found.map_err(|error| self.stop(Side::ESeries, error))?.is_empty()
                            || self.has_twins(visit, facts).await?
                    }
                };
                self.create(visit, shop, facts, system_sku.as_deref().filter(|_| taken)).await
            }
        }
    }

    /// What only E-Series has may be in step already, under another record: the shop's item came to the web while nobody
    /// could know of it. A person is asked which of them is too many.
    pub(super) async fn ask_if_twice(&self, visit: &Visit<'_>, product: &Product) -> Result<(), Stop> {
        if visit.choice.is_some() {
            return Ok(());
        }
        let of_variations = product.variations.iter().filter_map(|variation| variation.sku.clone());
        let skus: Vec<String> = std::iter::once(product.sku.clone()).chain(of_variations).collect();
        let it = (visit.link.product_id, product.id);
        let mut db = self.store.begin().await?;
        let found =
            matching::in_step_like(&mut db, visit.link.connection_id, it, &product.name, &skus).await?;
        match judge::online(&product.name, &skus, &found) {
            Some(doubt) => Err(Stop::Review(Box::new(doubt))),
            None => Ok(()),
        }
    }

    async fn has_twins(&self, visit: &Visit<'_>, facts: &Facts) -> Result<bool, Stop> {
        let mut db = self.store.begin().await?;
        let (connection, own) = (visit.link.connection_id, visit.link.product_id);
        Ok(links::others_with_sku(&mut db, connection, facts.sku(), own).await? > 0)
    }
}

/// Does the product still show that for which it was taken?
fn still(product: &Product, evidence: &Evidence, sought: &Sought<'_>) -> bool {
    match evidence {
        Evidence::Sku { sku } => product.sku.trim() == sku,
        Evidence::Marker => product.external_reference_id.as_deref() == Some(&sought.marker),
        Evidence::VariantSkus { skus, .. } => {
            let shown = || product.variations.iter().filter_map(|variation| variation.sku.as_deref());
            skus.iter().any(|sku| shown().any(|shown| shown.trim() == sku))
        }
        Evidence::OptionValues | Evidence::Operator => true,
    }
}

/// What of a product has one of these SKUs.
fn carriers(product: &Product, skus: &BTreeSet<String>) -> Vec<Found> {
    let found = |e_combination_id, sku: &str| Found {
        e_product_id: product.id,
        e_combination_id,
        sku: sku.to_owned(),
        name: product.name.clone(),
        tied_to: None,
    };
    let own = Some((None, product.sku.as_str()));
    let variations = product
        .variations
        .iter()
        .filter_map(|variation| Some((Some(variation.id), variation.sku.as_deref()?)));
    let carries = |(_, sku): &(Option<i64>, &str)| skus.contains(sku.trim());
    own.into_iter().chain(variations).filter(carries).map(|(id, sku)| found(id, sku)).collect()
}

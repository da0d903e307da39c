//! What a run over the whole catalogue would do, product by product, and at what cost: judged by the very rules by
//! which visits act, from what the pages of a preview have listed. What is tied is read once more by its id, because
//! lists of E-Series lag behind its records. Writes nothing but the report.

mod pictures;
mod report;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;
use tracing::{info, warn};

pub use self::report::{Forecast, ForecastChange, seconds_for};

use self::report::Counts;
use super::Corridor;
use super::looks::{Listed, assemble};
use super::matching::{Sought, among_listed};
use super::planning::plan_for;
use super::sight::{InShop, Online, Reading};
use crate::catalog::{Field, PLAN_FEATURE, PLAN_LIMIT, Side, Use};
use crate::clock::{Instant, after};
use crate::connections::Account;
use crate::decide::matching::{Evidence, Verdict};
use crate::decide::report as words;
use crate::ids::{ConnectionId, ProductId};
use crate::mapping::{self, OptionNames};
use crate::platforms::CallError;
use crate::platforms::eseries::wire::{Product, Variation};
use crate::platforms::rseries::wire::Item;
use crate::store::links::{self, Link, Parent, Standing};
use crate::store::looks::{self, Root};
use crate::store::reviews::{self, Choice};
use crate::store::sync_items::{self, Row};
use crate::store::syncs::{self, Phase, Sync};
use crate::store::{Db, StoreError, categories, connections, room};

/// How many products are judged a step.
const PAGE: i64 = 100;

/// What is known of the products of one page.
struct Page {
    links: BTreeMap<ProductId, Link>,
    listed: BTreeMap<ProductId, Listed>,
    /// Products of E-Series that are tied to these, by their ids.
    online: BTreeMap<i64, Product>,
    choices: BTreeMap<ProductId, Option<Choice>>,
}

impl Corridor {
    /// One step of a preview that has listed both sides. False when somebody else was first.
    pub async fn forecast(&self, mut sync: Sync) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        let row = connections::get(&mut db, sync.connection_id).await?;
        if !syncs::take(&mut db, &sync, after(now, Duration::from_secs(30))).await? {
            return Ok(false);
        }
        let tree = categories::tree(&mut db, sync.connection_id).await?;
        db.commit().await?;
        let Some(row) = row else { return Ok(true) };
        let Ok(account) = self.accounts.open(&row).await else { return Ok(true) };
        let account = Account { tree, ..account };
        let online = match self.tied(&account, &sync).await? {
            Ok(online) => online,
            Err(error) => {
                warn!(sync = %sync.sync_id, %error, "the preview waits");
                sync.due_at = match error {
                    CallError::Later { until, .. } => until,
                    _ => after(now, Duration::from_secs(30)),
                };
                let mut db = self.store.begin().await?;
                if syncs::save(&mut db, &sync).await? {
                    db.commit().await?;
                }
                return Ok(true);
            }
        };
        let mut counts: Counts = serde_json::from_value(sync.counts.clone()).unwrap_or_default();
        let mut db = self.store.begin().await?;
        sync.due_at = now;
        if sync.phase == Phase::CompareOnline {
            self.forecast_online(&mut db, &account, &mut sync, &mut counts, now).await?;
        } else {
            self.forecast_shop(&mut db, &account, &mut sync, &mut counts, online).await?;
        }
        sync.counts = serde_json::to_value(&counts).unwrap_or_default();
        if syncs::save(&mut db, &sync).await? {
            db.commit().await?;
        }
        Ok(true)
    }

    /// What E-Series shows now of the products that the next page is tied to.
    async fn tied(
        &self,
        account: &Account,
        sync: &Sync,
    ) -> Result<Result<BTreeMap<i64, Product>, CallError>, StoreError> {
        if sync.phase != Phase::Compare {
            return Ok(Ok(BTreeMap::new()));
        }
        let behind = sync.cursor.as_deref().and_then(Root::parse);
        let mut db = self.store.begin().await?;
        let roots = looks::roots(&mut db, sync.connection_id, behind, PAGE).await?;
        let products: Vec<ProductId> = roots.iter().map(|root| root.product_id).collect();
        let links = links::load(&mut db, sync.connection_id, &products).await?;
        drop(db);
        let ids: Vec<i64> = links.iter().filter_map(|link| link.e_product_id).collect();
        let online = account.e.products_by_id(&ids).await;
        Ok(online.map(|online| online.into_iter().map(|product| (product.id, product)).collect()))
    }

    /// What the shop has, in the order of the visits: so the plan's room goes to those who would get it.
    async fn forecast_shop(
        &self,
        db: &mut Db,
        account: &Account,
        sync: &mut Sync,
        counts: &mut Counts,
        online: BTreeMap<i64, Product>,
    ) -> Result<(), StoreError> {
        let connection = sync.connection_id;
        if counts.pieces.is_none() {
            counts.take(room::used(&mut *db, connection, None, false).await?);
        }
        let behind = sync.cursor.as_deref().and_then(Root::parse);
        let roots = looks::roots(&mut *db, connection, behind, PAGE).await?;
        let Some(last) = roots.last() else {
            (sync.phase, sync.cursor) = (Phase::CompareOnline, None);
            return Ok(());
        };
        sync.cursor = Some(last.to_cursor());
        let products: Vec<ProductId> = roots.iter().map(|root| root.product_id).collect();
        let links = links::load(&mut *db, connection, &products).await?;
        let kept = looks::of_shop(&mut *db, connection, &products, Instant::UNIX_EPOCH).await?;
        let page = Page {
            listed: assemble(&links, kept, false),
            links: links.into_iter().map(|link| (link.product_id, link)).collect(),
            online,
            choices: reviews::of(&mut *db, connection, &products).await?,
        };
        let pictures = pictures::to_upload(&mut *db, account, &page).await?;
        let mut rows = Vec::new();
        for product in products {
            if let Some(forecast) = judge(db, account, &page, product, counts).await? {
                let forecast = forecast.with_pictures(pictures.get(&product).copied().unwrap_or_default());
                counts.count(&forecast);
                rows.push(row(&forecast)?);
            }
        }
        sync_items::put(db, (connection, sync.sync_id), &rows).await
    }

    /// What only E-Series has, and the sum of it all.
    async fn forecast_online(
        &self,
        db: &mut Db,
        account: &Account,
        sync: &mut Sync,
        counts: &mut Counts,
        now: Instant,
    ) -> Result<(), StoreError> {
        let run = (sync.connection_id, sync.sync_id);
        let behind = sync.cursor.as_deref().and_then(|cursor| cursor.parse().ok());
        let found = sync_items::only_online(&mut *db, run, behind, PAGE).await?;
        let mut rows = Vec::new();
        for (product_id, e_product_id, name, sku) in found {
            sync.cursor = Some(product_id.to_string());
            let e_product_id = Some(e_product_id);
            let forecast = Forecast { e_product_id, ..Forecast::new(product_id, "only_online", &name, &sku) };
            counts.count(&forecast);
            rows.push(row(&forecast)?);
        }
        sync_items::put(&mut *db, run, &rows).await?;
        if !rows.is_empty() {
            return Ok(());
        }
        // A run lists both sides first.
        let (items, matrices, products) = looks::count(&mut *db, sync.connection_id).await?;
        let pages = |records: i64| report::float(records / 100 + 1);
        counts.e_calls += pages(products);
        counts.r_drips += 1.8 * pages(items) + 1.2 * pages(matrices);
        if account.rules.way(Field::Category).carries_from(Side::RSeries) {
            counts.book_categories(categories::counts(&mut *db, sync.connection_id).await?.waiting);
        }
        counts.seconds = seconds_for(counts.e_calls, counts.r_drips);
        syncs::end(&mut *db, sync, "done", now).await?;
        info!(sync = %sync.sync_id, actions = ?counts.actions, "the preview is done");
        looks::forget(db, sync.connection_id).await
    }
}

fn row(forecast: &Forecast) -> Result<Row, StoreError> {
    let item = serde_json::to_value(forecast)
        .map_err(|error| StoreError::Unreadable(format!("sync_items.item: {error}")))?;
    let action = forecast.action.clone();
    Ok(Row { product_id: forecast.product_id, action, e_product_id: forecast.e_product_id, item })
}

/// What would be done about one product of the shop; none when nothing is to be said of it.
async fn judge(
    db: &mut Db,
    account: &Account,
    page: &Page,
    product: ProductId,
    counts: &mut Counts,
) -> Result<Option<Forecast>, StoreError> {
    let Some(link) = page.links.get(&product) else { return Ok(None) };
    let mut forecast = Forecast::new(product, "in_step", &link.name, &link.sku);
    (forecast.r_item_id, forecast.r_matrix_id) = (link.r_item_id, link.r_matrix_id);
    forecast.e_product_id = link.e_product_id;
    let Some(Listed { shop, .. }) = page.listed.get(&product) else {
        return Ok(Some(forecast.left_out("unreadable", "What R-Series shows of it cannot be read.")));
    };
    shop.name().clone_into(&mut forecast.name);
    if link.r_matrix_id.is_some() {
        forecast.variants = i64::try_from(shop.live_items().count()).unwrap_or(i64::MAX);
    }
    if link.parent_id.is_some() {
        forecast.action = "change".into();
        forecast.reason = Some("The item belongs to no matrix any more.".into());
        return Ok(Some(forecast));
    }
    if let Some(id) = link.e_product_id {
        let Some(online) = page.online.get(&id).cloned().map(Online::whole) else {
            let reason = "E-Series does not show its product. A run asks for it by itself.";
            return Ok(Some(forecast.left_out("not_listed", reason)));
        };
        if shop.archived() {
            return Ok(Some(archived(account, forecast)));
        }
        if link.r_matrix_id.is_none() && online.has_variations() {
            return Ok(Some(forecast.with_variations(id)));
        }
        forecast.changes = pair(db, account, link, shop, &online).await?;
        if forecast.written() {
            forecast.action = "change".into();
        }
        return Ok(Some(forecast));
    }
    let nothing_to_sell = shop.archived() || shop.live_items().next().is_none();
    if nothing_to_sell {
        return Ok(None);
    }
    let marker = match (link.r_matrix_id, link.r_item_id) {
        (Some(matrix), _) => mapping::eseries::matrix_marker(matrix),
        (None, item) => mapping::eseries::marker(item.unwrap_or_default()),
    };
    let mut sought = Sought::of(account, product, marker, shop);
    sought.besides_own_items(&mut *db, account, shop).await?;
    let verdict = match page.choices.get(&product).cloned().flatten() {
        Some(Choice::Link(product)) => Verdict::It(product, Evidence::Operator),
        Some(Choice::Create) => Verdict::Nobody,
        None => among_listed(&mut *db, account, &sought).await?,
    };
    match verdict {
        Verdict::Doubt(doubt) => {
            (forecast.action, forecast.code) = ("review".into(), Some(doubt.code.to_owned()));
            (forecast.reason, forecast.candidates) = (Some(doubt.reason), doubt.candidates);
            Ok(Some(forecast))
        }
        Verdict::It(id, evidence) => {
            let Some(online) = online(db, account.connection_id, id).await? else {
                let reason = "The product that it seems to be is not on E-Series any more.";
                return Ok(Some(forecast.left_out("not_listed", reason)));
            };
            forecast.e_product_id = Some(id);
            if link.r_matrix_id.is_none() && online.has_variations() {
                return Ok(Some(forecast.with_variations(id)));
            }
            (forecast.action, forecast.evidence) = ("link".into(), Some(evidence.words()));
            forecast.changes = pair(db, account, link, shop, &online).await?;
            Ok(Some(forecast))
        }
        Verdict::Nobody => Ok(Some(creation(account, shop, forecast, counts))),
    }
}

async fn online(db: &mut Db, connection: ConnectionId, id: i64) -> Result<Option<Online>, StoreError> {
    let records = looks::of_web(db, connection, &[id]).await?;
    let product = records
        .first()
        .and_then(|record| serde_json::from_str::<Json>(record).ok())
        .and_then(|record| Product::read(&record).ok());
    Ok(product.map(Online::whole))
}

fn archived(account: &Account, mut forecast: Forecast) -> Forecast {
    if account.rules.way(Field::Enabled).carries_from(Side::RSeries) {
        forecast.action = "remove".into();
        forecast.changes.push(ForecastChange {
            variant_sku: None,
            action: "remove".into(),
            side: Some(Side::ESeries),
            field: None,
            before: None,
            after: None,
            words: "Remove it from E-Series, because it is archived in the shop.".into(),
        });
    }
    forecast
}

fn creation(account: &Account, shop: &InShop, forecast: Forecast, counts: &mut Counts) -> Forecast {
    let name = crate::catalog::Value::Text(shop.name().to_owned());
    if let Some(hold) = mapping::eseries::refuses(None, Field::Name, &name) {
        return forecast.left_out("name_empty", hold.reason);
    }
    let variants = matches!(shop, InShop::Matrix { .. });
    if let Some(reason) = account.limits.lacks_variations().filter(|_| variants) {
        return forecast.left_out(PLAN_FEATURE, reason);
    }
    let need = Use { pieces: forecast.variants.max(1), products: 1 };
    if let Some(reason) = account.limits.lacks_room(counts.used(), need) {
        return forecast.left_out(PLAN_LIMIT, reason);
    }
    counts.take(need);
    Forecast { action: "create".into(), ..forecast }
}

/// What the options of a matrix would be called on both sides, where nothing is tied yet.
fn assumed_names(shop: &InShop) -> Option<OptionNames> {
    let InShop::Matrix { matrix, .. } = shop else { return None };
    let names: Vec<String> = matrix.set.as_ref()?.used().map(str::to_owned).collect();
    Some(OptionNames::alike(&names))
}

/// What would be written to make two records the same, those of the variants included.
async fn pair(
    db: &mut Db,
    account: &Account,
    link: &Link,
    shop: &InShop,
    online: &Online,
) -> Result<Vec<ForecastChange>, StoreError> {
    let assumed = assumed_names(shop);
    let read = |link: &Link, parent: Option<&Parent>| {
        let mut reading = Reading::of(account, link, parent);
        if reading.names.is_none() {
            reading.names.clone_from(&assumed);
        }
        reading
    };
    let plan = plan_for(account, link, &read(link, None), shop, online).0;
    let mut changes = lines(&plan, None);
    let InShop::Matrix { items, .. } = shop else { return Ok(changes) };
    let children = links::of_parent(&mut *db, link.connection_id, link.product_id).await?;
    let parent = Parent {
        product_id: link.product_id,
        r_matrix_id: link.r_matrix_id,
        e_product_id: Some(online.product.id),
        shadow: link.shadow.clone(),
    };
    let skus: Vec<String> = children.iter().map(|child| child.sku.clone()).collect();
    let shared = links::shared_skus(db, link.connection_id, &skus).await?;
    for item in items {
        let Some(child) = children.iter().find(|child| child.r_item_id == Some(item.id)) else { continue };
        let reading = read(child, Some(&parent));
        let facts = mapping::rseries::variant_facts(item, &account.context, reading.names.as_ref());
        let tell = |sku: &str| !sku.is_empty() && !shared.contains(sku);
        let variation = variation(online, child, item, facts.sku().trim(), tell, &reading);
        let own = |action: &str, words: String| ForecastChange {
            variant_sku: Some(facts.sku().to_owned()),
            action: action.to_owned(),
            side: Some(Side::ESeries),
            field: None,
            before: None,
            after: None,
            words,
        };
        match variation {
            Some(_) if item.archived => {
                changes.push(own("remove", "Remove the variation, because its item is archived.".into()));
            }
            Some(variation) => {
                let shown = Online { product: online.product.clone(), variation: Some(variation.clone()) };
                let shop = InShop::Item(Box::new(item.clone()));
                let plan = plan_for(account, child, &reading, &shop, &shown).0;
                changes.extend(lines(&plan, Some(facts.sku())));
            }
            None if item.archived || child.standing == Standing::GoneOnline => {}
            None => changes.push(own("create", format!("Create the variation {}.", facts.sku()))),
        }
    }
    Ok(changes)
}

/// The variation that an item is: as tied, by our marker, by its SKU, by its option values.
fn variation<'a>(
    online: &'a Online,
    child: &Link,
    item: &Item,
    sku: &str,
    tells: impl Fn(&str) -> bool,
    reading: &Reading<'_>,
) -> Option<&'a Variation> {
    let product = &online.product;
    if let Some(id) = child.e_combination_id {
        return product.variation(id);
    }
    let marker = mapping::eseries::variation_marker(item.id);
    let all = || product.variations.iter();
    let facts = mapping::rseries::variant_facts(item, reading.context, reading.names.as_ref());
    let values = facts.list(Field::OptionValues);
    all()
        .find(|variation| variation.external_reference_id.as_deref() == Some(&marker))
        .or_else(|| all().find(|it| tells(sku) && it.sku.as_deref().map(str::trim) == Some(sku)))
        .or_else(|| {
            all().find(|it| {
                let shown = mapping::eseries::variation_facts(product, it, reading.names.as_ref());
                values.is_some() && shown.list(Field::OptionValues) == values
            })
        })
}

fn lines(plan: &crate::decide::Plan, variant_sku: Option<&str>) -> Vec<ForecastChange> {
    let lines = words::report(plan).into_iter().filter(|line| line.action != "absorb");
    let change = |line: words::Line| ForecastChange {
        variant_sku: variant_sku.map(str::to_owned),
        action: line.action.to_owned(),
        side: line.side,
        field: line.field,
        before: line.before,
        after: line.after,
        words: line.words,
    };
    lines.map(change).collect()
}

//! Born on E-Series: what R-Series does not have is created there, where the merchant wants it. Never blind: it is
//! looked for before, by its SKU, and after an answer that was lost, among everything created since.
//!
//! A product with variations becomes a matrix first; each variation makes its own item, in a visit of its own.

mod lookup;

use tracing::info;

use super::carry::{allow, remember, written};
use super::sight::{Online, Reading, Sight};
use super::variants::OPTIONS_DIFFER;
use super::{Corridor, SEND_WITHIN, SETTLE, Stop, Visit};
use crate::act;
use crate::catalog::{Facts, Field, Side};
use crate::clock::after;
use crate::connections::BornOnline;
use crate::decide::plan::{born, plan_birth};
use crate::decide::{Plan, Shadow};
use crate::ledger::{CreationOnR, Detail, Entry, Kind, Outcome};
use crate::mapping::born::{self as shapes, Home, Shape};
use crate::mapping::{self, Context, OptionNames, SkuSource};
use crate::platforms::CallError;
use crate::platforms::eseries::wire::{Product, Variation};
use crate::platforms::rseries::wire::{Item, ItemCreate, Matrix};
use crate::store::decisions::Choice;
use crate::store::links::Standing;
use crate::store::{self, dirty, links};

/// Why something stays on E-Series alone that was to be created on R-Series.
const ONLINE_ONLY: &str = "online_only";

/// What a run would create of this by itself, and why it would not.
pub(super) fn plan_of(online: &Online, reading: &Reading<'_>) -> Plan {
    let held = match &online.variation {
        None => shapes::shape(&online.product).err(),
        Some(variation) => shapes::lacks(variation),
    };
    match held {
        Some(hold) => Plan { holds: vec![(Field::Options, hold)], ..Plan::default() },
        None => plan_birth(&online.facts(reading)),
    }
}

impl Corridor {
    /// A product, or a variation, that only E-Series has.
    pub(super) async fn only_online(&self, visit: &mut Visit<'_>, online: &Online) -> Result<(), Stop> {
        let facts = online.facts(&visit.reading());
        remember(visit, &online.product.name, &facts);
        visit.link.enabled = online.product.enabled;
        visit.link.standing = Standing::OnlyOnline;
        if online.variation.is_none() && !visit.decides(Choice::CreateOnRSeries) {
            self.ask_if_twice(visit, &online.product).await?;
        }
        let wanted = visit.decides(Choice::CreateOnRSeries) || visit.account.born_online == BornOnline::Auto;
        match &online.variation {
            None if wanted => self.product_born(visit).await,
            Some(variation) if wanted || self.comes_with_its_product(visit, variation).await? => {
                self.variation_born(visit).await
            }
            _ => {
                self.settle(visit, false).await?;
                self.judge_again(visit, online).await
            }
        }
    }

    /// Something about a product of E-Series has changed: perhaps what made it doubtful which product of the shop it is.
    async fn judge_again(&self, visit: &Visit<'_>, online: &Online) -> Result<(), Stop> {
        if !visit.claim.noticed && !visit.claim.swept {
            return Ok(());
        }
        let (connection, now) = (visit.link.connection_id, self.clock.now());
        let mut db = self.store.begin().await?;
        let in_doubt = store::reviews::about(&mut db, connection, online.product.id).await?;
        dirty::mark(&mut db, connection, &in_doubt, dirty::Asker::Other, now, now).await?;
        db.commit().await?;
        Ok(())
    }

    /// Was the product of this variation created on R-Series, and this variation among those it had then?
    async fn comes_with_its_product(&self, visit: &Visit<'_>, variation: &Variation) -> Result<bool, Stop> {
        let Some(parent) = &visit.parent else { return Ok(false) };
        let mut db = self.store.begin().await?;
        let birth = store::ledger::birth(&mut db, visit.link.connection_id, parent.product_id).await?;
        let Some(Detail::CreationOnR(birth)) = birth.and_then(|entry| entry.recovery()) else {
            return Ok(false);
        };
        Ok(birth.variations.contains(&variation.id))
    }

    async fn product_born(&self, visit: &mut Visit<'_>) -> Result<(), Stop> {
        // What was seen may be some calls old, and a creation is sure of it.
        let Some(Online { product, .. }) = self.look_online(visit.account, &visit.link).await? else {
            return Err(Stop::Again("it vanished before it was created in the shop"));
        };
        let marked = product.external_reference_id.as_deref().and_then(mapping::eseries::marked);
        if let Some(marked) = marked
            && self.calls_for_marked(visit, marked).await?
        {
            return self.settle(visit, false).await;
        }
        match shapes::shape(&product) {
            Err(hold) => Err(Stop::Park { code: ONLINE_ONLY, reason: hold.reason }),
            Ok(Shape::Item) => self.item_born(visit, &product).await,
            Ok(Shape::Matrix(options)) => self.matrix_born(visit, &product, &options).await,
        }
    }

    /// A simple product becomes an item.
    async fn item_born(&self, visit: &mut Visit<'_>, product: &Product) -> Result<(), Stop> {
        let facts = mapping::eseries::facts(product);
        if self.calls_for_twin(visit, facts.sku(), 0).await? {
            return self.settle(visit, false).await;
        }
        let context = &visit.account.context;
        let create = shapes::item(&facts, context);
        let item = self.make_item(visit, &facts, &create).await?;
        let found = mapping::rseries::facts(&item.1, context);
        let shadow = told_apart(born(&facts, &facts, &found, true), context);
        self.landed_on_r(visit, &item.0, (Some(item.1.id), None), shadow).await?;
        self.carry_what_came_since(visit).await
    }

    /// A variation becomes an item of the matrix of its product.
    async fn variation_born(&self, visit: &mut Visit<'_>) -> Result<(), Stop> {
        let Some(matrix_id) = visit.parent.as_ref().and_then(|parent| parent.r_matrix_id) else {
            // With its product, or not at all.
            return self.settle(visit, false).await;
        };
        let Some(online) = self.look_online(visit.account, &visit.link).await? else {
            return Err(Stop::Again("it vanished before it was created in the shop"));
        };
        if let Some(hold) = online.variation.as_ref().and_then(shapes::lacks) {
            return Err(Stop::Park { code: ONLINE_ONLY, reason: hold.reason });
        }
        let names = visit.reading().names;
        let facts = online.facts(&visit.reading());
        let (Some(names), Some(values)) = (names, facts.list(Field::OptionValues)) else {
            return Err(Stop::Park {
                code: OPTIONS_DIFFER,
                reason:
                    "The options of the variation are called otherwise than the attributes of its matrix on \
                         R-Series. Give them the same names on both sides."
                        .into(),
            });
        };
        let matrix = match visit.account.r.matrix(matrix_id).await {
            Ok(matrix) => matrix,
            // Its product is seen to first.
            Err(CallError::Gone { .. }) => return self.settle(visit, false).await,
            Err(error) => return Err(self.stop(Side::RSeries, error)),
        };
        if self.calls_for_sibling(visit, &matrix, &names, values).await?
            || self.calls_for_twin(visit, facts.sku(), matrix_id).await?
        {
            return self.settle(visit, false).await;
        }
        let context = &visit.account.context;
        let set = matrix.set.clone();
        let home = set.as_ref().map(|set| Home { matrix: &matrix, set, names: &names });
        let create = home.and_then(|home| shapes::variant(&facts, online.product.enabled, &home, context));
        let Some(create) = create else {
            return Err(Stop::Again("R-Series did not tell the attributes of the matrix"));
        };
        let (intent, mut item) = self.make_item(visit, &facts, &create).await?;
        if let Some(attributes) = &mut item.attributes {
            attributes.set = set;
        }
        let found = mapping::rseries::variant_facts(&item, context, Some(&names));
        let shadow = told_apart(born(&facts, &facts, &found, true), context);
        self.landed_on_r(visit, &intent, (Some(item.id), None), shadow).await?;
        self.carry_what_came_since(visit).await
    }

    /// A product with variations becomes a matrix; what becomes of its variations follows.
    async fn matrix_born(
        &self,
        visit: &mut Visit<'_>,
        product: &Product,
        options: &[String],
    ) -> Result<(), Stop> {
        if self.calls_for_matrix(visit, product).await? {
            return self.settle(visit, false).await;
        }
        let facts = mapping::eseries::whole_facts(product, None);
        allow(&plan_birth(&facts), visit)?;
        let r = &visit.account.r;
        let create = shapes::matrix(product, &visit.account.context);
        let above = r.newest_matrix().await.map_err(|error| self.stop(Side::RSeries, error))?;
        let creation = CreationOnR {
            from: facts.clone(),
            sent: facts.clone(),
            above,
            description: create.description.clone(),
            custom_sku: String::new(),
            manufacturer_sku: String::new(),
            attributes: None,
            matrix_id: None,
            variations: product.variations.iter().map(|variation| variation.id).collect(),
        };
        let intent = self.intend_birth(visit, &creation).await?;
        let by = after(intent.at, SEND_WITHIN);
        let matrix = match act::create_matrix_on_r(r, &create, options, by).await {
            Ok(matrix) => matrix,
            Err(error) => return Err(self.birth_refused(visit, &intent, error).await?),
        };
        let shadow = matrix_shadow(&creation, &matrix, true);
        self.landed_on_r(visit, &intent, (None, Some(matrix.id)), shadow).await?;
        self.carry_what_came_since(visit).await
    }

    /// Creates an item, with the intent before.
    async fn make_item(
        &self,
        visit: &mut Visit<'_>,
        facts: &Facts,
        create: &ItemCreate,
    ) -> Result<(Entry, Item), Stop> {
        allow(&plan_birth(facts), visit)?;
        let r = &visit.account.r;
        let above = r.newest_item().await.map_err(|error| self.stop(Side::RSeries, error))?;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let creation = CreationOnR {
            from: facts.clone(),
            sent: facts.clone(),
            above,
            description: text(&create.fields.description),
            custom_sku: text(&create.fields.custom_sku),
            manufacturer_sku: text(&create.fields.manufacturer_sku),
            attributes: create.fields.attributes.clone(),
            matrix_id: create.matrix_id,
            variations: Vec::new(),
        };
        let intent = self.intend_birth(visit, &creation).await?;
        match r.create_item(create, after(intent.at, SEND_WITHIN)).await {
            Ok(item) => Ok((intent, item)),
            Err(error) => Err(self.birth_refused(visit, &intent, error).await?),
        }
    }

    async fn intend_birth(&self, visit: &Visit<'_>, creation: &CreationOnR) -> Result<Entry, Stop> {
        let detail = Detail::CreationOnR(creation.clone());
        let mut intent = self.intent(visit, Kind::Create, Side::RSeries, &detail);
        intent.after = serde_json::to_value(&creation.sent).ok();
        if let Some(decision) = visit.decision {
            intent.origin = crate::ledger::Origin::Operator;
            intent.cause = Some(format!("order {}", decision.entry_id));
        }
        self.intend(visit, std::slice::from_ref(&intent)).await?;
        Ok(intent)
    }

    /// What to do about a creation that did not come to its end.
    async fn birth_refused(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        error: CallError,
    ) -> Result<Stop, Stop> {
        match error {
            CallError::Unclear { .. } => {}
            CallError::Refused { why, .. } | CallError::Gone { why } => {
                self.close(visit, intent, Outcome::Refused).await?;
                return Ok(Stop::Park {
                    code: "refused",
                    reason: format!("R-Series will not create it: {why}"),
                });
            }
            CallError::Account { why } => {
                self.close(visit, intent, Outcome::Refused).await?;
                return Ok(Stop::Account { side: Side::RSeries, why });
            }
            CallError::Later { .. } | CallError::Busy { .. } => {
                self.close(visit, intent, Outcome::NotLanded).await?;
            }
        }
        Ok(self.stop(Side::RSeries, error))
    }

    /// Books a creation on R-Series: ties the record to its product and closes the intent. A poll or a relay may have
    /// told of the new record before, and given it a half link of its own: that is taken over.
    async fn landed_on_r(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        half: (Option<i64>, Option<i64>),
        shadow: Shadow,
    ) -> Result<(), Stop> {
        const TRIES: usize = 5;
        for _ in 0..TRIES {
            let now = self.clock.now();
            let (connection, own) = (visit.link.connection_id, visit.link.product_id);
            let mut db = self.store.begin().await?;
            dirty::fence(&mut db, &visit.claim, now).await?;
            if !links::absorb_r_half(&mut db, connection, half, own).await? {
                drop(db);
                self.close(visit, intent, Outcome::Superseded).await?;
                return Err(Stop::Again("the new item was tied to another product meanwhile"));
            }
            let mut link = visit.link.clone();
            (link.r_item_id, link.r_matrix_id) = half;
            link.standing = Standing::Linked;
            link.shadow = shadow.clone();
            link.r_stock_shops = Some(visit.account.context.shop_ids.clone());
            match links::save(&mut db, &link, now).await {
                Ok(()) => {}
                Err(error) if matches!(error.constraint(), Some("links_r_item" | "links_r_matrix")) => {
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            store::ledger::close(&mut db, connection, intent.entry_id, Outcome::Landed, now).await?;
            db.commit().await?;
            visit.link = link;
            written(Side::RSeries, "create");
            info!(product = %visit.link.product_id, "created on R-Series");
            return Ok(());
        }
        Err(Stop::Again("the new item's half link is held by somebody else"))
    }

    /// The two are in step as they were when the facts were taken; what came since is carried like any other news.
    async fn carry_what_came_since(&self, visit: &mut Visit<'_>) -> Result<(), Stop> {
        let sights = self.look_at_one(visit.account, &visit.link).await?;
        match (sights.r, sights.e) {
            (Sight::Here(shop), Sight::Here(online)) => self.carry(visit, shop, online, [true; 2]).await,
            _ => Err(Stop::Again("one side vanished while they were tied")),
        }
    }

    /// A creation on R-Series whose answer was lost: by what has been created since.
    pub(super) async fn observe_birth(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        creation: &CreationOnR,
    ) -> Result<(), Stop> {
        if visit.link.r_item_id.is_some() || visit.link.r_matrix_id.is_some() {
            // Its product was tied to a record that was there already.
            return self.close(visit, intent, Outcome::Superseded).await;
        }
        let candidates = self.created_since(visit, creation).await?;
        match candidates.as_slice() {
            [] => {
                self.give_time(intent, SETTLE)?;
                self.close(visit, intent, Outcome::NotLanded).await
            }
            [one] => {
                let (half, shadow) = match one {
                    Created::Matrix(matrix) => {
                        ((None, Some(matrix.id)), matrix_shadow(creation, matrix, false))
                    }
                    Created::Item(item) => {
                        let context = &visit.account.context;
                        let names = visit.reading().names;
                        let found = match creation.matrix_id {
                            Some(_) => mapping::rseries::variant_facts(item, context, names.as_ref()),
                            None => mapping::rseries::facts(item, context),
                        };
                        let shadow = born(&creation.from, &creation.sent, &found, false);
                        ((Some(item.id), None), told_apart(shadow, context))
                    }
                };
                self.landed_on_r(visit, intent, half, shadow).await
            }
            several => {
                let ids: Vec<String> = several.iter().map(|one| one.id().to_string()).collect();
                Err(Stop::Park {
                    code: "creation_undecided",
                    reason: format!(
                        "“{}” was being created on R-Series when the connection broke, and there are several that may \
                         be it: {}. Archive those that are too many, and retry.",
                        creation.description,
                        ids.join(", ")
                    ),
                })
            }
        }
    }
}

/// What a creation may have made.
enum Created {
    Item(Box<Item>),
    Matrix(Matrix),
}

impl Created {
    fn id(&self) -> i64 {
        match self {
            Self::Item(item) => item.id,
            Self::Matrix(matrix) => matrix.id,
        }
    }
}

/// What the two sides show of their own accord stays out of the shadow, and is settled by the next look: where the
/// system SKU is the SKU, R-Series has given one that E-Series does not know yet. A variant's flag is none of a
/// variation, and makes its product look whether it is still on offer.
fn told_apart(mut shadow: Shadow, context: &Context) -> Shadow {
    if context.sku_source == SkuSource::SystemSku {
        shadow.r_series.forget(Field::Sku);
        shadow.e_series.forget(Field::Sku);
    }
    if shadow.e_series.get(Field::Enabled).is_none() {
        shadow.r_series.forget(Field::Enabled);
    }
    shadow
}

/// A matrix has no flag of its own: it is that of items which are still to come.
fn matrix_shadow(creation: &CreationOnR, matrix: &Matrix, answered: bool) -> Shadow {
    let names = creation.sent.list(Field::Options).map(OptionNames::alike);
    let found = mapping::rseries::matrix_facts(matrix, &[], names.as_ref());
    let mut shadow = born(&creation.from, &creation.sent, &found, answered);
    shadow.r_series.forget(Field::Enabled);
    shadow.e_series.forget(Field::Enabled);
    shadow
}

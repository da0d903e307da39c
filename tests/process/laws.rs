//! What must hold in the end. Reads both platforms and the tables directly, and shares nothing with the mapping.

use std::collections::BTreeMap;

use concord::sandbox::stage::Stage;

use crate::house::{Postgres, Recipe};
use crate::merchants::Merchants;

/// Everything that is wrong, each with what the ledger tells of the product.
pub struct Verdict<'a> {
    pub seed: u64,
    pub postgres: &'a Postgres,
    pub stage: &'a Stage,
    wrong: Vec<String>,
}

impl<'a> Verdict<'a> {
    pub fn new(seed: u64, postgres: &'a Postgres, stage: &'a Stage) -> Self {
        Self { seed, postgres, stage, wrong: Vec::new() }
    }

    /// Fails the test if anything was found.
    pub fn speak(self) {
        let (seed, count) = (self.seed, self.wrong.len());
        assert!(count == 0, "seed {seed}: {count} wrong\n\n{}", self.wrong.join("\n\n"));
    }

    /// Stock is the sum of what happened, the fields are equal, and nothing is there twice.
    pub async fn platforms(&mut self, merchants: &Merchants) {
        let products = self.stage.e.products();
        let mut markers = BTreeMap::<String, usize>::new();
        let mut skus = BTreeMap::<String, usize>::new();
        for product in &products {
            *skus.entry(product.sku.clone()).or_default() += 1;
            if let Some(marker) = &product.external_reference_id {
                *markers.entry(marker.clone()).or_default() += 1;
            }
        }
        for (what, count) in markers.iter().chain(&skus).filter(|(_, count)| **count > 1) {
            self.wrong.push(format!("{what} is on E-Series {count} times"));
        }
        for (item_id, stock) in &merchants.stock {
            let marker = format!("concord-r-{item_id}");
            let item = self.stage.r.item(*item_id).unwrap();
            let mine = products.iter().find(|it| it.external_reference_id.as_ref() == Some(&marker));
            let Some(product) = mine else {
                self.complain(*item_id, "is not on E-Series").await;
                continue;
            };
            let r = (
                item.description.trim(),
                item.online_price.unwrap_or(item.default_price),
                item.publish_to_ecom,
                item.stock.values().sum::<i64>(),
            );
            let e =
                (product.name.trim(), product.price, product.enabled, product.quantity.unwrap_or(i64::MIN));
            if r != e || r.3 != *stock {
                self.complain(*item_id, &format!("stock must be {stock}\n  R {r:?}\n  E {e:?}")).await;
            }
            // An item without a SKU leaves the product the one that the store gave it.
            if !item.custom_sku.is_empty() && item.custom_sku.trim() != product.sku.trim() {
                let skus = format!("SKU {} on R, {} on E", item.custom_sku, product.sku);
                self.complain(*item_id, &skus).await;
            }
        }
        for (id, stock) in &merchants.only_online {
            let product = products.iter().find(|it| it.id == *id);
            let there = product.map(|it| (it.quantity, it.external_reference_id.clone()));
            if there != Some((Some(*stock), None)) {
                self.wrong.push(format!("product {id}, only online, must have {stock} pieces: {there:?}"));
            }
        }
        let (all, known) = (products.len(), merchants.stock.len() + merchants.only_online.len());
        if all != known || self.stage.r.items().len() != merchants.stock.len() {
            self.wrong.push(format!("{all} products on E-Series, and not {known}"));
        }
    }

    /// Nothing waits, nothing is parked, no write is open, and every write that was carried out is explained.
    pub async fn tables(&mut self) {
        for (what, statement) in [
            ("in the queue", "select product_id || ' ' || coalesce(park_reason, 'waits') from dirty"),
            ("open", "select row_to_json(l)::text from ledger l where result is null"),
            (
                "not explained",
                "select side || ' ' || event_id from inbox where product_id is not null and handled_at is null",
            ),
        ] {
            let rows = self.postgres.texts(statement).await;
            if !rows.is_empty() {
                self.wrong.push(format!("{} {what}: {rows:#?}", rows.len()));
            }
        }
        let written = self.stage.r.write_calls() + self.stage.e.write_calls();
        let explained = self
            .postgres
            .count(
                "select count(distinct coalesce(call_id, entry_id)) from ledger
                 where kind in ('write', 'create', 'stock')",
            )
            .await;
        if i64::try_from(written).unwrap() > explained {
            self.wrong
                .push(format!("{written} writes were carried out, and the ledger explains {explained}"));
        }
    }

    /// Whatever was answered with 200 is in the inbox.
    pub async fn inbox(&mut self, accepted: &[String]) {
        let kept = self.postgres.texts("select event_id from inbox").await;
        let kept: std::collections::BTreeSet<String> = kept.into_iter().collect();
        let missing: Vec<&String> = accepted.iter().filter(|id| !kept.contains(*id)).collect();
        if !missing.is_empty() {
            self.wrong.push(format!("{} were acknowledged and are not kept: {missing:?}", missing.len()));
        }
    }

    /// No panic and no secret in the log.
    pub fn log(&mut self, recipe: &Recipe, secrets: &[String]) {
        let log = std::fs::read(&recipe.log).unwrap();
        let log = String::from_utf8_lossy(&log);
        for line in log.lines() {
            if line.contains("panicked") || line.contains("a plan that must never be") {
                self.wrong.push(line.to_owned());
            }
            if secrets.iter().any(|secret| line.contains(secret.as_str())) {
                self.wrong.push(format!("a secret is in the log: {line}"));
            }
        }
    }

    async fn complain(&mut self, item_id: i64, what: &str) {
        let story = self
            .postgres
            .texts(&format!(
                "select concat_ws(' ', l.at, l.kind, l.side, l.field, l.before, '→', l.after, '=', l.result, l.closed_at,
                                  l.cause, l.detail)
                 from ledger l join links k using (connection_id, product_id)
                 where k.r_item_id = {item_id} and l.kind <> 'echo' order by l.entry_id"
            ))
            .await;
        self.wrong.push(format!("item {item_id}: {what}\n  {}", story.join("\n  ")));
    }
}

//! What must hold whenever it is quiet. Shares nothing with the mapping: it reads both sandboxes directly.

use super::World;

impl World {
    /// Nothing waits, no write is open, both sides are equal under the field table, every write that a
    /// platform has seen is explained by the ledger, and nothing is there twice.
    pub async fn check_laws(&self) {
        self.check_equal();
        self.check_queue_and_ledger().await;
    }

    /// Nothing waits, no write is open, every write is explained.
    pub async fn check_queue_and_ledger(&self) {
        let seed = self.plan.seed;
        let status = self.get("/status").await;
        for zero in ["waiting", "running", "open_writes"] {
            assert_eq!(status[zero], 0, "seed {seed}: {zero} in {status}");
        }
        self.check_explained().await;
    }

    pub fn check_equal(&self) {
        let seed = self.plan.seed;
        let products = self.stage.e.products();
        for item in self.stage.r.items().into_iter().filter(|item| !item.archived) {
            let marker = format!("concord-r-{}", item.item_id);
            let mine: Vec<_> = products
                .iter()
                .filter(|product| product.external_reference_id.as_ref() == Some(&marker))
                .collect();
            assert!(
                mine.len() <= 1,
                "seed {seed}: item {} is on E-Series {} times",
                item.item_id,
                mine.len()
            );
            let Some(product) = mine.first() else { continue };
            let at = format!(
                "seed {seed}: item {} / product {}\n{item:#?}\n{product:#?}",
                item.item_id, product.id
            );
            assert_eq!(item.description.trim(), product.name.trim(), "{at}");
            if !item.custom_sku.is_empty() {
                assert_eq!(item.custom_sku.trim(), product.sku.trim(), "{at}");
            }
            assert_eq!(item.online_price.unwrap_or(item.default_price), product.price, "{at}");
            assert_eq!(Some(item.stock.values().sum::<i64>()), product.quantity, "{at}");
        }
    }

    async fn check_explained(&self) {
        let seed = self.plan.seed;
        let written = self.stage.r.write_calls() + self.stage.e.write_calls();
        let explained = self
            .sql_count(
                // A sale is rung up and completed: two calls under one entry.
                "select count(distinct coalesce(call_id, entry_id))
                     + count(*) filter (where detail->>'of' = 'sale_on_r') from ledger
                 where kind in ('write', 'create', 'stock')",
            )
            .await;
        let written = i64::try_from(written).unwrap();
        assert!(written <= explained, "seed {seed}: {written} writes, {explained} explained by the ledger");
    }

    /// How many writes both platforms have carried out since the calls were cleared.
    pub fn writes(&self) -> usize {
        self.stage.r.write_calls() + self.stage.e.write_calls()
    }

    pub fn clear_calls(&self) {
        self.stage.r.clear_calls();
        self.stage.e.clear_calls();
    }
}

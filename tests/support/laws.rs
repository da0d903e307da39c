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
        self.check_matrices();
        for item in self.stage.r.items().into_iter().filter(|item| !item.archived && item.matrix_id == 0) {
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

    /// Each matrix is at most one product, each of its items at most one variation of it, equal in every field.
    fn check_matrices(&self) {
        let seed = self.plan.seed;
        for matrix in self.stage.r.matrices() {
            let Some(product) = self.product_of_matrix(matrix.matrix_id) else { continue };
            let variations = self.stage.e.variations(product);
            let record = self.record(product);
            if !matrix.archived {
                assert_eq!(record["name"].as_str().unwrap().trim(), matrix.description.trim(), "seed {seed}");
            }
            let mut skus = std::collections::BTreeSet::new();
            for variation in &variations {
                if let Some(sku) = variation["sku"].as_str() {
                    assert!(skus.insert(sku.to_owned()), "seed {seed}: two variations with SKU {sku}");
                }
            }
            for (item_id, attributes) in &matrix.variants {
                let item = self.stage.r.item(*item_id).unwrap();
                let marker = format!("concord-r-variant-{item_id}");
                // A SKU that is missing, or that several items have, cannot be that of a variation.
                let items = self.stage.r.items();
                let shared = items.iter().filter(|other| other.custom_sku == item.custom_sku).count() > 1;
                let stands_in = item.custom_sku.is_empty() || shared;
                let sku = if stands_in { &item.system_sku } else { &item.custom_sku };
                let mine = variations.iter().find(|variation| {
                    variation["externalReferenceId"] == *marker
                        || variation["sku"].as_str().map(str::trim) == Some(sku.trim())
                });
                let at = format!("seed {seed}: {item:#?}\n{mine:#?}");
                if item.archived {
                    assert!(mine.is_none() || record["enabled"] == false, "{at}");
                    continue;
                }
                let Some(mine) = mine else { continue };
                assert_eq!(mine["sku"].as_str().unwrap_or_default().trim(), sku.trim(), "{at}");
                let price: rust_decimal::Decimal = mine["price"].to_string().parse().unwrap();
                assert_eq!(item.online_price.unwrap_or(item.default_price), price, "{at}");
                assert_eq!(mine["quantity"].as_i64(), Some(item.stock.values().sum::<i64>()), "{at}");
                let options = mine["options"].as_array().unwrap();
                for (name, value) in matrix.names.iter().zip(attributes).filter(|(name, _)| !name.is_empty())
                {
                    let shown = options.iter().find(|option| option["name"] == **name);
                    let shown = shown.and_then(|option| option["value"].as_str()).unwrap_or_default();
                    assert_eq!(shown, value, "{name}: {at}");
                }
            }
        }
    }

    /// A product as E-Series shows it.
    pub fn record(&self, product: i64) -> serde_json::Value {
        self.stage.e.product(product).expect("the product is there").json
    }

    /// The product on E-Series that carries the marker of a matrix.
    pub fn product_of_matrix(&self, matrix_id: i64) -> Option<i64> {
        let marker = format!("concord-r-matrix-{matrix_id}");
        let products = self.stage.e.products();
        let mine: Vec<i64> = products
            .iter()
            .filter(|product| product.external_reference_id.as_ref() == Some(&marker))
            .map(|product| product.id)
            .collect();
        assert!(mine.len() <= 1, "matrix {matrix_id} is on E-Series {} times", mine.len());
        mine.first().copied()
    }

    async fn check_explained(&self) {
        let seed = self.plan.seed;
        let written = self.stage.r.write_calls() + self.stage.e.write_calls();
        let explained = self
            .sql_count(
                // One entry, several calls: a sale is rung up and completed; a choice is added, used, and the old one
                // dropped; a matrix may need a set of attributes; options are renamed variant by variant; a matrix has its flag
                // and its category on its items. Of a batch, each of its writes counts.
                "select count(distinct case when detail->>'of' = 'batched' then entry_id
                                            else coalesce(call_id, entry_id) end)
                     + count(*) filter (where detail->>'of' = 'sale_on_r' or kind = 'remove'
                                        or detail->>'of' = 'creation_on_r')
                     + 2 * count(*) filter (where field = 'option_values')
                     + 20 * count(*) filter (where field = 'category' and side = 'r_series')
                     + 20 * count(*) filter (where field = 'options' or field = 'enabled' and side = 'r_series')
                 from ledger
                 where kind in ('write', 'create', 'remove', 'stock')",
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

//! Through the real client.

use std::sync::Arc;

use concord::catalog::{Money, Stock};
use concord::clock::{Clock, Instant, ManualClock, SharedClock};
use concord::platforms::Gate;
use concord::platforms::eseries::client::{BatchOutcome, Client};
use concord::platforms::eseries::images::{self, Source};
use concord::platforms::eseries::wire;
use concord::platforms::transport::{self, Transport};
use concord::sandbox::eseries::ESeriesSandbox;
use concord::sandbox::stage::{Setup, Stage};
use concord::turnstile::Turnstile;
use serde_json::json;
use uuid::Uuid;

use super::{Added, Category, Count, Picture, Product, Spot, Store, Variation, VariationWrite, Write};
use crate::conformance::{Open, Told, soon};
use crate::support::{LIMITS, start_of_time};

pub struct Real {
    stage: Stage,
    clock: ManualClock,
    client: Client,
}

impl Real {
    fn soon(&self) -> Instant {
        soon(self.clock.now())
    }
}

fn product(product: wire::Product) -> Product {
    let option = |it: wire::ProductOption| (it.name, it.choices.into_iter().map(|it| it.text).collect());
    let variation = |it: wire::Variation| Variation {
        id: it.id,
        sku: it.sku,
        price: it.price.map(Money::amount),
        count: it.stock.tracked(),
        values: it.options.into_iter().collect(),
    };
    Product {
        id: product.id,
        name: product.name,
        sku: product.sku,
        price: product.price.amount(),
        enabled: product.enabled,
        count: product.stock.tracked(),
        reference: product.external_reference_id,
        categories: product.category_ids,
        options: product.options.into_iter().map(option).collect(),
        variations: product.variations.into_iter().map(variation).collect(),
    }
}

fn stock(count: Count) -> Stock {
    match count {
        Count::Endless => Stock::Unlimited,
        Count::Pieces(pieces) => Stock::Tracked(pieces),
    }
}

fn variation(write: &VariationWrite) -> wire::VariationWrite {
    wire::VariationWrite {
        options: write.values.clone(),
        sku: write.sku.clone(),
        price: write.price.map(Into::into),
        stock: write.count.map(stock),
        external_reference_id: write.reference.clone(),
        ..wire::VariationWrite::default()
    }
}

fn fields(write: &Write) -> wire::ProductWrite {
    wire::ProductWrite {
        name: write.name.clone(),
        sku: write.sku.clone(),
        price: write.price.map(Into::into),
        enabled: write.enabled,
        stock: write.count.map(stock),
        external_reference_id: write.reference.clone(),
        category_ids: write.categories.clone(),
        options: write.options.clone(),
        variations: write.variations.iter().map(variation).collect(),
        ..wire::ProductWrite::default()
    }
}

fn category(it: wire::Category) -> Category {
    Category {
        id: it.id,
        parent_id: it.parent_id,
        name: it.name,
        order: it.order,
        reference: it.external_reference_id,
    }
}

fn place(spot: Spot) -> images::Spot {
    match spot {
        Spot::Main(id) => images::Spot::Main(id),
        Spot::Gallery(id) => images::Spot::Gallery(id),
        Spot::Variation(id, variation) => images::Spot::Variation(id, variation),
    }
}

fn medium(picture: &Picture) -> wire::Medium {
    wire::Medium {
        id: picture.id.clone(),
        is_main: picture.is_main,
        url: picture.url.clone(),
        external_id: picture.reference.clone(),
        copy: None,
        alt: None,
    }
}

impl Open for Real {
    async fn open() -> Self {
        let clock = ManualClock::starting_at(start_of_time());
        let shared: SharedClock = Arc::new(clock.clone());
        let stage = Stage::open(Setup { deliver: false, ..Setup::default() }, shared.clone()).await.unwrap();
        let http = transport::client(LIMITS, shared.clone(), Turnstile::default()).unwrap();
        let transport = Transport::new(http, stage.e_url().parse().unwrap());
        let token = stage.e.issue_token().into();
        let client = Client::new(transport, 1003, Arc::new(Gate::e_series()), token, shared);
        Self { stage, clock, client }
    }
}

impl Store for Real {
    fn merchant(&self) -> &ESeriesSandbox {
        &self.stage.e
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn create(&self, write: &Write) -> Result<i64, Told> {
        Ok(self.client.create_product(&fields(write), self.soon()).await?)
    }

    async fn product(&self, id: i64) -> Result<Product, Told> {
        Ok(product(self.client.product(id).await?))
    }

    async fn update(&self, id: i64, write: &Write) -> Result<Product, Told> {
        Ok(product(self.client.update_product(id, &fields(write), self.soon()).await?))
    }

    async fn delete(&self, id: i64) -> Result<(), Told> {
        Ok(self.client.delete_product(id, self.soon()).await?)
    }

    async fn by_ids(&self, ids: &[i64]) -> Result<Vec<i64>, Told> {
        Ok(self.client.products_by_id(ids).await?.iter().map(|it| it.id).collect())
    }

    async fn by_sku(&self, sku: &str) -> Result<Vec<i64>, Told> {
        Ok(self.client.products_with_sku(sku).await?.iter().map(|it| it.id).collect())
    }

    async fn by_reference(&self, reference: &str) -> Result<Option<i64>, Told> {
        Ok(self.client.product_by_marker(reference).await?.map(|it| it.id))
    }

    async fn changed_since(&self, since: Instant) -> Result<Vec<i64>, Told> {
        Ok(self.client.products_since(since, 0).await?.rows.iter().map(|it| it.id).collect())
    }

    async fn deleted_since(&self, since: Instant) -> Result<Vec<i64>, Told> {
        Ok(self.client.deleted_since(since, 0).await?.rows.iter().map(|it| it.id).collect())
    }

    async fn add(&self, of: (i64, Option<i64>), pieces: i64, key: u128) -> Result<Added, Told> {
        Ok(match self.client.add_stock(of, pieces, Uuid::from_u128(key)).await? {
            BatchOutcome::Applied => Added::Applied,
            BatchOutcome::NothingChanged => Added::NotTracked,
            BatchOutcome::Gone => Added::Gone,
            BatchOutcome::Refused(_) => Added::Refused,
            other => panic!("{other:?}"),
        })
    }

    async fn create_variation(&self, id: i64, write: &VariationWrite) -> Result<i64, Told> {
        Ok(self.client.create_variation(id, &variation(write), self.soon()).await?)
    }

    async fn update_variation(&self, (id, of): (i64, i64), write: &VariationWrite) -> Result<(), Told> {
        Ok(self.client.update_variation(id, of, &variation(write), self.soon()).await?)
    }

    async fn delete_variation(&self, (id, of): (i64, i64)) -> Result<(), Told> {
        Ok(self.client.delete_variation(id, of, self.soon()).await?)
    }

    async fn set_options(&self, id: i64, options: &[(&str, &[&str])]) -> Result<(), Told> {
        let choice = |text: &&str| json!({ "text": text });
        let option = |(name, choices): &(&str, &[&str])| json!({"type": "SELECT", "name": name, "choices": choices.iter().map(choice).collect::<Vec<_>>()});
        let options: Vec<_> = options.iter().map(option).collect();
        Ok(self.client.set_options(id, &options, self.soon()).await?)
    }

    async fn categories(&self) -> Result<Vec<Category>, Told> {
        Ok(self.client.categories(0).await?.rows.into_iter().map(category).collect())
    }

    async fn category(&self, id: i64) -> Result<Category, Told> {
        Ok(category(self.client.category(id).await?.0))
    }

    async fn create_category(&self, name: &str, parent_id: i64, reference: &str) -> Result<i64, Told> {
        let write = wire::CategoryWrite {
            name: Some(name.into()),
            parent_id: Some(parent_id),
            order: None,
            enabled: Some(false),
            external_reference_id: Some(reference.into()),
        };
        Ok(self.client.create_category(&write, self.soon()).await?)
    }

    async fn rename_category(&self, id: i64, name: &str) -> Result<(), Told> {
        let write = wire::CategoryWrite { name: Some(name.into()), ..wire::CategoryWrite::default() };
        Ok(self.client.update_category(id, &write, self.soon()).await?)
    }

    async fn delete_category(&self, id: i64) -> Result<(), Told> {
        Ok(self.client.delete_category(id, self.soon()).await?)
    }

    async fn hang(&self, spot: Spot, bytes: &[u8], reference: &str) -> Result<(), Told> {
        Ok(self.client.hang_picture(place(spot), Source::Bytes(bytes), reference, self.soon()).await?)
    }

    async fn promise(&self, spot: Spot, url: &str, reference: &str) -> Result<(), Told> {
        let source = Source::Promise(url, (30, 20));
        Ok(self.client.hang_picture(place(spot), source, reference, self.soon()).await?)
    }

    async fn pictures(&self, id: i64) -> Result<Vec<Picture>, Told> {
        let media = self.client.gallery(id).await?.media.into_iter();
        let picture = |it: wire::Medium| Picture {
            id: it.id,
            is_main: it.is_main,
            url: it.url,
            reference: it.external_id,
        };
        Ok(media.map(picture).collect())
    }

    async fn take_down(&self, id: i64, picture: &Picture) -> Result<(), Told> {
        Ok(self.client.remove_picture(id, &medium(picture), self.soon()).await?)
    }

    async fn arrange(&self, id: i64, pictures: &[Picture]) -> Result<(), Told> {
        let media: Vec<_> = pictures.iter().map(medium).collect();
        Ok(self.client.arrange_pictures(id, &media, self.soon()).await?)
    }

    async fn limit(&self) -> Result<Option<i64>, Told> {
        Ok(self.client.profile().await?.max_product_limit)
    }
}

//! Through the real client.

use std::sync::Arc;

use concord::clock::{Clock, Instant, ManualClock, SharedClock};
use concord::platforms::rseries::client::{Client, TokenFuture, Tokens};
use concord::platforms::rseries::wire;
use concord::platforms::transport::{self, Transport};
use concord::platforms::{CallError, Gate};
use concord::sandbox::rseries::RSeriesSandbox;
use concord::sandbox::stage::{Setup, Stage};
use concord::turnstile::Turnstile;
use secrecy::SecretString;

use super::{Category, Item, Picture, Row, Shop, Write};
use crate::conformance::{Open, Told, soon};
use crate::support::{LIMITS, start_of_time};

pub struct Real {
    stage: Stage,
    clock: ManualClock,
    client: Client,
}

#[derive(Debug)]
struct Only(SecretString);

impl Tokens for Only {
    fn access(&self) -> TokenFuture<'_> {
        Box::pin(async { Ok(self.0.clone()) })
    }

    fn renew<'a>(&'a self, _stale: &'a SecretString) -> TokenFuture<'a> {
        Box::pin(async { Err(CallError::Account { why: "there is no other token".into() }) })
    }
}

fn item(item: wire::Item) -> Item {
    let attributes = item.attributes.clone();
    let names = attributes.as_ref().and_then(|it| it.set.as_ref()).map(|set| set.names.clone());
    let shops = item.shops.unwrap_or_default().into_iter().filter(|row| row.shop_id != 0);
    Item {
        id: item.id,
        name: item.description,
        sku: item.custom_sku,
        archived: item.archived,
        matrix_id: item.matrix_id,
        category_id: item.category_id,
        values: attributes.map(|it| it.values).unwrap_or_default(),
        names: names.unwrap_or_default(),
        prices: item.prices.iter().map(|price| (price.level, price.amount.amount())).collect(),
        counts: shops.map(|row| (row.shop_id, row.qoh)).collect(),
        stamp: item.time_stamp.expect("a time stamp"),
    }
}

fn fields(write: &Write) -> wire::ItemWrite {
    wire::ItemWrite {
        description: write.name.clone(),
        custom_sku: write.sku.clone(),
        price: write.price.map(|(level, amount)| (level, amount.into())),
        qoh: write.count,
        attributes: write.values.clone(),
        category_id: write.category_id,
        ..wire::ItemWrite::default()
    }
}

fn category(it: wire::Category) -> Category {
    Category {
        id: it.id,
        parent_id: it.parent_id,
        name: it.name,
        left: it.left,
        right: it.right,
        stamp: it.time_stamp.expect("a time stamp"),
    }
}

impl Open for Real {
    async fn open() -> Self {
        let clock = ManualClock::starting_at(start_of_time());
        let shared: SharedClock = Arc::new(clock.clone());
        let stage = Stage::open(Setup { deliver: false, ..Setup::default() }, shared.clone()).await.unwrap();
        let http = transport::client(LIMITS, shared.clone(), Turnstile::default()).unwrap();
        let transport = Transport::new(http, stage.r_url().parse().unwrap());
        let token = Only(stage.r.issue_tokens().0.into());
        let client = Client::new(transport, 4711, Arc::new(Gate::r_series()), Arc::new(token), shared);
        Self { stage, clock, client }
    }
}

impl Shop for Real {
    fn merchant(&self) -> &RSeriesSandbox {
        &self.stage.r
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn create(&self, write: &Write) -> Result<i64, Told> {
        let price = write.price.map(|(level, amount)| (level, amount.into()));
        let create = wire::ItemCreate {
            fields: wire::ItemWrite { price: None, ..fields(write) },
            prices: price.into_iter().collect(),
            ..wire::ItemCreate::default()
        };
        Ok(self.client.create_item(&create, soon(self.clock.now())).await?.id)
    }

    async fn item(&self, id: i64) -> Result<Item, Told> {
        Ok(item(self.client.item(id).await?))
    }

    async fn write(&self, id: i64, write: &Write) -> Result<Item, Told> {
        Ok(item(self.client.update_item(id, &fields(write), soon(self.clock.now())).await?))
    }

    async fn items_by_id(&self, ids: &[i64]) -> Result<Vec<i64>, Told> {
        Ok(self.client.items_by_id(ids).await?.into_iter().map(|item| item.id).collect())
    }

    async fn walk(&self) -> Result<Vec<Vec<i64>>, Told> {
        let (mut pages, mut next) = (Vec::new(), None);
        loop {
            let page = self.client.items(next).await?;
            pages.push(page.rows.iter().map(|(item, _)| item.id).collect());
            match page.next {
                Some(url) => next = Some(url),
                None => return Ok(pages),
            }
        }
    }

    async fn changed_since(&self, since: Instant) -> Result<Vec<i64>, Told> {
        Ok(self.client.items_since(since, None).await?.rows.iter().map(|item| item.id).collect())
    }

    async fn counts_since(&self, since: Instant) -> Result<Vec<(i64, i64, i64)>, Told> {
        let rows = self.client.item_shops_since(since, None).await?.rows.into_iter();
        Ok(rows.filter(|row| row.shop_id != 0).map(|row| (row.item_id, row.shop_id, row.qoh)).collect())
    }

    async fn log_after(&self, id: i64) -> Result<Vec<Row>, Told> {
        let rows = self.client.inventory_log_after(id, None).await?.rows.into_iter();
        let row = |row: wire::LogRow| Row {
            id: row.id,
            item_id: row.item_id,
            shop_id: row.shop_id,
            change: row.change,
            sale_id: row.sale_id,
        };
        Ok(rows.map(row).collect())
    }

    async fn newest(&self) -> Result<i64, Told> {
        Ok(self.client.newest_item().await?)
    }

    async fn categories(&self) -> Result<Vec<Category>, Told> {
        Ok(self.client.categories(None).await?.rows.into_iter().map(category).collect())
    }

    async fn categories_since(&self, since: Instant) -> Result<Vec<Category>, Told> {
        Ok(self.client.categories_since(since, None).await?.rows.into_iter().map(category).collect())
    }

    async fn category(&self, id: i64) -> Result<Category, Told> {
        Ok(category(self.client.category(id).await?))
    }

    async fn pictures(&self, item_id: i64) -> Result<Vec<Picture>, Told> {
        let images = self.client.images_of_item(item_id).await?.into_iter();
        let picture = |it: wire::Image| Picture { id: it.id, public_id: it.public_id, ordering: it.ordering };
        Ok(images.map(picture).collect())
    }

    async fn matrix(&self, id: i64) -> Result<(String, [String; 3]), Told> {
        let matrix = self.client.matrix(id).await?;
        Ok((matrix.description, matrix.set.map(|set| set.names).unwrap_or_default()))
    }

    fn has_room(&self, drips: f64) -> bool {
        self.client.gate().room_for(drips, self.clock.now()).is_ok()
    }
}

//! The sandbox in memory, with bodies written by hand.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, SecondsFormat};
use concord::clock::{Instant, ManualClock};
use concord::sandbox::rseries::{Config, RSeriesSandbox};
use serde_json::{Map, Value, json};
use url::Url;

use super::{Category, Item, Picture, Row, Shop, Write};
use crate::conformance::{Open, Sent, Told, amount, ask, number, rows, text};
use crate::support::start_of_time;

const ACCOUNT: &str = "http://r.test/API/V3/Account/4711/";
const RELATIONS: (&str, &str) =
    ("load_relations", r#"["ItemShops","ItemAttributes","ItemAttributes.ItemAttributeSet"]"#);

pub struct Memory {
    r: RSeriesSandbox,
    clock: ManualClock,
    token: String,
    /// Level and size of the bucket, as the last answer told.
    bucket: Mutex<Option<(f64, f64)>>,
}

fn stamp(record: &Value) -> Instant {
    DateTime::parse_from_rfc3339(record["timeStamp"].as_str().unwrap()).unwrap().to_utc()
}

fn three(record: &Value, name: &str) -> [String; 3] {
    [1, 2, 3].map(|place| text(&record[format!("{name}{place}")]))
}

fn item(record: &Value) -> Item {
    let attributes = &record["ItemAttributes"];
    let shops = rows(&record["ItemShops"]["ItemShop"]).into_iter().filter(|row| row["shopID"] != "0");
    let prices = rows(&record["Prices"]["ItemPrice"]).into_iter();
    Item {
        id: number(&record["itemID"]),
        name: text(&record["description"]),
        sku: text(&record["customSku"]),
        archived: record["archived"] == "true",
        matrix_id: number(&record["itemMatrixID"]),
        category_id: number(&record["categoryID"]),
        values: three(attributes, "attribute"),
        names: three(&attributes["ItemAttributeSet"], "attributeName"),
        prices: prices.map(|row| (number(&row["useTypeID"]), amount(&row["amount"]))).collect(),
        counts: shops.map(|row| (number(&row["shopID"]), number(&row["qoh"]))).collect(),
        stamp: stamp(record),
    }
}

fn category(record: &Value) -> Category {
    Category {
        id: number(&record["categoryID"]),
        parent_id: number(&record["parentID"]),
        name: text(&record["name"]),
        left: number(&record["leftNode"]),
        right: number(&record["rightNode"]),
        stamp: stamp(record),
    }
}

fn body(write: &Write) -> Value {
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| body.extend(value.map(|it| (name.to_owned(), it)));
    put("description", write.name.clone().map(Value::from));
    put("customSku", write.sku.clone().map(Value::from));
    put("categoryID", write.category_id.map(|id| json!(id.to_string())));
    let price = write.price.map(|(level, amount)| {
        json!({"ItemPrice": [{"useTypeID": level.to_string(), "amount": amount.to_string()}]})
    });
    put("Prices", price);
    let count = write
        .count
        .map(|(shop, qoh)| json!({"ItemShop": [{"shopID": shop.to_string(), "qoh": qoh.to_string()}]}));
    put("ItemShops", count);
    let values = write.values.as_ref().map(
        |[first, second, third]| json!({"attribute1": first, "attribute2": second, "attribute3": third}),
    );
    put("ItemAttributes", values);
    Value::Object(body)
}

fn since(since: Instant) -> String {
    format!(">=,{}", since.to_rfc3339_opts(SecondsFormat::Secs, false))
}

impl Memory {
    async fn call(&self, method: &str, url: Url, body: Option<&Value>) -> Result<Value, Told> {
        let sent = body.map_or(Sent::Nothing, Sent::Json);
        let (status, headers, answer) = ask(self.r.router(), (method, &url), &self.token, sent).await;
        if let Some(told) = headers.get("x-ls-api-bucket-level") {
            let (level, size) = told.to_str().unwrap().split_once('/').unwrap();
            *self.bucket.lock().unwrap() = Some((level.parse().unwrap(), size.parse().unwrap()));
        }
        match status {
            200 => Ok(answer),
            401 | 403 => Err(Told::Account),
            404 => Err(Told::Gone),
            409 | 429 | 503 => Err(Told::Later),
            status => Err(Told::Refused(status, None)),
        }
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Told> {
        let url = Url::parse_with_params(&format!("{ACCOUNT}{path}"), query).unwrap();
        self.call("GET", url, None).await
    }

    async fn list(&self, resource: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, Told> {
        Ok(rows(&self.get(&format!("{resource}.json"), query).await?[resource]))
    }

    fn url(path: &str) -> Url {
        format!("{ACCOUNT}{path}").parse().unwrap()
    }
}

impl Open for Memory {
    async fn open() -> Self {
        let clock = ManualClock::starting_at(start_of_time());
        let r = RSeriesSandbox::new(Config::default(), Arc::new(clock.clone()), 1);
        r.set_base_url("http://r.test".into());
        let token = r.issue_tokens().0;
        Self { r, clock, token, bucket: Mutex::new(None) }
    }
}

impl Shop for Memory {
    fn merchant(&self) -> &RSeriesSandbox {
        &self.r
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn create(&self, write: &Write) -> Result<i64, Told> {
        let made = self.call("POST", Self::url("Item.json"), Some(&body(write))).await?;
        Ok(number(&made["Item"]["itemID"]))
    }

    async fn item(&self, id: i64) -> Result<Item, Told> {
        Ok(item(&self.get(&format!("Item/{id}.json"), &[RELATIONS]).await?["Item"]))
    }

    async fn write(&self, id: i64, write: &Write) -> Result<Item, Told> {
        let saved = self.call("PUT", Self::url(&format!("Item/{id}.json")), Some(&body(write))).await?;
        Ok(item(&saved["Item"]))
    }

    async fn items_by_id(&self, ids: &[i64]) -> Result<Vec<i64>, Told> {
        let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
        let wanted = format!("IN,[{}]", ids.join(","));
        let found = self.list("Item", &[("itemID", wanted.as_str()), ("archived", "true")]).await?;
        Ok(found.iter().map(|row| number(&row["itemID"])).collect())
    }

    async fn walk(&self) -> Result<Vec<Vec<i64>>, Told> {
        let query = [("archived", "true"), ("limit", "100"), ("sort", "itemID")];
        let mut answer = self.get("Item.json", &query).await?;
        let mut pages = Vec::new();
        loop {
            pages.push(rows(&answer["Item"]).iter().map(|row| number(&row["itemID"])).collect());
            match answer["@attributes"]["next"].as_str().filter(|next| !next.is_empty()) {
                Some(next) => answer = self.call("GET", next.parse().unwrap(), None).await?,
                None => return Ok(pages),
            }
        }
    }

    async fn changed_since(&self, moment: Instant) -> Result<Vec<i64>, Told> {
        let since = since(moment);
        let found = self.list("Item", &[("timeStamp", since.as_str()), ("archived", "true")]).await?;
        Ok(found.iter().map(|row| number(&row["itemID"])).collect())
    }

    async fn counts_since(&self, moment: Instant) -> Result<Vec<(i64, i64, i64)>, Told> {
        let since = since(moment);
        let found = self.list("ItemShop", &[("timeStamp", since.as_str())]).await?;
        let found = found.iter().filter(|row| row["shopID"] != "0");
        Ok(found.map(|row| (number(&row["itemID"]), number(&row["shopID"]), number(&row["qoh"]))).collect())
    }

    async fn log_after(&self, id: i64) -> Result<Vec<Row>, Told> {
        let above = format!(">,{id}");
        let query = [("inventoryLogID", above.as_str()), ("sort", "inventoryLogID")];
        let row = |row: &Value| Row {
            id: number(&row["inventoryLogID"]),
            item_id: number(&row["itemID"]),
            shop_id: number(&row["shopID"]),
            change: number(&row["qohChange"]),
            sale_id: number(&row["saleID"]),
        };
        Ok(self.list("InventoryLog", &query).await?.iter().map(row).collect())
    }

    async fn newest(&self) -> Result<i64, Told> {
        let query = [("archived", "true"), ("sort", "-itemID"), ("limit", "1")];
        Ok(self.list("Item", &query).await?.first().map_or(0, |row| number(&row["itemID"])))
    }

    async fn categories(&self) -> Result<Vec<Category>, Told> {
        Ok(self.list("Category", &[("sort", "leftNode")]).await?.iter().map(category).collect())
    }

    async fn categories_since(&self, moment: Instant) -> Result<Vec<Category>, Told> {
        let since = since(moment);
        Ok(self.list("Category", &[("timeStamp", since.as_str())]).await?.iter().map(category).collect())
    }

    async fn category(&self, id: i64) -> Result<Category, Told> {
        Ok(category(&self.get(&format!("Category/{id}.json"), &[]).await?["Category"]))
    }

    async fn pictures(&self, item_id: i64) -> Result<Vec<Picture>, Told> {
        let images = ("load_relations", r#"["Images"]"#);
        let answer = self.get(&format!("Item/{item_id}.json"), &[images]).await?;
        let picture = |row: &Value| Picture {
            id: number(&row["imageID"]),
            public_id: text(&row["publicID"]),
            ordering: number(&row["ordering"]),
        };
        Ok(rows(&answer["Item"]["Images"]["Image"]).iter().map(picture).collect())
    }

    async fn matrix(&self, id: i64) -> Result<(String, [String; 3]), Told> {
        let set = ("load_relations", r#"["ItemAttributeSet"]"#);
        let answer = self.get(&format!("ItemMatrix/{id}.json"), &[set]).await?;
        let matrix = &answer["ItemMatrix"];
        Ok((text(&matrix["description"]), three(&matrix["ItemAttributeSet"], "attributeName")))
    }

    fn has_room(&self, drips: f64) -> bool {
        let (level, size) = self.bucket.lock().unwrap().expect("an answer with headers");
        level + drips <= size
    }
}

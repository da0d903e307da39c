//! The sandbox in memory, with bodies written by hand.

use std::sync::Arc;

use concord::clock::{Instant, ManualClock};
use concord::sandbox::eseries::{Config, ESeriesSandbox};
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::{Added, Category, Count, Picture, Product, Spot, Store, Variation, VariationWrite, Write};
use crate::conformance::{Open, Sent, Told, amount, ask, number, rows, text};
use crate::support::start_of_time;

const STORE: &str = "http://e.test/api/v3/1003";

pub struct Memory {
    e: ESeriesSandbox,
    clock: ManualClock,
    token: String,
}

fn own(value: &Value) -> Option<String> {
    Some(text(value)).filter(|text| !text.is_empty())
}

fn product(record: &Value) -> Product {
    let option = |it: &Value| {
        let choices = rows(&it["choices"]).iter().map(|choice| text(&choice["text"])).collect();
        (text(&it["name"]), choices)
    };
    let pair = |it: &Value| (text(&it["name"]), text(&it["value"]));
    let variation = |it: &Value| Variation {
        id: number(&it["id"]),
        sku: own(&it["sku"]),
        price: it.get("price").map(amount),
        count: it.get("quantity").map(number),
        values: rows(&it["options"]).iter().map(pair).collect(),
    };
    let mut categories: Vec<i64> = record["categoryIds"].as_array().unwrap().iter().map(number).collect();
    categories.sort_unstable();
    Product {
        id: number(&record["id"]),
        name: text(&record["name"]),
        sku: text(&record["sku"]),
        price: amount(&record["price"]),
        enabled: record["enabled"] == true,
        count: record.get("quantity").map(number),
        reference: own(&record["externalReferenceId"]),
        categories,
        options: rows(&record["options"]).iter().map(option).collect(),
        variations: rows(&record["combinations"]).iter().map(variation).collect(),
    }
}

fn category(record: &Value) -> Category {
    Category {
        id: number(&record["id"]),
        parent_id: number(&record["parentId"]),
        name: text(&record["name"]),
        order: number(&record["orderBy"]),
        reference: own(&record["externalReferenceId"]),
    }
}

fn number_of(amount: rust_decimal::Decimal) -> Value {
    serde_json::from_str(&amount.normalize().to_string()).unwrap()
}

fn pieces(count: Count) -> Option<Value> {
    match count {
        Count::Endless => None,
        Count::Pieces(pieces) => Some(pieces.into()),
    }
}

fn variation_body(write: &VariationWrite) -> Value {
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| body.extend(value.map(|it| (name.to_owned(), it)));
    let pairs = |values: &Vec<(String, String)>| {
        values.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
    };
    put("options", write.values.as_ref().map(pairs));
    put("sku", write.sku.clone().map(Value::from));
    put("price", write.price.map(number_of));
    put("quantity", write.count.and_then(pieces));
    put("unlimited", write.count.map(|count| (count == Count::Endless).into()));
    put("externalReferenceId", write.reference.clone().map(Value::from));
    Value::Object(body)
}

fn options_body(options: &[(String, Vec<String>)]) -> Value {
    let option = |(name, choices): &(String, Vec<String>)| {
        let choices: Vec<_> = choices.iter().map(|text| json!({ "text": text })).collect();
        json!({"type": "SELECT", "name": name, "choices": choices})
    };
    options.iter().map(option).collect()
}

fn body(write: &Write) -> Value {
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| body.extend(value.map(|it| (name.to_owned(), it)));
    put("name", write.name.clone().map(Value::from));
    put("sku", write.sku.clone().map(Value::from));
    put("price", write.price.map(number_of));
    put("enabled", write.enabled.map(Value::from));
    put("quantity", write.count.and_then(pieces));
    put("unlimited", write.count.map(|count| (count == Count::Endless).into()));
    put("externalReferenceId", write.reference.clone().map(Value::from));
    put("categoryIds", write.categories.clone().map(Value::from));
    put("options", (!write.options.is_empty()).then(|| options_body(&write.options)));
    let variations: Vec<Value> = write.variations.iter().map(variation_body).collect();
    put("combinations", (!variations.is_empty()).then(|| variations.into()));
    Value::Object(body)
}

impl Memory {
    async fn call(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        sent: Sent<'_>,
    ) -> Result<Value, Told> {
        let mut url: Url = format!("{STORE}{path}").parse().unwrap();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let (status, _, answer) = ask(self.e.router(), (method, &url), &self.token, sent).await;
        match status {
            200 => Ok(answer),
            403 => Err(Told::Account),
            404 => Err(Told::Gone),
            429 | 449 => Err(Told::Later),
            408 | 500.. => Err(Told::Unclear),
            status => Err(Told::Refused(status, own(&answer["errorCode"]))),
        }
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Told> {
        self.call("GET", path, query, Sent::Nothing).await
    }

    async fn put(&self, path: &str, body: &Value) -> Result<(), Told> {
        self.call("PUT", path, &[], Sent::Json(body)).await.map(|_| ())
    }

    async fn remove(&self, path: &str) -> Result<(), Told> {
        self.call("DELETE", path, &[], Sent::Nothing).await.map(|_| ())
    }

    async fn ids(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<i64>, Told> {
        Ok(rows(&self.get(path, query).await?["items"]).iter().map(|row| number(&row["id"])).collect())
    }
}

impl Open for Memory {
    async fn open() -> Self {
        let clock = ManualClock::starting_at(start_of_time());
        let e = ESeriesSandbox::new(Config::default(), Arc::new(clock.clone()), 1);
        let token = e.issue_token();
        Self { e, clock, token }
    }
}

impl Store for Memory {
    fn merchant(&self) -> &ESeriesSandbox {
        &self.e
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn create(&self, write: &Write) -> Result<i64, Told> {
        let query = [("saveCombinations", "true")];
        let query = if write.variations.is_empty() { &[][..] } else { &query };
        Ok(number(&self.call("POST", "/products", query, Sent::Json(&body(write))).await?["id"]))
    }

    async fn product(&self, id: i64) -> Result<Product, Told> {
        Ok(product(&self.get(&format!("/products/{id}"), &[]).await?))
    }

    async fn update(&self, id: i64, write: &Write) -> Result<Product, Told> {
        self.put(&format!("/products/{id}"), &body(write)).await?;
        self.product(id).await
    }

    async fn delete(&self, id: i64) -> Result<(), Told> {
        self.remove(&format!("/products/{id}")).await
    }

    async fn by_ids(&self, ids: &[i64]) -> Result<Vec<i64>, Told> {
        let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
        self.ids("/products", &[("productId", &ids.join(","))]).await
    }

    async fn by_sku(&self, sku: &str) -> Result<Vec<i64>, Told> {
        self.ids("/products", &[("sku", sku)]).await
    }

    async fn by_reference(&self, reference: &str) -> Result<Option<i64>, Told> {
        Ok(self.ids("/products", &[("externalReferenceId", reference)]).await?.first().copied())
    }

    async fn changed_since(&self, since: Instant) -> Result<Vec<i64>, Told> {
        self.ids("/products", &[("updatedFrom", &since.timestamp().to_string())]).await
    }

    async fn deleted_since(&self, since: Instant) -> Result<Vec<i64>, Told> {
        self.ids("/products/deleted", &[("from_date", &since.timestamp().to_string())]).await
    }

    async fn add(&self, (id, variation): (i64, Option<i64>), pieces: i64, key: u128) -> Result<Added, Told> {
        let of = variation.map(|id| format!("/combinations/{id}")).unwrap_or_default();
        let batch = json!([{"path": format!("/products/{id}{of}/inventory"), "method": "PUT",
            "body": {"quantityDelta": pieces}}]);
        let key = Uuid::from_u128(key).to_string();
        let made = self.call("POST", "/batch", &[("deduplicationKey", &key)], Sent::Json(&batch)).await?;
        let told = self.get("/batch", &[("ticket", made["ticket"].as_str().unwrap())]).await?;
        assert_eq!(told["status"], "COMPLETED", "{told}");
        let answer = &told["responses"][0];
        Ok(match answer["httpStatusCode"].as_u64().unwrap() {
            200 if answer["httpBody"]["updateCount"] == 0 => Added::NotTracked,
            200 => Added::Applied,
            404 => Added::Gone,
            _ => Added::Refused,
        })
    }

    async fn create_variation(&self, id: i64, write: &VariationWrite) -> Result<i64, Told> {
        let path = format!("/products/{id}/combinations");
        Ok(number(&self.call("POST", &path, &[], Sent::Json(&variation_body(write))).await?["id"]))
    }

    async fn update_variation(&self, (id, of): (i64, i64), write: &VariationWrite) -> Result<(), Told> {
        self.put(&format!("/products/{id}/combinations/{of}"), &variation_body(write)).await
    }

    async fn delete_variation(&self, (id, of): (i64, i64)) -> Result<(), Told> {
        self.remove(&format!("/products/{id}/combinations/{of}")).await
    }

    async fn set_options(&self, id: i64, options: &[(&str, &[&str])]) -> Result<(), Told> {
        let owned = |(name, choices): &(&str, &[&str])| {
            ((*name).to_owned(), choices.iter().map(|text| (*text).to_owned()).collect())
        };
        let options: Vec<(String, Vec<String>)> = options.iter().map(owned).collect();
        self.put(&format!("/products/{id}"), &json!({"options": options_body(&options)})).await
    }

    async fn categories(&self) -> Result<Vec<Category>, Told> {
        let answer = self.get("/categories", &[("hidden_categories", "true")]).await?;
        Ok(rows(&answer["items"]).iter().map(category).collect())
    }

    async fn category(&self, id: i64) -> Result<Category, Told> {
        Ok(category(&self.get(&format!("/categories/{id}"), &[]).await?))
    }

    async fn create_category(&self, name: &str, parent_id: i64, reference: &str) -> Result<i64, Told> {
        let body =
            json!({"name": name, "parentId": parent_id, "enabled": false, "externalReferenceId": reference});
        Ok(number(&self.call("POST", "/categories", &[], Sent::Json(&body)).await?["id"]))
    }

    async fn rename_category(&self, id: i64, name: &str) -> Result<(), Told> {
        self.put(&format!("/categories/{id}"), &json!({ "name": name })).await
    }

    async fn delete_category(&self, id: i64) -> Result<(), Told> {
        self.remove(&format!("/categories/{id}")).await
    }

    async fn hang(&self, spot: Spot, bytes: &[u8], reference: &str) -> Result<(), Told> {
        self.call("POST", &path_of(spot), &[("externalId", reference)], Sent::Bytes(bytes)).await.map(|_| ())
    }

    async fn promise(&self, spot: Spot, url: &str, reference: &str) -> Result<(), Told> {
        let body = json!({"url": url, "width": 30, "height": 20, "externalId": reference});
        self.call("POST", &format!("{}/async", path_of(spot)), &[], Sent::Json(&body)).await.map(|_| ())
    }

    async fn pictures(&self, id: i64) -> Result<Vec<Picture>, Told> {
        let record = self.get(&format!("/products/{id}"), &[]).await?;
        let mut images = rows(&record["media"]["images"]);
        images.sort_by_key(|image| (image["isMain"] != true, number(&image["orderBy"])));
        let picture = |image: &Value| Picture {
            id: text(&image["id"]),
            is_main: image["isMain"] == true,
            url: text(&image["imageOriginalUrl"]),
            reference: own(&image["externalId"]),
        };
        Ok(images.iter().map(picture).collect())
    }

    async fn take_down(&self, id: i64, picture: &Picture) -> Result<(), Told> {
        if picture.is_main {
            return self.remove(&format!("/products/{id}/image")).await;
        }
        self.remove(&format!("/products/{id}/gallery/{}", picture.id)).await
    }

    async fn arrange(&self, id: i64, pictures: &[Picture]) -> Result<(), Told> {
        let image = |(place, picture): (usize, &Picture)| json!({"id": picture.id, "orderBy": place});
        let images: Vec<Value> = pictures.iter().enumerate().map(image).collect();
        self.put(&format!("/products/{id}"), &json!({"media": {"images": images}})).await
    }

    async fn limit(&self) -> Result<Option<i64>, Told> {
        let profile = self.get("/profile", &[]).await?;
        Ok(profile["account"]["limitsAndRestrictions"]["maxProductLimit"].as_i64())
    }
}

fn path_of(spot: Spot) -> String {
    match spot {
        Spot::Main(id) => format!("/products/{id}/image"),
        Spot::Gallery(id) => format!("/products/{id}/gallery"),
        Spot::Variation(id, variation) => format!("/products/{id}/combinations/{variation}/image"),
    }
}

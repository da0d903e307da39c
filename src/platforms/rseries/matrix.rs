//! Matrices, call by call (r-series-api.md, section 4.4).

use serde_json::{Value, json};
use url::Url;

use super::client::{Client, Page};
use super::feed::wire_time;
use super::wire::{AttributeSet, Item, Matrix};
use crate::clock::Instant;
use crate::platforms::CallError;

/// What is read along with each matrix.
const RELATIONS: (&str, &str) = ("load_relations", r#"["ItemAttributeSet"]"#);

impl Client {
    /// One matrix, archived or not.
    pub async fn matrix(&self, id: i64) -> Result<Matrix, CallError> {
        let url = self.url(&["ItemMatrix", &format!("{id}.json")], &[RELATIONS]);
        let json = self.read(url, 1.1).await?;
        let matrix =
            json.get("ItemMatrix").ok_or_else(|| self.unreadable_answer("no ItemMatrix in the answer"))?;
        Matrix::read(matrix).map_err(|error| self.unreadable_record(matrix, "itemMatrixID", id, &error))
    }

    /// These matrices, at most [`super::client::PAGE`]. One that is missing from the answer is *not* known to be
    /// gone: ask for it alone.
    pub async fn matrices_by_id(&self, ids: &[i64]) -> Result<Vec<Matrix>, CallError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let query = [("itemMatrixID", one_of(ids)), ("archived", "true".into()), ("limit", "100".into())];
        let query = query.iter().map(|(name, value)| (*name, value.as_str())).chain([RELATIONS]);
        let url = self.url(&["ItemMatrix.json"], &query.collect::<Vec<_>>());
        let page = self.page(url, "ItemMatrix", 1.2, Matrix::read).await?;
        Ok(page.rows.into_iter().filter(|matrix| ids.contains(&matrix.id)).collect())
    }

    /// The items of these matrices with their stock, archived ones too.
    pub async fn items_of_matrices(&self, ids: &[i64]) -> Result<Vec<Item>, CallError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let matrices = one_of(ids);
        let query = [
            ("itemMatrixID", matrices.as_str()),
            ("archived", "true"),
            ("limit", "100"),
            ("sort", "itemID"),
            ("load_relations", super::client::ITEM_RELATIONS),
        ];
        let rows = self.all_at("Item", super::client::ITEMS_COST, &query, |row| Ok(Item::read(row))).await?;
        let mut items = Vec::new();
        for row in rows {
            // A matrix of which one item is not known is not known: it might be the last that is not archived.
            items.push(row.map_err(|error| super::client::unreadable(&error.to_string()))?);
        }
        // A filter may be ignored without a word (section 1.8): keep only what was asked for.
        items.retain(|item| ids.contains(&item.matrix_id));
        Ok(items)
    }

    /// All attribute sets, archived ones too.
    pub async fn attribute_sets(&self) -> Result<Vec<AttributeSet>, CallError> {
        self.all("ItemAttributeSet", &[("archived", "true")], AttributeSet::read).await
    }

    /// Creates an attribute set and returns its id. Not sent after `by`.
    pub async fn create_attribute_set(&self, names: &[String; 3], by: Instant) -> Result<i64, CallError> {
        let used: Vec<&str> = names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        let [first, second, third] = names;
        let body = json!({
            "name": used.join("/"),
            "attributeName1": first,
            "attributeName2": second,
            "attributeName3": third,
        });
        let url = self.url(&["ItemAttributeSet.json"], &[]);
        let answer = self.call(reqwest::Method::POST, url, 1.0, Some(&body), Some(by)).await?;
        let set = answer.json().and_then(|json| AttributeSet::read(json.get("ItemAttributeSet")?).ok());
        let unclear = || CallError::Unclear { why: "R-Series: no attribute set in the answer".into() };
        set.map(|set| set.id).ok_or_else(unclear)
    }

    /// Renames a matrix, or gives it another attribute set, and returns the record as the platform saved it. Not
    /// sent after `by`.
    pub async fn update_matrix(
        &self,
        id: i64,
        name: Option<&str>,
        set_id: Option<i64>,
        by: Instant,
    ) -> Result<Matrix, CallError> {
        let url = self.url(&["ItemMatrix", &format!("{id}.json")], &[]);
        let mut body = serde_json::Map::new();
        if let Some(name) = name {
            body.insert("description".to_owned(), json!(name));
        }
        if let Some(set_id) = set_id {
            body.insert("itemAttributeSetID".to_owned(), json!(set_id.to_string()));
        }
        self.write_matrix(url, body, by).await
    }

    /// Puts a matrix into a category, 0 for none, and returns the record as the platform saved it. Its items are left
    /// as they are. Not sent after `by`.
    pub async fn move_matrix(&self, id: i64, category_id: i64, by: Instant) -> Result<Matrix, CallError> {
        let url = self.url(&["ItemMatrix", &format!("{id}.json")], &[]);
        let body = serde_json::Map::from_iter([("categoryID".to_owned(), json!(category_id.to_string()))]);
        self.write_matrix(url, body, by).await
    }

    async fn write_matrix(
        &self,
        url: Url,
        body: serde_json::Map<String, serde_json::Value>,
        by: Instant,
    ) -> Result<Matrix, CallError> {
        let body = serde_json::Value::Object(body);
        let answer = self.call(reqwest::Method::PUT, url, 1.0, Some(&body), Some(by)).await?;
        let unclear = |why: String| CallError::Unclear { why };
        let json = answer.json().ok_or_else(|| unclear("the answer is no JSON".into()))?;
        let matrix = json.get("ItemMatrix").ok_or_else(|| unclear("no ItemMatrix in the answer".into()))?;
        Matrix::read(matrix).map_err(|error| unclear(error.to_string()))
    }

    /// One page of matrices, archived ones too, in the order of their ids, each with the record as it is shown.
    pub async fn matrices(&self, next: Option<Url>) -> Result<Page<(Matrix, Value)>, CallError> {
        let query = [("archived", "true"), ("limit", "100"), ("sort", "itemMatrixID"), RELATIONS];
        let url = next.unwrap_or_else(|| self.url(&["ItemMatrix.json"], &query));
        self.page(url, "ItemMatrix", 1.2, |row| Ok((Matrix::read(row)?, row.clone()))).await
    }

    /// Matrices that changed at or after `since`, archived ones too.
    pub async fn matrices_since(&self, since: Instant, next: Option<Url>) -> Result<Page<Matrix>, CallError> {
        let since = format!(">=,{}", wire_time(since));
        let query = [
            ("archived", "true"),
            ("limit", "100"),
            ("sort", "timeStamp"),
            ("timeStamp", since.as_str()),
            RELATIONS,
        ];
        let url = next.unwrap_or_else(|| self.url(&["ItemMatrix.json"], &query));
        self.page(url, "ItemMatrix", 1.2, Matrix::read).await
    }
}

/// An `IN` filter (section 1.8).
pub(super) fn one_of(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    format!("IN,[{}]", ids.join(","))
}

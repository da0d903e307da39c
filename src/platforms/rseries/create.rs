//! Creating items and matrices, and looking for what a lost answer may have created.
//!
//! R-Series takes no marker that it would keep unique. But ids only grow, so what was created since a moment is what
//! has an id above the newest one of that moment, whatever the clocks say.

use reqwest::Method;
use serde_json::Value;

use super::client::{Client, ITEM_RELATIONS, ITEMS_COST};
use super::wire::{Item, ItemCreate, Matrix, MatrixCreate};
use crate::clock::Instant;
use crate::platforms::CallError;

/// What is read along with each matrix.
const MATRIX_RELATIONS: (&str, &str) = ("load_relations", r#"["ItemAttributeSet"]"#);

impl Client {
    /// Creates an item and returns it as the platform saved it (section 1.6). Not sent after `by`.
    pub async fn create_item(&self, create: &ItemCreate, by: Instant) -> Result<Item, CallError> {
        let url = self.url(&["Item.json"], &[]);
        let answer = self.call(Method::POST, url, create.cost(), Some(&create.body()), Some(by)).await?;
        let unclear = |why: String| CallError::Unclear { why };
        let json = answer.json().ok_or_else(|| unclear("the answer is no JSON".into()))?;
        let item = json.get("Item").ok_or_else(|| unclear("no Item in the answer".into()))?;
        Item::read(item).map_err(|error| unclear(error.to_string()))
    }

    /// Creates a matrix without items and returns it as the platform saved it. Not sent after `by`.
    pub async fn create_matrix(
        &self,
        create: &MatrixCreate,
        set_id: i64,
        by: Instant,
    ) -> Result<Matrix, CallError> {
        let url = self.url(&["ItemMatrix.json"], &[]);
        let answer = self.call(Method::POST, url, 1.0, Some(&create.body(set_id)), Some(by)).await?;
        let unclear = |why: String| CallError::Unclear { why };
        let json = answer.json().ok_or_else(|| unclear("the answer is no JSON".into()))?;
        let matrix = json.get("ItemMatrix").ok_or_else(|| unclear("no ItemMatrix in the answer".into()))?;
        Matrix::read(matrix).map_err(|error| unclear(error.to_string()))
    }

    /// Items that have this text in this field, archived ones too; letter case and outer spaces are overlooked, for
    /// the platform may do so as well (section 1.8), and the caller tells them apart.
    pub async fn items_with(&self, field: &str, text: &str) -> Result<Vec<Item>, CallError> {
        let query = [
            (field, text),
            ("archived", "true"),
            ("limit", "100"),
            ("sort", "itemID"),
            ("load_relations", ITEM_RELATIONS),
        ];
        self.all_at("Item", ITEMS_COST, &query, Item::read).await
    }

    /// The same for several texts, fifty a call. Those that an `IN` list would read otherwise are asked for by
    /// themselves.
    pub async fn items_with_any(&self, field: &str, texts: &[&str]) -> Result<Vec<Item>, CallError> {
        const AT_ONCE: usize = 50;
        let plain = |text: &&&str| {
            text.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.' | '/'))
        };
        let (plain, odd): (Vec<&str>, Vec<&str>) = texts.iter().partition(|text| plain(text));
        let mut items = Vec::new();
        for texts in plain.chunks(AT_ONCE) {
            items.extend(self.items_with(field, &format!("IN,[{}]", texts.join(","))).await?);
        }
        for text in odd {
            items.extend(self.items_with(field, text).await?);
        }
        Ok(items)
    }

    /// The newest `itemID`; 0 when there is none.
    pub async fn newest_item(&self) -> Result<i64, CallError> {
        let query = [("archived", "true"), ("sort", "-itemID"), ("limit", "1")];
        let page = self.page(self.url(&["Item.json"], &query), "Item", 1.0, id_of("itemID")).await?;
        Ok(page.rows.into_iter().max().unwrap_or(0))
    }

    /// The newest `itemMatrixID`; 0 when there is none.
    pub async fn newest_matrix(&self) -> Result<i64, CallError> {
        let query = [("archived", "true"), ("sort", "-itemMatrixID"), ("limit", "1")];
        let url = self.url(&["ItemMatrix.json"], &query);
        let page = self.page(url, "ItemMatrix", 1.0, id_of("itemMatrixID")).await?;
        Ok(page.rows.into_iter().max().unwrap_or(0))
    }

    /// Items with an id above this one, archived ones too.
    pub async fn items_above(&self, id: i64) -> Result<Vec<Item>, CallError> {
        let above = format!(">,{id}");
        let query = [
            ("itemID", above.as_str()),
            ("archived", "true"),
            ("limit", "100"),
            ("sort", "itemID"),
            ("load_relations", ITEM_RELATIONS),
        ];
        let items = self.all_at("Item", ITEMS_COST, &query, Item::read).await?;
        Ok(items.into_iter().filter(|item| item.id > id).collect())
    }

    /// Matrices with an id above this one, archived ones too.
    pub async fn matrices_above(&self, id: i64) -> Result<Vec<Matrix>, CallError> {
        let above = format!(">,{id}");
        let query = [
            ("itemMatrixID", above.as_str()),
            ("archived", "true"),
            ("limit", "100"),
            ("sort", "itemMatrixID"),
            MATRIX_RELATIONS,
        ];
        let matrices = self.all_at("ItemMatrix", 1.2, &query, Matrix::read).await?;
        Ok(matrices.into_iter().filter(|matrix| matrix.id > id).collect())
    }
}

/// Reads nothing but the id.
fn id_of(field: &'static str) -> impl Fn(&Value) -> Result<i64, crate::platforms::read::Unreadable> {
    move |value| {
        let record = crate::platforms::read::Record::of("record", value)?;
        record.needed(field, record.integer(field)?)
    }
}

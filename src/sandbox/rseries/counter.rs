//! The merchant's hands on matrices, categories and images over HTTP: one door for every change, and whole records
//! to look at.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ImageFile, ImageOwner, MatrixEdit, NewMatrix, NewVariant, RSeriesSandbox};

/// The bytes of an image as they are sent to the door.
#[derive(Debug, Deserialize)]
struct File {
    base64: String,
    content_type: String,
}

impl File {
    fn read(self) -> Option<ImageFile> {
        let bytes = STANDARD.decode(self.base64).ok()?;
        Some(ImageFile { bytes, content_type: self.content_type })
    }
}

/// A change of the catalogue; each is the method of the same name.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
enum Change {
    CreateMatrix(NewMatrix),
    AddVariant { matrix_id: i64, variant: NewVariant },
    EditMatrix { matrix_id: i64, edit: MatrixEdit },
    CreateAttributeSet { name: String, names: [String; 3] },
    TypeAttributeValue { matrix_id: i64, attribute: usize, value: String },
    RenameAttributeValue { matrix_id: i64, attribute: usize, from: String, to: String },
    SetAttributes { item_id: i64, values: [String; 3] },
    PutIntoMatrix { item_id: i64, matrix_id: i64, values: [String; 3] },
    TakeOutOfMatrix { item_id: i64 },
    ArchiveMatrix { matrix_id: i64 },
    UnarchiveMatrix { matrix_id: i64 },
    SetCategory { item_id: i64, category_id: i64 },
    SetTags { item_id: i64, tags: Vec<String> },
    SetVendor { item_id: i64, vendor_id: i64 },
    SetCost { item_id: i64, cost: Decimal },
    SetReorder { item_id: i64, shop_id: i64, point: i64, level: i64 },
    MergeItems { losing_id: i64, winning_id: i64 },
    CreateCategory { name: String, parent_id: i64 },
    RenameCategory { category_id: i64, name: String },
    MoveCategory { category_id: i64, parent_id: i64 },
    DeleteCategory { category_id: i64 },
    AddImage { owner: ImageOwner, description: String, file: Option<File> },
    ReplaceImage { image_id: i64, file: Option<File> },
    DescribeImage { image_id: i64, description: String },
    ReorderImages { image_ids: Vec<i64> },
    RemoveImage { image_id: i64 },
    BreakImage { image_id: i64, status: Option<u16> },
}

/// The doors of this file.
pub(super) fn router() -> Router<RSeriesSandbox> {
    Router::new()
        .route("/catalogue", get(catalogue).post(change))
        .route("/catalogue/items/{id}", get(item))
        .route("/catalogue/items/{id}/images", get(item_images))
        .route("/catalogue/matrices/{id}", get(matrix))
        .route("/catalogue/matrices/{id}/images", get(matrix_images))
        .route("/catalogue/categories/{id}", get(category))
}

fn found(record: Option<Value>) -> Response {
    record.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |record| Json(record).into_response())
}

async fn catalogue(State(sandbox): State<RSeriesSandbox>) -> Response {
    Json(sandbox.raw_catalogue()).into_response()
}

async fn item(State(sandbox): State<RSeriesSandbox>, Path(id): Path<i64>) -> Response {
    found(sandbox.raw_item(id))
}

async fn item_images(State(sandbox): State<RSeriesSandbox>, Path(id): Path<i64>) -> Response {
    Json(sandbox.raw_images(ImageOwner::Item(id))).into_response()
}

async fn matrix(State(sandbox): State<RSeriesSandbox>, Path(id): Path<i64>) -> Response {
    found(sandbox.raw_matrix(id))
}

async fn matrix_images(State(sandbox): State<RSeriesSandbox>, Path(id): Path<i64>) -> Response {
    Json(sandbox.raw_images(ImageOwner::Matrix(id))).into_response()
}

async fn category(State(sandbox): State<RSeriesSandbox>, Path(id): Path<i64>) -> Response {
    found(sandbox.raw_category(id))
}

/// Answers with the ID of what was made; 422 where nothing could be.
async fn change(State(sandbox): State<RSeriesSandbox>, Json(change): Json<Change>) -> Response {
    let made = |id: Option<i64>| match id {
        Some(id) => Json(json!({ "id": id })).into_response(),
        None => StatusCode::UNPROCESSABLE_ENTITY.into_response(),
    };
    let file = |file: Option<File>| file.map(|file| file.read().ok_or(())).transpose();
    match change {
        Change::CreateMatrix(new) => {
            return match sandbox.create_matrix(new) {
                Some((id, items)) => Json(json!({ "id": id, "items": items })).into_response(),
                None => StatusCode::UNPROCESSABLE_ENTITY.into_response(),
            };
        }
        Change::AddVariant { matrix_id, variant } => return made(sandbox.add_variant(matrix_id, variant)),
        Change::EditMatrix { matrix_id, edit } => sandbox.edit_matrix(matrix_id, edit),
        Change::CreateAttributeSet { name, names } => {
            return made(Some(sandbox.create_attribute_set(&name, names.each_ref().map(String::as_str))));
        }
        Change::TypeAttributeValue { matrix_id, attribute, value } => {
            sandbox.type_attribute_value(matrix_id, attribute, &value);
        }
        Change::RenameAttributeValue { matrix_id, attribute, from, to } => {
            sandbox.rename_attribute_value(matrix_id, attribute, &from, &to);
        }
        Change::SetAttributes { item_id, values } => {
            sandbox.set_attributes(item_id, values.each_ref().map(String::as_str));
        }
        Change::PutIntoMatrix { item_id, matrix_id, values } => {
            sandbox.put_into_matrix(item_id, matrix_id, values.each_ref().map(String::as_str));
        }
        Change::TakeOutOfMatrix { item_id } => sandbox.take_out_of_matrix(item_id),
        Change::ArchiveMatrix { matrix_id } => sandbox.archive_matrix(matrix_id),
        Change::UnarchiveMatrix { matrix_id } => sandbox.unarchive_matrix(matrix_id),
        Change::SetCategory { item_id, category_id } => sandbox.set_category(item_id, category_id),
        Change::SetTags { item_id, tags } => {
            sandbox.set_tags(item_id, &tags.iter().map(String::as_str).collect::<Vec<_>>());
        }
        Change::SetVendor { item_id, vendor_id } => sandbox.set_vendor(item_id, vendor_id),
        Change::SetCost { item_id, cost } => sandbox.set_cost(item_id, cost),
        Change::SetReorder { item_id, shop_id, point, level } => {
            sandbox.set_reorder(item_id, shop_id, point, level);
        }
        Change::MergeItems { losing_id, winning_id } => sandbox.merge_items(losing_id, winning_id),
        Change::CreateCategory { name, parent_id } => {
            return made(sandbox.create_category(&name, parent_id));
        }
        Change::RenameCategory { category_id, name } => sandbox.rename_category(category_id, &name),
        Change::MoveCategory { category_id, parent_id } => sandbox.move_category(category_id, parent_id),
        Change::DeleteCategory { category_id } => {
            return made(sandbox.delete_category(category_id).then_some(category_id));
        }
        Change::AddImage { owner, description, file: sent } => {
            return made(file(sent).ok().and_then(|file| sandbox.add_image(owner, &description, file)));
        }
        Change::ReplaceImage { image_id, file: sent } => {
            return made(file(sent).ok().and_then(|file| sandbox.replace_image(image_id, file)));
        }
        Change::DescribeImage { image_id, description } => sandbox.describe_image(image_id, &description),
        Change::ReorderImages { image_ids } => sandbox.reorder_images(&image_ids),
        Change::RemoveImage { image_id } => sandbox.remove_image(image_id),
        Change::BreakImage { image_id, status } => sandbox.break_image(image_id, status),
    }
    StatusCode::NO_CONTENT.into_response()
}

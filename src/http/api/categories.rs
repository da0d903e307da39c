//! The shop's categories, and how each stands on E-Series.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{List, Paging, connection, page};
use crate::catalog::ShelfState;
use crate::http::Desk;
use crate::http::problem::{Path, Problem, Query};
use crate::ids::ConnectionId;
use crate::store::categories::{self, Category as Row};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(list_categories))
}

/// A category on one platform.
#[derive(Debug, Serialize, ToSchema)]
struct CategoryHalf {
    /// Its id there.
    id: String,
}

/// A category of the shop.
#[derive(Debug, Serialize, ToSchema)]
struct Category {
    /// Its half on R-Series; null when the shop has it no more and it is still on E-Series.
    r_series: Option<CategoryHalf>,
    /// Its half on E-Series; null while it is not there.
    e_series: Option<CategoryHalf>,
    /// What the shop calls it; empty until it has been looked at.
    name: String,
    /// Names from the root down.
    path: Vec<String>,
    /// `waiting`, `in_step` or `held`.
    state: ShelfState,
    /// Why it waits or is held, for programs.
    code: Option<String>,
    /// Why it waits or is held, in words.
    reason: Option<String>,
}

fn show(row: Row) -> Category {
    let (code, reason) = row.hold.map(|hold| (hold.code, hold.reason)).unzip();
    Category {
        r_series: (!row.gone).then(|| CategoryHalf { id: row.r_id.to_string() }),
        e_series: row.e_id.map(|id| CategoryHalf { id: id.to_string() }),
        name: row.name,
        path: row.path,
        state: row.state,
        code,
        reason,
    }
}

/// How many categories stand how.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CategoryCounts {
    /// On E-Series, as the shop has them.
    in_step: i64,
    /// To be seen to.
    waiting: i64,
    /// Held with a reason.
    held: i64,
}

impl From<categories::Counts> for CategoryCounts {
    fn from(counts: categories::Counts) -> Self {
        Self { in_step: counts.in_step, waiting: counts.waiting, held: counts.held }
    }
}

/// What to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only those that stand like this.
    state: Option<ShelfState>,
    /// From `next` of the page before.
    #[param(pattern = "^[0-9]{1,9}-[0-9]{1,18}$")]
    cursor: Option<String>,
    /// Most rows, 1 to 200; 50 unless given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Where a page ends: position and id.
struct Place((i32, i64));

impl std::str::FromStr for Place {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (position, id) = text.split_once('-').unwrap_or((text, ""));
        Ok(Self((position.parse()?, id.parse()?)))
    }
}

/// List the shop's categories
///
/// In the order of the shop, each with the category of E-Series that it is. Categories that exist online only are not
/// listed: nothing is done about them.
#[utoipa::path(get, path = "/connections/{connection_id}/categories", tag = "products",
    operation_id = "list_categories", security(("bearer" = [])), params(("connection_id" = Uuid, Path), Filter),
    responses((status = 200, description = "Categories", body = List<Category>),
              (status = 400, description = "A parameter cannot be read", body = Problem),
              (status = 401, description = "No or a wrong access token", body = Problem),
              (status = 404, description = "No such connection", body = Problem),
              (status = 422, description = "A parameter makes no sense", body = Problem)))]
async fn list_categories(
    State(desk): State<Desk>,
    Path(id): Path<ConnectionId>,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<List<Category>>, Problem> {
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let limit = paging.limit()?;
    let after = paging.cursor::<Place>()?.map(|place| place.0);
    let mut db = desk.store.begin().await?;
    connection(&mut db, id).await?;
    let rows = categories::list(&mut db, id, filter.state, after, limit + 1).await?;
    let at = |row: &Row| format!("{}-{}", row.position.unwrap_or(i32::MAX), row.r_id);
    Ok(axum::Json(page(rows, limit, at, show)))
}

//! The REST interface under `/v1`.

mod api_keys;
mod audit;
mod brake;
mod categories;
mod choices;
mod conflicts;
mod connections;
mod ledger;
mod mass_update;
mod oauth;
mod plan;
mod products;
mod reviews;
mod settings;
mod status;
mod syncs;
mod undo;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::Desk;
use super::problem::Problem;
use crate::ids::ConnectionId;
use crate::store::{Db, connections as rows};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new()
        .merge(connections::routes())
        .merge(status::routes())
        .merge(oauth::routes())
        .merge(brake::routes())
        .merge(categories::routes())
        .merge(products::routes())
        .merge(reviews::routes())
        .merge(mass_update::routes())
        .merge(choices::routes())
        .merge(ledger::routes())
        .merge(conflicts::routes())
        .merge(undo::routes())
        .merge(syncs::routes())
        .merge(settings::routes())
        .merge(api_keys::routes())
        .merge(audit::routes())
}

/// A list, and where it goes on.
#[derive(Debug, Serialize, ToSchema)]
struct List<T> {
    /// This page.
    items: Vec<T>,
    /// Send it as `cursor` for the next page; null at the end.
    next: Option<String>,
}

/// Paging.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Paging {
    /// From `next` of the page before.
    cursor: Option<String>,
    /// Most rows, 1 to 200; 50 unless given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

impl Paging {
    fn limit(&self) -> Result<i64, Problem> {
        match self.limit.unwrap_or(50) {
            limit @ 1..=200 => Ok(limit),
            _ => Err(Problem::invalid("limit must be between 1 and 200")),
        }
    }

    fn cursor<T: std::str::FromStr>(&self) -> Result<Option<T>, Problem> {
        let parse = |text: &str| {
            text.parse().map_err(|_| Problem::invalid("cursor is none of ours: take it from `next`"))
        };
        self.cursor.as_deref().map(parse).transpose()
    }
}

/// One page out of rows read with `limit + 1`.
fn page<R, T>(mut rows: Vec<R>, limit: i64, id: impl Fn(&R) -> String, show: impl Fn(R) -> T) -> List<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(id);
    List { items: rows.into_iter().map(show).collect(), next }
}

/// The connection, or 404.
async fn connection(db: &mut Db, id: ConnectionId) -> Result<rows::Row, Problem> {
    rows::get(db, id).await?.ok_or_else(|| Problem::not_found("connection"))
}

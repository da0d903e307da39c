//! What operators want of single fields and products, until a visit has seen to it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Db, Result, StoreError, word};
use crate::catalog::{Field, Side, Value};
use crate::clock::Instant;
use crate::decide::edit::{Edit as Values, Pair};
use crate::ids::{ConflictId, ConnectionId, EntryId, ProductId};
use crate::ledger::Outcome;

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A field is to show these values.
    Values(Values),
    /// Pieces are to be added on one side; they are news there, and reach the other side like any other.
    Stock {
        /// The side.
        side: Side,
        /// Signed pieces.
        delta: i64,
    },
    /// The product is to leave the web, and not to be created there again.
    Remove,
    /// Pictures that existed online alone and were taken down are to be shown again: where they were.
    Pictures(Vec<String>),
}

impl What {
    fn act(&self) -> &'static str {
        match self {
            Self::Values(_) => "values",
            Self::Stock { .. } => "stock",
            Self::Remove => "remove",
            Self::Pictures(_) => "pictures",
        }
    }

    /// The field it is about; none for a whole product.
    #[must_use]
    pub fn field(&self) -> Option<Field> {
        match self {
            Self::Values(edit) => Some(edit.field),
            Self::Stock { .. } => Some(Field::Stock),
            Self::Remove => None,
            Self::Pictures(_) => Some(Field::Images),
        }
    }
}

/// One edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Id.
    pub edit_id: uuid::Uuid,
    /// Which product.
    pub product_id: ProductId,
    /// What is wanted.
    pub what: What,
    /// The entries that it undoes, newest first.
    pub undoes: Vec<EntryId>,
    /// The conflict in which it is the choice, and whose value was chosen.
    pub conflict: Option<(ConflictId, Side)>,
    /// The operator's entry that asked for it.
    pub order_id: EntryId,
    /// Of stock and of a variation's picture, the write under which it was sent last.
    pub write_id: Option<EntryId>,
}

impl Edit {
    /// What led to a write of it, for the ledger.
    #[must_use]
    pub fn cause(&self) -> String {
        match (self.conflict, self.undoes.as_slice()) {
            (Some((conflict, _)), _) => format!("choice in conflict {conflict}"),
            (None, [entry, ..]) => format!("undo of entry {entry}"),
            (None, []) => format!("order {}", self.order_id),
        }
    }
}

/// Writes edits down. Mark their products first: rows of the dirty set are locked before any other. False, and nothing
/// is written, when there is one already that waits for the same field of the same product.
pub async fn put(db: &mut Db, connection_id: ConnectionId, edits: &[Edit]) -> Result<bool> {
    for edit in edits {
        let json = |value: Option<&Value>| value.map(Value::to_json);
        let (values, side, delta) = match &edit.what {
            What::Values(values) => (Some(values), None, None),
            What::Stock { side, delta } => (None, Some(*side), Some(*delta)),
            What::Remove | What::Pictures(_) => (None, None, None),
        };
        let pictures = match &edit.what {
            What::Pictures(urls) => Some(urls.as_slice()),
            _ => None,
        };
        let of = |pair: fn(&Values) -> &Pair, side: Side| json(values.and_then(|it| pair(it).side(side)));
        let undoes: Vec<uuid::Uuid> = edit.undoes.iter().map(|entry| entry.0).collect();
        let done = sqlx::query!(
            "insert into edits (connection_id, edit_id, product_id, act, field, side, r_value, e_value, r_expected,
                                e_expected, delta, undoes, conflict_id, choice, order_id, pictures)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
             on conflict do nothing",
            connection_id.0,
            edit.edit_id,
            edit.product_id.0,
            edit.what.act(),
            edit.what.field().map(Field::as_str),
            side.map(Side::as_str),
            of(|it| &it.want, Side::RSeries),
            of(|it| &it.want, Side::ESeries),
            of(|it| &it.expected, Side::RSeries),
            of(|it| &it.expected, Side::ESeries),
            delta,
            &undoes,
            edit.conflict.map(|(conflict, _)| conflict.0),
            edit.conflict.map(|(_, choice)| choice.as_str()),
            edit.order_id.0,
            pictures,
        )
        .execute(&mut *db)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query!(
            "update ledger set undone_by = $3 where connection_id = $1 and entry_id = any($2)",
            connection_id.0,
            &undoes,
            edit.order_id.0,
        )
        .execute(&mut *db)
        .await?;
    }
    Ok(true)
}

/// The edits that wait for these products.
pub async fn of(
    db: &mut Db,
    connection_id: ConnectionId,
    products: &[ProductId],
) -> Result<BTreeMap<ProductId, Vec<Edit>>> {
    let products: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    let rows = sqlx::query!(
        "select edit_id, product_id, act, field, side, r_value, e_value, r_expected, e_expected, delta, undoes,
                conflict_id, choice, order_id, write_id, pictures
         from edits where connection_id = $1 and product_id = any($2) order by edit_id",
        connection_id.0,
        &products,
    )
    .fetch_all(db)
    .await?;
    let mut edits = BTreeMap::<ProductId, Vec<Edit>>::new();
    for row in rows {
        let field = row.field.as_deref();
        let field = field.map(|text| word(Field::parse(text), "edits.field", text)).transpose()?;
        let side =
            |text: Option<&str>| text.map(|text| word(Side::parse(text), "edits.side", text)).transpose();
        let value = |json: Option<serde_json::Value>| -> Result<Option<Value>> {
            let read = field.zip(json).map(|(field, json)| Value::from_json(field, &json));
            read.transpose().map_err(|error| StoreError::Unreadable(format!("edits: {error}")))
        };
        let (at, choice) = (side(row.side.as_deref())?, side(row.choice.as_deref())?);
        let what = match (row.act.as_str(), field, at) {
            ("values", Some(field), _) => What::Values(Values {
                field,
                want: Pair { r_series: value(row.r_value)?, e_series: value(row.e_value)? },
                expected: Pair { r_series: value(row.r_expected)?, e_series: value(row.e_expected)? },
            }),
            ("stock", _, Some(side)) => What::Stock { side, delta: row.delta.unwrap_or_default() },
            ("remove", ..) => What::Remove,
            ("pictures", ..) => What::Pictures(row.pictures.unwrap_or_default()),
            (act, ..) => return Err(StoreError::Unreadable(format!("edits.act = {act:?}"))),
        };
        edits.entry(ProductId(row.product_id)).or_default().push(Edit {
            edit_id: row.edit_id,
            product_id: ProductId(row.product_id),
            what,
            undoes: row.undoes.into_iter().map(EntryId).collect(),
            conflict: row.conflict_id.map(ConflictId).zip(choice),
            order_id: EntryId(row.order_id),
            write_id: row.write_id.map(EntryId),
        });
    }
    Ok(edits)
}

/// Under which write the pieces of an edit are sent: committed together with the intent of that write.
pub async fn sent(db: &mut Db, connection_id: ConnectionId, edit: &Edit, write: EntryId) -> Result<()> {
    sqlx::query!(
        "update edits set write_id = $3 where connection_id = $1 and edit_id = $2",
        connection_id.0,
        edit.edit_id,
        write.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What became of a write; none while it is open, or when it is not known any more.
pub async fn outcome(db: &mut Db, connection_id: ConnectionId, write: EntryId) -> Result<Option<Outcome>> {
    Ok(super::ledger::get(db, connection_id, write).await?.and_then(|entry| entry.result))
}

/// An edit has been seen to. One that was `left` undone takes its mark from the entries that it was to undo.
pub async fn done(db: &mut Db, connection_id: ConnectionId, edit: &Edit, left: bool) -> Result<()> {
    sqlx::query!(
        "delete from edits where connection_id = $1 and edit_id = $2",
        connection_id.0,
        edit.edit_id
    )
    .execute(&mut *db)
    .await?;
    if left {
        let undoes: Vec<uuid::Uuid> = edit.undoes.iter().map(|entry| entry.0).collect();
        sqlx::query!(
            "update ledger set undone_by = null
             where connection_id = $1 and entry_id = any($2) and undone_by = $3",
            connection_id.0,
            &undoes,
            edit.order_id.0,
        )
        .execute(db)
        .await?;
    }
    Ok(())
}

/// How many edits of an order still wait, and how many were left undone.
pub async fn progress(db: &mut Db, connection_id: ConnectionId, order: EntryId) -> Result<(i64, i64)> {
    let row = sqlx::query!(
        r#"select (select count(*) from edits where connection_id = $1 and order_id = $2) as "waiting!",
                  (select count(*) from ledger where connection_id = $1 and call_id = $2
                     and kind = 'operator' and result = 'superseded') as "left!""#,
        connection_id.0,
        order.0,
    )
    .fetch_one(db)
    .await?;
    Ok((row.waiting, row.left))
}

/// Which of these products an operator has taken off the web, and has not asked for since.
pub async fn withdrawn(
    db: &mut Db,
    connection_id: ConnectionId,
    products: &[ProductId],
) -> Result<BTreeSet<ProductId>> {
    let products: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    let rows = sqlx::query_scalar!(
        "select product_id from withdrawn where connection_id = $1 and product_id = any($2)",
        connection_id.0,
        &products,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ProductId).collect())
}

/// A product stays off the web until it is asked for.
pub async fn withdraw(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    order: EntryId,
    now: Instant,
) -> Result<()> {
    sqlx::query!(
        "insert into withdrawn (connection_id, product_id, order_id, at) values ($1, $2, $3, $4)
         on conflict do nothing",
        connection_id.0,
        product_id.0,
        order.0,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A product may be created on the web again, and its variants with it. False when nothing kept it from that.
pub async fn ask_for(db: &mut Db, connection_id: ConnectionId, product_id: ProductId) -> Result<bool> {
    let done = sqlx::query!(
        "delete from withdrawn where connection_id = $1
           and (product_id = $2 or product_id in (select l.product_id from links l
                                                  where l.connection_id = $1 and l.parent_id = $2))",
        connection_id.0,
        product_id.0,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

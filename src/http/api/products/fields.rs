//! Why a field of a product is what it is.

use serde::Serialize;
use utoipa::ToSchema;

use crate::catalog::{Field, Hold, Rule, Rules, Side, Value, Way};
use crate::clock::Instant;
use crate::ids::{ConflictId, EntryId};
use crate::ledger::{Entry, Kind, Origin};
use crate::store::conflicts::{Conflict, State as Standing};
use crate::store::links::Link;
use crate::store::{Db, StoreError, conflicts, ledger};

/// One field of a product: what is, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FieldDetail {
    /// The field.
    field: Field,
    /// What R-Series showed when last in step.
    r_series: Option<serde_json::Value>,
    /// What E-Series showed when last in step.
    e_series: Option<serde_json::Value>,
    /// The same, as the merge sees it: per side.
    shadow: ShadowPair,
    /// Where the value came from.
    origin: Option<Origin>,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Instant>,
    /// The write that brought it.
    write_id: Option<EntryId>,
    /// What led to that write.
    cause: Option<String>,
    /// In which direction it is carried.
    way: Way,
    /// What is done when both sides changed.
    rule: ShownRule,
    /// Why it stays as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<Hold>,
    /// Why the sides differ in it although nothing is left to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    differs: Option<Hold>,
    /// The value that lost when both sides last changed it, and where it can be chosen instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    loser: Option<Loser>,
    /// The conflict that waits for a choice: `POST …/conflicts/{conflict_id}/resolve`.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_conflict: Option<ConflictId>,
    /// When both sides were last proven to be in step in it.
    #[schema(value_type = Option<String>, format = DateTime)]
    proven_at: Option<Instant>,
}

/// A value that lost.
#[derive(Debug, Serialize, ToSchema)]
struct Loser {
    /// The conflict: `POST …/conflicts/{conflict_id}/resolve` puts the value back.
    conflict_id: ConflictId,
    /// Whose value it was.
    side: Side,
    /// The value.
    value: serde_json::Value,
    /// It can still be chosen; it cannot once an operator has, or the sides became the same by themselves.
    can_choose: bool,
    /// When it lost.
    #[schema(value_type = String, format = DateTime)]
    at: Instant,
}

impl Loser {
    fn of(conflict: &Conflict) -> Option<Self> {
        let side = conflict.winner?.other();
        let value = if side == Side::RSeries { &conflict.r_value } else { &conflict.e_value };
        let can_choose = conflict.state == Standing::Decided;
        Some(Self {
            conflict_id: conflict.conflict_id,
            side,
            value: value.clone(),
            can_choose,
            at: conflict.at,
        })
    }
}

/// A value per side.
#[derive(Debug, Serialize, ToSchema)]
struct ShadowPair {
    /// R-Series.
    r_series: Option<serde_json::Value>,
    /// E-Series.
    e_series: Option<serde_json::Value>,
}

/// What is done when both sides changed a field.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ShownRule {
    /// R-Series' value is taken.
    RWins,
    /// E-Series' value is taken.
    EWins,
    /// Neither: the field waits until somebody chooses.
    Ask,
    /// Both changes are added: a count of pieces has no winner.
    Sum,
}

impl ShownRule {
    /// Stock has no rule: what was sold here and there is counted together, whatever the settings say.
    fn of(field: Field, rules: &Rules) -> Self {
        match rules.rule(field) {
            _ if field == Field::Stock => Self::Sum,
            Rule::RWins => Self::RWins,
            Rule::EWins => Self::EWins,
            Rule::Ask => Self::Ask,
        }
    }
}

/// A product that the shop publishes and the web does not show, because nobody has enabled it since it came there:
/// being created, or tied to a product of the shop, puts nothing on offer.
fn hidden(link: &Link, last: &Entry) -> Option<Hold> {
    let offers = |side: Side| link.shadow.side(side).get(Field::Enabled) == Some(&Value::Flag(true));
    if !offers(Side::RSeries) || offers(Side::ESeries) || link.e_product_id.is_none() {
        return None;
    }
    let enable = "To show it, enable it on E-Series, or with POST …/products/mass-update";
    match last.kind {
        Kind::Create if last.side == Some(Side::ESeries) => Some(Hold::new(
            "arrived_hidden",
            format!(
                "New products arrive on the web disabled, so that nothing is on offer before somebody has looked at \
                 it, and nobody has enabled this one yet. {enable}."
            ),
        )),
        Kind::Link => Some(Hold::new(
            "tied_hidden",
            format!(
                "The web did not show it when it was tied to the shop's, and tying puts nothing on offer. {enable}."
            ),
        )),
        _ => None,
    }
}

/// Every field of a product: what both sides showed when last in step, and why.
pub(super) async fn of(db: &mut Db, link: &Link, rules: &Rules) -> Result<Vec<FieldDetail>, StoreError> {
    let (connection, product) = (link.connection_id, link.product_id);
    let conflicts = conflicts::newest(&mut *db, connection, product).await?;
    let mut fields = Vec::new();
    for field in Field::ALL {
        let value = |side: Side| link.shadow.side(side).get(field).map(Value::to_json);
        // What the product does not have needs no explanation.
        let known = Side::BOTH.into_iter().any(|side| value(side).is_some());
        let last =
            if known { ledger::explanation(&mut *db, connection, product, field).await? } else { None };
        let last = last.as_ref();
        let conflict = conflicts.iter().find(|conflict| conflict.field == field);
        let open = conflict.filter(|conflict| conflict.state == Standing::Open);
        fields.push(FieldDetail {
            field,
            r_series: value(Side::RSeries),
            e_series: value(Side::ESeries),
            shadow: ShadowPair { r_series: value(Side::RSeries), e_series: value(Side::ESeries) },
            origin: last.map(|entry| entry.origin),
            since: last.map(|entry| entry.at),
            write_id: last.map(|entry| entry.entry_id),
            cause: last.and_then(|entry| entry.cause.clone()),
            way: rules.way(field),
            rule: ShownRule::of(field, rules),
            hold: link.holds.get(&field).cloned(),
            differs: last.filter(|_| field == Field::Enabled).and_then(|last| hidden(link, last)),
            loser: conflict.and_then(Loser::of),
            open_conflict: open.map(|conflict| conflict.conflict_id),
            proven_at: link.proven_at.filter(|_| known),
        });
    }
    Ok(fields)
}

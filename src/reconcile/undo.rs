//! What undoing writes would take: which edits, and which writes cannot be undone, with the reason. Nothing is written
//! here; the edits go through the corridor like any other change.

use std::collections::BTreeMap;

use super::Corridor;
use super::planning::refusal;
use super::preview::PreviewError;
use super::sight::{Reading, Sight, Sights};
use crate::catalog::{Facts, Field, Rules, Side, Stock, Value};
use crate::decide::edit::{Edit as Values, Pair};
use crate::ids::{ConnectionId, EntryId, ProductId};
use crate::ledger::{Detail, Entry, Kind, Outcome, PictureAct};
use crate::mapping::images as pictures;
use crate::store::edits::{Edit, What};
use crate::store::links::Link;

/// A write that is not undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which.
    pub entry_id: EntryId,
    /// What it wrote is no longer there, or it is undone already: another time it could have been undone.
    pub moved_on: bool,
    /// Why, for the merchant.
    pub reason: String,
}

impl Refused {
    fn new(entry: &Entry, moved_on: bool, reason: impl Into<String>) -> Self {
        Self { entry_id: entry.entry_id, moved_on, reason: reason.into() }
    }
}

/// Can this entry be undone at all, whatever the sides show?
pub fn undoable(entry: &Entry) -> Result<(), Refused> {
    let never = |reason: &str| Err(Refused::new(entry, false, reason));
    match entry.kind {
        Kind::Write | Kind::Create | Kind::Remove | Kind::Stock => {}
        Kind::Verdict => return never("Nothing was written here, so there is nothing to undo."),
        Kind::Conflict => return never("A conflict is resolved, not undone: choose the other value there."),
        Kind::Echo => return never("An echo is our own write coming back: undo that write."),
        Kind::Link => {
            return never(
                "A tie is not undone: it follows from SKU, marker and options. Give one of the two another SKU, and \
                 remove the product online if it is to be created anew.",
            );
        }
        Kind::Hold => {
            return never(
                "Nothing was changed here: something stays as it is, for the reason that it names.",
            );
        }
        Kind::Operator => {
            return never(
                "An order is undone by undoing the writes it led to: POST …/ledger/undo with its cause.",
            );
        }
    }
    if let Some(order) = entry.undone_by {
        return Err(Refused::new(entry, true, format!("It is undone already, by {order}.")));
    }
    match entry.result {
        Some(Outcome::Landed) => {}
        None => return Err(Refused::new(entry, true, "The write is still under way: wait for its result.")),
        Some(_) => return never("The write took no effect, so there is nothing to undo."),
    }
    if entry.product_id.is_none() {
        return never("The tree of categories is the shop's: what is changed there follows.");
    }
    match (entry.kind, entry.recovery()) {
        (Kind::Write, Some(Detail::Picture { .. })) if taken_down(entry).is_none() => never(
            "No picture was taken down here that existed online alone. Pictures are the shop's: change them there.",
        ),
        (Kind::Write, Some(Detail::Picture { .. })) => Ok(()),
        (Kind::Create, _) if entry.side == Some(Side::RSeries) => {
            never("Concord deletes nothing in the shop: archive the item there, and it goes from the web.")
        }
        (Kind::Stock, Some(Detail::SaleOnR { .. })) => never(
            "It is booked as a completed sale in the shop: refund that sale in the POS, and the stock follows.",
        ),
        (Kind::Stock, _) if entry.pieces().is_none_or(|pieces| pieces == 0) => {
            never("The entry does not say how many pieces were added.")
        }
        (Kind::Write, _) if entry.values().is_none() => never("What was there before is not known any more."),
        _ => Ok(()),
    }
}

/// Where the picture was that this write took down or replaced, unless it was the shop's.
fn taken_down(entry: &Entry) -> Option<String> {
    let Some(Detail::Picture { act: PictureAct::Remove(_) | PictureAct::Hang { .. }, .. }) = entry.recovery()
    else {
        return None;
    };
    let before = entry.before.as_ref()?;
    let marker = before.get("external_id").and_then(serde_json::Value::as_str);
    let url = before.get("url")?.as_str().filter(|url| !url.is_empty())?;
    (!marker.is_some_and(pictures::is_marker)).then(|| url.to_owned())
}

/// What it takes to undo these writes of one product, and which of them are left, by what was last in step.
/// `new_id` makes ids of edits.
pub fn undo(
    entries: &[Entry],
    link: &Link,
    rules: &Rules,
    order_id: EntryId,
    mut new_id: impl FnMut() -> uuid::Uuid,
) -> (Vec<Edit>, Vec<Refused>) {
    let mut refused = Vec::new();
    let mut writes = BTreeMap::<Field, Vec<&Entry>>::new();
    let mut stock = BTreeMap::<Side, Vec<&Entry>>::new();
    let (mut created, mut hung) = (Vec::new(), Vec::new());
    for entry in entries {
        match (undoable(entry), entry.kind, entry.field, entry.side) {
            (Err(why), ..) => refused.push(why),
            (Ok(()), Kind::Write, Some(Field::Images), _) => hung.push(entry),
            (Ok(()), Kind::Write, Some(field), Some(_)) => writes.entry(field).or_default().push(entry),
            (Ok(()), Kind::Stock, _, Some(side)) => stock.entry(side).or_default().push(entry),
            (Ok(()), Kind::Create, _, Some(Side::ESeries)) => created.push(entry),
            (Ok(()), Kind::Remove, ..) => refused.push(Refused::new(
                entry,
                false,
                "What was removed because the shop has it no more comes back when the shop has it again. A removal \
                 that an operator asked for is undone by itself.",
            )),
            (Ok(()), ..) => refused.push(Refused::new(entry, false, "Writes of this kind cannot be undone.")),
        }
    }
    let newest_first = |entries: &[&Entry]| {
        let mut ids: Vec<EntryId> = entries.iter().map(|entry| entry.entry_id).collect();
        ids.sort_unstable_by(|one, two| two.cmp(one));
        ids
    };
    let mut edit = |what: What, undoes: Vec<EntryId>| Edit {
        edit_id: new_id(),
        product_id: link.product_id,
        what,
        undoes,
        conflict: None,
        order_id,
        write_id: None,
    };
    if !created.is_empty() {
        if link.e_product_id.is_none() {
            refused.extend(
                created
                    .iter()
                    .map(|entry| Refused::new(entry, true, "What was created is not on E-Series any more.")),
            );
            return (Vec::new(), refused);
        }
        // Whatever else was written to it goes with it.
        let others = writes.into_values().chain(stock.into_values()).flatten();
        let all: Vec<&Entry> = others.chain(hung).chain(created).collect();
        return (vec![edit(What::Remove, newest_first(&all))], refused);
    }
    let mut edits = Vec::new();
    // In the order in which they hung: what was taken down last stood before the others.
    hung.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.entry_id));
    let urls: Vec<String> = hung.iter().filter_map(|entry| taken_down(entry)).collect();
    if !urls.is_empty() {
        edits.push(edit(What::Pictures(urls), newest_first(&hung)));
    }
    for (field, mut entries) in writes {
        entries.sort_unstable_by_key(|entry| entry.entry_id);
        let mut values = Values { field, want: Pair::default(), expected: Pair::default() };
        let mut undoes = Vec::new();
        for side in Side::BOTH {
            let mut back: Option<Value> = None;
            for entry in entries.iter().rev().filter(|entry| entry.side == Some(side)) {
                let Some((before, after, _)) = entry.values() else { continue };
                match &back {
                    None => values.expected.set(side, after),
                    Some(shown) if shown.may_stand_for(&after) => {}
                    Some(_) => {
                        refused.push(Refused::new(
                            entry,
                            true,
                            format!(
                                "Somebody else has changed the {field} between this write and a later one."
                            ),
                        ));
                        break;
                    }
                }
                undoes.push(*entry);
                back = Some(before);
            }
            if let Some(back) = back {
                values.want.set(side, back);
            }
        }
        for side in Side::BOTH {
            let Pair { r_series, e_series } = values.want.clone();
            let (here, there) =
                if side == Side::RSeries { (r_series, e_series) } else { (e_series, r_series) };
            if let (Some(value), None, Some(now)) = (here, there, values.expected.side(side).cloned()) {
                values = Values::spread(field, side, now, &value, &link.shadow, rules);
                break;
            }
        }
        edits.push(edit(What::Values(values), newest_first(&undoes)));
    }
    for (side, entries) in stock {
        let pieces = entries.iter().filter_map(|entry| entry.pieces());
        let delta = pieces.fold(0_i64, i64::saturating_add).saturating_neg();
        if delta == 0 {
            let even = |entry: &&Entry| {
                Refused::new(entry, false, "These changes of the stock cancel each other out.")
            };
            refused.extend(entries.iter().map(even));
            continue;
        }
        edits.push(edit(What::Stock { side, delta }, newest_first(&entries)));
    }
    (edits, refused)
}

/// Why an edit does not fit what both sides show, if it does not.
fn unfit(
    what: &What,
    (r, e): (Option<&Facts>, Option<&Facts>),
    refuses: &crate::decide::plan::Refusal<'_>,
) -> Option<String> {
    let (Some(r), Some(e)) = (r, e) else {
        return Some("The product is not on both sides any more.".into());
    };
    match what {
        What::Values(values) => values.fits((r, e), refuses).err().map(|unfit| unfit.words(values.field)),
        What::Stock { side, .. } => {
            let shown = if *side == Side::RSeries { r } else { e };
            let counted = shown.stock().and_then(Stock::tracked).is_some();
            (!counted).then(|| format!("{side} does not count the stock of this product."))
        }
        What::Remove | What::Pictures(_) => None,
    }
}

/// The same by what both sides showed when they were last in step.
#[must_use]
pub fn unfit_by_memory(what: &What, link: &Link) -> Option<String> {
    let both = link.e_product_id.is_some() && link.r_item_id.or(link.r_matrix_id).is_some();
    let shadow = |side: Side| Some(link.shadow.side(side)).filter(|_| both);
    unfit(what, (shadow(Side::RSeries), shadow(Side::ESeries)), &|_, _, _| None)
}

impl Corridor {
    /// Looks at both sides of a product, and tells why these edits cannot be made now: one answer an edit. None when
    /// there is no such product.
    pub async fn unfit(
        &self,
        connection_id: ConnectionId,
        product_id: ProductId,
        edits: &[What],
    ) -> Result<Option<Vec<Option<String>>>, PreviewError> {
        let Some((account, link, parent, sights)) = self.sights_of(connection_id, product_id).await? else {
            return Ok(None);
        };
        let reading = Reading::of(&account, &link, parent.as_ref());
        let Sights { r: Sight::Here(shop), e: Sight::Here(online), .. } = &sights else {
            let gone = "The product is not on both sides any more.".to_owned();
            return Ok(Some(edits.iter().map(|_| Some(gone.clone())).collect()));
        };
        let (r, e) = (shop.facts(&reading), online.facts(&reading));
        let refuses = refusal(&account, &reading, shop, online);
        Ok(Some(edits.iter().map(|what| unfit(what, (Some(&r), Some(&e)), &refuses)).collect()))
    }
}

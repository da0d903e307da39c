//! What the study has to say of two sights.

use super::category;
use super::sight::{InShop, Online, Reading};
use crate::catalog::{Facts, Field, Side, Value};
use crate::connections::Account;
use crate::decide::{self, Plan, brake};
use crate::mapping;
use crate::store::links::Link;

/// Merges and plans, and tells whose news there was.
pub(super) fn plan_for(
    account: &Account,
    link: &Link,
    reading: &Reading<'_>,
    shop: &InShop,
    online: &Online,
) -> (Plan, [bool; 2]) {
    let (r, e) = (shop.facts(reading), online.facts(reading));
    let news = |now: &Facts, side: Side| {
        now.iter().any(|(field, value)| link.shadow.side(side).get(field) != Some(value))
    };
    let changed = [news(&r, Side::RSeries), news(&e, Side::ESeries)];
    let shadow = category::as_it_counts(&link.shadow, &e, &account.tree);
    let verdicts = decide::merge(&shadow, &r, &e, &account.rules);
    let names = reading.names.as_ref().filter(|_| reading.tied);
    let refuses = |side: Side, field, value: &Value| match side {
        _ if field == Field::Category => mapping::category::refuses(side, value, &account.tree),
        Side::RSeries => mapping::rseries::refuses(shop.item(), &account.context, names, field, value),
        Side::ESeries => mapping::eseries::refuses(names, field, value),
    };
    let mut plan = decide::plan(&shadow, verdicts, link.owed_on_r, r.stock(), &refuses);
    if !reading.variant {
        let several = mapping::category::several(&online.product.category_ids, &account.tree);
        plan.holds.extend(several.map(|hold| (Field::Category, hold)));
    }
    brake::freeze(&mut plan, &brake::frozen(&link.holds));
    (plan, changed)
}

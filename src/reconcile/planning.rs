//! What the study has to say of two sights.

use super::category;
use super::sight::{InShop, Online, Reading};
use crate::catalog::{Facts, Field, Hold, Side, Value};
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
    let mut shadow = category::as_it_counts(&link.shadow, &e, &account.tree);
    let values = |facts: &Facts| facts.list(Field::OptionValues).map(<[String]>::to_vec);
    if let (Some(r_was), Some(e_was), Some(r), Some(e)) =
        (values(&shadow.r_series), values(&shadow.e_series), values(&r), values(&e))
        && let Some([r, e]) = mapping::reshape::as_of_now([&r_was, &e_was], [&r, &e])
    {
        shadow.settle(Field::OptionValues, Value::List(r), Value::List(e));
    }
    let verdicts = decide::merge(&shadow, &r, &e, &account.rules);
    let refuses = refusal(account, reading, shop, online);
    let mut plan = decide::plan(&shadow, verdicts, link.owed_on_r, r.stock(), &refuses);
    if !reading.variant {
        let several = mapping::category::several(&online.product.category_ids, &account.tree);
        plan.holds.extend(several.map(|hold| (Field::Category, hold)));
    }
    plan.leave_ignored(&link.holds);
    brake::freeze(&mut plan, &brake::frozen(&link.holds));
    (plan, changed)
}

/// What either side cannot take of a product.
pub(super) fn refusal<'a>(
    account: &'a Account,
    reading: &'a Reading<'_>,
    shop: &'a InShop,
    online: &'a Online,
) -> impl Fn(Side, Field, &Value) -> Option<Hold> + 'a {
    let names = reading.names.as_ref().filter(|_| reading.tied);
    let reshaped = move |side: Side, wanted: &[String]| {
        let InShop::Matrix { matrix, items } = shop else { return None };
        let (context, product) = (&account.context, &online.product);
        match side {
            Side::RSeries => mapping::reshape::on_r(product, items, context, (names, wanted)).err(),
            Side::ESeries => mapping::reshape::on_e(product, (matrix, items), context, (names, wanted)).err(),
        }
    };
    let shown = move |side: Side| match side {
        Side::RSeries => shop.facts(reading),
        Side::ESeries => online.facts(reading),
    };
    let reshapes = move |side: Side, wanted: &[String]| {
        shown(side).list(Field::Options).is_some_and(|shown| mapping::reshape::reshapes(names, wanted, shown))
    };
    move |side, field, value| match (field, side) {
        (Field::Category, _) => mapping::category::refuses(side, value, &account.tree),
        (Field::Options, _) if value.list().is_some_and(|wanted| reshapes(side, wanted)) => {
            reshaped(side, value.list().unwrap_or_default())
        }
        (_, Side::RSeries) => mapping::rseries::refuses(shop.item(), &account.context, names, field, value),
        (_, Side::ESeries) => mapping::eseries::refuses(names, field, value),
    }
}

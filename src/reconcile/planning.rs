//! What the study has to say of two sights.

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
    let verdicts = decide::merge(&link.shadow, &r, &e, &account.rules);
    let names = reading.names.as_ref().filter(|_| reading.tied);
    let reshaped = |side: Side, wanted: &[String]| {
        let InShop::Matrix { matrix, items } = shop else { return None };
        let (context, product) = (&account.context, &online.product);
        match side {
            Side::RSeries => mapping::reshape::on_r(product, items, context, wanted).err(),
            Side::ESeries => mapping::reshape::on_e(product, (matrix, items), context, wanted).err(),
        }
    };
    let refuses = |side: Side, field: Field, value: &Value| match side {
        side if field == Field::Options
            && value.list().is_some_and(|wanted| mapping::reshape::reshapes(names, wanted)) =>
        {
            reshaped(side, value.list().unwrap_or_default())
        }
        Side::RSeries => mapping::rseries::refuses(shop.item(), &account.context, names, field, value),
        Side::ESeries => mapping::eseries::refuses(names, field, value),
    };
    let mut plan = decide::plan(&link.shadow, verdicts, link.owed_on_r, r.stock(), &refuses);
    brake::freeze(&mut plan, &brake::frozen(&link.holds));
    (plan, changed)
}

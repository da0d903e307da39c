//! The shops of an account that a connection takes part in: over which the stock is summed, and in which one of them
//! what the web sells is booked (integration-rules.md, section 5).

use super::accounts::Accounts;
use super::connect::{ConnectError, Problem, not_proved};
use crate::catalog::Side;
use crate::store::connections::Row;

/// Shops of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shops {
    /// Those whose stock is summed, ascending.
    pub ids: Vec<i64>,
    /// The one in which stock sold on the web is booked.
    pub primary: i64,
}

/// What an operator wants of the shops of a connection. What is left out stays.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Those whose stock is summed; none of them means all that are open.
    pub shop_ids: Option<Vec<i64>>,
    /// The primary one.
    pub primary: Option<i64>,
}

impl Wish {
    /// Does it say anything?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shop_ids.is_none() && self.primary.is_none()
    }
}

impl Shops {
    /// Those of a connection.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        Self { ids: row.r_shop_ids.clone(), primary: row.r_primary_shop_id }
    }

    /// Makes them those of a connection.
    pub fn put(self, row: &mut Row) {
        (row.r_shop_ids, row.r_primary_shop_id) = (self.ids, self.primary);
    }

    /// For a new connection: those that are named, or all that are open; the first is the primary one unless one is
    /// named.
    pub(super) fn first(open: &[i64], named: &[i64], primary: Option<i64>) -> Result<Self, String> {
        let ids = named_or_all(open, named)?;
        let primary = primary.or_else(|| ids.first().copied());
        let primary = match primary {
            Some(primary) if !ids.contains(&primary) => return Err(no_such(primary, open)),
            Some(primary) => primary,
            None => return Err("the account has no open shop".into()),
        };
        Ok(Self { ids, primary })
    }

    /// What becomes of them by a wish. A shop that is named has to be open; the primary one never changes unsaid.
    fn changed(&self, open: &[i64], wish: &Wish) -> Result<Self, String> {
        let ids = match &wish.shop_ids {
            Some(named) => named_or_all(open, named)?,
            None => self.ids.clone(),
        };
        let primary = match wish.primary {
            Some(primary) if !open.contains(&primary) => return Err(no_such(primary, open)),
            Some(primary) if !ids.contains(&primary) => {
                return Err(format!(
                    "primary_shop_id must be one of shop_ids: shop {primary} is not among {}",
                    list(&ids)
                ));
            }
            Some(primary) => primary,
            None if !ids.contains(&self.primary) => {
                return Err(format!(
                    "shop {} is the primary shop and would not be connected any more: name another one of {} as \
                     primary_shop_id",
                    self.primary,
                    list(&ids)
                ));
            }
            None => self.primary,
        };
        Ok(Self { ids, primary })
    }

    /// Those of them that are still open. Where the primary one was closed, the first of the others takes its place.
    pub(super) fn still_open(&self, open: &[i64]) -> Result<Self, String> {
        let ids: Vec<i64> = self.ids.iter().copied().filter(|shop| open.contains(shop)).collect();
        let Some(first) = ids.first().copied() else {
            return Err(format!(
                "none of the connected shops ({}) is open any more; the account has {}. Connect one of these first, by a \
                 change of shop_ids while the present tokens still do, or make a connection of its own",
                list(&self.ids),
                list(open)
            ));
        };
        let primary = if ids.contains(&self.primary) { self.primary } else { first };
        Ok(Self { ids, primary })
    }
}

fn named_or_all(open: &[i64], named: &[i64]) -> Result<Vec<i64>, String> {
    let mut ids = if named.is_empty() { open.to_vec() } else { named.to_vec() };
    ids.sort_unstable();
    ids.dedup();
    match ids.iter().find(|shop| !open.contains(shop)) {
        Some(unknown) => Err(no_such(*unknown, open)),
        None if ids.is_empty() => Err("the account has no open shop".into()),
        None => Ok(ids),
    }
}

fn no_such(shop: i64, open: &[i64]) -> String {
    format!("there is no open shop {shop}; the account has {}", list(open))
}

fn list(shops: &[i64]) -> String {
    if shops.is_empty() {
        return "none".into();
    }
    shops.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

impl Accounts {
    /// Asks R-Series for its shops, and says what becomes of those of a connection by a wish.
    pub async fn choose_shops(&self, row: &Row, wish: &Wish) -> Result<Shops, ConnectError> {
        let failed = |problem| not_proved(Side::RSeries, problem);
        let account = self.open(row).await.map_err(|error| failed(error.into()))?;
        let open = account.r.shops().await.map_err(|error| failed(error.into()))?;
        let open: Vec<i64> = open.iter().filter(|shop| !shop.archived).map(|shop| shop.id).collect();
        Shops::of(row).changed(&open, wish).map_err(|words| failed(Problem::Words(words)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shops(ids: &[i64], primary: i64) -> Shops {
        Shops { ids: ids.to_vec(), primary }
    }

    fn wish(ids: Option<&[i64]>, primary: Option<i64>) -> Wish {
        Wish { shop_ids: ids.map(<[i64]>::to_vec), primary }
    }

    #[test]
    fn a_wish_changes_what_it_names_and_nothing_else() {
        let (now, open) = (shops(&[1, 2], 1), [1, 2, 3]);
        let changed = |ids, primary| now.changed(&open, &wish(ids, primary));
        assert_eq!(changed(Some(&[3, 1, 3]), None), Ok(shops(&[1, 3], 1)));
        assert_eq!(changed(Some(&[]), None), Ok(shops(&[1, 2, 3], 1)), "none named is all that are open");
        assert_eq!(changed(None, Some(2)), Ok(shops(&[1, 2], 2)));
        assert_eq!(changed(Some(&[3]), Some(3)), Ok(shops(&[3], 3)));
        for (ids, primary, word) in [
            (Some(&[1, 4][..]), None, "no open shop 4"),
            (Some(&[2]), None, "shop 1 is the primary shop"),
            (Some(&[2]), Some(3), "must be one of shop_ids"),
            (None, Some(3), "must be one of shop_ids"),
            (None, Some(9), "no open shop 9"),
        ] {
            let words = changed(ids, primary).unwrap_err();
            assert!(words.contains(word), "{words}");
        }
        // A shop that was archived since hinders nobody who leaves it as it is.
        assert_eq!(now.changed(&[2, 3], &wish(None, Some(2))), Ok(shops(&[1, 2], 2)));
        assert!(now.changed(&[], &wish(Some(&[]), None)).unwrap_err().contains("no open shop"));
    }

    #[test]
    fn what_is_still_open_stays_and_the_first_of_it_is_primary_if_need_be() {
        let now = shops(&[1, 2, 3], 2);
        assert_eq!(now.still_open(&[1, 2, 3, 4]), Ok(now.clone()));
        assert_eq!(now.still_open(&[2, 3]), Ok(shops(&[2, 3], 2)));
        assert_eq!(now.still_open(&[1, 3, 4]), Ok(shops(&[1, 3], 1)));
        assert!(now.still_open(&[4]).unwrap_err().contains("none of the connected shops (1, 2, 3)"));
    }

    #[test]
    fn a_new_connection_takes_all_shops_and_the_first_one_as_primary_unless_told() {
        assert_eq!(Shops::first(&[2, 1], &[], None), Ok(shops(&[1, 2], 1)));
        assert_eq!(Shops::first(&[1, 2], &[2], Some(2)), Ok(shops(&[2], 2)));
        assert!(Shops::first(&[1, 2], &[2], Some(1)).is_err());
        assert!(Shops::first(&[1], &[7], None).unwrap_err().contains("no open shop 7"));
    }
}

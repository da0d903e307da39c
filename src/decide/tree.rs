//! The shop's tree of categories against the store's: which category is which, and what has to be written.
//!
//! Names, parents and order are the shop's; everything else of a category is the store's, and categories that exist
//! online only are nobody's business here. Siblings are looked at together, from the root down: a parent is in its
//! place before its children are put below it, so a category is never moved below itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{Looks, spelling};

/// A category of the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InShop {
    /// `categoryID`.
    pub id: i64,
    /// `parentID`; 0 for a root.
    pub parent_id: i64,
    /// `name`.
    pub name: String,
}

/// A category of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Online {
    /// `id`.
    pub id: i64,
    /// How it stands there.
    pub looks: Looks,
    /// Not locked by another system.
    pub own: bool,
    /// `externalReferenceId`.
    pub reference: Option<String>,
}

/// What was in step last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// How the shop wanted it.
    pub wanted: Option<Looks>,
    /// How the store showed it then. The two differ where the store trims, cuts or ignores.
    pub shown: Option<Looks>,
}

/// How a category was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// It was tied before.
    Link,
    /// It carries our marker.
    Marker,
    /// It has the same names from the root down, and nobody else has on either side.
    Path,
}

/// Which category of the store each of these siblings is. `below` is the category of the store that is their parent
/// (0 at the root), `links` are the ties of the whole tree.
#[must_use]
pub fn recognise(
    siblings: &[&InShop],
    below: i64,
    links: &BTreeMap<i64, i64>,
    online: &BTreeMap<i64, Online>,
    marker: &dyn Fn(i64) -> String,
) -> BTreeMap<i64, (i64, By)> {
    let mut found = BTreeMap::new();
    let mut taken: BTreeSet<i64> = links.values().copied().collect();
    for sibling in siblings {
        if let Some(id) = links.get(&sibling.id) {
            // Whether one that is not in the list is gone is not for here to say.
            found.insert(sibling.id, (*id, By::Link));
            continue;
        }
        let marker = marker(sibling.id);
        let marked = online.values().find(|it| it.reference.as_ref() == Some(&marker));
        if let Some(marked) = marked.filter(|marked| !taken.contains(&marked.id)) {
            found.insert(sibling.id, (marked.id, By::Marker));
        }
    }
    taken.extend(found.values().map(|(id, _)| *id));
    let called = |name: &str| siblings.iter().filter(|it| it.name.trim() == name.trim()).count();
    for sibling in siblings.iter().filter(|sibling| called(&sibling.name) == 1) {
        if found.contains_key(&sibling.id) {
            continue;
        }
        let alike = |it: &&Online| it.looks.parent == below && it.looks.name.trim() == sibling.name.trim();
        let alike: Vec<&Online> = online.values().filter(alike).collect();
        // Of two with one name, the other may be meant.
        if let [only] = alike.as_slice()
            && !taken.contains(&only.id)
        {
            found.insert(sibling.id, (only.id, By::Path));
        }
    }
    found
}

/// The `orderBy` of siblings in the order of the shop, given what those that are there already have. As few as
/// possible are moved: the longest run that is in order stays, and the others are put between. New ones at the end go
/// in steps of 10, as the store numbers them itself (e-series-api.md, section 9.1).
#[must_use]
pub fn orders(now: &[Option<i64>]) -> Vec<i64> {
    let kept = longest_run(now);
    let mut orders: Vec<i64> = Vec::with_capacity(now.len());
    let mut at = 0;
    let mut last: Option<i64> = None;
    let numbered = || (1..).map(|n: i64| n.saturating_mul(STEP)).take(now.len()).collect();
    while at < now.len() {
        if kept.contains(&at) {
            let Some(Some(order)) = now.get(at) else { return numbered() };
            orders.push(*order);
            last = Some(*order);
            at += 1;
            continue;
        }
        let end = (at..now.len()).find(|next| kept.contains(next));
        let count = i64::try_from(end.unwrap_or(now.len()) - at).unwrap_or(i64::MAX);
        let from = last.unwrap_or(0);
        let next = end.and_then(|end| now.get(end).copied().flatten());
        match next {
            None => orders.extend((1..=count).map(|n| from.saturating_add(n.saturating_mul(STEP)))),
            Some(next) => {
                let gap = next.saturating_sub(from) / (count.saturating_add(1));
                if gap < 1 {
                    return numbered();
                }
                orders.extend((1..=count).map(|n| from.saturating_add(n.saturating_mul(gap))));
            }
        }
        last = orders.last().copied();
        at = end.unwrap_or(now.len());
    }
    orders
}

const STEP: i64 = 10;

/// The places of a longest run of numbers that rise.
fn longest_run(now: &[Option<i64>]) -> BTreeSet<usize> {
    // The last place of the best run of each length, and what each place follows.
    let mut ends: Vec<(i64, usize)> = Vec::new();
    let mut follows: BTreeMap<usize, Option<usize>> = BTreeMap::new();
    for (place, order) in now.iter().enumerate() {
        let Some(order) = order else { continue };
        let length = ends.partition_point(|(end, _)| end < order);
        let before = length.checked_sub(1).and_then(|at| ends.get(at)).map(|(_, place)| *place);
        follows.insert(place, before);
        match ends.get_mut(length) {
            Some(end) => *end = (*order, place),
            None => ends.push((*order, place)),
        }
    }
    let last = ends.last().map(|(_, place)| *place);
    std::iter::successors(last, |place| follows.get(place).copied().flatten()).collect()
}

/// The order that counts for a category that is there: what the shop wanted, where the store has made something else
/// of it and left it so since.
#[must_use]
pub fn standing_order(known: Option<&Known>, now: &Looks) -> i64 {
    match known.map(|known| (&known.wanted, &known.shown)) {
        Some((Some(wanted), Some(shown))) if shown.order == now.order => wanted.order,
        _ => now.order,
    }
}

/// What has to be written to a category that is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// `name`.
    pub name: Option<String>,
    /// `parentId`.
    pub parent: Option<i64>,
    /// `orderBy`.
    pub order: Option<i64>,
    /// Something was changed on E-Series that is the shop's to say, and is set back.
    pub set_back: bool,
}

impl Changes {
    /// Nothing to write?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.parent.is_none() && self.order.is_none()
    }
}

/// What has to be written so that a category looks as `wanted`. What the store made of the same wish before, and shows
/// unchanged since, is left: platforms trim and cut.
#[must_use]
pub fn changes(known: Option<&Known>, wanted: &Looks, now: &Looks) -> Changes {
    let was = known.and_then(|known| known.wanted.as_ref().zip(known.shown.as_ref()));
    let rests = |same_wish: &dyn Fn(&Looks) -> bool, same_sight: &dyn Fn(&Looks) -> bool| {
        was.is_some_and(|(wish, sight)| same_wish(wish) && same_sight(sight))
    };
    let mut changes = Changes::default();
    if wanted.name.trim() != now.name.trim()
        && !rests(&|wish| wish.name == wanted.name, &|sight| sight.name == now.name)
    {
        changes.name = Some(wanted.name.clone());
        changes.set_back |= was.is_some_and(|(_, sight)| sight.name != now.name);
    }
    if wanted.parent != now.parent
        && !rests(&|wish| wish.parent == wanted.parent, &|sight| sight.parent == now.parent)
    {
        changes.parent = Some(wanted.parent);
        changes.set_back |= was.is_some_and(|(_, sight)| sight.parent != now.parent);
    }
    if wanted.order != now.order
        && !rests(&|wish| wish.order == wanted.order, &|sight| sight.order == now.order)
    {
        changes.order = Some(wanted.order);
        changes.set_back |= was.is_some_and(|(_, sight)| sight.order != now.order);
    }
    changes
}

/// Has the store answered a write of these changes and done nothing of one of them? A name that it has cut to what it
/// was before is no such case.
#[must_use]
pub fn ignored(changes: &Changes, before: &Looks, now: &Looks) -> bool {
    let unchanged = now.name == before.name;
    let name =
        changes.name.as_deref().is_some_and(|wanted| unchanged && !spelling::may_be(&now.name, wanted));
    name || changes.parent.is_some() && now.parent == before.parent
        || changes.order.is_some() && now.order == before.order
}

/// How a category counts as shown after a write of `wanted`, read back as `now`: as the store may have spelled it.
/// Something else altogether is no spelling: somebody has changed it since, and that stays news.
#[must_use]
pub fn shown_since(wanted: &Looks, now: &Looks) -> Looks {
    let name = if spelling::may_be(&now.name, &wanted.name) { &now.name } else { &wanted.name };
    Looks { name: name.clone(), parent: wanted.parent, order: wanted.order }
}

/// What became of a write of `wanted` whose answer was lost, by what the store shows now.
#[must_use]
pub fn landed(wanted: &Looks, now: &Looks) -> bool {
    wanted.name.trim() == now.name.trim() && wanted.parent == now.parent && wanted.order == now.order
}

/// The shop's categories by parent, each list in display order, of those that hang on the root. A category whose
/// parent is missing, or that hangs on itself, is in nobody's reach.
#[must_use]
pub fn families(shop: &[InShop]) -> BTreeMap<i64, Vec<&InShop>> {
    let mut families: BTreeMap<i64, Vec<&InShop>> = BTreeMap::new();
    for category in shop {
        families.entry(category.parent_id).or_default().push(category);
    }
    families
}

/// These categories of the store, leaves first.
#[must_use]
pub fn leaves_first(ids: &[i64], online: &BTreeMap<i64, Online>) -> Vec<i64> {
    let depth = |id: &i64| {
        let up = |id: &i64| online.get(id).map(|it| it.looks.parent).filter(|parent| *parent != 0);
        std::iter::successors(Some(*id), up).take(online.len().saturating_add(1)).count()
    };
    let mut ids = ids.to_vec();
    ids.sort_by_key(|id| (std::cmp::Reverse(depth(id)), *id));
    ids
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn looks(name: &str, parent: i64, order: i64) -> Looks {
        Looks { name: name.into(), parent, order }
    }

    fn online(id: i64, name: &str, parent: i64) -> (i64, Online) {
        (id, Online { id, looks: looks(name, parent, 10), own: true, reference: None })
    }

    fn shop(id: i64, name: &str) -> InShop {
        InShop { id, parent_id: 0, name: name.into() }
    }

    fn recognised(siblings: &[InShop], store: Vec<(i64, Online)>, known: &[(i64, i64)]) -> Vec<(i64, i64)> {
        let siblings: Vec<&InShop> = siblings.iter().collect();
        let links = known.iter().copied().collect();
        let marker = |id: i64| format!("m-{id}");
        let found = recognise(&siblings, 0, &links, &store.into_iter().collect(), &marker);
        found.into_iter().map(|(id, (online, _))| (id, online)).collect()
    }

    #[test]
    fn a_category_is_known_by_its_link_then_its_marker_then_its_path_alone() {
        let (one, two) = (shop(1, "Mugs"), shop(2, "Plates"));
        let siblings = [one, two];
        let store = || vec![online(10, "Mugs", 0), online(20, "Plates", 0), online(30, "Mugs", 20)];
        assert_eq!(recognised(&siblings, store(), &[]), [(1, 10), (2, 20)]);
        assert_eq!(recognised(&siblings, store(), &[(1, 20)]), [(1, 20)], "20 is taken");
        let mut marked = store();
        marked[2].1.reference = Some("m-1".into());
        assert_eq!(recognised(&siblings, marked, &[]), [(1, 30), (2, 20)]);
        let mut twice = store();
        twice.push(online(11, " Mugs ", 0));
        assert_eq!(recognised(&siblings, twice, &[]), [(2, 20)], "either may be meant");
        let namesakes = [shop(1, "Mugs"), shop(2, "Mugs")];
        assert_eq!(recognised(&namesakes, store(), &[]), []);
        assert_eq!(recognised(&[shop(1, "mugs")], store(), &[]), []);
    }

    #[test]
    fn few_are_moved_so_that_all_are_in_order() {
        assert_eq!(orders(&[None, None, None]), [10, 20, 30]);
        assert_eq!(orders(&[Some(10), Some(20)]), [10, 20]);
        assert_eq!(orders(&[Some(10), None, Some(20), None]), [10, 15, 20, 30]);
        assert_eq!(orders(&[None, Some(10)]), [5, 10]);
        assert_eq!(orders(&[Some(30), Some(10), Some(20)]), [5, 10, 20]);
        assert_eq!(orders(&[Some(0), Some(0), Some(0)]), [10, 20, 30]);
        assert_eq!(orders(&[Some(1), None, Some(2)]), [10, 20, 30]);
        assert_eq!(orders(&[]), Vec::<i64>::new());
    }

    proptest! {
        #[test]
        fn orders_always_rise_and_what_is_in_order_stays(
            now in prop::collection::vec(prop::option::of(-50_i64..400), 0..30),
        ) {
            let new = orders(&now);
            prop_assert_eq!(new.len(), now.len());
            prop_assert!(new.is_sorted_by(|one, two| one < two), "{:?}", new);
            let settled: Vec<Option<i64>> = new.iter().copied().map(Some).collect();
            prop_assert_eq!(orders(&settled), new);
        }
    }

    #[test]
    fn a_write_that_changed_nothing_is_told_from_one_that_was_cut() {
        let long = "Long ".repeat(30);
        let before = looks(&long, 5, 20);
        let renamed = |name: &str| Changes { name: Some(name.into()), ..Changes::default() };
        assert!(ignored(&renamed("B"), &before, &before));
        assert!(!ignored(&renamed(&format!("{long}er")), &before, &before), "cut to what it was");
        assert!(!ignored(&renamed("B"), &before, &looks("b", 5, 20)), "something was made of it");
        let moved = Changes { parent: Some(7), order: Some(30), ..Changes::default() };
        assert!(ignored(&moved, &before, &looks(&long, 7, 20)), "the order was not");
        assert!(!ignored(&moved, &before, &looks(&long, 7, 30)));
        assert!(ignored(&renamed("Arts"), &looks("Art", 5, 20), &looks("Art", 5, 20)));
        assert!(!ignored(&Changes::default(), &before, &before));
    }

    #[test]
    fn what_the_store_made_of_a_name_rests() {
        let wanted = looks("A very long name", 5, 20);
        let now = looks("A very", 5, 20);
        let known = Known { wanted: Some(wanted.clone()), shown: Some(now.clone()) };
        assert!(changes(Some(&known), &wanted, &now).is_empty());
        assert!(!changes(None, &wanted, &now).is_empty());
        let renamed = changes(Some(&known), &looks("B", 5, 20), &now);
        assert_eq!(
            (renamed.name.as_deref(), renamed.parent, renamed.order, renamed.set_back),
            (Some("B"), None, None, false)
        );
        let edited = changes(Some(&known), &wanted, &looks("Sale", 7, 20));
        assert_eq!(
            (edited.name.as_deref(), edited.parent, edited.set_back),
            (Some("A very long name"), Some(5), true)
        );
        assert!(changes(None, &looks("Mugs", 0, 10), &looks(" Mugs", 0, 10)).is_empty());
    }

    #[test]
    fn what_is_changed_between_a_write_and_its_reading_stays_news() {
        let wanted = looks("  Mugs", 5, 20);
        let since = |now: &Looks| {
            let known = Known { wanted: Some(wanted.clone()), shown: Some(shown_since(&wanted, now)) };
            changes(Some(&known), &wanted, now)
        };
        assert!(since(&looks("Mugs", 5, 20)).is_empty());
        for edited in [looks("Cups", 5, 20), looks("Mugs", 0, 20), looks("Mugs", 5, 30)] {
            let changes = since(&edited);
            assert!(changes.set_back && !changes.is_empty(), "{edited:?}: {changes:?}");
        }
    }

    #[test]
    fn leaves_go_first_even_in_a_circle() {
        let store: BTreeMap<i64, Online> =
            [online(1, "a", 0), online(2, "b", 1), online(3, "c", 2), online(4, "d", 5), online(5, "e", 4)]
                .into();
        assert_eq!(leaves_first(&[1, 2, 3], &store), [3, 2, 1]);
        assert_eq!(leaves_first(&[4, 5], &store).len(), 2);
    }
}

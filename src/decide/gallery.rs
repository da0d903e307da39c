//! From the pictures that a product shows to those that it is to show: one move at a time, each decided by what is
//! shown then, so that it does not matter where a visit was broken off.

/// A picture that a product shows. In their order, the main one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Which of the wanted pictures it is; none of them when it has to go, or is none of ours.
    pub picture: Option<usize>,
    /// Is it the main one?
    pub is_main: bool,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Upload this wanted picture as the main one, in place of what is there.
    Main(usize),
    /// Upload this wanted picture behind the others.
    Gallery(usize),
    /// Put what is shown into this order.
    Arrange(Vec<usize>),
    /// Take down the picture that is shown at this place.
    Remove(usize),
}

/// How much may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct May {
    /// Pictures that are not wanted go: the shop has changed its own.
    pub remove: bool,
    /// The order may be changed: not a second time in one visit, should a platform keep its own.
    pub arrange: bool,
}

/// The next move, for so many wanted pictures. New ones come first, in their order, so that pictures which hang in
/// order need no other call; then the order; what is not wanted goes last, from the end, so that the product is never
/// without a picture in between.
#[must_use]
pub fn next(wanted: usize, shown: &[Shown], may: May) -> Option<Move> {
    let place_of = |picture: usize| shown.iter().position(|shown| shown.picture == Some(picture));
    let is_extra = |(place, shown): (usize, &Shown)| match shown.picture {
        // The same one again is one too many.
        Some(picture) => picture >= wanted || place_of(picture) != Some(place),
        None => true,
    };
    let extra: Vec<usize> =
        shown.iter().enumerate().filter(|it| is_extra(*it)).map(|(place, _)| place).collect();
    if let Some(missing) = (0..wanted).find(|picture| place_of(*picture).is_none()) {
        let main = shown.iter().position(|shown| shown.is_main);
        let free = main.is_none_or(|main| may.remove && extra.contains(&main));
        return Some(if missing == 0 && free { Move::Main(0) } else { Move::Gallery(missing) });
    }
    let in_order: Vec<usize> = (0..wanted).filter_map(place_of).collect();
    let first_is_first = !may.remove || wanted == 0 || in_order.first() == Some(&0);
    if may.arrange && !(in_order.is_sorted() && first_is_first) {
        return Some(Move::Arrange(in_order.into_iter().chain(extra).collect()));
    }
    extra.last().filter(|_| may.remove).map(|place| Move::Remove(*place))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: May = May { remove: true, arrange: true };

    /// Plays a move as the platform does.
    fn play(shown: &mut Vec<Shown>, next: &Move) {
        match next {
            Move::Main(picture) => {
                shown.retain(|shown| !shown.is_main);
                shown.insert(0, Shown { picture: Some(*picture), is_main: true });
            }
            Move::Gallery(picture) => {
                let is_main = shown.is_empty();
                shown.push(Shown { picture: Some(*picture), is_main });
            }
            Move::Arrange(order) => {
                *shown = order
                    .iter()
                    .enumerate()
                    .map(|(at, from)| Shown { is_main: at == 0, ..shown[*from] })
                    .collect();
            }
            Move::Remove(place) => {
                shown.remove(*place);
            }
        }
    }

    fn run(wanted: usize, mut shown: Vec<Shown>, may: May) -> (Vec<Shown>, Vec<Move>) {
        let mut moves = Vec::new();
        while let Some(next) = next(wanted, &shown, may) {
            play(&mut shown, &next);
            moves.push(next);
            assert!(moves.len() < 60, "{moves:?}");
        }
        (shown, moves)
    }

    fn shown(pictures: &[Option<usize>]) -> Vec<Shown> {
        pictures
            .iter()
            .enumerate()
            .map(|(at, picture)| Shown { picture: *picture, is_main: at == 0 })
            .collect()
    }

    #[test]
    fn new_pictures_take_one_call_each() {
        let (_, moves) = run(3, Vec::new(), ALL);
        assert_eq!(moves, [Move::Main(0), Move::Gallery(1), Move::Gallery(2)]);
        assert_eq!(run(3, shown(&[Some(0), Some(1), Some(2)]), ALL).1, []);
        // The new first one takes the place of the old.
        assert_eq!(run(2, shown(&[None, Some(1)]), ALL).1, [Move::Main(0)]);
        assert_eq!(run(2, shown(&[Some(0), None, Some(1)]), ALL).1, [Move::Remove(1)]);
    }

    #[test]
    fn what_others_hung_stays_unless_the_shop_has_changed() {
        let may = May { remove: false, ..ALL };
        assert_eq!(run(1, shown(&[None, Some(0), None]), may).1, []);
        assert_eq!(run(2, shown(&[None, Some(0)]), may).1, [Move::Gallery(1)]);
        assert_eq!(run(0, shown(&[None, None]), may).1, []);
        assert_eq!(run(0, shown(&[None, None]), ALL).1, [Move::Remove(1), Move::Remove(0)]);
    }

    proptest! {
        #[test]
        fn in_the_end_exactly_what_is_wanted_is_shown_in_its_order(
            wanted in 0_usize..8,
            pictures in prop::collection::vec(prop::option::of(0_usize..10), 0..12),
        ) {
            let (end, moves) = run(wanted, shown(&pictures), ALL);
            let end: Vec<Option<usize>> = end.iter().map(|shown| shown.picture).collect();
            prop_assert_eq!(end, (0..wanted).map(Some).collect::<Vec<_>>());
            let hung = moves.iter().filter(|next| matches!(next, Move::Main(_) | Move::Gallery(_))).count();
            let missing = (0..wanted).filter(|picture| !pictures.contains(&Some(*picture))).count();
            prop_assert_eq!(hung, missing, "each missing picture is uploaded once: {:?}", moves);
            let arranged = moves.iter().filter(|next| matches!(next, Move::Arrange(_))).count();
            prop_assert!(arranged <= 1, "{:?}", moves);
        }
    }
}

//! How the store spells the names that it is given, as its habits are (sections 13 and 14 of the E-Series reference:
//! unknown).

use super::habits::Habits;

/// The ampersand first: it is part of the others.
const ENTITIES: [(&str, &str); 4] = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;")];

/// What is kept of a name of a product, an option, a choice or a category.
pub(super) fn spelt(text: &str, habits: &Habits) -> String {
    let mut text = text.to_owned();
    if habits.drop_control_characters {
        text.retain(|letter| !letter.is_control());
    }
    if habits.compose_accents {
        for (apart, one) in [("e\u{301}", "é"), ("u\u{308}", "ü"), ("o\u{308}", "ö"), ("a\u{308}", "ä")] {
            text = text.replace(apart, one);
        }
    }
    if habits.collapse_spaces {
        let mut single = String::with_capacity(text.len());
        for letter in text.chars() {
            if letter != ' ' || !single.ends_with(' ') {
                single.push(letter);
            }
        }
        text = single;
    }
    if habits.escape_names {
        // What is written so already stays: a record can be sent back as it was read.
        for (plain, entity) in ENTITIES.iter().rev() {
            text = text.replace(entity, plain);
        }
        for (plain, entity) in ENTITIES {
            text = text.replace(plain, entity);
        }
    }
    let text = if habits.trim_names { text.trim() } else { text.as_str() };
    text.chars().take(habits.cut_names_at.unwrap_or(usize::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_as_it_is_unless_a_habit_says_otherwise() {
        let of = |change: fn(&mut Habits)| {
            let mut habits = Habits::default();
            change(&mut habits);
            habits
        };
        let name = "  Cafe\u{301}  \u{7}& <b>&amp;  ";
        assert_eq!(spelt(name, &of(|_| ())), name);
        assert_eq!(spelt(name, &of(|it| it.trim_names = true)), name.trim());
        assert_eq!(spelt(name, &of(|it| it.collapse_spaces = true)), " Cafe\u{301} \u{7}& <b>&amp; ");
        assert_eq!(spelt(name, &of(|it| it.drop_control_characters = true)), name.replace('\u{7}', ""));
        assert_eq!(spelt(name, &of(|it| it.compose_accents = true)), "  Café  \u{7}& <b>&amp;  ");
        assert_eq!(spelt(name, &of(|it| it.cut_names_at = Some(4))), "  Ca");
        let escapes = of(|it| it.escape_names = true);
        let escaped = spelt(name, &escapes);
        assert_eq!(escaped, "  Cafe\u{301}  \u{7}&amp; &lt;b&gt;&amp;  ");
        assert_eq!(spelt(&escaped, &escapes), escaped, "what comes back as it was read stays");
    }
}

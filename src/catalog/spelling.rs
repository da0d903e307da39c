//! What a platform may make of a text that it was given.

/// The shortest text that may be the beginning of a longer one: nobody's limit is below this.
const SHORTEST_CUT: usize = 100;

/// Entities, and what they stand for; the ampersand last, so that what it is part of is read once.
const ENTITIES: [(&str, &str); 7] = [
    ("&nbsp;", " "),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&#39;", "'"),
    ("&#039;", "'"),
    ("&amp;", "&"),
];

/// Marks that may be written behind their letter, or in one with it.
const ACCENTS: [(char, &str, &str); 6] = [
    ('\u{300}', "aeiouAEIOU", "àèìòùÀÈÌÒÙ"),
    ('\u{301}', "aeiouyAEIOUY", "áéíóúýÁÉÍÓÚÝ"),
    ('\u{302}', "aeiouAEIOU", "âêîôûÂÊÎÔÛ"),
    ('\u{303}', "anoANO", "ãñõÃÑÕ"),
    ('\u{308}', "aeiouyAEIOU", "äëïöüÿÄËÏÖÜ"),
    ('\u{30a}', "aA", "åÅ"),
];

/// Is `shown` how a platform may spell `sent`? Outer blanks are cut, runs of blanks become one, control characters are
/// dropped, `<`, `>`, `&` and quotes become entities, accents and their letters become one, and a long text is cut off
/// (e-series-api.md, section 13, traps 12 and 14; r-series-api.md, section 4.1: none of it is documented, so none of it
/// is taken for somebody's edit).
#[must_use]
pub fn may_be(shown: &str, sent: &str) -> bool {
    // Each may hold what looks like an entity by itself, and a tab may go as a control character or stay as a blank.
    let bare: String = sent.chars().filter(|letter| !letter.is_control()).collect();
    let sent = [folded(sent), folded(&bare)];
    let shown = [folded(shown), folded(&unescaped(shown))];
    let is_cut =
        |shown: &String, sent: &String| shown.chars().count() >= SHORTEST_CUT && sent.starts_with(shown);
    shown.iter().any(|shown| sent.iter().any(|sent| shown == sent || is_cut(shown, sent)))
}

/// With single blanks, without control characters and outer blanks, accents in one with their letters.
fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_whitespace() {
            if !folded.is_empty() && !folded.ends_with(' ') {
                folded.push(' ');
            }
        } else if let Some(one) = folded.chars().next_back().and_then(|last| composed(last, letter)) {
            folded.pop();
            folded.push(one);
        } else if !letter.is_control() {
            folded.push(letter);
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}

fn composed(letter: char, mark: char) -> Option<char> {
    let (_, letters, whole) = ACCENTS.iter().find(|(accent, ..)| *accent == mark)?;
    letters.chars().position(|known| known == letter).and_then(|place| whole.chars().nth(place))
}

fn unescaped(text: &str) -> String {
    ENTITIES.iter().fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_platform_makes_of_a_text_is_no_other_text() {
        for (shown, sent) in [
            ("Mug", "  Mug "),
            ("Blue mug", "Blue \t  mug"),
            ("Tom &amp; Jerry", "Tom & Jerry"),
            ("a &lt; b &quot;c&quot;", "a < b \"c\""),
            ("&amp;lt;", "&lt;"),
            ("Mug", "M\u{7}u\u{1b}g"),
            ("Bluemug", "Blue\tmug"),
            ("Caf\u{e9}", "Cafe\u{301}"),
            ("Cafe\u{301}", "Caf\u{e9}"),
            (&"x".repeat(255), &"x".repeat(300)),
            ("", " "),
        ] {
            assert!(may_be(shown, sent), "{shown:?} of {sent:?}");
        }
    }

    #[test]
    fn another_text_is_another_text() {
        for (shown, sent) in [
            ("mug", "Mug"),
            ("Blue", "Blue mug"),
            ("Bluemug", "Blue mug"),
            ("Cafe", "Caf\u{e9}"),
            ("Tom & Jerry", "Tom &amp; Jerry"),
            (&"x".repeat(300), &"x".repeat(255)),
            ("", "Mug"),
        ] {
            assert!(!may_be(shown, sent), "{shown:?} of {sent:?}");
        }
    }
}

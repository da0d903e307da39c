//! What the person at the terminal sees: aligned lines, one line that may be rewritten, and colour where there is
//! somebody to see it.

use std::io::{self, IsTerminal, Write};

use tokio_util::sync::CancellationToken;

use crate::clock::Instant;

/// Columns that lines are made for.
pub(super) const WIDTH: usize = 100;

/// How something is shown where there is colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Strong,
    Faint,
    Shop,
    Web,
    Good,
    Bad,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "\x1b[1m",
            Self::Faint => "\x1b[2m",
            Self::Shop => "\x1b[33m",
            Self::Web => "\x1b[36m",
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[31m",
        }
    }
}

/// Standard output.
#[derive(Debug)]
pub(super) struct Terminal {
    /// Somebody looks: lines can be rewritten.
    live: bool,
    colour: bool,
    /// Whether the line the cursor is on is to be rewritten.
    rewriting: bool,
    /// Told when nobody reads any more.
    gone: CancellationToken,
}

impl Terminal {
    /// Standard output; `gone` is cancelled when it is closed from the other end.
    pub(super) fn open(gone: CancellationToken) -> Self {
        let live = io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { live, colour: live && !plain, rewriting: false, gone }
    }

    /// Whether a line can be rewritten.
    pub(super) fn live(&self) -> bool {
        self.live
    }

    /// A line.
    pub(super) fn line(&mut self, text: &str) {
        let start = if std::mem::take(&mut self.rewriting) { "\r\x1b[2K" } else { "" };
        self.write(&format!("{start}{text}\n"));
    }

    /// The line at the bottom, in place of the one before; whatever is said next takes its place.
    pub(super) fn rewrite(&mut self, text: &str) {
        self.rewriting = true;
        self.write(&format!("\r\x1b[2K{}", shortened(text, WIDTH)));
    }

    /// One row of the play: when, which act, where, what.
    pub(super) fn row(&mut self, at: Instant, number: usize, place: (&str, Tone), text: &str, tone: Tone) {
        let time = at.with_timezone(&chrono::Local).format("%H:%M:%S");
        let number = format!("#{number}");
        // 8 + 2 + 5 + 1 + 9 + 1 columns come before the text.
        let text = shortened(text, WIDTH - 26);
        let line = format!(
            "{}  {} {} {}",
            self.toned(&time.to_string(), Tone::Faint),
            self.toned(&format!("{number:<5}"), Tone::Faint),
            self.toned(&format!("{:<9}", place.0), place.1),
            self.toned(&text, tone)
        );
        self.line(&line);
    }

    /// The text in its tone.
    pub(super) fn toned(&self, text: &str, tone: Tone) -> String {
        if self.colour && tone != Tone::Plain {
            format!("{}{text}\x1b[0m", tone.code())
        } else {
            text.to_owned()
        }
    }

    fn write(&self, text: &str) {
        let mut out = io::stdout().lock();
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
            self.gone.cancel();
        }
    }
}

/// The text, with something in its middle left out if it is longer than `width` characters: what stands at the
/// ends of these lines matters most.
pub(super) fn shortened(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let tail = kept / 3;
    let head: String = text.chars().take(kept - tail).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{}…{}", head.trim_end(), end.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_loses_its_middle_and_fits() {
        for (text, width, expected) in [
            ("short", 10, "short"),
            ("exactly ten", 11, "exactly ten"),
            ("Mia sells 2 × mug in the shop", 22, "Mia sells 2 ×…he shop"),
            ("ÄÖÜ⭐ÄÖÜ⭐", 4, "ÄÖ…⭐"),
            ("ab", 1, "…"),
        ] {
            assert_eq!(shortened(text, width), expected);
            assert!(shortened(text, width).chars().count() <= width);
        }
    }
}

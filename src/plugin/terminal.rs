//! What the terminal can show. Colours only where there is one: `NO_COLOR`, `CLICOLOR`, `TERM=dumb` and pipes are
//! honoured.

use anstyle::{AnsiColor, Style};
use std::io::IsTerminal as _;

/// Columns where there is no terminal to ask.
const COLUMNS: usize = 100;

/// How standard output is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Colours and bold may be used.
    pub colour: bool,
    /// Characters outside ASCII may be used.
    pub unicode: bool,
    /// Somebody looks at it: the screen may be drawn anew.
    pub interactive: bool,
    /// Its width in columns.
    pub columns: usize,
}

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing in particular.
    Plain,
    /// As it should be.
    Good,
    /// Needs looking at.
    Warning,
    /// Broken.
    Bad,
    /// A heading.
    Heading,
    /// Less important.
    Faint,
}

impl Terminal {
    /// Standard output, as it is.
    pub fn stdout() -> Self {
        let stdout = std::io::stdout();
        let colour = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
        let unicode = is_utf8(|name| std::env::var(name).ok());
        let chosen = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
        let asked = || terminal_size::terminal_size_of(&stdout).map(|(width, _)| usize::from(width.0));
        let columns = chosen.or_else(asked).filter(|c| *c > 0).unwrap_or(COLUMNS);
        Self { colour, unicode, interactive: stdout.is_terminal(), columns }
    }

    /// Neither colours nor characters outside ASCII, for tests.
    #[cfg(test)]
    pub fn plain(columns: usize) -> Self {
        Self { colour: false, unicode: false, interactive: false, columns }
    }

    /// The text in the colour of its meaning.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let style = tone.style();
        if !self.colour || style == Style::new() || text.is_empty() {
            return text.to_owned();
        }
        format!("{style}{text}{style:#}")
    }
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warning => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Heading => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
        }
    }
}

/// Whether the locale's characters are UTF-8: of `LC_ALL`, `LC_CTYPE` and `LANG`, the first that is set decides.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|n| variable(n).filter(|v| !v.is_empty()));
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_locale_that_is_set_decides() {
        let of = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> = set.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            is_utf8(move |name| set.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()))
        };
        assert!(of(&[("LANG", "en_GB.UTF-8")]) && of(&[("LC_CTYPE", "C.utf8"), ("LANG", "C")]));
        assert!(!of(&[]) && !of(&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")]));
        assert!(of(&[("LC_ALL", ""), ("LANG", "de_DE.UTF-8")]));
    }

    #[test]
    fn colours_are_used_only_where_there_are_some() {
        let plain = Terminal::plain(80);
        assert_eq!(plain.paint(Tone::Bad, "no"), "no");
        let colour = Terminal { colour: true, ..plain };
        let painted = colour.paint(Tone::Bad, "no");
        assert!(
            painted.starts_with('\u{1b}') && painted.contains("no") && painted.ends_with("\u{1b}[0m"),
            "{painted:?}"
        );
        assert_eq!(colour.paint(Tone::Plain, "yes"), "yes");
    }
}

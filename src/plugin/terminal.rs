//! Abilities of the terminal. Colours need a terminal; `NO_COLOR`, `CLICOLOR`, `TERM=dumb` and
//! pipes are honoured.
//!
//! Text from the cluster, from files and from AWS may hold characters that steer a terminal:
//! [`visible`] shows them instead. Everything that is painted goes through it.

use anstyle::{AnsiColor, Style};
use clap::builder::Styles;
use std::borrow::Cow;
use std::io::IsTerminal as _;

/// How clap's help is painted: as [`Tone::Heading`], which reaches a terminal.
pub const HELP: Styles =
    Styles::plain().header(HEADING).usage(HEADING).literal(HEADING).error(HEADING);
const HEADING: Style = Style::new().bold();

/// Columns without a terminal.
const COLUMNS: usize = 100;

/// How standard output is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Colours and bold may be used.
    pub colour: bool,
    /// Characters outside ASCII may be used.
    pub unicode: bool,
    /// A person is watching: the screen may be redrawn.
    pub interactive: bool,
    /// Its width in columns.
    pub columns: usize,
}

/// Meaning of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// No special meaning.
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
        let asked =
            || terminal_size::terminal_size_of(&stdout).map(|(width, _)| usize::from(width.0));
        let columns = chosen.or_else(asked).filter(|c| *c > 0).unwrap_or(COLUMNS);
        Self { colour, unicode, interactive: stdout.is_terminal(), columns }
    }

    /// Clap's help, painted where colours may be used.
    pub fn help(&self, help: &clap::Error) -> String {
        let text = help.render();
        if self.colour { text.ansi().to_string() } else { text.to_string() }
    }

    /// Neither colours nor characters outside ASCII, for tests.
    #[cfg(test)]
    pub fn plain(columns: usize) -> Self {
        Self { colour: false, unicode: false, interactive: false, columns }
    }

    /// The text on one line, [`visible`], in the colour of its meaning.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let (style, text) = (tone.style(), visible(text));
        if !self.colour || style == Style::new() || text.is_empty() {
            return text.into_owned();
        }
        format!("{style}{text}{style:#}")
    }
}

/// Whether a character does something else than to stand in the text: control characters (C0, DEL,
/// C1), line separators, and those that change the direction in which the text around them is read.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text from outside on one line: line breaks and tabs become spaces, other characters that
/// [`steers`] finds are written out, like `^[` and `<U+202E>`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len()), |mut whole, c| {
        push_visible(&mut whole, c);
        whole
    }))
}

fn push_visible(whole: &mut String, c: char) {
    match c {
        '\n' | '\t' => whole.push(' '),
        // As `cat -v` writes them.
        '\0'..='\x1f' | '\x7f' => whole.extend(['^', char::from(c as u8 ^ 0x40)]),
        c if steers(c) => whole.push_str(&format!("<U+{:04X}>", u32::from(c))),
        c => whole.push(c),
    }
}

/// Several lines for people: only text, line breaks and this program's own colours stay unchanged.
pub fn for_people(text: &str) -> Cow<'_, str> {
    if !text.contains(|c: char| c != '\n' && steers(c)) {
        return Cow::Borrowed(text);
    }
    let colours = Tone::ALL.map(|t| t.style().render().to_string());
    let reset = anstyle::Reset.render().to_string();
    let own = || colours.iter().chain([&reset]).filter(|c| !c.is_empty());
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let colour = own().find(|colour| rest.starts_with(colour.as_str()));
        let length = colour.map_or(c.len_utf8(), String::len);
        match colour {
            Some(colour) => whole.push_str(colour),
            None if c == '\n' => whole.push(c),
            None => push_visible(&mut whole, c),
        }
        rest = &rest[length..];
    }
    Cow::Owned(whole)
}

impl Tone {
    const ALL: [Self; 6] =
        [Self::Plain, Self::Good, Self::Warning, Self::Bad, Self::Heading, Self::Faint];

    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warning => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Heading => HEADING,
            Self::Faint => Style::new().dimmed(),
        }
    }
}

/// Whether the locale's characters are UTF-8: of `LC_ALL`, `LC_CTYPE` and `LANG`, the first that is
/// set decides.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|n| variable(n).filter(|v| !v.is_empty()));
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_locale_that_is_set_decides() {
        let of = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> =
                set.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
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
            painted.starts_with('\u{1b}')
                && painted.contains("no")
                && painted.ends_with("\u{1b}[0m"),
            "{painted:?}"
        );
        assert_eq!(colour.paint(Tone::Plain, "yes"), "yes");
    }

    #[test]
    fn what_steers_a_terminal_is_shown_instead() {
        for (text, shown) in [
            ("plain Text, ä, 漢字, \u{2019}", "plain Text, ä, 漢字, \u{2019}"),
            ("\u{1b}]52;c;ZXZpbA==\u{7}", "^[]52;c;ZXZpbA==^G"),
            ("\u{1b}[2J\u{1b}[Hgone", "^[[2J^[[Hgone"),
            ("a\rb\u{8}c\u{7f}\u{0}", "a^Mb^Hc^?^@"),
            ("\u{9b}31m\u{9d}0;title\u{9c}", "<U+009B>31m<U+009D>0;title<U+009C>"),
            ("two\nlines\tand\u{85}more\u{2028}here", "two lines and<U+0085>more<U+2028>here"),
            ("\u{202e}desrever\u{2066}\u{200f}\u{61c}", "<U+202E>desrever<U+2066><U+200F><U+061C>"),
        ] {
            assert_eq!(visible(text), shown);
            assert_eq!(Terminal::plain(80).paint(Tone::Plain, text), shown);
            assert!(!visible(text).contains(steers));
        }
    }

    #[test]
    fn help_reaches_people_as_it_is() {
        for arguments in [["kubectl-refreshable", "--help"], ["kubectl-refreshable", "--version"]] {
            let help = crate::command_line().try_get_matches_from(arguments).expect_err("help");
            let plain = Terminal::plain(80).help(&help);
            assert!(!plain.contains('\u{1b}') && plain.len() > 10, "{plain}");
            let painted = Terminal { colour: true, ..Terminal::plain(80) }.help(&help);
            assert_eq!(for_people(&painted), painted);
            assert_eq!(painted.contains("\u{1b}[1m"), arguments[1] == "--help", "{painted}");
        }
    }

    #[test]
    fn own_colours_and_line_breaks_reach_people_and_nothing_else_does() {
        let colour = Terminal { colour: true, ..Terminal::plain(80) };
        for tone in Tone::ALL {
            let painted = format!("{}\n", colour.paint(tone, "text"));
            assert_eq!(for_people(&painted), painted);
        }
        assert_eq!(
            for_people("\u{1b}[8mhidden\u{1b}[31;5m\n\u{1b}c\r"),
            "^[[8mhidden^[[31;5m\n^[c^M"
        );
        assert_eq!(
            colour.paint(Tone::Bad, "\u{1b}[32mfine"),
            format!("{0}^[[32mfine{0:#}", Tone::Bad.style())
        );
    }
}

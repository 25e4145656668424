//! A timeline in the terminal: when credentials were issued, when they are renewed, when they
//! expire.
//!
//! All rows share one axis, so that what expires first is seen at a glance. A pure function of the
//! spans and of the time.

use super::age;
use super::terminal::{Terminal, Tone, visible};
use jiff::{SignedDuration, Timestamp};
use unicode_width::UnicodeWidthStr as _;

/// Content of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Label of the row.
    pub label: String,
    /// When the credentials were issued.
    pub issued: Option<Timestamp>,
    /// When they are renewed, or the next attempt is due.
    pub renewal: Option<Timestamp>,
    /// When they expire.
    pub expiry: Option<Timestamp>,
    /// State of the credentials.
    pub tone: Tone,
}

/// The axis begins at most this long ago.
const PAST: SignedDuration = SignedDuration::from_hours(12);
/// And ends at most this far ahead.
const FUTURE: SignedDuration = SignedDuration::from_hours(36);
/// And is never shorter.
const SHORTEST: SignedDuration = SignedDuration::from_secs(60);
/// Longest label.
const LABEL: usize = 32;
/// Fewest columns that are worth a chart.
const NARROWEST: usize = 24;
/// Between label and chart.
const GAP: usize = 3;

struct Marks {
    issued: char,
    elapsed: char,
    left: char,
    renewal: char,
    expiry: char,
    now: char,
}

const UNICODE: Marks =
    Marks { issued: '├', elapsed: '━', left: '─', renewal: '◆', expiry: '┤', now: '┊' };
const ASCII: Marks =
    Marks { issued: '[', elapsed: '=', left: '-', renewal: 'R', expiry: ']', now: '|' };

/// Draws the rows, with the axis above them and a legend below. Empty if no row has a time, or the
/// terminal is too narrow.
pub fn draw(spans: &[Span], now: Timestamp, terminal: &Terminal) -> String {
    let times = || spans.iter().flat_map(|s| [s.issued, s.renewal, s.expiry]).flatten();
    if times().next().is_none() {
        return String::new();
    }
    let labels: Vec<String> =
        spans.iter().map(|s| shortened(&visible(&s.label), terminal.unicode)).collect();
    let label_width = labels.iter().map(|l| l.width()).max().unwrap_or(0);
    let Some(width) = terminal.columns.checked_sub(label_width + GAP).filter(|w| *w >= NARROWEST)
    else {
        return String::new();
    };
    let axis = Axis::over(times(), now, width);
    let marks = if terminal.unicode { &UNICODE } else { &ASCII };
    let indent = " ".repeat(label_width + GAP);
    let mut lines = vec![format!("{indent}{}", terminal.paint(Tone::Faint, &axis.heading()))];
    for (span, label) in spans.iter().zip(&labels) {
        let pad = " ".repeat(label_width - label.width() + GAP);
        let row = row(span, &axis, marks);
        lines.push(format!("{label}{pad}{}", terminal.paint(span.tone, &row)));
    }
    let legend = format!(
        "{} issued   {} renewal   {} expiry   {} now",
        marks.issued, marks.renewal, marks.expiry, marks.now
    );
    lines.push(format!("{indent}{}", terminal.paint(Tone::Faint, &legend)));
    lines.iter().fold(String::new(), |whole, line| whole + line.trim_end() + "\n")
}

/// The axis: columns of equal time.
struct Axis {
    start: Timestamp,
    end: Timestamp,
    now: Timestamp,
    width: usize,
}

impl Axis {
    fn over(times: impl Iterator<Item = Timestamp>, now: Timestamp, width: usize) -> Self {
        let (mut start, mut end) = (now, now);
        for time in times {
            start = start.min(time);
            end = end.max(time);
        }
        let start = start.max(now - PAST);
        let end = end.min(now + FUTURE).max(start + SHORTEST);
        Self { start, end, now, width }
    }

    /// The column of a moment; `None` outside the axis.
    fn column(&self, time: Timestamp) -> Option<usize> {
        if time < self.start || time > self.end {
            return None;
        }
        let whole = self.end.duration_since(self.start).as_secs_f64();
        let part = time.duration_since(self.start).as_secs_f64() / whole;
        let last = self.width - 1;
        // Within [0, last] by the check above.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
        Some((part * last as f64).round() as usize)
    }

    /// The same, where moments outside count as the nearest end.
    fn clamped(&self, time: Timestamp) -> usize {
        self.column(time.clamp(self.start, self.end)).unwrap_or(0)
    }

    /// Start, now and end over their columns, as far as there is room.
    fn heading(&self) -> String {
        let past = self.now.duration_since(self.start);
        let start = if past.is_zero() { String::new() } else { format!("-{}", age::span(past)) };
        let future = self.end.duration_since(self.now);
        let end =
            if future.is_positive() { format!("+{}", age::span(future)) } else { String::new() };
        let at = self.clamped(self.now);
        let last = self.width - end.len();
        let now = at.min(self.width - "now".len());
        let mut line = start;
        if now > line.len() || (now == 0 && line.is_empty()) {
            line = format!("{line:now$}now");
        }
        if last > line.len() {
            line = format!("{line:last$}{end}");
        }
        line
    }
}

fn row(span: &Span, axis: &Axis, marks: &Marks) -> String {
    let mut cells = vec![' '; axis.width];
    let now = axis.clamped(axis.now);
    cells[now] = marks.now;
    if let Some(expiry) = span.expiry.filter(|e| *e >= axis.start) {
        let from = axis.clamped(span.issued.unwrap_or(axis.start));
        let to = axis.clamped(expiry);
        for (column, cell) in cells.iter_mut().enumerate().take(to + 1).skip(from) {
            match column.cmp(&now) {
                std::cmp::Ordering::Less => *cell = marks.elapsed,
                std::cmp::Ordering::Equal => {}
                std::cmp::Ordering::Greater => *cell = marks.left,
            }
        }
        if let Some(column) = span.issued.and_then(|t| axis.column(t)) {
            cells[column] = marks.issued;
        }
        if let Some(column) = axis.column(expiry) {
            cells[column] = marks.expiry;
        }
    }
    if let Some(column) = span.renewal.and_then(|t| axis.column(t)) {
        cells[column] = marks.renewal;
    }
    cells.into_iter().collect()
}

fn shortened(label: &str, unicode: bool) -> String {
    if label.width() <= LABEL {
        return label.to_owned();
    }
    let end = if unicode { "…" } else { ".." };
    let kept: String = label.chars().take(LABEL - end.width()).collect();
    format!("{kept}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600).expect("in range")
            + SignedDuration::from_mins(minutes)
    }

    fn span(label: &str, times: [Option<i64>; 3]) -> Span {
        let [issued, renewal, expiry] = times.map(|t| t.map(minute));
        Span { label: label.into(), issued, renewal, expiry, tone: Tone::Good }
    }

    fn spans() -> Vec<Span> {
        vec![
            span("reports", [Some(-20), Some(20), Some(40)]),
            span("batch", [Some(-5), Some(3), Some(10)]),
            span("payroll", [None, Some(2), None]),
            span("old", [Some(-60), None, Some(-10)]),
        ]
    }

    #[test]
    fn the_rows_share_an_axis() {
        let drawn = draw(&spans(), minute(0), &Terminal::plain(61));
        let expected = "          -60m                          now              +40m
reports                       [=========|---------R---------]
batch                                 [=|-R--]
payroll                                 |R
old       [========================]    |
          [ issued   R renewal   ] expiry   | now
";
        assert_eq!(drawn, expected);
    }

    #[test]
    fn a_terminal_with_unicode_has_lines() {
        let terminal = Terminal { unicode: true, ..Terminal::plain(41) };
        let expected = "          -20m      now              +40m
reports   ├━━━━━━━━━┊─────────◆─────────┤
          ├ issued   ◆ renewal   ┤ expiry   ┊ now
";
        assert_eq!(draw(&spans()[..1], minute(0), &terminal), expected);
    }

    #[test]
    fn what_lies_far_away_is_cut_off() {
        let far = [
            span("a", [Some(-30 * 24 * 60), None, Some(-29 * 24 * 60)]),
            span("b", [None, None, Some(7 * 24 * 60)]),
        ];
        let expected = "    -12h      now                       +36h
a             |
b   ==========|-----------------------------
    [ issued   R renewal   ] expiry   | now
";
        assert_eq!(draw(&far, minute(0), &Terminal::plain(44)), expected, "b's end is not in view");
    }

    #[test]
    fn no_times_and_no_room_draw_nothing() {
        assert_eq!(draw(&[span("a", [None; 3])], minute(0), &Terminal::plain(80)), "");
        assert_eq!(draw(&spans(), minute(0), &Terminal::plain(30)), "");
        assert_eq!(draw(&[], minute(0), &Terminal::plain(80)), "");
    }

    #[test]
    fn any_times_can_be_drawn() {
        for columns in 27..140 {
            for far in [-100_000, -61, -1, 0, 1, 59, 5000, 100_000] {
                let odd = [
                    span("x", [Some(far), Some(-far), Some(far / 2)]),
                    span("y", [Some(far), None, Some(far)]),
                ];
                let drawn = draw(&odd, minute(0), &Terminal::plain(columns));
                assert!(
                    drawn.lines().rev().skip(1).all(|l| l.chars().count() <= columns),
                    "{columns} {far}\n{drawn}"
                );
            }
        }
    }
}

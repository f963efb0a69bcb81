//! What is on the screen, as lines of text: it says the same without colours.

use std::{cmp::Ordering, collections::VecDeque, time::Duration};

use serde_json::Value;

use super::{
    books::{self, Pair, count, pairs},
    verdict,
    words::{cut, percent, rate, time, uptime, wrap},
};

/// Looks of a trend, and one more.
const TREND: usize = 9;
/// Looks ago to which rates are differences: at least so many, and as many as it takes until all podmirrors were asked, up to
/// the most that are kept.
const WINDOW: usize = 5;
const MOST: usize = 60;

/// What the rows are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// As podmirror tells them.
    #[default]
    Name,
    /// Those to which most is sent first.
    Sent,
    /// Those of which most is lost first.
    Lost,
    /// Those with the most errors first.
    Errors,
}

/// How a line is shown, where there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Title,
    Head,
    Row,
    Selected,
    Bad,
    Plain,
}

/// One line, no longer than the screen is wide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// The last looks, and what the keys have chosen.
#[derive(Debug, Default)]
pub(super) struct View {
    looks: VecDeque<Value>,
    /// How many looks ago rates are differences to.
    window: usize,
    /// The rule and the target of the row that is chosen: rows change places under the keys.
    selected: Option<(String, String)>,
    pub(super) order: Order,
    /// What the names of shown rules or targets have in them.
    pub(super) filter: String,
    /// Whether keys are written into it.
    pub(super) typing: bool,
    /// The last replies that differed, if this may see them.
    pub(super) differences: Value,
    /// What came of the last change.
    pub(super) notice: Option<String>,
    /// Why the last look failed.
    pub(super) trouble: Option<String>,
}

/// A row, with its rates per second.
struct Row<'a> {
    pair: Pair<'a>,
    sent: f64,
    lost: f64,
    errors: Option<f64>,
    trend: String,
}

impl Row<'_> {
    fn name(&self) -> (String, String) {
        (self.pair.rule.to_owned(), self.pair.target.to_owned())
    }
}

impl View {
    /// Adds the books of one more look, all of which are new after such a time.
    pub(super) fn add(&mut self, books: Value, turn: Duration) {
        self.trouble = None;
        let turn = usize::try_from(turn.as_secs()).unwrap_or(MOST);
        self.window = turn.clamp(WINDOW, MOST);
        let uptime = |look: &Value| count(look, "uptime_seconds");
        // Counters of another process say nothing about this one's.
        if self
            .looks
            .back()
            .is_some_and(|last| uptime(&books) < uptime(last))
        {
            self.looks.clear();
        }
        let kept = TREND.max(self.window + 1);
        while self.looks.len() >= kept {
            self.looks.pop_front();
        }
        self.looks.push_back(books);
        self.settle();
    }

    /// Chooses the row that is so many below the chosen one, or the last there is.
    pub(super) fn choose(&mut self, below: isize) {
        let Some(last) = self.looks.back() else {
            return;
        };
        let rows = self.rows(last);
        let index = self.position(&rows).saturating_add_signed(below);
        let row = rows.get(index).or(rows.last());
        self.selected = row.map(Row::name);
    }

    /// Chooses a row that is shown: what is chosen stays so until a key says otherwise.
    pub(super) fn settle(&mut self) {
        self.choose(0);
    }

    /// Where the chosen row is; the first, if it is gone.
    fn position(&self, rows: &[Row<'_>]) -> usize {
        let chosen = |row: &Row<'_>| self.selected.as_ref() == Some(&row.name());
        rows.iter().position(chosen).unwrap_or_default()
    }

    /// All lines, each of at most `width` characters.
    pub(super) fn lines(&self, width: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut add = |kind, text: String| {
            let text = cut(&text, width);
            lines.push(Line { kind, text });
        };
        let Some(last) = self.looks.back() else {
            return lines;
        };
        let seconds = count(last, "uptime_seconds");
        let rules = books::list(last, "rules").len();
        let version = books::text(last, "version");
        add(
            Kind::Title,
            format!(
                "podmirror {version}   up {}   rules {rules}   q quit, s sort, / filter, +-0 rate",
                uptime(seconds)
            ),
        );
        if let Some(trouble) = &self.trouble {
            add(Kind::Bad, format!("what you see is old: {trouble}"));
        }
        if let Some(notice) = &self.notice {
            add(Kind::Plain, notice.clone());
        }
        if self.typing || !self.filter.is_empty() {
            let cursor = if self.typing { "_" } else { "" };
            add(Kind::Plain, format!("filter: {}{cursor}", self.filter));
        }
        // What is wider than 80 columns goes to the names.
        let more = width.saturating_sub(80) / 2;
        let (rule, target) = (12 + more, 18 + more);
        add(
            Kind::Head,
            format!(
                "  {:<rule$} {:<target$} {:>6} {:>7} {:<7} {:>7} {:>6} {:>7}",
                self.head("RULE", Order::Name),
                "TARGET",
                "SAMPLE",
                self.head("SENT/s", Order::Sent),
                "TREND",
                self.head("ERRORS", Order::Errors),
                "P99",
                self.head("LOST/s", Order::Lost)
            ),
        );
        let rows = self.rows(last);
        let selected = self.position(&rows);
        for (index, row) in rows.iter().enumerate() {
            let (kind, mark) = match index == selected {
                true => (Kind::Selected, '>'),
                false => (Kind::Row, ' '),
            };
            add(
                kind,
                format!(
                    "{mark} {:<rule$} {:<target$} {:>6} {:>7} {:<8} {:>6} {:>7} {:>6}",
                    cut(row.pair.rule, rule),
                    cut(row.pair.target.trim_start_matches("http://"), target),
                    percent(Some(row.pair.sample)),
                    rate(row.sent),
                    row.trend,
                    percent(row.errors),
                    time(row.pair.p99()),
                    rate(row.lost),
                ),
            );
        }
        if let Some(row) = rows.get(selected) {
            self.details(row, width, &mut add);
        }
        lines
    }

    /// A column's title, marked if rows are sorted by it.
    fn head(&self, title: &str, order: Order) -> String {
        let mark = if self.order == order { "*" } else { "" };
        format!("{mark}{title}")
    }

    /// The verdict on a row's rule, and what is lost, each with what helps.
    fn details(&self, row: &Row<'_>, width: usize, add: &mut impl FnMut(Kind, String)) {
        add(Kind::Plain, String::new());
        let told = verdict::lines(&row.pair);
        let kind = match told.first().is_some_and(|line| line.contains(" differs ")) {
            true => Kind::Bad,
            false => Kind::Plain,
        };
        let example = verdict::example(&row.pair, &self.differences);
        for line in told.into_iter().chain(example) {
            wrap(&line, width)
                .into_iter()
                .for_each(|line| add(kind, line));
        }
        let losses = row.pair.losses();
        if losses.is_empty() {
            add(Kind::Plain, "lost: nothing".to_owned());
        }
        for (path, reason, counted) in losses {
            add(Kind::Bad, format!("lost: {counted} {path}"));
            for text in [reason.what, reason.helps] {
                let text = format!("  {}", text.replace('`', ""));
                wrap(&text, width)
                    .into_iter()
                    .for_each(|line| add(Kind::Plain, line));
            }
        }
    }

    /// The rule of the row that is chosen, and what its target gets, 0 to 1.
    pub(super) fn chosen(&self) -> Option<(String, f64)> {
        let rows = self.rows(self.looks.back()?);
        let row = rows.get(self.position(&rows))?;
        Some((row.pair.rule.to_owned(), row.pair.sample))
    }

    fn shows(&self, pair: &Pair<'_>) -> bool {
        let filter = self.filter.to_lowercase();
        [pair.rule, pair.target]
            .iter()
            .any(|name| name.to_lowercase().contains(&filter))
    }

    fn rows<'a>(&'a self, last: &'a Value) -> Vec<Row<'a>> {
        let mut rows: Vec<_> = pairs(last)
            .into_iter()
            .filter(|pair| self.shows(pair))
            .map(|pair| self.row(pair, last))
            .collect();
        let falling = |one: f64, other: f64| other.partial_cmp(&one).unwrap_or(Ordering::Equal);
        match self.order {
            Order::Name => {}
            Order::Sent => rows.sort_by(|one, other| falling(one.sent, other.sent)),
            Order::Lost => rows.sort_by(|one, other| falling(one.lost, other.lost)),
            Order::Errors => {
                let of = |row: &Row<'_>| row.errors.unwrap_or(-1.0);
                rows.sort_by(|one, other| falling(of(one), of(other)));
            }
        }
        rows
    }

    fn row<'a>(&'a self, pair: Pair<'a>, last: &'a Value) -> Row<'a> {
        let first = self.looks.len().saturating_sub(self.window + 1);
        let before = self.looks.get(first).unwrap_or(last);
        let errors = |which: usize| {
            move |pair: &Pair<'_>| pair.errors().get(which).copied().unwrap_or_default()
        };
        let old = same(before, &pair);
        let grown = |which: usize| {
            let of = errors(which);
            of(&pair) - old.as_ref().map_or(0.0, of)
        };
        Row {
            pair,
            sent: per_second(&pair, before, last, |pair| pair.sent()),
            lost: per_second(&pair, before, last, |pair| pair.lost()),
            errors: (grown(1) > 0.0).then(|| grown(0) / grown(1)),
            trend: self.trend(&pair),
        }
    }

    /// What was sent between any two looks, the most of it as a full block.
    fn trend(&self, pair: &Pair<'_>) -> String {
        const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let first = self.looks.len().saturating_sub(TREND);
        let looks = self.looks.iter().skip(first);
        let steps = looks.clone().zip(looks.skip(1));
        let rates: Vec<f64> = steps
            .map(|(before, now)| per_second(pair, before, now, |pair| pair.sent()))
            .collect();
        let most = rates.iter().copied().fold(0.0, f64::max);
        let block = |rate: &f64| {
            let eighths = if most > 0.0 { rate / most * 7.0 } else { 0.0 };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 7; the cast saturates"
            )]
            let index = eighths.round() as usize;
            BLOCKS.get(index).copied().unwrap_or('█')
        };
        rates.iter().map(block).collect()
    }
}

/// The same pair at another look.
fn same<'a>(look: &'a Value, pair: &Pair<'_>) -> Option<Pair<'a>> {
    let mut all = pairs(look).into_iter();
    all.find(|other| (other.rule, other.target) == (pair.rule, pair.target))
}

fn per_second(pair: &Pair<'_>, before: &Value, now: &Value, of: impl Fn(&Pair<'_>) -> f64) -> f64 {
    let seconds = count(now, "uptime_seconds") - count(before, "uptime_seconds");
    match (same(before, pair), same(now, pair)) {
        (Some(before), Some(now)) if seconds > 0.0 => ((of(&now) - of(&before)) / seconds).max(0.0),
        _ => 0.0,
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;

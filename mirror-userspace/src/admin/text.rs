//! Prometheus text format 0.0.4: families of samples, each family in one piece.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    time::Duration,
};

use mirror_core::counters::Histogram;

/// A metric: what all samples of one name share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

/// A metric that only grows, from the start of the process or of its mirror; its name ends in `_total`.
pub(super) const fn counter(name: &'static str, help: &'static str) -> Family {
    let kind = "counter";
    Family { name, kind, help }
}

/// A metric that may go down as well as up.
pub(super) const fn gauge(name: &'static str, help: &'static str) -> Family {
    let kind = "gauge";
    Family { name, kind, help }
}

/// Durations in seconds, in buckets.
pub(super) const fn histogram(name: &'static str, help: &'static str) -> Family {
    let kind = "histogram";
    Family { name, kind, help }
}

/// The upper bounds of a histogram's buckets: every doubling from 0.13 ms to 34 s. They are ends of
/// buckets in which durations were counted, so nothing is interpolated.
fn bounds() -> impl Iterator<Item = Duration> {
    (17..=35).map(|shift| Duration::from_nanos(1 << shift))
}

/// A sample's labels, without those whose value is empty: to Prometheus that is the same.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

/// A page of metrics.
#[derive(Debug, Default)]
pub(super) struct Page(BTreeMap<&'static str, (Family, String)>);

impl Page {
    /// Adds a sample. That no series comes twice is the caller's care.
    pub(super) fn add(&mut self, family: Family, labels: Labels<'_>, value: impl fmt::Display) {
        self.sample(family, "", labels, None, value);
    }

    /// Adds a histogram's series.
    pub(super) fn add_histogram(&mut self, family: Family, labels: Labels<'_>, all: &Histogram) {
        for bound in bounds() {
            let bound_text = bound.as_secs_f64().to_string();
            self.sample(
                family,
                "_bucket",
                labels,
                Some(&bound_text),
                all.shorter_than(bound),
            );
        }
        self.sample(family, "_bucket", labels, Some("+Inf"), all.count());
        self.sample(family, "_sum", labels, None, all.sum().as_secs_f64());
        self.sample(family, "_count", labels, None, all.count());
    }

    fn sample(
        &mut self,
        family: Family,
        suffix: &str,
        labels: Labels<'_>,
        le: Option<&str>,
        value: impl fmt::Display,
    ) {
        let (_, text) = self.0.entry(family.name).or_insert((family, String::new()));
        text.push_str(family.name);
        text.push_str(suffix);
        let mut before = '{';
        for (name, value) in labels.iter().copied().chain(le.map(|le| ("le", le))) {
            if value.is_empty() {
                continue;
            }
            text.push(before);
            text.push_str(name);
            text.push_str("=\"");
            escape(value, text);
            text.push('"');
            before = ',';
        }
        if before == ',' {
            text.push('}');
        }
        // A `String` takes all that is written.
        let _written = writeln!(text, " {value}");
    }
}

/// The whole page, families in the order of their names.
impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (Family { name, kind, help }, samples) in self.0.values() {
            write!(f, "# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}")?;
        }
        Ok(())
    }
}

/// A label's value: backslash, quotation mark and line feed are escaped.
fn escape(value: &str, out: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

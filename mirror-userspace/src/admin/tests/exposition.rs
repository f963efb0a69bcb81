//! A strict reader of the text format, which holds what Prometheus and its linter ask for.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>, <https://prometheus.io/docs/practices/naming/>
//!
//! Written here, as the parsers at crates.io are under a licence that `deny.toml` does not allow (openmetrics-parser), or pass
//! over what they cannot read, and split quoted values at commas (prometheus-parse).

use std::collections::BTreeMap;

/// A series: its name and labels.
type Series = (String, BTreeMap<String, String>);

/// A page that keeps the rules.
#[derive(Debug)]
pub(super) struct Page(pub(super) BTreeMap<Series, f64>);

impl Page {
    /// The value of the series with exactly these labels.
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        self.0.get(&(name.into(), labels.collect())).copied()
    }
}

/// Reads a page; says which line breaks which rule.
pub(super) fn read(text: &str) -> Result<Page, String> {
    if !text.ends_with('\n') {
        return Err("the last line does not end".into());
    }
    let mut samples = BTreeMap::new();
    let mut families = BTreeMap::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let at = |problem: &str| format!("{problem}: {line}");
        let (name, help) = line
            .strip_prefix("# HELP ")
            .and_then(|rest| rest.split_once(' '))
            .ok_or_else(|| at("no HELP"))?;
        if help.is_empty() || help.contains('\\') {
            return Err(at("bad HELP"));
        }
        let kind = lines
            .next()
            .and_then(|line| line.strip_prefix("# TYPE "))
            .and_then(|rest| rest.strip_prefix(name)?.strip_prefix(' '))
            .ok_or_else(|| at("no TYPE behind HELP"))?;
        check_name(name, kind).map_err(at)?;
        if families.insert(name, kind).is_some() {
            return Err(at("a family comes twice"));
        }
        let mut own = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (series, value) = sample(line).map_err(|problem| format!("{problem}: {line}"))?;
            let suffixes: &[&str] = match kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            let rest = series.0.strip_prefix(name);
            if !rest.is_some_and(|suffix| suffixes.contains(&suffix)) {
                return Err(format!("not of the family {name}: {line}"));
            }
            if series.1.contains_key("le") != series.0.ends_with("_bucket") {
                return Err(format!("le has its place in buckets: {line}"));
            }
            if samples.insert(series.clone(), value).is_some() {
                return Err(format!("a series comes twice: {line}"));
            }
            own.push((series, value));
        }
        if own.is_empty() {
            return Err(at("a family without samples"));
        }
        if kind == "histogram" {
            check_histogram(name, &own, &samples)?;
        }
    }
    Ok(Page(samples))
}

fn check_name(name: &str, kind: &str) -> Result<(), &'static str> {
    let mut letters = name.bytes();
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !name.starts_with("podmirror_") || !letters.all(good) || name.contains("__") {
        return Err("bad name");
    }
    let words: Vec<_> = name.split('_').collect();
    if words
        .iter()
        .any(|word| ["counter", "gauge", "histogram", "ms", "us", "kb"].contains(word))
    {
        return Err("a type or a unit that is no base unit in the name");
    }
    let last = *words.last().unwrap();
    let ends_well = match kind {
        "counter" => last == "total",
        "gauge" => !["total", "count", "sum", "bucket"].contains(&last),
        // The only unit that is measured so.
        "histogram" => last == "seconds",
        _ => return Err("bad type"),
    };
    let unit_at = words.len() - if kind == "counter" { 2 } else { 1 };
    let misplaced = |(at, word): (usize, &&str)| *word == "bytes" && at != unit_at;
    if !ends_well || words.iter().enumerate().any(misplaced) {
        return Err("the suffix does not fit the type");
    }
    Ok(())
}

fn check_histogram(
    name: &str,
    own: &[(Series, f64)],
    all: &BTreeMap<Series, f64>,
) -> Result<(), String> {
    let mut last: BTreeMap<BTreeMap<String, String>, (f64, f64)> = BTreeMap::new();
    for ((_, labels), value) in own
        .iter()
        .filter(|((name, _), _)| name.ends_with("_bucket"))
    {
        let mut labels = labels.clone();
        let le: f64 = labels.remove("le").unwrap().parse().unwrap();
        let before = last.insert(labels, (le, *value));
        if before.is_some_and(|(bound, count)| bound >= le || count > *value) {
            return Err(format!("buckets of {name} do not ascend at {le}"));
        }
    }
    let counts = own.iter().filter(|((name, _), _)| name.ends_with("_count"));
    if counts.count() != last.len() {
        return Err(format!("{name}_count without buckets"));
    }
    for (labels, (le, count)) in last {
        let total = all.get(&(format!("{name}_count"), labels.clone()));
        let sum = all.get(&(format!("{name}_sum"), labels));
        if le != f64::INFINITY || total != Some(&count) || sum.is_none() {
            return Err(format!("{name} is not whole"));
        }
    }
    Ok(())
}

fn sample(line: &str) -> Result<(Series, f64), &'static str> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").ok_or("no label")?;
            if !label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                || label.is_empty()
            {
                return Err("bad label");
            }
            let (value, after) = quoted(after)?;
            if value.is_empty() || labels.insert(label.to_owned(), value).is_some() {
                return Err("a label that is empty or comes twice");
            }
            match after.split_at_checked(1) {
                Some((",", after)) => rest = after,
                Some(("}", after)) => break rest = after,
                _ => return Err("labels that do not end"),
            }
        }
    }
    let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
    let value: f64 = value.parse().map_err(|_| "no number")?;
    if !value.is_finite() || value < 0.0 {
        return Err("not a finite count");
    }
    Ok(((name.to_owned(), labels), value))
}

/// A label's value without its escapes, and what is behind its closing quotation mark.
fn quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(match characters.next() {
                Some((_, 'n')) => '\n',
                Some((_, escaped @ ('\\' | '"'))) => escaped,
                _ => return Err("bad escape"),
            }),
            other => value.push(other),
        }
    }
    Err("a value that does not end")
}

#[test]
fn the_reader_refuses_what_prometheus_would() {
    let counter = "# HELP podmirror_a_total A.\n# TYPE podmirror_a_total counter\n";
    let gauge = "# HELP podmirror_g G.\n# TYPE podmirror_g gauge\npodmirror_g 1\n";
    let histogram = "# HELP podmirror_h_seconds H.\n# TYPE podmirror_h_seconds histogram\n";
    let buckets =
        "podmirror_h_seconds_bucket{le=\"1\"} 1\npodmirror_h_seconds_bucket{le=\"+Inf\"} 2\n";
    let ends = "podmirror_h_seconds_sum 1.5\npodmirror_h_seconds_count 2\n";
    for good in [
        format!("{counter}podmirror_a_total 1\n{gauge}"),
        format!("{counter}podmirror_a_total{{a=\"\\\\\\\"\\n\",b=\"}}, \"}} 1e3\n"),
        format!("{histogram}{buckets}{ends}"),
    ] {
        read(&good).unwrap_or_else(|error| panic!("{error}\n{good}"));
    }
    let bad = [
        format!("{counter}podmirror_a_total 1"),
        "podmirror_a_total 1\n".into(),
        "# HELP podmirror_a_total A.\npodmirror_a_total 1\n".into(),
        counter.into(),
        format!("{counter}podmirror_b_total 1\n"),
        format!("{counter}podmirror_a_total 1\npodmirror_a_total 2\n"),
        format!("{counter}podmirror_a_total 1\n{gauge}{counter}podmirror_a_total{{a=\"b\"}} 1\n"),
        format!("{counter}podmirror_a_total{{a=\"b\",a=\"c\"}} 1\n"),
        format!("{counter}podmirror_a_total{{a=\"\"}} 1\n"),
        format!("{counter}podmirror_a_total{{a=\"b}} 1\n"),
        format!("{counter}podmirror_a_total{{a=\"\\x\"}} 1\n"),
        format!("{counter}podmirror_a_total{{a=\"b\"}}1\n"),
        format!("{counter}podmirror_a_total -1\n"),
        format!("{counter}podmirror_a_total NaN\n"),
        gauge.replace("podmirror_g", "podmirror_g_total"),
        gauge.replace("podmirror_g", "podmirror_g_count"),
        gauge.replace("podmirror_g", "other_g"),
        gauge.replace("podmirror_g", "podmirror_bytes_lost"),
        gauge.replace("podmirror_g", "podmirror_lag_ms"),
        format!("{histogram}{buckets}"),
        format!("{histogram}{buckets}{}", ends.replace(" 2", " 3")),
        format!("{histogram}{}{ends}", buckets.replace("} 1", "} 9")),
        format!("{histogram}{}{ends}", buckets.replace("+Inf", "0.5")),
        format!("{histogram}{}{ends}", buckets.replace("+Inf", "5")),
        format!("{histogram}{ends}"),
    ];
    for bad in bad {
        assert!(read(&bad).is_err(), "{bad}");
    }
}

//! `--report`: a verdict as one HTML page, which needs nothing else.
//!
//! Names and values come from clients and targets; every one of them goes through [`Escaped`].

use std::fmt::{self, Write as _};

use mirror_core::verdict::{Difference, FieldFinding, Finding, Question, Report, Verdict};

/// Most rows of a table.
const ROWS: usize = 200;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;\
    color:#1b1f24;background:#fff}table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}\
    th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d6dade;vertical-align:top;\
    overflow-wrap:anywhere}th{font-weight:600}.n{text-align:right;white-space:nowrap}\
    .differs{color:#a40e26;font-weight:600}.same{color:#1a6e35;font-weight:600}.not{color:#6b5900}\
    code{font:13px ui-monospace,monospace}h1 span{padding:0 .3rem}";

/// The page about a comparison of these targets.
pub(super) struct Page<'a> {
    pub(super) report: &'a Report,
    /// As they were written, with their roles.
    pub(super) targets: &'a [String],
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { report, targets } = self;
        f.write_str("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">")?;
        f.write_str("<meta name=\"viewport\" content=\"width=device-width\">")?;
        f.write_str("<title>podmirror: two versions compared</title>")?;
        writeln!(f, "<style>{STYLE}</style>\n<body>")?;
        writeln!(f, "<h1>The candidate: {}</h1>", Said(report.verdict))?;
        summary(f, report, targets)?;
        f.write_str("<h2>All requests</h2>\n")?;
        let overall = report.findings.iter().map(|it| (None, it));
        findings(f, overall)?;
        f.write_str("<h2>Groups of requests, the worst first</h2>\n")?;
        findings(f, worst(report).into_iter())?;
        fields(f, report)?;
        differences(f, &report.differences)?;
        sureness(f, report)
    }
}

fn summary(f: &mut fmt::Formatter<'_>, report: &Report, targets: &[String]) -> fmt::Result {
    f.write_str("<ul>\n")?;
    for target in targets {
        writeln!(f, "<li><code>{}</code>", Escaped(target))?;
    }
    write!(f, "<li>{} requests compared", report.compared)?;
    writeln!(
        f,
        ", {} not, for reasons that are no version's",
        report.not_compared
    )?;
    let contents = &report.contents;
    write!(
        f,
        "<li>{} of their replies compared field by field",
        contents.compared
    )?;
    for (reason, count) in contents
        .not_compared
        .iter()
        .filter(|(_, count)| **count > 0)
    {
        write!(f, "; {count} not: {}", reason.replace('_', " "))?;
    }
    if contents.left_out > 0 {
        write!(
            f,
            "; {} differences in more fields than are counted",
            contents.left_out
        )?;
    }
    if report.methods.changing > 0 {
        let changing = report.methods.changing;
        write!(
            f,
            "\n<li>{changing} of the requests may change state: both versions carried them out"
        )?;
    }
    if report.conditions.rewritten {
        f.write_str("\n<li>requests were rewritten before both versions got them")?;
    }
    if report.conditions.redacted {
        f.write_str("\n<li>values of requests were redacted before both versions got them")?;
    }
    f.write_str("\n</ul>\n")
}

/// The findings about groups, those that differ and the surest first.
fn worst(report: &Report) -> Vec<(Option<&str>, &Finding)> {
    let groups = report.groups.iter();
    let mut all: Vec<_> = groups
        .flat_map(|(group, findings)| findings.iter().map(|it| (Some(group.as_str()), it)))
        .collect();
    all.sort_by(|(_, one), (_, other)| {
        let order = other.verdict.cmp(&one.verdict);
        order.then(other.e_value.total_cmp(&one.e_value))
    });
    all
}

fn findings<'a>(
    f: &mut fmt::Formatter<'_>,
    rows: impl Iterator<Item = (Option<&'a str>, &'a Finding)>,
) -> fmt::Result {
    f.write_str(
        "<table><tr><th>requests<th>question<th>answer<th class=n>baseline<th class=n>candidate",
    )?;
    f.write_str("<th class=n>difference<th class=n>e-value\n")?;
    for (group, it) in rows.take(ROWS) {
        let (scale, unit) = match it.question {
            Question::Latency(_) => (1e3, "ms"),
            _ => (1e2, "%"),
        };
        write!(f, "<tr><td>{}", Escaped(group.unwrap_or("all")))?;
        write!(f, "<td>{}<td>{}", it.question.name(), Said(it.verdict))?;
        for seen in [it.baseline, it.candidate] {
            match seen.is_nan() {
                true => f.write_str("<td class=n>unknown")?,
                false => write!(f, "<td class=n>{:.2} {unit}", seen * scale)?,
            }
        }
        let (from, to) = (it.difference.from * 1e2, it.difference.to * 1e2);
        match from.is_finite() && to.is_finite() {
            true => write!(f, "<td class=n>{from:+.2} to {to:+.2} %")?,
            false => f.write_str("<td class=n>unknown")?,
        }
        writeln!(f, "<td class=n>{}", Evidence(it.e_value))?;
    }
    f.write_str("</table>\n")
}

fn fields(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    f.write_str("<h2>Fields that differed</h2>\n")?;
    if report.fields.is_empty() {
        return f.write_str("<p>None.\n");
    }
    if !report.contents.second_baseline {
        f.write_str(
            "<p>Whether values differ by themselves is not known: a second target with \
             <code>role=baseline</code> tells.\n",
        )?;
    }
    f.write_str(
        "<table><tr><th>requests<th>field<th>answer<th class=n>differs<th class=n>by itself",
    )?;
    f.write_str("<th class=n>missing<th class=n>added<th class=n>e-value\n")?;
    for it in report.fields.iter().take(ROWS) {
        let FieldFinding {
            group,
            field,
            verdict,
            differs,
            by_itself,
            missing,
            added,
            e_value,
        } = it;
        write!(f, "<tr><td>{}", Escaped(group.as_deref().unwrap_or("all")))?;
        write!(
            f,
            "<td><code>{}</code><td>{}",
            Escaped(field),
            Said(*verdict)
        )?;
        for share in [Some(*differs), *by_itself, Some(*missing), Some(*added)] {
            match share {
                Some(share) => write!(f, "<td class=n>{:.2} %", share * 1e2)?,
                None => f.write_str("<td class=n>unknown")?,
            }
        }
        writeln!(f, "<td class=n>{}", Evidence(*e_value))?;
    }
    f.write_str("</table>\n")
}

fn differences(f: &mut fmt::Formatter<'_>, differences: &[Difference]) -> fmt::Result {
    f.write_str("<h2>Some replies side by side</h2>\n")?;
    if differences.is_empty() {
        return f.write_str("<p>None were kept: see <code>--keep-differences</code>.\n");
    }
    f.write_str("<table><tr><th>request<th>field<th>baseline<th>candidate\n")?;
    let rows = differences.iter().rev();
    let rows = rows.flat_map(|it| it.values.iter().map(move |values| (it, values)));
    for (difference, values) in rows.take(ROWS) {
        write!(f, "<tr><td><code>{}</code>", Escaped(&difference.request))?;
        write!(f, "<td><code>{}</code>", Escaped(&values.field))?;
        for value in [&values.baseline, &values.candidate] {
            match value {
                Some(value) => write!(f, "<td><code>{}</code>", Escaped(value))?,
                None => f.write_str("<td>missing")?,
            }
        }
        f.write_char('\n')?;
    }
    f.write_str("</table>\n")
}

fn sureness(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let (alpha, margins) = (report.alpha, report.margins);
    writeln!(
        f,
        "<h2>How sure this is</h2>\n<p>Of equal versions, any of these answers is <i>differs</i> with a \
         probability of at most {alpha}, however often one looks. Differences of less than {:.2} % of \
         requests, or {:.0} % of latency, do not matter. An e-value is the evidence against equality: at most \
         1 on average if both are equal. <i>Not enough yet</i> says that the requests were too few to tell.",
        margins.share * 1e2,
        margins.latency * 1e2
    )
}

/// A verdict, coloured.
struct Said(Verdict);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.name();
        let class = name.split(' ').next().unwrap_or_default();
        write!(f, "<span class={class}>{name}</span>")
    }
}

/// An e-value, as short as it may be.
struct Evidence(f64);

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value < 1e4 => write!(f, "{value:.2}"),
            value => write!(f, "{value:.0e}"),
        }
    }
}

/// Text in which nothing is markup.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                letter if letter.is_control() => f.write_char('\u{fffd}')?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

//! `bench.md`.

mod alone;

use std::{collections::BTreeMap, fmt::Write as _};

use super::super::{
    machine::Machine,
    results::{Results, Row, Run, Spread, float},
    schedule::{Kind, Schedule},
};

/// What is not measured by any run.
const NOT_MEASURED: &str = "\
- Real networks: everything is on one machine, over veth, where client, v1, v2 and mirror share the cores.
- Replies larger than a few bytes; TLS to v2.
- Lag and losses of mirrors other than podmirror: only what arrived at v2 is known of them.
";

/// A load average before the bench from which on its figures are others', too.
const BUSY: f64 = 0.5;

const READING: &str = "\
Ratios are relative to v1 alone, which ran just before and just after (mean of the two). Figures are medians over the rounds,
with the least and the greatest in brackets. CPU is the user plus system time of the subject's processes per request that
arrived at v2 (at v1, where nothing is mirrored); v1's own CPU is that of its worker per request that it received. Arrived
is requests at v2 over requests at v1, both counted by nginx: a request whose body broke off has arrived, and those that wrk
cuts off when its time is up (at most one per connection, or more with pipelining) may not have. At a fixed rate, latency is
measured from when a request was due; in a closed loop (wrk), from when it was sent, with wrk's correction for requests that
a late reply kept from being sent. Memory is the largest resident set over all rounds, in
which pages that are mapped twice (a ring's) count once.
";

pub(super) fn render(
    machine: &Machine,
    schedule: &Schedule,
    results: &Results,
    plots: &[String],
) -> String {
    let mut text = "# What mirroring costs\n\n".to_owned();
    text += match schedule.kind {
        Kind::Full => "A full run: every load, every subject.\n\n",
        Kind::Quick => {
            "A quick run: short, with few loads. It shows whether everything works, and large differences.\n\n"
        }
        Kind::Part => "A part of the bench, as chosen on the command line.\n\n",
    };
    for (what, value) in &machine.facts {
        line(&mut text, &format!("- {what}: {value}"));
    }
    let (rounds, seconds) = (schedule.rounds, schedule.seconds);
    let minutes = results.elapsed.as_secs_f64() / 60.0;
    line(
        &mut text,
        &format!("- {rounds} rounds, {seconds} s per run; {minutes:.1} minutes in all\n"),
    );
    if machine.load.of_a_minute() > BUSY {
        text += "**The machine was busy with other work: do not quote these figures.**\n\n";
    }
    text += READING;
    for planned in &schedule.loads {
        let load = &planned.load;
        let rows = || results.rows.iter().filter(|row| row.load.name == load.name);
        if rows().next().is_some() {
            line(
                &mut text,
                &format!("\n## {}: {}\n", load.name, load.description()),
            );
            table(&mut text, rows());
            books(&mut text, rows());
        }
    }
    kernel(&mut text, results);
    text += &alone::render(results);
    if !plots.is_empty() {
        text += "\n## Plots\n\n";
        for plot in plots {
            line(&mut text, &format!("![{plot}]({plot})"));
        }
    }
    subjects(&mut text, schedule);
    line(
        &mut text,
        &format!("\n## What was not measured\n\n{NOT_MEASURED}"),
    );
    text.truncate(text.trim_end().len());
    text + "\n"
}

fn table<'a>(text: &mut String, rows: impl Iterator<Item = &'a Row>) {
    line(
        text,
        "| | v1: per second | p50, us | p99, us | p99.9, us | v1's CPU, us | failed | arrived | CPU, us | memory |",
    );
    line(text, "|---|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        let figures: [&dyn Fn(&Run) -> f64; 5] = [
            &Run::throughput,
            &|run| run.seen.latency[0],
            &|run| run.seen.latency[1],
            &|run| run.seen.latency[2],
            &Run::v1_cpu_each,
        ];
        let cells = figures.iter().map(|figure| match row.subject {
            None => cell(row.spread(figure), amount),
            Some(_) => cell(row.ratio(figure), |value| format!("{value:.3}")),
        });
        let cells: Vec<_> = cells.collect();
        let failed: u64 = row.runs.iter().map(|(run, _)| run.seen.failed).sum();
        let name = row
            .subject
            .as_ref()
            .map_or("**v1 alone**", |subject| &subject.name);
        let arrived = cell(row.share_mirrored(), |value| format!("{value:.4}"));
        let cpu = cell(row.cpu_each(), amount);
        let rss = row.memory().map_or_else(nothing, |bytes| {
            format!("{:.1} MiB", float(bytes) / 1_048_576.0)
        });
        let cells = cells.join(" | ");
        line(
            text,
            &format!("| {name} | {cells} | {failed} | {arrived} | {cpu} | {rss} |"),
        );
    }
}

/// Lag and losses, which only podmirror tells.
fn books<'a>(text: &mut String, rows: impl Iterator<Item = &'a Row>) {
    for row in rows {
        let Some(subject) = row
            .subject
            .as_ref()
            .filter(|_| row.books().next().is_some())
        else {
            continue;
        };
        let lag = |index: usize| {
            let figures = row.books().filter_map(|books| books.lag.get(index));
            cell(Spread::of(figures.map(|lag| float(*lag)).collect()), amount)
        };
        let mut losses = BTreeMap::<&str, u64>::new();
        for (reason, count) in row.books().flat_map(|books| &books.losses) {
            *losses.entry(reason).or_default() += count;
        }
        let losses: Vec<_> = losses
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        let losses = if losses.is_empty() {
            "none".to_owned()
        } else {
            losses.join(", ")
        };
        let balance = if row.books().all(|books| books.balanced) {
            ""
        } else {
            "; **THE LEDGER DOES NOT BALANCE**"
        };
        let (p50, p99) = (lag(0), lag(1));
        line(
            text,
            &format!(
                "\n{}: lag p50 {p50} us, p99 {p99} us; lost (all rounds): {losses}{balance}",
                subject.name
            ),
        );
    }
}

fn kernel(text: &mut String, results: &Results) {
    line(text, "\n## podmirror's kernel half, a segment\n");
    line(
        text,
        "BPF run time as the kernel counts it, the mean; reading its clock twice is part of it.\n",
    );
    line(text, "| segment | load | runs | each |\n|---|---|---|---|");
    for cost in &results.kernel {
        let (what, load) = (cost.what, cost.load);
        let (runs, nanos) = (cost.runs, cost.nanos);
        line(
            text,
            &format!("| {what} | {load} | {runs} | {nanos:.0} ns |"),
        );
    }
}

fn subjects(text: &mut String, schedule: &Schedule) {
    line(text, "\n## Who was measured\n");
    let mut told = Vec::new();
    for subject in schedule.loads.iter().flat_map(|planned| &planned.subjects) {
        if !told.contains(&subject.name()) {
            told.push(subject.name());
            line(
                text,
                &format!("- {}: {}", subject.name(), subject.description()),
            );
        }
    }
}

fn cell(spread: Option<Spread>, show: impl Fn(f64) -> String) -> String {
    spread.map_or_else(nothing, |spread| {
        let (median, least, most) = (show(spread.median), show(spread.least), show(spread.most));
        if least == most {
            median
        } else {
            format!("{median} ({least} to {most})")
        }
    })
}

fn nothing() -> String {
    "–".to_owned()
}

/// With as many digits as mean something.
pub(super) fn amount(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

fn line(text: &mut String, line: &str) {
    // Cannot fail: a String takes everything.
    let _written = writeln!(text, "{line}");
}

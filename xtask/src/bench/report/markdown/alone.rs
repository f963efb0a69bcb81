//! What is measured apart from the table of loads and subjects, or follows from two of its loads.

use super::{
    super::super::{
        compared::{Compared, Interval},
        loads::{FEW, MANY},
        overload::{self, Overload},
        results::{Results, Row, Spread, float},
    },
    cell,
};

pub(super) fn render(results: &Results) -> String {
    connections(results)
        + &idle(results)
        + &overload(results)
        + &unharmed(results)
        + &compared(results)
}

/// The difference between the two loads, for each who has both.
fn connections(results: &Results) -> String {
    let lines = results.rows.iter().filter_map(|many| {
        let name = &many.subject.as_ref()?.name;
        let few = results.rows.iter().find(|row| {
            let subject = row.subject.as_ref();
            row.load.name == FEW && subject.is_some_and(|subject| subject.name == *name)
        })?;
        let (bytes, ratio) = (many.load.name == MANY)
            .then(|| each(few, many))
            .flatten()?;
        Some(format!(
            "- {name}: {bytes:.0} bytes per connection, {ratio:.2} of the CPU per request\n"
        ))
    });
    let lines: String = lines.collect();
    if lines.is_empty() {
        return lines;
    }
    format!(
        "\n## Idle connections\n\n{MANY} beside {FEW}: the difference in memory per idle \
         connection, and the ratio of CPU.\n\n{lines}"
    )
}

/// Bytes for each idle connection, and the ratio of CPU for a request.
fn each(few: &Row, many: &Row) -> Option<(f64, f64)> {
    let bytes = float(many.memory()?) - float(few.memory()?);
    let ratio = many.cpu_each()?.median / few.cpu_each()?.median;
    Some((bytes / float(many.load.idle as u64), ratio))
}

fn idle(results: &Results) -> String {
    results.idle.map_or_else(String::new, |idle| {
        format!(
            "\n## An idle mirror\n\nAttached for {:.0} s without traffic: {:.3} % of a core.\n",
            idle.duration.as_secs_f64(),
            idle.percent_of_a_core()
        )
    })
}

fn overload(results: &Results) -> String {
    if results.overload.is_empty() {
        return String::new();
    }
    let figure = |of: fn(&Overload) -> f64| {
        let rounds = results.overload.iter().map(of);
        cell(Spread::of(rounds.collect()), |value| format!("{value:.2}"))
    };
    let kept = figure(|round| round.throughput / round.unsampled);
    let lost = figure(|round| round.lost);
    let recovery = figure(|round| round.recovery.as_secs_f64());
    format!(
        "\n## Overload\n\n{} at full speed, then 500 requests per second. v1 kept {kept} of its \
         throughput at sample rate 0, and {lost} of its requests never reached v2. After the load \
         fell, it took {recovery} s until nothing was missing or late any more.\n",
        overload::LOAD
    )
}

fn unharmed(results: &Results) -> String {
    let unharmed = results.unharmed.as_ref();
    unharmed.map_or_else(String::new, |unharmed| {
        format!(
            "\n## v1 beside a mirror at sampling 0\n\n{}\n",
            unharmed.said()
        )
    })
}

fn compared(results: &Results) -> String {
    if results.compared.is_empty() {
        return String::new();
    }
    let lines: String = results.compared.iter().map(compared_line).collect();
    format!(
        "\n## What comparing with v1 costs\n\nThe heads of all replies, v1's and v2's (`--compare v1 --compare-rate \
         100% --compare-body 0`), over a mirror that compares nothing, and two runs of that one over each other: the \
         median, and what it lies between with a probability of about 95 %.\n\n\
         | load | figure | with comparison | noise | rounds | answer |\n|---|---|---|---|---|---|\n{lines}"
    )
}

fn compared_line(compared: &Compared) -> String {
    let Compared { load, figure, .. } = compared;
    let answer =
        compared
            .most
            .map_or_else(String::new, |most| match compared.ratio.is_at_most(most) {
                Some(true) => format!("at most {most}"),
                Some(false) => format!("**more than {most}**"),
                None => format!("undecided whether at most {most}"),
            });
    let (ratio, noise) = (interval(compared.ratio), interval(compared.noise));
    let rounds = compared.rounds;
    format!("| {load} | {figure} | {ratio} | {noise} | {rounds} | {answer} |\n")
}

fn interval(interval: Interval) -> String {
    let median = interval.median;
    let within = match interval.within {
        Some((low, high)) => format!("{low:.3} to {high:.3}"),
        None => "too few rounds".to_owned(),
    };
    let left_out = match interval.left_out {
        0 => String::new(),
        rounds => format!("; **{rounds} rounds in which nothing arrived**"),
    };
    format!("{median:.3} ({within}{left_out})")
}

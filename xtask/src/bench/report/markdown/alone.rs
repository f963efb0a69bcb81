//! What is measured apart from the table of loads and subjects, or follows from two of its loads.

use super::{
    super::super::{
        loads::{FEW, MANY},
        overload::{self, Overload},
        results::{Results, Row, Spread, float},
    },
    cell,
};

pub(super) fn render(results: &Results) -> String {
    connections(results) + &idle(results) + &overload(results) + &unharmed(results)
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

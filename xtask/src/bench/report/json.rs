//! `bench.json`: every run, nothing rounded; medians are the reader's to take.

use serde_json::{Map, Value, json};

use super::super::{
    machine::Machine,
    results::{Results, Row, Run, Used, micros},
    schedule::Schedule,
};

pub(super) fn render(machine: &Machine, schedule: &Schedule, results: &Results) -> String {
    let facts: Map<_, _> = machine
        .facts
        .iter()
        .map(|(what, value)| ((*what).to_owned(), json!(value)))
        .collect();
    let kernel: Vec<_> = results
        .kernel
        .iter()
        .map(|cost| json!({"segment": cost.what, "load": cost.load, "runs": cost.runs, "nanos_each": cost.nanos}))
        .collect();
    let document = json!({
        "machine": facts,
        "rounds": schedule.rounds,
        "seconds_a_run": schedule.seconds,
        "elapsed_seconds": results.elapsed.as_secs_f64(),
        "kernel": kernel,
        "idle_mirror": results.idle.map(|idle| json!({
            "seconds": idle.duration.as_secs_f64(), "cpu_us": micros(idle.cpu),
        })),
        "overload": results.overload.iter().map(|overload| json!({
            "v1_a_second": overload.throughput,
            "v1_a_second_sampling_0": overload.unsampled,
            "share_lost": overload.lost,
            "recovery_seconds": overload.recovery.as_secs_f64(),
        })).collect::<Vec<_>>(),
        "unharmed": results.unharmed.as_ref().map(|unharmed| {
            let (above, below, evidence, ratio) = unharmed.figures();
            json!({"rounds_above": above, "rounds_below": below, "evidence": evidence, "ratio": ratio})
        }),
        "comparison": results.compared.iter().map(|compared| json!({
            "load": compared.load, "figure": compared.figure, "rounds": compared.rounds,
            "ratio": compared.ratio.median, "ratio_within": compared.ratio.within,
            "noise": compared.noise.median, "noise_within": compared.noise.within,
        })).collect::<Vec<_>>(),
        "results": results.rows.iter().map(row).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn row(row: &Row) -> Value {
    let runs = row
        .runs
        .iter()
        .map(|(with, [before, after])| match row.subject {
            None => json!({"run": run(with)}),
            Some(_) => json!({"run": run(with), "v1_alone": [run(before), run(after)]}),
        });
    json!({
        "load": row.load.name,
        "load_is": row.load.description(),
        "subject": row.subject.as_ref().map(|subject| &subject.name),
        "runs": runs.collect::<Vec<_>>(),
    })
}

fn run(run: &Run) -> Value {
    let [p50, p99, p999] = run.seen.latency;
    json!({
        "answered": run.seen.answered,
        "failed": run.seen.failed,
        "elapsed_seconds": run.seen.elapsed.as_secs_f64(),
        "latency_us": {"p50": p50, "p99": p99, "p99.9": p999},
        "at_v1": run.at_v1,
        "at_v2": run.at_v2,
        "v1_cpu_us": micros(run.v1_cpu),
        "subject": run.subject.as_ref().map(used),
    })
}

fn used(used: &Used) -> Value {
    let books = used.books.as_ref().map(|books| {
        let [p50, p99] = books.lag;
        json!({
            "lag_us": {"p50": p50, "p99": p99},
            "losses": books.losses,
            "balanced": books.balanced,
        })
    });
    json!({"cpu_us": micros(used.cpu), "peak_memory_bytes": used.memory, "ledger": books})
}

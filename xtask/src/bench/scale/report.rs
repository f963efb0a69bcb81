//! `scale.md`, `scale.json`, and a page with the curves.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{AXES, Axis, Live, MOST, Point, Scaled, ratios};
use crate::{
    bench::{
        report::plot::{Line, Scale, svg},
        results::float,
    },
    callgrind::Each,
};

const READING: &str = "\
Counted: callgrind's instructions per GET in the stages without I/O, and an estimate of cycles with simulated caches \
(32 KiB of L1, 8 MiB of last level, no prefetch: an instruction is 1, a miss of L1 10, of the last level 100). One thread \
plays all shards; connections ask in turn, so that with many each finds the caches cold.
Live: CPU time of the whole program per mirrored GET, at 2 000 per second on 32 of the connections, the others open and \
idle; median (least to most).
A ratio is to the cheapest of its table.
";

pub(super) fn files(scaled: &Scaled) -> Vec<(String, String)> {
    let plots: Vec<_> = AXES.iter().map(|(axis, _)| plot(scaled, *axis)).collect();
    let mut files = vec![
        ("scale.md".to_owned(), markdown(scaled)),
        ("scale.json".to_owned(), json_of(scaled)),
        ("scale.html".to_owned(), page(scaled, &plots)),
    ];
    for ((axis, _), plot) in AXES.iter().zip(plots) {
        files.push((format!("scale-{}.svg", axis.name()), plot));
    }
    files
}

fn markdown(scaled: &Scaled) -> String {
    let mut text = format!("# What a request costs with more of everything\n\n{READING}");
    for (axis, _) in AXES {
        let name = axis.name();
        put(&mut text, &format!("\n## {name}\n"));
        put(
            &mut text,
            &format!(
                "| {name} | instructions | ratio | cycles, estimated | ratio | misses of the last level |"
            ),
        );
        put(&mut text, "|---|---|---|---|---|---|");
        let instructions = ratios(&scaled.counted, axis, |each| each.instructions);
        let cycles = ratios(&scaled.counted, axis, |each| each.cycles());
        let counted = of(&scaled.counted, axis);
        for ((point, (_, instructions)), (_, cycles)) in counted.zip(instructions).zip(cycles) {
            let Point { size, figure, .. } = point;
            put(
                &mut text,
                &format!(
                    "| {size} | {:.0} | {instructions:.3} | {:.0} | {cycles:.3} | {:.1} |",
                    figure.instructions,
                    figure.cycles(),
                    figure.misses
                ),
            );
        }
        let ratios = ratios(&scaled.live, axis, |live| live.cpu.median);
        if !ratios.is_empty() {
            put(
                &mut text,
                &format!("\n| {name}, live | CPU, us | ratio | arrived | memory |"),
            );
            put(&mut text, "|---|---|---|---|---|");
        }
        for (point, (size, ratio)) in of(&scaled.live, axis).zip(ratios) {
            let Live {
                cpu,
                arrived,
                memory,
            } = point.figure;
            put(
                &mut text,
                &format!(
                    "| {size} | {:.1} ({:.1} to {:.1}) | {ratio:.3} | {:.4} | {:.1} MiB |",
                    cpu.median,
                    cpu.least,
                    cpu.most,
                    arrived.median,
                    float(memory) / 1_048_576.0
                ),
            );
        }
        put(&mut text, &format!("\n{}", verdict(scaled, axis)));
    }
    put(
        &mut text,
        &format!(
            "\nLive, {}. Load average before: {}.",
            scaled.limit, scaled.load
        ),
    );
    text
}

/// What a request costs at each size, as ratios to the cheapest, by each measure.
fn measures(scaled: &Scaled, axis: Axis) -> [(&'static str, Vec<(usize, f64)>); 3] {
    [
        (
            "instructions",
            ratios(&scaled.counted, axis, |each| each.instructions),
        ),
        (
            "cycles",
            ratios(&scaled.counted, axis, |each| each.cycles()),
        ),
        (
            "live CPU",
            ratios(&scaled.live, axis, |live| live.cpu.median),
        ),
    ]
}

/// Whether the most that a request costs is within [`MOST`] of the least, by each measure.
fn verdict(scaled: &Scaled, axis: Axis) -> String {
    let measures = measures(scaled, axis);
    let measures = measures.iter().filter_map(|(name, ratios)| {
        let most = ratios.iter().map(|(_, ratio)| *ratio);
        let most = most.max_by(f64::total_cmp)?;
        let within = if most <= MOST { "within" } else { "**beyond**" };
        Some(format!("{name} {most:.3}, {within} {MOST}"))
    });
    measures.collect::<Vec<_>>().join("; ") + "."
}

fn json_of(scaled: &Scaled) -> String {
    let counted = |point: &Point<Each>| {
        json!({
            "axis": point.axis.name(), "size": point.size,
            "instructions": point.figure.instructions,
            "first_level_misses": point.figure.first_level_misses,
            "misses": point.figure.misses,
        })
    };
    let live = |point: &Point<Live>| {
        let Live {
            cpu,
            arrived,
            memory,
        } = point.figure;
        json!({
            "axis": point.axis.name(), "size": point.size,
            "cpu_us": [cpu.least, cpu.median, cpu.most], "arrived": arrived.median, "memory_bytes": memory,
        })
    };
    let document = json!({
        "counted": scaled.counted.iter().map(counted).collect::<Vec<Value>>(),
        "live": scaled.live.iter().map(live).collect::<Vec<Value>>(),
        "live_limit": scaled.limit,
        "load_average_before": scaled.load.to_string(),
    });
    format!("{document:#}\n")
}

/// Ratios to the cheapest, by each measure.
fn plot(scaled: &Scaled, axis: Axis) -> String {
    let lines = measures(scaled, axis)
        .into_iter()
        .filter(|(_, ratios)| !ratios.is_empty());
    let lines: Vec<Line> = lines
        .map(|(name, ratios)| {
            let points = ratios
                .into_iter()
                .map(|(size, ratio)| (float(size as u64), ratio));
            (name.to_owned(), points.collect())
        })
        .collect();
    let title = format!("What a request costs, by {}", axis.name());
    svg(
        &title,
        (Scale::Linear, "ratio to the cheapest"),
        axis.name(),
        &lines,
    )
}

fn page(scaled: &Scaled, plots: &[String]) -> String {
    let mut body = String::new();
    for ((axis, _), plot) in AXES.iter().zip(plots) {
        let verdict = verdict(scaled, *axis).replace("**", "");
        put(
            &mut body,
            &format!("<h2>{}</h2>\n<p>{verdict}</p>\n{plot}", axis.name()),
        );
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>podmirror: scale</title>\n\
         <style>body {{ font: 16px sans-serif; max-width: 50em; margin: 2em auto }} svg {{ width: 100% }}</style>\n\
         <h1>What a request costs with more of everything</h1>\n<p>{READING}</p>\n{body}\
         <p>Live, {}. Load average before: {}.</p>\n</html>\n",
        scaled.limit, scaled.load
    )
}

fn of<Figure>(points: &[Point<Figure>], axis: Axis) -> impl Iterator<Item = &Point<Figure>> {
    points.iter().filter(move |point| point.axis == axis)
}

fn put(text: &mut String, line: &str) {
    // Cannot fail: a String takes everything.
    let _written = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::machine::LoadAverage;

    #[test]
    fn what_grows_beyond_is_said() {
        let counted = |size, instructions| Point {
            axis: Axis::Rules,
            size,
            figure: Each {
                instructions,
                ..Each::default()
            },
        };
        let scaled = Scaled {
            counted: vec![counted(1, 1_000.0), counted(64, 1_310.0)],
            live: Vec::new(),
            limit: "nothing".to_owned(),
            load: LoadAverage::now(),
        };
        let said = verdict(&scaled, Axis::Rules);
        assert_eq!(
            said,
            "instructions 1.310, **beyond** 1.3; cycles 1.310, **beyond** 1.3."
        );
        let text = markdown(&scaled);
        assert!(
            text.contains("| 64 | 1310 | 1.310 | 1310 | 1.310 | 0.0 |"),
            "{text}"
        );
        assert!(page(&scaled, &[plot(&scaled, Axis::Rules)]).contains("<polyline"));
    }
}

//! Plots of what a mirrored request costs, as SVG.

mod axis;

use std::fmt::Write as _;

use super::{
    super::{
        loads::Pace,
        results::{Results, Row, float},
    },
    markdown,
};
use axis::Axis;
pub(in crate::bench) use axis::Scale;

/// Where a row stands on the horizontal axis; `None` when it is not of this plot.
type Position = fn(&Row) -> Option<f64>;

/// File name, title, vertical scale, horizontal axis, and who stands where on it.
const PLOTS: [(&str, &str, Scale, &str, Position); 4] = [
    (
        "rate.svg",
        "CPU for a mirrored GET, by rate",
        Scale::Linear,
        "requests per second",
        by_rate,
    ),
    (
        "connections.svg",
        "CPU for a mirrored GET, closed loop, by connections",
        Scale::Linear,
        "connections",
        by_connections,
    ),
    (
        "body.svg",
        "CPU for a mirrored request at a fixed rate, by body",
        Scale::Decades,
        "KiB",
        by_body,
    ),
    (
        "sample.svg",
        "podmirror's CPU at 2 000 GETs per second, by sample rate",
        Scale::Linear,
        "percent of connections",
        by_sample,
    ),
];

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const MARGIN: f64 = 60.0;
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];

/// A line: who, and its points.
pub(in crate::bench) type Line = (String, Vec<(f64, f64)>);

/// A plot for each axis along which there are two points or more.
pub(super) fn files(results: &Results) -> Vec<(String, String)> {
    PLOTS
        .into_iter()
        .filter_map(|(name, title, scale, axis, position)| {
            let lines = lines(&results.rows, position);
            let longest = lines.iter().map(|(_, points)| points.len()).max()?;
            let up = (scale, "microseconds");
            (longest > 1).then(|| (name.to_owned(), svg(title, up, axis, &lines)))
        })
        .collect()
}

fn by_rate(row: &Row) -> Option<f64> {
    match row.load.pace {
        Pace::Fixed(rate) if row.load.name.starts_with("get-") => whole(row).map(|()| rate),
        _ => None,
    }
}

fn by_connections(row: &Row) -> Option<f64> {
    let closed = row.load.name.starts_with("get-closed-");
    closed.then(|| whole(row)).flatten()?;
    Some(float(row.load.connections as u64))
}

fn by_body(row: &Row) -> Option<f64> {
    let fixed = ["get-2000", "post-2k-2000", "post-256k-300", "post-64m-1"];
    fixed
        .contains(&row.load.name)
        .then(|| whole(row))
        .flatten()?;
    Some(float(row.load.body as u64) / 1024.0)
}

fn by_sample(row: &Row) -> Option<f64> {
    if row.load.name != "get-2000" {
        return None;
    }
    percent(row)
}

fn percent(row: &Row) -> Option<f64> {
    let name = &row.subject.as_ref()?.name;
    let rate = name.strip_prefix("podmirror ")?.strip_suffix(" %")?;
    rate.parse().ok()
}

/// Of podmirror only what mirrors everything, as the others do.
fn whole(row: &Row) -> Option<()> {
    let subject = row.subject.as_ref()?;
    let sampled = percent(row).is_some_and(|percent| percent < 100.0);
    (subject.mirrors && !sampled).then_some(())
}

fn lines(rows: &[Row], position: Position) -> Vec<Line> {
    let by_sample = std::ptr::fn_addr_eq(position, by_sample as Position);
    let mut lines: Vec<Line> = Vec::new();
    for row in rows {
        let (Some(x), Some(subject)) = (position(row), &row.subject) else {
            continue;
        };
        let (name, y) = if by_sample {
            let a_second = |run: &super::super::results::Run| {
                let used = run.subject.as_ref().map(|used| used.cpu.as_secs_f64());
                used.unwrap_or_default() * 1e6 / run.seen.elapsed.as_secs_f64()
            };
            ("podmirror".to_owned(), row.spread(a_second))
        } else {
            (subject.name.clone(), row.cpu_each())
        };
        let Some(y) = y else { continue };
        match lines.iter_mut().find(|(known, _)| *known == name) {
            Some((_, points)) => points.push((x, y.median)),
            None => lines.push((name, vec![(x, y.median)])),
        }
    }
    for (_, points) in &mut lines {
        points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    }
    lines
}

/// A plot with this vertical axis, and its unit. The horizontal axis is one of factors, as loads grow by them.
pub(in crate::bench) fn svg(
    title: &str,
    (scale, unit): (Scale, &str),
    axis: &str,
    lines: &[Line],
) -> String {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let across = Axis::over(Scale::Factors, points().map(|(x, _)| *x));
    let up = Axis::over(scale, points().map(|(_, y)| *y));
    let at = |x: f64, y: f64| {
        let x = MARGIN + across.at(x) * (WIDTH - 3.0 * MARGIN);
        (x, HEIGHT - MARGIN - up.at(y) * (HEIGHT - 2.0 * MARGIN))
    };
    let mut body = String::new();
    let mut ticks: Vec<f64> = points().map(|(x, _)| *x).collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    for tick in ticks {
        let (x, _) = at(tick, 0.0);
        let y = HEIGHT - MARGIN + 18.0;
        put(&mut body, x, y, "middle", &format!("{tick}"));
    }
    for tick in up.ticks() {
        let (_, y) = at(0.0, tick);
        let value = markdown::amount(tick);
        put(&mut body, MARGIN - 6.0, y + 4.0, "end", &value);
        let to = WIDTH - 2.0 * MARGIN;
        body += &format!("<path d=\"M{MARGIN:.1} {y:.1}H{to:.1}\" stroke=\"#ddd\"/>\n");
    }
    for (index, ((name, points), colour)) in lines.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let mut path = String::new();
        for (x, y) in points {
            let (x, y) = at(*x, *y);
            path += &format!("{x:.1},{y:.1} ");
            body += &format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>\n");
        }
        body += &format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n",
            path.trim()
        );
        let y = MARGIN + 18.0 * float(index as u64);
        let x = WIDTH - 2.0 * MARGIN + 8.0;
        body += &format!(
            "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\">{}</text>\n",
            escaped(name)
        );
    }
    put(&mut body, WIDTH / 2.0, 24.0, "middle", title);
    put(&mut body, WIDTH / 2.0, HEIGHT - 18.0, "middle", axis);
    put(&mut body, 8.0, MARGIN - 14.0, "start", unit);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

fn put(body: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let text = escaped(text);
    // Cannot fail: a String takes everything.
    let _written = writeln!(
        body,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}

/// A peer's name is the user's.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

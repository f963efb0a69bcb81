//! What the verdict on a rule comes to, in lines: what differs, by how much, how sure that is, and an example.

use std::cmp::Ordering;

use serde_json::Value;

use super::books::{Pair, count, list, text};

/// Most lines about what differs.
const SHOWN: usize = 5;

/// A line for the verdict, and behind it one for each thing that differs, the surest first; nothing where nothing is
/// compared.
pub(in crate::cli) fn lines(pair: &Pair<'_>) -> Vec<String> {
    let Some(report) = pair.ledger.get("verdict") else {
        return Vec::new();
    };
    let (verdict, compared) = (text(report, "verdict"), count(report, "compared"));
    let sure = match verdict {
        "same" | "differs" => format!(
            ", at least {:.0}% sure",
            (1.0 - count(report, "alpha")) * 1e2
        ),
        _ => String::new(),
    };
    let mut lines = vec![format!(
        "verdict: {verdict} ({compared} requests compared{sure})"
    )];
    let differing = [groups(report), fields(report)].concat();
    lines.extend(differing.iter().take(SHOWN).cloned());
    if differing.len() > SHOWN {
        lines.push(format!("  and {} more", differing.len() - SHOWN));
    }
    lines
}

/// The last reply that differed, as `GET /differences` has it.
pub(super) fn example(pair: &Pair<'_>, differences: &Value) -> Option<String> {
    let mut all = list(differences, "differences").iter();
    let last = all.find(|it| text(it, "rule") == pair.rule)?;
    let values = list(last, "values").first()?;
    let of = |side| {
        values
            .get(side)
            .and_then(Value::as_str)
            .unwrap_or("nothing")
    };
    let (request, field) = (text(last, "request"), text(values, "field"));
    let [v1, v2] = [of("baseline"), of("candidate")];
    Some(format!("  last: {request}: {field} {v1} at v1, {v2} at v2"))
}

/// `GET /pay: failures 0.0% at v1, 100.0% at v2 (+65.2 to +100.0%), by chance at most once in 10^21`
fn groups(report: &Value) -> Vec<String> {
    let groups = report.get("groups").and_then(Value::as_object);
    let mut all: Vec<(f64, String)> = Vec::new();
    for (group, findings) in groups.into_iter().flatten() {
        let findings = findings.as_array().into_iter().flatten();
        let differing = findings.filter(|it| text(it, "verdict") == "differs");
        all.extend(differing.map(|it| (evidence(it), format!("  {group}: {}", difference(it)))));
    }
    all.sort_by(|(one, _), (other, _)| other.partial_cmp(one).unwrap_or(Ordering::Equal));
    all.into_iter().map(|(_, line)| line).collect()
}

/// `GET /pay: header x-total in 100.0% of replies`; what is said of a group is not said again of all requests.
fn fields(report: &Value) -> Vec<String> {
    let all = list(report, "fields").iter();
    let differing: Vec<_> = all.filter(|it| text(it, "verdict") == "differs").collect();
    let is_of_a_group = |it: &Value| it.get("group").is_some_and(Value::is_string);
    let is_news = |it: &&Value| {
        let mut others = differing.iter();
        is_of_a_group(it)
            || !others
                .any(|other| is_of_a_group(other) && text(other, "field") == text(it, "field"))
    };
    let line = |it: &Value| {
        let group = match text(it, "group") {
            "" => "all requests",
            group => group,
        };
        let often = count(it, "differs") * 1e2;
        format!("  {group}: {} in {often:.1}% of replies", text(it, "field"))
    };
    let news = differing.iter().copied().filter(is_news);
    news.map(line).collect()
}

/// Infinite evidence has no number in JSON.
fn evidence(finding: &Value) -> f64 {
    let value = finding.get("e_value").and_then(Value::as_f64);
    value.unwrap_or(f64::INFINITY)
}

fn difference(finding: &Value) -> String {
    let question = text(finding, "question");
    let [v1, v2] = ["baseline", "candidate"].map(|side| {
        let value = count(finding, side);
        match question.starts_with("latency") {
            true => format!("{:.1}ms", value * 1e3),
            false => format!("{:.1}%", value * 1e2),
        }
    });
    let bound = |end: &str| finding.pointer(end).and_then(Value::as_f64);
    let range = match (bound("/difference/from"), bound("/difference/to")) {
        (Some(from), Some(to)) => format!(" ({:+.1} to {:+.1}%)", from * 1e2, to * 1e2),
        _ => String::new(),
    };
    let times = match evidence(finding).min(1e300) {
        few if few < 1e6 => format!("{:.0}", few.floor()),
        many => format!("10^{:.0}", many.log10().floor()),
    };
    format!("{question} {v1} at v1, {v2} at v2{range}, by chance at most once in {times}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::top::books::pairs;

    fn told(verdict: &Value) -> Vec<String> {
        let books =
            json!({"rules": [{"rule": "a", "targets": [], "ledger": {"verdict": verdict}}]});
        lines(&pairs(&books)[0])
    }

    #[test]
    fn what_differs_is_told_with_its_range_and_how_sure_it_is_the_surest_first() {
        let finding = |question, e_value: Value| {
            json!({"question": question, "verdict": "differs", "baseline": 0.0, "candidate": 0.5,
                "difference": {"from": 0.25, "to": 0.75}, "e_value": e_value})
        };
        let slow = json!({"question": "latency p50", "verdict": "differs", "baseline": 0.001, "candidate": 0.03,
            "difference": {"from": null, "to": null}, "e_value": null});
        let same = json!({"question": "failures", "verdict": "same", "e_value": 0.5});
        let field = |group: Value, field| json!({"group": group, "field": field, "verdict": "differs", "differs": 0.5});
        let lines = told(&json!({
            "verdict": "differs", "compared": 300, "alpha": 0.05,
            "groups": {
                "GET /a": [finding("failures", json!(25.9))],
                "GET /b": [same, finding("client errors", json!(3.5e21)), slow],
            },
            "fields": [field(json!(null), "header x"), field(json!("GET /a"), "header x"), field(json!(null), "body")],
        }));
        assert_eq!(
            lines,
            [
                "verdict: differs (300 requests compared, at least 95% sure)",
                "  GET /b: latency p50 1.0ms at v1, 30.0ms at v2, by chance at most once in 10^300",
                "  GET /b: client errors 0.0% at v1, 50.0% at v2 (+25.0 to +75.0%), by chance at most once in 10^21",
                "  GET /a: failures 0.0% at v1, 50.0% at v2 (+25.0 to +75.0%), by chance at most once in 25",
                "  GET /a: header x in 50.0% of replies",
                "  all requests: body in 50.0% of replies",
            ]
        );
        let few = told(&json!({"verdict": "not enough yet", "compared": 3, "groups": {}}));
        assert_eq!(few, ["verdict: not enough yet (3 requests compared)"]);
    }

    #[test]
    fn the_newest_example_of_the_rule_is_told() {
        let books = json!({"rules": [{"rule": "a", "targets": [], "ledger": {}}]});
        let of = |rule, request, v1: &str, v2: Value| {
            let values = json!([{"field": "header y", "baseline": v1, "candidate": v2}]);
            json!({"rule": rule, "request": request, "values": values})
        };
        let differences = json!({"differences": [
            of("b", "GET /no", "1", json!("2")),
            of("a", "GET /x", "1", json!(null)),
            of("a", "GET /old", "1", json!("2")),
        ]});
        let pair = pairs(&books)[0];
        let told = example(&pair, &differences);
        assert_eq!(
            told.unwrap(),
            "  last: GET /x: header y 1 at v1, nothing at v2"
        );
        assert!(lines(&pair).is_empty() && example(&pair, &Value::Null).is_none());
    }
}

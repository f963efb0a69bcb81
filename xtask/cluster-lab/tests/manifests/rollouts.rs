//! `deploy/rollouts`, by what rollout controllers are made of: what each verdict comes to.

use std::{
    env, fs,
    io::{self, Write as _},
    path::Path,
    sync::OnceLock,
};

use cluster_lab::{
    manifests::deploy,
    rollouts::{Conditions, json_path, query},
};
use serde_json::{Value, json};

/// The documents of a file.
fn documents(name: &str) -> Vec<Value> {
    let file = deploy().join("rollouts").join(name);
    let text = fs::read_to_string(file).unwrap();
    serde_saphyr::from_multiple(&text).unwrap()
}

fn text<'a>(value: &'a Value, place: &str) -> &'a str {
    let found = value.pointer(place).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no {place} in {value:#}"))
}

/// What `GET /verdict` answers.
fn verdict(said: &str) -> Value {
    json!({"verdict": said, "rules": {"flags": {"verdict": "same"}}})
}

/// The metrics of Argo's templates, by name, with the value of their arguments.
fn metric(name: &str) -> Value {
    let templates = documents("argo.yaml");
    let mut metrics = templates
        .iter()
        .flat_map(|it| it["spec"]["metrics"].as_array().unwrap());
    let found = metrics.find(|it| it["name"] == name).unwrap();
    let found = found.to_string().replace("{{args.rule}}", "flags");
    serde_json::from_str(&found).unwrap()
}

/// Whether a metric succeeds, and whether it fails: else it is inconclusive.
fn measure(conditions: &Conditions, metric: &Value, result: &Value) -> (bool, bool) {
    let condition = |name: &str| metric[name].as_str().unwrap_or("false");
    let both = ["successCondition", "failureCondition"].map(condition);
    conditions.hold(result, both).unwrap().into()
}

/// The library is Debian's: where that can't be had, this is told, and nothing else is a reason not to try; in CI that is none.
fn conditions() -> Option<&'static Conditions> {
    static CONDITIONS: OnceLock<Option<Conditions>> = OnceLock::new();
    let conditions = CONDITIONS.get_or_init(|| match Conditions::install() {
        Ok(()) => Some(Conditions::build(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()),
        Err(error) => {
            let why = format!("SKIPPED: Argo's conditions can't be tried: {error:#}");
            assert!(env::var_os("CI").is_none(), "{why}");
            // Not by a macro: of a test that passes, what those print is not shown.
            writeln!(io::stderr(), "{why}").unwrap();
            None
        }
    });
    conditions.as_ref()
}

#[test]
fn argos_web_metric_takes_each_verdict_for_what_it_is() {
    let metric = metric("verdict");
    let path = text(&metric, "/provider/web/jsonPath");
    let wanted = [
        ("same", (true, false)),
        ("differs", (false, true)),
        ("not enough yet", (false, false)),
    ];
    for (said, _) in wanted {
        assert_eq!(json_path(&verdict(said), path).unwrap(), said);
    }
    let Some(conditions) = conditions() else {
        return;
    };
    for (said, wanted) in wanted {
        let result = json_path(&verdict(said), path).unwrap();
        assert_eq!(measure(conditions, &metric, &json!(result)), wanted);
    }
}

/// Where one node of two says `differs`.
fn nodes(differ: [f64; 2]) -> Vec<(String, f64)> {
    let series = |(node, value)| {
        let labels = format!("rule=\"flags\",verdict=\"differs\",instance=\"{node}\"");
        (format!("podmirror_verdict{{{labels}}}"), value)
    };
    ["a", "b"].into_iter().zip(differ).map(series).collect()
}

fn answers(text: &str, series: &[(String, f64)], value: Option<f64>) {
    let series: Vec<_> = series.iter().map(|it| (it.0.as_str(), it.1)).collect();
    query(text, &series, value).unwrap();
}

#[test]
fn argos_query_fails_with_the_worst_node() {
    let metric = metric("differs");
    let asked = text(&metric, "/provider/prometheus/query");
    answers(asked, &[], None);
    answers(asked, &nodes([0.0, 0.0]), Some(0.0));
    answers(asked, &nodes([0.0, 1.0]), Some(1.0));
    // And it would be said if Prometheus answered otherwise.
    assert!(query(asked, &[], Some(1.0)).is_err());
    let Some(conditions) = conditions() else {
        return;
    };
    for (result, wanted) in [
        (json!([]), (false, false)),
        (json!([0.0]), (true, false)),
        (json!([1.0]), (false, true)),
    ] {
        assert_eq!(measure(conditions, &metric, &result), wanted, "{result}");
    }
}

#[test]
fn argos_query_wants_a_thousand_requests_to_be_compared() {
    let metric = metric("compared");
    let asked = text(&metric, "/provider/prometheus/query");
    let node = |node: &str, outcome: &str, count: f64| {
        let labels = format!("rule=\"flags\",outcome=\"{outcome}\",instance=\"{node}\"");
        (
            format!("podmirror_compared_requests_total{{{labels}}}"),
            count,
        )
    };
    let series = [
        node("a", "compared", 600.0),
        node("a", "not_compared", 5_000.0),
        node("b", "compared", 401.0),
    ];
    answers(asked, &series, Some(1_001.0));
    let Some(conditions) = conditions() else {
        return;
    };
    for (result, succeeds) in [
        (json!([]), false),
        (json!([1_000.0]), false),
        (json!([1_001.0]), true),
    ] {
        assert_eq!(measure(conditions, &metric, &result).0, succeeds);
    }
}

#[test]
fn flaggers_queries_find_the_worst_node() {
    let templates = documents("flagger.yaml");
    let asked = |place: usize| text(&templates[place], "/spec/query");
    answers(asked(0), &nodes([0.0, 0.0]), Some(0.0));
    answers(asked(0), &nodes([1.0, 0.0]), Some(1.0));
    let fields = |node: &str, count| {
        let labels = format!("rule=\"flags\",instance=\"{node}\"");
        (format!("podmirror_differing_fields{{{labels}}}"), count)
    };
    answers(asked(1), &[fields("a", 2.0), fields("b", 7.0)], Some(7.0));
}

//! The dashboard for Grafana asks for metrics and labels that there are.

use std::collections::{BTreeMap, BTreeSet};

use mirror_core::verdict::Terms;
use serde_json::Value;

use super::{exposition, owner::mirror};
use crate::admin::{DocumentsRefused, PodState, ShownPod, Snapshot, render};

const DASHBOARD: &str = include_str!("../../../../deploy/grafana/podmirror.json");

/// Labels that a query may have of its own: of histograms' buckets.
const LE: &str = "le";

/// The labels of each metric that is there when everything is used.
fn metrics() -> BTreeMap<String, BTreeSet<String>> {
    let mut compares = mirror("flags", "http://v2");
    compares.names.terms = Some(Terms::default());
    let snapshot = Snapshot {
        mirrors: vec![compares],
        pods: vec![ShownPod {
            namespace: "default".into(),
            name: "web-0".into(),
            rule: "flags".into(),
            state: PodState::Attached,
        }],
        rules_stopped: vec!["another".into()],
        documents_refused: vec![DocumentsRefused {
            namespace: "default".into(),
            reason: "source",
            count: 1,
        }],
        ..Snapshot::default()
    };
    let page = exposition::read(&render(&snapshot)).unwrap();
    let mut metrics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, labels) in page.0.keys() {
        let known = metrics.entry(name.clone()).or_default();
        known.extend(labels.keys().cloned());
    }
    metrics
}

/// All strings under this key, however deep.
fn strings<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == key {
                    found.extend(value.as_str());
                }
                strings(value, key, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| strings(value, key, found)),
        _ => {}
    }
}

/// The metrics of a query, with the labels that it selects by.
fn selected(query: &str) -> Vec<(&str, Vec<&str>)> {
    let starts = query.match_indices("podmirror_").map(|(at, _)| at);
    let metric = |at: usize| {
        let rest = &query[at..];
        let end = rest.find(|c: char| c != '_' && !c.is_ascii_lowercase() && !c.is_ascii_digit());
        let (name, rest) = rest.split_at(end.unwrap_or(rest.len()));
        let labels = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let labels = labels.map_or("", |(labels, _)| labels);
        let labels = labels.split(", ").filter(|label| !label.is_empty());
        let label = |label: &'_ str| label.find(['=', '!']).unwrap_or(label.len());
        (name, labels.map(|text| &text[..label(text)]).collect())
    };
    starts.map(metric).collect()
}

/// The labels that a query groups by.
fn grouped(query: &str) -> impl Iterator<Item = &str> {
    let groups = query.split(" by (").skip(1);
    groups.flat_map(|rest| rest.split(')').next().unwrap_or_default().split(", "))
}

#[test]
fn every_query_names_a_metric_and_labels_that_exist() {
    let metrics = metrics();
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut queries = Vec::new();
    strings(&dashboard, "expr", &mut queries);
    assert!(queries.len() > 20, "{} queries only", queries.len());
    for query in queries {
        let asked = selected(query);
        assert!(!asked.is_empty(), "{query}");
        let mut known = BTreeSet::from([LE.to_owned()]);
        for (metric, labels) in asked {
            let of_metric = metrics.get(metric);
            let of_metric = of_metric.unwrap_or_else(|| panic!("{metric} does not exist: {query}"));
            for label in labels {
                assert!(
                    of_metric.contains(label),
                    "{metric} has no {label}: {query}"
                );
            }
            known.extend(of_metric.iter().cloned());
        }
        for label in grouped(query) {
            assert!(known.contains(label), "no label {label}: {query}");
        }
    }
}

/// `$rule` and `$target` offer the values of labels that exist.
#[test]
fn every_variable_lists_a_label_that_exists() {
    let metrics = metrics();
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut definitions = Vec::new();
    strings(&dashboard, "definition", &mut definitions);
    assert_eq!(definitions.len(), 2);
    for definition in definitions {
        let inner = definition.strip_prefix("label_values(").unwrap();
        let (metric, label) = inner.strip_suffix(')').unwrap().split_once(", ").unwrap();
        assert!(metrics[metric].contains(label), "{definition}");
    }
}

/// Grafana places panels by these: none lies on another.
#[test]
fn no_panel_hides_another() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in panels {
        let at = |field: &str| panel["gridPos"][field].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{panel}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{}", panel["title"]);
            }
        }
        assert!(ids.insert(panel["id"].as_u64().unwrap()));
    }
}

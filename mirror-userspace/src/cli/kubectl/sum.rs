//! The books of many agents, added up to books of the same form.
//!
//! Counts are added, and the caps of those that mirror; what is a share, a time or a yes is not: the largest sample of
//! those that mirror, quantiles of the added histograms, and "balanced" where all are. So whatever reads `GET /ledger` reads this.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::cli::{
    added,
    top::books::{count, list, text},
};

/// How many durations ended in each bucket, by its upper bound in ns.
type Buckets = BTreeMap<u64, u64>;

/// One rule on all nodes.
#[derive(Default)]
struct Rule {
    nodes: u64,
    attachments: u64,
    targets: BTreeMap<String, Target>,
    v1_latency: Buckets,
    ledger: Value,
    verdicts: Vec<Value>,
}

/// One target of a rule.
#[derive(Default)]
struct Target {
    /// The samples of the agents that have pods of the rule, and of the others.
    mirroring: Vec<f64>,
    idle: Vec<f64>,
    /// What those may send that have pods of the rule, all together; nothing, where one of them does not say.
    cap: Option<f64>,
    lacks_a_cap: bool,
    counts: Value,
    lag: Buckets,
    latency: Buckets,
}

/// Adds up the books of agents, each with its node's name.
pub(super) fn add_up(all: &[(&str, &Value)]) -> Value {
    let mut rules = BTreeMap::<String, Rule>::new();
    let mut sum = Map::new();
    let mut versions: Vec<&str> = all
        .iter()
        .map(|(_, books)| text(books, "version"))
        .collect();
    versions.sort_unstable();
    versions.dedup();
    let uptimes = all.iter().map(|(_, books)| count(books, "uptime_seconds"));
    let uptime = uptimes.reduce(f64::min).unwrap_or_default();
    let (mut pods, mut known) = (Vec::new(), BTreeSet::new());
    let mut stopped = BTreeSet::new();
    let mut watches = BTreeMap::<&str, (bool, f64)>::new();
    let mut refused = BTreeMap::<[&str; 2], f64>::new();
    let (mut omitted, mut unclaimed) = (Value::Null, 0.0);
    for (node, books) in all {
        for rule in list(books, "rules") {
            let name = text(rule, "rule").to_owned();
            rules.entry(name).or_default().add(rule);
        }
        for pod in list(books, "pods") {
            let key = ["namespace", "pod", "rule"].map(|name| text(pod, name));
            // While two agents are on a node, each has it.
            if !known.insert((*node, key)) {
                continue;
            }
            let mut pod = pod.clone();
            if let Some(pod) = pod.as_object_mut() {
                pod.insert("node".to_owned(), json!(node));
            }
            pods.push(pod);
        }
        let names = list(books, "rules_stopped").iter();
        stopped.extend(names.filter_map(Value::as_str));
        for watch in list(books, "watches") {
            let up = watch.get("up").and_then(Value::as_bool).unwrap_or_default();
            let (all_up, errors) = watches.entry(text(watch, "kind")).or_insert((true, 0.0));
            *all_up &= up;
            *errors += count(watch, "errors");
        }
        // All of them read the same documents, some a little later.
        for it in list(books, "documents_refused") {
            let most = refused.entry([text(it, "namespace"), text(it, "reason")]);
            let most = most.or_default();
            *most = most.max(count(it, "count"));
        }
        add(&mut omitted, books.get("omitted").unwrap_or(&Value::Null));
        unclaimed += count(books, "unclaimed_records");
    }
    let watches = watches
        .into_iter()
        .map(|(kind, (up, errors))| json!({"kind": kind, "up": up, "errors": errors}));
    let refused = refused.into_iter().map(|([namespace, reason], count)| {
        json!({"namespace": namespace, "reason": reason, "count": count})
    });
    for (name, value) in [
        ("version", json!(versions.join(", "))),
        ("uptime_seconds", json!(uptime)),
        ("rules_stopped", json!(stopped)),
        ("pods", json!(pods)),
        ("watches", watches.collect()),
        ("documents_refused", refused.collect()),
        ("unclaimed_records", json!(unclaimed)),
        ("omitted", omitted),
    ] {
        sum.insert(name.to_owned(), value);
    }
    let rules = rules.into_iter().map(|(name, rule)| rule.told(&name));
    sum.insert("rules".to_owned(), rules.collect());
    Value::Object(sum)
}

impl Rule {
    fn add(&mut self, rule: &Value) {
        let attachments = rule.get("attachments").and_then(Value::as_u64);
        let attachments = attachments.unwrap_or_default();
        self.attachments = self.attachments.saturating_add(attachments);
        self.nodes += u64::from(attachments > 0);
        for target in list(rule, "targets") {
            let name = text(target, "target").to_owned();
            let sum = self.targets.entry(name).or_default();
            sum.add(target, attachments > 0);
        }
        join(&mut self.v1_latency, rule, "v1_latency");
        let mut ledger = rule.get("ledger").cloned().unwrap_or_default();
        let verdict = ledger.as_object_mut().and_then(|it| it.remove("verdict"));
        self.verdicts.extend(verdict);
        add(&mut self.ledger, &ledger);
    }

    fn told(self, name: &str) -> Value {
        let Self { mut ledger, .. } = self;
        quantiles(&mut ledger, "v1_latency_us", &self.v1_latency);
        for (target, sum) in &self.targets {
            if let Some(book) = ledger.get_mut("targets").and_then(|it| it.get_mut(target)) {
                quantiles(book, "lag_us", &sum.lag);
                quantiles(book, "latency_us", &sum.latency);
            }
        }
        if !self.verdicts.is_empty() {
            let all = self.verdicts.into_iter();
            // What can't be added up is no verdict.
            let verdict = added::sum(all.map(|it| Ok((name.to_owned(), it)))).ok();
            if let (Some(verdict), Some(ledger)) = (verdict, ledger.as_object_mut()) {
                ledger.insert("verdict".to_owned(), verdict);
            }
        }
        let targets = self.targets.into_iter().map(|(name, sum)| sum.told(&name));
        json!({
            "rule": name,
            "nodes": self.nodes,
            "attachments": self.attachments,
            "targets": targets.collect::<Value>(),
            "v1_latency": told(&self.v1_latency),
            "ledger": ledger,
        })
    }
}

impl Target {
    fn add(&mut self, target: &Value, mirrors: bool) {
        let sample = count(target, "sample_ratio");
        match mirrors {
            true => self.mirroring.push(sample),
            false => self.idle.push(sample),
        }
        let cap = target.get("cap_copies_per_second");
        match cap.and_then(Value::as_f64) {
            Some(cap) if mirrors => *self.cap.get_or_insert_default() += cap,
            Some(_) => {}
            None => self.lacks_a_cap |= mirrors,
        }
        let mut counts = target.clone();
        if let Some(counts) = counts.as_object_mut() {
            counts.retain(|name, _| ["queued", "connections", "breaker_opened"].contains(&&**name));
        }
        add(&mut self.counts, &counts);
        join(&mut self.lag, target, "lag");
        join(&mut self.latency, target, "latency");
    }

    fn told(self, name: &str) -> Value {
        let samples = match self.mirroring.is_empty() {
            true => &self.idle,
            false => &self.mirroring,
        };
        let pick = |choose: fn(f64, f64) -> f64| samples.iter().copied().reduce(choose);
        let mut told = json!({
            "target": name,
            "sample_ratio": pick(f64::max).unwrap_or_default(),
            "sample_ratio_least": pick(f64::min).unwrap_or_default(),
            "cap_copies_per_second": self.cap.filter(|_| !self.lacks_a_cap),
            "lag": told(&self.lag),
            "latency": told(&self.latency),
        });
        add(&mut told, &self.counts);
        told
    }
}

/// Adds counts by their names; a flag holds where both do, and of quantiles the larger ones are kept.
fn add(sum: &mut Value, other: &Value) {
    match (&mut *sum, other) {
        (Value::Object(sum), Value::Object(other)) => {
            let largest = is_quantiles(other);
            for (name, value) in other {
                let sum = sum.entry(name.clone()).or_insert(Value::Null);
                // The ledger's only other count that is a most of its kind.
                if largest || name == "http2_most_on_a_connection" {
                    if value.as_u64() > sum.as_u64() {
                        sum.clone_from(value);
                    }
                } else {
                    add(sum, value);
                }
            }
        }
        (Value::Bool(sum), Value::Bool(other)) => *sum &= other,
        (Value::Number(one), Value::Number(two)) => {
            let whole = one.as_u64().zip(two.as_u64());
            *sum = match (whole, one.as_f64().zip(two.as_f64())) {
                (Some((one, two)), _) => json!(one.saturating_add(two)),
                (None, Some((one, two))) => json!(one + two),
                (None, None) => return,
            };
        }
        (Value::Null, other) => sum.clone_from(other),
        _ => {}
    }
}

fn is_quantiles(value: &Map<String, Value>) -> bool {
    value.len() == 3
        && ["p50", "p99", "max"]
            .iter()
            .all(|it| value.contains_key(*it))
}

/// Adds the buckets of a histogram, as `GET /ledger` tells them.
fn join(sum: &mut Buckets, of: &Value, name: &str) {
    for bucket in list(of, name) {
        let number = |at: usize| bucket.get(at).and_then(Value::as_u64);
        if let (Some(end), Some(count)) = (number(0), number(1)) {
            let sum = sum.entry(end).or_default();
            *sum = sum.saturating_add(count);
        }
    }
}

fn told(buckets: &Buckets) -> Value {
    buckets
        .iter()
        .map(|(end, count)| json!([end, count]))
        .collect()
}

/// Writes the median and the 99th percentile of added buckets, in us; the largest value is known already.
fn quantiles(of: &mut Value, name: &str, buckets: &Buckets) {
    let Some(known) = of.get_mut(name).and_then(Value::as_object_mut) else {
        return;
    };
    let most = known.get("max").and_then(Value::as_u64).unwrap_or_default();
    let all: u128 = buckets.values().copied().map(u128::from).sum();
    for (name, percent) in [("p50", 50), ("p99", 99)] {
        let rank = (all * percent).div_ceil(100);
        let mut below = 0;
        let end = buckets.iter().find_map(|(end, count)| {
            below += u128::from(*count);
            (below >= rank && rank > 0).then_some(*end)
        });
        if let Some(end) = end {
            known.insert(name.to_owned(), json!((end / 1_000).min(most.max(1))));
        }
    }
}

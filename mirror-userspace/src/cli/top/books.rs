//! From the JSON of `GET /ledger` to figures: counts, and rates as differences of two looks.

use mirror_core::ledger::why::{ROWS, Reason};
use serde_json::Value;

use crate::admin::is_loss;

/// See [`Pair::errors`]; the same as the page's.
const GRPC_FAILURES: [&str; 6] = [
    "unknown",
    "deadline_exceeded",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
];

/// The number at a path below a value, or the sum of the numbers in the object there; 0 if there is none.
pub(in crate::cli) fn count(value: &Value, path: &str) -> f64 {
    let mut path = path.split('.');
    let found = path.try_fold(value, |value, name| value.get(name));
    match found {
        Some(Value::Object(all)) => all.values().filter_map(Value::as_f64).sum(),
        Some(number) => number.as_f64().unwrap_or_default(),
        None => 0.0,
    }
}

/// One rule's mirror to one of its targets, at one look.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Pair<'a> {
    pub(in crate::cli) rule: &'a str,
    pub(in crate::cli) target: &'a str,
    pub(in crate::cli) sample: f64,
    /// The rule's ledger, and in it the target's books.
    pub(in crate::cli) ledger: &'a Value,
    pub(in crate::cli) book: &'a Value,
}

/// All of them in the order of the answer. A rule without targets has one pair, without a name.
pub(in crate::cli) fn pairs(books: &Value) -> Vec<Pair<'_>> {
    let mut pairs = Vec::new();
    for rule in list(books, "rules") {
        let (name, ledger) = (
            text(rule, "rule"),
            rule.get("ledger").unwrap_or(&Value::Null),
        );
        let targets = list(rule, "targets");
        if targets.is_empty() {
            pairs.push(Pair {
                rule: name,
                target: "",
                sample: 1.0,
                ledger,
                book: ledger,
            });
        }
        pairs.extend(targets.iter().map(|target| {
            let called = text(target, "target");
            let book = ledger.get("targets").and_then(|all| all.get(called));
            Pair {
                rule: name,
                target: called,
                sample: count(target, "sample_ratio"),
                ledger,
                book: book.unwrap_or(&Value::Null),
            }
        }));
    }
    pairs
}

impl Pair<'_> {
    pub(in crate::cli) fn sent(&self) -> f64 {
        count(self.book, "requests.sent")
    }

    pub(in crate::cli) fn lost(&self) -> f64 {
        count(self.book, "requests.dropped") + count(self.book, "replies.failed")
    }

    /// Copies that came to nothing good: 5xx, those without a reply, and statuses of gRPC that a gateway to HTTP makes a
    /// 5xx of, as such replies are 2xx by their heads; and all that have ended.
    pub(in crate::cli) fn errors(&self) -> [f64; 2] {
        let failed = count(self.book, "replies.failed");
        let grpc = GRPC_FAILURES.map(|status| count(self.book, &format!("grpc_status.{status}")));
        let errors = count(self.book, "replies.answered.5xx") + failed + grpc.iter().sum::<f64>();
        [errors, count(self.book, "replies.answered") + failed]
    }

    /// The 99th percentile of the reply latency since the start, in seconds; 0 if there is none.
    pub(in crate::cli) fn p99(&self) -> f64 {
        count(self.book, "latency_us.p99") / 1e6
    }

    /// What was lost, by the path of its reason, with how often.
    pub(in crate::cli) fn losses(&self) -> Vec<(String, &'static Reason, f64)> {
        let mut losses = Vec::new();
        for row in &ROWS {
            for reason in row.reasons.iter().filter(|reason| is_loss(row, reason)) {
                let path = format!("{}.{}", row.path, reason.name);
                // Of what is not followed: the connections.
                let counted = match row.path {
                    "not_followed" => count(self.ledger, &format!("{path}.connections")),
                    "requests.dropped" | "replies.failed" => count(self.book, &path),
                    _ => count(self.ledger, &path),
                };
                if counted > 0.0 {
                    losses.push((path, reason, counted));
                }
            }
        }
        losses.sort_by(|(.., one), (.., other)| other.total_cmp(one));
        losses
    }
}

pub(in crate::cli) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let list = value.get(name).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

pub(in crate::cli) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

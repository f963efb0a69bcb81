//! What the reasons of the ledger mean, and what helps, as JSON.

use bytes::Bytes;
use mirror_core::ledger::why::{ROWS, Reason, Row};
use serde_json::{Value, json};

use crate::admin::is_loss;

/// `[{"path": "requests.dropped", "counts": "…", "reasons": [{"name": "gap", "what": "…", "helps": "…",
/// "loss": true}]}]`, in the order of a request's way.
pub(super) fn json() -> Bytes {
    let rows: Vec<Value> = ROWS.iter().map(row).collect();
    Value::from(rows).to_string().into()
}

fn row(row: &Row) -> Value {
    let Row {
        path,
        counts,
        reasons,
    } = row;
    let reason = |reason: &Reason| {
        let Reason { name, what, helps } = reason;
        json!({"name": name, "what": what, "helps": helps, "loss": is_loss(row, reason)})
    };
    let reasons: Vec<Value> = reasons.iter().map(reason).collect();
    json!({"path": path, "counts": counts, "reasons": reasons})
}

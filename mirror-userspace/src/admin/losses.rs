//! Which reasons of the ledger are losses, and which are somebody's wish or no harm.

use mirror_core::ledger::why::{Reason, Row};

/// Whether what is counted under this reason was wanted, and is not there.
#[must_use]
pub fn is_loss(row: &Row, reason: &Reason) -> bool {
    match row.path {
        // The others reached their end.
        "segments" => reason.name == "ring_full",
        // v1 does not take them either; or nobody asked for more.
        "segments.refused" | "segments.implausible" | "requests" => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use mirror_core::ledger::why::ROWS;

    use super::*;

    #[test]
    fn what_was_wanted_is_a_loss() {
        let of = |path: &str, name: &str| {
            let row = ROWS.iter().find(|row| row.path == path).unwrap();
            let reason = row.reasons.iter().find(|reason| reason.name == name);
            is_loss(row, reason.unwrap())
        };
        for (path, name) in [
            ("segments", "ring_full"),
            ("requests.dropped", "gap"),
            ("replies.failed", "connect"),
            ("not_followed", "tls"),
        ] {
            assert!(of(path, name), "{path}.{name}");
        }
        for (path, name) in [
            ("segments", "no_payload"),
            ("segments", "sampled_out"),
            ("segments.refused", "window"),
            ("requests", "sampled_out"),
        ] {
            assert!(!of(path, name), "{path}.{name}");
        }
    }
}

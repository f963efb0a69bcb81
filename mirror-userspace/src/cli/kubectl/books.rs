//! What the books of an agent come to: whether they balance, and what is not in them.

use serde_json::Value;

use crate::cli::top::{
    self,
    books::{Pair, count, list, text},
};

/// Whether an agent's books balance, at one of two looks. While something moves they need not, as counters are read one
/// after another and what is on its way from the kernel is in neither row: then it is not known.
pub(super) fn balanced([before, now]: &[Value; 2]) -> Option<bool> {
    // The same answer twice says nothing about what moves.
    let passed = count(now, "uptime_seconds") > count(before, "uptime_seconds");
    let mut known = Some(true);
    for rule in list(now, "rules") {
        let mut all = list(before, "rules").iter();
        let then = all.find(|it| text(it, "rule") == text(rule, "rule"));
        let ledgers = [then, Some(rule)].map(|it| it.and_then(|it| it.get("ledger")));
        let [then, ledger] = ledgers;
        if [then, ledger].into_iter().flatten().any(adds_up) {
            continue;
        }
        if passed && then == ledger {
            return Some(false);
        }
        known = None;
    }
    known
}

/// Whether a ledger does; one that does not say counts nothing.
fn adds_up(ledger: &Value) -> bool {
    let told = ledger.get("balanced").and_then(Value::as_bool);
    told.unwrap_or(true)
}

/// What agents have left out of their answers, a line for each.
pub(super) fn omitted(books: &Value) -> Vec<String> {
    let left_out = |what: &str| count(books, &format!("omitted.{what}"));
    let [rules, pods, namespaces] = ["rules", "pods", "namespaces"].map(left_out);
    let mut lines = Vec::new();
    if rules + pods > 0.0 {
        lines.push(format!(
            "{rules} rules and {pods} pods are not told: an agent's answer has no room for more"
        ));
    }
    if namespaces > 0.0 {
        lines.push(format!(
            "refused documents of {namespaces} namespaces are not told"
        ));
    }
    lines
}

/// How many requests each filter kept from the target.
pub(super) fn filtered<'a>(pair: &Pair<'a>) -> impl Iterator<Item = (&'a str, u64)> + use<'a> {
    let filters = pair.book.pointer("/requests/filtered");
    let filters = filters.and_then(Value::as_object).into_iter().flatten();
    let counted = filters.filter_map(|(name, count)| Some((name.as_str(), count.as_u64()?)));
    counted.filter(|(_, count)| *count > 0)
}

/// What the verdict comes to, if targets are compared, with what differs.
pub(super) fn verdict(pair: &Pair<'_>) -> Option<String> {
    let lines = top::verdict(pair);
    let words: Vec<_> = lines.iter().map(|line| line.trim()).collect();
    let first = words.first()?.trim_start_matches("verdict: ");
    Some(
        words
            .get(1..)?
            .iter()
            .fold(first.to_owned(), |all, line| all + "; " + line),
    )
}

/// From when the kernel saw a request to when its copy was written, the 99th percentile in seconds.
pub(super) fn lag(pair: &Pair<'_>) -> f64 {
    count(pair.book, "lag_us.p99") / 1e6
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A look at two rules, of which the first balances as it should.
    fn look(seconds: f64, seen: u64, balanced: bool) -> Value {
        json!({"uptime_seconds": seconds, "rules": [
            {"rule": "still", "ledger": {"segments": 7, "balanced": true}},
            {"rule": "moves", "ledger": {"segments": seen, "balanced": balanced}},
        ]})
    }

    #[test]
    fn books_that_move_are_being_counted() {
        let before = look(1.0, 10, false);
        for (now, known) in [
            (look(2.0, 11, false), None),
            (look(2.0, 11, true), Some(true)),
            (look(2.0, 10, false), Some(false)),
            // One answer, told twice.
            (look(1.0, 10, false), None),
        ] {
            assert_eq!(balanced(&[before.clone(), now.clone()]), known, "{now}");
        }
        let none = json!({"uptime_seconds": 1.0, "rules": []});
        assert_eq!(balanced(&[none.clone(), none.clone()]), Some(true));
        // A rule that has just come.
        assert_eq!(balanced(&[none, look(2.0, 10, false)]), None);
    }

    #[test]
    fn what_is_left_out_is_said() {
        assert!(omitted(&json!({"omitted": {"rules": 0, "pods": 0, "namespaces": 0}})).is_empty());
        let told = omitted(&json!({"omitted": {"rules": 2, "pods": 30, "namespaces": 1}}));
        assert!(
            told[0].starts_with("2 rules and 30 pods are not told"),
            "{told:?}"
        );
        assert!(told[1].contains("1 namespaces"), "{told:?}");
    }
}

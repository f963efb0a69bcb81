use serde_json::json;

use super::*;

const EVERY: Duration = Duration::from_secs(1);

/// A look at `seconds`, by which so many copies were sent and lost to each of two targets.
fn look(seconds: f64, counts: [[u64; 2]; 2]) -> Value {
    let target = |[sent, lost]: [u64; 2]| {
        json!({
            "requests": {"sent": sent, "dropped": {"max_rps": lost, "gap": 0}},
            "replies": {"answered": {"2xx": sent / 2, "5xx": sent - sent / 2}, "failed": {"connect": 0}},
            "latency_us": {"p99": 2500},
        })
    };
    let [one, other] = counts;
    json!({
        "version": "0.1.0",
        "uptime_seconds": seconds,
        "rules": [{
            "rule": "VirtualService default/web-that-is-long http[0]",
            "targets": [
                {"target": "http://v2.example", "sample_ratio": 0.25},
                {"target": "http://v3.example", "sample_ratio": 1.0},
            ],
            "ledger": {
                "targets": {"http://v2.example": target(one), "http://v3.example": target(other)},
                "segments": {"ring_full": 0},
                "verdict": {
                    "verdict": "differs", "compared": 300, "alpha": 0.05,
                    "groups": {"GET /pay": [{
                        "question": "failures", "verdict": "differs", "baseline": 0.0, "candidate": 0.5,
                    }]},
                },
            },
        }],
    })
}

fn texts(view: &View, width: usize) -> Vec<String> {
    let lines = view.lines(width).into_iter();
    lines.map(|line| line.text).collect()
}

#[test]
fn a_row_has_the_rates_between_looks() {
    let mut view = View::default();
    view.add(look(10.0, [[100, 0], [0, 0]]), EVERY);
    view.add(look(12.0, [[150, 10], [4, 0]]), EVERY);
    let lines = texts(&view, 80);
    assert!(
        lines[0].starts_with("podmirror 0.1.0   up 12 s   rules 1 "),
        "{lines:#?}"
    );
    let [head, one, other] = [&lines[1], &lines[2], &lines[3]];
    assert!(head.contains("SENT/s"), "{head}");
    assert_eq!(
        one,
        "> VirtualServ… v2.example          25.0%    25.0 █         50.0%   2.5ms    5.0"
    );
    assert_eq!(
        other,
        "  VirtualServ… v3.example          100 %     2.0 █         50.0%   2.5ms      0"
    );
    let rest = lines[4..].join("\n");
    assert!(
        rest.contains("verdict: differs (300 requests compared, at least 95% sure)\n  GET /pay: failures 0.0% at v1,"),
        "{rest}"
    );
    assert!(
        rest.contains("lost: 10 requests.dropped.max_rps\n  It was above --max-rps."),
        "{rest}"
    );
}

#[test]
fn failures_of_grpc_are_errors_and_rows_are_sorted_by_them() {
    let mut view = View::default();
    let with = |seconds, failures: [u64; 2]| {
        let mut books = look(seconds, [[100, 0], [100, 0]]);
        for (target, failed) in ["http://v2.example", "http://v3.example"]
            .iter()
            .zip(failures)
        {
            let statuses = json!({"ok": 9, "unavailable": failed, "not_found": 5});
            let book = &mut books["rules"][0]["ledger"]["targets"][target];
            book["grpc_status"] = statuses;
            book["replies"]["answered"] = json!({"2xx": failed + 20 * u64::from(seconds > 1.0)});
        }
        books
    };
    view.add(with(1.0, [0, 0]), EVERY);
    view.add(with(2.0, [0, 20]), EVERY);
    view.order = Order::Errors;
    let lines = texts(&view, 80);
    assert!(
        lines[2].contains("v3.example") && lines[2].contains(" 50.0%"),
        "{lines:#?}"
    );
    view.filter = "V2.EX".into();
    let lines = texts(&view, 80);
    assert_eq!(lines[1], "filter: V2.EX");
    assert!(
        lines[3].starts_with("> VirtualServ… v2.example"),
        "{lines:#?}"
    );
    view.filter = "nothing".into();
    assert!(view.chosen().is_none());
}

#[test]
fn keys_choose_and_sort() {
    let mut view = View::default();
    view.add(look(1.0, [[0, 0], [0, 0]]), EVERY);
    view.add(look(2.0, [[10, 5], [90, 1]]), EVERY);
    let first = |view: &View| texts(view, 80)[2].clone();
    assert!(first(&view).contains("v2.example"));
    view.order = Order::Sent;
    assert!(first(&view).contains("v3.example"));
    view.order = Order::Lost;
    assert!(first(&view).contains("v2.example"));
    // Below the last one there is none.
    view.choose(7);
    let lines = texts(&view, 80);
    assert!(lines[3].starts_with('>'), "{lines:#?}");
    assert!(
        lines[4..]
            .join("\n")
            .contains("lost: 1 requests.dropped.max_rps")
    );
}

/// Keys that change a rate mean the rule that was chosen, wherever its row is by then.
#[test]
fn what_is_chosen_stays_so_where_rows_change_places() {
    let mut view = View {
        order: Order::Lost,
        ..View::default()
    };
    view.add(look(1.0, [[0, 0], [0, 0]]), EVERY);
    view.add(look(2.0, [[0, 5], [0, 0]]), EVERY);
    let marked = |view: &View| {
        let lines = texts(view, 80);
        lines
            .into_iter()
            .find(|line| line.starts_with('>'))
            .unwrap()
    };
    let before = view.chosen();
    assert!(marked(&view).contains("v2.example"));
    view.add(look(3.0, [[0, 5], [0, 99]]), EVERY);
    assert!(texts(&view, 80)[2].contains("v3.example"));
    assert!(marked(&view).contains("v2.example"));
    assert_eq!(view.chosen(), before);
}

#[test]
fn no_line_is_wider_than_the_screen_and_no_name_moves_the_cursor() {
    let mut books = look(1.0, [[1, 1], [1, 1]]);
    books["rules"][0]["rule"] = json!("a\u{1b}[2Jb\nc\u{9b}31m");
    let mut view = View::default();
    view.add(books, EVERY);
    for width in [1, 20, 79, 80, 81, 200] {
        for line in texts(&view, width) {
            assert!(line.chars().count() <= width, "{width}: {line}");
            assert!(!line.contains(char::is_control), "{line:?}");
        }
    }
    assert!(texts(&view, 80)[2].starts_with("> a?[2Jb?c?31m "));
}

#[test]
fn a_restart_begins_anew_and_trouble_is_said() {
    let mut view = View::default();
    view.add(look(100.0, [[5000, 0], [0, 0]]), EVERY);
    view.add(look(1.0, [[10, 0], [0, 0]]), EVERY);
    let lines = texts(&view, 80);
    assert!(lines[2].contains("25.0%       0 "), "{lines:#?}");
    view.trouble = Some("no answer in 10 s".into());
    assert_eq!(
        texts(&view, 80)[1],
        "what you see is old: no answer in 10 s"
    );
    view.add(look(2.0, [[20, 0], [0, 0]]), EVERY);
    assert!(texts(&view, 80)[1].contains("RULE"));
}

/// One of 1000 nodes has all the traffic, and is asked every 32 s.
#[test]
fn a_node_that_is_asked_rarely_has_the_rate_of_its_traffic() {
    let mut view = View::default();
    let turn = Duration::from_secs(32);
    for second in 0..100_u32 {
        let sent = u64::from(second / 32 * 32) * 10;
        view.add(look(second.into(), [[sent, 0], [0, 0]]), turn);
        let line = &texts(&view, 80)[2];
        assert!(
            second < 33 || line.contains("%    10.0 "),
            "{second}: {line}"
        );
    }
    view.add(look(100.0, [[960, 0], [0, 0]]), Duration::MAX);
    assert_eq!(view.looks.len(), 34);
    for second in 101..300_u32 {
        view.add(look(second.into(), [[960, 0], [0, 0]]), Duration::MAX);
    }
    assert_eq!(view.looks.len(), MOST + 1);
}

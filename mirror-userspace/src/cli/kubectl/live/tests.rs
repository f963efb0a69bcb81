//! What is known of agents that answer late, or not at all.

use std::collections::BTreeSet;

use anyhow::anyhow;
use serde_json::json;

use super::{super::fleet::AT_ONCE, turn::SILENT_AT_ONCE, *};
use crate::cli::kubectl::tests::agent;

fn books(uptime: f64) -> Value {
    json!({"version": "0.1.0", "uptime_seconds": uptime, "rules": [
        {"rule": "flags", "attachments": 1, "targets": [], "ledger": {"segments": {"seen": 5}}},
    ]})
}

#[test]
fn time_goes_on_where_the_youngest_is_silent() {
    let (mut last, start) = (Last::default(), Instant::now());
    let later = |seconds| start + Duration::from_secs(seconds);
    let (old, young) = (agent("a"), agent("b"));
    last.tell(&old, Ok(books(100.0)), start);
    last.tell(&young, Ok(books(10.0)), start);
    assert_eq!(last.sum(start)["uptime_seconds"], 10.0);
    last.tell(&old, Ok(books(103.0)), later(3));
    assert_eq!(last.sum(later(3))["uptime_seconds"], 13.0);
    last.tell(&young, Ok(books(14.0)), later(4));
    assert_eq!(last.sum(later(4))["uptime_seconds"], 14.0);
}

/// Its third answer was 1.5 s on its way.
#[test]
fn time_does_not_go_back_with_an_answer_that_is_late() {
    let (mut last, start) = (Last::default(), Instant::now());
    let later = |millis| start + Duration::from_millis(millis);
    let agent = agent("a");
    let uptime = |last: &Last, at| last.sum(at)["uptime_seconds"].as_f64().unwrap();
    last.tell(&agent, Ok(books(10.0)), start);
    last.tell(&agent, Ok(books(11.0)), later(1_000));
    last.tell(&agent, Ok(books(12.0)), later(3_500));
    assert_eq!(uptime(&last, later(3_500)), 13.5);
    last.tell(&agent, Ok(books(14.0)), later(4_000));
    assert_eq!(uptime(&last, later(4_000)), 14.0);
    // It has restarted.
    last.tell(&agent, Ok(books(1.0)), later(9_000));
    assert_eq!(uptime(&last, later(9_000)), 1.0);
    last.tell(&agent, Ok(books(2.0)), later(99_000));
    assert_eq!(uptime(&last, later(99_000)), 2.0);
}

#[test]
fn who_is_in_the_sum_is_the_same_whoever_answers() {
    let (mut last, now) = (Last::default(), Instant::now());
    for name in ["b", "a"] {
        last.tell(&agent(name), Ok(books(1.0)), now);
    }
    let both = last.counted();
    last.tell(&agent("b"), Err(anyhow!("no answer")), now);
    last.tell(&agent("c"), Err(anyhow!("no answer")), now);
    assert_eq!(last.counted(), both);
    last.tell(&agent("c"), Ok(books(1.0)), now);
    assert_ne!(last.counted(), both);
}

/// There are twice as many that hang as may be asked at once.
#[test]
fn those_that_hang_do_not_keep_the_others_from_being_asked() {
    let (mut last, start) = (Last::default(), Instant::now());
    let hang: Vec<_> = (0..2 * AT_ONCE)
        .map(|it| agent(&format!("h{it}")))
        .collect();
    let fine: Vec<_> = (0..5).map(|it| agent(&format!("f{it}"))).collect();
    for agent in &hang {
        last.tell(agent, Err(anyhow!("no answer")), start);
    }
    for agent in &fine {
        last.tell(agent, Ok(books(1.0)), start);
    }
    let all = [&hang[..], &fine].concat();
    let mut failed = BTreeSet::new();
    for round in 1..=4 {
        let mut due = last.due(&all, |_| false);
        let mut allowance = Allowance::new(start);
        let (mut asked, mut silent) = (Vec::new(), 0);
        while let Some(agent) = due.next(asked.len(), silent, &mut allowance) {
            silent += usize::from(last.is_silent(&agent.name));
            asked.push(agent);
        }
        assert!(due.is_done(), "round {round}");
        assert_eq!(asked.len(), SILENT_AT_ONCE + fine.len());
        // And those that hang come by turns.
        let at = start + Duration::from_secs(10 * round);
        for agent in asked
            .iter()
            .filter(|it| last.is_silent(&it.name))
            .cloned()
            .collect::<Vec<_>>()
        {
            assert!(failed.insert(agent.name.clone()), "round {round}");
            last.tell(&agent, Err(anyhow!("no answer")), at);
        }
    }
    assert_eq!(failed.len(), hang.len());
}

#[test]
fn two_agents_of_a_node_are_two_until_one_is_gone() {
    let (mut last, now) = (Last::default(), Instant::now());
    let (one, mut next) = (agent("a"), agent("a"));
    next.name = "podmirror-next".to_owned();
    last.tell(&one, Ok(books(100.0)), now);
    last.tell(&next, Ok(books(1.0)), now);
    let seen = |last: &Last| last.sum(now)["rules"][0]["ledger"]["segments"]["seen"].clone();
    assert_eq!(seen(&last), 10);
    last.retain(|name| name == next.name);
    assert_eq!(seen(&last), 5);
}

//! Pods with a readiness gate that waits for their attachment.

use super::*;
use crate::cluster::{GateState, Gated};

fn gated(name: &str) -> PodView {
    PodView {
        gate_open: Some(false),
        ..pod(name, "10.0.0.1")
    }
}

fn only(node: &Node) -> GateState {
    let mut all: Vec<Gated> = node.state.gated(true).collect();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).state
}

#[test]
fn a_gate_waits_until_every_rule_is_attached() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let search = find(
        node.on(Event::PodsListed(vec![gated("a"), pod("b", "10.0.0.2")]))
            .drain(..1)
            .collect(),
    );
    assert_eq!(only(&node), GateState::Waiting(None));
    node.answer_found(&search, sandbox(7, 1));
    assert_eq!(only(&node), GateState::Attached);
    // One more rule, which is not attached yet.
    let other = RuleId(2);
    node.on(Event::RuleApplied(other, v1_at(&[81])));
    assert_eq!(only(&node), GateState::Waiting(None));
    node.on(Event::RuleRemoved(other));
    assert_eq!(only(&node), GateState::Attached);
    // Whatever happens to it then, the API has said that it is open.
    let open = PodView {
        gate_open: Some(true),
        ..gated("a")
    };
    node.on(Event::PodApplied(open));
    assert_eq!(node.state.gated(true).count(), 0);
}

#[test]
fn a_gate_has_nothing_to_wait_for_where_nothing_can_be_attached() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let other = PodView {
        labels: labels(&[("version", "v2")]),
        ..gated("a")
    };
    node.on(Event::PodsListed(vec![other]));
    assert_eq!(only(&node), GateState::NotSelected);
    // The rule that selects it may be among those that are not known yet: it waits, but not for ever.
    let waits = node.state.gated(false).next().unwrap();
    assert!(
        matches!(waits.state, GateState::Waiting(Some(_))),
        "{waits:?}"
    );
    let on_host = PodView {
        host_network: true,
        ..gated("a")
    };
    node.on(Event::PodApplied(on_host));
    assert!(matches!(only(&node), GateState::Unfit(_)));
}

#[test]
fn a_gate_knows_why_it_waits() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let search = find(node.on(Event::PodsListed(vec![gated("a")])));
    node.on(Event::Found(uid("a"), search_of(&search), sandbox(7, 1)));
    let failed = Event::AttachFailed(FLAGS, uid("a"), search_of(&search), "why".to_owned());
    node.on(failed);
    assert_eq!(only(&node), GateState::Waiting(Some("why".to_owned())));
    let deleting = PodView {
        deleting: true,
        ..gated("a")
    };
    node.on(Event::PodApplied(deleting));
    assert_eq!(node.state.gated(true).count(), 0);
}

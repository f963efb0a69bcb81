//! Pods that are scheduled here and have no address yet.

use super::*;

fn scheduled(name: &str) -> PodView {
    PodView {
        phase: Phase::Pending,
        ips: vec![],
        ..pod(name, "10.0.0.1")
    }
}

#[test]
fn a_pod_is_attached_to_before_the_api_shows_its_address() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let mut search = find(node.on(Event::PodsListed(vec![scheduled("a")])));
    assert_eq!(pause_of(&search), Duration::ZERO);
    // No word of it, however long its volumes take; and not for ever so often.
    let mut pauses = Vec::new();
    for _ in 0..2_000 {
        search = find(node.answer_not_found(&search));
        pauses.push(pause_of(&search).as_millis());
    }
    assert_eq!((pauses[0], pauses[398]), (25, 25));
    assert_eq!((pauses[399], pauses[1_498]), (500, 500));
    assert_eq!(pauses[1_499], 5_000);
    assert_eq!(node.state.status().count(), 0);
    let actions = node.answer_found(&search, sandbox(7, 1));
    assert_eq!(attaches(&actions), [(&uid("a"), &sandbox(7, 1), &[80][..])]);
    assert_eq!(node.only_state(), AttachState::Attached);
    assert_eq!(node.state.ready(), Ok(()));

    // What was believed proves to be so.
    let search = find(node.on(Event::PodApplied(pod("a", "10.0.0.1"))));
    assert_eq!(node.answer_found(&search, sandbox(7, 1)), []);
    assert_eq!(node.only_state(), AttachState::Attached);
}

#[test]
fn what_was_believed_gives_way_to_the_address_and_that_is_said() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let search = find(node.on(Event::PodsListed(vec![scheduled("a")])));
    node.answer_found(&search, sandbox(7, 1));
    let search = find(node.on(Event::PodApplied(pod("a", "10.0.0.1"))));
    let actions = node.answer_found(&search, sandbox(8, 2));
    let told = |action: &Action| matches!(action, Action::Tell(text) if text.starts_with("default/a: its address is in"));
    assert!(told(&actions[0]), "{actions:?}");
    assert_eq!(actions[1], detach("a"));
    assert_eq!(attaches(&actions), [(&uid("a"), &sandbox(8, 2), &[80][..])]);
}

#[test]
fn a_pod_that_ends_before_it_runs_is_let_go() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let search = find(node.on(Event::PodsListed(vec![scheduled("a")])));
    node.answer_found(&search, sandbox(7, 1));
    let failed = PodView {
        phase: Phase::Failed,
        ..scheduled("a")
    };
    assert_eq!(node.on(Event::PodApplied(failed)), [detach("a")]);
    assert_eq!(node.state.status().count(), 0);
}

/// Its sandbox could not be made and is made again, all without a word of the API.
#[test]
fn a_sandbox_that_is_gone_is_searched_again() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let search = find(node.on(Event::PodsListed(vec![scheduled("a")])));
    node.answer_found(&search, sandbox(7, 1));
    let gone = Event::Gone(FLAGS, uid("a"), search_of(&search));
    let mut actions = node.on(gone);
    assert_eq!(actions.remove(0), detach("a"));
    let search = find(actions);
    assert_eq!(pause_of(&search), Duration::ZERO);
    let actions = node.answer_found(&search, sandbox(8, 2));
    assert_eq!(attaches(&actions).len(), 1);
}

/// What can't be attached to costs more to try than a look.
#[test]
fn what_could_not_be_attached_is_not_tried_at_once() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let mut search = find(node.on(Event::PodsListed(vec![scheduled("a")])));
    let mut pauses = Vec::new();
    for _ in 0..3 {
        node.on(Event::Found(uid("a"), search_of(&search), sandbox(7, 1)));
        let failed = Event::AttachFailed(FLAGS, uid("a"), search_of(&search), "why".to_owned());
        search = node.on(failed).pop().unwrap();
        pauses.push(pause_of(&search).as_millis());
    }
    assert_eq!(pauses, [100, 200, 400]);
    assert_eq!(node.state.status().count(), 0);
}

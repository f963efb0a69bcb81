//! Network namespaces: found, not found, replaced, taken for another.

use super::*;

#[test]
fn a_restarted_container_changes_nothing() {
    let mut node = Node::mirroring(&[pod("a", "10.0.0.1")]);
    let search = find(node.on(Event::PodApplied(pod("a", "10.0.0.1"))));
    // The same network, which another process is found in now.
    let restarted = Sandbox {
        process: 999,
        ..sandbox(1_001, 1)
    };
    assert_eq!(node.answer_found(&search, restarted), []);
    assert_eq!(node.only_state(), AttachState::Attached);
}

/// The same UID in a new network namespace. As recorded: at first nothing is found at the old
/// address, and about a second later the API has the new one.
#[test]
fn a_restarted_sandbox_is_attached_to_anew() {
    let mut node = Node::mirroring(&[pod("a", "10.0.0.1")]);
    let search = find(node.on(Event::PodApplied(pod("a", "10.0.0.1"))));
    let again = find(node.answer_not_found(&search));
    assert_eq!(node.attached(), ["a"], "until it is known better");
    let search = find(node.on(Event::PodApplied(pod("a", "10.0.0.2"))));
    assert_eq!(pause_of(&search), Duration::ZERO);
    let actions = node.answer_found(&search, sandbox(2_002, 2));
    assert_eq!(actions[0], detach("a"));
    assert_eq!(
        attaches(&actions),
        [(&uid("a"), &sandbox(2_002, 2), &[80][..])]
    );
    assert_eq!(node.answer_not_found(&again), [], "an answer that is late");
    assert_eq!(node.only_state(), AttachState::Attached);
}

#[test]
fn a_new_sandbox_may_have_the_old_address_and_even_the_old_inode_number() {
    let mut node = Node::mirroring(&[pod("a", "10.0.0.1")]);
    let search = find(node.on(Event::PodApplied(pod("a", "10.0.0.1"))));
    let actions = node.answer_found(&search, sandbox(1_001, 2));
    assert_eq!(actions[0], detach("a"));
    assert_eq!(
        attaches(&actions),
        [(&uid("a"), &sandbox(1_001, 2), &[80][..])]
    );
}

#[test]
fn two_pods_may_have_had_the_same_inode_number() {
    let mut node = Node::mirroring(&[pod("a", "10.0.0.1")]);
    let search = find(node.on(Event::PodApplied(pod("b", "10.0.0.2"))));
    assert_eq!(node.answer_found(&search, sandbox(1_001, 2)).len(), 1);
    assert_eq!(node.on(Event::PodDeleted(uid("a"))), [detach("a")]);
    assert_eq!(node.attached(), ["b"]);
}

#[test]
fn an_address_that_moves_to_another_interface_moves_the_attachment() {
    let mut node = Node::mirroring(&[pod("a", "10.0.0.1")]);
    let search = find(node.on(Event::PodApplied(pod("a", "10.0.0.1"))));
    let moved = Sandbox {
        interface: "net1".to_owned(),
        ..sandbox(1_001, 1)
    };
    let actions = node.answer_found(&search, moved.clone());
    assert_eq!(actions[0], detach("a"));
    assert_eq!(attaches(&actions), [(&uid("a"), &moved, &[80][..])]);
}

#[test]
fn both_addresses_of_dual_stack_are_searched() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let dual = PodView {
        ips: vec![address("10.0.0.1"), address("fd00::1")],
        ..pod("a", "10.0.0.1")
    };
    let search = find(node.on(Event::PodApplied(dual.clone())));
    assert!(
        matches!(&search, Action::Find { ips, .. } if *ips == dual.ips),
        "{search:?}"
    );
}

#[test]
fn what_is_not_found_is_searched_again_less_and_less_often() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let mut search = find(node.on(Event::PodApplied(pod("a", "10.0.0.1"))));
    let mut pauses = Vec::new();
    let mut told = Vec::new();
    for _ in 0..40 {
        let mut actions = node.answer_not_found(&search);
        search = actions.pop().unwrap();
        told.extend(actions);
        pauses.push(pause_of(&search).as_millis());
    }
    assert_eq!(pauses[..7], [100, 200, 400, 800, 1_600, 3_200, 5_000]);
    assert!(pauses[7..].iter().all(|&pause| pause == 5_000));
    let news = "default/a: not found on this node yet: it hides";
    assert_eq!(told, [Action::Tell(news.to_owned())]);
    // The API says something: there is no reason to wait any longer.
    let search = find(node.on(Event::PodApplied(pod("a", "10.0.0.1"))));
    assert_eq!(pause_of(&search), Duration::ZERO);
    assert_eq!(node.answer_found(&search, sandbox(7, 1)).len(), 1);
}

#[test]
fn the_search_ends_with_the_pod() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let search = find(node.on(Event::PodApplied(pod("a", "10.0.0.1"))));
    let ended = PodView {
        phase: Phase::Succeeded,
        ..pod("a", "10.0.0.1")
    };
    assert_eq!(node.on(Event::PodApplied(ended)), []);
    assert_eq!(node.answer_not_found(&search), []);
    let late = Event::Found(uid("a"), search_of(&search), sandbox(7, 1));
    assert_eq!(node.on(late), []);
}

#[test]
fn what_could_not_be_attached_is_searched_and_tried_again() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let mut search = find(node.on(Event::PodsListed(vec![pod("a", "10.0.0.1")])));
    let mut pauses = Vec::new();
    for turn in 0..3 {
        let found = Event::Found(uid("a"), search_of(&search), sandbox(7, 1));
        assert_eq!(attaches(&node.on(found)).len(), 1);
        let why = "no permission".to_owned();
        let failed = Event::AttachFailed(FLAGS, uid("a"), search_of(&search), why.clone());
        let mut actions = node.on(failed);
        search = actions.pop().unwrap();
        pauses.push(pause_of(&search).as_millis());
        let news = Action::Tell("default/a: not attached: no permission".to_owned());
        let once = if turn == 0 { vec![news] } else { vec![] };
        assert_eq!(actions, once);
        assert_eq!(node.only_state(), AttachState::Failed(why));
        assert_eq!(
            node.state.ready(),
            Err("default/a: no permission".to_owned())
        );
    }
    assert_eq!(pauses, [100, 200, 400]);
    node.answer_found(&search, sandbox(7, 1));
    assert_eq!(node.only_state(), AttachState::Attached);
    assert_eq!(node.on(Event::PodDeleted(uid("a"))), [detach("a")]);
}

#[test]
fn what_failed_has_nothing_to_be_detached() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let search = find(node.on(Event::PodApplied(pod("a", "10.0.0.1"))));
    node.on(Event::Found(uid("a"), search_of(&search), sandbox(7, 1)));
    let failed = Event::AttachFailed(FLAGS, uid("a"), search_of(&search), "why".to_owned());
    node.on(failed);
    assert_eq!(node.on(Event::PodDeleted(uid("a"))), []);
}

#[test]
fn late_answers_to_an_earlier_attachment_are_ignored() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let first = find(node.on(Event::PodApplied(pod("a", "10.0.0.1"))));
    node.on(Event::Found(uid("a"), search_of(&first), sandbox(7, 1)));
    let second = find(node.on(Event::PodApplied(pod("a", "10.0.0.2"))));
    let actions = node.on(Event::Found(uid("a"), search_of(&second), sandbox(8, 2)));
    assert_eq!(actions[0], detach("a"));
    let late = search_of(&first);
    for late in [
        Event::Attached(FLAGS, uid("a"), late),
        Event::AttachFailed(FLAGS, uid("a"), late, "gone".to_owned()),
        Event::Gone(FLAGS, uid("a"), late),
    ] {
        assert_eq!(node.on(late), []);
        assert_ne!(node.only_state(), AttachState::Attached);
    }
    node.on(Event::Attached(FLAGS, uid("a"), search_of(&second)));
    assert_eq!(node.only_state(), AttachState::Attached);
}

#[test]
fn an_attachment_whose_interface_is_gone_is_dropped_and_the_pod_searched() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let search = find(node.on(Event::PodApplied(pod("a", "10.0.0.1"))));
    node.answer_found(&search, sandbox(7, 1));
    let gone = Event::Gone(FLAGS, uid("a"), search_of(&search));
    let mut actions = node.on(gone.clone());
    assert_eq!(actions.remove(0), detach("a"));
    assert_eq!(node.on(gone), [], "said twice");
    let search = find(actions);
    let actions = node.answer_found(&search, sandbox(8, 2));
    assert_eq!(attaches(&actions), [(&uid("a"), &sandbox(8, 2), &[80][..])]);
}

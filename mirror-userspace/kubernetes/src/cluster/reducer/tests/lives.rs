//! The lives of pods, from their first event to their last.

use super::*;

#[test]
fn a_new_pod_is_attached_to_once_it_runs_and_has_an_address() {
    let mut node = Node::with_rule(v1_at(&[80]));
    assert_eq!(node.on(Event::PodsListed(vec![])), []);
    let pending = PodView {
        phase: Phase::Pending,
        ips: vec![],
        ..pod("a", "10.0.0.1")
    };
    let early = find(node.on(Event::PodApplied(pending.clone())));
    assert!(matches!(&early, Action::Find { ips, .. } if ips.is_empty()));
    assert_eq!(node.state.status().count(), 0);
    assert_eq!(node.state.ready(), Ok(()), "it may wait for its volumes");
    // Some runtimes: Running is said before the address is.
    let running = PodView {
        phase: Phase::Running,
        ..pending
    };
    let early = find(node.on(Event::PodApplied(running)));
    assert!(matches!(&early, Action::Find { ips, .. } if ips.is_empty()));
    assert_eq!(
        node.state.ready(),
        Err("default/a: it has no address yet".to_owned())
    );
    let search = find(node.on(Event::PodApplied(pod("a", "10.0.0.1"))));
    assert_eq!(
        search,
        Action::Find {
            pod: uid("a"),
            search: search_of(&search),
            cgroup: "uid-of-a".to_owned(),
            ips: vec![address("10.0.0.1")],
            after: Duration::ZERO,
        }
    );
    let actions = node.answer_found(&search, sandbox(7, 1));
    assert_eq!(attaches(&actions), [(&uid("a"), &sandbox(7, 1), &[80][..])]);
    assert_eq!(actions.len(), 1);
    assert_eq!(node.only_state(), AttachState::Attached);
    assert_eq!(node.state.ready(), Ok(()));
}

/// As recorded: two MODIFIED with a deletionTimestamp, phase Failed, DELETED.
#[test]
fn a_pod_that_is_being_deleted_serves_until_it_has_ended() {
    let mut node = Node::mirroring(&[pod("a", "10.0.0.1")]);
    let deleting = PodView {
        deleting: true,
        ..pod("a", "10.0.0.1")
    };
    for _ in 0..2 {
        let search = find(node.on(Event::PodApplied(deleting.clone())));
        assert_eq!(node.answer_found(&search, sandbox(1_001, 1)), []);
    }
    let failed = PodView {
        phase: Phase::Failed,
        ..deleting
    };
    assert_eq!(node.on(Event::PodApplied(failed)), [detach("a")]);
    assert_eq!(node.on(Event::PodDeleted(uid("a"))), []);
    assert_eq!(node.state.status().count(), 0);
}

#[test]
fn a_pod_that_ends_without_a_word_is_detached_from() {
    let mut node = Node::mirroring(&[pod("a", "10.0.0.1")]);
    assert_eq!(node.on(Event::PodDeleted(uid("a"))), [detach("a")]);
    assert_eq!(node.on(Event::PodDeleted(uid("a"))), [], "said twice");
}

#[test]
fn completed_pods_are_nothing_to_us_though_they_keep_their_address() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let ended = [Phase::Succeeded, Phase::Failed].map(|phase| PodView {
        phase,
        ..pod("job", "10.0.0.1")
    });
    for ended in ended {
        assert_eq!(node.on(Event::PodApplied(ended)), []);
    }
    // Another pod has its address by now.
    let search = find(node.on(Event::PodApplied(pod("a", "10.0.0.1"))));
    assert_eq!(pod_of(&search), &uid("a"));
}

#[test]
fn a_pod_that_leaves_the_selector_is_detached_from_whoever_says_it() {
    // A watch of the selector says DELETED.
    let mut node = Node::mirroring(&[pod("a", "10.0.0.1")]);
    assert_eq!(node.on(Event::PodDeleted(uid("a"))), [detach("a")]);
    // A watch of all pods says MODIFIED.
    let mut node = Node::mirroring(&[pod("a", "10.0.0.1")]);
    let relabelled = PodView {
        labels: labels(&[("version", "v2")]),
        ..pod("a", "10.0.0.1")
    };
    assert_eq!(node.on(Event::PodApplied(relabelled)), [detach("a")]);
    assert_eq!(node.state.status().count(), 0);
    // And it comes back.
    let search = find(node.on(Event::PodApplied(pod("a", "10.0.0.1"))));
    let actions = node.answer_found(&search, sandbox(1_001, 1));
    assert_eq!(attaches(&actions).len(), 1);
}

#[test]
fn a_pod_on_the_network_of_its_node_is_skipped_and_that_is_said_once() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let on_host = PodView {
        host_network: true,
        ..pod("a", "192.0.2.1")
    };
    let actions = node.on(Event::PodsListed(vec![on_host.clone()]));
    let told = "default/a: not mirrored: it has the network of its node (hostNetwork)";
    assert_eq!(actions, [Action::Tell(told.to_owned())]);
    assert_eq!(node.on(Event::PodApplied(on_host)), []);
    assert_eq!(node.only_state(), AttachState::HostNetwork);
    assert_eq!(node.state.ready(), Ok(()), "it keeps nobody waiting");
}

#[test]
fn a_pod_of_the_same_name_is_another_pod() {
    let mut node = Node::mirroring(&[pod("a", "10.0.0.1")]);
    let again = PodView {
        uid: PodUid("another".to_owned()),
        ..pod("a", "10.0.0.2")
    };
    let search = find(node.on(Event::PodApplied(again)));
    let actions = node.answer_found(&search, sandbox(9, 9));
    assert_eq!(attaches(&actions)[0].0, &PodUid("another".to_owned()));
    assert_eq!(node.on(Event::PodDeleted(uid("a"))), [detach("a")]);
    assert_eq!(node.attached(), ["a"], "the new one stays");
}

#[test]
fn static_pods_are_searched_by_the_name_that_their_cgroups_have() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let of_a_file = PodView {
        static_hash: Some("0123456789abcdef".to_owned()),
        ..pod("a", "10.0.0.1")
    };
    let search = find(node.on(Event::PodApplied(of_a_file)));
    assert!(
        matches!(&search, Action::Find { cgroup, .. } if cgroup == "0123456789abcdef"),
        "{search:?}"
    );
}

/// 410, or a connection that was lost: the watch lists again.
#[test]
fn a_new_list_keeps_what_stands_and_ends_what_is_not_in_it() {
    let [a, b, c] = ["a", "b", "c"].map(|name| pod(name, "10.0.0.1"));
    let mut node = Node::mirroring(&[a.clone(), b]);
    let actions = node.on(Event::PodsListed(vec![a, c]));
    assert_eq!(actions[0], detach("b"));
    assert_eq!(actions.len(), 3, "{actions:?}");
    assert_eq!(node.answer_found(&actions[1], sandbox(1_001, 1)), []);
    assert_eq!(node.answer_found(&actions[2], sandbox(1_003, 3)).len(), 1);
    assert_eq!(node.attached(), ["a", "c"]);
}

#[test]
fn nobody_is_ready_before_the_first_list() {
    let mut node = Node::with_rule(v1_at(&[80]));
    let why = "the API has not said yet which pods there are";
    assert_eq!(node.state.ready(), Err(why.to_owned()));
    let actions = node.on(Event::PodsListed(vec![pod("a", "10.0.0.1")]));
    let why = "default/a: its network namespace is being searched";
    assert_eq!(node.state.ready(), Err(why.to_owned()));
    let search = search_of(&actions[0]);
    node.on(Event::Found(uid("a"), search, sandbox(7, 1)));
    let why = "default/a: it is being attached to";
    assert_eq!(node.state.ready(), Err(why.to_owned()));
    node.on(Event::Attached(FLAGS, uid("a"), search));
    assert_eq!(node.state.ready(), Ok(()));
}

//! Several rules, services, and rules that come, change and go.

use super::*;

const OTHER: RuleId = RuleId(2);

fn web() -> ServiceRef {
    ServiceRef {
        namespace: "default".to_owned(),
        name: "web".to_owned(),
    }
}

fn behind_web(port: Option<u16>, subset: &[(&str, &str)]) -> Source {
    Source::Service {
        service: web(),
        ports: port.into_iter().collect(),
        subset: labels(subset),
    }
}

fn web_with(ports: &[(u16, TargetPort)]) -> Event {
    let ports = ports.iter().cloned();
    Event::ServiceApplied(ServiceView {
        service: web(),
        selector: labels(&[("app", "web")]),
        ports: ports
            .map(|(port, target)| ServicePort {
                name: String::new(),
                port,
                target,
            })
            .collect(),
    })
}

fn named(name: &str) -> TargetPort {
    TargetPort::Name(name.to_owned())
}

fn rules_of(actions: &[Action]) -> Vec<(RuleId, Vec<u16>)> {
    let attach = |action: &Action| match action {
        Action::Attach { rule, ports, .. } => Some((*rule, ports.clone())),
        _ => None,
    };
    actions.iter().filter_map(attach).collect()
}

#[test]
fn a_pod_may_be_mirrored_by_several_rules_each_with_its_ports() {
    let mut node = Node::with_rule(v1_at(&[80]));
    node.on(Event::RuleApplied(OTHER, v1_at(&[8080, 80, 8080])));
    let search = find(node.on(Event::PodApplied(pod("a", "10.0.0.1"))));
    let actions = node.answer_found(&search, sandbox(7, 1));
    assert_eq!(
        rules_of(&actions),
        [(FLAGS, vec![80]), (OTHER, vec![80, 8080])]
    );
    let ended = node.on(Event::PodDeleted(uid("a")));
    assert_eq!(ended.len(), 2);
}

#[test]
fn a_rule_that_comes_attaches_beside_what_stands() {
    let mut node = Node::mirroring(&[pod("a", "10.0.0.1")]);
    let search = find(node.on(Event::RuleApplied(OTHER, v1_at(&[8080]))));
    assert!(node.state.ready().is_err());
    let actions = node.answer_found(&search, sandbox(1_001, 1));
    assert_eq!(rules_of(&actions), [(OTHER, vec![8080])]);
    assert_eq!(node.state.ready(), Ok(()));
}

#[test]
fn a_rule_that_goes_takes_its_attachments_along() {
    let mut node = Node::mirroring(&[pod("a", "10.0.0.1")]);
    assert_eq!(node.on(Event::RuleRemoved(FLAGS)), []);
    assert_eq!(node.state.status().count(), 0);
    assert_eq!(node.on(Event::PodDeleted(uid("a"))), []);
    assert_eq!(node.on(Event::PodApplied(pod("a", "10.0.0.1"))), []);
    assert_eq!(
        NodeState::default().ready(),
        Ok(()),
        "no rule, no watch, no list"
    );
}

#[test]
fn a_rule_may_come_to_mean_other_pods_or_other_ports() {
    let mut node = Node::mirroring(&[pod("a", "10.0.0.1")]);
    let mut actions = node.on(Event::RuleApplied(FLAGS, v1_at(&[81])));
    assert_eq!(actions.remove(0), detach("a"));
    let actions = node.answer_found(&find(actions), sandbox(1_001, 1));
    assert_eq!(rules_of(&actions), [(FLAGS, vec![81])]);
    let elsewhere = Source::Pods {
        scope: Scope::Namespace("prod".to_owned()),
        selector: LabelSelector::default(),
        ports: vec![81],
    };
    let actions = node.on(Event::RuleApplied(FLAGS, elsewhere));
    assert_eq!(actions, [detach("a")]);
}

#[test]
fn a_failure_of_one_rule_leaves_the_other_alone() {
    let mut node = Node::with_rule(v1_at(&[80]));
    node.on(Event::RuleApplied(OTHER, v1_at(&[80])));
    let search = find(node.on(Event::PodApplied(pod("a", "10.0.0.1"))));
    let number = search_of(&search);
    node.on(Event::Found(uid("a"), number, sandbox(7, 1)));
    node.on(Event::Attached(FLAGS, uid("a"), number));
    let mut actions = node.on(Event::AttachFailed(
        OTHER,
        uid("a"),
        number,
        "why".to_owned(),
    ));
    let search = actions.pop().unwrap();
    let actions = node.answer_found(&search, sandbox(7, 1));
    assert_eq!(rules_of(&actions), [(OTHER, vec![80])]);
    assert_eq!(node.attached(), ["a", "a"]);
}

#[test]
fn a_service_says_which_pods_and_ports() {
    let mut node = Node::with_rule(behind_web(None, &[("version", "v1")]));
    let other_subset = PodView {
        labels: labels(&[("app", "web"), ("version", "v2")]),
        ..pod("b", "10.0.0.2")
    };
    let other_namespace = PodView {
        namespace: "prod".to_owned(),
        ..pod("c", "10.0.0.3")
    };
    let pods = vec![pod("a", "10.0.0.1"), other_subset, other_namespace];
    assert_eq!(node.on(Event::PodsListed(pods)), []);
    let why = "the API has not said yet what service default/web is";
    assert_eq!(node.state.ready(), Err(why.to_owned()));

    let ports = [(80, named("http")), (443, TargetPort::Number(8443))];
    let search = find(node.on(web_with(&ports)));
    assert_eq!(pod_of(&search), &uid("a"));
    let actions = node.answer_found(&search, sandbox(7, 1));
    assert_eq!(rules_of(&actions), [(FLAGS, vec![8080, 8443])]);
    assert_eq!(node.on(web_with(&ports)), [], "nothing new");

    let mut actions = node.on(web_with(&ports[..1]));
    assert_eq!(actions.remove(0), detach("a"));
    let actions = node.answer_found(&find(actions), sandbox(7, 1));
    assert_eq!(rules_of(&actions), [(FLAGS, vec![8080])]);
}

#[test]
fn a_service_that_is_not_there_selects_nothing_and_that_is_said_once() {
    let mut node = Node::with_rule(behind_web(None, &[]));
    node.on(Event::PodsListed(vec![pod("a", "10.0.0.1")]));
    let gone = Event::ServiceDeleted(web());
    let news = "service default/web is not there: nothing is mirrored for it";
    assert_eq!(node.on(gone.clone()), [Action::Tell(news.to_owned())]);
    assert_eq!(node.on(gone.clone()), []);
    assert_eq!(
        node.state.ready(),
        Ok(()),
        "the rest of the cluster is served"
    );
    let search = find(node.on(web_with(&[(80, named("http"))])));
    node.answer_found(&search, sandbox(7, 1));
    let actions = node.on(gone);
    assert_eq!(actions, [Action::Tell(news.to_owned()), detach("a")]);
}

#[test]
fn a_port_that_the_pod_does_not_name_is_said_and_skipped() {
    let mut node = Node::with_rule(behind_web(Some(81), &[]));
    node.on(Event::PodApplied(pod("a", "10.0.0.1")));
    let told = |node: &mut Node, event| match <[Action; 1]>::try_from(node.on(event)) {
        Ok([Action::Tell(news)]) => news,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        told(&mut node, web_with(&[(81, named("admin"))])),
        "default/a: not mirrored: it has no port named admin (a target of service default/web)"
    );
    assert!(matches!(node.only_state(), AttachState::Unfit(_)));
    assert_eq!(
        told(&mut node, web_with(&[(80, named("http"))])),
        "default/a: not mirrored: service default/web has no TCP port 81"
    );
}

#[test]
fn more_ports_than_the_kernel_program_compares_are_refused() {
    let many: Vec<_> = (1..=17).collect();
    let mut node = Node::with_rule(v1_at(&many));
    let actions = node.on(Event::PodApplied(pod("a", "10.0.0.1")));
    let news = "default/a: not mirrored: 17 ports, and 1 to 16 can be mirrored";
    assert_eq!(actions, [Action::Tell(news.to_owned())]);
    let search = find(node.on(Event::RuleApplied(FLAGS, v1_at(&many[..16]))));
    assert_eq!(node.answer_found(&search, sandbox(7, 1)).len(), 1);
}

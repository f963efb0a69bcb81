//! Rules, and what is asked of the API for them.

use super::*;

fn in_namespace(name: &str) -> Scope {
    Scope::Namespace(name.to_owned())
}

fn pods(scope: Scope, selector: &str) -> Source {
    Source::Pods {
        scope,
        selector: selector.parse().unwrap(),
        ports: vec![80],
    }
}

fn behind(namespace: &str, name: &str) -> Source {
    Source::Service {
        service: ServiceRef {
            namespace: namespace.into(),
            name: name.into(),
        },
        ports: Vec::new(),
        subset: Labels::new(),
    }
}

fn asked(sources: &[Source], destinations: &[&str]) -> Vec<String> {
    let needs = Needs {
        all_pods: None,
        capped: Vec::new(),
        sources: sources.to_vec(),
        destinations: destinations.iter().map(|it| it.parse().unwrap()).collect(),
        documents: None,
    };
    let watches = needs.watches("node-1").into_iter();
    let text = |(slot, query): (Slot, Query)| {
        let scope = match query.scope {
            Scope::All => "*".to_owned(),
            Scope::Namespace(name) => name,
        };
        let selectors = [query.labels, query.fields].map(Option::unwrap_or_default);
        format!("{slot} | {scope} | {}", selectors.join(" | "))
    };
    watches.map(text).collect()
}

#[test]
fn one_watch_of_this_nodes_pods_is_as_narrow_as_all_rules_allow() {
    let one = pods(in_namespace("default"), "app=web,version=v1");
    assert_eq!(
        asked(std::slice::from_ref(&one), &[]),
        ["pods of this node | default | app=web,version=v1 | spec.nodeName=node-1"]
    );
    let other = pods(in_namespace("default"), "app=shop");
    assert_eq!(
        asked(&[one.clone(), other], &[]),
        ["pods of this node | default |  | spec.nodeName=node-1"]
    );
    let elsewhere = pods(in_namespace("shop"), "app=web,version=v1");
    assert_eq!(
        asked(&[one, elsewhere], &[]),
        ["pods of this node | * | app=web,version=v1 | spec.nodeName=node-1"]
    );
    assert_eq!(
        asked(&[pods(Scope::All, "")], &[]),
        ["pods of this node | * |  | spec.nodeName=node-1"]
    );
    assert_eq!(asked(&[], &["http://v2"]), [""; 0]);
}

#[test]
fn a_service_is_watched_by_name_and_several_by_namespace() {
    assert_eq!(
        asked(&[behind("default", "web")], &[]),
        [
            "pods of this node | default |  | spec.nodeName=node-1",
            "services of namespace default | default |  | metadata.name=web",
        ]
    );
    assert_eq!(
        asked(
            &[behind("default", "web")],
            &[
                "service/default/v2:80",
                "service/shop/v2:80",
                "service/default/v2:81"
            ]
        ),
        [
            "pods of this node | default |  | spec.nodeName=node-1",
            "services of namespace default | default |  | ",
            "services of namespace shop | shop |  | metadata.name=v2",
            "endpointslices of namespace default | default | kubernetes.io/service-name=v2 | ",
            "endpointslices of namespace shop | shop | kubernetes.io/service-name=v2 | ",
        ]
    );
}

#[test]
fn slices_are_asked_for_by_the_names_of_their_services_while_these_are_few() {
    let targets: Vec<String> = (0..MOST_NAMES)
        .map(|n| format!("service/default/v{n:02}:80"))
        .collect();
    let texts: Vec<&str> = targets.iter().map(String::as_str).collect();
    let slices = &asked(&[], &texts)[1];
    assert!(slices.contains("service-name in (v00,v01,"), "{slices}");
    let more = [texts, vec!["service/default/more:80"]].concat();
    assert_eq!(
        asked(&[], &more)[1],
        "endpointslices of namespace default | default | kubernetes.io/service-name | "
    );
}

#[test]
fn pods_that_get_copies_are_watched_on_all_nodes_each_selection_once() {
    let targets = [
        "pods/default/app=web,version=v2:80",
        "pods/default/app=web,version=v2:81",
        "service/default/web/version=v2:80",
    ];
    let watches = asked(&[], &targets);
    let pods = watches.iter().filter(|watch| watch.starts_with("pods"));
    assert_eq!(
        pods.collect::<Vec<_>>(),
        [
            "pods of namespace default with app=web,version=v2 | default | app=web,version=v2 | ",
            "pods of namespace default with version=v2 | default | version=v2 | ",
        ]
    );
}

/// What a slice says is not enough for a document: its pods are asked for, too.
#[test]
fn behind_a_documents_target_the_pods_are_looked_at() {
    let needs = |origin| {
        let aim = |text: &str| Aim {
            origin,
            ..text.parse().unwrap()
        };
        let destinations = ["service/shop/v2:80", "service/shop/web/version=v2:80"];
        Needs {
            destinations: destinations.map(aim).into(),
            ..Needs::default()
        }
    };
    let asked = |needs: Needs| {
        let watches = needs.watches("n").into_iter();
        let pods = watches.filter(|(slot, _)| slot.resource() == "pods");
        pods.map(|(slot, query)| (slot.to_string(), query.labels))
            .collect::<Vec<_>>()
    };
    let v2 = (
        "pods of namespace shop with version=v2".to_owned(),
        Some("version=v2".to_owned()),
    );
    assert_eq!(asked(needs(Origin::Operator)), std::slice::from_ref(&v2));
    let all = ("pods of namespace shop".to_owned(), None);
    assert_eq!(asked(needs(Origin::Document)), [all, v2]);
}

#[test]
fn all_kinds_of_configuration_are_watched_if_any() {
    let needs = Needs {
        documents: Some(Scope::All),
        ..Needs::default()
    };
    let watches = needs.watches("node-1");
    let resources: Vec<&str> = watches.iter().map(|(slot, _)| slot.resource()).collect();
    let expected = [
        "virtualservices",
        "destinationrules",
        "httproutes",
        "grpcroutes",
        "referencegrants",
        "trafficmirrors",
    ];
    assert_eq!(resources, expected);
}

/// Whoever opens readiness gates has to see pods that no rule selects.
#[test]
fn all_pods_of_the_node_are_watched_where_that_is_wanted() {
    let needs = Needs {
        all_pods: Some(Scope::Namespace("shop".to_owned())),
        ..Needs::default()
    };
    let watches = needs.watches("node-1");
    let [(slot, query)] = watches.as_slice() else {
        panic!("{watches:?}");
    };
    assert_eq!(*slot, Slot::NodePods);
    assert_eq!(query.scope, Scope::Namespace("shop".to_owned()));
    assert_eq!(query.labels, None);
    assert_eq!(query.fields.as_deref(), Some("spec.nodeName=node-1"));
}

/// By them the agents divide a cap among themselves.
#[test]
fn where_copies_are_limited_the_sources_of_all_nodes_are_watched() {
    let subset = Source::Service {
        service: ServiceRef {
            namespace: "shop".into(),
            name: "web".into(),
        },
        ports: Vec::new(),
        subset: [("version".to_owned(), "v1".to_owned())].into(),
    };
    let needs = Needs {
        capped: vec![
            behind("default", "web"),
            subset,
            pods(in_namespace("default"), "app=web"),
            pods(Scope::All, "app=shop"),
        ],
        ..Needs::default()
    };
    let watches = needs.watches("node-1").into_iter();
    let asked: Vec<_> = watches
        .map(|(slot, query)| (slot.to_string(), query.labels.unwrap_or_default()))
        .collect();
    let expected = [
        (
            "endpointslices of namespace default",
            "kubernetes.io/service-name=web",
        ),
        (
            "endpointslices of namespace shop",
            "kubernetes.io/service-name=web",
        ),
        ("pods of namespace shop with version=v1", "version=v1"),
        ("pods of namespace default with app=web", "app=web"),
        ("pods of all namespaces with app=shop", "app=shop"),
    ];
    assert_eq!(
        asked,
        expected.map(|(slot, labels)| (slot.to_owned(), labels.to_owned()))
    );
}

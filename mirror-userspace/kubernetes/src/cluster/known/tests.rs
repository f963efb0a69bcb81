//! What the watches say, and what the agent is told.

mod portions;

use std::str::FromStr as _;

use mirror_core::destination::{LabelSelector, Labels};
use serde_json::{Value, json};

use super::*;
use crate::{
    cluster::{
        document::{Content, Document},
        endpoints::{SliceEndpoint, SlicePort},
        service::{ServicePort, TargetPort},
    },
    plan::Source,
};

fn web() -> ServiceRef {
    ServiceRef {
        namespace: "default".into(),
        name: "web".into(),
    }
}

fn view(service: &ServiceRef) -> ServiceView {
    ServiceView {
        service: service.clone(),
        selector: Labels::new(),
        ports: vec![ServicePort {
            name: String::new(),
            port: 80,
            target: TargetPort::Number(8080),
        }],
    }
}

fn slice(name: &str, ips: &[&str]) -> SliceView {
    let endpoint = |ip: &&str| SliceEndpoint {
        ip: ip.parse().unwrap(),
        ready: true,
        pod_uid: Some(format!("uid-{ip}")),
        pod_name: None,
        node: Some("here".into()),
    };
    SliceView {
        name: name.into(),
        service: "web".into(),
        ports: vec![SlicePort {
            name: String::new(),
            port: 8080,
        }],
        endpoints: ips.iter().map(endpoint).collect(),
    }
}

fn behind_web() -> Source {
    Source::Service {
        service: web(),
        ports: Vec::new(),
        subset: Labels::new(),
    }
}

fn services() -> Slot {
    Slot::Services("default".into())
}

fn slices() -> Slot {
    Slot::Slices("default".into())
}

fn needing(sources: &[Source], destinations: &[&str]) -> Needs {
    Needs {
        all_pods: None,
        capped: Vec::new(),
        sources: sources.to_vec(),
        destinations: destinations.iter().map(|it| it.parse().unwrap()).collect(),
        documents: None,
    }
}

fn known(needs: Needs) -> Known {
    let mut known = Known::default();
    assert_eq!(known.need(needs, &[]), []);
    known
}

fn at(update: &[Update]) -> Vec<String> {
    match update {
        [Update::Endpoints(_, endpoints)] => {
            let addresses = endpoints.addresses.iter();
            addresses.map(ToString::to_string).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_destination_is_told_when_all_of_it_is_known_and_then_what_changes() {
    let mut known = known(needing(&[], &["service/default/web:80"]));
    let listed = Changed::Slices(Change::Listed(vec![slice("a", &["10.0.0.1"])]));
    assert_eq!(known.on_change(&slices(), listed), []);
    let listed = Changed::Services(Change::Listed(vec![view(&web())]));
    assert_eq!(at(&known.on_change(&services(), listed)), ["10.0.0.1:8080"]);

    let same = Changed::Slices(Change::Applied(slice("a", &["10.0.0.1"])));
    assert_eq!(known.on_change(&slices(), same), [], "nothing is new");
    let more = Changed::Slices(Change::Applied(slice("b", &["10.0.0.2"])));
    assert_eq!(
        at(&known.on_change(&slices(), more)),
        ["10.0.0.1:8080", "10.0.0.2:8080"]
    );
    let less = Changed::Slices(Change::Deleted(slice("a", &[])));
    assert_eq!(at(&known.on_change(&slices(), less)), ["10.0.0.2:8080"]);
    let gone = Changed::Services(Change::Deleted(view(&web())));
    assert_eq!(at(&known.on_change(&services(), gone)), [""; 0]);
}

#[test]
fn a_list_replaces_what_was_known() {
    let mut known = known(needing(&[], &["service/default/web:80"]));
    let listed = Changed::Services(Change::Listed(vec![view(&web())]));
    assert_eq!(known.on_change(&services(), listed), []);
    for (name, ips) in [("a", ["10.0.0.1"]), ("b", ["10.0.0.2"])] {
        let listed = Changed::Slices(Change::Listed(vec![slice(name, &ips)]));
        let told = at(&known.on_change(&slices(), listed));
        assert_eq!(told, ips.map(|ip| format!("{ip}:8080")));
    }
}

#[test]
fn a_subset_waits_for_its_pods_and_follows_their_labels() {
    let mut known = known(needing(&[], &["service/default/web/version=v2:80"]));
    let both = slice("a", &["10.0.0.1", "10.0.0.2"]);
    let listed = Changed::Services(Change::Listed(vec![view(&web())]));
    assert_eq!(known.on_change(&services(), listed), []);
    let listed = Changed::Slices(Change::Listed(vec![both]));
    assert_eq!(known.on_change(&slices(), listed), []);

    let labels: Labels = [("version".into(), "v2".into())].into();
    let slot = Slot::Backends("default".into(), LabelSelector::of(&labels));
    let pod = |ip: &str| BackendPod {
        uid: format!("uid-{ip}"),
        name: String::new(),
        labels: labels.clone(),
        ips: Vec::new(),
        ready: true,
        node: Some("here".into()),
    };
    let listed = Changed::Backends(Change::Listed(vec![pod("10.0.0.2")]));
    assert_eq!(at(&known.on_change(&slot, listed)), ["10.0.0.2:8080"]);
    let labelled = Changed::Backends(Change::Applied(pod("10.0.0.1")));
    assert_eq!(at(&known.on_change(&slot, labelled)).len(), 2);
    let left = Changed::Backends(Change::Deleted(pod("10.0.0.2")));
    assert_eq!(at(&known.on_change(&slot, left)), ["10.0.0.1:8080"]);
}

#[test]
fn the_reducer_hears_of_services_that_are_mirrored_and_of_those_that_are_missing() {
    let other = ServiceRef {
        name: "other".into(),
        ..web()
    };
    let mut known = known(needing(&[behind_web()], &["service/default/other:80"]));
    let listed = Changed::Services(Change::Listed(vec![view(&other)]));
    assert_eq!(
        known.on_change(&services(), listed),
        [Update::Event(Event::ServiceDeleted(web()))]
    );
    let applied = Changed::Services(Change::Applied(view(&web())));
    assert_eq!(
        known.on_change(&services(), applied),
        [Update::Event(Event::ServiceApplied(view(&web())))]
    );
    let not_mirrored = Changed::Services(Change::Applied(view(&other)));
    assert_eq!(known.on_change(&services(), not_mirrored), []);
}

#[test]
fn a_rule_that_comes_is_told_what_is_known_already() {
    let mut known = known(needing(&[], &["service/default/web:80"]));
    let listed = Changed::Services(Change::Listed(vec![view(&web())]));
    assert_eq!(known.on_change(&services(), listed), []);
    let listed = Changed::Slices(Change::Listed(vec![slice("a", &["10.0.0.1"])]));
    assert_eq!(at(&known.on_change(&slices(), listed)), ["10.0.0.1:8080"]);

    let both = ["service/default/web:80", "service/default/web:81"];
    let slots = [services(), slices()];
    let slots: Vec<&Slot> = slots.iter().collect();
    let told = known.need(needing(&[behind_web()], &both), &slots);
    let [Update::Event(event), Update::Endpoints(new, endpoints)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(*event, Event::ServiceApplied(view(&web())));
    assert_eq!(new.to_string(), "service/default/web:81");
    assert_eq!(endpoints.addresses, []);

    assert_eq!(known.need(Needs::default(), &[]), []);
    assert_eq!(known.destinations().count(), 0);
    let again = known.need(needing(&[behind_web()], &both), &slots);
    assert_eq!(again, [], "what isn't needed is forgotten");
}

/// Blue and green: the service is switched to the pods that got the copies.
#[test]
fn pods_whose_requests_are_copied_get_no_copies() {
    let pod = |ip: &str, version: &str| BackendPod {
        uid: format!("uid-{ip}"),
        name: String::new(),
        labels: [("version".into(), version.into())].into(),
        ips: vec![ip.parse().unwrap()],
        ready: true,
        node: Some("here".into()),
    };
    let live = |version: &str| ServiceView {
        selector: [("version".into(), version.into())].into(),
        ..view(&ServiceRef {
            name: "live".into(),
            ..web()
        })
    };
    let source = Source::Service {
        service: live("v1").service,
        ports: Vec::new(),
        subset: Labels::new(),
    };
    let aim = Aim {
        origin: Origin::Document,
        source: Some(source.clone()),
        ..Aim::from_str("service/default/web:80").unwrap()
    };
    let pods = Slot::backends(&aim).unwrap();
    let mut known = known(Needs {
        all_pods: None,
        capped: Vec::new(),
        sources: vec![source],
        destinations: vec![aim],
        documents: None,
    });
    for (slot, changed) in [
        (
            services(),
            Changed::Services(Change::Listed(vec![view(&web()), live("v1")])),
        ),
        (
            slices(),
            Changed::Slices(Change::Listed(vec![slice("a", &["10.0.0.2", "10.0.0.3"])])),
        ),
    ] {
        known.on_change(&slot, changed);
    }
    let all = vec![
        pod("10.0.0.1", "v1"),
        pod("10.0.0.2", "v2"),
        pod("10.0.0.3", "v3"),
    ];
    let told = known.on_change(&pods, Changed::Backends(Change::Listed(all)));
    assert_eq!(at(&told), ["10.0.0.2:8080", "10.0.0.3:8080"]);

    let endpoints = |told: &[Update]| match told {
        [Update::Event(_), Update::Endpoints(_, endpoints)] => endpoints.to_string(),
        other => panic!("{other:?}"),
    };
    let switched = Changed::Services(Change::Applied(live("v2")));
    assert_eq!(
        endpoints(&known.on_change(&services(), switched)),
        "1 endpoint; 1 more are pods whose requests are mirrored, and get no copies"
    );
    known.on_change(
        &slices(),
        Changed::Slices(Change::Applied(slice("a", &["10.0.0.2"]))),
    );
    let back = Changed::Services(Change::Applied(live("v1")));
    assert_eq!(endpoints(&known.on_change(&services(), back)), "1 endpoint");
    let switched = Changed::Services(Change::Applied(live("v2")));
    assert_eq!(
        endpoints(&known.on_change(&services(), switched)),
        "what is ready are the pods whose requests are mirrored: they get no copies"
    );
}

/// Behind the operator's services pods are not looked at, but for those that are mirrored.
#[test]
fn pods_that_flags_select_get_no_copies_behind_a_service_either() {
    let source = Source::Pods {
        scope: crate::plan::Scope::All,
        selector: "app=web".parse().unwrap(),
        ports: vec![80],
    };
    let aim = Aim {
        source: Some(source.clone()),
        ..Aim::from_str("service/default/web:80").unwrap()
    };
    let sources = Slot::sources(&aim).unwrap();
    assert_eq!(
        sources.to_string(),
        "pods of namespace default with app=web"
    );
    let mut known = known(Needs {
        all_pods: None,
        capped: Vec::new(),
        sources: vec![source],
        destinations: vec![aim],
        documents: None,
    });
    known.on_change(
        &services(),
        Changed::Services(Change::Listed(vec![view(&web())])),
    );
    let listed = vec![slice("a", &["10.0.0.1", "10.0.0.2"])];
    let told = known.on_change(&slices(), Changed::Slices(Change::Listed(listed)));
    assert_eq!(told, [], "the sources are awaited");
    let pod = BackendPod {
        uid: String::new(),
        name: String::new(),
        labels: [("app".into(), "web".into())].into(),
        ips: vec!["10.0.0.1".parse().unwrap()],
        ready: false,
        node: None,
    };
    let told = known.on_change(&sources, Changed::Backends(Change::Listed(vec![pod])));
    assert_eq!(at(&told), ["10.0.0.2:8080"]);
}

fn kind(kind: DocumentKind) -> Slot {
    Slot::Documents(kind)
}

fn document(name: &str, content: Option<Value>) -> Document {
    Document {
        key: name.into(),
        namespace: "default".into(),
        identity: Box::default(),
        content: content.map_or(Content::Nothing, |content| Content::Some(content, 1)),
    }
}

fn held(documents: &[&str]) -> Option<AllDocuments> {
    Some(AllDocuments {
        held: documents.iter().map(|name| json!(name).into()).collect(),
        left_out: Vec::new(),
    })
}

#[test]
fn configuration_is_read_when_every_kind_is_known_and_has_changed() {
    let mut known = Known::default();
    let listed = Changed::Documents(Change::Listed(vec![
        document("b", Some(json!("B"))),
        document("a", Some(json!("A"))),
        document("c", None),
    ]));
    known.on_change(&kind(DocumentKind::VirtualService), listed);
    assert_eq!(known.take_documents(), None, "five kinds are awaited");
    for other in &DocumentKind::ALL[1..] {
        known.go_without(&kind(*other));
    }
    assert!(known.has_new_documents());
    assert_eq!(known.take_documents(), held(&["A", "B"]));
    assert!(!known.has_new_documents());

    let slot = kind(DocumentKind::VirtualService);
    known.on_change(
        &slot,
        Changed::Documents(Change::Applied(document("d", None))),
    );
    let same = document("a", Some(json!("A")));
    known.on_change(&slot, Changed::Documents(Change::Applied(same)));
    known.go_without(&slot);
    assert!(!known.has_new_documents());

    known.on_change(
        &slot,
        Changed::Documents(Change::Applied(document("a", None))),
    );
    assert!(known.has_new_documents(), "it mirrors no more");
    assert_eq!(known.take_documents(), held(&["B"]));
    known.on_change(
        &slot,
        Changed::Documents(Change::Deleted(document("b", None))),
    );
    assert_eq!(known.take_documents(), held(&[]));
}

//! Which part of a source's pods is on this node.

use super::*;

fn told(updates: &[Update]) -> Vec<(usize, usize)> {
    let portions = updates.iter().filter_map(|update| match update {
        Update::Portion(_, portion) => Some((portion.own, portion.all)),
        _ => None,
    });
    portions.collect()
}

fn on(node: &str, mut slice: SliceView) -> SliceView {
    for endpoint in &mut slice.endpoints {
        endpoint.node = Some(node.to_owned());
    }
    slice
}

fn capped(source: &Source) -> Known {
    let mut known = Known::of_node("here".into());
    let needs = Needs {
        capped: vec![source.clone()],
        ..needing(std::slice::from_ref(source), &[])
    };
    assert_eq!(known.need(needs, &[]), []);
    known
}

#[test]
fn behind_a_service_endpoints_are_counted_by_their_nodes_as_they_come_and_go() {
    let mut known = capped(&behind_web());
    let all = vec![
        on("here", slice("a", &["10.0.0.1"])),
        on("there", slice("b", &["10.0.0.2", "10.0.0.3"])),
    ];
    let change = Changed::Slices(Change::Listed(all));
    assert_eq!(told(&known.on_change(&slices(), change)), [(1, 3)]);
    let same = Changed::Slices(Change::Applied(on(
        "there",
        slice("b", &["10.0.0.4", "10.0.0.3"]),
    )));
    assert_eq!(
        told(&known.on_change(&slices(), same)),
        [],
        "as many as before"
    );
    let moved = Changed::Slices(Change::Applied(on("here", slice("b", &["10.0.0.4"]))));
    assert_eq!(told(&known.on_change(&slices(), moved)), [(2, 2)]);
    let gone = Changed::Slices(Change::Deleted(slice("a", &[])));
    assert_eq!(told(&known.on_change(&slices(), gone)), [(1, 1)]);
}

#[test]
fn pods_are_counted_that_are_ready_and_selected() {
    let source = Source::Pods {
        scope: crate::plan::Scope::All,
        selector: "app=web".parse().unwrap(),
        ports: vec![80],
    };
    let mut known = capped(&source);
    let pod = |name: &str, node: &str, ready| BackendPod {
        uid: name.into(),
        name: name.into(),
        labels: [("app".into(), "web".into())].into(),
        ips: Vec::new(),
        ready,
        node: Some(node.to_owned()),
    };
    let slot = Slot::peers(&source).unwrap();
    let listed = vec![
        pod("a", "here", true),
        pod("b", "there", true),
        pod("c", "there", false),
    ];
    let change = Changed::Backends(Change::Listed(listed));
    assert_eq!(told(&known.on_change(&slot, change)), [(1, 2)]);
    let ready = Changed::Backends(Change::Applied(pod("c", "there", true)));
    assert_eq!(told(&known.on_change(&slot, ready)), [(1, 3)]);
}

#[test]
fn of_a_subset_only_its_pods_count() {
    let labels: Labels = [("version".into(), "v1".into())].into();
    let source = Source::Service {
        service: web(),
        ports: Vec::new(),
        subset: labels.clone(),
    };
    let mut known = capped(&source);
    let both = on("here", slice("a", &["10.0.0.1", "10.0.0.2"]));
    let change = Changed::Slices(Change::Listed(vec![both]));
    assert_eq!(
        told(&known.on_change(&slices(), change)),
        [],
        "its pods are awaited"
    );
    let pod = BackendPod {
        uid: "uid-10.0.0.1".into(),
        name: String::new(),
        labels,
        ips: Vec::new(),
        ready: true,
        node: None,
    };
    let slot = Slot::peers(&source).unwrap();
    let change = Changed::Backends(Change::Listed(vec![pod]));
    assert_eq!(told(&known.on_change(&slot, change)), [(1, 1)]);
}

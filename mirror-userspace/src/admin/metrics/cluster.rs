//! What an agent says of the cluster: pods, watches, documents that it refused.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue as all;
use crate::admin::{
    limits,
    snapshot::{DocumentsRefused, PodState, ShownPod, ShownWatch},
    text::Page,
};

pub(super) fn of_pods(page: &mut Page, pods: &[ShownPod], rules: &BTreeSet<&str>) {
    let mut counts: BTreeMap<(&str, PodState), u64> = rules
        .iter()
        .flat_map(|rule| PodState::ALL.map(|state| ((*rule, state), 0)))
        .collect();
    let mut attached: BTreeMap<[&str; 3], bool> = BTreeMap::new();
    let mut omitted = 0_u64;
    for pod in pods {
        if let Some(count) = counts.get_mut(&(pod.rule.as_str(), pod.state)) {
            *count += 1;
        }
        let name = [&pod.rule, &pod.namespace, &pod.name].map(String::as_str);
        let is_attached = pod.state == PodState::Attached;
        // A StatefulSet's pod and its successor share a name, for as long as the one terminates.
        if let Some(known) = attached.get_mut(&name) {
            *known |= is_attached;
        } else if attached.len() < limits::PODS && rules.contains(pod.rule.as_str()) {
            attached.insert(name, is_attached);
        } else {
            omitted += 1;
        }
    }
    for ((rule, state), count) in counts {
        page.add(all::PODS, &[("rule", rule), ("state", state.name())], count);
    }
    for ([rule, namespace, pod], attached) in attached {
        let labels = [("rule", rule), ("namespace", namespace), ("pod", pod)];
        page.add(all::POD_ATTACHED, &labels, u8::from(attached));
    }
    page.add(all::OMITTED, &[("of", "pods")], omitted);
}

pub(super) fn of_watches(page: &mut Page, watches: &[ShownWatch]) {
    let mut seen = BTreeSet::new();
    for ShownWatch {
        kind,
        healthy,
        errors,
    } in watches
    {
        if seen.insert(kind) {
            page.add(all::WATCH_UP, &[("kind", kind)], u8::from(*healthy));
            page.add(all::WATCH_ERRORS, &[("kind", kind)], errors);
        }
    }
}

pub(super) fn of_documents(page: &mut Page, refused: &[DocumentsRefused]) {
    let mut namespaces = BTreeSet::new();
    let mut omitted = BTreeSet::new();
    for DocumentsRefused {
        namespace,
        reason,
        count,
    } in refused
    {
        let namespace = namespace.as_str();
        if namespaces.len() < limits::NAMESPACES || namespaces.contains(namespace) {
            namespaces.insert(namespace);
            let labels = [("namespace", namespace), ("reason", reason)];
            page.add(all::DOCUMENTS_REFUSED, &labels, count);
        } else {
            omitted.insert(namespace);
        }
    }
    page.add(all::OMITTED, &[("of", "namespaces")], omitted.len());
}

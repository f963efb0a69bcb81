//! The cluster that the rules are let loose on: pods, services and slices of all namespaces, which change while
//! the agent's reducer is told of it. What it attaches to, and which endpoints get copies, is checked after
//! each change.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, Ipv4Addr},
};

use mirror_core::destination::{Destination, Labels, ServiceRef};
use mirror_kubernetes::{
    cluster::{
        Action, Aim, BackendPod, Endpoints, Event, NetnsId, NodeState, Phase, PodUid, PodView,
        RuleId, Sandbox, ServicePort, ServiceView, SliceEndpoint, SlicePort, SliceView, Subset,
        TargetPort,
    },
    config::Consent,
    plan::Rule,
};

use super::{NAMESPACES, SERVICES, authority::Authority, pick};
use crate::input::Input;

/// Addresses that are no pod's.
const OTHERS: [[u8; 4]; 4] = [
    [127, 0, 0, 1],
    [169, 254, 169, 254],
    [10, 77, 0, 1],
    [198, 51, 100, 7],
];

/// What there is, what the reducer was told of it, and what it has done.
pub(super) struct Cluster<'a> {
    rules: BTreeMap<RuleId, &'a Rule>,
    authority: &'a Authority,
    consent: &'a Consent,
    pods: BTreeMap<String, PodView>,
    services: BTreeMap<(String, String), ServiceView>,
    slices: BTreeMap<(String, String), SliceView>,
    state: NodeState,
    attached: BTreeSet<(RuleId, PodUid)>,
}

impl<'a> Cluster<'a> {
    /// A service with a pod and a slice for each name in each namespace, told in an order that `input` chooses.
    pub(super) fn new(
        rules: &'a [Rule],
        authority: &'a Authority,
        consent: &'a Consent,
        input: &mut Input<'_>,
    ) -> Self {
        let numbers = (1..).map(RuleId);
        let mut cluster = Self {
            rules: numbers.zip(rules).collect(),
            authority,
            consent,
            pods: BTreeMap::new(),
            services: BTreeMap::new(),
            slices: BTreeMap::new(),
            state: NodeState::default(),
            attached: BTreeSet::new(),
        };
        for (first, namespace) in (0..).zip(NAMESPACES) {
            for (second, name) in (0..).zip(SERVICES) {
                let pod = pod(namespace, name, [10, 0, first, second]);
                let key = (namespace.to_owned(), name.to_owned());
                let view = service(namespace, name, labels(&[("app", name)]));
                cluster.services.insert(key.clone(), view);
                let slice = slice(name, pod.ips[0], Some(&pod.uid.0), None);
                cluster.slices.insert(key, slice);
                cluster.pods.insert(pod.uid.0.clone(), pod);
            }
        }
        let mut events: Vec<Vec<Event>> = vec![
            vec![cluster.listed()],
            cluster
                .services
                .values()
                .cloned()
                .map(Event::ServiceApplied)
                .collect(),
            cluster
                .rules
                .iter()
                .map(|(id, rule)| Event::RuleApplied(*id, rule.source.clone()))
                .collect(),
        ];
        events.rotate_left(pick(input, &[0, 1, 2]));
        for event in events.into_iter().flatten() {
            cluster.tell(event);
        }
        cluster.check();
        cluster
    }

    /// Changes what `input` says, one thing after the other.
    pub(super) fn run(&mut self, input: &mut Input<'_>) {
        while let Some(choice) = input.byte() {
            if let Some(event) = self.change(choice % 8, input) {
                self.tell(event);
            }
            self.check();
        }
    }

    fn listed(&self) -> Event {
        Event::PodsListed(self.pods.values().cloned().collect())
    }

    fn change(&mut self, choice: u8, input: &mut Input<'_>) -> Option<Event> {
        let (namespace, name) = (pick(input, &NAMESPACES), pick(input, &SERVICES));
        let key = (namespace.to_owned(), name.to_owned());
        let uid = uid(namespace, name);
        match choice {
            0 => {
                let app = pick(input, &SERVICES);
                let selector = pick(input, &[0, 1, 2, 3]);
                let all = [("app", app), ("v", "1")];
                let selector = match selector {
                    0 => &all[..1],
                    1 => &all[1..],
                    2 => &all[..],
                    _ => &[],
                };
                let view = service(namespace, name, labels(selector));
                self.services.insert(key, view.clone());
                Some(Event::ServiceApplied(view))
            }
            1 => {
                let gone = self.services.remove(&key)?;
                Some(Event::ServiceDeleted(gone.service))
            }
            2 => {
                let labelled = labels(&[
                    ("app", pick(input, &SERVICES)),
                    ("v", pick(input, &["1", "2"])),
                ]);
                let pod = self.pods.get_mut(&uid)?;
                pod.labels = labelled;
                Some(Event::PodApplied(pod.clone()))
            }
            3 => {
                let gone = self.pods.remove(&uid)?;
                Some(Event::PodDeleted(gone.uid))
            }
            4 => {
                let last = input.byte().unwrap_or_default();
                let new = pod(namespace, name, [10, 1, last, 1]);
                self.pods.insert(uid, new.clone());
                Some(Event::PodApplied(new))
            }
            5 | 6 => {
                let (of, named) = (pick(input, &NAMESPACES), pick(input, &SERVICES));
                let bits = input.byte().unwrap_or_default();
                let other = pick(input, &OTHERS).into();
                let claimed = self::uid(of, named);
                let own = self.pods.get(&claimed).map(|pod| pod.ips[0]);
                let address = own.filter(|_| bits & 1 == 0).unwrap_or(IpAddr::V4(other));
                let uid = Some(claimed.as_str()).filter(|_| bits & 2 == 0);
                let slice = slice(name, address, uid, Some(named).filter(|_| bits & 4 == 0));
                self.slices.insert(key, slice);
                None
            }
            _ => Some(self.listed()),
        }
    }

    /// Tells the reducer, and does what it says until there is nothing more to do.
    fn tell(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.state.on_event(event) {
                events.extend(self.act(action));
            }
        }
    }

    fn act(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Find { pod, search, .. } => {
                let Some(IpAddr::V4(ip)) = self.pods.get(&pod.0).map(|pod| pod.ips[0]) else {
                    return None;
                };
                let sandbox = Sandbox {
                    // A pod that is made anew has another network.
                    netns: NetnsId {
                        inode: 1,
                        cookie: Some(ip.to_bits().into()),
                    },
                    process: 1,
                    interface: "eth0".to_owned(),
                };
                Some(Event::Found(pod, search, sandbox))
            }
            Action::Attach {
                rule, pod, search, ..
            } => {
                self.attached.insert((rule, pod.clone()));
                Some(Event::Attached(rule, pod, search))
            }
            Action::Detach { rule, pod } => {
                self.attached.remove(&(rule, pod));
                None
            }
            Action::Tell(_) => None,
        }
    }

    fn check(&self) {
        for (rule, pod) in &self.attached {
            let rule = self.rules[rule];
            let pod = self
                .pods
                .get(&pod.0)
                .expect("attached to a pod that is gone");
            let named = self.services.values().filter(|view| {
                view.service.namespace == pod.namespace
                    && !view.selector.is_empty()
                    && view
                        .selector
                        .iter()
                        .all(|label| pod.labels.get_key_value(label.0) == Some(label))
            });
            let mut named = named.map(|view| &view.service);
            assert!(
                named.any(|service| self.authority.may_take(rule, service)),
                "{} is attached to {}",
                rule.name,
                pod.full_name()
            );
        }
        for rule in self.rules.values() {
            for target in &rule.targets {
                self.check_endpoints(rule, &Aim::of(&rule.source, target));
            }
        }
    }

    /// As the watches do it for a document's target.
    fn check_endpoints(&self, rule: &Rule, aim: &Aim) {
        let Destination::Service {
            service,
            port,
            subset,
        } = &aim.destination
        else {
            return;
        };
        let pods = self.backends(&service.namespace);
        let slices = self
            .slices
            .iter()
            .filter(|((of, _), _)| *of == service.namespace);
        let view = self
            .services
            .get(&(service.namespace.clone(), service.name.clone()));
        let proven = Subset::proven(subset, &pods, self.consent);
        let slices = slices.map(|(_, slice)| slice);
        for address in Endpoints::of_service(view, *port, slices, &proven).addresses {
            let mut own = self
                .pods
                .values()
                .filter(|pod| pod.ips.contains(&address.ip()));
            assert!(
                own.any(|pod| {
                    let service = ServiceRef {
                        namespace: pod.namespace.clone(),
                        name: service.name.clone(),
                    };
                    self.authority.may_send(rule, &service)
                        && subset
                            .iter()
                            .all(|label| pod.labels.get_key_value(label.0) == Some(label))
                }),
                "{} sends copies to {address}",
                rule.name
            );
        }
    }

    fn backends(&self, namespace: &str) -> Vec<BackendPod> {
        let own = self.pods.values().filter(|pod| pod.namespace == namespace);
        own.map(|pod| BackendPod {
            uid: pod.uid.0.clone(),
            name: pod.name.clone(),
            labels: pod.labels.clone(),
            ips: pod.ips.clone(),
            ready: true,
            node: None,
        })
        .collect()
    }
}

fn uid(namespace: &str, name: &str) -> String {
    format!("{namespace}-{name}")
}

fn labels(all: &[(&str, &str)]) -> Labels {
    all.iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn pod(namespace: &str, name: &str, ip: [u8; 4]) -> PodView {
    PodView {
        uid: PodUid(uid(namespace, name)),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        labels: labels(&[("app", name), ("v", "1")]),
        phase: Phase::Running,
        host_network: false,
        ips: vec![Ipv4Addr::from(ip).into()],
        deleting: false,
        static_hash: None,
        gate_open: None,
        ports: BTreeMap::new(),
    }
}

fn service(namespace: &str, name: &str, selector: Labels) -> ServiceView {
    ServiceView {
        service: ServiceRef {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        },
        selector,
        ports: vec![ServicePort {
            name: String::new(),
            port: 80,
            target: TargetPort::Number(80),
        }],
    }
}

fn slice(service: &str, ip: IpAddr, uid: Option<&str>, name: Option<&str>) -> SliceView {
    SliceView {
        name: format!("{service}-1"),
        service: service.to_owned(),
        ports: vec![SlicePort {
            name: String::new(),
            port: 80,
        }],
        endpoints: vec![SliceEndpoint {
            ip,
            ready: true,
            pod_uid: uid.map(str::to_owned),
            pod_name: name.map(str::to_owned),
            node: None,
        }],
    }
}

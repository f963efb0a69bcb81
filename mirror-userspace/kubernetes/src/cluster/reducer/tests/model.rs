//! Random lives of many pods, with answers that come late, against what is obviously right: once all
//! is said, exactly the pods that serve and are selected are attached, each in the network it has.

use std::collections::{BTreeMap, VecDeque};

use mirror_core::random::Random;

use super::*;

const OTHER: RuleId = RuleId(2);
const PODS: u16 = 4;

/// Pods and ports have numbers of 16 bits.
struct Chance(Random);

impl Chance {
    fn below(&mut self, bound: u16) -> u16 {
        u16::try_from(self.0.below(bound.into())).unwrap()
    }

    fn one_in(&mut self, bound: u16) -> bool {
        self.below(bound) == 0
    }
}

/// The cluster and the node as they are, which the reducer learns late.
struct World {
    chance: Chance,
    state: NodeState,
    /// The pods that exist, each with its network.
    pods: BTreeMap<PodUid, (PodView, Sandbox)>,
    /// What the API has not said yet, in its order.
    unsaid: VecDeque<Event>,
    /// What the node has not done yet, in its order; searches are answered out of order.
    undone: VecDeque<Action>,
    searches: Vec<Action>,
    /// What is attached where.
    attached: BTreeMap<(RuleId, PodUid), (NetnsId, Vec<u16>)>,
    rules: BTreeMap<RuleId, Source>,
    networks: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            chance: Chance(Random::new(seed)),
            state: NodeState::default(),
            pods: BTreeMap::new(),
            unsaid: VecDeque::from([Event::PodsListed(vec![])]),
            undone: VecDeque::new(),
            searches: Vec::new(),
            attached: BTreeMap::new(),
            rules: BTreeMap::new(),
            networks: 0,
        };
        world.set_rule(FLAGS, Some(v1_at(&[80])));
        world
    }

    fn tell(&mut self, event: Event) {
        for action in self.state.on_event(event) {
            match action {
                Action::Find { .. } => self.searches.push(action),
                Action::Tell(_) => {}
                other => self.undone.push_back(other),
            }
        }
    }

    fn set_rule(&mut self, rule: RuleId, source: Option<Source>) {
        match source {
            Some(source) => {
                self.rules.insert(rule, source.clone());
                self.tell(Event::RuleApplied(rule, source));
            }
            None => {
                self.rules.remove(&rule);
                self.attached.retain(|(of, _), _| *of != rule);
                // What is still to be done for it finds no daemon.
                self.undone.retain(|action| {
                    !matches!(action, Action::Attach { rule: of, .. } | Action::Detach { rule: of, .. }
                        if *of == rule)
                });
                self.tell(Event::RuleRemoved(rule));
            }
        }
    }

    fn network(&mut self) -> Sandbox {
        self.networks += 1;
        // Numbers of inodes are used again.
        sandbox(self.networks % 3, self.networks)
    }

    /// Something happens to a pod, of which the API tells later, or to a rule.
    fn happen(&mut self) {
        let name = format!("pod-{}", self.chance.below(PODS));
        let number = self.chance.below(200) + 1;
        let mut view = pod(&name, &format!("10.0.0.{number}"));
        let uid = view.uid.clone();
        match self.chance.below(9) {
            0 if self.pods.remove(&uid).is_some() => self.unsaid.push_back(Event::PodDeleted(uid)),
            1 => view.phase = Phase::Pending,
            2 => view.phase = Phase::Failed,
            3 => view.labels = labels(&[("version", "v2")]),
            4 => view.host_network = true,
            // An address may come late; one that goes says nothing of what is attached.
            5 if !self.pods.contains_key(&uid) => view.ips.clear(),
            6 => {
                let ports = [self.chance.below(3) + 1];
                let rule = self.chance.below(3);
                let source = (rule > 0).then(|| v1_at(&ports));
                return self.set_rule(OTHER, source);
            }
            _ => {}
        }
        let new_network = self.chance.one_in(3);
        let network = match self.pods.get(&view.uid) {
            Some((_, sandbox)) if !new_network => sandbox.clone(),
            _ => self.network(),
        };
        self.pods.insert(view.uid.clone(), (view.clone(), network));
        self.unsaid.push_back(Event::PodApplied(view));
    }

    fn say(&mut self) {
        if self.chance.one_in(20) {
            // The watch begins anew: what it had not said is in the list.
            self.unsaid.clear();
            let views = self.pods.values().map(|(view, _)| view.clone());
            let listed = Event::PodsListed(views.collect());
            return self.tell(listed);
        }
        if let Some(event) = self.unsaid.pop_front() {
            self.tell(event);
        }
    }

    /// Answers a search with what is true now: by address, as the node does.
    fn answer(&mut self) {
        if self.searches.is_empty() {
            return;
        }
        let at = usize::from(self.chance.below(self.searches.len().try_into().unwrap()));
        let Action::Find {
            pod, search, ips, ..
        } = self.searches.swap_remove(at)
        else {
            panic!("no search");
        };
        let found = self
            .pods
            .get(&pod)
            .filter(|(view, _)| view.may_be_attached())
            .filter(|(view, _)| ips.is_empty() || view.ips.iter().any(|ip| ips.contains(ip)));
        let answer = match found {
            Some((_, sandbox)) => Event::Found(pod, search, sandbox.clone()),
            None => Event::NotFound(pod, search, "nowhere".to_owned()),
        };
        self.tell(answer);
    }

    fn act(&mut self) {
        match self.undone.pop_front() {
            Some(Action::Attach {
                rule,
                pod,
                search,
                sandbox,
                ports,
                ..
            }) => {
                let fails = self.chance.one_in(5);
                if fails {
                    let why = "by chance".to_owned();
                    return self.tell(Event::AttachFailed(rule, pod, search, why));
                }
                let before = self
                    .attached
                    .insert((rule, pod.clone()), (sandbox.netns, ports));
                assert_eq!(before, None, "attached twice");
                self.tell(Event::Attached(rule, pod, search));
            }
            Some(Action::Detach { rule, pod }) => {
                // One that failed has nothing to be detached, and its answer may be on the way.
                self.attached.remove(&(rule, pod));
            }
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    }

    fn expected(&self) -> BTreeMap<(RuleId, PodUid), (NetnsId, Vec<u16>)> {
        let mut expected = BTreeMap::new();
        for (uid, (view, sandbox)) in &self.pods {
            let v1 = view
                .labels
                .get("version")
                .is_some_and(|version| version == "v1");
            if !v1 || view.host_network || !view.may_be_attached() {
                continue;
            }
            for (rule, source) in &self.rules {
                if let Source::Pods { ports, .. } = source {
                    let place = (sandbox.netns, ports.clone());
                    expected.insert((*rule, uid.clone()), place);
                }
            }
        }
        expected
    }

    /// Nothing more happens, and everything is said, answered and done.
    fn settle(&mut self) {
        // A sandbox that changed without a word is found at the next one.
        let views: Vec<_> = self.pods.values().map(|(view, _)| view.clone()).collect();
        self.unsaid.push_back(Event::PodsListed(views));
        for _ in 0..10_000 {
            if let Some(event) = self.unsaid.pop_front() {
                self.tell(event);
            }
            self.act();
            self.answer();
            if self.unsaid.is_empty() && self.undone.is_empty() && self.searches.is_empty() {
                return;
            }
        }
        panic!("it never comes to rest");
    }
}

#[test]
fn whatever_happens_the_end_is_right() {
    for seed in 1..=2_000 {
        let mut world = World::new(seed);
        for _ in 0..60 {
            match world.chance.below(4) {
                0 => world.happen(),
                1 => world.say(),
                2 => world.answer(),
                _ => world.act(),
            }
        }
        world.settle();
        assert_eq!(world.attached, world.expected(), "seed {seed}");
        assert_eq!(world.state.ready(), Ok(()), "seed {seed}");
    }
}

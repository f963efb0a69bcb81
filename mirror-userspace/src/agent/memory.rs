//! What the cluster was like, kept in a file on the node: an agent that starts while the API can't be reached goes on
//! with it.
//!
//! The last word of the API stays true while it is away, and a restart of the agent changes nothing of that. But it
//! must be of this node, this boot, these flags and the last hour, for addresses are used again; and the API has to be away, as
//! a document that was deleted meanwhile must not come back. Pods are looked for by their UID and address, as ever.

mod file;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use log::{info, warn};
use mirror_kubernetes::{
    cluster::{Aim, Event, Needs, PodUid, PodView, ServiceView, Update},
    config::Terms,
    plan::{Rule, Scope, Source},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{task::spawn_blocking, time::Instant};

pub(super) use file::Origin;

/// What is written comes so long after a change, so that it is all of it.
const SETTLES_AFTER: Duration = Duration::from_secs(5);

/// How often it is written though nothing has changed, while the API answers: its age is that of the API's word.
const RENEWED_EVERY: Duration = Duration::from_secs(300);

/// What is known of the cluster, as the file has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Remembered {
    /// The pods of this node.
    pub(super) pods: Vec<PodView>,
    /// The services whose pods are mirrored.
    pub(super) services: Vec<ServiceView>,
    /// Where copies go, by whose word.
    endpoints: BTreeMap<String, Vec<SocketAddr>>,
    /// The documents of the cluster.
    #[serde(with = "shared")]
    pub(super) documents: Vec<Arc<Value>>,
}

/// Values that are shared, as values.
mod shared {
    use super::{Arc, Value};
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        values: &[Arc<Value>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|value| &**value))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Arc<Value>>, D::Error> {
        let values = Vec::<Value>::deserialize(deserializer)?;
        Ok(values.into_iter().map(Arc::new).collect())
    }
}

impl Remembered {
    /// The addresses of a destination, if it has been known.
    pub(super) fn addresses(&self, of: &Aim) -> Option<&Vec<SocketAddr>> {
        self.endpoints.get(&name(of))
    }
}

/// Aims can't be written, but their debug text shows all that they are made of.
fn name(aim: &Aim) -> String {
    format!("{aim:?}")
}

/// The file, and what it is to have.
#[derive(Debug)]
pub(super) struct Memory {
    path: PathBuf,
    origin: Origin,
    pods: BTreeMap<PodUid, PodView>,
    services: BTreeMap<String, ServiceView>,
    endpoints: BTreeMap<String, Vec<SocketAddr>>,
    documents: Vec<Arc<Value>>,
    /// Whether documents are watched: otherwise none are kept or acted on.
    has_documents: bool,
    /// What the file had at the start, until the API has said anything.
    before: Option<Remembered>,
    changed: Option<Instant>,
    written: Option<Instant>,
    /// Why it could not be written, as it was said.
    said: Option<String>,
}

impl Memory {
    /// Reads the file, if there is one that can be trusted.
    pub(super) fn open(path: PathBuf, node: &str, watched: Option<&Scope>, terms: &Terms) -> Self {
        let origin = Origin::of(node, watched, terms);
        let has_documents = watched.is_some();
        let mut before = match file::read(&path, &origin) {
            Ok(before) => before,
            Err(why) => {
                info!("{}: {why}: it is not used", path.display());
                None
            }
        };
        if let Some(before) = before.as_mut().filter(|_| !has_documents) {
            before.documents.clear();
        }
        // What the API has yet to speak of stays in the file.
        let Remembered {
            pods,
            services,
            endpoints,
            documents,
        } = before.clone().unwrap_or_default();
        Self {
            path,
            origin,
            pods: pods.into_iter().map(|pod| (pod.uid.clone(), pod)).collect(),
            services: services.into_iter().map(by_name).collect(),
            endpoints,
            documents,
            has_documents,
            before,
            changed: None,
            written: None,
            said: None,
        }
    }

    /// The API has said this.
    pub(super) fn observe(&mut self, update: &Update) {
        match update {
            Update::Event(Event::PodsListed(pods)) => {
                let pods = pods.iter().map(|pod| (pod.uid.clone(), pod.clone()));
                self.pods = pods.collect();
            }
            Update::Event(Event::PodApplied(pod)) => {
                self.pods.insert(pod.uid.clone(), pod.clone());
            }
            Update::Event(Event::PodDeleted(uid)) => {
                self.pods.remove(uid);
            }
            Update::Event(Event::ServiceApplied(view)) => {
                self.services.extend([by_name(view.clone())]);
            }
            Update::Event(Event::ServiceDeleted(service)) => {
                self.services.remove(&service.to_string());
            }
            // Of rules and of this node.
            Update::Event(_) | Update::Portion(..) => return,
            Update::Endpoints(aim, endpoints) => {
                let addresses = endpoints.addresses.clone();
                self.endpoints.insert(name(aim), addresses);
            }
            Update::Documents(_) if !self.has_documents => return,
            Update::Documents(documents) => self.documents.clone_from(&documents.held),
        }
        self.before = None;
        self.changed.get_or_insert_with(Instant::now);
    }

    /// Forgets the services and destinations that nothing is mirrored of or to any more.
    fn retain(&mut self, needs: &Needs) {
        let sources = needs.sources.iter().filter_map(|source| match source {
            Source::Service { service, .. } => Some(service.to_string()),
            Source::Pods { .. } => None,
        });
        let sources: BTreeSet<_> = sources.collect();
        self.services.retain(|name, _| sources.contains(name));
        let aims: BTreeSet<_> = needs.destinations.iter().map(name).collect();
        self.endpoints.retain(|aim, _| aims.contains(aim));
    }

    /// What the file had, while nothing was heard of the API; once.
    pub(super) fn take(&mut self) -> Option<Remembered> {
        self.before.take()
    }

    /// Whether the file had anything, and nothing was heard of the API.
    pub(super) const fn waits(&self) -> bool {
        self.before.is_some()
    }

    /// Writes the file if it is time to. Of services and destinations those stay that these rules, which are all,
    /// are about; `heard` says that the API answers.
    pub(super) async fn write(&mut self, rules: impl Iterator<Item = &Rule>, heard: bool) {
        let now = Instant::now();
        let passed = |since: Option<Instant>, least| {
            since.is_some_and(|since| now.duration_since(since) >= least)
        };
        let renewed = passed(self.written, RENEWED_EVERY);
        // What is written is stamped as the API's word of now.
        if !heard || !(passed(self.changed, SETTLES_AFTER) || renewed) {
            return;
        }
        self.changed = None;
        self.written = Some(now);
        self.retain(&Needs::of(rules, None));
        let all = Remembered {
            pods: self.pods.values().cloned().collect(),
            services: self.services.values().cloned().collect(),
            endpoints: self.endpoints.clone(),
            documents: self.documents.clone(),
        };
        let (path, origin) = (self.path.clone(), self.origin.clone());
        let written = spawn_blocking(move || file::write(&path, origin, all)).await;
        let failed = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(panic) => Some(panic.to_string()),
        };
        if let Some(why) = failed.as_ref().filter(|_| failed != self.said) {
            let path = self.path.display();
            warn!("{path}: {why}: an agent that starts while the API is away will mirror nothing");
        }
        self.said = failed;
    }
}

fn by_name(view: ServiceView) -> (String, ServiceView) {
    (view.service.to_string(), view)
}

#[cfg(test)]
mod tests {
    use mirror_core::{
        destination::{Labels, ServiceRef},
        policy::PolicyConfig,
    };
    use mirror_kubernetes::{cluster::AllDocuments, plan::Compare};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn where_no_documents_are_watched_none_are_used_or_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let terms = Terms::default();
        let documents = vec![Arc::new(json!({"kind": "TrafficMirror"}))];
        // Whoever wrote them there.
        let known = Remembered {
            documents: documents.clone(),
            ..Remembered::default()
        };
        file::write(&path, Origin::of("node-1", None, &terms), known).unwrap();
        let mut memory = Memory::open(path.clone(), "node-1", None, &terms);
        assert_eq!(memory.before.as_ref().unwrap().documents, Vec::new());
        let all = AllDocuments {
            held: documents,
            left_out: Vec::new(),
        };
        memory.observe(&Update::Documents(all));
        memory.observe(&Update::Event(Event::PodsListed(Vec::new())));
        memory.changed = Instant::now().checked_sub(SETTLES_AFTER);
        memory.write(std::iter::empty(), true).await;
        let written = file::read(&path, &memory.origin).unwrap().unwrap();
        assert_eq!(written.documents, Vec::new());
    }

    /// What mirrors the service of this name in namespace `shop`.
    fn rule(service: &str) -> Rule {
        Rule {
            name: format!("TrafficMirror shop/{service}"),
            tenant: Some("shop".to_owned()),
            source: Source::Service {
                service: ServiceRef {
                    namespace: "shop".to_owned(),
                    name: service.to_owned(),
                },
                subset: Labels::new(),
                ports: Vec::new(),
            },
            policy: PolicyConfig::default(),
            sample_by: None,
            max_rps: None,
            back_off: None,
            targets: Vec::new(),
            compare: Compare::default(),
        }
    }

    #[tokio::test]
    async fn services_that_no_rule_mirrors_any_more_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let terms = Terms::default();
        let mut memory = Memory::open(path, "node-1", None, &terms);
        for number in 0..100 {
            let rule = rule(&format!("web-{number}"));
            let Source::Service { service, .. } = &rule.source else {
                panic!("{rule:?}");
            };
            let view = ServiceView {
                service: service.clone(),
                selector: Labels::new(),
                ports: Vec::new(),
            };
            memory.observe(&Update::Event(Event::ServiceApplied(view)));
            memory.changed = Instant::now().checked_sub(SETTLES_AFTER);
            memory.write([&rule].into_iter(), true).await;
            let kept: Vec<_> = memory.services.keys().collect();
            assert_eq!(kept, [&service.to_string()]);
        }
        let written = file::read(&memory.path, &memory.origin).unwrap().unwrap();
        assert_eq!(written.services.len(), 1);
    }

    #[tokio::test]
    async fn while_a_watch_fails_what_is_known_is_not_stamped_as_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let mut memory = Memory::open(path.clone(), "node-1", None, &Terms::default());
        memory.observe(&Update::Event(Event::PodsListed(Vec::new())));
        memory.changed = Instant::now().checked_sub(SETTLES_AFTER);
        memory.write(std::iter::empty(), false).await;
        assert!(!path.exists());
        memory.write(std::iter::empty(), true).await;
        assert!(path.exists(), "once it works again");
    }
}

//! From what is to be watched to the request for it and the form that it is kept in.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::{
    install,
    needs::{Query, Slot},
    report::{Change, Changed, Reporter},
    task::{Back, Watch},
};
use crate::{
    cluster::objects::{backend_pod, pod_view, service_view, slice_view},
    plan::Scope,
};

/// How old a list may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// As old as the API server's cache may be.
    Cached,
    /// As new as the API server's store.
    Current,
}

/// Everything that the task of a watch is given.
pub(super) struct Ask {
    pub(super) client: Client,
    pub(super) query: Query,
    pub(super) freshness: Freshness,
    pub(super) reporter: Reporter,
    pub(super) back: Back,
}

impl Ask {
    /// Lists and watches without end, and reports what changes.
    pub(super) async fn run(self) {
        match &*self.reporter.slot {
            Slot::NodePods => self.follow(pod_view, Changed::NodePods).await,
            Slot::Services(_) => self.follow(service_view, Changed::Services).await,
            Slot::Slices(_) => self.follow(slice_view, Changed::Slices).await,
            Slot::Backends(..) | Slot::Everywhere(_) => {
                self.follow(backend_pod, Changed::Backends).await
            }
            Slot::Documents(kind) => {
                let kind = *kind;
                install::run(self, kind).await;
            }
        }
    }

    async fn follow<K, V>(&self, view: impl Fn(K) -> V, wrap: impl Fn(Change<V>) -> Changed)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let api: Api<K> = match &self.query.scope {
            Scope::All => Api::all(self.client.clone()),
            Scope::Namespace(name) => Api::namespaced(self.client.clone(), name),
        };
        let watch = Watch {
            api,
            query: self.query.clone(),
            freshness: self.freshness,
            view,
            wrap,
            reporter: self.reporter.clone(),
            one_by_one: false,
            back: self.back.clone(),
        };
        watch.run().await;
    }
}

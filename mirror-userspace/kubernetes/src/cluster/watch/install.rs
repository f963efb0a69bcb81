//! Configuration of a kind that may not be installed in the cluster: it is watched once it is.
//!
//! An API server answers 404 for a kind that it doesn't serve. Then the kind's definition is watched
//! in its place, whose every change is a reason to ask again. Without the right to do that, the kind
//! is asked for twice a minute or more.

use std::{pin::pin, time::Duration};

use futures::StreamExt as _;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, ResourceExt as _,
    api::PartialObjectMeta,
    runtime::{
        watcher,
        watcher::{Config, DefaultBackoff, Event},
    },
};
use tokio::time::{sleep, timeout};

use super::{
    ask::{Ask, Freshness},
    report::{Certainty, Changed, Reporter, Said},
    status::{Failure, FailureReason},
    task::{Watch, pause, spread},
};
use crate::{
    cluster::document::{Document, DocumentKind, RawDocument},
    plan::Scope,
};

/// How often a kind that is not served is asked for though nothing hints at it.
const RARELY: Duration = Duration::from_secs(600);

/// The same where the definition can't be watched.
const WITHOUT_DEFINITIONS: Duration = Duration::from_secs(20);

/// A definition serves its kind a moment after it has come or changed.
const ESTABLISHED_AFTER: Duration = Duration::from_secs(1);

/// The version of a definition.
type Seen = Option<String>;

/// Watches a kind of configuration without end, from the time that the cluster has it.
pub(super) async fn run(ask: Ask, kind: DocumentKind) {
    let Ask {
        client,
        query,
        reporter,
        back,
        ..
    } = ask;
    let mut patience = DefaultBackoff::default();
    let mut seen = Seen::None;
    loop {
        for resource in kind.resources() {
            let api: Api<RawDocument> = match &query.scope {
                Scope::All => Api::all_with(client.clone(), &resource),
                Scope::Namespace(name) => Api::namespaced_with(client.clone(), name, &resource),
            };
            let mut watch = Watch {
                api,
                query: query.clone(),
                // In pages: a mesh may have thousands, and most of them are dropped.
                freshness: Freshness::Current,
                view: |object| Document::of(kind, &resource.api_version, object),
                wrap: Changed::Documents,
                reporter: reporter.clone(),
                one_by_one: true,
                back: back.clone(),
            };
            watch.run_while_served(&mut patience).await;
        }
        let supposed = Said::NotInstalled(Certainty::Supposed);
        reporter.say(supposed).await;
        let changed = definition_changes(&client, kind, &mut seen, &mut patience, &reporter);
        // Time is up: ask again.
        timeout(spread(RARELY), changed).await.unwrap_or(());
    }
}

/// Waits until the definition of a kind is another one than the one `seen`.
async fn definition_changes(
    client: &Client,
    kind: DocumentKind,
    seen: &mut Seen,
    patience: &mut DefaultBackoff,
    reporter: &Reporter,
) {
    let api: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(client.clone());
    let config = Config::default().fields(&format!("metadata.name={}", kind.definition()));
    let mut events = pin!(watcher(api, config));
    let mut listed = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed = false,
            Ok(Event::InitApply(definition) | Event::Apply(definition)) => {
                listed = true;
                let version = definition.resource_version();
                if version != *seen {
                    *seen = version;
                    return sleep(ESTABLISHED_AFTER).await;
                }
            }
            Ok(Event::InitDone) if listed => {}
            Ok(Event::InitDone | Event::Delete(_)) => {
                *seen = None;
                let certain = Said::NotInstalled(Certainty::Certain);
                reporter.say(certain).await;
            }
            Err(error) if Failure::of(&error).reason == FailureReason::Forbidden => {
                return sleep(spread(WITHOUT_DEFINITIONS)).await;
            }
            Err(_) => pause(patience).await,
        }
    }
}

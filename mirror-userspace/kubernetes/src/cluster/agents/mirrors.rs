//! The documents of a cluster: read once, and TrafficMirrors changed where they live.

use std::{fmt, str::FromStr, sync::Arc};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Service;
use kube::{
    Api, Client,
    api::{ApiResource, ListParams, Patch, PatchParams},
    core::DynamicObject,
};
use mirror_core::{
    destination::{is_object_name, is_subdomain},
    value::Rate,
};
use serde_json::{Value, json};

use super::because;
use crate::{cluster::DocumentKind, config::Document};

/// Objects in one answer of the API.
const PAGE: u32 = 500;
/// Objects that are read at most, of each kind.
const MOST: usize = 10_000;

/// The name of a TrafficMirror: `NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorName {
    /// Its namespace.
    pub namespace: String,
    /// Its own name.
    pub name: String,
}

impl FromStr for MirrorName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/');
        let valid =
            parts.filter(|(namespace, name)| is_object_name(namespace) && is_subdomain(name));
        let (namespace, name) = valid
            .ok_or_else(|| format!("{text:?} is no TrafficMirror; accepted: NAMESPACE/NAME"))?;
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for MirrorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What a TrafficMirror is changed to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MirrorChange {
    /// Every target gets this share.
    Percent(Rate),
    /// It is switched off, or on again.
    Suspend(bool),
}

/// Changes a TrafficMirror: what is in the API lasts, whatever becomes of agents and pods. The change is refused if
/// somebody else changed the object meanwhile.
///
/// # Errors
/// There is none of this name, or the API says no.
pub async fn change(client: &Client, mirror: &MirrorName, change: MirrorChange) -> Result<()> {
    let mut versions = DocumentKind::TrafficMirror.resources();
    let resource = versions
        .next()
        .context("no version of TrafficMirror is known")?;
    let mirrors: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &mirror.namespace, &resource);
    let said = |error| because(error, "get and patch trafficmirrors");
    let mut object = mirrors.get(&mirror.name).await.map_err(said)?;
    let spec = match change {
        MirrorChange::Suspend(suspend) => json!({"suspend": suspend}),
        MirrorChange::Percent(rate) => {
            let targets = object.data.pointer_mut("/spec/targets");
            let mut targets = targets.map(Value::take).unwrap_or_default();
            let each = targets.as_array_mut().context("it has no targets")?;
            for target in each.iter_mut().filter_map(Value::as_object_mut) {
                target.insert("percent".to_owned(), percent(rate));
            }
            json!({"targets": targets})
        }
    };
    let patch = json!({
        "metadata": {"resourceVersion": object.metadata.resource_version},
        "spec": spec,
    });
    let params = PatchParams {
        field_manager: Some("kubectl-podmirror".to_owned()),
        ..PatchParams::default()
    };
    mirrors
        .patch(&mirror.name, &params, &Patch::Merge(&patch))
        .await
        .map_err(said)?;
    Ok(())
}

/// `10` of `10 %`, as precise as the rate is.
fn percent(rate: Rate) -> Value {
    let text = rate.to_string();
    let number = text.trim_end_matches([' ', '%']);
    serde_json::from_str(number).unwrap_or_default()
}

/// The documents of a namespace, or of all, that say what is mirrored, and its services, about 10 000 of each kind at most;
/// and which kinds could not be read, and why.
pub async fn documents(client: &Client, namespace: Option<&str>) -> (Vec<Document>, Vec<String>) {
    let (mut documents, mut unread) = (Vec::new(), Vec::new());
    let mut kinds: Vec<Vec<ApiResource>> = DocumentKind::ALL
        .map(|kind| kind.resources().collect())
        .into();
    kinds.push(vec![ApiResource::erase::<Service>(&())]);
    for versions in &kinds {
        for resource in versions {
            match list(client, namespace, resource).await {
                Ok(found) => documents.extend(found),
                // A kind that is not installed has no documents, and another version of it may be.
                Err(kube::Error::Api(status)) if status.code == 404 => continue,
                Err(error) => {
                    let right = format!("list {}", resource.plural);
                    unread.push(format!("{}: {:#}", resource.kind, because(error, &right)));
                }
            }
            break;
        }
    }
    (documents, unread)
}

async fn list(
    client: &Client,
    namespace: Option<&str>,
    resource: &ApiResource,
) -> kube::Result<Vec<Document>> {
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    };
    let mut params = ListParams::default().limit(PAGE);
    let mut documents = Vec::new();
    while documents.len() < MOST {
        let page = api.list(&params).await?;
        documents.extend(page.items.into_iter().map(|it| document(it, resource)));
        match page.metadata.continue_ {
            Some(next) if !next.is_empty() => params.continue_token = Some(next),
            _ => break,
        }
    }
    Ok(documents)
}

fn document(object: DynamicObject, resource: &ApiResource) -> Document {
    let mut value = serde_json::to_value(&object).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        // Items of a list do not say what they are.
        fields.insert("apiVersion".to_owned(), json!(resource.api_version));
        fields.insert("kind".to_owned(), json!(resource.kind));
        fields.remove("status");
    }
    Document {
        origin: "the cluster".to_owned(),
        value: Arc::new(value),
    }
}

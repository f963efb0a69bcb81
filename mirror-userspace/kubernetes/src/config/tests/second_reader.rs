//! The Gateway API's own types, made from its definitions, as a second reader, and so those that the definition
//! of a `TrafficMirror` is made of.
//!
//! A document that is read here must be one to them, and what they keep of it must be read as the
//! document was: a field that is named or placed otherwise than they have it would be lost on the way.

use std::sync::Arc;

use gateway_api::apis::standard::{
    grpcroutes::GrpcRoute, httproutes::HttpRoute, referencegrants::ReferenceGrant,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{definition::TrafficMirror, *};

/// The documents, each as the types of its kind have it.
pub(super) fn reread(documents: &[Document]) -> Vec<Document> {
    let reread = documents.iter().map(|document| {
        let value = &document.value;
        let group = value["apiVersion"].as_str().unwrap_or_default();
        let mut document = document.clone();
        if group.starts_with("podmirror.io/") {
            document.value = Arc::new(through::<TrafficMirror>(value));
        }
        if group.starts_with("gateway.networking.k8s.io/") {
            document.value = Arc::new(match value["kind"].as_str() {
                Some("HTTPRoute") => through::<HttpRoute>(value),
                Some("GRPCRoute") => through::<GrpcRoute>(value),
                Some("ReferenceGrant") => through::<ReferenceGrant>(value),
                _ => Value::clone(value),
            });
        }
        document
    });
    reread.collect()
}

fn through<T: Serialize + DeserializeOwned>(value: &Value) -> Value {
    match serde_json::from_value::<T>(value.clone()) {
        Ok(typed) => serde_json::to_value(typed).unwrap(),
        // The filter of a later version of the API, which is told and passed over here.
        Err(error) if error.to_string().starts_with("unknown variant `New`") => value.clone(),
        Err(error) => panic!("{error} in {value:#}"),
    }
}

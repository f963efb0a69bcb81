//! What clients may write: objects that are created, replaced and merged, with the API's conflicts.

use serde_json::{Value, json};

use super::{
    request::Request,
    store::{Resource, Store},
};

/// A write that was asked for, whatever came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// `POST`, `PUT` or `PATCH`.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// What was sent; null if that was no JSON.
    pub body: Value,
    pub(super) strategic: bool,
}

impl Write {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            method: request.method.clone(),
            path: request.path.clone(),
            body: serde_json::from_slice(&request.body).unwrap_or_default(),
            strategic: request.strategic,
        }
    }
}

/// Carries it out. Returns the object as it is then, with the status of the reply.
///
/// # Errors
/// The status that it is refused with.
pub(super) fn carry_out(
    store: &mut Store,
    place: &Resource,
    write: &Write,
) -> Result<(u16, Value), u16> {
    match (write.method.as_str(), &place.name) {
        ("POST", None) => {
            let name = write.body.pointer("/metadata/name").and_then(Value::as_str);
            let name = name.ok_or(422_u16)?.to_owned();
            if store.get(place, &name).is_some() {
                return Err(409);
            }
            let mut object = write.body.clone();
            if let (Some(metadata), Some(namespace)) = (
                object.get_mut("metadata").and_then(Value::as_object_mut),
                place.namespace(),
            ) {
                metadata.insert("namespace".to_owned(), json!(namespace));
            }
            store.apply(place.collection(), object);
            Ok((201, store.get(place, &name).ok_or(500_u16)?))
        }
        ("PUT", Some(name)) => {
            let before = store.get(place, name).ok_or(404_u16)?;
            same_version(&before, &write.body)?;
            store.apply(place.collection(), write.body.clone());
            Ok((200, store.get(place, name).ok_or(500_u16)?))
        }
        ("PATCH", Some(name)) => {
            let before = store.get(place, name).ok_or(404_u16)?;
            same_version(&before, &write.body)?;
            let mut after = before.clone();
            // The status has a path of its own, and all else has the other one.
            let mut patch = write.body.clone();
            let uid = |object: &Value| object.pointer("/metadata/uid").cloned();
            if uid(&patch).is_some_and(|it| Some(it) != uid(&before)) {
                return Err(409);
            }
            if write.strategic {
                join_lists(&before, &mut patch);
            }
            if let Some(fields) = patch.as_object_mut() {
                fields.retain(|field, _| (field == "status") == place.status);
            }
            merge(&mut after, &patch);
            if after != before {
                store.apply(place.collection(), after);
            }
            Ok((200, store.get(place, name).ok_or(500_u16)?))
        }
        _ => Err(405),
    }
}

/// Who names a version writes to that one only.
fn same_version(before: &Value, write: &Value) -> Result<(), u16> {
    let version = |object: &Value| object.pointer("/metadata/resourceVersion").cloned();
    let named = version(write).filter(|version| !version.is_null());
    match named.is_none_or(|named| Some(named) == version(before)) {
        true => Ok(()),
        false => Err(409),
    }
}

/// What a strategic merge patch says of lists by `type`: those of other types stay.
fn join_lists(object: &Value, patch: &mut Value) {
    match patch {
        Value::Object(fields) => {
            for (name, value) in fields {
                join_lists(object.get(name).unwrap_or(&Value::Null), value);
            }
        }
        Value::Array(items) => {
            let given: Vec<_> = items.iter().map(|item| item["type"].clone()).collect();
            let before = object.as_array().into_iter().flatten();
            let others = before.filter(|item| !given.contains(&item["type"]));
            items.extend(others.cloned().collect::<Vec<_>>());
        }
        _ => {}
    }
}

/// RFC 7396.
fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    let Some(object) = object.as_object_mut() else {
        return;
    };
    for (name, value) in fields {
        if value.is_null() {
            object.remove(name);
        } else {
            merge(object.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

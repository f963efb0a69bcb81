//! An object as the API sends it, of which no more is kept than may be.
//!
//! Whoever may write a document may make it as large as the API takes it, and small JSON can become
//! much memory: `[[],[],…]` thirty times its length. So what is read is weighed while it is read, and
//! what is too heavy or too deep is skipped instead of kept.

use std::{borrow::Cow, cell::Cell, fmt};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, api::ApiResource, core::DynamicResourceScope};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// The heaviest `spec` that is read, in bytes of memory, 1 MiB: some 150 kB of JSON.
pub(in crate::cluster) const MAX_WEIGHT: usize = 1 << 20;

/// The most lists and objects within each other.
const MAX_DEPTH: usize = 32;

/// What a value takes beside its text, and a field beside its value.
const VALUE: usize = 80;
const FIELD: usize = 64;

/// An object of any kind: `metadata` and `spec`, and of them what fits.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::cluster) struct RawDocument {
    #[serde(deserialize_with = "slim")]
    pub(super) metadata: ObjectMeta,
    #[serde(default)]
    pub(super) spec: Spec,
}

/// A document's `spec`, with the memory that it takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spec {
    /// `None` if there is none, or if it is too heavy.
    pub(super) value: Option<Value>,
    /// Bytes of memory that it takes; more than [`MAX_WEIGHT`] if it is too heavy.
    pub(super) weight: usize,
}

/// The few fields of `metadata` that are looked at; others may be long.
fn slim<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Slim {
        namespace: Option<String>,
        name: Option<String>,
        uid: Option<String>,
        generation: Option<i64>,
        resource_version: Option<String>,
        creation_timestamp: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>,
    }
    let slim = Slim::deserialize(deserializer)?;
    Ok(ObjectMeta {
        namespace: slim.namespace,
        name: slim.name,
        uid: slim.uid,
        generation: slim.generation,
        resource_version: slim.resource_version,
        creation_timestamp: slim.creation_timestamp,
        ..ObjectMeta::default()
    })
}

impl<'de> Deserialize<'de> for Spec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let scale = Cell::new(0);
        let value = Weighed {
            scale: &scale,
            depth: 0,
        };
        let value = value.deserialize(deserializer)?;
        let weight = scale.get();
        Ok(Self {
            value: (weight <= MAX_WEIGHT && !value.is_null()).then_some(value),
            weight,
        })
    }
}

/// Reads a value while there is room for it, and skips the rest.
#[derive(Clone, Copy)]
struct Weighed<'a> {
    scale: &'a Cell<usize>,
    depth: usize,
}

impl Weighed<'_> {
    /// Says whether so much more fits.
    fn fits(self, bytes: usize) -> bool {
        let weight = self.scale.get().saturating_add(bytes);
        self.scale.set(weight);
        weight <= MAX_WEIGHT
    }

    fn within(self) -> Self {
        if self.depth >= MAX_DEPTH {
            self.fits(usize::MAX);
        }
        Self {
            depth: self.depth + 1,
            ..self
        }
    }
}

impl<'de> DeserializeSeed<'de> for Weighed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.fits(VALUE) {
            deserializer.deserialize_any(self)
        } else {
            IgnoredAny::deserialize(deserializer).map(|_| Value::Null)
        }
    }
}

impl<'de> Visitor<'de> for Weighed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(if self.fits(text.len()) {
            Value::String(text.to_owned())
        } else {
            Value::Null
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let within = self.within();
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(within)? {
            if self.fits(0) {
                list.push(item);
            } else {
                list = Vec::new();
            }
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let within = self.within();
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<Cow<'_, str>>()? {
            let fits = self.fits(FIELD + name.len());
            let value = fields.next_value_seed(within)?;
            if fits && self.fits(0) {
                object.insert(name.into_owned(), value);
            } else {
                object = Map::new();
            }
        }
        Ok(Value::Object(object))
    }
}

impl Resource for RawDocument {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn group(of: &ApiResource) -> Cow<'_, str> {
        of.group.as_str().into()
    }

    fn version(of: &ApiResource) -> Cow<'_, str> {
        of.version.as_str().into()
    }

    fn kind(of: &ApiResource) -> Cow<'_, str> {
        of.kind.as_str().into()
    }

    fn api_version(of: &ApiResource) -> Cow<'_, str> {
        of.api_version.as_str().into()
    }

    fn plural(of: &ApiResource) -> Cow<'_, str> {
        of.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(spec: &str) -> Spec {
        let text =
            format!(r#"{{"metadata": {{"name": "a", "labels": {{"x": "y"}}}}, "spec": {spec}}}"#);
        serde_json::from_str::<RawDocument>(&text).unwrap().spec
    }

    #[test]
    fn what_fits_is_what_it_says() {
        for spec in [
            r#"{"a": [1, -2, 3.5, true, null, "x\n"], "b": {"c": {}}}"#,
            "[]",
            "7",
        ] {
            let expected: Value = serde_json::from_str(spec).unwrap();
            assert_eq!(read(spec).value, Some(expected));
        }
        assert_eq!(read("null").value, None);
        let text = r#"{"metadata": {"name": "a"}}"#;
        let none: RawDocument = serde_json::from_str(text).unwrap();
        assert_eq!(none.spec, Spec::default());
    }

    #[test]
    fn what_is_too_heavy_or_too_deep_is_skipped() {
        let long = format!("\"{}\"", "x".repeat(MAX_WEIGHT));
        let wide = format!("[{}[]]", "[],".repeat(MAX_WEIGHT / VALUE));
        let names: Vec<_> = (0..MAX_WEIGHT / 100)
            .map(|n| format!("\"k{n}\": 1"))
            .collect();
        let fields = format!("{{{}}}", names.join(","));
        let deep = "[".repeat(MAX_DEPTH + 2) + &"]".repeat(MAX_DEPTH + 2);
        for spec in [long, wide, fields, deep] {
            let read = read(&spec);
            assert_eq!(read.value, None);
            assert!(read.weight > MAX_WEIGHT);
        }
        let deep = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
        assert!(read(&deep).value.is_some());
    }
}

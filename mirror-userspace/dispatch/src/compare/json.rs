//! JSON documents, read within bounds and made ready to be compared.

use std::{cell::Cell, fmt};

use mirror_core::fnv::Fnv;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::rules::{ContentRules, ELEMENT};

/// Most levels of a document.
const LEVELS: usize = 64;
/// Most values in a document, members and elements included.
const VALUES: usize = 20_000;

/// A JSON document.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Whole(i128),
    Real(f64),
    Text(String),
    Array {
        elements: Vec<Json>,
        /// Whether their order matters.
        ordered: bool,
    },
    /// By name, each once.
    Object(Vec<(String, Json)>),
}

/// Why a document is not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadJson {
    /// The bytes are no JSON document.
    Invalid,
    /// It has more levels or values than are looked at.
    TooDeep,
}

impl Json {
    /// Reads a document, without what is ignored.
    pub(super) fn read(bytes: &[u8], rules: &ContentRules) -> Result<Self, BadJson> {
        let budget = Budget {
            left: Cell::new(VALUES),
            exceeded: Cell::new(false),
        };
        let seed = Seed {
            budget: &budget,
            levels: LEVELS,
        };
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let read = seed.deserialize(&mut reader);
        let read = read.and_then(|json| reader.end().map(|()| json));
        let mut json = read.map_err(|_| match budget.exceeded.get() {
            true => BadJson::TooDeep,
            false => BadJson::Invalid,
        })?;
        if !rules.ignored_json.is_empty() || !rules.unordered.is_empty() {
            json.prepare(rules, &mut Vec::new());
        }
        Ok(json)
    }

    /// Takes out what is ignored, and orders the arrays whose order does not matter.
    fn prepare(&mut self, rules: &ContentRules, path: &mut Vec<String>) {
        let is_ignored = |path: &[String]| rules.ignored_json.iter().any(|it| it.matches(path));
        match self {
            Self::Object(members) => members.retain_mut(|(name, member)| {
                path.push(name.clone());
                let stays = !is_ignored(path);
                if stays {
                    member.prepare(rules, path);
                }
                path.pop();
                stays
            }),
            Self::Array { elements, ordered } => {
                *ordered = !rules.unordered.iter().any(|it| it.matches(path));
                path.push(ELEMENT.to_owned());
                if is_ignored(path) {
                    elements.clear();
                }
                elements.iter_mut().for_each(|it| it.prepare(rules, path));
                path.pop();
                if !*ordered {
                    elements.sort_by_cached_key(Self::hash);
                }
            }
            Self::Null | Self::Bool(_) | Self::Whole(_) | Self::Real(_) | Self::Text(_) => {}
        }
    }

    /// The same for equal documents.
    pub(super) fn hash(&self) -> u64 {
        let mut hash = Fnv::new();
        self.write(&mut hash);
        hash.value()
    }

    fn write(&self, hash: &mut Fnv) {
        match self {
            Self::Null => hash.write(b"n"),
            Self::Bool(is) => hash.write(if *is { b"t" } else { b"f" }),
            Self::Whole(number) => {
                hash.write(b"w");
                hash.write(&number.to_le_bytes());
            }
            Self::Real(number) => {
                hash.write(b"r");
                hash.write(&number.to_le_bytes());
            }
            Self::Text(text) => write_text(hash, text),
            Self::Array { elements, .. } => {
                hash.write(b"[");
                elements.iter().for_each(|element| element.write(hash));
                hash.write(b"]");
            }
            Self::Object(members) => {
                hash.write(b"{");
                for (name, member) in members {
                    write_text(hash, name);
                    member.write(hash);
                }
                hash.write(b"}");
            }
        }
    }
}

fn write_text(hash: &mut Fnv, text: &str) {
    hash.write(b"s");
    hash.write(&(text.len() as u64).to_le_bytes());
    hash.write(text.as_bytes());
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(is) => write!(f, "{is}"),
            Self::Whole(number) => write!(f, "{number}"),
            Self::Real(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Array { elements, .. } => write!(f, "[{} elements]", elements.len()),
            Self::Object(members) => write!(f, "{{{} members}}", members.len()),
        }
    }
}

struct Budget {
    left: Cell<usize>,
    exceeded: Cell<bool>,
}

/// Reads one value, as long as there is room for it.
#[derive(Clone, Copy)]
struct Seed<'a> {
    budget: &'a Budget,
    levels: usize,
}

impl Seed<'_> {
    fn below<E: Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1).ok_or_else(|| self.refuse())?;
        Ok(Self { levels, ..self })
    }

    fn refuse<E: Error>(self) -> E {
        self.budget.exceeded.set(true);
        E::custom("too deep")
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Json, D::Error> {
        let left = self.budget.left.get().checked_sub(1);
        let left = left.ok_or_else(|| self.refuse())?;
        self.budget.left.set(left);
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, is: bool) -> Result<Json, E> {
        Ok(Json::Bool(is))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Whole(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Whole(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Real(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let (below, mut elements) = (self.below()?, Vec::new());
        while let Some(element) = seq.next_element_seed(below)? {
            elements.push(element);
        }
        Ok(Json::Array {
            elements,
            ordered: true,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let (below, mut members) = (self.below()?, Vec::new());
        while let Some(name) = map.next_key::<String>()? {
            members.push((name, map.next_value_seed(below)?));
        }
        // Of two members of one name, most readers take the last.
        members.reverse();
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        members.dedup_by(|(later, _), (first, _)| later == first);
        Ok(Json::Object(members))
    }
}

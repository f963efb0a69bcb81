//! A walk through a document that knows where it is, and what nobody has looked at.
//!
//! Each field that is acted on is taken by name. What is left of an object when it is done was not
//! acted on, and is reported by its path: so a new field of an API, or a typing error, cannot be
//! lost silently.

use std::{cell::RefCell, str::FromStr, sync::LazyLock};

use serde_json::{Map, Value};

use super::{
    error::BadField,
    refusal::{Denied, Reason},
};

/// How much of a user's key a path shows: many fields below a long one would multiply it.
const LONGEST_KEY: usize = 64;
/// The most fields of a document that are reported one by one.
const MAX_REMARKS: usize = 100;

/// Fields that are not acted on: their paths and why.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    ignored: RefCell<Vec<(String, String)>>,
    refused: RefCell<Vec<(String, Reason, String)>>,
}

impl Remarks {
    fn add(&self, path: &str, why: &str) {
        let mut remarks = self.ignored.borrow_mut();
        match remarks.len() {
            MAX_REMARKS => remarks.push((String::new(), "and more fields like these".to_owned())),
            // Two routes may share what is wrong with their common part.
            0..MAX_REMARKS if !remarks.iter().any(|(told, _)| told == path) => {
                remarks.push((path.to_owned(), why.to_owned()));
            }
            _ => {}
        }
    }

    fn refuse(&self, path: &str, denied: Denied) {
        let mut refused = self.refused.borrow_mut();
        if refused.len() < MAX_REMARKS && !refused.iter().any(|(told, ..)| told == path) {
            refused.push((path.to_owned(), denied.reason, denied.why));
        }
    }

    /// What makes no difference, by path.
    pub(super) fn ignored(&mut self) -> Vec<(String, String)> {
        std::mem::take(self.ignored.get_mut())
    }

    /// What was asked for and is not allowed, by path.
    pub(super) fn refused(&mut self) -> Vec<(String, Reason, String)> {
        std::mem::take(self.refused.get_mut())
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    pub(super) value: &'a Value,
    pub(super) path: String,
    remarks: &'a Remarks,
}

/// An object whose fields are taken one by one.
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    path: String,
    taken: Vec<&'a str>,
    remarks: &'a Remarks,
}

impl<'a> Node<'a> {
    pub(super) fn at(path: &str, value: &'a Value, remarks: &'a Remarks) -> Self {
        Self {
            value,
            path: path.to_owned(),
            remarks,
        }
    }

    /// An empty object in this one's place: what is left out has its defaults.
    pub(super) fn of_nothing(&self) -> Self {
        static NOTHING: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));
        Self {
            value: &NOTHING,
            ..self.clone()
        }
    }

    pub(super) fn bad(&self, problem: impl std::fmt::Display) -> BadField {
        BadField::new(&self.path, problem)
    }

    /// Reports this field, as one that is not acted on.
    pub(super) fn ignore(&self, why: &str) {
        self.remarks.add(&self.path, why);
    }

    /// Reports this field, as one that asks for what its document may not have.
    pub(super) fn refuse(&self, denied: Denied) {
        self.remarks.refuse(&self.path, denied);
    }

    pub(super) fn fields(&self) -> Result<Fields<'a>, BadField> {
        let object = self.value.as_object();
        Ok(Fields {
            object: object.ok_or_else(|| self.bad("is no object"))?,
            path: self.path.clone(),
            taken: Vec::new(),
            remarks: self.remarks,
        })
    }

    pub(super) fn items(&self) -> Result<impl Iterator<Item = Node<'a>> + use<'a>, BadField> {
        let items = self.value.as_array();
        let items = items.ok_or_else(|| self.bad("is no list"))?;
        let (path, remarks) = (self.path.clone(), self.remarks);
        Ok(items.iter().enumerate().map(move |(index, value)| Node {
            value,
            path: format!("{path}[{index}]"),
            remarks,
        }))
    }

    /// The entries of a map whose keys are the user's.
    pub(super) fn entries(
        &self,
    ) -> Result<impl Iterator<Item = (&'a str, Node<'a>)> + use<'a>, BadField> {
        let object = self.value.as_object();
        let object = object.ok_or_else(|| self.bad("is no object"))?;
        let (path, remarks) = (self.path.clone(), self.remarks);
        Ok(object.iter().map(move |(key, value)| {
            let path = format!("{path}[{:?}]", shown(key));
            let node = Node {
                value,
                path,
                remarks,
            };
            (key.as_str(), node)
        }))
    }

    pub(super) fn str(&self) -> Result<&'a str, BadField> {
        self.value.as_str().ok_or_else(|| self.bad("is no string"))
    }

    pub(super) fn text(&self) -> Result<String, BadField> {
        self.str().map(str::to_owned)
    }

    pub(super) fn bool(&self) -> Result<bool, BadField> {
        let value = self.value.as_bool();
        value.ok_or_else(|| self.bad("is neither true nor false"))
    }

    /// A whole number within these bounds.
    pub(super) fn integer(&self, min: u64, max: u64) -> Result<u64, BadField> {
        self.value
            .as_u64()
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| self.bad(format!("is no whole number from {min} to {max}")))
    }

    pub(super) fn port(&self) -> Result<u16, BadField> {
        let port = self.integer(1, u64::from(u16::MAX))?;
        u16::try_from(port).map_err(|_| self.bad("is no port"))
    }

    /// A value that has a text form which is checked where it is read.
    pub(super) fn parse<T: FromStr<Err: std::fmt::Display>>(&self) -> Result<T, BadField> {
        self.str()?.parse().map_err(|error| self.bad(error))
    }

    /// All strings of a list.
    pub(super) fn strings(&self) -> Result<Vec<&'a str>, BadField> {
        self.items()?.map(|item| item.str()).collect()
    }
}

impl<'a> Fields<'a> {
    /// The field of this name, unless it is absent or null.
    pub(super) fn take(&mut self, name: &str) -> Option<Node<'a>> {
        let (name, value) = self.object.get_key_value(name)?;
        self.taken.push(name);
        let node = self.node(name, value);
        (!value.is_null()).then_some(node)
    }

    pub(super) fn need(&mut self, name: &str) -> Result<Node<'a>, BadField> {
        self.take(name)
            .ok_or_else(|| BadField::new(&self.path_of(name), "is missing"))
    }

    /// A list's items; none if it is absent.
    pub(super) fn list(&mut self, name: &str) -> Result<Vec<Node<'a>>, BadField> {
        match self.take(name) {
            Some(node) => Ok(node.items()?.collect()),
            None => Ok(Vec::new()),
        }
    }

    /// Reports the field of this name, if it is there.
    pub(super) fn ignore(&mut self, name: &str, why: &str) {
        if let Some(node) = self.take(name) {
            node.ignore(why);
        }
    }

    /// Reports what was not taken.
    pub(super) fn finish(self) {
        self.report_rest();
    }

    /// The same for who was lent it.
    pub(super) fn report_rest(&self) {
        for (name, value) in self.object {
            if !self.taken.contains(&name.as_str()) {
                self.node(name, value).ignore("not known to podmirror");
            }
        }
    }

    /// Reports the object as a whole.
    pub(super) fn ignore_all(&self, why: &str) {
        self.remarks.add(&self.path, why);
    }

    pub(super) fn path_of(&self, name: &str) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        match self.path.as_str() {
            path if name.len() > LONGEST_KEY || !name.bytes().all(plain) => {
                format!("{path}[{:?}]", shown(name))
            }
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }

    fn node(&self, name: &str, value: &'a Value) -> Node<'a> {
        Node {
            value,
            path: self.path_of(name),
            remarks: self.remarks,
        }
    }
}

fn shown(key: &str) -> String {
    key.chars().take(LONGEST_KEY).collect()
}

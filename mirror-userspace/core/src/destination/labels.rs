//! Labels of Kubernetes objects, and which of them are meant.

mod text;

use std::collections::BTreeMap;

/// The labels of an object, or those that it must have.
pub type Labels = BTreeMap<String, String>;

/// A label selector: an object is selected if it meets every requirement. One without requirements
/// selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LabelSelector {
    /// What must hold, all of it.
    pub requirements: Vec<Requirement>,
}

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// The label's key, such as `app.kubernetes.io/name`.
    pub key: String,
    /// What must hold for it.
    pub condition: Condition,
}

/// What must hold for a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// The label exists and has one of these values.
    In(Vec<String>),
    /// The label does not exist, or has none of these values.
    NotIn(Vec<String>),
    /// The label exists, whatever its value.
    Exists,
    /// The label does not exist.
    DoesNotExist,
}

impl LabelSelector {
    /// What has all of `labels`.
    #[must_use]
    pub fn of(labels: &Labels) -> Self {
        let requirements = labels.iter().map(|(key, value)| Requirement {
            key: key.clone(),
            condition: Condition::In(vec![value.clone()]),
        });
        Self {
            requirements: requirements.collect(),
        }
    }

    /// Whether an object with these labels is selected.
    #[must_use]
    pub fn selects(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match &requirement.condition {
                Condition::In(values) => value.is_some_and(|value| values.contains(value)),
                Condition::NotIn(values) => !value.is_some_and(|value| values.contains(value)),
                Condition::Exists => value.is_some(),
                Condition::DoesNotExist => value.is_none(),
            }
        })
    }
}

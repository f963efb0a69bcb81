//! Which field lines are set, removed or redacted, each name by one rule at most.

use std::{error::Error, fmt};

use super::{
    field::FieldName,
    rewrite::{ForwardedFor, RewriteConfig},
};

/// What stands instead of a redacted value.
pub(super) const REDACTED: &[u8] = b"redacted";
pub(super) const FORWARDED_FOR: &str = "x-forwarded-for";

/// Two rewrites of one field that cannot both hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    field: String,
    first: &'static str,
    second: &'static str,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            first,
            second,
        } = self;
        write!(
            f,
            "{first} and {second} both change the header {field}; accepted: one of them"
        )
    }
}

impl Error for PolicyError {}

/// What happens to the lines of one name.
#[derive(Clone, Debug)]
pub(super) struct FieldRule {
    pub(super) name: FieldName,
    pub(super) action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Set(String),
    Remove,
    Redact,
}

impl FieldRule {
    fn new(name: &FieldName, action: Action) -> Self {
        let name = name.clone();
        Self { name, action }
    }

    /// How much longer a head with one such line gets at most.
    pub(super) fn growth(&self) -> usize {
        match &self.action {
            Action::Set(value) => self.name.as_str().len() + value.len() + b": \r\n".len(),
            Action::Remove => 0,
            Action::Redact => REDACTED.len() + b" \r".len(),
        }
    }
}

impl Action {
    const fn flag(&self) -> &'static str {
        match self {
            Self::Set(_) => "--set-header",
            Self::Remove => "--remove-header",
            Self::Redact => "--redact-header",
        }
    }
}

/// The rules of a configuration, unless two contradict each other.
pub(super) fn field_rules(config: &RewriteConfig) -> Result<Vec<FieldRule>, PolicyError> {
    let set = config.set_fields.iter();
    let set = set.map(|field| FieldRule::new(field.name(), Action::Set(field.value().to_owned())));
    let remove = config.remove_fields.iter();
    let remove = remove.map(|field| FieldRule::new(field.name(), Action::Remove));
    let redact = config.redact_fields.iter();
    let redact = redact.map(|field| FieldRule::new(field.name(), Action::Redact));

    let mut rules: Vec<FieldRule> = Vec::new();
    for rule in set.chain(remove).chain(redact) {
        let contradiction = |first| PolicyError {
            field: rule.name.to_string(),
            first,
            second: rule.action.flag(),
        };
        // Removing the client's claims and adding what was seen is no contradiction.
        if config.forwarded_for == ForwardedFor::Append
            && rule.name.matches(FORWARDED_FOR.as_bytes())
            && rule.action != Action::Remove
        {
            return Err(contradiction("--forwarded-for"));
        }
        match rules.iter().find(|other| other.name == rule.name) {
            None => rules.push(rule),
            Some(same) if same.action == rule.action => {}
            Some(other) => return Err(contradiction(other.action.flag())),
        }
    }
    Ok(rules)
}

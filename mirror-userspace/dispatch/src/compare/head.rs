//! Heads of replies: which fields there are, with which values.

use std::collections::{BTreeMap, BTreeSet};

use super::{found::Found, rules::ContentRules};

/// Most bytes of a name in the name of a difference.
const NAME: usize = 64;

/// The fields of a head by name, in lower case; several of a name are joined.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head(BTreeMap<String, Vec<u8>>);

impl Head {
    /// Reads the lines of a head. A status line, and what is no field, is left out.
    pub(super) fn read(lines: &[u8]) -> Self {
        let mut fields: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut last = None;
        for line in lines.split(|byte| *byte == b'\n') {
            if let (b' ' | b'\t', Some(value)) = (
                line.first().copied().unwrap_or_default(),
                last.as_ref().and_then(|name| fields.get_mut(name)),
            ) {
                // A folded line (RFC 9112 section 5.2).
                value.push(b' ');
                value.extend_from_slice(line.trim_ascii());
                continue;
            }
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                continue;
            };
            let (name, value) = line.split_at(colon);
            let name = name.trim_ascii();
            if name.contains(&b' ') {
                continue;
            }
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            fields
                .entry(name.clone())
                .and_modify(|values| {
                    values.extend_from_slice(b", ");
                    values.extend_from_slice(value);
                })
                .or_insert_with(|| value.to_vec());
            last = Some(name);
        }
        Self(fields)
    }

    /// The value of a field; empty if there is none.
    pub(super) fn value(&self, name: &str) -> &[u8] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Takes out the fields of some names.
    pub(super) fn take(&mut self, mut wanted: impl FnMut(&str) -> bool) -> Self {
        let all = std::mem::take(&mut self.0);
        let (taken, left) = all.into_iter().partition(|(name, _)| wanted(name));
        self.0 = left;
        Self(taken)
    }
}

/// Finds in which fields two heads differ, or two lists of trailers: `part` says which.
pub(super) fn compare(
    part: &str,
    [ours, theirs]: [&Head; 2],
    ignored: &BTreeSet<String>,
    rules: &ContentRules,
    found: &mut Found,
) {
    if ours == theirs {
        return;
    }
    let names: BTreeSet<&String> = ours.0.keys().chain(theirs.0.keys()).collect();
    for name in names {
        let (our, their) = (ours.0.get(name), theirs.0.get(name));
        if our == their || ignored.contains(name) {
            continue;
        }
        let value = |value: &[u8]| match rules.is_redacted(name) {
            true => "redacted".to_owned(),
            false => String::from_utf8_lossy(value).into_owned(),
        };
        let name: String = name.chars().take(NAME).collect();
        let (our, their) = (our.map(|it| || value(it)), their.map(|it| || value(it)));
        found.add(&format!("{part} {name}"), our, their);
    }
}

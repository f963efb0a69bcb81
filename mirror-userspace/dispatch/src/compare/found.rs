//! The differences between two replies, as they are found.

use mirror_core::verdict::{Change, Changes, Values};

/// Most bytes of a value that are shown.
const SHOWN: usize = 256;

/// The differences between two replies, as they are found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) changes: Changes,
    /// With their values, if these are wanted.
    pub(super) values: Option<Vec<Values>>,
}

impl Found {
    /// `baseline` and `candidate` are asked for values only if these are wanted; one that is `None` lacks
    /// the field.
    pub(super) fn add<B, C>(&mut self, field: &str, baseline: Option<B>, candidate: Option<C>)
    where
        B: FnOnce() -> String,
        C: FnOnce() -> String,
    {
        let change = match (&baseline, &candidate) {
            (Some(_), None) => Change::Missing,
            (None, Some(_)) => Change::Added,
            _ => Change::Changed,
        };
        let is_news = self.changes.insert(field, change);
        if let Some(values) = self.values.as_mut().filter(|_| is_news) {
            values.push(Values {
                field: field.to_owned(),
                baseline: baseline.map(|value| shown(value())),
                candidate: candidate.map(|value| shown(value())),
            });
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.changes.is_full()
    }
}

fn shown(mut value: String) -> String {
    if value.len() > SHOWN {
        let end = (0..=SHOWN).rev().find(|at| value.is_char_boundary(*at));
        value.truncate(end.unwrap_or(0));
        value.push('…');
    }
    value
}

//! The regular expressions of all documents: compiled once, kept while a document has them, and paid
//! for by the namespace that they are of.

use std::{cell::RefCell, collections::HashMap};

use mirror_core::policy::FullRegex;

/// The most regular expressions that are known to be none.
const MAX_BAD: usize = 1_000;

/// Why there is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoPattern {
    /// It is none, for this reason.
    Bad(String),
    /// The namespace has used up its share of memory for them, which is so many bytes.
    BeyondShare(usize),
}

/// The expressions that the last reading of all documents needed, and those of the one under way.
///
/// A share is charged with what an expression costs each time a namespace's document has it, whether
/// or not it is compiled already: what others write makes no difference to a namespace.
#[derive(Debug, Default)]
pub(super) struct Patterns(RefCell<State>);

#[derive(Debug, Default)]
struct State {
    known: HashMap<String, Known>,
    /// Tells the readings apart.
    reading: u64,
    share: usize,
    spent: HashMap<String, usize>,
    compiled: u64,
    bad: usize,
}

#[derive(Debug)]
struct Known {
    made: Result<FullRegex, String>,
    reading: u64,
}

impl Patterns {
    /// A reading of all documents begins, in which each namespace has so many bytes.
    pub(super) fn begin(&self, share: usize) {
        let mut state = self.0.borrow_mut();
        state.reading = state.reading.wrapping_add(1);
        state.share = share;
        state.spent.clear();
    }

    /// What the reading did not need is forgotten.
    pub(super) fn end(&self) {
        let mut state = self.0.borrow_mut();
        let reading = state.reading;
        state.known.retain(|_, known| known.reading == reading);
        state.bad = state
            .known
            .values()
            .filter(|known| known.made.is_err())
            .count();
    }

    /// The expression for a document of this namespace.
    pub(super) fn compile(&self, namespace: &str, text: &str) -> Result<FullRegex, NoPattern> {
        let mut state = self.0.borrow_mut();
        let state = &mut *state;
        let spent = state.spent.get(namespace).copied().unwrap_or_default();
        // Compiling takes memory, too: not for whom there is none left.
        let beyond = NoPattern::BeyondShare(state.share);
        if spent >= state.share {
            return Err(beyond);
        }
        let made = match state.known.get_mut(text) {
            Some(known) => {
                known.reading = state.reading;
                known.made.clone()
            }
            None => {
                state.compiled += 1;
                let made = FullRegex::new(text).map_err(|bad| bad.to_string());
                state.bad += usize::from(made.is_err());
                if made.is_ok() || state.bad <= MAX_BAD {
                    let known = Known {
                        made: made.clone(),
                        reading: state.reading,
                    };
                    state.known.insert(text.to_owned(), known);
                }
                made
            }
        };
        let regex = made.map_err(NoPattern::Bad)?;
        let spent = spent.saturating_add(regex.cost());
        if spent > state.share {
            state.spent.insert(namespace.to_owned(), state.share);
            return Err(beyond);
        }
        state.spent.insert(namespace.to_owned(), spent);
        Ok(regex)
    }

    /// How many expressions were compiled so far.
    #[cfg(test)]
    pub(super) fn compiled(&self) -> u64 {
        self.0.borrow().compiled
    }
}

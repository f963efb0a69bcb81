//! What is known of the streams that are open.

use std::{collections::BTreeMap, mem};

/// A map by stream number, in which the youngest stream has a place of its own: most requests end before the next one
/// begins, and cost no node of a tree then.
#[derive(Debug)]
pub struct ByStream<T> {
    youngest: Option<(u32, T)>,
    /// All others; their numbers are lower.
    others: BTreeMap<u32, T>,
}

impl<T> Default for ByStream<T> {
    fn default() -> Self {
        Self {
            youngest: None,
            others: BTreeMap::new(),
        }
    }
}

impl<T> ByStream<T> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.others.len() + usize::from(self.youngest.is_some())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.youngest.is_none() && self.others.is_empty()
    }

    /// Adds a stream, or replaces what is known of it.
    pub fn insert(&mut self, stream: u32, value: T) {
        match self.youngest.take() {
            Some((youngest, known)) if youngest > stream => {
                self.youngest = Some((youngest, known));
                self.others.insert(stream, value);
            }
            None if self.has_above(stream) => {
                self.others.insert(stream, value);
            }
            older => {
                self.youngest = Some((stream, value));
                if let Some((older, known)) = older.filter(|(older, _)| *older < stream) {
                    self.others.insert(older, known);
                }
            }
        }
    }

    /// Whether a stream is among the others, or one with a higher number.
    fn has_above(&self, stream: u32) -> bool {
        let last = self.others.last_key_value();
        last.is_some_and(|(last, _)| *last >= stream)
    }

    /// What is known of a stream.
    #[must_use]
    pub fn get(&self, stream: u32) -> Option<&T> {
        match &self.youngest {
            Some((youngest, known)) if *youngest == stream => Some(known),
            _ => self.others.get(&stream),
        }
    }

    /// What is known of a stream, to be changed.
    pub fn get_mut(&mut self, stream: u32) -> Option<&mut T> {
        match &mut self.youngest {
            Some((youngest, known)) if *youngest == stream => Some(known),
            _ => self.others.get_mut(&stream),
        }
    }

    /// Takes a stream out.
    pub fn remove(&mut self, stream: u32) -> Option<T> {
        match self.youngest.take_if(|(youngest, _)| *youngest == stream) {
            Some((_, known)) => Some(known),
            None => self.others.remove(&stream),
        }
    }

    /// All, in the order of their numbers.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        let others = self
            .others
            .iter_mut()
            .map(|(stream, known)| (*stream, known));
        let youngest = self.youngest.iter_mut();
        others.chain(youngest.map(|(stream, known)| (*stream, known)))
    }

    /// Takes all out, in the order of their numbers.
    pub fn take(&mut self) -> impl Iterator<Item = (u32, T)> + use<T> {
        let others = mem::take(&mut self.others);
        others.into_iter().chain(self.youngest.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn it_is_a_map() {
        let mut random = Random::new(5);
        let (mut map, mut model) = (ByStream::default(), BTreeMap::new());
        for round in 0..20_000 {
            let stream = u32::try_from(random.below(20)).unwrap();
            match random.below(5) {
                0 | 1 => {
                    map.insert(stream, round);
                    model.insert(stream, round);
                }
                2 => assert_eq!(map.remove(stream), model.remove(&stream)),
                3 => assert_eq!(map.get_mut(stream), model.get_mut(&stream)),
                _ if random.one_in(20) => {
                    assert!(map.take().eq(std::mem::take(&mut model)));
                }
                _ => assert_eq!(map.get(stream), model.get(&stream)),
            }
            assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
            let all: Vec<_> = map
                .iter_mut()
                .map(|(stream, known)| (stream, *known))
                .collect();
            assert!(all.into_iter().eq(model.clone()));
        }
    }
}

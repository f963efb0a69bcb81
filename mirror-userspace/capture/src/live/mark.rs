//! How far rings are read.

/// What was in the rings at a moment, for whoever waits until it is read: see
/// [`RingReader::mark`](super::RingReader::mark).
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// The place up to which it is to be read: bytes since the ring was made, which begin again at 0.
    pub(super) place: usize,
    /// How often everything had been read before: if it is once more, nothing of it is left.
    pub(super) emptied: usize,
}

impl Mark {
    /// Whether a reader that is at this place has read it.
    pub(super) const fn is_behind(self, place: usize) -> bool {
        place.wrapping_sub(self.place) <= usize::MAX / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_reached_also_where_the_bytes_begin_again() {
        for place in [0, 1000, usize::MAX - 7, usize::MAX] {
            let mark = Mark { place, emptied: 0 };
            assert!(!mark.is_behind(place.wrapping_sub(8)));
            assert!(mark.is_behind(place));
            assert!(mark.is_behind(place.wrapping_add(8)));
        }
    }
}

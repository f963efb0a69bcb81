//! The latest of something, found by number.

/// Remembers the last things by consecutive numbers, each in its place: a newer one takes the place of an older one.
#[derive(Clone, Debug)]
pub struct Latest<T> {
    places: usize,
    all: Vec<(u64, T)>,
}

impl<T> Latest<T> {
    /// Remembers so many.
    #[must_use]
    pub const fn new(places: usize) -> Self {
        Self {
            places,
            all: Vec::new(),
        }
    }

    /// What one costs.
    pub const COST: usize = size_of::<(u64, T)>();

    fn place(&self, number: u64) -> usize {
        usize::try_from(number).unwrap_or(0) % self.places.max(1)
    }

    /// Remembers one. Those of other numbers that are not there yet are filled with it: their numbers differ.
    pub fn put(&mut self, number: u64, one: T)
    where
        T: Clone,
    {
        if self.places == 0 {
            return;
        }
        let place = self.place(number);
        if let Some(known) = self.all.get_mut(place) {
            *known = (number, one);
        } else {
            self.all.resize(place + 1, (number, one));
        }
    }

    /// The one of this number, if no newer one is in its place.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&T> {
        let (known, one) = self.all.get(self.place(number))?;
        (*known == number).then_some(one)
    }
}

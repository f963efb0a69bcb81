//! Counters that are kept in several places (by CPU, shard, attachment) and add up.

/// Adds to what one place counted what another did.
pub trait Sum {
    /// Adds count by count.
    fn add(&mut self, more: &Self);
}

impl Sum for u64 {
    fn add(&mut self, more: &Self) {
        *self += more;
    }
}

impl<T: Sum, const N: usize> Sum for [T; N] {
    fn add(&mut self, more: &Self) {
        for (sum, more) in self.iter_mut().zip(more) {
            sum.add(more);
        }
    }
}

/// By index; what only one of them has stays as it is.
impl<T: Sum + Clone + Default> Sum for Vec<T> {
    fn add(&mut self, more: &Self) {
        self.resize(self.len().max(more.len()), T::default());
        for (sum, more) in self.iter_mut().zip(more) {
            sum.add(more);
        }
    }
}

/// Declares counters with their [`Sum`], in which no field can be forgotten.
macro_rules! counters {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind,)* }

        impl $crate::counters::Sum for $name {
            fn add(&mut self, more: &Self) {
                $($crate::counters::Sum::add(&mut self.$field, &more.$field);)*
            }
        }

        impl std::ops::AddAssign<&Self> for $name {
            fn add_assign(&mut self, more: &Self) {
                $crate::counters::Sum::add(self, more);
            }
        }
    };
}

/// Declares [`counters!`] of one thing by its reasons, each known by its name.
macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $crate::counters::sum::counters! {
            $(#[$doc])*
            #[derive(Copy)]
            $name { $($(#[$field_doc])* $field: u64,)* }
        }

        impl $name {
            /// All of them together.
            #[must_use]
            pub const fn total(&self) -> u64 {
                0 $(+ self.$field)*
            }

            /// Each with its name, in the order of the ledger.
            #[must_use]
            pub const fn named(&self) -> [(&'static str, u64); [$(stringify!($field)),*].len()] {
                [$((stringify!($field), self.$field)),*]
            }
        }
    };
}

pub(crate) use {counters, reasons};

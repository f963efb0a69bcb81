//! What the stages call a connection to a target.

/// A connection to a target, from when it is to be opened until the shell says that it is closed.
/// Afterwards the same number may be another connection's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkId {
    /// Which target, in the order that [`Dispatcher::new`](super::Dispatcher::new) was told.
    pub target: usize,
    /// Its place among the connections of the target.
    pub slot: usize,
}

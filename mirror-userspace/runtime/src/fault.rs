//! Failures on purpose, by which tests see what the failure of one shard costs the others.
//!
//! Only builds with debug assertions have them: there, `PODMIRROR_FAULT=panic=TARGET` makes shards that mirror
//! to this target panic once they have read a segment, and `task-panic=TARGET` has one of their tasks do so. A
//! comma stands between several.

#[cfg(debug_assertions)]
pub(super) use on_purpose::Fault;

/// Builds without debug assertions have no faults to plant.
#[cfg(not(debug_assertions))]
pub(super) struct Fault;

#[cfg(not(debug_assertions))]
impl Fault {
    pub(super) const fn of(_: &[super::Target]) -> Self {
        Self
    }

    pub(super) const fn strike(&self) {}
}

#[cfg(debug_assertions)]
mod on_purpose {
    use crate::Target;

    /// How a shard fails, if it is to fail.
    pub(crate) struct Fault(Option<Panics>);

    enum Panics {
        Thread,
        Task,
    }

    impl Fault {
        /// Of a shard that mirrors to these targets.
        pub(crate) fn of(targets: &[Target]) -> Self {
            let wanted = std::env::var("PODMIRROR_FAULT").unwrap_or_default();
            let faults = wanted.split(',').filter_map(|fault| fault.split_once('='));
            let mut own = faults.filter(|(_, name)| {
                let mut targets = targets.iter();
                targets.any(|target| target.name == **name)
            });
            Self(own.find_map(|(fault, _)| match fault {
                "panic" => Some(Panics::Thread),
                "task-panic" => Some(Panics::Task),
                _ => None,
            }))
        }

        /// A segment was read.
        #[expect(clippy::panic, reason = "that is what it is for")]
        pub(crate) fn strike(&self) {
            match self.0 {
                None => {}
                Some(Panics::Thread) => panic!("on purpose, in the shard"),
                Some(Panics::Task) => {
                    tokio::task::spawn_local(async { panic!("on purpose, in a task") });
                }
            }
        }
    }
}

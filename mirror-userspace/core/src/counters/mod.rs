//! What the edges count: the kernel and its rings, capture files, and the targets. Plain numbers that add
//! up; whoever does the I/O fills them in, and the [`ledger`](crate::ledger) puts them in its books.

mod file;
mod histogram;
mod kernel;
mod spread;
mod statuses;
pub(crate) mod sum;
mod target;

pub use file::{FileCounters, FragmentCounters, NotRead};
pub use histogram::Histogram;
pub use kernel::{KernelCounters, RingCounters};
pub use spread::Spread;
pub use statuses::Statuses;
pub use sum::Sum;
pub use target::{Answered, Dropped, Failed, GrpcStatus, TargetCounters};

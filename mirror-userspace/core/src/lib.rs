//! podmirror's core: everything that decides, without I/O.
//!
//! ```text
//! segment ─► stream ─► http ─► policy ─► pipeline ─► copies
//!                                           └─► counters ─► ledger
//! ```
//!
//! It takes bytes and a time and returns values, so capture files, fuzzers, tests and benchmarks drive the
//! very code that runs live. Who captures, sends or serves depends on this crate, never the other way
//! round; `mirror-userspace/tests/layering/` reads the manifests and holds it.

pub mod budget;
pub mod counters;
pub mod destination;
pub mod http;
pub mod ledger;
pub mod pipeline;
pub mod policy;
pub mod segment;
pub mod stream;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod value;

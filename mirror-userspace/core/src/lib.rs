//! podmirror's core: everything that decides, without I/O.
//!
//! It takes bytes and a time and returns values, so that capture files, fuzzers, tests and benchmarks
//! drive the very code that runs live. It asks no clock, opens no socket and never waits.
//!
//! ```text
//! capture                      pipeline::Pipeline                                dispatch
//!         ┌────────────────────────────────────────────────────────────────┐
//! Segment │ stream ─StreamEvent─► http ─HttpEvent─► policy ─► held whole   │ Output
//! ──────► │ bytes in order,       heads, framing,   filter,   or streamed  │ ──────►
//!         │ per connection        bodies            sample,                │
//!         │                                         rewrite                │
//!         │ budget: every byte that is kept is reserved here first         │
//!         └────────────────────────────────────────────────────────────────┘
//!           counters of every stage ─► ledger: does every segment and request add up?
//! ```
//!
//! # The tour
//!
//! Start with [`pipeline::Pipeline`]: [`handle_segment`](pipeline::Pipeline::handle_segment) takes a
//! captured [`segment::Segment`], [`poll_output`](pipeline::Pipeline::poll_output) returns what is to be
//! sent. In the order in which a byte passes them:
//!
//! 1. [`segment`]: what a TCP segment is to every stage: addresses, sequence numbers, times.
//! 2. [`stream`]: segments to ordered bytes, as v1's kernel would read them.
//! 3. [`http`]: bytes to requests; refuses what two readers could frame differently.
//! 4. [`policy`]: which requests are mirrored to which target, and what is changed in them.
//! 5. [`pipeline`]: joins these, and collects or streams bodies.
//! 6. [`counters`]: what those who do the I/O count: the kernel, rings, files, targets.
//! 7. [`ledger`]: all counters side by side, and whether they balance.
//!
//! Beside the path: [`verdict`] is whether one version does as well as another, [`destination`] is what a target may be (a URL, a service's endpoints, pods),
//! [`lost`] what is kept of the last losses, [`value`] what flags and documents share (rates, ports, hosts), and [`random`] what is left to
//! chance.
//!
//! Imports run `segment, budget, value, counters, lost < {stream, http, verdict} < policy < {destination, pipeline} <
//! ledger`. Crates that capture, send or serve depend on this one, never the other way round;
//! `mirror-userspace/tests/layering/` holds both.

pub mod budget;
pub mod counters;
pub mod destination;
pub mod fnv;
pub mod http;
pub mod ledger;
pub mod lost;
pub mod pipeline;
pub mod policy;
pub mod random;
pub mod segment;
pub mod stream;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod value;
pub mod verdict;

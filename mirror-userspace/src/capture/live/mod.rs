//! Live capture: the kernel half loaded and attached, its rings read.
//!
//! ```text
//! netns ─► interface ─► attach (tcx, else a filter)     the program runs in the kernel
//!                                                          │ ring
//! Capture: settings in, counters out                       ▼
//!                                  RingReader, one a shard: parse ─► Segment
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`running`] | [`Capture`]: starts all of it, holds it, stops it |
//! | [`netns`] | network namespaces: naming and entering them |
//! | [`interface`] | interfaces and what their frames begin with, over [`rtnetlink`] |
//! | [`attach`] | the hook: tcx link or filter, beside other programs |
//! | [`object`] | the kernel programs embedded in this build |
//! | [`reader`], [`ring`], [`sleep`] | [`RingReader`]: the two kinds of ring, and when to sleep |
//! | [`parse`] | a record's bytes to a [`Segment`](crate::segment::Segment) |
//! | [`counters`] | what either side counted |
//! | [`check`] | what this machine can do |
//! | [`privilege`] | capabilities and limits |
//! | [`kernel_log`] | the program's own log lines |

mod attach;
pub mod check;
mod counters;
mod interface;
mod kernel_log;
mod netns;
pub mod object;
mod parse;
mod privilege;
mod reader;
mod ring;
mod rtnetlink;
mod running;
mod sleep;

pub use attach::{Hook, Method};
pub use counters::{KernelCounters, RingCounters};
pub use netns::{Netns, OpenNetns};
pub use object::RingKind;
pub use reader::RingReader;
pub use running::{Capture, LiveConfig};

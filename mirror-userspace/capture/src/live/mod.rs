//! Live capture: the kernel half loaded and attached, its rings read.
//!
//! ```text
//! Capture ─► attach: netns ─► interface ─► hook (tcx, else a filter)
//!    │ settings in, counters out        an entry point for each attachment ─► shared programs
//!    │                                                          │ rings, one a shard
//!    └─ open: rings                                             ▼
//!                                       RingReader, one a shard: parse ─► Segment
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`running`] | [`Capture`]: attachments that come and go, and feed rings |
//! | [`config`] | [`LiveConfig`]: how to capture; [`Place`]: where |
//! | [`attached`] | one attachment: its entry points, settings and counters |
//! | [`programs`], [`entries`] | the programs that attachments share; what their maps hold for each |
//! | [`netns`] | network namespaces: naming and entering them |
//! | [`netlink`] | what the kernel is asked: interfaces, addresses, ports, filters |
//! | [`attach`] | the hook: tcx link or filter, beside other programs; XDP for ports of copies |
//! | [`object`] | the kernel programs embedded in this build |
//! | [`rings`], [`ring`] | the two kinds of ring: made, shared by captures and their programs, read |
//! | [`fill`], [`hurry`] | how full a BPF ring is, and what its reader does about it |
//! | [`perf`], [`merge`] | the CPUs' perf rings, read as one, in the order of capture |
//! | [`mark`] | whether what was in a ring at a moment has been read |
//! | [`reader`], [`sleep`], [`wakeups`] | [`RingReader`]: a shard's end of them, and when it sleeps |
//! | [`parse`] | a record's bytes to a [`Segment`](mirror_core::segment::Segment) |
//! | [`check`] | what this machine can do: facts, and `run` tried out |
//! | [`refusal`] | what the verifier said, for people |
//! | [`privilege`], [`locked_memory`] | capabilities, and what may be locked |
//! | [`kernel_log`] | the program's own log lines |

mod attach;
mod attached;
pub mod check;
mod config;
mod entries;
mod fill;
mod hurry;
mod kernel_log;
mod loader;
mod locked_memory;
mod mark;
mod merge;
mod netlink;
mod netns;
pub mod object;
mod parse;
mod perf;
mod privilege;
mod programs;
mod reader;
mod refusal;
mod ring;
mod rings;
mod running;
mod sleep;
mod wakeups;

pub use attach::{Hook, Method, Tap};
pub use config::{AttachmentId, InterfaceId, LiveConfig, Place};
pub use hurry::as_usual;
pub use mark::Mark;
pub use netlink::AddressHolder;
pub use netns::{Netns, OpenNetns};
pub use object::RingKind;
pub use parse::Record;
pub use programs::Programs;
pub use reader::{Batch, Read, RingReader};
pub use rings::Rings;
pub use running::Capture;

//! Recorded conversations that the pure stages are measured with, and more of everything for them ([`scale`]).
//!
//! The pure stages do no I/O and read no clock, so what they cost can be measured without a network:
//! by time (`cargo bench`), by instructions (`guard`, under callgrind) and by allocations
//! (`tests/allocations.rs`). All three play the same conversations, byte for byte the same in every
//! run.

pub mod conversation;
mod grpc;
mod play;
pub mod scale;

pub use conversation::Conversation;
pub use grpc::MESSAGE;
pub use play::{Played, pipeline, pipeline_of, play};

//! The edge in: where segments come from.

pub mod file;
pub mod object;

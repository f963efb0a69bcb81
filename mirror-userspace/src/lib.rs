//! podmirror: copies the live HTTP requests of a running service to another one.

pub mod admin;
#[cfg(feature = "kubernetes")]
pub mod agent;
pub mod cli;
pub mod record;
pub mod replay;
pub mod runtime;

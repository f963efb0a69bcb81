//! podmirror: copies the live HTTP requests of a running service to another one.

pub mod admin;
pub mod cli;
#[cfg(feature = "kubernetes")]
pub mod cluster;
pub mod config;
pub mod plan;
pub mod record;
pub mod replay;
pub mod runtime;

//! podmirror: copies the live HTTP requests of a running service to another one.

pub mod admin;
pub mod budget;
pub mod capture;
pub mod cli;
#[cfg(feature = "kubernetes")]
pub mod cluster;
pub mod config;
pub mod counters;
pub mod dispatch;
pub mod flow;
pub mod http;
pub mod ledger;
pub mod pipeline;
pub mod plan;
pub mod policy;
pub mod record;
pub mod replay;
pub mod runtime;
pub mod segment;
pub mod target;

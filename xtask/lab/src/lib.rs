//! A network of its own for a test or a demo: a client, two services, and a node that joins them.
//!
//! ```text
//!   client eth0 ──┐                    ┌── eth0 v1   (the pod that is mirrored)
//!                 node: bridge lab0 ───┤
//!   (podmirror runs in node)           └── eth0 v2   (the mirror target)
//! ```
//!
//! Each of the four is a network namespace with a name that no other run has, so labs can stand
//! side by side and nothing outside of them changes. A [`Lab`] takes everything down when it is
//! dropped, also by a panic; what a killed run left behind is removed by the next one, which knows
//! the owner by the process id in the name.
//!
//! Needs root, and `ip` from iproute2. Programs that single features need (nginx, ethtool, nft) are
//! installed with apt when they are missing.

#[cfg(feature = "api")]
mod agent_pod;
#[cfg(feature = "api")]
mod api;
mod cleanup;
mod client;
mod forward;
mod frames;
mod grpc;
mod http2;
mod impair;
mod listening;
pub mod load;
mod mirror;
mod namespace;
mod nginx;
mod node;
pub mod oci;
pub mod packages;
mod pod;
mod process;
mod python;
mod scratch;
mod server;
mod tangle;
mod tonic;
mod topology;
mod wire;

#[cfg(feature = "api")]
pub use agent_pod::agent_pod;
#[cfg(feature = "api")]
pub use api::{FakeApi, Health, Write};
pub use cleanup::{clean_up_on_signal, end_by_ctrl_c, interrupted};
pub use client::{RawClient, Reply};
pub use forward::Forward;
pub use frames::Frames;
pub use grpc::{Calls, GrpcCall, GrpcClient, GrpcServer};
pub use http2::{Http2Recorder, Http2Request, Manner};
pub use impair::{Cable, Loss, LossAt, Offload};
pub use listening::serve;
pub use mirror::{Ended, Ledger, Mirror};
pub use namespace::Namespace;
pub use nginx::{AccessLogEntry, Nginx, NginxConfig};
pub use node::grpc_js;
pub use pod::Pod;
pub use process::Process;
pub use scratch::Scratch;
pub use server::{Behaviour, RecordedRequest, RecordingServer};
pub use tangle::{Tangle, TangledCable};
pub use tonic::TonicClient;
pub use topology::{Family, Host, Lab};
pub use wire::Body;

#[cfg(test)]
mod tests;

//! HTTP/2 and gRPC: what others' clients send to v1 arrives at v2, field by field.
//!
//! The witnesses share no code with podmirror: recorders on hyper's h2, grpcio, nginx and nghttpd.

mod clients;
mod grpc;
mod midstream;
mod network;
mod policy;
mod record;
mod refused;
mod room;
mod scene;
mod servers;
mod tonic;
mod turned_away;
mod wire;

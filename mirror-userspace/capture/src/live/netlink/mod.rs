//! What the kernel is asked by netlink: interfaces, their addresses and the filters at them.
//!
//! | module | what it asks for |
//! |---|---|
//! | [`rtnetlink`] | the messages themselves: a dump, an acknowledged request, attributes |
//! | [`interface`] | interfaces, and what their frames begin with |
//! | [`address`] | whose address, which namespace, which other end |
//! | [`connection`] | whether a port has a connection from elsewhere |
//! | [`port`] | what a port that receives copies is |
//! | [`filter`] | the BPF filters at a hook |
//!
//! Answers are about the network namespace of the calling thread.

mod address;
mod connection;
pub(super) mod filter;
mod interface;
mod port;
mod rtnetlink;

pub use address::AddressHolder;
pub(super) use address::has_address;
pub(super) use connection::is_connected;
pub(super) use interface::{Interface, LinkLayer, shown};
pub(super) use port::Port;

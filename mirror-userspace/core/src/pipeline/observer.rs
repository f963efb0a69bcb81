//! Lets whoever prints or records requests see them as they pass.

use super::ConnectionId;
use crate::{
    http::Head,
    segment::{FlowId, Time},
};

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub struct RequestInfo {
    /// The connection's number in its pipeline.
    pub connection: ConnectionId,
    /// The connection's addresses and ports.
    pub flow: FlowId,
    /// When the request's first byte was captured.
    pub begun: Time,
    /// When the bytes that this call is about were captured.
    pub at: Time,
}

/// The observer had no memory for a request that it was to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

/// Sees every request that policy lets through, in stream order: `head`, any number of `body`,
/// then `end` or `lost`. Requests of different connections interleave.
pub trait Observer {
    /// A request begins, with this head.
    fn head(&mut self, info: &RequestInfo, head: &Head<'_>);
    /// Bytes of its body, as on the wire (chunk framing included).
    fn body(&mut self, info: &RequestInfo, raw: &[u8]);
    /// The request is complete.
    ///
    /// # Errors
    /// [`NoRoom`]: where nothing is sent, the request then counts as dropped, not as observed.
    fn end(&mut self, info: &RequestInfo) -> Result<(), NoRoom>;
    /// The request broke off: it will not be completed.
    fn lost(&mut self, info: &RequestInfo);
    /// The connection has ended. Called last, also for connections without requests.
    fn closed(&mut self, _info: &RequestInfo) {}
}

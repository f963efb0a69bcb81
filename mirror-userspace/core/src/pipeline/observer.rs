//! Lets whoever prints or records requests see them as they pass.

use super::{DropReason, RequestKey};
use crate::{
    http::{RequestHead, h2::FieldList},
    segment::{FlowId, Time},
};

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub struct RequestInfo {
    /// The request; if its connection is over, the last one of it.
    pub request: RequestKey,
    /// The connection's addresses and ports.
    pub flow: FlowId,
    /// When the request's first byte was captured.
    pub begun: Time,
    /// When the bytes that this call is about were captured.
    pub at: Time,
}

/// Why an observer did not keep a request that it was to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// It had no memory for it.
    NoRoom,
    /// A recording did not take all of it: a write failed, or its file was closed meanwhile.
    RecordFailed,
}

impl From<NotKept> for DropReason {
    fn from(why: NotKept) -> Self {
        match why {
            NotKept::NoRoom => Self::OverBudget,
            NotKept::RecordFailed => Self::RecordFailed,
        }
    }
}

/// Sees every request that policy lets through, in stream order: `head`, any number of `body`, maybe `trailers`,
/// then `end` or `lost`. Requests of different connections interleave, and those of one connection of HTTP/2.
pub trait Observer {
    /// A request begins, with this head.
    fn head(&mut self, info: &RequestInfo, head: &RequestHead<'_>);
    /// Bytes of its body, as on the wire (chunk framing included); of HTTP/2, what its DATA frames carry.
    fn body(&mut self, info: &RequestInfo, raw: &[u8]);
    /// The trailers of a request of HTTP/2, right before its end, as they were sent.
    fn trailers(&mut self, _info: &RequestInfo, _fields: &FieldList) {}
    /// The request is complete.
    ///
    /// # Errors
    /// If it was not kept: where nothing is sent, the request then counts as dropped, not as observed.
    fn end(&mut self, info: &RequestInfo) -> Result<(), NotKept>;
    /// The request broke off: it will not be completed.
    fn lost(&mut self, info: &RequestInfo);
    /// The connection has ended. Called last, also for connections without requests.
    fn closed(&mut self, _info: &RequestInfo) {}
}

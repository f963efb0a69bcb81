//! What is known of the connection of the request at hand.

use super::{ConnectionId, RequestInfo, RequestKey, assembly::Assembly};
use crate::{
    http::Protocol,
    segment::{Endpoint, FlowId, SeqNum, Time},
};

/// What policy and ordering need to know of a request's connection.
#[derive(Clone, Copy, Default)]
pub(super) struct RequestContext {
    pub(super) id: ConnectionId,
    /// `None` only before the first event.
    pub(super) flow: Option<FlowId>,
    /// Who a PROXY header says is behind the flow's client.
    pub(super) proxied: Option<Endpoint>,
    /// Requests begun on this connection.
    pub(super) ordinal: u32,
    /// When the first byte of the request at hand, or of the next one, was captured.
    pub(super) begun: Time,
    /// When the bytes at hand were captured.
    pub(super) at: Time,
    /// What the client had received when it sent the bytes at hand. Without `Option`, as four bytes of each
    /// connection would be for nothing.
    pub(super) received: SeqNum,
    pub(super) knows_received: bool,
    /// What it had received when it sent the first byte of the request at hand, or of the next one.
    pub(super) had_received: SeqNum,
    pub(super) knows_had_received: bool,
    /// What the connection is counted as.
    pub(super) protocol: Protocol,
}

impl RequestContext {
    /// The request at hand.
    pub(super) const fn request(&self) -> RequestKey {
        RequestKey {
            connection: self.id,
            number: self.ordinal,
        }
    }

    /// What the client had received when it sent the bytes at hand.
    #[inline]
    pub(super) fn received(&self) -> Option<SeqNum> {
        self.knows_received.then_some(self.received)
    }

    /// What it had received when it sent the first byte of the request at hand, or of the next one.
    #[inline]
    pub(super) fn had_received(&self) -> Option<SeqNum> {
        self.knows_had_received.then_some(self.had_received)
    }

    /// Bytes are at hand, which came with this acknowledgment.
    #[inline]
    pub(super) const fn handle_bytes(&mut self, at: Time, received: Option<SeqNum>) {
        self.at = at;
        self.knows_received = received.is_some();
        if let Some(received) = received {
            self.received = received;
        }
    }

    /// The connection is counted as what it carries.
    pub(super) fn become_protocol(&mut self, protocol: Protocol, assembly: &mut Assembly) {
        let before = std::mem::replace(&mut self.protocol, protocol);
        assembly.counters.connections.became(before, protocol);
    }

    /// The bytes at hand may begin a request.
    pub(super) const fn begin_here(&mut self) {
        self.begun = self.at;
        self.had_received = self.received;
        self.knows_had_received = self.knows_received;
    }

    /// What observers are told.
    pub(super) fn info(&self) -> Option<RequestInfo> {
        Some(RequestInfo {
            request: self.request(),
            flow: self.flow?,
            begun: self.begun,
            at: self.at,
        })
    }
}

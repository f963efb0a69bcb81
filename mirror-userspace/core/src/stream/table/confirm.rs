//! What servers send: it says what they have of the clients' streams.

use std::hash::BuildHasher;

use super::{
    Close, Consumer, Context, FlowTable, Key, Progress, Segment, SeqNum, StreamEvent, Time,
};
use crate::stream::FromServer;

impl<T: Consumer> FlowTable<T> {
    /// Takes a segment from a server to a client.
    pub(super) fn handle_from_server(
        &mut self,
        now: Time,
        segment: &Segment<'_>,
        deliver: &mut impl FnMut(&mut T, StreamEvent<'_>),
    ) {
        self.counters.from_server += 1;
        let aborts = segment.flags.rst();
        let ack = segment.ack.filter(|_| segment.flags.ack());
        if ack.is_none() && !aborts {
            return;
        }
        let Some(key) = self.find(self.hasher.hash_one(segment.flow), &segment.flow) else {
            return;
        };
        // A reset acknowledges what it was sent for, even if nobody has it.
        if let Some(ack) = ack.filter(|_| !aborts) {
            self.acknowledge(now, key, ack, deliver);
        }
        // What it acknowledged may have been the end.
        if let Some(connection) = self.connections.get_mut(key) {
            let from_server = FromServer {
                seq: segment.payload_seq(),
                bytes: segment.payload,
                wire_len: segment.wire_len,
                at: segment.at,
                ends: aborts || segment.flags.fin(),
            };
            deliver(&mut connection.state, StreamEvent::FromServer(from_server));
        }
    }
}

impl<T: Consumer> FlowTable<T> {
    /// Notes that the server has all of a connection's stream before `next`.
    pub(super) fn acknowledge(
        &mut self,
        now: Time,
        key: Key,
        next: SeqNum,
        deliver: &mut impl FnMut(&mut T, StreamEvent<'_>),
    ) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let mut context = Context {
            now,
            limits: &self.limits,
            room: &self.room,
            counters: &mut self.counters,
        };
        let mut emit = |event: StreamEvent<'_>| deliver(&mut connection.state, event);
        let waited = connection.assembler.waits();
        let progress = connection
            .assembler
            .acknowledge(next, &mut context, &mut emit);
        let waits = connection.assembler.waits();
        if waits != waited {
            self.wait_anew(key, waited, waits);
        }
        if progress == Progress::Finished {
            self.close(now, key, Close::Fin, deliver);
        }
    }
}

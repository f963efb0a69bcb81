//! What servers send: it says what they have of the clients' streams.

use std::hash::BuildHasher;

use super::{
    Close, Consumer, Context, FlowTable, Key, Progress, Segment, SeqNum, StreamEvent, Time,
};

impl<T: Consumer> FlowTable<T> {
    /// Takes a segment from a server to a client.
    pub(super) fn handle_from_server(
        &mut self,
        now: Time,
        segment: &Segment<'_>,
        deliver: &mut impl FnMut(&mut T, StreamEvent<'_>),
    ) {
        self.counters.from_server += 1;
        if segment.flags.rst() {
            return;
        }
        let Some(ack) = segment.ack.filter(|_| segment.flags.ack()) else {
            return;
        };
        let key = self.find(self.hasher.hash_one(segment.flow), &segment.flow);
        if let Some(key) = key {
            self.acknowledge(now, key, ack, deliver);
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
        let progress = connection
            .assembler
            .acknowledge(next, &mut context, &mut emit);
        if progress == Progress::Finished {
            self.close(now, key, Close::Fin, deliver);
        }
    }
}

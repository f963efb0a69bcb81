//! How connections come about, and end.

use std::collections::VecDeque;

use super::{
    super::{
        shell::{Pipe, Shell},
        vocabulary::{LinkId, Pool, Time, Unconnected},
    },
    world::World,
};

impl Shell for World<'_> {
    const PORTIONS: usize = 7;

    fn choose(&mut self, count: usize) -> usize {
        self.choices.of(count)
    }

    fn pool(&mut self) -> &mut Pool {
        &mut self.pool
    }

    fn now(&self) -> Time {
        self.now
    }

    fn woken(&mut self) -> &mut VecDeque<LinkId> {
        &mut self.woken
    }

    fn pipes(&mut self) -> impl Iterator<Item = &mut Pipe> {
        self.conns.iter_mut().map(|conn| &mut conn.pipe)
    }

    fn why_not(&mut self) -> Unconnected {
        match self.choices.of(8) {
            7 => Unconnected::Forbidden,
            6 => Unconnected::Tls,
            5 => Unconnected::NoRoute,
            _ => Unconnected::Failed,
        }
    }

    fn deliver(&mut self, link: LinkId, bytes: &[u8]) {
        self.handle_arrived(link, bytes);
    }

    fn act(&mut self, own: Option<LinkId>) {
        self.handle_actions(own);
    }

    fn tell_closed(&mut self, link: LinkId) {
        self.conns.retain(|conn| conn.pipe.link != link);
        self.pool.handle_closed(self.now, link);
        self.act(None);
    }
}

impl World<'_> {
    /// An attempt to connect ends.
    pub(super) fn connect_or_refuse(&mut self) {
        let connecting = self.connecting();
        if connecting.is_empty() {
            return;
        }
        let link = connecting[self.choices.of(connecting.len())];
        if self.choices.of(3) < 2 {
            self.connect(link);
        } else {
            self.refuse(link);
        }
    }

    fn refuse(&mut self, link: LinkId) {
        if self.choices.of(8) == 7 {
            self.pool
                .handle_unconnected(self.now, link, Unconnected::Local);
            return self.tell_closed(link);
        }
        let why = self.why_not();
        let another = self.pool.handle_refused(self.now, link, why);
        let conn = self.conn(link);
        conn.refused += 1;
        match another {
            Some(endpoint) if conn.refused < 3 => {
                conn.endpoint = endpoint;
            }
            _ => self.give_up_connecting(link),
        }
    }

    /// A server closes a connection, it breaks, or the pool hears that it is closed.
    pub(super) fn close_somewhere(&mut self) {
        if self.conns.is_empty() {
            return;
        }
        let place = self.choices.of(self.conns.len());
        let how = self.choices.of(16);
        let conn = &mut self.conns[place];
        let link = conn.pipe.link;
        if conn.pipe.closed || how == 15 {
            return self.tell_closed(link);
        }
        if conn.pipe.connected {
            match how {
                0..=3 => conn.break_off(),
                _ => conn.pipe.eof = true,
            }
            self.woken.push_back(link);
        }
    }
}

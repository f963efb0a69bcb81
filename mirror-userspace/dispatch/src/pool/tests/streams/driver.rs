//! How connections come about, and end.

use std::collections::VecDeque;

use super::{
    super::{
        shell::{Pipe, Shell},
        vocabulary::{LinkId, Pool, Time, Unconnected},
    },
    world::World,
};

impl Shell for World {
    const PORTIONS: usize = 30;

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
        [Unconnected::Failed, Unconnected::NoHttp2][self.choices.of(2)]
    }

    fn deliver(&mut self, link: LinkId, bytes: &[u8]) {
        self.handle_arrived(link, bytes);
    }

    fn act(&mut self, own: Option<LinkId>) {
        self.handle_actions(own);
    }

    fn tell_closed(&mut self, link: LinkId) {
        self.calm = false;
        self.end_deliveries(link);
        self.conns.retain(|conn| conn.pipe.link != link);
        self.pool.handle_closed(self.now, link);
        self.act(None);
    }
}

impl World {
    pub(super) fn connect_or_refuse(&mut self) {
        let connecting = self.connecting();
        if connecting.is_empty() {
            return;
        }
        let link = connecting[self.choices.of(connecting.len())];
        if self.choices.of(6) < 5 {
            self.connect(link);
        } else {
            self.calm = false;
            let why = self.why_not();
            let another = self.pool.handle_refused(self.now, link, why);
            if another.is_none() || self.choices.of(2) == 0 {
                self.give_up_connecting(link);
            }
        }
    }

    /// A target closes a connection, or it breaks, or the pool hears that it is closed.
    pub(super) fn close_somewhere(&mut self) {
        if self.conns.is_empty() || self.choices.of(3) > 0 {
            return;
        }
        let place = self.choices.of(self.conns.len());
        let how = self.choices.of(8);
        let conn = &mut self.conns[place];
        let link = conn.pipe.link;
        if conn.pipe.closed || how == 7 {
            return self.tell_closed(link);
        }
        if conn.pipe.connected {
            if how < 3 {
                conn.pipe.reset = true;
                conn.pipe.to_client.clear();
            } else {
                conn.pipe.eof = true;
            }
            self.end_deliveries(link);
            self.woken.push_back(link);
        }
    }
}

//! The shell's end of connections: it moves bytes, in any portions.

use std::io::IoSlice;

use super::{
    super::vocabulary::{LinkId, Unconnected, Work},
    world::World,
};

impl World<'_> {
    /// Some tasks that were woken run.
    pub(super) fn run_woken(&mut self) {
        for _ in 0..=self.choices.of(4) {
            if let Some(link) = self.woken.pop_front() {
                self.run(link);
            }
        }
    }

    /// Whoever sees to a connection runs; it may have been woken for nothing.
    pub(super) fn run(&mut self, link: LinkId) {
        let Some(conn) = self.conns.iter().find(|conn| conn.link == link) else {
            return;
        };
        if conn.closed {
            return;
        }
        if conn.connected {
            self.drive(link);
        } else if self.pool.is_stopped(link) {
            self.give_up_connecting(link);
        }
    }

    /// An attempt to connect ends.
    pub(super) fn connect_or_refuse(&mut self) {
        let connecting = self
            .conns
            .iter()
            .filter(|conn| !conn.connected && !conn.closed);
        let connecting: Vec<_> = connecting.map(|conn| conn.link).collect();
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

    /// It is connected, unless it is not wanted any more.
    pub(super) fn connect(&mut self, link: LinkId) {
        if self.pool.is_stopped(link) {
            return self.give_up_connecting(link);
        }
        self.conn(link).connected = true;
        self.pool.handle_connected(self.now, link);
        self.drive(link);
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

    fn why_not(&mut self) -> Unconnected {
        match self.choices.of(8) {
            7 => Unconnected::Forbidden,
            6 => Unconnected::Tls,
            5 => Unconnected::NoRoute,
            _ => Unconnected::Failed,
        }
    }

    fn give_up_connecting(&mut self, link: LinkId) {
        let why = self.why_not();
        self.pool.handle_unconnected(self.now, link, why);
        assert_eq!(self.pool.work(link), Work::Close);
        self.tell_closed(link);
    }

    /// Does what is to be done on a connection, until it has to wait.
    fn drive(&mut self, link: LinkId) {
        loop {
            match self.pool.work(link) {
                Work::Exchange => {
                    self.write(link);
                    if self.pool.work(link) == Work::Exchange && !self.read(link) {
                        break;
                    }
                }
                Work::Settle => self.pool.settle(self.now, link),
                Work::Rest { given } => {
                    if self.read(link) {
                        continue;
                    }
                    if !given {
                        break;
                    }
                    self.pool.handle_awake(self.now, link);
                }
                Work::Close => {
                    self.conn(link).closed = true;
                    break;
                }
                Work::Connect => unreachable!("it is connected"),
            }
        }
        self.act(Some(link));
        if self.conn(link).closed && self.choices.of(3) < 2 {
            self.tell_closed(link);
        }
    }

    fn write(&mut self, link: LinkId) {
        while self.pool.has_bytes(link) {
            let mut slices = [IoSlice::new(&[]); 3];
            let filled = self.pool.fill(link, &mut slices);
            let bytes: Vec<u8> = slices[..filled]
                .iter()
                .flat_map(|slice| slice.to_vec())
                .collect();
            assert!(!bytes.is_empty(), "nothing to write");
            let conn = self.conns.iter().find(|conn| conn.link == link).unwrap();
            let open = conn.is_open();
            let written = match self.choices.of(8) {
                5 => 1 + self.choices.of(bytes.len()),
                6 => {
                    self.pool.handle_blocked(self.now, link);
                    break;
                }
                7 if !open => {
                    self.pool.handle_unwritable(link);
                    continue;
                }
                _ => bytes.len(),
            };
            self.pool.handle_written(self.now, link, written);
            self.deliver(link, &bytes[..written]);
        }
        if self.pool.is_unflushed(link) && self.choices.of(4) < 3 {
            self.pool.handle_flushed(self.now, link);
        }
    }

    /// Reads once; `false` if there is nothing, or nothing yet.
    fn read(&mut self, link: LinkId) -> bool {
        let portion = self.choices.of(4);
        let cut = self.choices.of(7);
        let now = self.now;
        let conn = self.conn(link);
        if portion == 3 {
            return false;
        }
        let there = conn.to_client.len();
        if there > 0 {
            let count = if portion == 2 {
                there.min(1 + cut)
            } else {
                there
            };
            let bytes: Vec<_> = conn.to_client.drain(..count).collect();
            self.pool.handle_read(now, link, &bytes);
        } else if conn.reset {
            self.pool.handle_reset(now, link);
        } else if conn.eof {
            self.pool.handle_eof(now, link);
        } else {
            return false;
        }
        true
    }

    /// A server closes a connection, it breaks, or the pool hears that it is closed.
    pub(super) fn close_somewhere(&mut self) {
        if self.conns.is_empty() {
            return;
        }
        let place = self.choices.of(self.conns.len());
        let how = self.choices.of(16);
        let conn = &mut self.conns[place];
        let link = conn.link;
        if conn.closed || how == 15 {
            return self.tell_closed(link);
        }
        if conn.connected {
            match how {
                0..=3 => conn.break_off(),
                _ => conn.eof = true,
            }
            self.woken.push_back(link);
        }
    }

    /// The pool hears that a connection is closed.
    pub(super) fn tell_closed(&mut self, link: LinkId) {
        self.conns.retain(|conn| conn.link != link);
        self.pool.handle_closed(self.now, link);
        self.act(None);
    }
}

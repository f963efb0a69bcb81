//! The shell's end of connections: it moves bytes, in any portions.

use std::io::IoSlice;

use super::world::World;
use crate::{
    LinkId,
    pool::{Unconnected, Work},
};

impl World {
    pub(super) fn run_woken(&mut self) {
        for _ in 0..=self.choices.of(4) {
            if let Some(link) = self.woken.pop_front() {
                self.run(link);
            }
        }
    }

    pub(super) fn wake_somewhere(&mut self) {
        if !self.conns.is_empty() {
            let conn = self.choices.of(self.conns.len());
            self.woken.push_back(self.conns[conn].link);
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

    pub(super) fn connect_or_refuse(&mut self) {
        let connecting = self.conns.iter();
        let connecting: Vec<_> = connecting
            .filter(|conn| !conn.connected && !conn.closed)
            .map(|conn| conn.link)
            .collect();
        if connecting.is_empty() {
            return;
        }
        let link = connecting[self.choices.of(connecting.len())];
        if self.choices.of(6) < 5 {
            self.connect(link);
        } else {
            self.calm = false;
            let why = [Unconnected::Failed, Unconnected::NoHttp2][self.choices.of(2)];
            let another = self.pool.handle_refused(self.now, link, why);
            if another.is_none() || self.choices.of(2) == 0 {
                self.give_up_connecting(link);
            }
        }
    }

    pub(super) fn connect(&mut self, link: LinkId) {
        if self.pool.is_stopped(link) {
            return self.give_up_connecting(link);
        }
        self.conn(link).connected = true;
        self.pool.handle_connected(self.now, link);
        self.drive(link);
    }

    fn give_up_connecting(&mut self, link: LinkId) {
        let why = [Unconnected::Failed, Unconnected::NoHttp2][self.choices.of(2)];
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
            let bytes: Vec<u8> = slices[..filled].iter().flat_map(|it| it.to_vec()).collect();
            assert!(!bytes.is_empty(), "nothing to write");
            let written = match self.choices.of(8) {
                5 => 1 + self.choices.of(bytes.len()),
                6 => {
                    self.pool.handle_blocked(self.now, link);
                    break;
                }
                7 if !self.conn(link).is_open() => {
                    self.pool.handle_unwritable(link);
                    continue;
                }
                _ => bytes.len(),
            };
            // It arrives before the pool knows that it is written, and what that brings.
            self.deliver(link, &bytes[..written]);
            self.pool.handle_written(self.now, link, written);
        }
        if self.pool.is_unflushed(link) && self.choices.of(4) < 3 {
            self.pool.handle_flushed(self.now, link);
        }
    }

    /// Reads once; `false` if there is nothing, or nothing yet.
    fn read(&mut self, link: LinkId) -> bool {
        let portion = self.choices.of(4);
        let cut = self.choices.of(30);
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

    /// A target closes a connection, or it breaks, or the pool hears that it is closed.
    pub(super) fn close_somewhere(&mut self) {
        if self.conns.is_empty() || self.choices.of(3) > 0 {
            return;
        }
        let place = self.choices.of(self.conns.len());
        let how = self.choices.of(8);
        let conn = &mut self.conns[place];
        let link = conn.link;
        if conn.closed || how == 7 {
            return self.tell_closed(link);
        }
        if conn.connected {
            if how < 3 {
                conn.reset = true;
                conn.to_client.clear();
            } else {
                conn.eof = true;
            }
            self.end_deliveries(link);
            self.woken.push_back(link);
        }
    }

    /// The pool hears that a connection is closed.
    pub(super) fn tell_closed(&mut self, link: LinkId) {
        self.calm = false;
        self.end_deliveries(link);
        self.conns.retain(|conn| conn.link != link);
        self.pool.handle_closed(self.now, link);
        self.act(None);
    }
}

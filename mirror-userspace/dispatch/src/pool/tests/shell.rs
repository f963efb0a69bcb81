//! The shell's end of simulated connections, whatever they carry: it moves bytes, in any portions.

use std::{collections::VecDeque, io::IoSlice};

use super::vocabulary::{LinkId, Pool, Time, Unconnected, Work};

/// A connection, from when it is asked for until the pool knows that it is closed.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) link: LinkId,
    pub(super) serial: usize,
    pub(super) connected: bool,
    /// The pool's side closed it; it may not have been told yet.
    pub(super) closed: bool,
    /// The server closed it, or it broke.
    pub(super) eof: bool,
    pub(super) reset: bool,
    /// Bytes that the server sent and that were not read.
    pub(super) to_client: VecDeque<u8>,
}

impl Pipe {
    pub(super) const fn new(link: LinkId, serial: usize) -> Self {
        Self {
            link,
            serial,
            connected: false,
            closed: false,
            eof: false,
            reset: false,
            to_client: VecDeque::new(),
        }
    }

    /// Whether it carries bytes.
    pub(super) const fn is_open(&self) -> bool {
        self.connected && !self.closed && !self.eof && !self.reset
    }
}

/// A world with connections in it. When its choices are made, it turns kind.
pub(super) trait Shell {
    /// Choices of how many bytes a small portion has that is read.
    const PORTIONS: usize;

    /// A number below `count`, each as likely; 0, the kindest one, when all choices are made.
    fn choose(&mut self, count: usize) -> usize;

    fn pool(&mut self) -> &mut Pool;

    fn now(&self) -> Time;

    /// Those whose tasks were woken.
    fn woken(&mut self) -> &mut VecDeque<LinkId>;

    fn pipes(&mut self) -> impl Iterator<Item = &mut Pipe>;

    /// Why a connection does not come about.
    fn why_not(&mut self) -> Unconnected;

    /// Bytes arrive at a server.
    fn deliver(&mut self, link: LinkId, bytes: &[u8]);

    /// Does what the pool says. Who runs for `own` is not woken.
    fn act(&mut self, own: Option<LinkId>);

    /// The pool hears that a connection is closed.
    fn tell_closed(&mut self, link: LinkId);

    fn links(&mut self) -> Vec<LinkId> {
        self.pipes().map(|pipe| pipe.link).collect()
    }

    fn pipe(&mut self, link: LinkId) -> &mut Pipe {
        self.pipes().find(|pipe| pipe.link == link).unwrap()
    }

    /// Attempts to connect that have not ended.
    fn connecting(&mut self) -> Vec<LinkId> {
        let connecting = self.pipes().filter(|pipe| !pipe.connected && !pipe.closed);
        connecting.map(|pipe| pipe.link).collect()
    }

    /// The pool has work for a connection, whose task runs for `own` already, or is woken.
    fn wake(&mut self, link: LinkId, own: Option<LinkId>) {
        assert!(self.links().contains(&link), "no such link");
        if own != Some(link) && !self.woken().contains(&link) {
            self.woken().push_back(link);
        }
    }

    /// A task is woken for nothing.
    fn wake_somewhere(&mut self) {
        let links = self.links();
        if !links.is_empty() {
            let link = links[self.choose(links.len())];
            self.woken().push_back(link);
        }
    }

    /// Some tasks that were woken run.
    fn run_woken(&mut self) {
        for _ in 0..=self.choose(4) {
            if let Some(link) = self.woken().pop_front() {
                self.run(link);
            }
        }
    }

    /// Whoever was woken runs, and closed connections are told of.
    fn run_all(&mut self) {
        while let Some(link) = self.woken().pop_front() {
            self.run(link);
        }
        for link in self.links() {
            if self.pipe(link).closed {
                self.tell_closed(link);
            }
        }
        if !self.woken().is_empty() {
            self.run_all();
        }
    }

    /// Whoever sees to a connection runs; it may have been woken for nothing.
    fn run(&mut self, link: LinkId) {
        let Some(pipe) = self.pipes().find(|pipe| pipe.link == link) else {
            return;
        };
        if pipe.closed {
            return;
        }
        if pipe.connected {
            self.drive(link);
        } else if self.pool().is_stopped(link) {
            self.give_up_connecting(link);
        }
    }

    /// It is connected, unless it is not wanted any more.
    fn connect(&mut self, link: LinkId) {
        if self.pool().is_stopped(link) {
            return self.give_up_connecting(link);
        }
        self.pipe(link).connected = true;
        let now = self.now();
        self.pool().handle_connected(now, link);
        self.drive(link);
    }

    fn give_up_connecting(&mut self, link: LinkId) {
        let (why, now) = (self.why_not(), self.now());
        self.pool().handle_unconnected(now, link, why);
        assert_eq!(self.pool().work(link), Work::Close);
        self.tell_closed(link);
    }

    /// Does what is to be done on a connection, until it has to wait.
    fn drive(&mut self, link: LinkId) {
        let now = self.now();
        loop {
            match self.pool().work(link) {
                Work::Exchange => {
                    self.write(link);
                    if self.pool().work(link) == Work::Exchange && !self.read(link) {
                        break;
                    }
                }
                Work::Settle => self.pool().settle(now, link),
                Work::Rest { given } => {
                    if self.read(link) {
                        continue;
                    }
                    if !given {
                        break;
                    }
                    self.pool().handle_awake(now, link);
                }
                Work::Close => {
                    self.pipe(link).closed = true;
                    break;
                }
                Work::Connect => unreachable!("it is connected"),
            }
        }
        self.act(Some(link));
        if self.pipe(link).closed && self.choose(3) < 2 {
            self.tell_closed(link);
        }
    }

    fn write(&mut self, link: LinkId) {
        let now = self.now();
        while self.pool().has_bytes(link) {
            let mut slices = [IoSlice::new(&[]); 3];
            let filled = self.pool().fill(link, &mut slices);
            let bytes: Vec<u8> = slices[..filled].iter().flat_map(|it| it.to_vec()).collect();
            assert!(!bytes.is_empty(), "nothing to write");
            let written = match self.choose(8) {
                5 => 1 + self.choose(bytes.len()),
                6 => {
                    self.pool().handle_blocked(now, link);
                    break;
                }
                7 if !self.pipe(link).is_open() => {
                    self.pool().handle_unwritable(link);
                    continue;
                }
                _ => bytes.len(),
            };
            // It arrives before the pool knows that it is written, and what that brings.
            self.deliver(link, &bytes[..written]);
            self.pool().handle_written(now, link, written);
        }
        if self.pool().is_unflushed(link) && self.choose(4) < 3 {
            self.pool().handle_flushed(now, link);
        }
    }

    /// Reads once; `false` if there is nothing, or nothing yet.
    fn read(&mut self, link: LinkId) -> bool {
        let portion = self.choose(4);
        let cut = self.choose(Self::PORTIONS);
        let now = self.now();
        let pipe = self.pipe(link);
        if portion == 3 {
            return false;
        }
        let there = pipe.to_client.len();
        if there > 0 {
            let count = if portion == 2 {
                there.min(1 + cut)
            } else {
                there
            };
            let bytes: Vec<_> = pipe.to_client.drain(..count).collect();
            let discarded = self.pool().discardable(link).min(count as u64);
            if discarded > 0 && self.choose(2) == 0 {
                self.pool().handle_discarded(now, link, discarded);
                let rest = &bytes[usize::try_from(discarded).unwrap()..];
                if !rest.is_empty() {
                    self.pool().handle_read(now, link, rest);
                }
            } else {
                self.pool().handle_read(now, link, &bytes);
            }
        } else if pipe.reset {
            self.pool().handle_reset(now, link);
        } else if pipe.eof {
            self.pool().handle_eof(now, link);
        } else {
            return false;
        }
        true
    }

    fn see_to_timeouts(&mut self) {
        let now = self.now();
        self.pool().handle_timeout(now);
        let due = self.pool().poll_timeout();
        assert!(due.is_none_or(|due| due > now), "seen to, and still due");
        self.act(None);
    }
}

//! The targets' end of connections: they say what they like.

use std::collections::BTreeMap;

use super::{
    super::{shell::Pipe, vocabulary::LinkId},
    world::World,
};

/// A connection, from when it is asked for until the pool knows that it is closed.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) pipe: Pipe,
    /// Bytes that have arrived and are no whole frame yet.
    pub(super) arrived: Vec<u8>,
    pub(super) greeted: bool,
    pub(super) streams: BTreeMap<u32, Stream>,
    pub(super) last: u32,
    pub(super) window: i64,
    /// The first window of a stream and the limit of streams, as the pool has acknowledged them.
    pub(super) first_window: i64,
    pub(super) limit: usize,
    /// Those that it has not acknowledged.
    pub(super) said: Option<(i64, usize)>,
    pub(super) goaway: Option<u32>,
    pub(super) answered: usize,
    /// The stream whose header block goes on.
    pub(super) in_block: Option<u32>,
}

/// A copy that arrives.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) copy: usize,
    pub(super) block: Vec<u8>,
    pub(super) body: usize,
    pub(super) window: i64,
    /// Whether END_STREAM has come.
    pub(super) ended: bool,
    /// Whether a side has reset it.
    pub(super) reset: bool,
    pub(super) answered: bool,
    pub(super) replied: bool,
    pub(super) has_trailers: bool,
}

impl Conn {
    pub(super) fn new(link: LinkId, serial: usize) -> Self {
        Self {
            pipe: Pipe::new(link, serial),
            arrived: Vec::new(),
            greeted: false,
            streams: BTreeMap::new(),
            last: 0,
            window: 65_535,
            first_window: 65_535,
            limit: usize::MAX,
            said: None,
            goaway: None,
            answered: 0,
            in_block: None,
        }
    }

    /// Streams that are whole and wait for their replies.
    pub(super) fn whole(&self) -> Vec<u32> {
        let taken = self.goaway.unwrap_or(u32::MAX);
        let whole = self
            .streams
            .iter()
            .filter(|(number, it)| **number <= taken && it.ended && !it.reset && !it.replied);
        whole.map(|(number, _)| *number).collect()
    }

    fn say(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
        self.pipe
            .to_client
            .extend([len[1], len[2], len[3], kind, flags]);
        self.pipe.to_client.extend(stream.to_be_bytes());
        self.pipe.to_client.extend(payload);
    }
}

impl World {
    pub(super) fn conn(&mut self, link: LinkId) -> &mut Conn {
        let mut conns = self.conns.iter_mut();
        conns.find(|conn| conn.pipe.link == link).unwrap()
    }

    /// The copies on a connection that is over may have been taken.
    pub(super) fn end_deliveries(&mut self, link: LinkId) {
        let conn = self
            .conns
            .iter()
            .find(|conn| conn.pipe.link == link)
            .unwrap();
        let (serial, answered) = (conn.pipe.serial, conn.answered > 0);
        for delivery in self.deliveries.iter_mut().filter(|it| it.conn == serial) {
            delivery.lost_with_others = answered;
        }
    }

    fn set_untaken(&mut self, serial: usize, copy: usize) {
        let deliveries = self.deliveries.iter_mut();
        for delivery in deliveries.filter(|it| it.conn == serial && it.copy == copy) {
            delivery.untaken = true;
        }
    }

    /// A target does something on one of its connections.
    pub(super) fn serve_somewhere(&mut self) {
        if self.conns.is_empty() {
            return;
        }
        let place = self.choices.of(self.conns.len());
        let link = self.conns[place].pipe.link;
        if !self.conns[place].pipe.is_open() || !self.conns[place].greeted {
            return;
        }
        if self.conns[place].limit == usize::MAX && self.conns[place].said.is_none() {
            if self.choices.of(20) == 19 {
                self.conns[place]
                    .pipe
                    .to_client
                    .extend(b"HTTP/1.1 400 Bad\r\n\r\n");
                self.conns[place].pipe.eof = true;
            } else {
                self.settings(link);
            }
            return self.woken.push_back(link);
        }
        match self.choices.of(16) {
            0 => self.settings(link),
            1 => self.conn(link).say(6, 0, 0, b"areyouup"),
            2 | 3 => self.open_windows(link, 0),
            4 if self.choices.of(4) == 0 => self.goaway(link),
            5 if self.choices.of(6) == 0 => self.misbehave(link),
            _ => self.serve_stream(link),
        }
        self.woken.push_back(link);
    }

    fn settings(&mut self, link: LinkId) {
        let window = [65_535, 0, 100, 10_000, 1 << 20][self.choices.of(5)];
        let limit = [100, 1, 3, 10, 0][self.choices.of(5)];
        let mut calm = true;
        let conn = self.conn(link);
        if conn.said.is_none() {
            calm = limit >= 100;
            conn.said = Some((window, limit));
            let (window, limit) = (
                u32::try_from(window).unwrap(),
                u32::try_from(limit).unwrap(),
            );
            let payload = [
                &[0, 4][..],
                &window.to_be_bytes(),
                &[0, 3],
                &limit.to_be_bytes(),
            ];
            conn.say(4, 0, 0, &payload.concat());
        }
        self.calm &= calm;
    }

    /// The target allows as much as it can.
    pub(super) fn open_up(&mut self, link: LinkId) {
        let conn = self.conn(link);
        if conn.said.is_none() && (conn.limit < 100 || conn.limit == usize::MAX) {
            self.settings(link);
        }
    }

    /// Windows grow: of the connection, and of a stream or all of them.
    pub(super) fn open_windows(&mut self, link: LinkId, least: i64) {
        let more = [1, 500, 40_000][self.choices.of(3)].max(least);
        let bytes = u32::try_from(more).unwrap().to_be_bytes();
        let conn = self.conn(link);
        conn.window += more;
        conn.say(8, 0, 0, &bytes);
        let open = conn.streams.iter().filter(|(_, it)| !it.reset && !it.ended);
        let open: Vec<_> = open.map(|(number, _)| *number).collect();
        for number in open {
            conn.streams.get_mut(&number).unwrap().window += more;
            conn.say(8, 0, number, &bytes);
        }
    }

    fn goaway(&mut self, link: LinkId) {
        self.calm = false;
        let soon = self.choices.of(2) == 1;
        let conn = self.conn(link);
        let answered = conn.streams.iter().filter(|(_, it)| it.answered);
        let least = answered.map(|(number, _)| *number).max().unwrap_or(0);
        let last = if soon { (1 << 31) - 1 } else { least };
        let last = conn.goaway.unwrap_or(u32::MAX).min(last);
        conn.goaway = Some(last);
        conn.say(7, 0, 0, &[&last.to_be_bytes()[..], &[0; 4]].concat());
        let serial = conn.pipe.serial;
        let above = conn.streams.range(last.saturating_add(1)..);
        let above: Vec<_> = above.map(|(_, stream)| stream.copy).collect();
        above
            .into_iter()
            .for_each(|copy| self.set_untaken(serial, copy));
    }

    /// A connection error.
    fn misbehave(&mut self, link: LinkId) {
        let what = self.choices.of(3);
        let conn = self.conn(link);
        match what {
            0 => conn.say(5, 4, 1, b""),
            1 => conn.say(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
            _ => conn.say(0, 0, 1, &[0; 20_000]),
        }
        conn.pipe.eof = true;
        self.end_deliveries(link);
    }

    fn serve_stream(&mut self, link: LinkId) {
        let conn = self.conn(link);
        let taken = conn.goaway.unwrap_or(u32::MAX);
        let live = conn.streams.iter().filter(|(number, it)| {
            **number <= taken && !it.reset && !it.replied && conn.in_block != Some(**number)
        });
        let live: Vec<_> = live.map(|(number, _)| *number).collect();
        if live.is_empty() {
            return;
        }
        let number = live[self.choices.of(live.len())];
        let ended = self.conn(link).streams[&number].ended;
        let what = if ended {
            self.choices.of(14)
        } else {
            8 + self.choices.of(8)
        };
        self.reply(link, number, what);
    }

    /// Says something on a stream.
    pub(super) fn reply(&mut self, link: LinkId, number: u32, what: usize) {
        let conn = self.conn(link);
        let serial = conn.pipe.serial;
        let stream = conn.streams.get_mut(&number).unwrap();
        let (answered, copy) = (stream.answered, stream.copy);
        // `:status: 200` and `grpc-status: 0`.
        let grpc = b"\x00\x0bgrpc-status\x010";
        match what {
            0..=3 | 8 if !answered => {
                (stream.answered, stream.replied) = (true, true);
                conn.say(1, 5, number, &[&[0x88][..], grpc].concat());
            }
            4..=6 | 9 if !answered => {
                stream.answered = true;
                conn.say(1, 4, number, &[0x88]);
            }
            0..=6 | 8 | 9 => {
                stream.replied = true;
                conn.say(1, 5, number, grpc);
            }
            7 if answered => conn.say(0, 0, number, &[7; 900]),
            10 if !answered => {
                stream.reset = true;
                conn.say(3, 0, number, &[0, 0, 0, 7]);
                self.set_untaken(serial, copy);
                return;
            }
            11 => {
                stream.reset = true;
                conn.say(3, 0, number, &[0, 0, 0, 2]);
                return;
            }
            12 => {
                // Malformed: the pool resets it.
                conn.say(1, 4, number, &[0x82]);
                return;
            }
            _ => return,
        }
        conn.answered += 1;
        self.replies += u64::from(!answered);
    }
}

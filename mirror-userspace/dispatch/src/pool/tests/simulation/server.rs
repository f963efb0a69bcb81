//! The servers' end of connections: they check what arrives, and reply as they like.

use std::net::SocketAddr;

use super::{
    super::{
        shell::Pipe,
        vocabulary::{Expect, LinkId, Order, Pipelining, Retry},
    },
    copies::byte,
    world::{Delivery, World},
};

/// A connection, from when it is asked for until the pool knows that it is closed.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) pipe: Pipe,
    pub(super) endpoint: SocketAddr,
    /// Endpoints that refused it.
    pub(super) refused: usize,
    /// The server says nothing any more.
    pub(super) silent: bool,
    /// The server said that it takes no more requests.
    said_close: bool,
    requests: Vec<Request>,
    /// The first bytes of a request, until it is known which copy it is.
    unknown: Vec<u8>,
    /// Bytes that were sent, and the ends of the replies among them.
    sent: usize,
    ends: Vec<usize>,
}

/// A copy that arrives.
#[derive(Clone, Copy, Debug)]
struct Request {
    copy: usize,
    received: usize,
}

/// The end of a reply that has none but the connection's.
const NEVER: usize = usize::MAX;

impl Conn {
    pub(super) fn new(link: LinkId, endpoint: SocketAddr, serial: usize) -> Self {
        Self {
            pipe: Pipe::new(link, serial),
            endpoint,
            refused: 0,
            silent: false,
            said_close: false,
            requests: Vec::new(),
            unknown: Vec::new(),
            sent: 0,
            ends: Vec::new(),
        }
    }

    /// Replies that were read to their end.
    fn read_replies(&self) -> usize {
        let read = self.sent - self.pipe.to_client.len();
        self.ends.iter().filter(|end| **end <= read).count()
    }

    /// Copies that arrived, and whose replies were not read to their end.
    fn under_way(&self) -> &[Request] {
        &self.requests[self.read_replies()..]
    }

    /// The request that is to be answered next.
    fn to_answer(&self) -> Option<Request> {
        self.requests.get(self.ends.len()).copied()
    }

    pub(super) fn break_off(&mut self) {
        self.pipe.reset = true;
        self.sent -= self.pipe.to_client.len();
        self.pipe.to_client.clear();
    }
}

impl World<'_> {
    /// Bytes arrive at a server.
    pub(super) fn handle_arrived(&mut self, link: LinkId, bytes: &[u8]) {
        for byte in bytes {
            if self.conn(link).pipe.is_open() {
                self.deliver_byte(link, *byte);
            }
        }
    }

    fn deliver_byte(&mut self, link: LinkId, arrived: u8) {
        let Self { conns, copies, .. } = self;
        let conn = conns
            .iter_mut()
            .find(|conn| conn.pipe.link == link)
            .unwrap();
        if let Some(last) = conn.requests.last_mut() {
            let facts = &copies[last.copy];
            if !(facts.whole && last.received == facts.len) {
                assert!(last.received < facts.len, "more than there is");
                assert_eq!(arrived, byte(last.copy, last.received), "other bytes");
                last.received += 1;
                return;
            }
        }
        conn.unknown.push(arrived);
        if let Some(number) = conn.unknown.first_chunk() {
            let copy = u32::from_be_bytes(*number) as usize;
            conn.unknown.clear();
            self.begin_request(link, copy);
        }
    }

    /// A copy begins to arrive.
    fn begin_request(&mut self, link: LinkId, copy: usize) {
        let facts = &self.copies[copy];
        let only_safe = self.settings.pipelining == Pipelining::Auto;
        let (client, exclusive) = (facts.client, facts.is_exclusive(only_safe));
        let of_client = |request: &Request| self.copies[request.copy].client == client;
        let in_order = self.settings.order == Order::Connection;
        for other in &self.conns {
            if other.pipe.link != link && !other.pipe.closed && in_order {
                assert!(!other.under_way().iter().any(of_client), "one overtakes");
            }
        }
        let conn = self
            .conns
            .iter()
            .find(|conn| conn.pipe.link == link)
            .unwrap();
        let ahead = conn.under_way();
        let most = match self.settings.pipelining {
            Pipelining::UpTo(most) => most,
            Pipelining::Auto if self.settings.retry == Retry::Never => 1,
            Pipelining::Auto => 64,
        };
        let room = most.min(conn.read_replies() + 1);
        assert!(ahead.len() < room.max(1), "more at once than may");
        let is_exclusive = |one: &Request| self.copies[one.copy].is_exclusive(only_safe);
        let not_alone = exclusive || ahead.iter().any(is_exclusive);
        assert!(
            ahead.is_empty() || !not_alone,
            "it wants the connection for itself"
        );

        let delivery = Delivery {
            copy,
            conn: conn.pipe.serial,
            disclaimed: conn.said_close,
            reused: conn.read_replies() > 0,
        };
        self.check_repeated(copy);
        self.deliveries.push(delivery);
        self.conn(link).requests.push(Request { copy, received: 4 });
    }

    /// If the copy arrived before, it may do so again.
    fn check_repeated(&self, copy: usize) {
        let may = self.settings.retry == Retry::Idempotent && self.copies[copy].may_repeat();
        let mut retried = 0;
        let before = self.deliveries.iter();
        for delivery in before.filter(|one| one.copy == copy) {
            assert!(may, "sent twice");
            assert!(delivery.disclaimed || delivery.reused, "of a new one");
            retried += usize::from(!delivery.disclaimed);
        }
        assert!(retried < 2, "sent more than once more");
    }

    /// A server does something on one of its connections.
    pub(super) fn serve_somewhere(&mut self) {
        if self.conns.is_empty() {
            return;
        }
        let place = self.choices.of(self.conns.len());
        let conn = &self.conns[place];
        let link = conn.pipe.link;
        let Some(request) = conn
            .to_answer()
            .filter(|_| conn.pipe.is_open() && !conn.silent)
        else {
            return;
        };
        let facts = &self.copies[request.copy];
        let whole = facts.whole && request.received == facts.len;
        if whole || self.choices.of(4) == 3 {
            let kind = self.choices.of(17);
            self.reply(link, request.copy, kind);
        }
        self.woken.push_back(link);
    }

    /// Whether a request that is whole waits for a reply.
    pub(super) fn reply_if_whole(&mut self, link: LinkId) {
        while let Some(request) = self.conn(link).to_answer()
            && self.conn(link).pipe.is_open()
        {
            let facts = &self.copies[request.copy];
            if !(facts.whole && request.received == facts.len) {
                return;
            }
            if self.conn(link).silent {
                self.conn(link).pipe.eof = true;
                return;
            }
            self.reply(link, request.copy, 0);
        }
    }

    fn reply(&mut self, link: LinkId, copy: usize, kind: usize) {
        let (head, body) = match kind {
            0..=3 => ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
            4 => ("HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\n", "hello"),
            5 => ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n", ""),
            6 => (
                "HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n",
                "3\r\nabc\r\n0\r\n\r\n",
            ),
            7 => ("HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n", ""),
            8..=10 => (
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n",
                "ok",
            ),
            11 => ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", "ok"),
            12 => ("I beg your pardon?\r\n\r\n", ""),
            13 => ("HTTP/1.1 101 Switching\r\n\r\n", ""),
            14 => ("HTTP/1.1 200 OK\r\n\r\n", "until it closes"),
            16 => ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "half"),
            _ => ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", "long"),
        };
        let bare = self.copies[copy].expect != Expect::Body;
        let long = [body, &"g".repeat(96)].concat();
        let body = match kind {
            _ if bare => "",
            15 => &long,
            _ => body,
        };
        self.replies += 1;
        let conn = self.conn(link);
        conn.pipe.to_client.extend(head.bytes().chain(body.bytes()));
        conn.sent += head.len() + body.len();
        let endless = kind == 12 || (!bare && matches!(kind, 14..=16));
        conn.ends.push(if endless { NEVER } else { conn.sent });
        conn.silent = kind >= 8;
        if (8..=10).contains(&kind) {
            conn.said_close = true;
            let (serial, answered) = (conn.pipe.serial, conn.ends.len());
            self.disclaim(serial, answered);
        } else if matches!(kind, 14 | 16) {
            conn.pipe.eof = true;
        }
    }

    /// The requests on a connection behind those that are answered are not taken.
    fn disclaim(&mut self, serial: usize, answered: usize) {
        let on_it = self.deliveries.iter_mut();
        for delivery in on_it.filter(|one| one.conn == serial).skip(answered) {
            delivery.disclaimed = true;
        }
    }
}

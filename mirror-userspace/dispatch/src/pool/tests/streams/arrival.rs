//! What arrives at the targets, which check it.

use mirror_core::http::h2::{
    PREFACE,
    frame::{ACK, END_HEADERS, END_STREAM, FrameHeader, HEADER, Kind},
};

use super::{
    super::vocabulary::{LinkId, Order, Retry},
    world::{Delivery, World, block, byte},
};

impl World {
    /// Bytes arrive at a target.
    pub(super) fn handle_arrived(&mut self, link: LinkId, bytes: &[u8]) {
        if !self.conn(link).pipe.is_open() {
            return;
        }
        self.conn(link).arrived.extend(bytes);
        loop {
            let conn = self.conn(link);
            if !conn.greeted {
                if conn.arrived.len() < PREFACE.len() {
                    return;
                }
                assert_eq!(&conn.arrived[..PREFACE.len()], PREFACE);
                conn.arrived.drain(..PREFACE.len());
                conn.greeted = true;
            }
            let Some(header) = conn.arrived.first_chunk::<HEADER>() else {
                return;
            };
            let header = FrameHeader::parse(*header);
            let end = HEADER + header.len as usize;
            if conn.arrived.len() < end {
                return;
            }
            let payload: Vec<_> = conn.arrived.drain(..end).skip(HEADER).collect();
            self.take_frame(link, &header, &payload);
        }
    }

    fn take_frame(&mut self, link: LinkId, frame: &FrameHeader, payload: &[u8]) {
        assert!(payload.len() <= 16_384, "too long");
        let ends = frame.flags & END_STREAM != 0;
        let conn = self.conn(link);
        let continues = frame.kind == Kind::Continuation;
        assert_eq!(conn.in_block, continues.then_some(frame.stream));
        match frame.kind {
            Kind::Settings if frame.flags & ACK != 0 => {
                let (window, limit) = conn.said.take().expect("nothing to acknowledge");
                for stream in conn.streams.values_mut() {
                    stream.window += window - conn.first_window;
                }
                (conn.first_window, conn.limit) = (window, limit);
            }
            Kind::Settings => assert_eq!(payload.len(), 24),
            Kind::WindowUpdate => assert_eq!(frame.stream, 0),
            Kind::Ping => assert_eq!((frame.flags, payload), (ACK, &b"areyouup"[..])),
            Kind::Headers | Kind::Continuation => self.take_block(link, frame, payload),
            Kind::Data => {
                conn.window -= payload.len() as i64;
                assert!(conn.window >= 0, "beyond the connection's window");
                let stream = conn.streams.get_mut(&frame.stream).expect("never opened");
                assert!(!stream.ended, "behind its end");
                stream.window -= payload.len() as i64;
                assert!(
                    payload.is_empty() || stream.window >= 0,
                    "beyond the window"
                );
                for (place, arrived) in payload.iter().enumerate() {
                    assert_eq!(
                        *arrived,
                        byte(stream.copy, stream.body + place),
                        "other bytes"
                    );
                }
                stream.body += payload.len();
                if ends {
                    self.end_request(link, frame.stream);
                }
            }
            Kind::Reset => {
                assert_eq!(frame.len, 4);
                conn.streams
                    .get_mut(&frame.stream)
                    .expect("never opened")
                    .reset = true;
            }
            kind => panic!("{kind:?}"),
        }
    }

    fn take_block(&mut self, link: LinkId, frame: &FrameHeader, payload: &[u8]) {
        let conn = self.conn(link);
        let first_window = conn.first_window;
        let opens = !conn.streams.contains_key(&frame.stream);
        if opens {
            assert!(
                frame.stream % 2 == 1 && frame.stream > conn.last,
                "numbers go up"
            );
            conn.last = frame.stream;
        } else if frame.kind == Kind::Headers {
            conn.streams.get_mut(&frame.stream).unwrap().has_trailers = true;
        }
        let stream = conn.streams.entry(frame.stream).or_default();
        if opens {
            stream.window = first_window;
        }
        let trailers = stream.has_trailers;
        if !trailers {
            stream.block.extend(payload);
        }
        let whole = frame.flags & END_HEADERS != 0;
        // CONTINUATION has no END_STREAM: its HEADERS frame had.
        let ends = frame.kind == Kind::Headers && frame.flags & END_STREAM != 0;
        conn.in_block = (!whole).then_some(frame.stream);
        if opens {
            let open = conn.streams.values();
            let open = open
                .filter(|it| !(it.reset || it.ended && it.replied))
                .count();
            assert!(open <= conn.limit, "more streams than may");
            let copy = u32::from_be_bytes(*payload.first_chunk().unwrap()) as usize;
            conn.streams.get_mut(&frame.stream).unwrap().copy = copy;
            self.begin_request(link, frame.stream, copy);
        }
        if trailers {
            let copy = self.conn(link).streams[&frame.stream].copy;
            assert!(ends && payload == &block(copy, 30)[..], "other trailers");
        }
        if ends {
            self.end_request(link, frame.stream);
        }
    }

    /// A copy begins to arrive.
    fn begin_request(&mut self, link: LinkId, number: u32, copy: usize) {
        let conn = self
            .conns
            .iter()
            .find(|conn| conn.pipe.link == link)
            .unwrap();
        let untaken = conn.goaway.is_some_and(|last| number > last);
        let serial = conn.pipe.serial;
        let before: Vec<_> = self
            .deliveries
            .iter()
            .filter(|it| it.copy == copy)
            .collect();
        let again = before.iter().filter(|it| !it.untaken).count();
        assert!(again < 2 && before.len() <= 17, "sent for ever");
        for delivery in before {
            let facts = &self.copies[copy];
            assert!(self.settings.retry == Retry::Idempotent, "sent twice");
            let lost = delivery.lost_with_others && facts.idempotent && !facts.streamed;
            assert!(delivery.untaken || lost, "it may have been taken");
        }
        let client = self.copies[copy].client;
        let is_first = self.deliveries.iter().all(|it| it.copy != copy);
        if self.settings.order == Order::Connection && is_first && self.calm {
            let of_client = |it: &&Delivery| self.copies[it.copy].client == client;
            let on_it = self.deliveries.iter().filter(|it| it.conn == serial);
            let mut on_it = on_it.filter(of_client);
            assert!(on_it.all(|it| it.copy < copy), "out of order");
        }
        self.deliveries.push(Delivery {
            copy,
            conn: serial,
            untaken,
            lost_with_others: false,
        });
    }

    /// END_STREAM has come: all of the copy is there.
    fn end_request(&mut self, link: LinkId, number: u32) {
        let Self { conns, copies, .. } = self;
        let conn = conns
            .iter_mut()
            .find(|conn| conn.pipe.link == link)
            .unwrap();
        let stream = conn.streams.get_mut(&number).unwrap();
        let facts = &copies[stream.copy];
        assert!(!stream.ended && facts.whole, "it will be longer");
        assert_eq!(stream.body, facts.body, "shortened");
        assert_eq!(stream.has_trailers, facts.trailers);
        stream.ended = true;
        let in_block = conn.in_block == Some(number);
        assert!(
            in_block || stream.block == block(stream.copy, facts.head),
            "other head"
        );
    }
}

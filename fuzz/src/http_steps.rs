//! A connection step by step: segments that acknowledge more or not, gaps, replies, proofs.

use mirror_core::{
    budget::Budget,
    http::{Answer, HttpEvent, Input as Bytes, Limits, Lost, Parser, chunked, reply},
};

use crate::input::Input;

/// What segments are made of.
pub const PHRASES: [&[u8]; 20] = [
    b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: a\r\n",
    b"\r\n",
    b"\n",
    b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 28\r\n\r\n",
    b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"1c \r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n\r\n",
    b"0\r\nKey: v\r\n\r\n",
    b"PUT /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 28\r\n\r\n",
    b"GET /h HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    b"GET /w HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\xe9 HTTP/1.1\r\n\xe9 : x\r\nHost: a\r\n\r\n",
    b"POST /d HTTP/1.1\r\nContent-Length: 5\r\nContent-Length : 28\r\nTransfer-Encoding: x\r\n\r\n",
    b"POST /l HTTP/1.0\nContent-Length: 5\n\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c0123456789ab",
    b"GE",
    b"T / HTTP/1.1\r\nConnection: close\r\n\r\n",
];

/// A small limit, so that it is reached.
const HEAD: usize = 2_000;

/// Stands for missing bytes.
const MISSING: &[u8] = b"\xfe(missing)\xfe";

struct Steps {
    /// All that the client is known to have sent.
    sent: Vec<u8>,
    /// The request under way: its body so far.
    open: Option<(bool, Vec<u8>)>,
}

impl Steps {
    fn note(&mut self, event: HttpEvent<'_>) {
        match event {
            HttpEvent::Proxied(..) | HttpEvent::Protocol(_) | HttpEvent::Http2(_) => {}
            HttpEvent::Head(head) => {
                assert!(self.open.is_none(), "one request after the other");
                let found = self
                    .sent
                    .windows(head.raw.len())
                    .any(|sent| sent == head.raw);
                assert!(found, "a head is bytes of the client");
                let chunked = head.framing == mirror_core::http::Framing::Chunked;
                self.open = Some((chunked, Vec::new()));
            }
            HttpEvent::Body(bytes) => {
                let open = self.open.as_mut().expect("a head before");
                assert!(!bytes.is_empty());
                open.1.extend_from_slice(bytes);
            }
            HttpEvent::End => {
                let (chunked, body) = self.open.take().expect("a head before");
                assert!(!chunked || chunked::decode(&body).is_some());
            }
            HttpEvent::Lost(_) => self.open = None,
        }
    }
}

/// The first byte says how the connection comes into view, the others are steps.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(first) = input.byte() else { return };
    let limits = Limits {
        head: HEAD,
        fields: 8,
        ..Limits::default()
    };
    let budget = Budget::new(if first & 2 == 0 { 1 << 20 } else { 3_000 });
    let mut parser = Parser::default();
    parser.handle_open(first & 1 == 0);
    let mut steps = Steps {
        sent: Vec::new(),
        open: None,
    };
    let mut ack = u32::MAX - 300;
    while let Some(step) = input.byte() {
        ack = ack.wrapping_add(u32::from(step >> 7) * 100);
        match step & 7 {
            0..=4 => {
                let which = usize::from(input.byte().unwrap_or(0));
                let bytes = match step & 7 {
                    4 => input.take(which),
                    _ => PHRASES[which % PHRASES.len()],
                };
                let input = Bytes {
                    bytes,
                    starts_segment: step & 0x10 == 0,
                    ack: (step & 0x20 == 0).then_some(ack),
                };
                steps.sent.extend_from_slice(bytes);
                if !bytes.is_empty() {
                    parser.handle_data(input, &limits, &budget, &mut |event| steps.note(event));
                }
                if let Ok(Some(head)) = reply::parse(bytes) {
                    assert!(head.len.is_none_or(|len| len <= bytes.len()));
                }
            }
            5 => {
                let len = u64::from(input.byte().unwrap_or(0)) + 1;
                steps.sent.extend_from_slice(MISSING);
                parser.handle_gap(len, &mut |event| steps.note(event));
            }
            6 => {
                let answer = Answer {
                    status: [100, 101, 200, 417][usize::from(step >> 3 & 3)],
                    closes: step & 0x20 != 0,
                };
                parser.handle_reply(answer, &mut |event| steps.note(event));
            }
            _ => parser.handle_ack(ack, &mut |event| steps.note(event)),
        }
        // A head that is read, and one that is not proven to be a request; both grow by doubling. A PROXY header
        // of version 2 may be longer.
        assert!(budget.used() <= 4 * HEAD.next_power_of_two() + (130 << 10));
    }
    let why = [Lost::Truncated, Lost::Idle][usize::from(first >> 2 & 1)];
    parser.handle_close(why, &mut |event| steps.note(event));
    assert!(steps.open.is_none(), "every request ends");
    drop(parser);
    assert_eq!(budget.used(), 0);
}

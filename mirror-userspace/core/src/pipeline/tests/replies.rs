//! v1's replies: which request they answer, and what they decide.

mod placed;

use super::*;
use crate::stream::Confirm;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

/// A client and v1, both captured.
struct Talk {
    bench: Bench,
    client: Client,
    /// The next sequence number of v1.
    v1: SeqNum,
}

impl Talk {
    fn new(confirm: Confirm) -> Self {
        let mut limits = Limits::default();
        limits.flow.confirm = confirm;
        let mut bench = Bench::new(limits, to_targets(1));
        let client = bench.connect(1);
        let v1 = client.ack - 1;
        let mut talk = Self { bench, client, v1 };
        talk.v1_sends(flag::SYN | flag::ACK, "", 0);
        talk.v1 = talk.v1 + 1;
        talk
    }

    fn v1_sends(&mut self, flags: u8, bytes: &str, not_captured: u32) {
        let mut segment = self.bench.of(&self.client, flags, bytes.as_bytes());
        segment.direction = Direction::ToClient;
        segment.seq = self.v1;
        segment.ack = Some(self.client.next);
        segment.wire_len += not_captured;
        self.v1 = self.v1 + segment.wire_len;
        self.bench.pipeline.handle_segment(self.bench.now, &segment);
        self.bench.drain();
    }

    /// The client asks, having received all that v1 has sent.
    fn asks(&mut self, request: &str) -> &mut Self {
        self.client.ack = self.v1;
        self.asks_already(request)
    }

    /// The client asks without having received more.
    fn asks_already(&mut self, request: &str) -> &mut Self {
        self.bench.say(&mut self.client, request);
        self
    }

    fn v1_answers(&mut self, reply: &str) -> &mut Self {
        self.v1_sends(flag::ACK, reply, 0);
        self
    }

    /// v1 answers, and only so many bytes of its segment are captured.
    fn v1_answers_cut(&mut self, reply: &str, captured: usize) -> &mut Self {
        let (head, rest) = reply.split_at(captured);
        self.v1_sends(flag::ACK, head, u32::try_from(rest.len()).unwrap());
        self
    }

    /// v1 sends so many bytes that the capture misses.
    fn v1_is_missed(&mut self, bytes: u32) -> &mut Self {
        self.v1 = self.v1 + bytes;
        self
    }

    fn waits(&mut self, ms: u64) -> &mut Self {
        self.bench.wait(Duration::from_millis(ms));
        self
    }

    /// `1xx 2xx 3xx 4xx 5xx`, how many had no answer and how many no place if any, `unseen`; and how many copies there
    /// were.
    fn ends(&mut self) -> (String, usize) {
        self.bench.pipeline.shutdown();
        self.bench.drain();
        let counted = &self.bench.counters().replies_of_v1;
        let mut text = String::new();
        for (_, count) in counted.answered.named() {
            text += &format!("{count} ");
        }
        for (why, count) in [("-", counted.unanswered), ("?", counted.unplaced)] {
            if count > 0 {
                text += &format!("{count}{why} ");
            }
        }
        text += &counted.unseen.to_string();
        (text, self.bench.received.len())
    }
}

fn counted(talk: &mut Talk) -> String {
    talk.ends().0
}

fn talk() -> Talk {
    Talk::new(Confirm::None)
}

#[test]
fn without_replies_nothing_is_said_of_them() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    bench.say(&mut client, GET);
    let (_, counters) = bench.end();
    assert_eq!(counters.replies_of_v1, RepliesOfV1::default());
}

#[test]
fn interim_replies_are_none() {
    let mut talk = talk();
    let expects = post(5).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    talk.asks(&expects);
    talk.v1_answers("HTTP/1.1 100 Continue\r\n\r\n")
        .asks("abcde")
        .v1_answers(OK);
    talk.asks(GET);
    talk.v1_answers("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        .v1_answers(OK);
    assert_eq!(talk.ends(), ("2 2 0 0 0 0".into(), 2));
}

#[test]
fn a_body_that_v1_refused_is_not_waited_for() {
    let mut talk = talk();
    let expects = post(100).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    talk.asks(&expects);
    talk.v1_answers("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
    // Out of step until v1's next word.
    talk.asks(GET).v1_answers(OK).asks(GET).v1_answers(OK);
    let (_, copies) = talk.ends();
    assert_eq!(copies, 2, "request 2 is no body of request 1");
}

#[test]
fn an_upgrade_that_v1_declined_is_an_ordinary_request() {
    for offer in ["h2c", "websocket", "other"] {
        let upgrade = format!(
            "GET /u HTTP/1.1\r\nHost: v1\r\nConnection: upgrade\r\nUpgrade: {offer}\r\n\r\n"
        );
        let mut declined = talk();
        declined
            .asks(&upgrade)
            .v1_answers(OK)
            .asks(GET)
            .v1_answers(OK);
        declined.ends();
        let requests = |talk: &Talk| talk.bench.counters().requests;
        assert_eq!(requests(&declined), 2, "{offer}");
        let mut accepted = talk();
        accepted.asks(&upgrade);
        accepted.v1_answers("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n");
        accepted.asks(GET).asks(GET);
        accepted.ends();
        assert_eq!(requests(&accepted), 1, "{offer}");
    }
}

#[test]
fn what_stands_behind_a_reply_with_which_v1_closes_was_not_taken() {
    let mut talk = talk();
    talk.asks(GET);
    talk.v1_answers("HTTP/1.1 400 Bad\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    talk.asks(GET).asks(GET);
    let (counted, copies) = talk.ends();
    assert_eq!((counted.as_str(), copies), ("0 0 0 1 0 0", 1));
}

#[test]
fn requests_are_sent_once_v1_has_acknowledged_them_and_answered_where_they_are() {
    let mut talk = Talk::new(Confirm::Ack);
    talk.asks(GET);
    assert_eq!(talk.bench.received.len(), 0);
    talk.waits(3).v1_answers(OK);
    assert_eq!(talk.bench.received.len(), 1);
    let latency = &talk.bench.counters().replies_of_v1.latency;
    assert_eq!(latency.longest(), Duration::from_millis(3));
    talk.asks(GET);
    assert_eq!(talk.ends(), ("0 1 0 0 0 0".into(), 1), "never acknowledged");
}

#[test]
fn who_asks_is_told_v1s_answers() {
    let mut talk = Talk::new(Confirm::None);
    talk.asks(GET).v1_answers(OK);
    assert_eq!(talk.bench.answers, [], "nobody has asked");
    talk.bench.pipeline.tell_answers();
    talk.asks(GET)
        .v1_answers("HTTP/1.1 103 Early Hints\r\n\r\n");
    talk.v1_answers("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    talk.asks(GET).v1_answers(OK);
    let told = talk.bench.answers.iter();
    let told: Vec<_> = told
        .map(|(request, status)| (request.number, *status))
        .collect();
    assert_eq!(told, [(2, 503), (3, 200)]);
    assert_eq!(talk.bench.replies, [], "nobody wants to know what they say");
    let copied = talk.bench.held.iter().filter_map(|output| match output {
        Output::Copy(copy) => Some(copy.request),
        _ => None,
    });
    let answered: Vec<_> = talk
        .bench
        .answers
        .iter()
        .map(|(request, _)| *request)
        .collect();
    assert_eq!(
        copied.skip(1).collect::<Vec<_>>(),
        answered,
        "known by the same key"
    );
}

/// What was told of v1's replies, by request: their bytes, and `!` where the rest was not captured.
fn told(talk: &Talk) -> Vec<(u32, String)> {
    let mut all: Vec<(u32, String)> = Vec::new();
    for (number, bytes) in &talk.bench.replies {
        let text = bytes.as_ref().map_or("!", |it| str::from_utf8(it).unwrap());
        match all.last_mut().filter(|last| last.0 == *number) {
            Some((_, before)) => before.push_str(text),
            None => all.push((*number, text.to_owned())),
        }
    }
    all
}

#[test]
fn who_asks_is_told_what_v1s_replies_say() {
    let mut talk = Talk::new(Confirm::None);
    talk.bench.pipeline.tell_answers();
    talk.bench.pipeline.tell_replies();
    talk.asks(GET)
        .v1_answers("HTTP/1.1 103 Early Hints\r\n\r\n");
    talk.v1_answers(OK);
    // In pieces, of which v1 sends one again, and with another request before its end.
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n";
    talk.asks(GET).v1_answers(head).v1_answers("some");
    talk.v1 = talk.v1 - 4;
    talk.v1_answers("some").asks_already(GET);
    talk.v1_answers("more").v1_answers(OK);
    talk.asks(GET).v1_answers(CHUNKED);
    let (whole, chunked) = (OK.to_owned(), CHUNKED.to_owned());
    let pieces = format!("{head}somemore");
    assert_eq!(
        told(&talk),
        [(1, whole.clone()), (2, pieces), (3, whole), (4, chunked)]
    );
}

#[test]
fn what_was_not_captured_of_a_reply_is_said() {
    let mut talk = Talk::new(Confirm::None);
    talk.bench.pipeline.tell_answers();
    talk.bench.pipeline.tell_replies();
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
    // The end of a segment.
    talk.asks(GET)
        .v1_sends(flag::ACK, &format!("{head}some"), 5);
    // A segment.
    talk.asks(GET).v1_answers(&format!("{head}some"));
    talk.v1 = talk.v1 + 2;
    talk.v1_answers("end").asks(GET).v1_answers(OK);
    // What comes at the end, and nothing behind it.
    let mut last = Talk::new(Confirm::None);
    last.bench.pipeline.tell_answers();
    last.bench.pipeline.tell_replies();
    last.asks(GET).v1_answers(OK);
    last.asks(GET).v1_answers(&format!("{head}some"));
    last.bench.pipeline.shutdown();
    last.bench.drain();
    let wanted = [(1, OK.to_owned()), (2, format!("{head}some!"))];
    assert_eq!(told(&last), wanted);
    // Whatever goes on until the connection ends.
    talk.asks(GET).v1_answers("HTTP/1.1 200 OK\r\n\r\nsome");
    talk.v1_sends(flag::FIN | flag::ACK, "more", 0);
    let cut = format!("{head}some!");
    let until = "HTTP/1.1 200 OK\r\n\r\nsomemore!".to_owned();
    assert_eq!(
        told(&talk),
        [(1, cut.clone()), (2, cut), (3, OK.to_owned()), (4, until)]
    );
}

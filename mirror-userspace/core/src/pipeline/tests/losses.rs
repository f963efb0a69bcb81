//! Requests that are not complete: each in one counter, and those around it unharmed.

use super::*;

#[test]
fn a_gap_in_a_body_costs_that_request_only() {
    let mut bench = Bench::new(Limits::default(), to_targets(2));
    let mut client = bench.connect(1);
    bench.say(&mut client, GET.to_owned() + &post(300));
    bench.lose(&mut client, 100);
    bench.say(&mut client, vec![b'x'; 200]);
    bench.say(&mut client, GET);
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.dropped(0), "gap 1");
    assert_eq!(bench.dropped(1), "gap 1");
    let (received, counters) = bench.end();
    assert_eq!(counters.requests, 3);
    assert!(received.iter().all(|copy| copy.bytes == mirrored(GET)));
    assert_eq!(received.len(), 4);
}

/// Something that ends a connection.
type End = fn(&mut Bench, &mut Client);

#[test]
fn an_unfinished_body_is_dropped_for_the_reason_that_ended_it() {
    let ends: [(&str, End); 7] = [
        ("truncated 1", |bench, client| bench.finish(client)),
        ("reset 1", |bench, client| bench.reset(client)),
        ("idle 1", |bench, _| bench.wait(Duration::from_secs(120))),
        ("shutdown 1", |bench, _| bench.pipeline.shutdown()),
        ("truncated 1", |bench, client| {
            client.next = client.next + 70_000;
            bench.segment(client, flag::SYN, b"");
            client.next = client.next + 1;
            bench.say(client, GET);
        }),
        ("evicted 1", |bench, _| {
            for number in 2..4 {
                let mut other = bench.connect(number);
                bench.say(&mut other, GET);
            }
        }),
        ("gap 1", |bench, client| {
            bench.lose(client, 5);
            bench.say(client, "x");
            bench.wait(Duration::from_secs(1));
        }),
    ];
    for (expected, end) in ends {
        let mut limits = Limits::default();
        limits.flow.connections = 2;
        let mut bench = Bench::new(limits, to_targets(1));
        let mut client = bench.connect(1);
        bench.say(&mut client, post(300) + "abc");
        end(&mut bench, &mut client);
        assert_eq!(bench.dropped(0), expected);
        bench.end();
    }
}

#[test]
fn what_never_had_a_trustworthy_head_is_lost_unseen() {
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000));
    let ambiguous = "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (stream, expected) in [
        ("GET / HTTP/1.1\r\nHo", "truncated 1"),
        (ambiguous, "ambiguous 1"),
        ("GET / HTTP/1.1\r\nA b\r\n\r\n", "malformed 1"),
        (&long, "too_large 1"),
    ] {
        let mut bench = Bench::new(Limits::default(), to_targets(2));
        let mut client = bench.connect(1);
        bench.say(&mut client, GET.to_owned() + stream);
        bench.finish(&client);
        assert_eq!(shown(&bench.counters().lost_unseen), expected);
        let (received, counters) = bench.end();
        assert_eq!((received.len(), counters.requests), (2, 2));
    }
}

#[test]
fn a_chunked_body_that_breaks_its_grammar_is_dropped_with_its_head() {
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    bench.say(&mut client, head.to_owned() + "3\r\nabc\r\nx\r\n" + GET);
    assert_eq!(bench.dropped(0), "malformed 1");
    let (received, counters) = bench.end();
    assert!(received.is_empty(), "nothing behind it is guessed at");
    assert_eq!(counters.requests, 1);
}

#[test]
fn a_segment_that_comes_late_or_twice_loses_nothing() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    let request = post(6) + "abcdef";
    let middle = request.len() / 2;
    let mut first = client;
    bench.lose(&mut client, middle);
    bench.say(&mut client, &request[middle..]);
    assert!(bench.received.is_empty());
    bench.say(&mut first.clone(), &request[..middle]);
    bench.say(&mut first, &request[..middle]);
    let (received, _) = bench.end();
    assert_eq!(received.len(), 1);
    assert_eq!(
        received[0].bytes,
        [&mirrored(&post(6))[..], b"abcdef"].concat()
    );
}

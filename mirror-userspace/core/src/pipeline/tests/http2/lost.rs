//! What is lost costs what it has to, and is counted by its reason.

use super::*;

fn unseen(counters: &PipelineCounters) -> String {
    shown(&counters.lost_unseen)
}

#[test]
fn a_client_that_gives_up_early_sends_nothing_and_late_is_told_on() {
    let limits = Limits {
        max_body: 3,
        ..Limits::default()
    };
    let mut bench = Bench::new(limits, to_targets(1));
    let mut client = bench.connect(1);
    let stream = [
        opening(),
        headers(1, CALL, false),
        data(1, "ab", false),
        frame(RESET, 0, 1, CANCEL),
        headers(3, CALL, false),
        data(3, "abcdef", false),
        frame(RESET, 0, 3, CANCEL),
        headers(5, GET_A, true),
        frame(RESET, 0, 5, CANCEL),
    ];
    bench.say(&mut client, stream.concat());
    assert_eq!(bench.dropped(0), "reset 1");
    let numbers: Vec<_> = bench.cancelled.iter().map(|(key, _)| key.number).collect();
    assert_eq!(numbers, [5]);
    let (received, _) = bench.end();
    let ended: Vec<_> = received
        .iter()
        .map(|copy| (copy.number, copy.ended))
        .collect();
    assert_eq!(ended, [(3, Ended::Aborted), (5, Ended::Whole)]);
}

#[test]
fn what_is_malformed_costs_its_stream_only() {
    let no_path = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "v1"),
    ];
    let upper = [GET_A, &[("Upper", "1")]].concat();
    let large = "x".repeat(70_000);
    let large = [GET_A, &[("large", &large)]].concat();
    let large = block(&large);
    let connect = [(":method", "CONNECT"), (":authority", "v1:443")];
    let web_socket = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "v1"),
    ];
    let (first, rest) = large.split_at(16_000);
    let short = [CALL, &[("content-length", "4")]].concat();
    let stream = [
        opening(),
        headers(1, &no_path, true),
        headers(3, &upper, true),
        frame(1, 1, 5, first),
        frame(9, 4, 5, rest),
        headers(7, &connect, false),
        headers(9, &web_socket, false),
        data(7, "tunnelled", false),
        headers(11, &short, false),
        data(11, "abc", true),
        headers(13, GET_A, true),
    ];
    for step in [1_000_000, 1] {
        let (copies, counters) = sent_in_pieces(&stream.concat(), step, Limits::default());
        assert_eq!(copies, [whole(13, GET_A, "")]);
        assert_eq!(unseen(&counters), "malformed 2, too_large 1, connect 2");
        assert_eq!(shown(&counters.targets[0].dropped), "malformed 1");
        assert_eq!(counters.requests, 7);
    }
}

#[test]
fn a_gap_in_a_body_costs_its_request() {
    let before = [opening(), headers(1, CALL, false), headers(3, CALL, false)].concat();
    let (one, three) = (data(1, "0123456789", true), data(3, "abc", true));
    for from in 9..19 {
        for to in from + 1..=19 {
            let mut bench = Bench::new(Limits::default(), to_targets(1));
            let mut client = bench.connect(1);
            bench.say(&mut client, &before);
            bench.say(&mut client, &one[..from]);
            bench.lose(&mut client, to - from);
            bench.say(&mut client, [&one[to..], &three].concat());
            bench.wait(Duration::from_secs(1));
            bench.say(&mut client, headers(5, GET_A, true));
            assert_eq!(bench.dropped(0), "gap 1", "{from}..{to}");
            let ledger = books(&bench.pipeline);
            assert!(ledger.balances(), "{ledger}");
            let (received, _) = bench.end();
            let numbers: Vec<_> = received.iter().map(|copy| copy.number).collect();
            // The hole was waited for, so that the other one was no longer held.
            assert_eq!(numbers[numbers.len() - 2..], [3, 5], "{from}..{to}");
        }
    }
}

#[test]
fn a_gap_anywhere_else_costs_the_connection_and_all_is_counted() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    let before = [opening(), headers(1, GET_A, true), headers(3, CALL, false)];
    bench.say(&mut client, before.concat());
    bench.lose(&mut client, headers(5, GET_A, true).len());
    for number in 3..13 {
        bench.say(&mut client, headers(2 * number + 1, GET_A, true));
        bench.say(&mut client, frame(8, 0, 0, &[0, 0, 0, 1]));
    }
    bench.wait(Duration::from_millis(100));
    bench.wait(Duration::from_secs(1));
    let ledger = books(&bench.pipeline);
    assert!(ledger.balances(), "{ledger}");
    assert_eq!(ledger.connections.http2_lost, 1);
    assert_eq!(ledger.connections.http2_out_of_step, 1, "5 was missed");
    assert_eq!(ledger.not_followed["http2"].connections, 1);
    let (received, counters) = bench.end();
    // While the hole was waited for, 3 was no longer held.
    let ended: Vec<_> = received
        .iter()
        .map(|copy| (copy.number, copy.ended))
        .collect();
    assert_eq!(ended, [(1, Ended::Whole), (3, Ended::Aborted)]);
    assert_eq!(unseen(&counters), "gap 10");
}

#[test]
fn what_a_server_has_to_refuse_ends_the_connection() {
    let index_of_nothing = frame(1, 5, 3, &[0xff, 0x00]);
    let wide_table = frame(1, 5, 3, &[0x3f, 0xe1, 0xff, 0x0f, 0x82]);
    let settings_of_five = frame(4, 0, 0, &[0; 5]);
    let data_of_nobody = data(3, "x", true);
    let closed = headers(1, GET_A, true);
    for (frame, lost) in [
        // v1 ends the connection.
        (index_of_nothing, "http2_compression 1"),
        (settings_of_five, ""),
        (data_of_nobody, ""),
        // It may go on with it.
        (wide_table, "http2_table_size 2"),
        (closed, "ambiguous 1"),
    ] {
        let stream = [
            opening(),
            headers(1, GET_A, true),
            frame.clone(),
            headers(5, GET_A, true),
        ];
        let mut bench = Bench::new(Limits::default(), to_targets(1));
        let mut client = bench.connect(1);
        bench.say(&mut client, stream.concat());
        let ledger = books(&bench.pipeline);
        assert!(ledger.balances(), "{ledger}");
        assert_eq!(ledger.connections.http2_lost, 1);
        let (received, counters) = bench.end();
        assert_eq!(received.len(), 1, "{frame:?}");
        assert_eq!(unseen(&counters), lost);
    }
}

#[test]
fn an_end_of_the_connection_loses_what_is_open() {
    for (end, reason) in [
        (Bench::reset as fn(&mut Bench, &Client), "reset 1"),
        (Bench::finish, "truncated 1"),
        (|bench, _| bench.pipeline.shutdown(), "shutdown 1"),
    ] {
        let mut bench = Bench::new(Limits::default(), to_targets(1));
        let mut client = bench.connect(1);
        let before = [opening(), headers(1, CALL, false), data(1, "ab", false)];
        bench.say(&mut client, before.concat());
        end(&mut bench, &client);
        assert_eq!(bench.dropped(0), reason);
        assert!(books(&bench.pipeline).balanced);
        assert!(bench.end().0.is_empty());
    }
}

#[test]
fn without_memory_requests_are_dropped_and_the_books_balance() {
    for memory in (2_000..60_000).step_by(997) {
        let limits = Limits {
            memory,
            max_body: 2_000,
            ..Limits::default()
        };
        let mut bench = Bench::new(limits, to_targets(2));
        let mut client = bench.connect(1);
        bench.say(&mut client, opening());
        for number in 0..40 {
            bench.say(&mut client, headers(2 * number + 1, CALL, false));
        }
        for number in 0..40 {
            let ends = number % 3 > 0;
            bench.say(&mut client, data(2 * number + 1, [b'x'; 500], ends));
        }
        bench.wait(Duration::from_millis(100));
        for number in 0..40 {
            bench.say(&mut client, data(2 * number + 1, [b'x'; 2_500], false));
            let trailers = frame(1, 5, 2 * number + 1, &block(&[("a", "b")]));
            bench.say(&mut client, trailers);
            bench.say(&mut client, frame(RESET, 0, 2 * number + 1, CANCEL));
        }
        bench.finish(&client);
        let ledger = books(&bench.pipeline);
        assert!(ledger.balanced, "{memory}: {ledger}");
        bench.end();
    }
}

//! `--print`: the lines, the exit codes, the ledger.

use crate::{
    capture::{Capture, get, post},
    program::{keys, replay, replay_stdin},
};

/// Two connections that interleave, one 4-tuple used twice, and a port of its own.
fn conversation() -> Vec<u8> {
    let mut capture = Capture::new();
    let mut one = capture.connect(4001);
    let mut other = capture.connect_to(4002, 8080);
    let slow = post("/slow", "hello");
    let (begun, rest) = slow.split_at(slow.len() - 2);
    capture.say(&mut one, begun);
    capture.say(&mut other, get("/fast"));
    capture.say(&mut one, rest);
    capture.finish(&one);
    let mut again = capture.connect(4001);
    capture.say(&mut again, get("/again"));
    capture.finish(&again);
    capture.bytes()
}

#[test]
fn a_line_has_the_documented_fields_in_their_order() {
    let ended = replay(&conversation(), &["--print"]).balanced();
    let slow = &ended.lines[1];
    let keys = keys(slow);
    let documented = [
        "stream",
        "src",
        "dst",
        "ts",
        "method",
        "target",
        "version",
        "host",
        "headers",
        "body_len",
        "body_sha256",
    ];
    assert_eq!(keys, documented);
    let expected = serde_json::json!({
        "stream": 0, "src": "10.0.0.1:4001", "dst": "10.0.0.2:80",
        "ts": "2026-11-22T06:00:00.003000Z", "method": "POST", "target": "/slow",
        "version": "1.1", "host": "v1.test", "headers": 2, "body_len": 5,
        "body_sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    });
    assert_eq!(*slow, expected);
}

#[test]
fn requests_come_as_they_complete_and_a_4_tuple_used_again_is_another_stream() {
    let ended = replay(&conversation(), &["--print"]).balanced();
    assert_eq!(ended.targets(), ["/fast", "/slow", "/again"]);
    let streams: Vec<_> = ended.lines.iter().map(|line| &line["stream"]).collect();
    assert_eq!(streams, [1, 0, 2]);
    assert_eq!(ended.count("/requests/observed"), 3);
    assert_eq!(ended.count("/segments/read"), 9);
}

#[test]
fn standard_input_is_read_as_a_file_is() {
    let file = conversation();
    let (from_file, from_pipe) = (
        replay(&file, &["--print"]),
        replay_stdin(&file, &["--print"]),
    );
    assert_eq!(from_file.lines, from_pipe.lines);
    from_pipe.balanced();
}

#[test]
fn without_print_and_target_there_is_only_the_ledger() {
    let ended = replay(&conversation(), &[]).balanced();
    assert!(ended.lines.is_empty());
    assert_eq!(ended.count("/requests/observed"), 3);
}

#[test]
fn a_file_cut_anywhere_gives_what_was_before_the_cut() {
    let file = conversation();
    let whole = replay(&file, &["--print"]).lines;
    for cut in [file.len() - 70, file.len() / 2, file.len() / 3, 90] {
        let ended = replay(&file[..cut], &["--print"]).balanced();
        assert_eq!(ended.lines, whole[..ended.lines.len()]);
        assert!(ended.stderr.contains("WARN"), "{cut}: {}", ended.stderr);
    }
}

#[test]
fn what_is_no_capture_is_a_usage_error() {
    for file in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"", &[0; 4096]] {
        let ended = replay(file, &["--print"]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("not a capture"), "{}", ended.stderr);
        assert!(ended.lines.is_empty());
    }
    let ended = replay(&conversation(), &["--speed", "0"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("--speed"), "{}", ended.stderr);
}

#[test]
fn a_service_as_target_is_a_usage_error() {
    let ended = replay(&conversation(), &["--target", "service/shop/web:80"]);
    assert_eq!(ended.code, Some(2));
    let refusal = "--target service/shop/web:80: only `podmirror agent` knows";
    assert!(ended.stderr.contains(refusal), "{}", ended.stderr);
}

#[test]
fn ports_filters_and_sampling_choose() {
    let file = conversation();
    let of = |flags: &[&str]| replay(&file, &[&["--print"], flags].concat()).balanced();
    assert_eq!(of(&["--port", "8080"]).targets(), ["/fast"]);
    assert_eq!(of(&["--port", "80"]).count("/segments/other_port"), 2);
    assert_eq!(of(&["--deny-path", "/s*"]).targets(), ["/fast", "/again"]);
    assert_eq!(of(&["--allow-method", "POST"]).targets(), ["/slow"]);
    let none = of(&["--sample-rate", "0"]);
    assert!(none.lines.is_empty());
    assert_eq!(none.count("/requests/sampled_out"), 3);
}

#[test]
fn a_lower_rate_selects_a_part_of_what_a_higher_one_does() {
    let mut capture = Capture::new();
    for port in 1..=400 {
        let mut client = capture.connect(port);
        capture.say(&mut client, get(&format!("/{port}")));
        capture.finish(&client);
    }
    let file = capture.bytes();
    let at = |rate: &str| -> Vec<String> {
        let ended = replay(&file, &["--print", "--sample-rate", rate]).balanced();
        ended.targets().into_iter().map(str::to_owned).collect()
    };
    let (quarter, half) = (at("25%"), at("50%"));
    assert!((60..140).contains(&quarter.len()), "{}", quarter.len());
    assert!((140..260).contains(&half.len()), "{}", half.len());
    assert!(quarter.iter().all(|target| half.contains(target)));
}

#[test]
fn what_only_guards_a_target_is_printed_where_there_is_none() {
    let mut capture = Capture::new();
    let mut client = capture.connect(1);
    for line in ["User-Agent: kube-probe/1.30", "X-Mirrored-By: podmirror"] {
        let request = format!("GET / HTTP/1.1\r\nHost: v1.test\r\n{line}\r\n\r\n");
        capture.say(&mut client, request);
    }
    let ended = replay(&capture.bytes(), &["--print"]).balanced();
    assert_eq!(ended.lines.len(), 2);
}

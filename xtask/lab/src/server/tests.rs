use super::*;
use crate::{Body, Family, Host, Lab, RawClient};

const PATIENCE: Duration = Duration::from_secs(20);

fn lab_with(behaviour: Behaviour) -> (Lab, RecordingServer, RawClient) {
    let lab = Lab::new().unwrap();
    let address = Host::V1.address(Family::V4, 80);
    let server = RecordingServer::start(&lab.v1, address, behaviour).unwrap();
    let client = RawClient::connect(&lab.client, address).unwrap();
    (lab, server, client)
}

#[test]
fn pipelined_requests_are_recorded_in_order_and_byte_by_byte() {
    let (_lab, server, mut client) = lab_with(Behaviour::Answer);
    let first = b"POST /a HTTP/1.1\r\nHost: x\r\ncontent-length: 3\r\n\r\n";
    let second = b"GET /b HTTP/1.1\r\nhOST:x\r\n\r\n";
    client
        .write(&[&first[..], b"abc", second].concat())
        .unwrap();
    assert_eq!(client.read_reply("POST").unwrap().status, 200);
    assert_eq!(client.read_reply("GET").unwrap().body, Body::of(b"ok"));
    let requests = server.wait_for(2, PATIENCE);
    assert_eq!(requests[0].head, first);
    assert_eq!(requests[0].body, Body::of(b"abc"));
    assert_eq!(requests[1].head, second);
    assert_eq!(requests[1].target(), "/b");
    assert_eq!(requests[1].head_without("HOST"), b"GET /b HTTP/1.1\r\n\r\n");
    assert_eq!(server.connections(), 1);
}

#[test]
fn an_early_answer_comes_before_the_body() {
    let (_lab, server, mut client) = lab_with(Behaviour::AnswerEarly);
    client
        .write(b"PUT / HTTP/1.1\r\nContent-Length: 4\r\n\r\n")
        .unwrap();
    assert_eq!(client.read_reply("PUT").unwrap().status, 200);
    assert_eq!(server.requests(), []);
    client
        .write_pieces([&b"ab"[..], b"cd"], Duration::from_millis(1))
        .unwrap();
    assert_eq!(server.wait_for(1, PATIENCE)[0].body, Body::of(b"abcd"));
}

#[test]
fn a_continue_is_sent_where_it_is_expected() {
    let (_lab, server, mut client) = lab_with(Behaviour::Answer);
    client
        .write(b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        .unwrap();
    assert_eq!(client.read_reply("PUT").unwrap().status, 100);
    client.write(b"x").unwrap();
    assert_eq!(client.read_reply("PUT").unwrap().status, 200);
    assert_eq!(server.wait_for(1, PATIENCE).len(), 1);
}

#[test]
fn a_body_that_breaks_off_is_an_aborted_request() {
    let (_lab, server, mut client) = lab_with(Behaviour::Answer);
    client
        .write(b"PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab")
        .unwrap();
    client.reset().unwrap();
    server.wait_until_quiet(Duration::from_millis(200), PATIENCE);
    assert_eq!(server.requests(), []);
    assert_eq!(server.aborted().len(), 1);
}

#[test]
fn a_hanging_server_still_records_and_still_stops() {
    let (_lab, server, mut client) = lab_with(Behaviour::Hang);
    client.write(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(server.wait_for(1, PATIENCE).len(), 1);
    drop(server);
    assert!(client.read_reply("GET").is_err());
}

#[test]
fn a_deaf_server_reads_when_told_to_answer() {
    let (_lab, server, mut client) = lab_with(Behaviour::Deaf);
    client.write(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(server.wait_for(1, Duration::from_millis(100)), []);
    server.set_behaviour(Behaviour::Answer);
    assert_eq!(client.read_reply("GET").unwrap().status, 200);
}

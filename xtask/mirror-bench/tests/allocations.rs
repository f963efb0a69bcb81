//! How often the pipeline asks the allocator for memory, for each request.
//!
//! Counted, not timed, so it is the same on every machine. The counts include what the tables grow by (those
//! of what is kept for losses as well), which all requests of a conversation share.

#![cfg(test)]

use allocation_counter::measure;
use mirror_bench::{
    Conversation, pipeline_of, play,
    scale::{Scene, Size},
};

/// Allocations for each request, at most. Lower them when a change needs fewer.
const MOST: [(&str, f64); 12] = [
    ("get", 4.02),
    ("post", 7.08),
    ("upload", 9.9),
    // One of a connection is what v1 said on it.
    ("get-confirmed", 7.03),
    ("post-confirmed", 10.14),
    ("upload-confirmed", 21.4),
    ("grpc", 8.1),
    ("pipelined", 4.02),
    ("get-answered", 7.1),
    // What v1 says is copied once.
    ("get-compared", 8.1),
    ("grpc-answered", 11.1),
    // Its head, its body, its trailers.
    ("grpc-compared", 14.2),
];

/// Connections that are opened.
const IDLE: usize = 10_000;

/// Bytes of the heap that each of them holds when its first request has been mirrored, at most: its state, its place
/// in the table (which has room for 16 384), and what a pipeline has whether anybody is connected or not.
const BYTES_EACH: f64 = 400.0;

#[test]
fn no_request_takes_more_allocations_than_it_did() {
    let mut more = Vec::new();
    for (conversation, (name, most)) in Conversation::each().into_iter().zip(MOST) {
        assert_eq!(conversation.name, name);
        let mut pipeline = pipeline_of(&conversation).unwrap();
        let counted = measure(|| {
            play(&conversation, &mut pipeline);
        });
        let each = counted.count_total as f64 / conversation.requests as f64;
        println!("{name}: {each:.3} allocations a request");
        if each > most {
            more.push(format!("{name}: {each:.3} where {most} were enough"));
        }
    }
    assert!(more.is_empty(), "allocations a request: {more:?}");
}

#[test]
fn an_idle_connection_takes_no_more_memory_than_it_did() {
    let size = Size {
        connections: IDLE,
        rules: 1,
        pods: 1,
        shards: 1,
    };
    let mut scene = Scene::new(size).unwrap();
    let counted = measure(|| {
        scene.connect();
        assert_eq!(scene.ask(IDLE).copies, IDLE as u64);
    });
    assert_eq!(scene.connections(), IDLE);
    let each = counted.bytes_current as f64 / IDLE as f64;
    println!(
        "{each:.0} bytes for an idle connection, {:.1} allocations",
        counted.count_current as f64 / IDLE as f64
    );
    assert!(each <= BYTES_EACH, "{each:.0} bytes for an idle connection");
}

//! How often the pipeline asks the allocator for memory, for each request.
//!
//! Counted, not timed, so it is the same on every machine. The counts include what the tables grow by (those
//! of what is kept for losses as well), which all requests of a conversation share.

#![cfg(test)]

use allocation_counter::measure;
use mirror_bench::{Conversation, pipeline, play};

/// Allocations for each request, at most. Lower them when a change needs fewer.
const MOST: [(&str, f64); 7] = [
    ("get", 4.02),
    ("post", 7.08),
    ("upload", 9.9),
    // One of a connection is what v1 said on it.
    ("get-confirmed", 7.03),
    ("post-confirmed", 10.14),
    ("upload-confirmed", 21.4),
    ("grpc", 8.1),
];

#[test]
fn no_request_takes_more_allocations_than_it_did() {
    let mut more = Vec::new();
    for (conversation, (name, most)) in Conversation::each().into_iter().zip(MOST) {
        assert_eq!(conversation.name, name);
        let mut pipeline = pipeline(conversation.confirm).unwrap();
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

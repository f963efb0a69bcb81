//! The stages that do no I/O, one by one and together, in bytes and in requests per second:
//! `cargo bench -p mirror-bench`, or `cargo bench -- pipeline/get` for one of them.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mirror_bench::{Conversation, pipeline, play};
use mirror_common::packet::{Link, walk};
use mirror_core::{
    budget::Budget,
    http::{self, Input, Parser},
    stream::{Confirm, FlowTable, Limits, StreamEvent},
};

/// Runs `work` on every conversation.
fn by_conversation<State>(
    criterion: &mut Criterion,
    stage: &str,
    conversations: impl IntoIterator<Item = Conversation>,
    set_up: impl Fn() -> State,
    work: impl Fn(&Conversation, &mut State),
) {
    let mut group = criterion.benchmark_group(stage);
    for conversation in conversations {
        group.throughput(Throughput::ElementsAndBytes {
            elements: conversation.requests,
            bytes: conversation.bytes,
        });
        group.bench_with_input(conversation.name, &conversation, |bencher, conversation| {
            bencher.iter_batched_ref(
                &set_up,
                |state| work(conversation, state),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// The frame of each segment: what the kernel half does first with every packet.
fn header_walk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header walk");
    for (name, frame) in [("ipv4", ipv4()), ("ipv6", ipv6())] {
        group.throughput(Throughput::ElementsAndBytes {
            elements: 1,
            bytes: frame.len() as u64,
        });
        group.bench_with_input(name, &frame[..], |bencher, frame| {
            bencher.iter(|| walk(black_box(frame), Link::Ethernet));
        });
    }
    group.finish();
}

fn ipv4() -> Vec<u8> {
    let mut frame = [&[0; 12][..], &[0x08, 0x00]].concat();
    frame.extend([0x45, 0, 0, 140, 0, 0, 0x40, 0, 64, 6, 0, 0]);
    frame.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(tcp());
    frame
}

fn ipv6() -> Vec<u8> {
    let mut frame = [&[0; 12][..], &[0x86, 0xdd]].concat();
    frame.extend([0x60, 0, 0, 0, 0, 120, 6, 64]);
    frame.extend([0xfd; 32]);
    frame.extend(tcp());
    frame
}

/// A header without options, and 100 bytes of payload.
fn tcp() -> Vec<u8> {
    let ports = [0x9c, 0x40, 0, 80];
    let header = [0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 1, 0, 0, 0, 0, 0];
    [&ports[..], &header, &[b'x'; 100]].concat()
}

/// Segments to ordered bytes.
fn assembler(criterion: &mut Criterion) {
    let set_up = || FlowTable::<()>::new(Limits::default(), Budget::new(256 << 20));
    let all = Conversation::each().into_iter();
    let all = all.filter(|it| it.confirm == Confirm::None);
    by_conversation(
        criterion,
        "assembler",
        all,
        set_up,
        |conversation, table| {
            for segment in conversation.segments() {
                table.handle_segment(segment.at, &segment, |(), event| {
                    if let StreamEvent::Data(data) = event {
                        black_box(data.bytes);
                    }
                });
            }
        },
    );
}

/// Ordered bytes to heads and bodies; which connection they are of does not matter to the parser,
/// as all are in step.
fn framing(criterion: &mut Criterion) {
    let set_up = || {
        let mut parser = Parser::default();
        parser.handle_open(true);
        (parser, Budget::new(256 << 20))
    };
    let limits = http::Limits::default();
    let http1 = Conversation::all();
    by_conversation(
        criterion,
        "framing",
        http1,
        set_up,
        |conversation, state| {
            let (parser, budget) = state;
            let segments = conversation.segments();
            for segment in segments.filter(|segment| !segment.payload.is_empty()) {
                let input = Input {
                    bytes: segment.payload,
                    starts_segment: segment.starts_segment,
                    ack: segment.ack.map(|ack| ack.0),
                };
                parser.handle_data(input, &limits, budget, &mut |event| {
                    black_box(&event);
                });
            }
        },
    );
}

/// All of it: segments in, copies out.
#[expect(
    clippy::unwrap_used,
    reason = "the defaults do not contradict each other"
)]
fn whole(criterion: &mut Criterion) {
    let set_up = || pipeline(Confirm::None).unwrap();
    let unconfirmed = Conversation::each().into_iter();
    let unconfirmed = unconfirmed.filter(|it| it.confirm == Confirm::None);
    by_conversation(
        criterion,
        "pipeline",
        unconfirmed,
        set_up,
        |conversation, pipeline| {
            black_box(play(conversation, pipeline));
        },
    );
}

criterion_group!(stages, header_walk, assembler, framing, whole);
criterion_main!(stages);

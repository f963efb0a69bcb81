mod http2;

use std::{
    fs,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use mirror_capture::file::{CaptureFile, Ending};
use mirror_common::record::flag;
use mirror_core::{
    pipeline::{Limits, Pipeline},
    policy::{Policy, PolicyConfig, TargetPolicy},
    segment::{FlowId, Segment, SeqNum, TcpFlags, Time},
};

use super::*;
use crate::playback::{self, Playback, Printer, RequestLine};

const EPOCH: Duration = Duration::from_secs(1_795_327_200);

/// A pipeline that records, and the clients that speak to it.
struct Studio {
    folder: tempfile::TempDir,
    files: Files,
    recording: Arc<Mutex<Recording>>,
    pipeline: Pipeline,
    millis: u64,
}

struct Client {
    flow: FlowId,
    next: SeqNum,
}

fn policy() -> Policy {
    let config = PolicyConfig {
        targets: vec![TargetPolicy::default()],
        ..PolicyConfig::default()
    };
    Policy::new(config).unwrap()
}

impl Studio {
    fn new(rotation: Rotation, redact: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = Files {
            path: folder.path().join("web.pcapng"),
            rotation,
        };
        let recording = Recording::create(files.clone()).unwrap();
        let recording = Arc::new(Mutex::new(recording));
        let mut pipeline = Pipeline::observing(Limits::default(), policy());
        pipeline.observe(Box::new(Recorder::new(RecordTo {
            recording: Arc::clone(&recording),
            redact: redact.iter().map(|name| name.parse().unwrap()).collect(),
            epoch: EPOCH,
        })));
        Self {
            folder,
            files,
            recording,
            pipeline,
            millis: 0,
        }
    }

    fn connect(&mut self, port: u16) -> Client {
        let mut client = Client {
            flow: FlowId {
                client: SocketAddr::from(([10, 0, 0, 1], port)).into(),
                server: SocketAddr::from(([10, 0, 0, 2], 80)).into(),
                attachment: 0,
            },
            // Never the same twice, and sequence numbers wrap.
            next: SeqNum(u32::MAX - 9) + u32::try_from(self.millis).unwrap(),
        };
        self.segment(&client, flag::SYN, b"");
        client.next = client.next + 1;
        client
    }

    fn say(&mut self, client: &mut Client, bytes: impl AsRef<[u8]>) {
        self.segment(client, flag::ACK, bytes.as_ref());
        client.next = client.next + u32::try_from(bytes.as_ref().len()).unwrap();
    }

    fn segment(&mut self, client: &Client, flags: u8, payload: &[u8]) {
        self.millis += 1;
        let at = Time::from_nanos(self.millis * 1_000_000);
        let flags = TcpFlags(flags);
        let ack = Some(SeqNum(1));
        let segment = Segment::from_client(at, client.flow, client.next, ack, flags, payload);
        self.pipeline.handle_segment(at, &segment);
    }

    /// Ends the recording; each of its files, in order.
    fn finish(mut self) -> Vec<Vec<u8>> {
        self.pipeline.shutdown();
        drop(self.pipeline);
        let recording = Arc::into_inner(self.recording).unwrap().into_inner();
        recording.unwrap().finish("the ledger").unwrap();
        let paths: Vec<_> = if self.files.are_numbered() {
            (1..)
                .map(|number| self.files.path_of(number))
                .collect_while_there()
        } else {
            vec![self.files.path.clone()]
        };
        let files = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        drop(self.folder);
        files
    }
}

trait WhileThere {
    fn collect_while_there(self) -> Vec<std::path::PathBuf>;
}

impl<I: Iterator<Item = std::path::PathBuf>> WhileThere for I {
    fn collect_while_there(self) -> Vec<std::path::PathBuf> {
        self.take_while(|path| path.exists()).collect()
    }
}

/// What a replay prints of a file.
fn printed(file: &[u8]) -> Vec<RequestLine> {
    let lines = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let limits = Limits {
        flow: playback::patience(),
        ..Limits::default()
    };
    let mut pipeline = Pipeline::observing(limits, policy());
    let print = {
        let lines = std::rc::Rc::clone(&lines);
        move |line| lines.borrow_mut().push(line)
    };
    pipeline.observe(Box::new(Printer::new(pipeline.budget().clone(), print)));
    let mut playback = Playback::new(pipeline);
    let mut capture = CaptureFile::new(file).unwrap();
    while let Some(captured) = capture.next_segment().unwrap() {
        playback.handle(captured.stream, &captured.segment);
    }
    assert_eq!(capture.ending(), Some(Ending::Complete));
    playback.pipeline().shutdown();
    assert_eq!(playback.pipeline().flow_counters().lost.gap, 0);
    lines.take()
}

fn targets(file: &[u8]) -> Vec<String> {
    printed(file).into_iter().map(|line| line.target).collect()
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: v1\r\nX-Key: s3cret\r\n\r\n")
}

fn post(target: &str, len: usize) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: v1\r\nContent-Length: {len}\r\n\r\n")
}

#[test]
fn a_recording_holds_the_requests_with_their_times() {
    let mut studio = Studio::new(Rotation::default(), &[]);
    let (mut one, mut other) = (studio.connect(1), studio.connect(2));
    studio.say(&mut one, post("/slow", 100_003));
    studio.say(&mut other, get("/fast") + &get("/pipelined"));
    for _ in 0..100 {
        studio.say(&mut one, [b'x'; 1_000]);
    }
    studio.say(&mut one, "abc");
    studio.segment(&one, flag::FIN | flag::ACK, b"");
    let mut again = studio.connect(1);
    studio.say(&mut again, get("/again"));

    let files = studio.finish();
    let lines = printed(&files[0]);
    let told: Vec<_> = lines
        .iter()
        .map(|line| (line.stream, &line.target[..], line.body_len, &line.ts[20..]))
        .collect();
    let expected = [
        (1, "/fast", 0, "004000Z"),
        (1, "/pipelined", 0, "004000Z"),
        (0, "/slow", 100_003, "003000Z"),
        (2, "/again", 0, "108000Z"),
    ];
    assert_eq!(told, expected);
    assert!(lines[0].ts.starts_with("2026-11-22T06:00:00."));
}

#[test]
fn redacted_values_are_nowhere_in_the_file() {
    let mut studio = Studio::new(Rotation::default(), &["x-key"]);
    let mut client = studio.connect(1);
    studio.say(&mut client, get("/"));
    studio.say(
        &mut client,
        "POST http://me:s3cret@web/ HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n\
         1\r\nx\r\n0\r\nX-KEY: s3",
    );
    studio.say(&mut client, "cret\r\nx-other: kept\r\n\r\n");
    let files = studio.finish();
    let holds = |bytes: &[u8]| files[0].windows(bytes.len()).any(|part| part == bytes);
    assert!(!holds(b"s3cret"));
    assert!(holds(b"X-Key: redacted"));
    assert!(holds(b"X-KEY: redacted"));
    assert!(holds(b"x-other: kept"));
    assert!(holds(b"POST http://redacted@web/ HTTP"));
    assert!(holds(b"the ledger"));
}

#[test]
fn a_broken_request_does_not_spoil_what_follows_it() {
    let mut studio = Studio::new(Rotation::default(), &[]);
    let mut client = studio.connect(1);
    studio.say(&mut client, post("/torn", 20) + "1234");
    client.next = client.next + 8;
    studio.say(&mut client, "12345678");
    studio.millis += 2_000;
    studio.say(&mut client, get("/whole"));
    assert_eq!(targets(&studio.finish()[0]), ["/whole"]);
}

#[test]
fn each_file_of_a_rotation_stands_alone() {
    let size = Rotation {
        size: Some(10_000),
        age: None,
    };
    let age = Rotation {
        size: None,
        age: Some(Duration::from_millis(40)),
    };
    for rotation in [size, age] {
        let mut studio = Studio::new(rotation, &[]);
        let (mut busy, mut slow) = (studio.connect(1), studio.connect(2));
        let mut expected = Vec::new();
        studio.say(&mut slow, post("/slow", 100));
        for n in 0..100 {
            let target = format!("/{n}/{}", "x".repeat(200));
            studio.say(&mut busy, get(&target));
            expected.push(target);
            if n == 50 {
                studio.say(&mut slow, [b'y'; 100]);
            }
        }
        let files = studio.finish();
        assert!((2..10).contains(&files.len()), "{rotation:?}");
        let mut found: Vec<_> = files.iter().flat_map(|file| targets(file)).collect();
        // The slow one spans files: whole in the first, or broken off when a third was due.
        found.retain(|target| target != "/slow");
        assert_eq!(found, expected);
    }
}

#[test]
fn a_request_stays_in_the_file_that_it_began_in() {
    let rotation = Rotation {
        size: Some(2_000),
        age: None,
    };
    let mut studio = Studio::new(rotation, &[]);
    let (mut busy, mut slow) = (studio.connect(1), studio.connect(2));
    studio.say(&mut slow, post("/slow", 5_000));
    studio.say(&mut slow, [b'y'; 4_000]);
    studio.say(&mut busy, get("/next"));
    studio.say(&mut slow, [b'y'; 1_000]);
    let files = studio.finish();
    assert_eq!(files.len(), 2);
    assert_eq!(targets(&files[0]), ["/slow"]);
    assert_eq!(targets(&files[1]), ["/next"]);
}

#[test]
fn a_full_disk_is_told_and_costs_requests_not_more() {
    let files = Files {
        path: "/dev/full".into(),
        rotation: Rotation::default(),
    };
    let recording = Arc::new(Mutex::new(Recording::create(files).unwrap()));
    let mut studio = Studio::new(Rotation::default(), &[]);
    studio.pipeline.observe(Box::new(Recorder::new(RecordTo {
        recording: Arc::clone(&recording),
        redact: Vec::new(),
        epoch: EPOCH,
    })));
    let mut client = studio.connect(1);
    for _ in 0..10 {
        studio.say(&mut client, post("/", 20_000));
        studio.say(&mut client, [b'x'; 20_000]);
    }
    let counters = studio.pipeline.counters();
    let dropped = &counters.targets[0].dropped;
    assert!(dropped.total() > 0);
    assert_eq!(counters.observed + dropped.total(), 10);
    let not_written = dropped
        .iter()
        .find(|(why, _)| why.name() == "record_failed");
    assert_eq!(not_written.map(|(_, count)| count), Some(dropped.total()));
    drop(studio);
    let recording = Arc::into_inner(recording).unwrap().into_inner().unwrap();
    assert!(recording.failure().is_some());
    assert!(recording.finish("").is_err());
}

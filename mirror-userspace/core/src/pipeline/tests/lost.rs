//! What is kept of what the pipeline loses.

use super::*;
use crate::lost::{KeepLost, Loss, Why};

fn bench(keep_lost: KeepLost, policy: PolicyConfig) -> Bench {
    let limits = Limits {
        keep_lost,
        ..Limits::default()
    };
    Bench::new(limits, policy)
}

fn keeping() -> Bench {
    let keep = KeepLost {
        losses: 10,
        bytes: 0,
    };
    bench(keep, to_targets(2))
}

impl Bench {
    /// The losses that are kept, the oldest first.
    fn kept(&self) -> Vec<Loss> {
        let mut kept: Vec<_> = self.pipeline.lost().unwrap().0.iter().cloned().collect();
        kept.sort_by_key(|loss| loss.number);
        kept
    }
}

#[test]
fn a_loss_is_kept_with_its_connection_line_and_segments() {
    let mut bench = keeping();
    let mut client = bench.connect(1);
    bench.say(&mut client, post(300));
    bench.lose(&mut client, 100);
    bench.say(&mut client, vec![b'x'; 200]);
    bench.wait(Duration::from_secs(1));
    let [loss] = &bench.kept()[..] else {
        panic!("{:?}", bench.kept())
    };
    assert_eq!(loss.why, Why::dropped("gap"));
    assert_eq!(loss.flow, Some(client.flow));
    assert_eq!(loss.line.as_deref(), Some("POST /b HTTP/1.1"));
    assert_eq!((loss.target, loss.count, loss.at), (None, 1, bench.now));
    let lengths: Vec<_> = loss.segments.iter().map(|it| it.len).collect();
    assert_eq!(lengths[0], 0, "its SYN");
    assert_eq!(lengths[2], 200);
    assert!(loss.segments.iter().all(|it| it.bytes.is_empty()));
    bench.end();
}

#[test]
fn a_line_is_as_copies_have_it_and_bytes_are_kept_where_that_is_wanted() {
    let mut policy = to_targets(1);
    policy.rewrite.paths = vec!["/b=/c".parse().unwrap()];
    let keep = KeepLost {
        losses: 10,
        bytes: 4,
    };
    let mut bench = bench(keep, policy);
    let mut client = bench.connect(1);
    bench.say(
        &mut client,
        "POST /b/d HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
    );
    bench.reset(&client);
    let kept = bench.kept();
    assert_eq!(kept[0].line.as_deref(), Some("POST /c/d HTTP/1.1"));
    assert_eq!(&*kept[0].segments[1].bytes, b"POST");
    bench.end();
}

#[test]
fn what_never_had_a_head_has_no_line() {
    let mut bench = keeping();
    let mut client = bench.connect(1);
    bench.say(&mut client, "GET / HTTP/1.1\r\nHo");
    bench.finish(&client);
    let kept = bench.kept();
    assert_eq!((kept[0].why.reason, &kept[0].line), ("truncated", &None));
    assert_eq!(kept[0].flow, Some(client.flow));
    bench.end();
}

#[test]
fn a_streamed_request_that_breaks_off_says_what_broke_it() {
    let mut bench = keeping();
    let mut client = bench.connect(1);
    bench.say(&mut client, post(2 << 20) + "abc");
    bench.reset(&client);
    let causes = bench.held.iter().filter_map(|output| match output {
        Output::Abort { cause, .. } => Some(cause.name()),
        _ => None,
    });
    assert_eq!(causes.collect::<Vec<_>>(), ["reset", "reset"]);
    // Whether a copy was lost by it is known where it is sent.
    assert_eq!(bench.kept(), []);
    let copy = &bench.received[1];
    let request = RequestKey {
        connection: copy.connection,
        number: copy.number,
    };
    bench.pipeline.handle_lost(LostCopy {
        at: bench.now,
        why: Why::failed("aborted"),
        cause: Some("reset"),
        request: Some(request),
        target: TargetId(1),
        line: None,
    });
    let kept = bench.kept();
    assert_eq!((kept.len(), kept[0].target), (1, Some(1)));
    assert_eq!(
        (kept[0].why, kept[0].cause),
        (Why::failed("aborted"), Some("reset"))
    );
    assert_eq!(kept[0].line.as_deref(), Some("POST /b HTTP/1.1"));
    assert_eq!(kept[0].flow, Some(client.flow));
    bench.end();
}

#[test]
fn what_ends_with_its_attachment_is_lost_at_that_time() {
    let mut bench = keeping();
    let mut client = bench.connect(1);
    bench.say(&mut client, post(3) + "a");
    bench.now = bench.now + Duration::from_secs(5);
    bench.pipeline.end_attachment(bench.now, 0);
    let kept = bench.kept();
    assert_eq!((kept.len(), kept[0].at), (1, bench.now));
    bench.end();
}

#[test]
fn a_copy_that_is_lost_later_gets_its_connection_and_line() {
    let mut bench = keeping();
    let mut client = bench.connect(1);
    bench.say(&mut client, post(3) + "abc" + GET);
    let keys: Vec<_> = [0, 2]
        .iter()
        .map(|at| RequestKey {
            connection: bench.received[*at].connection,
            number: bench.received[*at].number,
        })
        .collect();
    let lost = |request, line: Option<&str>| LostCopy {
        at: Time::from_nanos(9),
        why: Why::failed("timeout"),
        cause: None,
        request,
        target: TargetId(1),
        line: line.map(Into::into),
    };
    bench.pipeline.handle_lost(lost(Some(keys[0]), None));
    bench
        .pipeline
        .handle_lost(lost(Some(keys[1]), Some("GET /a HTTP/1.1")));
    bench.pipeline.handle_lost(lost(None, None));
    let kept = bench.kept();
    let lines: Vec<_> = kept.iter().map(|loss| loss.line.as_deref()).collect();
    assert_eq!(
        lines,
        [Some("POST /b HTTP/1.1"), Some("GET /a HTTP/1.1"), None]
    );
    let flows: Vec<_> = kept.iter().map(|loss| loss.flow).collect();
    assert_eq!(flows, [Some(client.flow), Some(client.flow), None]);
    assert!(kept.iter().all(|loss| loss.target == Some(1)));
    bench.end();
}

#[test]
fn by_default_nothing_is_kept_and_what_is_kept_is_in_the_budget() {
    let bench = Bench::new(Limits::default(), to_targets(1));
    assert!(bench.pipeline.lost().is_none());
    assert_eq!(bench.pipeline.budget().used(), 0);
    let bench = keeping();
    assert_eq!(bench.pipeline.budget().used(), (256 << 20) / 64);
    bench.end();
}

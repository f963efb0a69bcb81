//! Streamed copies.

use http::Response;

use super::{server::calls, *};

#[test]
fn streamed_copies_go_side_by_side_and_arrive_whole() {
    run(async {
        let server = H2Server::answering().await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address());
        let body: Vec<u8> = (0..=250).cycle().take(1_000_000).collect();
        let copies: Vec<_> = (0..5)
            .map(|n| rig.stream(1, &grpc(&format!("/{n}")), &[], None, Rest::Streamed))
            .collect();
        for chunk in body.chunks(33_333) {
            for copy in &copies {
                rig.chunk(*copy, chunk);
            }
            rig.until(|c| c.in_flight == 5).await;
        }
        // The source may be slower than any time-out.
        rig.until(|_| rig.budget.used() == 0).await;
        advance(Duration::from_secs(60));
        rig.dispatcher.tick();
        let trailers = block(&[("x-end", "1")]);
        for copy in &copies {
            rig.finish_with(*copy, &trailers);
        }
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.opened), (5, 1));
        for seen in server.seen.borrow().iter() {
            assert!(seen.body == body);
            assert_eq!(seen.trailers.as_ref().unwrap()["x-end"], "1");
        }
    });
}

#[test]
fn a_copy_that_breaks_is_reset_and_others_go_on() {
    run(async {
        let server = H2Server::answering().await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address());
        let copy = rig.stream(1, &grpc("/broken"), &[b"abc"], None, Rest::Streamed);
        rig.until(|c| c.lag.count() == 1).await;
        rig.abort(copy);
        rig.get(1, "/other");
        let counters = rig.settle().await;
        assert_eq!((counters.failed.aborted, counters.answered.success), (1, 1));
        assert_eq!(counters.opened, 1);
        rig.until(|_| server.seen.borrow().len() == 2).await;
        let seen = server.seen.borrow();
        let broken = seen.iter().find(|it| it.head.uri().path() == "/broken");
        assert_eq!(broken.unwrap().reset, Some(h2::Reason::CANCEL));
    });
}

#[test]
fn a_copy_that_breaks_before_it_is_sent_is_never_seen() {
    run(async {
        let server = H2Server::answering().await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address());
        let copy = rig.stream(1, &grpc("/broken"), &[b"abc"], None, Rest::Streamed);
        rig.abort(copy);
        rig.get(1, "/other");
        let counters = rig.settle().await;
        assert_eq!((counters.failed.aborted, counters.answered.success), (1, 1));
        assert_eq!(server.paths(), ["/other"]);
    });
}

#[test]
fn a_target_without_a_window_loses_the_copy_and_no_other() {
    run(async {
        let server = calls(|mut call| async move {
            if call.path == "/slow" {
                // Nobody reads the body.
                sleep(Duration::from_secs(1_000)).await;
            }
            let head = Response::builder().status(204).body(()).unwrap();
            call.respond.send_response(head, true).unwrap();
        })
        .await;
        let config = DispatchConfig {
            stream_window: 1 << 20,
            ..DispatchConfig::default()
        };
        let mut rig = Rig::new(config, server.address);
        let copy = rig.stream(1, &grpc("/slow"), &[], None, Rest::Streamed);
        for _ in 0..6 {
            rig.chunk(copy, &[0; 1 << 18]);
            rig.get(1, "/other");
        }
        let counters = rig.until(|c| c.answered.success == 6).await;
        assert_eq!(counters.failed.stream_overflow, 1);
        rig.settle().await;
        assert_eq!(rig.counters().opened, 1);
    });
}

#[test]
fn a_bidirectional_stream_counts_with_its_first_word_and_goes_on() {
    run(async {
        let got = Rc::new(Cell::new(0));
        let at_server = Rc::clone(&got);
        let server = calls(move |mut call| {
            let got = Rc::clone(&at_server);
            async move {
                let head = Response::builder().status(200).body(()).unwrap();
                let mut reply = call.respond.send_response(head, false).unwrap();
                while let Some(Ok(chunk)) = call.body.data().await {
                    got.set(got.get() + chunk.len());
                    let _gone = call.body.flow_control().release_capacity(chunk.len());
                    reply.send_data(chunk, false).unwrap();
                }
                let mut trailers = http::HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                reply.send_trailers(trailers).unwrap();
            }
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        let copy = rig.stream(1, &grpc("/chat"), &[], None, Rest::Streamed);
        rig.until(|c| c.answered.success == 1 && c.in_flight == 0)
            .await;
        for said in 1..=20 {
            rig.chunk(copy, b"word");
            rig.until(|_| got.get() == 4 * said).await;
            advance(Duration::from_secs(4));
        }
        rig.finish(copy);
        let counters = rig.until(|c| c.grpc_status.ok == 1).await;
        assert_eq!((counters.replies_cut, counters.failed.total()), (0, 0));
        rig.settle().await;
    });
}

//! What becomes of copies that were written on a connection that the target closes.

use super::*;

const LAST: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// What was sent behind a reply that closes is not seen to by the target.
#[test]
fn copies_behind_a_reply_that_closes_are_sent_again() {
    run(async {
        let server = Server::start(|mut peer| async move {
            for _ in 0..9 {
                let request = peer.request().await.unwrap();
                peer.reply(OK).await;
                if request.starts_with(b"GET /7 ") {
                    break;
                }
            }
            if peer.request().await.is_some() {
                peer.reply(LAST).await;
            }
        })
        .await;
        let mut rig = Rig::new(pipelining(6), server.address);
        prove(&mut rig, 5).await;
        for connection in 0..30 {
            rig.send(connection, &numbered(connection));
        }
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 35, "{counters:?}");
        assert!(counters.opened > 2);
        assert_eq!(counters.lag.count(), 35, "each once");
        assert!(counters.sent_again > 0);
        let texts = server.seen.texts();
        let want: Vec<_> = (0..30).map(numbered).collect();
        assert_eq!(texts[5..], want, "in their order, and nothing twice");
    });
}

#[test]
fn a_target_that_closes_always_gets_nothing_in_vain() {
    run(async {
        let in_vain = Rc::new(Cell::new(0));
        let counted = Rc::clone(&in_vain);
        let server = Server::start(move |mut peer| {
            let in_vain = Rc::clone(&counted);
            async move {
                peer.request().await.unwrap();
                peer.reply(LAST).await;
                while peer.more().await.is_some() {}
                in_vain.set(in_vain.get() + peer.unfinished().len());
            }
        })
        .await;
        let mut rig = Rig::new(pipelining(8), server.address);
        for connection in 0..20 {
            rig.send(connection, &numbered(connection));
        }
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.opened), (20, 20));
        assert_eq!(in_vain.get(), 0);
    });
}

/// It reads four, answers some of them with `replies`, and closes.
fn what_became_of_four(retry: Retry, replies: &'static str) -> (TargetCounters, usize) {
    let became = Rc::new(RefCell::new(None));
    let result = Rc::clone(&became);
    run(async move {
        let server = Server::start(move |mut peer| async move {
            if peer.seen.connections.get() > 1 {
                while answer_together(&mut peer, 1).await.is_some() {}
                return;
            }
            for _ in 0..3 {
                answer_together(&mut peer, 1).await.unwrap();
            }
            for _ in 0..4 {
                peer.request().await.unwrap();
            }
            peer.write(replies).await;
        })
        .await;
        let mut config = pipelining(4);
        config.retry = retry;
        let mut rig = Rig::new(config, server.address);
        prove(&mut rig, 3).await;
        for connection in 0..4 {
            rig.send(connection, &numbered(connection));
        }
        let counters = rig.settle().await;
        let seen = server.seen.requests.borrow().len();
        *result.borrow_mut() = Some((counters, seen));
    });
    became.take().unwrap()
}

#[test]
fn nothing_is_sent_again_if_nothing_is_to_be() {
    for (replies, answered) in [
        (LAST, 1),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 1),
        (
            "HTTP/1.1 200 OK\r\n\r\nuntil it closes, without a word of it",
            1,
        ),
        ("HTTP/1.1 101 Unasked\r\n\r\n", 1),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut", 1),
        ("", 0),
    ] {
        let (counters, seen) = what_became_of_four(Retry::Never, replies);
        assert_eq!(counters.answered.total(), 3 + answered, "{replies:?}");
        assert_eq!(counters.failed.reset, 4 - answered, "{replies:?}");
        assert_eq!((seen, counters.sent_again), (7, 0), "nothing twice");
    }
}

/// The connection had answered others, and closes.
#[test]
fn what_has_no_byte_of_its_reply_is_sent_once_more() {
    for (replies, failed, again) in [
        (LAST, 0, 3),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 0, 3),
        ("HTTP/1.1 200 OK\r\n\r\nuntil it closes", 0, 3),
        ("HTTP/1.1 101 Unasked\r\n\r\n", 0, 3),
        ("HTTP", 1, 3),
        ("HTTP/1.1 100 Continue\r\n\r\n", 1, 3),
        ("", 0, 4),
    ] {
        let (counters, seen) = what_became_of_four(Retry::Idempotent, replies);
        assert_eq!(counters.answered.total(), 7 - failed, "{replies:?}");
        assert_eq!(counters.failed.reset, failed, "{replies:?}");
        assert_eq!(counters.sent_again, again, "{replies:?}");
        assert_eq!(seen as u64, 7 + again, "{replies:?}");
    }
}

#[test]
fn behind_nonsense_all_fail_for_the_same_reason() {
    let nonsense = "I beg your pardon?\r\n\r\n";
    let (counters, seen) = what_became_of_four(Retry::Idempotent, nonsense);
    assert_eq!((counters.failed.bad_reply, seen), (4, 7));
}

/// However often and wherever the target closes, each copy arrives once and in its order.
#[test]
fn order_survives_a_target_that_closes_now_and_then() {
    run(async {
        let replies = Rc::new(Cell::new(0_u64));
        let counted = Rc::clone(&replies);
        let server = Server::start(move |mut peer| {
            let replies = Rc::clone(&counted);
            async move {
                while peer.request().await.is_some() {
                    let count = replies.get() + 1;
                    replies.set(count);
                    if count * count % 7 == 4 {
                        peer.reply(LAST).await;
                        break;
                    }
                    peer.reply(OK).await;
                }
                // A close with something unread would be a reset, and lose replies.
                while peer.more().await.is_some() {}
            }
        })
        .await;
        let mut config = pipelining(5);
        config.connections = 3;
        let mut rig = Rig::new(config, server.address);
        for number in 0..40 {
            for connection in 0..6 {
                rig.send(connection, &order::numbered(connection, number));
            }
            if number % 8 == 0 {
                sleep(Duration::from_millis(2)).await;
            }
        }
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 240, "{counters:?}");
        assert!(
            counters.sent_again > 0 && counters.pipelined > 0,
            "{counters:?}"
        );
        assert_in_order(&server.seen, 6, 40);
    });
}

//! What is sent behind others to servers of all kinds, where that is found out.

use std::collections::HashMap;

use super::{
    order::{assert_in_order, numbered},
    server::Server,
    *,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const LAST: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

fn rig_of(server: &Server, connections: usize) -> Rig {
    let config = DispatchConfig {
        connections,
        ..DispatchConfig::default()
    };
    Rig::new(config, server.address)
}

/// Gives copies of 8 client connections, now and then a pause between them.
async fn give(rig: &mut Rig, numbers: u64) {
    for number in 0..numbers {
        for connection in 0..8 {
            rig.send(connection, &numbered(connection, number));
        }
        if number % 8 == 0 {
            sleep(Duration::from_millis(2)).await;
        }
    }
}

#[test]
fn who_takes_several_gets_them_in_order() {
    run(async {
        let server = Server::answering(OK).await;
        let mut rig = rig_of(&server, 3);
        give(&mut rig, 100).await;
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 800);
        assert!(counters.pipelined > 100, "{counters:?}");
        assert_in_order(&server.seen, 8, 100);
    });
}

#[test]
fn who_closes_behind_each_reply_gets_each_once() {
    for reply in [
        "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        LAST,
        "HTTP/1.0 200 OK\r\n\r\nuntil the end",
    ] {
        run(async move {
            let server = Server::start(move |mut peer| async move {
                peer.request().await.unwrap();
                peer.reply(reply).await;
            })
            .await;
            let mut rig = rig_of(&server, 3);
            give(&mut rig, 20).await;
            let counters = rig.settle().await;
            assert_eq!(counters.answered.success, 160, "{counters:?}");
            assert_eq!((counters.pipelined, counters.sent_again), (0, 0));
            assert_in_order(&server.seen, 8, 20);
        });
    }
}

/// As nginx does with `keepalive_requests`: what is behind the last request of a connection is not seen to.
#[test]
fn what_a_connection_takes_is_learnt_once() {
    run(async {
        let server = Server::start(|mut peer| async move {
            for number in 1..=50 {
                if peer.request().await.is_none() {
                    return;
                }
                peer.reply(if number < 50 { OK } else { LAST }).await;
            }
            // A close with something unread would be a reset, and lose replies.
            while peer.more().await.is_some() {}
        })
        .await;
        let mut rig = rig_of(&server, 1);
        give(&mut rig, 200).await;
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 1_600, "{counters:?}");
        assert_eq!(counters.opened, 32);
        assert!(counters.pipelined > 500, "{counters:?}");
        assert!(
            counters.sent_again < 50,
            "at the first close alone: {counters:?}"
        );
        assert_in_order(&server.seen, 8, 200);
    });
}

/// It answers the first request of what it has read, and forgets the rest.
#[test]
fn who_forgets_what_is_behind_is_asked_once_more() {
    run(async {
        let server = Server::start(|mut peer| async move {
            while peer.request().await.is_some() {
                // Whatever is on its way arrives meanwhile.
                sleep(Duration::from_millis(2)).await;
                while peer.next_that_is_here().await.is_some() {}
                peer.reply(OK).await;
            }
        })
        .await;
        let mut rig = rig_of(&server, 3);
        give(&mut rig, 20).await;
        // All but one client connection go on with theirs.
        rig.until(|c| c.answered.success >= 140 && c.in_flight == 1)
            .await;
        advance(Duration::from_secs(6));
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 160, "{counters:?}");
        assert_eq!(counters.sent_again, 1);
        give(&mut rig, 20).await;
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 320, "{counters:?}");
    });
}

#[test]
fn who_breaks_off_at_a_second_request_is_asked_for_one() {
    run(async {
        let server = Server::start(|mut peer| async move {
            while peer.request().await.is_some() {
                sleep(Duration::from_millis(2)).await;
                if peer.next_that_is_here().await.is_some() {
                    return;
                }
                peer.reply(OK).await;
            }
        })
        .await;
        let mut rig = rig_of(&server, 3);
        give(&mut rig, 20).await;
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 160, "{counters:?}");
        assert!((1..=2).contains(&counters.sent_again), "{counters:?}");
    });
}

/// However a target ends its connections, nothing of effect is sent twice, nor is any before another.
#[test]
fn no_post_arrives_twice_wherever_it_closes() {
    run(async {
        let executed = Rc::new(std::cell::RefCell::new(HashMap::<Vec<u8>, u64>::new()));
        let (kept, replies) = (Rc::clone(&executed), Rc::new(Cell::new(0_u64)));
        let server = Server::start(move |mut peer| {
            let (executed, replies) = (Rc::clone(&kept), Rc::clone(&replies));
            async move {
                while let Some(request) = peer.request().await {
                    *executed.borrow_mut().entry(request).or_default() += 1;
                    replies.set(replies.get() + 1);
                    if replies.get() % 37 == 0 {
                        return;
                    }
                    peer.reply(OK).await;
                }
            }
        })
        .await;
        let mut rig = rig_of(&server, 3);
        for number in 0..60 {
            for connection in 0..8 {
                match (number + connection) % 4 {
                    0 => rig.send(
                        connection,
                        &format!(
                            "POST /{connection}/{number} HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc"
                        ),
                    ),
                    _ => rig.send(connection, &numbered(connection, number)),
                }
            }
            if number % 8 == 0 {
                sleep(Duration::from_millis(2)).await;
            }
        }
        let counters = rig.settle().await;
        let executed = executed.borrow();
        let posts = executed
            .iter()
            .filter(|(line, _)| line.starts_with(b"POST"));
        assert!(posts.clone().all(|(_, times)| *times == 1));
        assert_eq!(posts.count(), 120, "{counters:?}");
        assert!(executed.values().all(|times| *times <= 2));
        let again: u64 = executed.values().map(|times| times - 1).sum();
        assert!(
            again > 0 && again <= counters.sent_again,
            "{again} {counters:?}"
        );
    });
}

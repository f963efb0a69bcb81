use super::{
    server::{Seen, Server},
    *,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

pub(super) fn numbered(connection: u64, number: u64) -> String {
    format!("GET /{connection}/{number} HTTP/1.1\r\n\r\n")
}

/// Of each of so many connections so many requests arrived, each once and in their order.
pub(super) fn assert_in_order(seen: &Seen, connections: u64, numbers: u64) {
    let texts = seen.texts();
    for connection in 0..connections {
        let of_it = format!("GET /{connection}/");
        let got = texts.iter().filter(|text| text.starts_with(&of_it));
        let want: Vec<_> = (0..numbers)
            .map(|number| numbered(connection, number))
            .collect();
        assert!(got.eq(&want));
    }
}

/// A server whose replies come late and at odd times: requests overlap if they can.
async fn dawdling() -> Server {
    Server::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let odd = u64::from(request[7] ^ request[5]) % 4;
            sleep(Duration::from_millis(2 + odd)).await;
            peer.reply(OK).await;
        }
    })
    .await
}

#[test]
fn requests_of_one_connection_stay_in_order_and_others_overlap() {
    run(async {
        let server = dawdling().await;
        let config = DispatchConfig {
            connections: 4,
            ..DispatchConfig::default()
        };
        let mut rig = Rig::new(config, server.address);
        for number in 0..9 {
            for connection in 0..8 {
                rig.send(connection, &numbered(connection, number));
            }
        }
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 72);
        assert_in_order(&server.seen, 8, 9);
        assert_eq!((server.seen.most_open.get(), counters.opened), (4, 4));
    });
}

#[test]
fn one_connection_never_overlaps_itself() {
    run(async {
        let server = dawdling().await;
        let config = DispatchConfig {
            pipelining: Pipelining::UpTo(1),
            ..DispatchConfig::default()
        };
        let mut rig = Rig::new(config, server.address);
        (0..10).for_each(|number| rig.send(1, &numbered(1, number)));
        let counters = rig.settle().await;
        assert_eq!((server.seen.most_open.get(), counters.opened), (1, 1));
    });
}

#[test]
fn without_order_one_connection_overlaps() {
    run(async {
        let server = dawdling().await;
        let config = DispatchConfig {
            order: Order::None,
            connections: 5,
            ..DispatchConfig::default()
        };
        let mut rig = Rig::new(config, server.address);
        (0..10).for_each(|number| rig.send(1, &numbered(1, number)));
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 10);
        assert_eq!((server.seen.most_open.get(), counters.opened), (5, 5));
    });
}

#[test]
fn a_failure_does_not_hold_up_what_is_behind_it() {
    run(async {
        let server = Server::start(|mut peer| async move {
            while let Some(request) = peer.request().await {
                if request.starts_with(b"GET /1/1") {
                    return;
                }
                peer.reply(OK).await;
            }
        })
        .await;
        let config = DispatchConfig {
            retry: Retry::Never,
            ..DispatchConfig::default()
        };
        let mut rig = Rig::new(config, server.address);
        (0..4).for_each(|number| rig.send(1, &numbered(1, number)));
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.failed.reset), (3, 1));
        let want: Vec<_> = (0..4).map(|number| numbered(1, number)).collect();
        assert_eq!(server.seen.texts(), want, "nothing twice");
    });
}

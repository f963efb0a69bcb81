use super::*;
use crate::{Behaviour, Family, Host, Lab, RecordingServer};

fn lab_with(behaviour: Behaviour) -> (Lab, RecordingServer, SocketAddr) {
    let lab = Lab::new().unwrap();
    let address = Host::V1.address(Family::V4, 80);
    let server = RecordingServer::start(&lab.v1, address, behaviour).unwrap();
    (lab, server, address)
}

#[test]
fn every_request_that_is_due_is_sent_and_answered() {
    for reuse in [Reuse::KeepAlive, Reuse::Never] {
        let (lab, server, address) = lab_with(Behaviour::Answer);
        let load = Load {
            reuse,
            connections: 4,
            ..Load::get(address, 200.0, Duration::from_millis(500))
        };
        let mut last = 0;
        let outcome = load.run(&lab.client, |done| last = done).unwrap();
        assert_eq!((outcome.due, outcome.answered, last), (100, 100, 100));
        assert_eq!((outcome.failed, outcome.unanswered), (0, 0));
        assert_eq!(outcome.latencies.len(), 100);
        assert_eq!(server.requests().len(), 100);
        let connections = if reuse == Reuse::Never { 100 } else { 4 };
        assert_eq!(server.connections(), connections);
    }
}

#[test]
fn a_large_request_is_written_in_parts() {
    let (lab, server, address) = lab_with(Behaviour::Answer);
    let mut request = b"POST / HTTP/1.1\r\nContent-Length: 8000000\r\n\r\n".to_vec();
    request.resize(request.len() + 8_000_000, b'x');
    let load = Load {
        request,
        connections: 2,
        ..Load::get(address, 10.0, Duration::from_millis(300))
    };
    assert_eq!(load.run(&lab.client, |_| ()).unwrap().answered, 3);
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.body.len == 8_000_000)
    );
}

/// One stall of the server delays the requests that were due during it, and all of them say so.
#[test]
fn waiting_for_a_free_connection_counts() {
    let (lab, _server, address) = lab_with(Behaviour::Delay(Duration::from_millis(200)));
    let load = Load {
        connections: 1,
        ..Load::get(address, 1_000.0, Duration::from_millis(5))
    };
    let outcome = load.run(&lab.client, |_| ()).unwrap();
    assert_eq!(outcome.answered, 5);
    // The fifth waited for four others; a closed-loop client would report 200 ms for each.
    let [least, most] = outcome.latencies.quantiles([0.0, 1.0]).unwrap();
    assert!(least >= Duration::from_millis(200));
    assert!(most >= Duration::from_millis(990), "{most:?}");
}

#[test]
fn connections_that_the_server_closes_are_made_anew() {
    let (lab, server, address) = lab_with(Behaviour::CloseAfter(1));
    let load = Load {
        connections: 1,
        ..Load::get(address, 100.0, Duration::from_millis(200))
    };
    let outcome = load.run(&lab.client, |_| ()).unwrap();
    assert_eq!(outcome.answered + outcome.failed, 20);
    assert!(outcome.answered > 0);
    assert_eq!(server.requests().len() as u64, outcome.answered);
}

#[test]
fn requests_go_out_in_batches() {
    let (lab, server, address) = lab_with(Behaviour::Answer);
    let load = Load {
        depth: 8,
        connections: 2,
        ..Load::get(address, 400.0, Duration::from_millis(200))
    };
    let outcome = load.run(&lab.client, |_| ()).unwrap();
    assert_eq!((outcome.due, outcome.answered), (80, 80));
    assert_eq!(outcome.latencies.len(), 80);
    assert_eq!((server.requests().len(), server.connections()), (80, 2));
}

#[test]
fn idle_connections_stay_open() {
    let (lab, server, address) = lab_with(Behaviour::Answer);
    let request = Load::get(address, 1.0, Duration::ZERO).request;
    let idle = IdleConnections::open(&lab.client, address, &request, 50).unwrap();
    assert_eq!((server.requests().len(), server.connections()), (50, 50));
    drop(idle);
}

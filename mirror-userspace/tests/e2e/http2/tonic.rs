//! tonic as client and as v1, with grpcio at the other ends.

use std::time::Duration;

use lab::{Calls, Family, GrpcCall, GrpcClient, GrpcServer, Host, Lab, TonicClient};

use super::scene::{ROOM, assert_well};
use crate::{
    mirror::Mirror,
    scene::{PATIENCE, target},
};

const SCENES: [(&str, usize); 4] = [("unary", 30), ("collect", 10), ("expand", 10), ("chat", 10)];

/// What calls were, as far as the application says.
fn said(calls: Vec<GrpcCall>) -> Vec<GrpcCall> {
    let mut said: Vec<_> = calls
        .into_iter()
        .map(|call| {
            let mut call = call.without("x-mirrored-by");
            call.metadata.retain(|(name, _)| name.starts_with("x-"));
            call
        })
        .collect();
    said.sort();
    said
}

/// Calls of each kind come to v2 as they came to v1.
fn between(v1: GrpcServer, v2: GrpcServer, lab: Lab, play: impl Fn(&Lab, &str, usize) -> Calls) {
    let mirror = Mirror::start(&lab, &target(Family::V4), &ROOM);
    let mut count = 0;
    for (scene, calls) in SCENES {
        assert_well(scene, play(&lab, scene, calls), calls);
        count += calls;
    }
    let sent = v1.wait_for(count, PATIENCE).unwrap();
    assert_eq!(sent.len(), count);
    let came = v2.wait_for(count, PATIENCE).unwrap().len();
    assert_eq!(came, count, "{}", mirror.ask());
    let ledger = mirror.stop();
    assert_eq!(said(sent), said(v2.wait_for(count, PATIENCE).unwrap()));
    ledger.assert_all_answered(count);
}

fn at(host: Host) -> std::net::SocketAddr {
    host.address(Family::V4, 80)
}

fn tonic(lab: &Lab, host: Host, age: Option<Duration>) -> GrpcServer {
    GrpcServer::start_tonic(lab.namespace(host), at(host), age).unwrap()
}

fn grpcio(lab: &Lab, host: Host) -> GrpcServer {
    GrpcServer::start(lab.namespace(host), at(host), None).unwrap()
}

#[test]
fn from_tonic_to_grpcio() {
    let lab = Lab::new().unwrap();
    let (v1, v2) = (tonic(&lab, Host::V1, None), grpcio(&lab, Host::V2));
    between(v1, v2, lab, |lab, scene, calls| {
        TonicClient::play(&lab.client, at(Host::V1), scene, calls).unwrap()
    });
}

#[test]
fn from_grpcio_to_tonic() {
    let lab = Lab::new().unwrap();
    let (v1, v2) = (grpcio(&lab, Host::V1), tonic(&lab, Host::V2, None));
    between(v1, v2, lab, |lab, scene, calls| {
        TonicClient::play(&lab.client, at(Host::V1), scene, calls).unwrap()
    });
}

/// v2's connections end after a while, with a GOAWAY before.
#[test]
fn from_tonic_to_a_tonic_whose_connections_age() {
    let lab = Lab::new().unwrap();
    let age = Some(Duration::from_millis(200));
    let (v1, v2) = (tonic(&lab, Host::V1, None), tonic(&lab, Host::V2, age));
    between(v1, v2, lab, |lab, scene, calls| {
        GrpcClient::play(&lab.client, at(Host::V1), scene, calls).unwrap()
    });
}

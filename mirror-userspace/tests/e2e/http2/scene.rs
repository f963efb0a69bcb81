//! A lab with a recording v1 and v2 that speak HTTP/2, and a mirror between them.

use std::process::Command;

use lab::{Calls, Family, GrpcClient, Host, Http2Recorder, Http2Request, Lab, packages};

use crate::{
    mirror::{Ledger, Mirror},
    scene::{PATIENCE, target},
};

/// The field that the mirror adds.
const MARK: &str = "x-mirrored-by";

/// Room for whatever the tests send, however late v2 is.
pub(super) const ROOM: [&str; 6] = [
    "--queue",
    "100000",
    "--stream-window",
    "128M",
    "--max-memory",
    "1G",
];

/// Taken down in this order.
pub(super) struct Scene {
    pub(super) mirror: Mirror,
    pub(super) v1: Http2Recorder,
    pub(super) v2: Http2Recorder,
    pub(super) lab: Lab,
}

impl Scene {
    pub(super) fn new(flags: &[&str]) -> Self {
        Self::in_lab(Lab::new().unwrap(), flags)
    }

    pub(super) fn in_lab(lab: Lab, flags: &[&str]) -> Self {
        let (v1, v2) = servers(&lab);
        let mirror = Mirror::start(&lab, &target(Family::V4), &[&ROOM[..], flags].concat());
        Self {
            mirror,
            v1,
            v2,
            lab,
        }
    }

    /// Has grpcio make `count` calls of one kind, which all end as they should.
    pub(super) fn play(&self, scene: &str, count: usize) {
        let calls = GrpcClient::play(&self.lab.client, self.v1.address(), scene, count).unwrap();
        assert_well(scene, calls, count);
    }

    /// Has a program of the client's run to a good end.
    pub(super) fn run(&self, program: &str, arguments: &[&str]) {
        run(&self.lab, program, arguments);
    }

    /// What v1 got whole, `count` requests, v2 got: each once, and but for the mark the same. Then ends the mirror.
    pub(super) fn assert_mirrored(self, count: usize) -> Ledger {
        let v1 = self.v1.wait_for(count, PATIENCE).unwrap();
        assert_eq!(v1.len(), count, "v1 itself did not get all requests");
        let came = self.v2.wait_for(count, PATIENCE).unwrap().len();
        assert_eq!(came, count, "at v2\n{}", self.mirror.ask());
        let ledger = self.mirror.stop();
        // Now nothing more can come.
        let v2 = self.v2.wait_for(count, PATIENCE).unwrap();
        assert_same(v1, v2);
        ledger.assert_all_answered(count);
        ledger
    }
}

/// v1 and v2, both answering on port 80: v1 allows as many streams as anybody may want, v2 what a server allows.
pub(super) fn servers(lab: &Lab) -> (Http2Recorder, Http2Recorder) {
    let start = |host: Host, streams| {
        let address = host.address(Family::V4, 80);
        Http2Recorder::start(lab.namespace(host), address, streams).unwrap()
    };
    (start(Host::V1, 4_000), start(Host::V2, 100))
}

pub(super) fn assert_well(scene: &str, calls: Calls, count: usize) {
    let made = u64::try_from(count).unwrap();
    assert_eq!(calls, Calls { made, well: made }, "{scene}");
}

pub(super) fn run(lab: &Lab, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(packages::require(program).unwrap());
    let output = lab.client.output(command.args(arguments)).unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program}: {output:?}");
    said
}

/// Each request of v1 is one of v2, in any order, with the mark as its last field.
pub(super) fn assert_same(v1: Vec<Http2Request>, v2: Vec<Http2Request>) {
    for request in &v2 {
        let mark = request.fields.last().unwrap();
        let names = request.fields.iter().map(|(name, ..)| name.to_lowercase());
        assert_eq!(names.filter(|name| name == MARK).count(), 1, "{request:?}");
        assert_eq!((mark.0.as_str(), mark.1.as_str()), (MARK, "podmirror"));
    }
    let sorted = |requests: Vec<Http2Request>| {
        let mut plain: Vec<_> = requests.into_iter().map(|it| it.without(MARK)).collect();
        plain.sort();
        plain
    };
    let (sent, copied) = (sorted(v1), sorted(v2));
    assert_eq!(sent.len(), copied.len(), "one twice, or not at all");
    for (sent, copied) in sent.iter().zip(&copied) {
        assert_eq!(sent, copied);
    }
}

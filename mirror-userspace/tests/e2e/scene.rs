//! A lab with a recording v1 and v2 and a mirror between them.

use std::{collections::BTreeMap, time::Duration};

use lab::{Behaviour, Family, Host, Lab, RawClient, RecordedRequest, RecordingServer};

use crate::mirror::{Ledger, Mirror};

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The line that the mirror adds.
const MARK: &str = "x-mirrored-by";

/// Everything a test needs, taken down in this order.
pub(crate) struct Scene {
    pub(crate) mirror: Mirror,
    pub(crate) v1: RecordingServer,
    pub(crate) v2: RecordingServer,
    pub(crate) lab: Lab,
    pub(crate) family: Family,
}

impl Scene {
    /// Over IPv4, with these flags on top of the necessary ones.
    pub(crate) fn new(flags: &[&str]) -> Self {
        Self::over(Family::V4, flags)
    }

    /// Over this version of IP.
    pub(crate) fn over(family: Family, flags: &[&str]) -> Self {
        Self::in_lab(Lab::new().unwrap(), family, flags)
    }

    /// In a lab that was prepared.
    pub(crate) fn in_lab(lab: Lab, family: Family, flags: &[&str]) -> Self {
        Self::with(lab, family, |lab| {
            Mirror::start(lab, &target(family), flags)
        })
    }

    /// In a lab that was prepared, with a mirror that is started in another way.
    pub(crate) fn with(lab: Lab, family: Family, start: impl FnOnce(&Lab) -> Mirror) -> Self {
        let (v1, v2) = servers(&lab, family);
        let mirror = start(&lab);
        Self {
            mirror,
            v1,
            v2,
            lab,
            family,
        }
    }

    /// A new connection from the client to v1.
    pub(crate) fn connect(&self) -> RawClient {
        RawClient::connect(&self.lab.client, Host::V1.address(self.family, 80)).unwrap()
    }

    /// One request on a connection of its own; its reply's status.
    pub(crate) fn request(&self, method: &str, bytes: &[u8]) -> u16 {
        let mut client = self.connect();
        client.write(bytes).unwrap();
        client.read_reply(method).unwrap().status
    }

    /// Waits for `count` requests at v1 and v2, asserts that they are the same but for the mark,
    /// each once, and in order for each client connection; then ends the mirror.
    pub(crate) fn assert_mirrored(self, count: usize) -> Ledger {
        self.compare(count);
        let ledger = self.mirror.stop();
        ledger.assert_all_answered(count);
        ledger
    }

    /// As [`assert_mirrored`](Self::assert_mirrored), and goes on.
    pub(crate) fn compare(&self, count: usize) {
        let v1 = self.v1.wait_for(count, PATIENCE);
        let v2 = self.v2.wait_for(count, PATIENCE);
        assert_eq!(v1.len(), count, "v1 itself did not get all requests");
        // The ledger says where the others went.
        assert!(
            v2.len() == count,
            "{} of {count} at v2\n{}",
            v2.len(),
            self.mirror.ask()
        );
        assert_same(&v1, &v2);
    }
}

/// v1 and v2, both answering on port 80.
pub(crate) fn servers(lab: &Lab, family: Family) -> (RecordingServer, RecordingServer) {
    let start = |host: Host| {
        RecordingServer::start(
            lab.namespace(host),
            host.address(family, 80),
            Behaviour::Answer,
        )
        .unwrap()
    };
    (start(Host::V1), start(Host::V2))
}

/// The URL of v2, as a target.
pub(crate) fn target(family: Family) -> String {
    format!("http://{}", Host::V2.address(family, 80))
}

/// What v2 has is what v1 has, but for one line in each head.
pub(crate) fn assert_same(v1: &[RecordedRequest], v2: &[RecordedRequest]) {
    let (sent, copied) = (by_label(v1), by_label(v2));
    assert_eq!(
        copied.keys().collect::<Vec<_>>(),
        sent.keys().collect::<Vec<_>>(),
        "v2 has other requests than v1 (or one twice)"
    );
    for (label, original) in &sent {
        let copy = &copied[label];
        let unmarked = copy.head_without(MARK);
        assert!(
            unmarked == original.head,
            "{label:?}: head differs:\n{}",
            unmarked.escape_ascii()
        );
        assert_eq!(
            copy.head.len() - unmarked.len(),
            "x-mirrored-by: podmirror\r\n".len(),
            "{label:?}: one mark"
        );
        assert_eq!(copy.body.len, original.body.len, "{label:?}: body length");
        assert!(copy.body == original.body, "{label:?}: body differs");
    }
    for connection in 0..=v1
        .iter()
        .map(|request| request.connection)
        .max()
        .unwrap_or_default()
    {
        let order = |requests: &[RecordedRequest]| -> Vec<String> {
            let labels = sent
                .iter()
                .filter(|(_, request)| request.connection == connection);
            let labels: Vec<_> = labels.map(|((target, _), _)| target.clone()).collect();
            let targets = requests.iter().map(|request| request.target().to_owned());
            targets.filter(|target| labels.contains(target)).collect()
        };
        if v1.len() < 2_000 {
            assert_eq!(
                order(v2),
                order(v1),
                "order of client connection {connection}"
            );
        }
    }
}

/// Requests by target, and by which of several with that target they are.
fn by_label(requests: &[RecordedRequest]) -> BTreeMap<(String, usize), &RecordedRequest> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    requests
        .iter()
        .map(|request| {
            let target = request.target().to_owned();
            let nth = seen
                .entry(target.clone())
                .and_modify(|n| *n += 1)
                .or_default();
            ((target, *nth), request)
        })
        .collect()
}

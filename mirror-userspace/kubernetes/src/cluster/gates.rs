//! Opens the readiness gates of pods: says in a pod's status that it is attached to.
//!
//! A gate is for those who want a pod to get no request before it is mirrored. It must not become a
//! reason for a service to be down. So a gate is opened for good: what happens later to the attachment
//! takes no pod out of service. It is opened as well where nothing is to be mirrored, and once a pod
//! that runs has waited for [`GateConfig::patience`]. The only thing that can't be bounded here is that
//! there is no agent on the node.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use log::{info, warn};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    pod::PodUid,
    reducer::{GATE, GateState, Gated},
};

/// How long the API server may take for one request.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// How long a write that failed waits for the next one.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// How long one that worked waits for the next one.
const WRITTEN_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// The same where the service account may not.
const ALLOWED_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// How long no rule has to select a pod: the document of one may be on its way.
const SELECTED_WITHIN: Duration = Duration::from_secs(2);

/// Writes at a time.
const MOST_AT_ONCE: usize = 16;

/// The longest reason that a message has, in characters.
const LONGEST_REASON: usize = 256;

/// How gates are opened.
#[derive(Clone, Debug)]
pub struct GateConfig {
    /// How long a pod that runs waits at most.
    pub patience: Duration,
}

/// The gates of this node's pods.
pub struct Gates {
    client: Client,
    config: GateConfig,
    waiting: BTreeMap<PodUid, Waiting>,
    writing: JoinSet<(PodUid, Written)>,
    /// Whether it was said that the service account may not.
    complained: bool,
}

impl std::fmt::Debug for Gates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gates")
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

/// A pod at its closed gate.
#[derive(Debug)]
struct Waiting {
    since: Instant,
    /// Since when it runs.
    runs: Option<Instant>,
    /// Not before then is it written, or written again.
    next: Instant,
    /// A write is under way, or the API is about to tell of it.
    opened: bool,
}

/// What became of a write.
#[derive(Debug)]
enum Written {
    Done(String),
    Gone,
    Forbidden(String),
    Failed(String),
}

impl Gates {
    /// Opens gates by this client.
    #[must_use]
    pub fn new(client: Client, config: GateConfig) -> Self {
        Self {
            client,
            config,
            waiting: BTreeMap::new(),
            writing: JoinSet::new(),
            complained: false,
        }
    }

    /// Opens the gates of those that wait for nothing any more, or have waited for too long. To be
    /// called when something has changed, and once a second. Must be called within a tokio runtime.
    pub fn keep(&mut self, gated: impl Iterator<Item = Gated>) {
        let now = Instant::now();
        while let Some(written) = self.writing.try_join_next() {
            if let Ok((pod, written)) = written {
                self.on_written(&pod, written, now);
            }
        }
        let mut seen = BTreeSet::new();
        for pod in gated {
            let waiting = self.waiting.entry(pod.uid.clone());
            let waiting = waiting.or_insert(Waiting {
                since: now,
                runs: None,
                next: now,
                opened: false,
            });
            seen.insert(pod.uid.clone());
            if pod.runs {
                waiting.runs.get_or_insert(now);
            }
            if waiting.opened || now < waiting.next || self.writing.len() >= MOST_AT_ONCE {
                continue;
            }
            if let Some((reason, message)) = waiting.opens(&pod.state, now, self.config.patience) {
                waiting.opened = true;
                self.writing
                    .spawn(open(self.client.clone(), pod, reason, message));
            }
        }
        self.waiting.retain(|uid, _| seen.contains(uid));
    }

    fn on_written(&mut self, pod: &PodUid, written: Written, now: Instant) {
        let again = match written {
            Written::Done(said) => {
                self.complained = false;
                info!("{said}");
                // The API is about to tell of it; if it doesn't, somebody has closed it again.
                WRITTEN_AGAIN_AFTER
            }
            // A pod that is gone is soon forgotten; one that is there has been written by others at the same time.
            Written::Gone => WRITTEN_AGAIN_AFTER,
            Written::Forbidden(why) => {
                if !self.complained {
                    self.complained = true;
                    warn!(
                        "readiness gates {GATE} can't be opened, so the pods that have one stay unready: {why}; \
                         grant it as deploy/components/readiness-gate does"
                    );
                }
                ALLOWED_AGAIN_AFTER
            }
            Written::Failed(why) => {
                warn!("a readiness gate {GATE} is not open yet and is tried again: {why}");
                TRIED_AGAIN_AFTER
            }
        };
        if let Some(waiting) = self.waiting.get_mut(pod) {
            waiting.opened = false;
            waiting.next = now + again;
        }
    }
}

impl Waiting {
    /// The reason and the message with which the gate opens, if it does.
    fn opens(
        &self,
        state: &GateState,
        now: Instant,
        patience: Duration,
    ) -> Option<(&'static str, String)> {
        match state {
            GateState::Attached => Some(("Attached", "its requests are mirrored".to_owned())),
            GateState::NotSelected => {
                let settled = now.duration_since(self.since) >= SELECTED_WITHIN;
                settled.then(|| ("NotSelected", "nothing mirrors it".to_owned()))
            }
            GateState::Unfit(why) => Some(("NotMirrored", format!("not mirrored: {why}"))),
            GateState::Waiting(why) => {
                let late = self.runs.is_some_and(|runs| now - runs >= patience);
                let why = why.as_deref().unwrap_or("it is being attached to");
                late.then(|| ("NotAttachedInTime", format!("not mirrored yet: {why}")))
            }
        }
    }
}

async fn open(
    client: Client,
    pod: Gated,
    reason: &'static str,
    message: String,
) -> (PodUid, Written) {
    let Gated {
        uid,
        namespace,
        name,
        ..
    } = pod;
    let patch = patch(&uid, reason, &message);
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    let params = PatchParams {
        field_manager: Some("podmirror".to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Strategic(&patch);
    let asked = pods.patch_status(&name, &params, &patch);
    let written = match timeout(ANSWERS_WITHIN, asked).await {
        Ok(Ok(_)) => Written::Done(format!(
            "{namespace}/{name}: its readiness gate is open ({reason})"
        )),
        Ok(Err(kube::Error::Api(status))) => match status.code {
            // It is gone, or another one has its name; or somebody else was faster.
            404 | 409 | 422 => Written::Gone,
            401 | 403 => Written::Forbidden(status.message.clone()),
            code => Written::Failed(format!("status {code}: {}", status.message)),
        },
        Ok(Err(error)) => Written::Failed(error.to_string()),
        Err(_) => Written::Failed("no answer".to_owned()),
    };
    (uid, written)
}

/// Merged by the conditions' types; of a pod of the same name that has come in its place the UID differs, which the API
/// refuses.
fn patch(uid: &PodUid, reason: &str, message: &str) -> Value {
    let now = format!("{:.0}", Timestamp::now());
    let message: String = message.chars().take(LONGEST_REASON).collect();
    json!({
        "metadata": {"uid": uid.0},
        "status": {"conditions": [{
            "type": GATE,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": now,
        }]},
    })
}

#[cfg(test)]
mod tests {
    use std::iter;

    use hyper::{Request, Response};
    use kube::client::Body;
    use tokio::time::sleep;
    use tower_test::mock::pair;

    use super::*;

    fn waiting(since: Instant, runs: Option<Instant>) -> Waiting {
        Waiting {
            since,
            runs,
            next: since,
            opened: false,
        }
    }

    /// Whatever the API says of a write, the gate is tried again as long as it is closed.
    #[tokio::test(start_paused = true)]
    async fn a_gate_that_stays_closed_is_written_again() {
        let (service, mut handle) = pair::<Request<Body>, Response<Body>>();
        let client = Client::new(service, "default");
        let patience = Duration::from_secs(30);
        let mut gates = Gates::new(client, GateConfig { patience });
        let gated = Gated {
            uid: PodUid("uid".to_owned()),
            namespace: "default".to_owned(),
            name: "web".to_owned(),
            runs: true,
            state: GateState::Attached,
        };
        for code in [404, 409, 422, 403, 500, 404] {
            let asked = async {
                loop {
                    gates.keep(iter::once(gated.clone()));
                    sleep(Duration::from_secs(1)).await;
                }
            };
            let (_, answer) = tokio::select! {
                () = asked => unreachable!(),
                asked = timeout(2 * WRITTEN_AGAIN_AFTER, handle.next_request()) => asked.unwrap().unwrap(),
            };
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "", "reason": "Told", "code": code,
            });
            let reply = Response::builder().status(code);
            let body = Body::from(status.to_string().into_bytes());
            answer.send_response(reply.body(body).unwrap());
        }
        gates.keep(iter::empty());
        assert!(gates.waiting.is_empty(), "what is gone is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_opens_for_what_is_attached_and_for_nothing_to_wait_for() {
        const PATIENCE: Duration = Duration::from_secs(30);
        let began = Instant::now();
        let reason = |waiting: &Waiting, state: &GateState, after: u64| {
            let now = began + Duration::from_secs(after);
            waiting.opens(state, now, PATIENCE).map(|it| it.0)
        };
        let new = waiting(began, None);
        assert_eq!(reason(&new, &GateState::Attached, 0), Some("Attached"));
        assert_eq!(reason(&new, &GateState::NotSelected, 1), None);
        assert_eq!(
            reason(&new, &GateState::NotSelected, 2),
            Some("NotSelected")
        );
        let unfit = GateState::Unfit("why".to_owned());
        assert_eq!(reason(&new, &unfit, 0), Some("NotMirrored"));
        // Its image may take long: it waits for other things.
        let state = GateState::Waiting(Some("no permission".to_owned()));
        assert_eq!(reason(&new, &state, 3_600), None);
        let runs = waiting(began, Some(began + Duration::from_secs(10)));
        assert_eq!(reason(&runs, &state, 39), None);
        assert_eq!(reason(&runs, &state, 40), Some("NotAttachedInTime"));
        let said = runs.opens(&state, began + Duration::from_secs(40), PATIENCE);
        assert_eq!(said.unwrap().1, "not mirrored yet: no permission");
    }
}

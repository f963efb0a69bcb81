//! What a client may take up.
//!
//! Together they bound what all clients can hold to a few MB, and how often they can have the
//! mirrors interrupted to four times a second.

use std::time::Duration;

/// Connections at a time. When there are more, the oldest gives way: whoever holds connections open
/// would otherwise keep the kubelet's probes out and so have the process restarted.
pub(super) const CONNECTIONS: usize = 64;

/// From the accept to the last byte of the answer read. There is one request on a connection.
pub(super) const CONNECTION_TIME: Duration = Duration::from_secs(10);

/// The request line with the header fields: longer ones are answered 431.
pub(super) const HEAD_BYTES: usize = 8 << 10;

/// Header fields: more are answered 431.
pub(super) const FIELDS: usize = 64;

/// The body of a PUT: a rate and a rule's name. Longer ones are answered 413.
pub(super) const BODY_BYTES: usize = 1 << 10;

/// How long `/readyz` waits for its answer: kubelet's own time-out, if not set, is a second.
pub(super) const READY_TIME: Duration = Duration::from_millis(900);

/// How long the others wait for theirs.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How old an answer to `/metrics` may be: scrapers that come at once share one.
pub(super) const METRICS_AGE: Duration = Duration::from_millis(250);

/// How long the owner of the mirrors may be busy before `/healthz` calls it stuck. Attaching to
/// a node full of pods takes seconds; a restart would only begin it anew.
pub(super) const STUCK_AFTER: Duration = Duration::from_secs(60);

/// The pause after a failed `accept`: out of file descriptors, mostly.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Rules with metrics of their own. The series of a rule are about 100 for each of its targets.
pub(super) const RULES: usize = 64;

/// Pods with a metric of their own: the kubelet's default limit is 110 a node.
pub(super) const PODS: usize = 512;

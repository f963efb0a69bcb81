//! What a client may take up.
//!
//! Together these bound what all clients can hold to about a MB (browsers: and twenty MB in sockets), and how
//! often they can have the mirrors interrupted for metrics to four times a second.

use std::time::Duration;

/// The limits of one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections at a time. When there are more, the oldest gives way: whoever holds connections
    /// open would otherwise keep the kubelet's probes out, and so have the process restarted.
    pub(super) connections: usize,
    /// From the accept to the answer's last byte. Of an answer without an end, between two parts of it; where a
    /// connection is kept, from one answer to the last byte of the next.
    pub(super) connection_time: Duration,
    /// How long `/readyz` waits for its answer: the kubelet waits a second unless told otherwise.
    pub(super) ready_time: Duration,
    /// How long the others wait for theirs.
    pub(super) answer_time: Duration,
    /// How old an answer to `/metrics` may be: scrapers that come at once share one.
    pub(super) metrics_age: Duration,
    /// How often browsers are told.
    pub(super) page_every: Duration,
    /// How long the owner of the mirrors may be busy before `/healthz` calls it stuck. Attaching to
    /// a node full of pods takes seconds; a restart would only begin it anew.
    pub(super) stuck_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            connection_time: Duration::from_secs(10),
            ready_time: Duration::from_millis(900),
            answer_time: Duration::from_secs(5),
            metrics_age: Duration::from_millis(250),
            page_every: Duration::from_secs(1),
            stuck_after: Duration::from_secs(60),
        }
    }
}

/// Bytes of the request line and field lines; longer heads are answered 431. 8 KiB is the smallest limit
/// that hyper accepts.
pub(super) const HEAD_BYTES: usize = 8 << 10;

/// Field lines; more are answered 431.
pub(super) const FIELDS: usize = 64;

/// The body of a PUT: a rate and a rule's name; longer ones are answered 413.
pub(super) const BODY_BYTES: usize = 1 << 10;

/// The pause after a failed `accept`: out of file descriptors, mostly.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Rules with series of their own: about 100 for each target.
pub(super) const RULES: usize = 64;

/// Pods with a series of their own. The kubelet's default limit is 110 a node.
pub(super) const PODS: usize = 512;

/// Namespaces with series of their own for what is refused of their documents.
pub(super) const NAMESPACES: usize = 64;

/// Browsers that are told at a time; one more is refused.
pub(super) const BROWSERS: usize = 64;

/// Messages that wait for one browser. All browsers share the bytes.
pub(super) const WAITING_MESSAGES: usize = 2;

/// Bytes per second that all browsers together are told: with many rules and many browsers messages are
/// rarer than one a second.
pub(super) const TOLD_BYTES: usize = 4 << 20;

/// What the kernel may hold for one browser, in bytes; it doubles this for its own needs.
pub(super) const SEND_BUFFER: usize = 64 << 10;

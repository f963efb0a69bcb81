//! The admin server: probes, metrics and the sample rate over HTTP.
//!
//! It knows no cluster. It turns requests into [`Question`]s, and whoever owns the
//! mirrors answers them between its other duties:
//!
//! ```text
//! kubelet, Prometheus, `podmirror set` ──HTTP──► Admin ──Question──► Questions ─► impl MirrorOwner
//!                                                  ▲                                   │
//!                                                  └───────────── answer ──────────────┘
//! ```
//!
//! | request | answer |
//! |---|---|
//! | `GET /healthz` | 200, unless the owner has not taken a question for a minute |
//! | `GET /readyz` | 200 once all is attached that should be, else 503 and what is missing |
//! | `GET /metrics` | Prometheus text format 0.0.4 |
//! | `GET /verdict` | whether a candidate does as well as its baseline |
//! | `GET /ledger` | the books of all rules as JSON |
//! | `GET /lost`, `/lost.pcapng` | the last losses as JSON, and the last segments of their connections; for those on this machine |
//! | `GET /differences` | the last replies of v2 that were not as v1's, with their values; for the same |
//! | `GET /sample-rate` | a line for each target: `50 %`, its rule, its name, with tabs between |
//! | `PUT /sample-rate` | a body of `50%`, or with a tab and a rule's name: sets all targets of that rule, or of all |
//!
//! The process is privileged, and anyone in the pod network may be able to connect; whoever has copies
//! sent to us has us connect to ourselves. Nothing here chooses targets, pods or interfaces: the most
//! that a caller can do is to change the rate, and that only by the unix socket, which our own user
//! alone may open, or with the token. What bears the mark of a copy is refused whatever it asks.
//! Connections, heads, bodies and times are bounded (`limits.rs`).
//!
//! Browsers have an address of their own (`page/`), where there is nothing but the page and what it shows.

mod books;
pub mod client;
mod differences;
mod door;
mod health;
mod limits;
mod listen;
mod losses;
mod lost;
mod metrics;
mod origin;
mod page;
mod patience;
mod question;
mod rate;
mod replies;
mod routes;
mod server;
mod snapshot;
mod socket;
#[cfg(test)]
mod tests;
mod text;
mod token;
mod verdict;

pub use listen::Listen;
pub use losses::is_loss;
pub use lost::LostOf;
pub use metrics::{IstioNames, render};
pub use page::{OwnPage, Source};
pub use question::{Attachments, MirrorOwner, Question, Questions, Refused};
pub use routes::Failure;
pub use server::{Admin, AdminConfig};
pub use snapshot::{
    DocumentsRefused, FLAGS, PodState, SampleRate, ShownMirror, ShownPod, ShownWatch, Snapshot,
};
pub use socket::SOCKET;
#[cfg(feature = "kubernetes")]
pub(crate) use socket::{SocketFile, claim_folder, listen_at};

//! The agents of a cluster, from outside of it: their pods, and ways into them.
//!
//! An agent's admin server is reached by the API's port-forward, which ends at the loopback of the agent's pod; what
//! only its unix socket may do, by executing `podmirror` there. Both are WebSockets (Kubernetes 1.20 or newer), and
//! both are the API's to allow: `pods/portforward` and `pods/exec`.

mod find;
mod inside;
mod mirrors;

pub use find::{AgentPod, find};
pub use inside::{Executed, Trouble, execute, forward};
pub use mirrors::{MirrorChange, MirrorName, change, documents};

use kube::Error;

/// A failure of the API in words that say what to do about it.
fn because(error: Error, right: &str) -> anyhow::Error {
    match error {
        Error::Api(status) if status.code == 403 => anyhow::anyhow!(
            "the API forbids it: {}; it takes the right to {right}",
            status.message
        ),
        Error::Api(status) if status.code == 404 => {
            anyhow::anyhow!("the API knows none: {}", status.message)
        }
        Error::Api(status) => anyhow::anyhow!("the API says {}: {}", status.code, status.message),
        other => other.into(),
    }
}

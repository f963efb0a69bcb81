//! From a sandbox to the place that is attached to.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use mirror_capture::{Hook, Netns, OpenNetns, Place};

use super::pod::{NetnsId, Sandbox};

/// The interface at which a pod's requests are copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttachAt {
    /// What the pod's own interface receives. Needs no peer on the host, so it works with every kind of
    /// interface.
    #[default]
    Pod,
    /// What the other end of the pod's interface sends, on the host.
    Host,
    /// What the pod's loopback interface receives: a sidecar that has terminated mTLS passes requests on to
    /// the service over it.
    Loopback,
}

/// This node, as the agent sees it.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its `/proc`, which shows the processes of all pods.
    pub proc: PathBuf,
    /// The network namespace that the other ends of pods' interfaces are in.
    pub host: Netns,
    /// Which interface of a pod to attach to, and in which direction.
    pub attach: AttachAt,
}

impl Node {
    /// The place of a pod with this sandbox. Enters namespaces, so not for a thread that serves others.
    ///
    /// # Errors
    /// The sandbox is not there any more, or the interface is not.
    pub fn place(&self, sandbox: &Sandbox, ports: Vec<u16>) -> Result<Place> {
        let netns = self.netns(sandbox)?;
        let (netns, interface, hook) = match self.attach {
            AttachAt::Pod => (netns, sandbox.interface.as_str().into(), Hook::Ingress),
            AttachAt::Loopback => (netns, "lo".into(), Hook::Ingress),
            AttachAt::Host => {
                let host = self.host.open().context("the network of the host")?;
                let peer = netns.peer_of(&sandbox.interface, &host)?;
                (host, peer.into(), Hook::Egress)
            }
        };
        Ok(Place {
            netns,
            interface,
            hook,
            tap: None,
            decap: None,
            ports,
        })
    }

    /// Opens the sandbox's namespace by its process, which may be gone, or be another one by now.
    fn netns(&self, sandbox: &Sandbox) -> Result<OpenNetns> {
        let process = sandbox.process;
        let netns = Netns::Path(self.proc.join(format!("{process}/ns/net"))).open()?;
        let found = NetnsId {
            inode: netns.inode(),
            cookie: netns.cookie()?,
        };
        ensure!(
            found == sandbox.netns,
            "process {process} is in another network namespace by now"
        );
        Ok(netns)
    }
}

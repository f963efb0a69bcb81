//! XDP links: a program before the network stack, for ports that receive nothing but copies.
//!
//! A port has room for one such program: where there is another, ours is refused. Native XDP runs in
//! the driver, before a socket buffer is made. Where the driver has none (or not for this MTU, or not
//! for frames of several buffers), the generic one runs on socket buffers: as right, and no cheaper
//! than TC.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use aya::programs::{ProgramError, Xdp, XdpMode, links::FdLink, xdp::XdpLinkId};
use nix::libc::{EBUSY, EEXIST, EPERM};

use super::{os_error, status};
use crate::live::netlink::Interface;

/// A link to a port. It goes with the process.
#[derive(Debug)]
pub(super) struct XdpLink {
    #[expect(dead_code, reason = "held to stay attached")]
    link: FdLink,
    /// What the kernel says of it; `None` if that can't be read.
    status: Option<PathBuf>,
}

impl XdpLink {
    /// Attaches the program: native if the driver can, else generic.
    pub(super) fn attach(interface: &Interface, program: &mut Xdp) -> Result<Self> {
        let name = &interface.name;
        let native = program.attach_to_if_index(interface.index, XdpMode::Driver);
        let id = match native {
            Ok(id) => {
                log::info!("XDP on `{name}`: native, before a socket buffer is made");
                id
            }
            Err(error) if is_refusal(&error) => return Err(refused(interface, error)),
            Err(error) => {
                let why = reason(&error);
                let id = generic(interface, program)?;
                log::warn!(
                    "XDP on `{name}`: generic, on socket buffers, which saves nothing over \
                     --attach ingress; its driver has no native XDP for it ({why})"
                );
                id
            }
        };
        let link = program.take_link(id)?;
        // Without links (Linux before 5.9), an attachment would outlive a process that is killed.
        let Ok(link) = FdLink::try_from(link) else {
            bail!("the kernel has no XDP links: --attach xdp needs Linux 5.18");
        };
        let status = status::of(&link, None);
        Ok(Self { link, status })
    }

    /// Whether its interface still exists.
    pub(super) fn is_attached(&self) -> bool {
        status::is_attached(self.status.as_deref())
    }
}

fn generic(interface: &Interface, program: &mut Xdp) -> Result<XdpLinkId> {
    let attached = program.attach_to_if_index(interface.index, XdpMode::Skb);
    attached.map_err(|error| refused(interface, error))
}

/// Whether the other mode would be refused for the same reason.
fn is_refusal(error: &ProgramError) -> bool {
    matches!(os_error(error), Some(EBUSY | EEXIST | EPERM))
}

fn refused(interface: &Interface, error: ProgramError) -> anyhow::Error {
    match os_error(&error) {
        Some(EBUSY | EEXIST) => anyhow!(
            "`{}` has another XDP program, and room for one: detach it (`ip link set {} xdp off`, or \
             end the process whose link it is), or use --attach ingress",
            interface.name,
            interface.name
        ),
        _ => anyhow::Error::new(error).context("attaching by XDP"),
    }
}

fn reason(error: &ProgramError) -> String {
    let error = os_error(error).map(std::io::Error::from_raw_os_error);
    error.map_or_else(|| "unknown".to_owned(), |error| error.to_string())
}

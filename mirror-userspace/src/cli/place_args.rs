//! The flags that say where requests arrive.

use clap::{Args, ValueEnum};
use mirror_capture::{Hook, Netns, OpenNetns, Place, Tap};
use mirror_common::{packet::Tunnels, settings::MAX_PORTS};

use super::UsageError;

/// Where requests arrive.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Capture")]
pub struct PlaceArgs {
    /// Interface at which the service's requests arrive
    #[arg(long, value_name = "IF")]
    pub interface: String,

    /// Network namespace of the interface: a name in /run/netns, a path, or a process ID
    #[arg(long, value_name = "NAME|PATH|PID")]
    pub netns: Option<Netns>,

    /// Where to attach: ingress of the pod's own interface, or egress of its peer on the host
    #[arg(long, value_name = "HOOK", default_value = "ingress")]
    pub attach: HookArg,

    /// A port that receives copies.
    #[command(flatten)]
    pub tap: TapArgs,

    /// The ports whose requests are mirrored.
    #[command(flatten)]
    pub ports: PortArgs,
}

/// What is done with copies, and with the tunnels that they come in.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Copies that others make (--attach xdp, --decap)")]
pub struct TapArgs {
    /// Look for requests inside VXLAN, Geneve, GRE, ERSPAN and IP in IP; `--attach xdp` always does
    ///
    /// For an interface that a mirror session sends to and that has other traffic as well, or no XDP: at
    /// `--attach ingress` or `egress` nothing is taken from it, whatever comes. v1's kernel is not asked there,
    /// and v1's replies are not copied. Costs about 10 ns per frame
    #[arg(long)]
    pub decap: bool,

    /// Let copies go on to the network stack, for other programs that read them there
    ///
    /// Without it copies end at the port, before the kernel makes a socket buffer for them. Copies are
    /// frames to another station than the port, and all that comes in a tunnel that is taken off,
    /// whether it is mirrored or not. What is for the port itself goes on, such as ARP, or SSH to its
    /// own address.
    #[arg(long)]
    pub pass: bool,

    /// UDP port of VXLAN, which is taken off [default: 4789]; 0 leaves it on
    ///
    /// GRE, ERSPAN (types I, II and III) and IP in IP are taken off always; up to two tunnels, one
    /// inside the other. Whoever can send to the port decides what is mirrored: copies prove nothing.
    #[arg(long, value_name = "N")]
    pub vxlan_port: Option<u16>,

    /// UDP port of Geneve, which is taken off [default: 6081]; 0 leaves it on
    #[arg(long, value_name = "N")]
    pub geneve_port: Option<u16>,
}

/// The ports that requests go to.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Capture")]
pub struct PortArgs {
    /// Port of the running service; up to 16, separated by commas or as repeated flags
    #[arg(long = "port", value_name = "N", required = true, value_delimiter = ',', num_args = 1,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub ports: Vec<u16>,
}

/// The values of `--attach`; see [`Hook`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HookArg {
    /// What the interface receives: `eth0` or `lo` inside the pod
    Ingress,
    /// What the interface sends: the host's end of the pod's veth pair
    Egress,
    /// Before the network stack (Linux 5.18): a port that receives nothing but copies, of a switch
    /// (SPAN), a TAP, a cloud's traffic mirroring. Never a pod's interface
    Xdp,
}

impl From<HookArg> for Hook {
    fn from(hook: HookArg) -> Self {
        match hook {
            HookArg::Ingress | HookArg::Xdp => Self::Ingress,
            HookArg::Egress => Self::Egress,
        }
    }
}

impl PortArgs {
    /// The ports, each once.
    ///
    /// # Errors
    /// A [`UsageError`]: more than [`MAX_PORTS`] of them.
    pub fn ports(&self) -> Result<Vec<u16>, UsageError> {
        let mut ports = self.ports.clone();
        ports.sort_unstable();
        ports.dedup();
        if ports.len() > MAX_PORTS {
            let given = ports.len();
            return Err(UsageError(format!(
                "--port: {given} given; accepted: at most {MAX_PORTS}"
            )));
        }
        Ok(ports)
    }
}

impl TapArgs {
    /// The port, if it is one.
    ///
    /// # Errors
    /// A [`UsageError`]: one of these flags without what it belongs to.
    pub(super) fn tap(self, hook: HookArg) -> Result<Option<Tap>, UsageError> {
        if hook == HookArg::Xdp {
            return Ok(Some(Tap {
                tunnels: self.tunnels(),
                pass: self.pass,
            }));
        }
        if self.pass {
            let text = "--pass: only for ports that receive copies: accepted with --attach xdp";
            return Err(UsageError(text.to_owned()));
        }
        let given = [
            (self.vxlan_port.is_some(), "--vxlan-port"),
            (self.geneve_port.is_some(), "--geneve-port"),
        ];
        match given.iter().find(|(given, _)| *given) {
            Some((_, flag)) if !self.decap => Err(UsageError(format!(
                "{flag}: only where tunnels are taken off: accepted with --decap and --attach xdp"
            ))),
            _ => Ok(None),
        }
    }

    /// The tunnels that are taken off at a hook that is no port of copies.
    pub(super) fn decap(self, hook: HookArg) -> Option<Tunnels> {
        (self.decap && hook != HookArg::Xdp).then(|| self.tunnels())
    }

    fn tunnels(self) -> Tunnels {
        let usual = Tunnels::default();
        Tunnels {
            vxlan: self.vxlan_port.unwrap_or(usual.vxlan),
            geneve: self.geneve_port.unwrap_or(usual.geneve),
        }
    }
}

impl PlaceArgs {
    /// The place, its namespace opened.
    ///
    /// # Errors
    /// A [`UsageError`] for too many ports or flags that do not go together, or a namespace that can't
    /// be opened.
    pub fn place(&self) -> anyhow::Result<Place> {
        let ports = self.ports.ports()?;
        let tap = self.tap.tap(self.attach)?;
        let netns = match &self.netns {
            Some(netns) => netns.open()?,
            None => OpenNetns::current()?,
        };
        Ok(Place {
            hook: self.attach.into(),
            tap,
            decap: self.tap.decap(self.attach),
            ..Place::new(netns, self.interface.as_str(), ports)
        })
    }

    /// Whether what comes in are copies: of both directions, by one hook.
    pub(super) fn receives_copies(&self) -> bool {
        self.attach == HookArg::Xdp || self.tap.decap
    }

    /// For people: `eth0 port 80, 8080`.
    pub(super) fn describe(&self) -> Result<String, UsageError> {
        let ports: Vec<String> = self.ports.ports()?.iter().map(u16::to_string).collect();
        Ok(format!("{} port {}", self.interface, ports.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: TapArgs = TapArgs {
        decap: false,
        pass: false,
        vxlan_port: None,
        geneve_port: None,
    };

    #[test]
    fn tunnels_have_their_usual_ports_unless_told() {
        let tap = NONE.tap(HookArg::Xdp).unwrap().unwrap();
        assert_eq!(
            (tap.tunnels.vxlan, tap.tunnels.geneve, tap.pass),
            (4789, 6081, false)
        );
        let told = TapArgs {
            pass: true,
            vxlan_port: Some(8472),
            geneve_port: Some(0),
            ..NONE
        };
        let tap = told.tap(HookArg::Xdp).unwrap().unwrap();
        assert_eq!(
            (tap.tunnels.vxlan, tap.tunnels.geneve, tap.pass),
            (8472, 0, true)
        );
    }

    #[test]
    fn flags_for_copies_are_refused_elsewhere() {
        assert_eq!(NONE.tap(HookArg::Ingress).unwrap(), None);
        let refused = |args: TapArgs| args.tap(HookArg::Egress).unwrap_err().to_string();
        let pass = TapArgs { pass: true, ..NONE };
        assert!(refused(pass).starts_with("--pass: only for"));
        let port = TapArgs {
            vxlan_port: Some(4789),
            ..NONE
        };
        assert!(refused(port).ends_with("accepted with --decap and --attach xdp"));
        let decap = TapArgs {
            decap: true,
            ..port
        };
        assert_eq!(decap.tap(HookArg::Egress).unwrap(), None);
        let tunnels = Tunnels::default();
        assert_eq!(decap.decap(HookArg::Egress), Some(tunnels));
        assert_eq!(decap.decap(HookArg::Xdp), None);
        assert_eq!(NONE.decap(HookArg::Ingress), None);
    }
}

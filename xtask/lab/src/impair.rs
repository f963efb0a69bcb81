//! Making the network worse, or just different: loss, segmentation offload, BIG TCP.
//!
//! Loss is a rule of nftables and not netem, because many kernels (cloud images, small virtual
//! machines) come without `sch_netem`, while nftables is in all of them.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::{Host, Lab, Namespace, packages};

/// Which packets are dropped. Only TCP: neighbour discovery is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Each with this chance, 0 to 100.
    Percent(u32),
    /// Exactly one in so many, counted: the same in every run with the same packets.
    OneIn(u32),
}

/// Where, seen from the mirror's hook at v1, packets from the client to v1 are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossAt {
    /// On the bridge: the mirror does not see the packet, only its retransmission.
    BeforeHook,
    /// In v1, behind its TC hook: the mirror sees the packet twice, v1 once.
    AfterHook,
}

/// Whether the hosts' TCP hands over segments of up to 64 kB (TSO, GSO, GRO).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offload {
    /// As the kernel has it: one skb may hold many segments.
    On,
    /// Every skb is one packet on the wire.
    Off,
}

impl Lab {
    /// Drops packets from the client to v1 from now on.
    ///
    /// # Errors
    ///
    /// When `nft` is missing and cannot be installed, or the kernel refuses the rule.
    pub fn lose(&self, loss: Loss, at: LossAt) -> Result<()> {
        let (v4, v6) = (
            Host::V1.ip(super::Family::V4),
            Host::V1.ip(super::Family::V6),
        );
        let number = match loss {
            Loss::Percent(percent) => format!("numgen random mod 100 < {percent}"),
            Loss::OneIn(packets) => format!("numgen inc mod {packets} == 0"),
        };
        let (namespace, family, hook) = match at {
            LossAt::BeforeHook => (&self.node, "bridge", "forward"),
            LossAt::AfterHook => (&self.v1, "inet", "input"),
        };
        nft(
            namespace,
            &format!(
                "table {family} loss {{
                     chain drops {{
                         type filter hook {hook} priority 0; policy accept;
                         ip daddr {v4} ip protocol tcp {number} counter drop
                         ip6 daddr {v6} ip6 nexthdr tcp {number} counter drop
                     }}
                 }}"
            ),
        )?;
        Ok(())
    }

    /// How many packets were dropped by [`Lab::lose`] so far; those of a rule that has ended are
    /// not among them.
    ///
    /// # Errors
    ///
    /// When `nft` is missing, or refuses to tell.
    pub fn lost(&self) -> Result<u64> {
        let mut lost = 0;
        for namespace in [&self.node, &self.v1] {
            // A rule reads "… counter packets 3 bytes 180 drop".
            for counter in nft(namespace, "list ruleset")?
                .split("counter packets ")
                .skip(1)
            {
                let count = counter.split_whitespace().next().unwrap_or_default();
                lost += count.parse::<u64>().context("a counter of nft")?;
            }
        }
        Ok(lost)
    }

    /// Ends all loss.
    ///
    /// # Errors
    ///
    /// When `nft` is missing.
    pub fn lose_nothing(&self) -> Result<()> {
        for namespace in [&self.node, &self.v1] {
            nft(namespace, "flush ruleset")?;
        }
        Ok(())
    }

    /// Turns segmentation offload on or off at every end of every link.
    ///
    /// # Errors
    ///
    /// When `ethtool` is missing and cannot be installed, or the kernel refuses.
    pub fn set_offload(&self, offload: Offload) -> Result<()> {
        let switch = match offload {
            Offload::On => "on",
            Offload::Off => "off",
        };
        for host in [Host::Client, Host::V1, Host::V2] {
            let ends = [(self.namespace(host), "eth0"), (&self.node, host.name())];
            for (namespace, interface) in ends {
                let ethtool = packages::require("ethtool")?;
                let mut command = Command::new(ethtool);
                command.args(["-K", interface]);
                for feature in ["tso", "gso", "gro"] {
                    command.args([feature, switch]);
                }
                let output = namespace.output(&mut command)?;
                if !output.status.success() {
                    bail!(
                        "ethtool on {interface}: {}",
                        String::from_utf8_lossy(&output.stderr).trim()
                    );
                }
            }
        }
        Ok(())
    }

    /// Lets one skb hold up to `bytes` of payload over IPv6 (BIG TCP, Linux 5.19 and later;
    /// more than 65 536 needs offload on).
    ///
    /// # Errors
    ///
    /// When the kernel or `ip` does not know BIG TCP.
    pub fn set_big_tcp(&self, bytes: u32) -> Result<()> {
        let sizes = format!("gso_max_size {bytes} gro_max_size {bytes}");
        for host in [Host::Client, Host::V1, Host::V2] {
            self.namespace(host)
                .ip(&format!("link set dev eth0 {sizes}"))?;
            self.node
                .ip(&format!("link set dev {} {sizes}", host.name()))?;
        }
        self.node.ip(&format!("link set dev lab0 {sizes}"))
    }

    /// Pulls a host's cable, or puts it back: a peer that is gone without a word.
    ///
    /// # Errors
    ///
    /// When `ip` refuses.
    pub fn set_cable(&self, host: Host, plugged: Cable) -> Result<()> {
        let state = match plugged {
            Cable::Plugged => "up",
            Cable::Pulled => "down",
        };
        self.node
            .ip(&format!("link set dev {} {state}", host.name()))
    }
}

/// The link between a host and the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cable {
    /// The link is plugged in: packets flow.
    Plugged,
    /// Nothing flows, and nobody is told.
    Pulled,
}

/// Runs `nft` with these rules, and returns what it prints.
fn nft(namespace: &Namespace, rules: &str) -> Result<String> {
    let nft = packages::require("nft")?;
    let mut command = Command::new(nft);
    command
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = namespace.run(|| command.spawn())?.context("running nft")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(rules.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        bail!("nft refused: {}\nin:\n{rules}", why.trim());
    }
    String::from_utf8(output.stdout).context("what nft printed")
}

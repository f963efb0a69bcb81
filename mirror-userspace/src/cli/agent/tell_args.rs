//! How people are told in the cluster what became of their documents.

use clap::{Args, ValueEnum};
use mirror_core::verdict::Terms;
use mirror_kubernetes::cluster::{Client, TellConfig};

/// Who tells.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Cluster")]
pub(super) struct TellArgs {
    /// With --watch-config or --watch-namespace: whether one agent, elected by a Lease, writes the status of
    /// TrafficMirrors and Events on documents. Mirroring does not need the rights for that
    #[arg(long, value_name = "on|off", default_value = "on")]
    cluster_status: OnOff,

    /// Name of that Lease, in the agent's namespace; agents with other flags need another one. Labels of a-z, 0-9
    /// and - with dots between them, up to 63 bytes; each node has a Lease NAME.NODE [default: the name of the
    /// agent's DaemonSet; outside of one: podmirror]
    #[arg(long, value_name = "NAME", value_parser = lease_name)]
    lease_name: Option<String>,

    /// Name of the agent's pod, from the downward API: with the pod goes what it noted
    #[arg(long, value_name = "NAME", env = "POD_NAME", hide = true)]
    pod_name: Option<String>,

    /// Its UID
    #[arg(long, value_name = "UID", env = "POD_UID", hide = true)]
    pod_uid: Option<String>,
}

/// The longest name of a Lease: it is also the value of a label, which has 63 bytes at most. With `.NODE` appended
/// it is the name of another one, which may have 253.
const LONGEST_LEASE: usize = 63;

/// Labels of RFC 1123 with dots between them, as the API wants it.
fn lease_name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > LONGEST_LEASE {
        return Err(format!(
            "it has {} bytes; name it with 1 to {LONGEST_LEASE}",
            text.len()
        ));
    }
    let label = |label: &str| {
        let ends = label.starts_with('-') || label.ends_with('-');
        !label.is_empty() && !ends && label.bytes().all(plain)
    };
    if !text.split('.').all(label) {
        let accepted =
            "only a-z, 0-9 and - may be in it, dots between them, and no - or dot at its ends";
        return Err(accepted.to_owned());
    }
    Ok(text.to_owned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnOff {
    On,
    Off,
}

impl TellArgs {
    /// `None` if it is switched off. What mirrors compare is judged by `terms`.
    pub(super) fn config(&self, client: &Client, node: &str, terms: Terms) -> Option<TellConfig> {
        (self.cluster_status == OnOff::On).then(|| TellConfig {
            client: client.clone(),
            node: node.to_owned(),
            pod: self.pod_name.clone().zip(self.pod_uid.clone()),
            lease: self.lease(),
            terms,
        })
    }

    fn lease(&self) -> String {
        let own = self.lease_name.clone();
        let own = own.or_else(|| daemon_set(self.pod_name.as_deref()?));
        own.unwrap_or_else(|| "podmirror".to_owned())
    }
}

/// The DaemonSet of a pod of this name, which is that of the DaemonSet, a dash, and five letters or digits.
fn daemon_set(pod: &str) -> Option<String> {
    let (name, suffix) = pod.rsplit_once('-')?;
    let random = suffix.len() == 5 && suffix.bytes().all(|it| it.is_ascii_alphanumeric());
    lease_name(name).ok().filter(|_| random)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Flags {
        #[command(flatten)]
        tell: TellArgs,
    }

    fn named(name: &str) -> Result<String, String> {
        let flags = Flags::try_parse_from(["agent", &format!("--lease-name={name}")]);
        flags
            .map(|flags| flags.tell.lease())
            .map_err(|error| error.to_string())
    }

    /// Two installations in one namespace elect one agent each, whatever their flags.
    #[test]
    fn the_lease_is_called_as_the_daemon_set_is() {
        let of = |pod: Option<&str>| {
            let pod = pod.map(|pod| format!("--pod-name={pod}"));
            let flags = ["agent".to_owned()].into_iter().chain(pod);
            Flags::try_parse_from(flags).unwrap().tell.lease()
        };
        for (pod, lease) in [
            (None, "podmirror"),
            (Some("podmirror-x7k2p"), "podmirror"),
            (Some("second-podmirror-0az9b"), "second-podmirror"),
            // Not of a DaemonSet.
            (Some("web-0"), "podmirror"),
            (Some("podmirror"), "podmirror"),
        ] {
            assert_eq!(of(pod), lease, "{pod:?}");
        }
    }

    #[test]
    fn a_lease_has_a_name_that_the_api_takes() {
        let longest = "a".repeat(63);
        for good in ["podmirror", "a", "7-of-9", "podmirror.prod", &longest] {
            assert_eq!(named(good), Ok(good.to_owned()));
        }
        let too_long = "a".repeat(64);
        for (bad, why) in [
            ("", "it has 0 bytes; name it with 1 to 63"),
            (&*too_long, "it has 64 bytes"),
            ("../pods", "only a-z, 0-9 and -"),
            ("a/b", "only a-z"),
            ("a,b=c", "only a-z"),
            ("Upper", "only a-z"),
            ("a..b", "only a-z"),
            (".", "only a-z"),
            ("-a", "no - or dot at its ends"),
            ("a-", "no - or dot at its ends"),
            ("\u{fc}", "only a-z"),
        ] {
            let said = named(bad).unwrap_err();
            assert!(
                said.contains(why) && said.contains("--lease-name"),
                "{said}"
            );
        }
    }
}

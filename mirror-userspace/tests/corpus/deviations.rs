//! Where podmirror differs from an oracle, and why: the oracle is wrong, or a rule of ours applies.

/// One connection on which another outcome than the oracle's is right.
pub(crate) struct Deviation {
    pub(crate) file: &'static str,
    pub(crate) client: &'static str,
    /// The methods and targets that must be found instead.
    pub(crate) found: &'static [(&'static str, &'static str)],
    pub(crate) reason: &'static str,
}

const QUICKPLAY: &str = "pcap/ndpi-quickplay.pcap";
const SINGLE_PACKETS: &str = "pcap/arkime-single-packets.pcap";

/// Connections on which other requests are found than the oracle has.
pub(crate) const REQUESTS: &[Deviation] = &[
    Deviation {
        file: "pcap/ndpi-http-manipulated.pcap",
        client: "192.168.0.20:33684",
        found: &[("GET", "/rick.gif")],
        reason: "Rule: the first request has many spaces between method and target. RFC 9112 \
                 section 3 has one there; reading more is allowed, but servers differ in it.",
    },
    Deviation {
        file: "pcap/sv-tcp-urgp-04-2byte-xy.pcap",
        client: "10.10.10.44:57796",
        found: &[("GET", "/malicXious")],
        reason: "Oracle wrong: it keeps the urgent byte in line. A Linux socket without \
                 SO_OOBINLINE does not deliver it, as the oracle's own c2s_linux_kernel_recv says.",
    },
    unproven(QUICKPLAY, "10.54.169.250:33064"),
    unproven(QUICKPLAY, "10.54.169.250:52285"),
    unproven(QUICKPLAY, "10.54.169.250:52288"),
    unproven(QUICKPLAY, "10.54.169.250:33277"),
    unproven(QUICKPLAY, "10.54.169.250:44793"),
    unproven(QUICKPLAY, "10.54.169.250:44256"),
    unproven(QUICKPLAY, "10.54.169.250:54883"),
    unproven(QUICKPLAY, "10.54.169.250:42761"),
    unproven(QUICKPLAY, "10.54.169.250:54885"),
    unproven(QUICKPLAY, "10.54.169.250:42762"),
    unproven(QUICKPLAY, "10.54.169.250:35670"),
    unproven(QUICKPLAY, "10.54.169.250:56381"),
    unproven(SINGLE_PACKETS, "192.168.25.150:49677"),
    unproven(SINGLE_PACKETS, "192.168.25.150:49654"),
    unproven(SINGLE_PACKETS, "192.168.25.150:49683"),
    unproven(SINGLE_PACKETS, "192.168.25.150:49708"),
    unproven(SINGLE_PACKETS, "192.168.25.150:49735"),
    unproven(SINGLE_PACKETS, "192.168.25.150:49733"),
    unproven(SINGLE_PACKETS, "192.168.25.150:49743"),
    unproven(SINGLE_PACKETS, "192.168.25.150:49738"),
    unproven("pcap/deepflow-istio-tcp-frag.pcap", "127.0.0.6:36493"),
    unproven("pcap/pcpp-frag-http-req.pcap", "172.16.133.54:64415"),
];

/// A connection that was open before the capture, with one request of its client and nothing behind it.
const fn unproven(file: &'static str, client: &'static str) -> Deviation {
    Deviation {
        file,
        client,
        found: &[],
        reason: "Rule: what seems to be a request on a connection picked up in the middle may be a \
                 part of a body that is being uploaded. Nothing proves the opposite here: neither \
                 the end nor another segment of the client acknowledges an answer of v1.",
    }
}

/// Differences in bytes: nothing is delivered there.
pub(crate) const BYTES: &[Deviation] = &[Deviation {
    file: "pcap/ndpi-fuzz-2006-09-29-28586.pcap",
    client: "172.20.3.5:2605",
    found: &[],
    reason: "Oracle wrong: the IP header says 9587 bytes, the frame has 1500. Linux drops such a \
             packet (InTruncatedPkts), so the server never saw its payload.",
}];

/// The deviation of a connection in a table.
pub(crate) fn of(
    table: &'static [Deviation],
    file: &str,
    client: &str,
) -> Option<&'static Deviation> {
    let is_it = |deviation: &&Deviation| deviation.file == file && deviation.client == client;
    table.iter().find(is_it)
}

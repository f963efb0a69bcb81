//! Reasons for segments and bytes.

use super::{Reason, Row};

pub(super) const SEGMENTS: Row = Row {
    path: "segments",
    counts: "TCP segments that reached the kernel program and were not copied.",
    reasons: &[
        Reason {
            name: "other_port",
            what: "The segment is for a port that is not mirrored.",
            helps: "Nothing is lost. If `copied` is 0: does `--port` name the port that the container listens on, and not that of the Service?",
        },
        Reason {
            name: "no_payload",
            what: "An acknowledgment, or another segment without data.",
            helps: "Nothing is lost.",
        },
        Reason {
            name: "from_server",
            what: "The segment is one of v1's, in a capture file of both directions.",
            helps: "Nothing is lost.",
        },
        Reason {
            name: "sampled_out",
            what: "The segment's connection, or client, is not in the sample.",
            helps: "`--sample-rate`, or `podmirror set sample-rate`, if more is wanted.",
        },
        Reason {
            name: "ring_full",
            what: "The daemon did not read the ring in time, and the segment was lost.",
            helps: "A larger ring (`--ring-size`), more threads (`--shards`), more CPU for the daemon, or a lower `--sample-rate`.",
        },
    ],
};

pub(super) const REFUSED: Row = Row {
    path: "segments.refused",
    counts: "Segments that v1's own kernel throws away, so that v1 never reads them (`--ask-kernel`); of capture files, those that any kernel does.",
    reasons: &[
        Reason {
            name: "no_socket",
            what: "v1 has no connection that the segment belongs to.",
            helps: "Nothing: v1 did not get it either. Many of them are a scan or forged data.",
        },
        Reason {
            name: "listen",
            what: "Data for a connection that was never established.",
            helps: "Nothing: v1 did not get it either.",
        },
        Reason {
            name: "syn_on_established",
            what: "A SYN on a connection that is established.",
            helps: "Nothing: v1's kernel answers it with a challenge.",
        },
        Reason {
            name: "window",
            what: "Its sequence numbers are outside of v1's receive window.",
            helps: "Nothing: v1 did not get it either. A few are retransmissions that came late.",
        },
        Reason {
            name: "ack",
            what: "It acknowledges what v1 has not sent.",
            helps: "Nothing: v1 did not get it either.",
        },
        Reason {
            name: "not_for_us",
            what: "The frame is for another station of the link.",
            helps: "Nothing: v1's kernel drops it. If it is a copy from a mirror port, `--attach xdp` is meant for it.",
        },
        Reason {
            name: "mptcp",
            what: "Data of Multipath TCP, which may come on several connections.",
            helps: "Switch Multipath TCP off at the clients, or at v1 (`net.mptcp.enabled=0`).",
        },
        Reason {
            name: "checksum",
            what: "The TCP checksum in the capture is wrong, and was not left to a network card.",
            helps: "Capture where the segment arrives, or with `tcpdump` behind the card's offload.",
        },
        Reason {
            name: "forged_address",
            what: "An address that no host may send from, such as an IPv4-mapped one of IPv6.",
            helps: "Nothing: no kernel takes it.",
        },
    ],
};

pub(super) const UNPARSABLE: Row = Row {
    path: "segments.unparsable",
    counts: "Packets whose headers could not be followed to a TCP segment.",
    reasons: &[
        Reason {
            name: "truncated",
            what: "The packet ends within its headers.",
            helps: "Capture whole packets (`tcpdump -s 0`); live, look for a faulty device.",
        },
        Reason {
            name: "malformed",
            what: "A header contradicts itself.",
            helps: "Nothing: v1's kernel drops the packet, too.",
        },
        Reason {
            name: "fragment",
            what: "A piece of a fragmented IP packet. Live, fragments are not put together; in files, the others are missing.",
            helps: "Let path MTU discovery work, so that TCP is not fragmented.",
        },
        Reason {
            name: "too_many_headers",
            what: "More tags, tunnels or extension headers than are followed.",
            helps: "Attach behind the device that takes them off.",
        },
        Reason {
            name: "headers",
            what: "The packet of a capture file ends within its headers, or they contradict themselves.",
            helps: "Capture whole packets (`tcpdump -s 0`).",
        },
        Reason {
            name: "link_type",
            what: "The capture is of a kind of link that is not read.",
            helps: "Capture on an Ethernet, IP, loopback or `any` device.",
        },
        Reason {
            name: "malformed_record",
            what: "The capture file is damaged at this record.",
            helps: "Write the capture anew; what follows the record may be lost with it.",
        },
        Reason {
            name: "oversized",
            what: "A record of the capture file is larger than any packet.",
            helps: "Write the capture anew: the file is damaged, or was made to do harm.",
        },
    ],
};

pub(super) const IMPLAUSIBLE: Row = Row {
    path: "segments.implausible",
    counts: "Segments that were read, and that no server takes. They change nothing.",
    reasons: &[
        Reason {
            name: "sequence",
            what: "Its sequence number is more than 32 MiB from where the stream is.",
            helps: "Nothing: v1 can't have taken it.",
        },
        Reason {
            name: "no_ack",
            what: "It has no ACK flag (RFC 9293 section 3.10.7.4).",
            helps: "Nothing: v1 drops it.",
        },
        Reason {
            name: "syn_flags",
            what: "A SYN with FIN or RST.",
            helps: "Nothing: it is a scan.",
        },
        Reason {
            name: "never_taken",
            what: "It came again with other bytes before v1's kernel had taken it, so its checksum was wrong, or it was too old.",
            helps: "Nothing: the later one is mirrored, as v1 took that.",
        },
        Reason {
            name: "acknowledgment",
            what: "A reply that acknowledges what is more than 32 MiB ahead of what was seen.",
            helps: "Nothing, if few. Many say that most of what clients send does not pass the hook.",
        },
    ],
};

pub(super) const BYTES_LOST: Row = Row {
    path: "bytes_lost",
    counts: "Payload that never reached the parser. What it was part of is in `requests.dropped`.",
    reasons: &[
        Reason {
            name: "gap",
            what: "Missing, and given up after `--gap-wait`, or at once as v1 has them.",
            helps: "See `ring_full`; if that is 0, packets pass v1 on another way than the interface that is mirrored.",
        },
        Reason {
            name: "over_budget",
            what: "Missing, and given up since there was no memory for what stood behind.",
            helps: "More memory (`--max-memory`), or less of what makes holes: see `ring_full`.",
        },
        Reason {
            name: "cut",
            what: "Cut off by the snap length of the capture.",
            helps: "Capture whole packets (`tcpdump -s 0`).",
        },
        Reason {
            name: "idle",
            what: "Missing, and given up when the connection had been idle for too long.",
            helps: "Nothing, if few: the client went away.",
        },
        Reason {
            name: "evicted",
            what: "Missing, and given up to make room for other connections.",
            helps: "More connections (`--max-connections`) or memory (`--max-memory`).",
        },
        Reason {
            name: "reused",
            what: "Missing when the client began a new connection from the same port.",
            helps: "Nothing: the old connection was over.",
        },
        Reason {
            name: "detached",
            what: "Missing when the interface was let go of.",
            helps: "Nothing: the pod ended, or was deselected.",
        },
        Reason {
            name: "shutdown",
            what: "Missing when the mirror stopped, or the client closed.",
            helps: "Nothing: nobody sends it again.",
        },
        Reason {
            name: "unconfirmed",
            what: "Captured, and never acknowledged by v1 (`--confirm ack`).",
            helps: "Nothing: v1 did not take it.",
        },
        Reason {
            name: "conflicting",
            what: "Sent twice with different content before v1 acknowledged it, so that nobody knows which v1 took.",
            helps: "Nothing. A middlebox or an attacker changes the stream.",
        },
        Reason {
            name: "reset",
            what: "Behind a hole when the client aborted, and not acknowledged.",
            helps: "Nothing: v1 did not read it either.",
        },
        Reason {
            name: "after_fin",
            what: "Behind the end that the client had declared.",
            helps: "Nothing: v1 does not read it.",
        },
        Reason {
            name: "ignored",
            what: "The payload of segments that are implausible or late, and of resets.",
            helps: "Nothing: no stream has a place for it.",
        },
    ],
};

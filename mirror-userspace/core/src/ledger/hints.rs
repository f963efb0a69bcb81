//! What to try next where no request was found: nobody should have to guess from an empty table.

use super::{FileBook, Ledger, Named, sum};

/// What is said of frames without TCP, by the beginning of their names.
const FRAMES: &[(&str, &str)] = &[
    (
        "mpls",
        "packets with MPLS labels are not read: capture where the labels are taken off",
    ),
    (
        "pppoe",
        "PPPoE is not read: capture at the PPP interface that it carries (such as ppp0)",
    ),
    (
        "llc",
        "frames of IEEE 802.3 (LLC, SNAP) are not read: servers have frames of Ethernet II",
    ),
    (
        "vlan_",
        "VLAN tags of this number are not read: let the switch tag by 0x8100 or 0x88a8",
    ),
    (
        "too_many_vlans",
        "up to four VLAN tags are read: capture behind some of them",
    ),
    (
        "too_many_tunnels",
        "up to two tunnels are taken off, one in the other: capture behind the outermost",
    ),
    (
        "gre_",
        "GRE is taken off around IP, Ethernet and ERSPAN only, not around what has this number",
    ),
    ("pptp", "PPTP is not read: capture at the PPP interface"),
    ("esp", "IPsec is not decrypted: capture inside of it"),
    ("macsec", "MACsec is not decrypted: capture inside of it"),
    (
        "udp_443",
        "this is HTTP/3 (QUIC), probably, which is encrypted and not mirrored",
    ),
    (
        "not_ip",
        "the link type says IP, and this is none: was it captured with the right one?",
    ),
];

/// A UDP port at which something looks like VXLAN.
const VXLAN: &str = "vxlan_at_";

impl Ledger {
    /// Sentences for whoever looks for requests that are not there; none where some were found, and
    /// nothing was refused that may have been wanted.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        let mut hints = Vec::new();
        if self.requests.framed == 0 {
            match &self.file {
                Some(file) => self.of_file(file, &mut hints),
                None => self.of_interface(&mut hints),
            }
            self.of_connections(&mut hints);
        }
        let unconfirmed = self.bytes_lost.get("unconfirmed").copied();
        if let (Some(unconfirmed @ 1..), Some(0)) = (unconfirmed, self.reply_segments.get("copied"))
        {
            hints.push(format!(
                "v1 acknowledged nothing at this interface, so {unconfirmed} bytes of its clients were not \
                 mirrored: if its replies leave by another one, use --replies off"
            ));
        }
        let wrong = self.segments.refused.get("checksum").copied();
        if let Some(wrong @ 1..) = wrong {
            hints.push(format!(
                "{wrong} segments have wrong checksums, from senders whose others are right: their \
                 receivers have dropped them. If the capture was altered, try --ignore-checksums"
            ));
        }
        hints
    }

    fn of_file(&self, file: &FileBook, hints: &mut Vec<String>) {
        let segments = &self.segments;
        if file.packets == 0 {
            hints.push("the capture has no packets".into());
        }
        if segments.not_tcp > 0 {
            hints.push(format!(
                "{} of {} packets are not TCP over IP: {}",
                segments.not_tcp,
                file.packets,
                list(&file.not_tcp)
            ));
            hints.extend(file.not_tcp.keys().filter_map(|name| of_frame(name)));
        }
        if !file.link_types.is_empty() {
            hints.push(format!(
                "packets of these link types are not read: {}. Capture at an interface of Ethernet, or \
                 at all (tcpdump -i any)",
                list(&file.link_types)
            ));
        }
        if segments.other_port > 0 {
            let ports = &file.other_ports;
            let most = ports.iter().filter(|(port, _)| *port != "others");
            let most = most.max_by_key(|(_, count)| **count);
            hints.push(match most {
                Some((port, _)) => format!(
                    "{} segments were to or from other ports than --port, of servers at {}: try --port {port}",
                    segments.other_port,
                    list(ports)
                ),
                None => format!(
                    "{} segments were to other ports than --port, all sent by servers",
                    segments.other_port
                ),
            });
        }
        if let Some(forged @ 1..) = segments.refused.get("forged_address").copied() {
            hints.push(format!(
                "{forged} segments of IPv6 have addresses of IPv4 (::ffff:0:0/96), which Linux drops"
            ));
        }
        if segments.copied == 0 && segments.from_server > 0 {
            hints.push(
                "the capture has what servers sent, and not what their clients did: capture both \
                 directions"
                    .into(),
            );
        } else if segments.copied == 0 && segments.no_payload > 0 {
            hints.push(without_payload(segments.no_payload));
        }
        self.of_unparsable(hints);
    }

    fn of_interface(&self, hints: &mut Vec<String>) {
        let segments = &self.segments;
        if segments.seen == 0 && segments.not_tcp == 0 {
            hints.push(
                "no frame came by: do v1's requests arrive at this --interface, in this --netns? They \
                 arrive (--attach ingress) at a pod's own interface, and leave (--attach egress) by \
                 its peer on the host"
                    .into(),
            );
        } else if segments.seen == 0 {
            hints.push(format!(
                "{} frames came by, none of them TCP over IP. Copies in tunnels (VXLAN, Geneve, GRE, \
                 ERSPAN, IP in IP) are read at a port of their own, with --attach xdp",
                segments.not_tcp
            ));
        } else if segments.copied == 0 && segments.other_port > 0 {
            hints.push(format!(
                "{} of {} segments were to other ports: is --port the one at which v1 itself listens, \
                 behind any service or proxy?",
                segments.other_port, segments.seen
            ));
        }
        if segments.copied == 0 && segments.no_payload > 0 {
            hints.push(without_payload(segments.no_payload));
        }
        if segments.copied == 0 && segments.sampled_out > 0 {
            hints.push(format!(
                "{} segments are not in the sample (--sample-rate)",
                segments.sampled_out
            ));
        }
        if segments.copied == 0 && sum(&segments.refused) > 0 {
            hints.push(format!(
                "v1's kernel refuses {} segments: {}",
                sum(&segments.refused),
                list(&segments.refused)
            ));
        }
        self.of_unparsable(hints);
    }

    fn of_unparsable(&self, hints: &mut Vec<String>) {
        let unparsable = &self.segments.unparsable;
        let count = sum(unparsable) - unparsable.get("link_type").copied().unwrap_or(0);
        if count > 0 {
            hints.push(format!(
                "{count} packets can't be followed to a segment: {}. Capture whole packets \
                 (tcpdump -s 0)",
                list(unparsable)
            ));
        }
    }

    fn of_connections(&self, hints: &mut Vec<String>) {
        let connections = &self.connections;
        if connections.opened == 0 {
            return;
        }
        let kinds: Named = [
            ("HTTP/1 without a request", connections.http1),
            ("HTTP/2", connections.http2),
            (
                "HTTP/2 picked up in the middle",
                connections.http2_midstream,
            ),
            ("TLS", connections.tls),
            ("another protocol", connections.not_http),
            ("upgraded", connections.upgraded),
            ("undecided", connections.undecided),
        ]
        .map(|(name, count)| (name.to_owned(), count))
        .into();
        hints.push(format!(
            "no request was found in {} connections: {}",
            connections.opened,
            list(&kinds)
        ));
        if connections.tls > 0 {
            hints.push(
                "TLS is not decrypted: mirror where it has ended, such as between the ingress and \
                 the service"
                    .into(),
            );
        }
    }
}

fn without_payload(count: u64) -> String {
    format!("{count} segments have no payload: connections, and nothing said on them")
}

fn of_frame(name: &str) -> Option<String> {
    if let Some(port) = name.strip_prefix(VXLAN) {
        return Some(format!(
            "{name}: this looks like VXLAN: try --vxlan-port {port}"
        ));
    }
    let known = FRAMES.iter().find(|(start, _)| name.starts_with(start));
    known.map(|(_, advice)| format!("{name}: {advice}"))
}

/// `arp 2, mpls 4`, without what is 0.
fn list(counts: &Named) -> String {
    let counts = counts.iter().filter(|(_, count)| **count > 0);
    let counts: Vec<_> = counts.map(|(name, n)| format!("{name} {n}")).collect();
    counts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::{FileCounters, NotRead};

    fn of_file(counted: FileCounters, beside: NotRead) -> String {
        let read = counted.segments;
        let ledger = Ledger {
            balanced: true,
            ..Ledger::default()
        };
        let ledger = ledger.with_file(&counted, &beside, read);
        assert!(ledger.balanced, "{ledger}");
        ledger.hints().join("\n")
    }

    fn frames(names: &[(&str, u64)]) -> String {
        let counted = FileCounters {
            packets: names.iter().map(|(_, count)| count).sum(),
            not_tcp: names.iter().map(|(_, count)| count).sum(),
            ..FileCounters::default()
        };
        let frames = names.iter().map(|(name, n)| ((*name).to_owned(), *n));
        let beside = NotRead {
            frames: frames.collect(),
            ..NotRead::default()
        };
        of_file(counted, beside)
    }

    #[test]
    fn what_a_file_had_is_named_with_what_to_do() {
        let said = frames(&[("arp", 2), ("mpls", 4)]);
        assert!(said.contains("6 of 6 packets are not TCP over IP: arp 2, mpls 4"));
        assert!(said.contains("labels are taken off"), "{said}");
        let said = frames(&[("vxlan_at_9000", 1)]);
        assert!(said.contains("--vxlan-port 9000"), "{said}");
        for (start, advice) in FRAMES {
            assert!(frames(&[(start, 1)]).contains(advice), "{start}");
        }
        assert_eq!(
            of_file(FileCounters::default(), NotRead::default()),
            "the capture has no packets"
        );
    }

    #[test]
    fn many_names_are_ten_and_the_others() {
        let names: Vec<_> = (0..40).map(|n| (format!("udp_{n}"), n + 1)).collect();
        let names: Vec<_> = names.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        let said = frames(&names);
        assert!(said.contains("others 465, udp_30 31"), "{said}");
    }

    #[test]
    fn the_most_frequent_other_port_is_proposed() {
        let counted = FileCounters {
            packets: 9,
            other_port: 9,
            ..FileCounters::default()
        };
        let beside = NotRead {
            ports: [(443, 2), (8080, 5)].into(),
            ..NotRead::default()
        };
        let said = of_file(counted, beside);
        assert!(said.contains("try --port 8080"), "{said}");
        assert!(said.contains("443 2, 8080 5"), "{said}");
    }

    #[test]
    fn one_direction_link_types_and_cut_packets_are_told() {
        let counted = FileCounters {
            packets: 6,
            from_server: 1,
            unparsable: 2,
            unread_links: [(127, 3)].into(),
            ..FileCounters::default()
        };
        let beside = NotRead {
            links: [("127 (IEEE 802.11 with radiotap)".into(), 3)].into(),
            ..NotRead::default()
        };
        let said = of_file(counted, beside);
        assert!(said.contains("capture both directions"), "{said}");
        assert!(said.contains("radiotap) 3"), "{said}");
        assert!(said.contains("2 packets can't be followed"), "{said}");
    }

    #[test]
    fn wrong_checksums_are_told_beside_requests_too() {
        let counted = FileCounters {
            packets: 3,
            segments: 1,
            bad_checksum: 2,
            ..FileCounters::default()
        };
        let mut ledger = Ledger::default().with_file(&counted, &NotRead::default(), 1);
        ledger.requests.framed = 1;
        let said = ledger.hints();
        assert!(said[0].contains("2 segments have wrong checksums"));
        assert_eq!(said.len(), 1);
    }

    #[test]
    fn an_interface_where_nothing_was_found_is_explained() {
        let said = |set: fn(&mut Ledger)| {
            let mut ledger = Ledger::default();
            set(&mut ledger);
            ledger.hints().join("\n")
        };
        assert!(said(|_| {}).contains("--interface"));
        assert!(said(|l| l.segments.not_tcp = 7).contains("--attach xdp"));
        let other_port = said(|l| (l.segments.seen, l.segments.other_port) = (9, 9));
        assert!(other_port.contains("9 of 9 segments were to other ports"));
        assert!(said(|l| l.segments.sampled_out = 1).contains("--sample-rate"));
        let tls = said(|l| (l.connections.opened, l.connections.tls) = (2, 2));
        assert!(tls.contains("2 connections: TLS 2"), "{tls}");
        assert_eq!(said(|l| l.requests.framed = 1), "");
        let unheard = |copied: u64| {
            let ledger = Ledger {
                bytes_lost: [("unconfirmed".to_owned(), 99)].into(),
                reply_segments: [("copied".to_owned(), copied)].into(),
                ..Ledger::default()
            };
            ledger.hints().join("\n").contains("99 bytes")
        };
        assert!(unheard(0) && !unheard(1));
    }
}

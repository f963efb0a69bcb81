use mirror_core::random::Random;

use super::{Refusal::*, *};

fn of(address: &str) -> Option<Refusal> {
    refusal(address.parse().unwrap(), &[], &[])
}

#[test]
fn special_addresses_are_refused_to_their_edges() {
    for (refusal, addresses) in [
        (Unspecified, "0.0.0.0 0.0.0.1 0.255.255.255 ::"),
        (Loopback, "127.0.0.0 127.0.0.1 127.255.255.255 ::1"),
        (LinkLocal, "169.254.0.0 169.254.169.254 169.254.255.255"),
        (LinkLocal, "fe80:: fe80::1 febf:ffff::1"),
        (Multicast, "224.0.0.0 224.0.0.1 239.255.255.255"),
        (
            Multicast,
            "ff00:: ff02::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ),
        (Broadcast, "255.255.255.255"),
        (Metadata, "168.63.129.16 100.100.100.200 192.0.0.192"),
        (Metadata, "fd00:ec2::254 fd20:ce::254"),
        (LocalNat64, "64:ff9b:1:: 64:ff9b:1::a00:1 64:ff9b:1:ffff::1"),
    ] {
        for address in addresses.split(' ') {
            assert_eq!(of(address), Some(refusal), "{address}");
        }
    }
}

#[test]
fn their_neighbours_are_not() {
    for address in [
        "1.0.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "223.255.255.255",
        "240.0.0.0",
        "255.255.255.254",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "168.63.129.17",
        "fe7f:ffff::1",
        "fec0::1",
        "fd00::1",
        "fd00:ec2::253",
        "2001:db8::1",
        "64:ff9b:2::1",
        "2001:1::1",
    ] {
        assert_eq!(of(address), None, "{address}");
    }
}

/// Every form in which IPv6 carries an IPv4 address.
fn forms(v4: Ipv4Addr) -> Vec<Ipv6Addr> {
    let [a, b, c, d] = v4.octets().map(u16::from);
    let (high, low) = (a << 8 | b, c << 8 | d);
    vec![
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
        Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0x2001, 0, high, low, 0, 0, 0x3fff, 0xfdfe),
        Ipv6Addr::new(0x2001, 0, 0x4136, 0xe378, 0, 0, !high, !low),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0x5efe, high, low),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0x200, 0x5efe, high, low),
    ]
}

#[test]
fn ipv6_that_stands_for_ipv4_is_judged_as_both() {
    let own: IpAddr = "10.0.0.7".parse().unwrap();
    let denied: Network = "10.9.0.0/16".parse().unwrap();
    for (address, expected) in [
        ("127.0.0.1", Some(Loopback)),
        ("169.254.169.254", Some(LinkLocal)),
        ("224.0.0.1", Some(Multicast)),
        ("255.255.255.255", Some(Broadcast)),
        ("168.63.129.16", Some(Metadata)),
        ("10.0.0.7", Some(Own)),
        ("10.9.1.1", Some(Denied)),
        ("10.0.0.8", None),
    ] {
        let address: Ipv4Addr = address.parse().unwrap();
        assert_eq!(refusal(address.into(), &[own], &[denied]), expected);
        for form in forms(address) {
            let found = refusal(form.into(), &[own], &[denied]);
            assert_eq!(found, expected, "{address} as {form}");
        }
    }
    for form in forms(Ipv4Addr::UNSPECIFIED) {
        assert_eq!(refusal(form.into(), &[], &[]), Some(Unspecified), "{form}");
    }
}

#[test]
fn our_own_and_denied_addresses_are_refused_and_no_others() {
    let own = ["10.0.0.7", "2001:db8::7"].map(|text| text.parse().unwrap());
    let denied = ["10.9.0.0/16", "fd00::/8"].map(|text| text.parse().unwrap());
    for (address, expected) in [
        ("10.0.0.7", Some(Own)),
        ("2001:db8::7", Some(Own)),
        ("10.9.255.255", Some(Denied)),
        ("fdff::1", Some(Denied)),
        ("10.0.0.6", None),
        ("10.10.0.0", None),
        ("2001:db8::8", None),
    ] {
        let found = refusal(address.parse().unwrap(), &own, &denied);
        assert_eq!(found, expected, "{address}");
    }
}

#[test]
fn every_form_of_random_addresses_is_judged_as_its_ipv4_address() {
    let mut random = Random::new(1);
    for _ in 0..10_000 {
        let [a, b, c, d, ..] = random.bits().to_be_bytes();
        let address = Ipv4Addr::from([a, b, c, d]);
        let expected = refusal(address.into(), &[], &[]);
        // The first four stand for no other address.
        for form in forms(address).into_iter().take(5) {
            assert_eq!(refusal(form.into(), &[], &[]), expected, "{form}");
        }
    }
}

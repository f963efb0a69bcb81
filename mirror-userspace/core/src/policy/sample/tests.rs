use mirror_common::sample::{ALWAYS, Secret};

use super::*;
use crate::testing::{flow_of, with_head};
use crate::value::Rate;

fn hash(by: &SampleBy, client: &str, ordinal: u32, fields: &str) -> SampleHash {
    let raw = format!("GET / HTTP/1.1\r\nHost: v1\r\n{fields}\r\n");
    with_head(raw.as_bytes(), |head| {
        let flow = flow_of(client);
        by.hash(Secret::NONE, &flow, &flow.client, ordinal, head.into())
    })
}

/// Hashes of `n` different keys of this kind.
fn hashes(by: &SampleBy, n: u32) -> Vec<SampleHash> {
    (0..n)
        .map(|i| {
            let client = format!("10.{}.{}.{}:4242", 1 + (i >> 16), (i >> 8) & 255, i & 255);
            match by {
                SampleBy::Connection | SampleBy::ClientIp => hash(by, &client, 1, ""),
                SampleBy::Request => hash(by, "10.1.1.1:4242", i, ""),
                SampleBy::Header(_) => hash(by, "10.1.1.1:4242", 1, &format!("X-Id: user-{i}\r\n")),
            }
        })
        .collect()
}

fn all_kinds() -> [SampleBy; 4] {
    ["connection", "client-ip", "request", "header:x-id"].map(|text| text.parse().unwrap())
}

#[test]
fn a_rate_selects_its_share_within_three_sigma() {
    let n = 20_000_u32;
    for by in all_kinds() {
        let hashes = hashes(&by, n);
        for rate in ["0.5%", "10%", "25%", "1/3", "50%", "99%"] {
            let threshold = rate.parse::<Rate>().unwrap().threshold();
            let hit = hashes
                .iter()
                .filter(|hash| hash.is_below(threshold))
                .count();
            let p = threshold as f64 / ALWAYS as f64;
            let n = f64::from(n);
            let sigma = (n * p * (1.0 - p)).sqrt();
            assert!(
                (hit as f64 - n * p).abs() < 3.0 * sigma,
                "{by} at {rate}: {hit} of {n}"
            );
        }
    }
}

#[test]
fn a_lower_rate_selects_a_subset() {
    let thresholds = ["0", "0.0001", "1", "25", "1/3", "99.9999", "100"]
        .map(|rate| rate.parse::<Rate>().unwrap().threshold());
    for by in all_kinds() {
        for hash in hashes(&by, 2_000) {
            for pair in thresholds.windows(2) {
                assert!(!hash.is_below(pair[0]) || hash.is_below(pair[1]), "{by}");
            }
            assert!(hash.is_below(ALWAYS) && !hash.is_below(0));
        }
    }
}

#[test]
fn the_kernel_decides_alike() {
    let flow = flow_of("10.1.2.3:4242");
    let (client, server) = (flow.client, flow.server);
    assert_eq!(
        hash(&SampleBy::Connection, "10.1.2.3:4242", 7, "X: 1\r\n"),
        SampleHash(connection_hash(
            Secret::NONE,
            &client.address,
            &server.address,
            client.port,
            server.port
        ))
    );
    assert_eq!(
        hash(&SampleBy::ClientIp, "10.1.2.3:999", 7, ""),
        SampleHash(client_hash(Secret::NONE, &client.address))
    );
}

#[test]
fn a_key_is_all_that_counts() {
    let by_header = SampleBy::Header("X-Id".parse().unwrap());
    let of = |fields| hash(&by_header, "10.1.1.1:1", 1, fields);
    assert_eq!(
        of("x-id: a\r\n"),
        hash(&by_header, "10.9.9.9:9", 9, "X-ID:  a \r\n")
    );
    assert_eq!(
        of("X-Id: a\r\nX-Id: b\r\n"),
        of("X-Id: a\r\n"),
        "the first line counts"
    );
    assert_eq!(of(""), of("X-Id:\r\n"), "no line is the empty value");
    assert_ne!(of("X-Id: a\r\n"), of("X-Id: A\r\n"), "values are bytes");
    assert_ne!(of("X-Id: 12345678\r\n"), of("X-Id: 123456789\r\n"));

    let request = |client, ordinal| hash(&SampleBy::Request, client, ordinal, "");
    assert_ne!(request("10.1.1.1:1", 1), request("10.1.1.1:1", 2));
    assert_ne!(request("10.1.1.1:1", 1), request("10.1.1.1:2", 1));
    assert_eq!(request("10.1.1.1:1", 1), request("10.1.1.1:1", 1));
}

#[test]
fn kinds_read_back_as_they_are_written() {
    for by in all_kinds() {
        assert_eq!(by.to_string().parse(), Ok(by));
    }
    for bad in [
        "",
        "Connection",
        "header",
        "header:",
        "header:a b",
        "cookie",
        "client",
    ] {
        assert!(bad.parse::<SampleBy>().is_err(), "{bad}");
    }
}

#[test]
fn a_secret_chooses_others_of_every_kind_and_the_same_everywhere() {
    let threshold = ALWAYS / 4;
    let hash_with = |by: &SampleBy, bits, i: u32| {
        let raw = format!("GET / HTTP/1.1\r\nHost: v1\r\nX-Id: user-{i}\r\n\r\n");
        let client = format!("10.1.{}.{}:4242", (i >> 8) & 255, i & 255);
        with_head(raw.as_bytes(), |head| {
            let flow = flow_of(&client);
            by.hash(Secret::new(bits), &flow, &flow.client, i, head.into())
        })
    };
    for by in all_kinds() {
        let both = (0..4_000)
            .filter(|&i| hash_with(&by, 0, i).is_below(threshold))
            .collect::<Vec<_>>();
        let kept = both
            .iter()
            .filter(|&&i| hash_with(&by, 0x5ec2_e7aa_0123_4567, i).is_below(threshold))
            .count();
        let expected = both.len() / 4;
        assert!(
            kept.abs_diff(expected) < expected / 2,
            "{by}: {kept} of {}",
            both.len()
        );
        assert_eq!(hash_with(&by, 7, 3), hash_with(&by, 7, 3));
    }
}

#[test]
fn whom_a_proxy_header_names_counts_as_the_client_but_not_for_connections() {
    let flow = flow_of("10.1.1.1:1");
    let named = flow_of("203.0.113.7:51324").client;
    let of = |by: SampleBy, client| {
        with_head(b"GET / HTTP/1.1\r\n\r\n", |head| {
            by.hash(Secret::NONE, &flow, client, 1, head.into())
        })
    };
    let by_client = hash(&SampleBy::ClientIp, "203.0.113.7:2", 9, "");
    assert_eq!(of(SampleBy::ClientIp, &named), by_client);
    // The kernel knows nothing else.
    let by_connection = of(SampleBy::Connection, &flow.client);
    assert_eq!(of(SampleBy::Connection, &named), by_connection);
}

mod http2;

use super::*;
use crate::testing::{flow_of, with_head};

fn policy(by: &str, rates: &[Option<&str>]) -> Policy {
    Policy::new(PolicyConfig {
        sample_rate: "25".parse().unwrap(),
        sample_by: by.parse().unwrap(),
        targets: rates
            .iter()
            .map(|rate| TargetPolicy {
                rate: rate.map(|rate| rate.parse().unwrap()),
                host: None,
            })
            .collect(),
        ..PolicyConfig::default()
    })
    .unwrap()
}

#[test]
fn the_kernel_copies_what_the_most_greedy_target_wants() {
    let sampling = |by, rates: &[_]| policy(by, rates).kernel_sampling();
    let expect = |key, threshold| KernelSampling {
        key,
        threshold,
        secret: Secret::NONE,
    };
    let quarter = ALWAYS / 4;
    assert_eq!(
        sampling("connection", &[None]),
        expect(SampleKey::Connection, quarter)
    );
    assert_eq!(
        sampling("client-ip", &[Some("1"), Some("50"), None]),
        expect(SampleKey::ClientAddress, ALWAYS / 2)
    );
    assert_eq!(
        sampling("request", &[None]),
        expect(SampleKey::Connection, ALWAYS)
    );
    assert_eq!(
        sampling("header:x", &[Some("0")]),
        expect(SampleKey::Connection, 0)
    );
    assert_eq!(
        sampling("connection", &[]),
        expect(SampleKey::Connection, 0)
    );
}

#[test]
fn each_target_has_its_own_sample_of_the_same_keys() {
    let mut policy = policy("request", &[None, Some("50"), Some("0"), Some("100")]);
    let count = |policy: &Policy| {
        let mut hits = [0_u32; 5];
        for ordinal in 0..4_000 {
            let hash = with_head(b"GET / HTTP/1.1\r\n\r\n", |head| {
                let flow = flow_of("10.0.0.1:4242");
                policy.sample_hash(&flow, &flow.client, ordinal, head.into())
            });
            let samples = [0, 1, 2, 3, 4].map(|target| policy.samples(target, hash));
            assert!(!samples[0] || samples[1], "25 % lies in 50 %");
            for (hits, hit) in hits.iter_mut().zip(samples) {
                *hits += u32::from(hit);
            }
        }
        hits
    };
    let before = count(&policy);
    // Three sigma of 4 000 at 25 % are 82, at 50 % 95.
    assert!(
        before[0].abs_diff(1_000) < 82 && before[1].abs_diff(2_000) < 95,
        "{before:?}"
    );
    assert_eq!(before[2..], [0, 4_000, 0], "no such target, no sample");

    policy.set_target_rate(3, Some(Rate::ZERO));
    let after = count(&policy);
    assert_eq!(after[..2], before[..2], "the others keep theirs");
    assert_eq!(after[3], 0);
    policy.set_sample_rate(Rate::ZERO);
    assert_eq!(
        count(&policy),
        [0; 5],
        "also where there was a rate of its own"
    );
    assert_eq!(policy.kernel_sampling().threshold, 0, "the kill switch");
}

#[test]
fn rewrites_of_one_field_must_agree() {
    let build = |set: &[&str], remove: &[&str], redact: &[&str], forwarded_for| {
        Policy::new(PolicyConfig {
            rewrite: RewriteConfig {
                set_fields: set.iter().map(|text| text.parse().unwrap()).collect(),
                remove_fields: remove.iter().map(|text| text.parse().unwrap()).collect(),
                redact_fields: redact.iter().map(|text| text.parse().unwrap()).collect(),
                forwarded_for,
                ..RewriteConfig::default()
            },
            ..PolicyConfig::default()
        })
        .map(|_| ())
        .map_err(|error| error.to_string())
    };
    let (keep, append) = (ForwardedFor::Keep, ForwardedFor::Append);
    let xff = "X-Forwarded-For";
    assert_eq!(
        build(&["A: 1", "B: 1"], &["C", "c"], &["D", "d"], append),
        Ok(())
    );
    assert_eq!(build(&[], &[xff], &[], append), Ok(()));
    assert_eq!(build(&["X-Forwarded-For: 1"], &[], &[], keep), Ok(()));
    let both = |first, second, field| {
        Err(format!(
            "{first} and {second} both change the header {field}; accepted: one of them"
        ))
    };
    let (set, remove, redact) = ("--set-header", "--remove-header", "--redact-header");
    assert_eq!(
        build(&["A: 1", "a: 2"], &[], &[], keep),
        both(set, set, "a")
    );
    assert_eq!(build(&["A: 1"], &["a"], &[], keep), both(set, remove, "a"));
    assert_eq!(build(&[], &["a"], &["A"], keep), both(remove, redact, "A"));
    assert_eq!(
        build(&[], &[], &[xff], append),
        both("--forwarded-for", redact, xff)
    );
}

#[test]
fn requests_of_targets_are_known_by_their_addresses() {
    let client = |ip: &str| Endpoint::from(std::net::SocketAddr::new(ip.parse().unwrap(), 4_711));
    let addresses = ["10.0.0.2", "::ffff:10.0.0.3", "fd00::2", "127.0.0.1", "::1"];
    let addresses = addresses.map(|address| address.parse().unwrap());
    let mut policy = Policy::new(PolicyConfig::default()).unwrap();
    assert_eq!(policy.filter_client(&client("10.0.0.2")), None);
    policy.set_target_addresses(addresses);
    for ip in ["10.0.0.2", "10.0.0.3", "fd00::2"] {
        let rule = policy.filter_client(&client(ip)).unwrap();
        assert_eq!(policy.rules()[rule.0], "from-target", "{ip}");
    }
    for ip in ["10.0.0.1", "fd00::3", "127.0.0.1", "::1"] {
        assert_eq!(policy.filter_client(&client(ip)), None, "{ip}");
    }
    let mut open = PolicyConfig::default();
    open.filter.from_targets = Handling::Mirror;
    let mut open = Policy::new(open).unwrap();
    open.set_target_addresses(addresses);
    assert_eq!(open.filter_client(&client("10.0.0.2")), None);
}

mod hop;

use super::*;
use crate::policy::{Policy, PolicyConfig, TargetPolicy};
use crate::{
    random::Random,
    testing::{flow_of, with_head},
};

const MARK: &str = "x-mirrored-by: podmirror\r\n";

/// A policy for one target, which may have a host of its own.
pub(super) fn to_target(config: RewriteConfig, host: Option<&str>) -> Policy {
    Policy::new(PolicyConfig {
        rewrite: config,
        targets: vec![TargetPolicy {
            rate: None,
            host: host.map(|host| host.parse().unwrap()),
        }],
        ..PolicyConfig::default()
    })
    .unwrap()
}

/// What target 0 receives of this head.
fn written(config: RewriteConfig, host: Option<&str>, raw: &[u8]) -> Vec<u8> {
    let policy = to_target(config, host);
    let mut out = BytesMut::from("before ");
    let client = flow_of("[fd00::1]:4242").client;
    with_head(raw, |head| {
        policy.write_head(0, head.into(), &client, &mut out)
    });
    out.strip_prefix(b"before ").unwrap().to_vec()
}

fn rewritten(config: RewriteConfig, raw: &str) -> String {
    String::from_utf8(written(config, None, raw.as_bytes())).unwrap()
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(texts: &[&str]) -> Vec<T> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn set_host(host: &str) -> RewriteConfig {
    RewriteConfig {
        host: HostRewrite::Set(host.parse().unwrap()),
        ..RewriteConfig::default()
    }
}

fn host_suffix(suffix: &str) -> RewriteConfig {
    RewriteConfig {
        host: HostRewrite::Append(suffix.parse().unwrap()),
        ..RewriteConfig::default()
    }
}

#[test]
fn without_rewrites_one_line_is_added_and_nothing_else() {
    for lines in [
        "GET / HTTP/1.1\r\nhOST:v1\r\nA:  x \t\r\na:y\r\nA: x\r\n",
        "GET / HTTP/1.0\r\n",
        "OPTIONS * HTTP/1.1\r\nHost:\r\nX:\r\n",
        "GET http://u@V1:80/%7e?q HTTP/1.1\r\nHost: other\r\nX-Forwarded-For: 1.2.3.4\r\n",
        "GET / HTTP/1.1\nHost: v1\n",
    ] {
        for end in ["\r\n", "\n"] {
            let raw = format!("{lines}{end}");
            let expected = format!("{lines}{MARK}{end}");
            assert_eq!(rewritten(RewriteConfig::default(), &raw), expected);
        }
    }
}

#[test]
fn fields_are_set_removed_and_redacted_in_place() {
    let config = RewriteConfig {
        set_fields: parsed(&["X-Env: shadow", "X-New=1", "X-Empty:"]),
        remove_fields: parsed(&["Cookie"]),
        redact_fields: parsed(&["authorization"]),
        ..RewriteConfig::default()
    };
    let raw = "POST /x HTTP/1.1\r\nHost: v1\r\nCOOKIE: a\r\nx-env:prod\r\ncookie:b\r\nAuthorization:\r\n\
               X-Env: again\r\nContent-Length:3\r\nAUTHORIZATION:B x\r\n\r\n";
    let expected = format!(
        "POST /x HTTP/1.1\r\nHost: v1\r\nx-env: shadow\r\nAuthorization: redacted\r\n\
         Content-Length:3\r\nAUTHORIZATION: redacted\r\nX-New: 1\r\nX-Empty: \r\n{MARK}\r\n"
    );
    assert_eq!(rewritten(config, raw), expected);
}

#[test]
fn the_host_is_set_in_the_field_and_in_the_target() {
    for (target, fields, new_target, new_fields) in [
        (
            "/",
            "HOST:v1:80\r\nA: b\r\n",
            "/",
            "HOST: v2:81\r\nA: b\r\n",
        ),
        (
            "/",
            "Host: a\r\nA: b\r\nHost: c\r\n",
            "/",
            "Host: v2:81\r\nA: b\r\n",
        ),
        ("/", "A: b\r\n", "/", "A: b\r\nhost: v2:81\r\n"),
        (
            "http://u@v1:80/x?y",
            "Host: v1\r\n",
            "http://u@v2:81/x?y",
            "Host: v2:81\r\n",
        ),
        ("http://v1", "Host:\r\n", "http://v2:81", "Host: v2:81\r\n"),
        ("*", "Host: v1\r\n", "*", "Host: v2:81\r\n"),
    ] {
        let raw = format!("GET {target} HTTP/1.1\r\n{fields}\r\n");
        let expected = format!("GET {new_target} HTTP/1.1\r\n{new_fields}{MARK}\r\n");
        assert_eq!(rewritten(set_host("v2:81"), &raw), expected);
        let own = written(host_suffix("-x"), Some("v2:81"), raw.as_bytes());
        assert_eq!(own, expected.as_bytes(), "a target's own host comes first");
    }
    let connect = "CONNECT v1:443 HTTP/1.1\r\nHost: v1:443\r\n\r\n";
    let expected = format!("CONNECT v1:443 HTTP/1.1\r\nHost: v2\r\n{MARK}\r\n");
    assert_eq!(
        rewritten(set_host("v2"), connect),
        expected,
        "authority-form stays"
    );
}

#[test]
fn the_suffix_goes_before_the_port() {
    for (target, host, new_target, new_host) in [
        ("/", "Host:web:8080", "/", "Host:web-shadow:8080"),
        ("/", "host: web", "/", "host: web-shadow"),
        ("/", "Host: [::1]:80", "/", "Host: [::1]:80"),
        ("/", "Host:", "/", "Host:"),
        (
            "http://web:80/",
            "Host: web",
            "http://web-shadow:80/",
            "Host: web-shadow",
        ),
    ] {
        let raw = format!("GET {target} HTTP/1.1\r\n{host}\r\n\r\n");
        let expected = format!("GET {new_target} HTTP/1.1\r\n{new_host}\r\n{MARK}\r\n");
        assert_eq!(rewritten(host_suffix("-shadow"), &raw), expected);
    }
}

#[test]
fn the_first_path_rule_that_applies_counts() {
    let config = RewriteConfig {
        paths: parsed(&["/v1/=/v2/", "~^/(.)/=/$1/x/"]),
        ..set_host("v2")
    };
    for (target, expected) in [
        ("/v1/a?b=/v1/", "/v2/a?b=/v1/"),
        ("/a/b", "/a/x/b"),
        ("/", "/"),
        ("*", "*"),
        ("http://h/v1/?q", "http://v2/v2/?q"),
        ("http://h?q", "http://v2?q"),
    ] {
        let raw = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        let expected = format!("GET {expected} HTTP/1.1\r\nHost: v2\r\n{MARK}\r\n");
        assert_eq!(rewritten(config.clone(), &raw), expected);
    }
    let root = RewriteConfig {
        paths: parsed(&["/=/v2/"]),
        ..RewriteConfig::default()
    };
    let expected = format!("GET http://h/v2/?q HTTP/1.1\r\n{MARK}\r\n");
    assert_eq!(rewritten(root, "GET http://h?q HTTP/1.1\r\n\r\n"), expected);
}

#[test]
fn the_client_is_appended_to_the_last_forwarded_line() {
    for (remove, fields, expected) in [
        (&[][..], "A: b\r\n", "A: b\r\nx-forwarded-for: fd00::1\r\n"),
        (
            &[],
            "X-Forwarded-For:1.2.3.4\r\nA: b\r\n",
            "X-Forwarded-For: 1.2.3.4, fd00::1\r\nA: b\r\n",
        ),
        (
            &[],
            "x-forwarded-for: a\r\nX-Forwarded-For:\r\n",
            "x-forwarded-for: a\r\nX-Forwarded-For: fd00::1\r\n",
        ),
        (
            &["X-Forwarded-For"],
            "X-Forwarded-For: spoofed\r\n",
            "x-forwarded-for: fd00::1\r\n",
        ),
    ] {
        let config = RewriteConfig {
            remove_fields: parsed(remove),
            forwarded_for: ForwardedFor::Append,
            ..RewriteConfig::default()
        };
        let raw = format!("GET / HTTP/1.1\r\n{fields}\r\n");
        assert_eq!(
            rewritten(config, &raw),
            format!("GET / HTTP/1.1\r\n{expected}{MARK}\r\n")
        );
    }
}

#[test]
fn an_offer_of_http2_is_left_out_unless_upgrades_are_mirrored() {
    let head = |connection: &str| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{connection}Upgrade: h2c\r\nHTTP2-Settings: AAEAAA\r\nX: y\r\n"
        )
    };
    for (connection, expected) in [
        ("Connection: Upgrade, HTTP2-Settings\r\n", ""),
        (
            "connection:keep-alive,upgrade , x\r\n",
            "connection: keep-alive, x\r\n",
        ),
        (
            "Connection: upgrade\r\nConnection: keep-alive\r\n",
            "Connection: keep-alive\r\n",
        ),
    ] {
        let raw = format!("{}\r\n", head(connection));
        assert_eq!(
            rewritten(RewriteConfig::default(), &raw),
            format!("GET / HTTP/1.1\r\nHost: a\r\n{expected}X: y\r\n{MARK}\r\n")
        );
        let as_sent = Rewriter::new(RewriteConfig::default(), false).unwrap();
        let client = flow_of("10.0.0.1:1").client;
        let mut out = BytesMut::new();
        with_head(raw.as_bytes(), |head| {
            as_sent.write(head, None, &client, &mut out);
            assert!(as_sent.offers_upgrade(head.into()));
        });
        assert_eq!(out, format!("{}{MARK}\r\n", head(connection)).as_bytes());
    }
}

#[test]
fn user_information_is_redacted_with_any_header() {
    let raw = "GET http://me:se@cret@h/ HTTP/1.1\r\nHost: h\r\n\r\n";
    let redacting = || RewriteConfig {
        redact_fields: parsed(&["Authorization"]),
        ..RewriteConfig::default()
    };
    let expected = |host: &str, field: &str| {
        format!("GET http://redacted@{host}/ HTTP/1.1\r\nHost: {field}\r\n{MARK}\r\n")
    };
    assert_eq!(rewritten(redacting(), raw), expected("h", "h"));
    let both = RewriteConfig {
        host: HostRewrite::Set("v2:80".parse().unwrap()),
        ..redacting()
    };
    assert_eq!(rewritten(both, raw), expected("v2:80", "v2:80"));
    assert!(rewritten(RewriteConfig::default(), raw).contains("me:se@cret@h"));
}

#[test]
fn a_head_is_written_without_growing_twice() {
    let config = RewriteConfig {
        set_fields: parsed(&["X-Env: shadow"]),
        redact_fields: parsed(&["Cookie"]),
        forwarded_for: ForwardedFor::Append,
        ..set_host("a-rather-long-name.default.svc.cluster.local:8080")
    };
    let rewriter = Rewriter::new(config, true).unwrap();
    let raw = b"GET http://h/ HTTP/1.1\r\nHost:h\r\nCookie:\r\n\r\n";
    let client = flow_of("[fd00:1111:2222:3333:4444:5555:6666:7777]:1").client;
    with_head(raw, |head| {
        let change = HostChange::of(None, &rewriter.host);
        let bound = raw.len() + rewriter.growth(&change);
        let mut out = BytesMut::new();
        rewriter.write(head, None, &client, &mut out);
        assert!(out.len() <= bound, "{} of {bound}", out.len());
    });
}

/// Random heads through random rewrites, against a model that works on parsed fields.
#[test]
fn what_is_written_parses_to_the_expected_fields() {
    for seed in 0..3_000_u64 {
        let mut choices = Random::new(seed);
        let names = [
            "A",
            "a",
            "B",
            "b",
            "C",
            "D",
            "Host",
            "Content-Length",
            "X-Long-Name",
        ];
        let values = ["", "1", "x y", "  spaced\t", "a,b", "\u{e9}", "=:"];
        let mut raw = String::from("GET /p HTTP/1.1\r\n");
        for _ in 0..choices.below(12) {
            let (name, value) = (choices.pick(&names), choices.pick(&values));
            raw.push_str(&format!("{name}:{value}\r\n"));
        }
        raw.push_str("\r\n");
        let mut config = RewriteConfig::default();
        for name in ["A", "B", "C", "X-Long-Name", "E"] {
            match choices.below(4) {
                0 => config
                    .set_fields
                    .push(format!("{name}: set {name}").parse().unwrap()),
                1 => config.remove_fields.push(name.parse().unwrap()),
                2 => config.redact_fields.push(name.parse().unwrap()),
                _ => {}
            }
        }
        let expected = model(&config, &fields_of(raw.as_bytes()));
        let out = written(config, None, raw.as_bytes());
        assert_eq!(fields_of(&out), expected, "seed {seed}: {raw}");
    }
}

type Fields = Vec<(String, Vec<u8>)>;

fn fields_of(raw: &[u8]) -> Fields {
    with_head(raw, |head| {
        let text = |span| String::from_utf8(head.bytes(span).to_vec()).unwrap();
        let fields = head.fields.iter();
        fields
            .map(|field| (text(field.name), head.bytes(field.value).to_vec()))
            .collect()
    })
}

fn model(config: &RewriteConfig, before: &Fields) -> Fields {
    let mut fields = before.clone();
    let is = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
    for removed in &config.remove_fields {
        fields.retain(|(name, _)| !is(name, removed.name().as_str()));
    }
    for redacted in &config.redact_fields {
        for (_, value) in fields
            .iter_mut()
            .filter(|(name, _)| is(name, redacted.name().as_str()))
        {
            *value = b"redacted".to_vec();
        }
    }
    for set in &config.set_fields {
        let (wanted, value) = (set.name().as_str(), set.value().as_bytes().to_vec());
        match fields.iter().position(|(name, _)| is(name, wanted)) {
            None => fields.push((wanted.to_owned(), value)),
            Some(first) => {
                fields[first].1 = value;
                let mut index = 0;
                fields.retain(|(name, _)| {
                    index += 1;
                    index <= first + 1 || !is(name, wanted)
                });
            }
        }
    }
    fields.push(("x-mirrored-by".to_owned(), b"podmirror".to_vec()));
    fields
}

use super::*;
use crate::{
    policy::{HostRewrite, Policy, PolicyConfig, RewriteConfig, rewrite::tests::to_target},
    testing::{fields, flow_of, with_http2_head},
};

const MARK: (&str, &str) = ("x-mirrored-by", "podmirror");

/// What target 0 receives of this head.
fn rewritten(
    config: RewriteConfig,
    host: Option<&str>,
    sent: &[(&str, &str)],
) -> Vec<(String, String)> {
    let policy = to_target(config, host);
    let mut out = BytesMut::new();
    let client = flow_of("[fd00::1]:4242").client;
    with_http2_head(sent, |head| {
        policy.write_head(0, head.into(), &client, &mut out);
    });
    fields(&out)
}

fn owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    fields.iter().map(owned).collect()
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(texts: &[&str]) -> Vec<T> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn without_rewrites_one_field_is_added_and_nothing_else() {
    let sent = [
        (":path", "/a.B/c?d=e"),
        (":method", "POST"),
        (":scheme", "http"),
        ("!:authority", "v1:80"),
        ("te", "trailers"),
        ("cookie", "a=b"),
        ("!cookie", "secret=c"),
        ("x-twice", "1"),
        ("accept-encoding", "gzip, deflate"),
        ("x-twice", "1"),
        ("!authorization", "Bearer x"),
        ("grpc-timeout", "100m"),
        ("x-empty", ""),
    ];
    let expected = [&sent[..], &[MARK]].concat();
    let copy = rewritten(RewriteConfig::default(), None, &sent);
    assert_eq!(copy, owned(&expected));
}

#[test]
fn fields_are_set_removed_and_redacted_in_place() {
    let config = RewriteConfig {
        set_fields: parsed(&["X-Env: shadow", "X-New=1"]),
        remove_fields: parsed(&["Cookie"]),
        redact_fields: parsed(&["Authorization"]),
        ..RewriteConfig::default()
    };
    let get = [(":method", "GET"), (":scheme", "http"), (":path", "/")];
    let sent = [
        ("host", "v1"),
        ("cookie", "a"),
        ("x-env", "prod"),
        ("cookie", "b"),
        ("!authorization", "B x"),
        ("x-env", "again"),
        ("authorization", "B y"),
    ];
    let expected = [
        ("host", "v1"),
        ("x-env", "shadow"),
        ("!authorization", "redacted"),
        ("authorization", "redacted"),
        ("x-new", "1"),
        MARK,
    ];
    let copy = rewritten(config, None, &[&get[..], &sent].concat());
    assert_eq!(copy, owned(&[&get[..], &expected].concat()));
}

#[test]
fn the_host_is_the_authority() {
    let set = RewriteConfig {
        host: HostRewrite::Set("v2:81".parse().unwrap()),
        ..RewriteConfig::default()
    };
    let suffix = RewriteConfig {
        host: HostRewrite::Append("-x".parse().unwrap()),
        ..RewriteConfig::default()
    };
    let get = [(":method", "GET"), (":scheme", "http"), (":path", "/")];
    for (config, own, sent, expected) in [
        (&set, None, &[(":authority", "v1")][..], "v2:81"),
        (&set, None, &[(":authority", "v1"), ("host", "v1")], "v2:81"),
        (&set, None, &[("host", "v1")], "v2:81"),
        (&suffix, None, &[(":authority", "v1:80")], "v1-x:80"),
        (
            &suffix,
            None,
            &[(":authority", "v1"), ("host", "v1")],
            "v1-x",
        ),
        (&suffix, Some("v3"), &[(":authority", "v1:80")], "v3"),
    ] {
        let copy = rewritten(config.clone(), own, &[&get[..], sent].concat());
        let hosts = sent.iter().map(|(name, _)| (*name, expected));
        let expected: Vec<_> = get.iter().copied().chain(hosts).chain([MARK]).collect();
        assert_eq!(copy, owned(&expected));
    }
    let other = [
        (":method", "GET"),
        (":scheme", "coap"),
        (":path", "http://v1/x"),
    ];
    let copy = rewritten(set, None, &other);
    let expected = [&other[..], &[("host", "v2:81"), MARK]].concat();
    assert_eq!(copy, owned(&expected), "a path that looks like an URL");
}

#[test]
fn paths_are_rewritten_and_clients_are_told() {
    let config = RewriteConfig {
        paths: parsed(&["/v1/=/v2/"]),
        forwarded_for: ForwardedFor::Append,
        ..RewriteConfig::default()
    };
    let begin = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "h"),
        (":path", "/v1/a?b=/v1/"),
    ];
    let rewritten = |more: &[(&str, &str)]| {
        rewritten(config.clone(), None, &[&begin[..], more].concat()).split_off(3)
    };
    let path = (":path", "/v2/a?b=/v1/");
    let alone = ("x-forwarded-for", "fd00::1");
    assert_eq!(rewritten(&[]), owned(&[path, alone, MARK]));
    let twice = [
        ("x-forwarded-for", "a"),
        ("x-forwarded-for", "b"),
        ("x", ""),
    ];
    let appended = ("x-forwarded-for", "b, fd00::1");
    let expected = [path, twice[0], appended, twice[2], MARK];
    assert_eq!(rewritten(&twice), owned(&expected));
}

#[test]
fn binary_metadata_of_grpc_is_text_in_the_copy() {
    let sent = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "v1"),
        (":path", "/a.B/c"),
        ("grpc-trace-bin", "\0\u{1}\r\n\0 "),
        ("x-bin", "AA"),
        ("content-type", "application/grpc+proto"),
    ];
    let mut expected = sent.to_vec();
    expected[4].1 = "AQ0KACA";
    expected.push(MARK);
    let copy = rewritten(RewriteConfig::default(), None, &sent);
    assert_eq!(copy, owned(&expected));
}

#[test]
fn trailers_lose_only_what_is_to_be_hidden() {
    let config = RewriteConfig {
        set_fields: parsed(&["X-New=1"]),
        remove_fields: parsed(&["Cookie"]),
        redact_fields: parsed(&["key"]),
        ..RewriteConfig::default()
    };
    let policy = Policy::new(PolicyConfig {
        rewrite: config,
        ..PolicyConfig::default()
    })
    .unwrap();
    let sent = [("key", "secret"), ("cookie", "a"), ("!key", "x")];
    let mut list = FieldList::new(1_000);
    let mut decoder = crate::http::h2::hpack::Decoder::new(&crate::budget::Budget::new(0));
    let block = crate::testing::block(&sent);
    decoder.decode(&block, &mut list).unwrap();
    let mut out = BytesMut::new();
    policy.write_trailers(&list, &mut out);
    let expected = [("key", "redacted"), ("cookie", "a"), ("!key", "redacted")];
    assert_eq!(fields(&out), owned(&expected));
    out.clear();
    crate::policy::redact_block(&list, &parsed(&["Key"]), &mut out);
    assert_eq!(fields(&out), owned(&expected));
}

use bytes::BytesMut;
use clap::{CommandFactory, Parser, error::ErrorKind};
use mirror_core::{
    policy::{Policy, PolicyConfig, TargetPolicy},
    testing::{flow_of, with_head},
};

use super::*;

/// A command with these flags.
///
/// It does nothing.
#[derive(Parser, Debug)]
#[command(name = "podmirror")]
struct Command {
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    targets: TargetArgs,
}

fn parse(args: &[&str]) -> Result<Command, clap::Error> {
    Command::try_parse_from(["podmirror"].iter().chain(args))
}

fn policy(args: &[&str]) -> Policy {
    let command = parse(args).unwrap();
    let targets = command
        .targets
        .targets
        .iter()
        .map(TargetPolicy::from)
        .collect();
    Policy::new(PolicyConfig {
        targets,
        ..command.policy.into()
    })
    .unwrap()
}

/// Every flag with a value that is accepted.
const FLAGS: [(&str, Option<&str>); 22] = [
    ("--sample-rate", Some("0.5%")),
    ("--sample-by", Some("header:X-Id")),
    ("--sample-key-file", Some("/proc/version")),
    ("--allow-method", Some("GET,HEAD")),
    ("--safe-methods", None),
    ("--deny-method", Some("TRACE")),
    ("--allow-path", Some("/api/*")),
    ("--deny-path", Some("~^/admin")),
    ("--allow-header", Some("x-tenant=acme*")),
    ("--deny-header", Some("x-secret")),
    ("--mirror-kube-probes", None),
    ("--mirror-from-targets", None),
    ("--mirror-upgrades", None),
    ("--set-header", Some("X-Env: shadow")),
    ("--remove-header", Some("Cookie")),
    ("--redact-header", Some("Authorization")),
    ("--set-host", Some("v2:80")),
    ("--host-suffix", Some("-shadow")),
    ("--rewrite-path", Some("/v1/=/v2/")),
    ("--forwarded-for", None),
    ("--reuse", None),
    ("--target", Some("http://v2,sample=1/3,host=web")),
];

#[test]
fn the_help_names_every_flag_under_a_heading() {
    let help = Command::command().render_long_help().to_string();

    assert!(
        help.starts_with("A command with these flags.\n"),
        "its own, not a group's: {help}"
    );

    for (flag, value) in FLAGS {
        let shown = if value.is_some() {
            format!("{flag} <")
        } else {
            format!("{flag}\n")
        };
        assert!(help.contains(&shown), "{flag} in {help}");
        let args: Vec<&str> = [flag].into_iter().chain(value).collect();
        assert!(parse(&args).is_ok(), "{args:?}");
    }
    for text in [
        "Sampling:",
        "Filters (",
        "Rewrites (",
        "Targets:",
        "[default: 100%]",
        "[default: connection]",
    ] {
        assert!(help.contains(text), "{text} in {help}");
    }
    let known = Command::command();
    let flags = known
        .get_arguments()
        .filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()));
    assert_eq!(
        flags.count(),
        FLAGS.len(),
        "a new flag belongs in the table above"
    );
}

#[test]
fn a_bad_value_is_refused_with_flag_value_and_what_is_accepted() {
    for (flag, value) in [
        ("--sample-rate", "120"),
        ("--sample-rate", "-1"),
        ("--sample-rate", ""),
        ("--sample-by", "cookie"),
        ("--sample-by", "header:a b"),
        ("--allow-method", "G T"),
        ("--deny-method", "G T"),
        ("--allow-path", "api"),
        ("--deny-path", "~("),
        ("--allow-header", "a b"),
        ("--deny-header", "a~("),
        ("--set-header", "Content-Length: 1"),
        ("--set-header", "X-A"),
        ("--remove-header", "Transfer-Encoding"),
        ("--redact-header", "Host"),
        ("--set-host", "v 2"),
        ("--host-suffix", ":80"),
        ("--rewrite-path", "/a"),
        ("--target", "v2"),
        ("--target", "http://v2,sample=120"),
        ("--target", "service/a/b"),
        ("--target", "pods/a/b in c:80"),
    ] {
        let error = parse(&[flag, value]).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.exit_code(), 2, "{flag} {value}");
        assert_eq!(error.kind(), ErrorKind::ValueValidation, "{text}");
        for part in [flag, value, "accepted: "] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
    }
    let both = parse(&["--set-host", "a", "--host-suffix", "-b"]).unwrap_err();
    assert_eq!(both.kind(), ErrorKind::ArgumentConflict);
}

#[test]
fn without_flags_everything_is_mirrored_as_it_is() {
    let policy = policy(&["--target", "http://v2"]);
    assert_eq!(
        policy.rules(),
        ["loop", "from-target", "upgrade", "kube-probe"]
    );
    assert_eq!(policy.rate(0).to_string(), "100 %");
}

#[test]
fn flags_reach_the_policy() {
    let args: Vec<&str> = FLAGS
        .iter()
        .filter(|(flag, _)| !["--set-host", "--safe-methods"].contains(flag))
        .flat_map(|(flag, value)| [*flag].into_iter().chain(*value))
        .chain(["--target", "http://v3"])
        .collect();
    let policy = policy(&args);
    assert_eq!(
        policy.rules(),
        [
            "loop",
            "deny-method TRACE",
            "deny-path ~^/admin",
            "deny-header x-secret",
            "allow-method",
            "allow-path",
            "allow-header"
        ]
    );
    assert_eq!(policy.rate(0), "1/3".parse().unwrap());
    assert_eq!(policy.rate(1), "0.5".parse().unwrap());

    let raw = b"GET /v1/x HTTP/1.1\r\nHost: v1:80\r\nCookie: a\r\nAuthorization: b\r\n\r\n";
    let heads = [0, 1].map(|target| {
        let mut out = BytesMut::new();
        let client = flow_of("10.0.0.1:4242").client;
        with_head(raw, |head| {
            policy.write_head(target, head.into(), &client, &mut out)
        });
        String::from_utf8(out.to_vec()).unwrap()
    });
    let expected = |host| {
        format!(
            "GET /v2/x HTTP/1.1\r\nHost: {host}\r\nAuthorization: redacted\r\nX-Env: shadow\r\n\
             x-forwarded-for: 10.0.0.1\r\nx-mirrored-by: podmirror\r\n\r\n"
        )
    };
    assert_eq!(heads[0], expected("web"));
    assert_eq!(heads[1], expected("v1-shadow:80"));

    let set = self::policy(&["--set-host", "v9", "--target", "http://v2"]);
    let mut out = BytesMut::new();
    with_head(raw, |head| {
        set.write_head(0, head.into(), &flow_of("10.0.0.1:1").client, &mut out)
    });
    assert!(out.windows(10).any(|part| part == b"Host: v9\r\n"));
}

#[test]
fn only_the_agent_knows_services_and_pods() {
    let outside = |target| {
        parse(&["--target", target])
            .unwrap()
            .targets
            .outside_clusters()
    };
    assert_eq!(outside("http://web.shop.svc").unwrap().len(), 1);
    for target in [
        "service/shop/web:80",
        "pods/shop/app=web,v in (1,2):80,sample=5",
    ] {
        let error = outside(target).unwrap_err();
        assert!(error.is::<UsageError>());
        let shown = target.replace("=5", "=5 %");
        let want = format!("--target {shown}: only `podmirror agent` knows");
        assert!(error.to_string().starts_with(&want), "{error}");
    }
}

#[test]
fn the_admin_address_is_an_address_or_off() {
    let run = |flags: &[&str]| {
        let run = ["podmirror", "run", "--interface", "lo", "--port", "80"];
        let to = ["--target", "http://v2"];
        Cli::try_parse_from(run.iter().chain(&to).chain(flags))
    };
    for good in ["off", ":9090", "0.0.0.0:9090", "[::1]:0"] {
        assert!(run(&["--admin-address", good]).is_ok(), "{good}");
    }
    let error = run(&["--admin-address", "localhost"]).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    for part in [
        "--admin-address",
        "localhost",
        "accepted: ",
        ":9090",
        "or off",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    let set = Cli::try_parse_from(["podmirror", "set", "sample-rate", "120"]).unwrap_err();
    assert_eq!(set.exit_code(), 2);
    assert!(set.to_string().contains("accepted: a percentage"), "{set}");
}

#[test]
fn losses_are_kept_where_somebody_can_ask_for_them() {
    #[derive(Parser)]
    struct Of {
        #[command(flatten)]
        admin: super::admin_args::AdminArgs,
    }
    let kept = |flags: &str| {
        let flags = ["podmirror"].into_iter().chain(flags.split_whitespace());
        let admin = Of::try_parse_from(flags).unwrap().admin;
        [admin.keep_lost(), admin.keep_lost_of_agent()].map(|kept| kept.losses)
    };
    assert_eq!(kept(""), [0, 100]);
    assert_eq!(kept("--admin-address :9090"), [100, 100]);
    assert_eq!(kept("--admin-address off"), [0, 100], "at its socket");
    assert_eq!(kept("--admin-address off --admin-socket off"), [0, 0]);
    let page = "--admin-address off --admin-socket off --ui :9091";
    assert_eq!(kept(page), [100, 100]);
}

/// There is one v2 in them: which of several targets it is, nobody could say.
#[test]
fn the_names_of_a_mesh_are_of_one_target() {
    #[derive(Parser)]
    struct Of {
        #[command(flatten)]
        admin: super::admin_args::AdminArgs,
    }
    let names = "shop/web-v1/web/v1=>shop/web-v2/web/v2";
    let named = Of::parse_from(["podmirror", "--istio-metrics", names]).admin;
    assert!(named.check(1).is_ok());
    for targets in [0, 2] {
        let UsageError(refused) = named.check(targets).unwrap_err();
        assert!(
            refused.contains(&format!("there are {targets} targets")),
            "{refused}"
        );
    }
    assert!(Of::parse_from(["podmirror"]).admin.check(2).is_ok());
}

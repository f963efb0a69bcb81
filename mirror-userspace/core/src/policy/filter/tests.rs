use super::*;
use crate::testing::with_head;

fn filter(set: impl FnOnce(&mut FilterConfig)) -> Filter {
    let mut config = FilterConfig::default();
    set(&mut config);
    Filter::new(config)
}

/// The name of the rule that refuses this head.
fn refused(filter: &Filter, head: impl AsRef<[u8]>) -> Option<&str> {
    with_head(head.as_ref(), |head| filter.refuses(head.into()))
        .map(|rule| filter.names()[rule.0].as_str())
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: v1\r\n\r\n")
}

fn patterns<T: FromStr<Err: fmt::Debug>>(texts: &[&str]) -> Vec<T> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn by_default_all_but_loops_upgrades_and_probes_is_mirrored() {
    let default = filter(|_| {});
    assert_eq!(
        default.names(),
        ["loop", "from-target", "upgrade", "kube-probe"]
    );
    assert_eq!(refused(&default, get("/")), None);
    let probe = "GET /healthz HTTP/1.1\r\nHost: x\r\nUser-Agent: kube-probe/1.31\r\n\r\n";
    assert_eq!(refused(&default, probe), Some("kube-probe"));
    let upgrade =
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(refused(&default, upgrade), Some("upgrade"));
    let offer = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n";
    assert_eq!(refused(&default, offer), None, "the copy offers nothing");
    let not_a_probe = "GET / HTTP/1.1\r\nUser-Agent: x kube-probe/\r\n\r\n";
    assert_eq!(refused(&default, not_a_probe), None);

    let all = filter(|config| {
        config.kube_probes = Handling::Mirror;
        config.upgrades = Handling::Mirror;
    });
    assert_eq!((refused(&all, probe), refused(&all, upgrade)), (None, None));

    let unguarded = filter(|config| *config = config.clone().without_guards());
    assert!(unguarded.names().is_empty());
}

#[test]
fn a_mirrored_request_is_never_mirrored_again() {
    let open = filter(|config| {
        config.kube_probes = Handling::Mirror;
        config.upgrades = Handling::Mirror;
        config.allow_paths = patterns(&["*"]);
    });
    for line in [
        "x-mirrored-by: podmirror",
        "X-Mirrored-By:other, podmirror/2",
    ] {
        let head = format!("GET / HTTP/1.1\r\nX-MIRRORED-BY: x\r\n{line}\r\n\r\n");
        assert_eq!(refused(&open, head), Some("loop"));
    }
    assert_eq!(
        refused(&open, "GET / HTTP/1.1\r\nx-mirrored-by: other\r\n\r\n"),
        None
    );
}

#[test]
fn deny_wins_and_one_of_each_allowed_kind_must_match() {
    let filter = filter(|config| {
        config.allow_methods = patterns(&["GET", "HEAD"]);
        config.allow_paths = patterns(&["/api/*", "~^/v[0-9]+/"]);
        config.deny_paths = patterns(&["/api/admin/*", "*.php", "/api/admin/*"]);
        config.deny_methods = patterns(&["TRACE"]);
        config.deny_fields = patterns(&["X-Secret", "cookie~debug=(1|true)"]);
        config.allow_fields = patterns(&["x-tenant=acme-*", "x-all"]);
    });
    assert_eq!(
        filter.names(),
        [
            "loop",
            "from-target",
            "upgrade",
            "kube-probe",
            "deny-method TRACE",
            "deny-path /api/admin/*",
            "deny-path *.php",
            "deny-header X-Secret",
            "deny-header cookie~debug=(1|true)",
            "allow-method",
            "allow-path",
            "allow-header",
        ]
    );
    for (method, target, fields, rule) in [
        ("GET", "/api/x", "x-tenant: acme-1", None),
        ("HEAD", "/v12/x", "X-All:", None),
        ("GET", "/api/x", "x-tenant: other\r\nx-tenant: acme-2", None),
        (
            "TRACE",
            "/api/admin/x",
            "x-all: 1",
            Some("deny-method TRACE"),
        ),
        (
            "GET",
            "/api/admin/x",
            "x-all: 1",
            Some("deny-path /api/admin/*"),
        ),
        ("GET", "/api/x.php?y=1", "x-all: 1", Some("deny-path *.php")),
        ("GET", "/api/x?y=.php", "x-all: 1", None),
        (
            "GET",
            "http://v1/api/admin/x",
            "x-all: 1",
            Some("deny-path /api/admin/*"),
        ),
        (
            "GET",
            "/api/x",
            "x-all: 1\r\nx-secret:",
            Some("deny-header X-Secret"),
        ),
        (
            "GET",
            "/api/x",
            "Cookie: a; debug=1",
            Some("deny-header cookie~debug=(1|true)"),
        ),
        ("get", "/api/x", "x-all: 1", Some("allow-method")),
        ("POST", "/api/x", "x-all: 1", Some("allow-method")),
        ("GET", "/API/x", "x-all: 1", Some("allow-path")),
        ("GET", "/x/v1/", "x-all: 1", Some("allow-path")),
        (
            "GET",
            "/api/x",
            "x-tenant: not-acme-1",
            Some("allow-header"),
        ),
    ] {
        let head = format!("{method} {target} HTTP/1.1\r\n{fields}\r\n\r\n");
        assert_eq!(refused(&filter, &head), rule, "{head}");
    }
}

#[test]
fn paths_are_bytes() {
    for (pattern, path, matches) in [
        ("/a*z", &b"/a/b/z"[..], true),
        ("/a*z", b"/a\xff\xfez", true),
        ("/a?z", b"/a\xffz", true),
        ("/a?z", b"/a\xc3\xa9z", false),
        ("/a[0-9]", b"/a7", true),
        ("/{a,b}/*", b"/b/", true),
        ("/{a,b}/*", b"/c/", false),
        (r"/a\*", b"/a*", true),
        (r"/a\*", b"/ab", false),
        ("/a", b"/a/", false),
        ("*", b"*", true),
        ("*", b"", true),
        ("~^/.$", b"/\xff", true),
        ("~b", b"/abc", true),
        (r"~^/\w+$", b"/ab\xc3\xa9", false),
        ("/é", b"/\xc3\xa9", true),
    ] {
        let pattern: PathPattern = pattern.parse().unwrap();
        assert_eq!(
            pattern.is_match(path),
            matches,
            "{pattern} on {}",
            path.escape_ascii()
        );
    }
}

#[test]
fn patterns_that_cannot_match_or_compile_are_refused() {
    for bad in [
        "",
        "admin",
        "api/*",
        "~",
        "~(",
        "/[z-a]",
        "/{a",
        "/[",
        "~a{999999}",
        "/\\",
    ] {
        let error = bad.parse::<PathPattern>().unwrap_err().to_string();
        assert!(error.contains("accepted: a glob"), "{bad}: {error}");
        assert!(!error.contains('\n'), "one line: {error}");
    }
    for bad in ["", "=x", "~x", "a b=c", "X~", "X~(", "X=[", "X: y"] {
        assert!(bad.parse::<FieldPattern>().is_err(), "{bad}");
    }
    for bad in ["", "GET ", "G T", "GET,HEAD", "GÉT"] {
        assert!(bad.parse::<Method>().is_err(), "{bad}");
    }
}

#[test]
fn a_pattern_takes_linear_time() {
    // Backtracking engines need 2^n steps here; a run of this test that ends is the proof.
    let pattern: PathPattern = "~^/(a|a|aa)*$".parse().unwrap();
    let path = [b"/".as_slice(), &vec![b'a'; 60_000], b"!"].concat();
    assert!(!pattern.is_match(&path));
}

#[test]
fn a_denied_path_is_denied_in_every_spelling() {
    let deny = filter(|config| config.deny_paths = patterns(&["/admin/*", "/a b", "~^/raw//x"]));
    for path in [
        "/admin/x",
        "http://web/admin/x",
        "/admin/x?q=/a",
        "/%61dmin/x",
        "//admin/x",
        "/./admin/x",
        "/a/../admin/x",
        "/admin%2Fx",
        "/a/%2e%2e/admin/x",
        "http://web//%61dmin/x#y",
        "/a%20b",
        "/raw//x",
    ] {
        let rule = refused(&deny, get(path));
        assert!(
            rule.is_some_and(|rule| rule.starts_with("deny-path")),
            "{path}: {rule:?}"
        );
    }
    for path in ["/public", "/public/../x", "/admin", "/x?/../admin/x", "*"] {
        assert_eq!(refused(&deny, get(path)), None, "{path}");
    }
    // What is allowed is allowed as sent.
    let allow = filter(|config| config.allow_paths = patterns(&["/public/*"]));
    assert_eq!(refused(&allow, get("/%70ublic/x")), Some("allow-path"));
}

use super::*;
use crate::{policy::FieldName, testing::with_head};

fn condition(part: Part, text: TextMatch) -> Condition {
    Condition {
        part,
        text,
        expected: Expectation::Holds,
    }
}

fn field(name: &str) -> Part {
    Part::Field(name.parse::<FieldName>().unwrap())
}

fn exact(text: &str) -> TextMatch {
    TextMatch::Exact(text.to_owned(), Case::Counts)
}

fn regex(text: &str) -> TextMatch {
    TextMatch::Regex(FullRegex::new(text).unwrap())
}

fn step(conditions: Vec<Condition>, verdict: Verdict) -> RouteStep {
    RouteStep {
        requests: Arc::new(RequestMatch { conditions }),
        verdict,
    }
}

fn mirrors(table: &RouteTable, head: &str) -> bool {
    with_head(head.as_bytes(), |head| table.mirrors(head.into()))
}

/// Whether a request with this head meets the condition.
fn holds(condition: Condition, head: &str) -> bool {
    mirrors(
        &RouteTable::new(Vec::new(), vec![step(vec![condition], Verdict::Mirror)]),
        head,
    )
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: web\r\n\r\n")
}

#[test]
fn paths_are_compared_whole_by_prefix_by_segments_or_by_regex() {
    let ignoring = |text: &str| TextMatch::Exact(text.to_owned(), Case::Ignored);
    let prefix = |text: &str| TextMatch::Prefix(text.to_owned(), Case::Counts);
    let any_case = |text: &str| TextMatch::Prefix(text.to_owned(), Case::Ignored);
    for (text, path, expected) in [
        (exact("/a"), "/a", true),
        (exact("/a"), "/a?b=/c", true),
        (exact("/a"), "/a/", false),
        (exact("/a"), "/A", false),
        (ignoring("/aB"), "/Ab", true),
        (prefix("/a"), "/ab", true),
        (prefix("/a"), "/b/a", false),
        (prefix("/a"), "/A", false),
        (any_case("/a"), "/ABC", true),
        (TextMatch::path_prefix("/a"), "/a", true),
        (TextMatch::path_prefix("/a"), "/a/", true),
        (TextMatch::path_prefix("/a"), "/a/b", true),
        (TextMatch::path_prefix("/a"), "/a?x", true),
        (TextMatch::path_prefix("/a"), "/ab", false),
        (TextMatch::path_prefix("/a/"), "/a", true),
        (TextMatch::path_prefix("/a/"), "/ab", false),
        (TextMatch::path_prefix("/"), "/", true),
        (TextMatch::path_prefix("/"), "/x/y", true),
        (regex("/a|/b"), "/b", true),
        (regex("/a|/b"), "/bc", false),
        (regex("/a|/b"), "/a/b", false),
        (regex(r"/v\d+/.*"), "/v12/x", true),
        (regex(r"/v\d+"), "/v12/x", false),
    ] {
        let shown = format!("{text} on {path}");
        assert_eq!(
            holds(condition(Part::Path, text), &get(path)),
            expected,
            "{shown}"
        );
    }
}

#[test]
fn a_regex_cannot_leave_its_anchors_or_grow_without_bound() {
    for bad in ["a)|(b", "(", "a{99999}", "(?x)a #", r"\pL", "(a{100}){100}"] {
        let error = FullRegex::new(bad).unwrap_err().to_string();
        assert!(error.contains("is no regular expression ("), "{error}");
        assert!(!error.contains('\n'), "one line: {error}");
    }
    assert!(FullRegex::new(&"(".repeat(10_000)).is_err());
}

#[test]
fn headers_are_there_or_joined_and_compared() {
    let head = "GET / HTTP/1.1\r\nX-A: 1\r\nx-b: 2\r\nX-B: 3\r\nX-Empty:\r\n\r\n";
    for (name, text, expected) in [
        ("x-a", exact("1"), true),
        ("X-A", exact("2"), false),
        ("x-b", exact("2,3"), true),
        ("x-b", exact("2"), false),
        ("x-b", regex("2,.*"), true),
        ("x-a", TextMatch::Present, true),
        ("x-empty", TextMatch::Present, true),
        ("x-empty", exact(""), true),
        ("x-c", TextMatch::Present, false),
        ("x-c", exact(""), false),
    ] {
        let shown = format!("{name} {text}");
        let plain = condition(field(name), text.clone());
        let without = Condition {
            expected: Expectation::Fails,
            ..plain.clone()
        };
        assert_eq!(holds(plain, head), expected, "{shown}");
        assert_eq!(holds(without, head), !expected, "without {shown}");
    }
}

#[test]
fn query_parameters_are_compared_by_their_first_value() {
    for (target, name, text, expected) in [
        ("/?a=1", "a", exact("1"), true),
        ("/?b=2&a=1&a=3", "a", exact("1"), true),
        ("/?b=2&a=1&a=3", "a", exact("3"), false),
        ("/?a", "a", exact(""), true),
        ("/?a=", "a", exact(""), true),
        ("/?a=b=c", "a", exact("b=c"), true),
        ("/?ab=1", "a", TextMatch::Present, false),
        ("/", "a", TextMatch::Present, false),
        ("/?", "", TextMatch::Present, true),
        ("/?a=1#x", "a", exact("1"), true),
        ("/#?a=1", "a", exact("1"), false),
        ("http://h?a=1", "a", exact("1"), true),
        ("/?a=123", "a", regex(r"\d+"), true),
        ("/?a=a123", "a", regex(r"\d+"), false),
    ] {
        let shown = format!("{name} {text} on {target}");
        let query = condition(Part::Query(name.to_owned()), text);
        assert_eq!(holds(query, &get(target)), expected, "{shown}");
    }
}

#[test]
fn an_absolute_target_says_the_authority_before_host() {
    let authority = |text| condition(Part::Authority, exact(text));
    assert!(holds(authority("web"), &get("/")));
    assert!(!holds(authority("web"), &get("http://other:80/")));
    assert!(holds(authority("other:80"), &get("http://other:80/")));
    assert!(!holds(authority(""), "GET / HTTP/1.0\r\n\r\n"));
    let method = |text| condition(Part::Method, exact(text));
    assert!(holds(method("GET"), &get("/")));
    assert!(!holds(method("get"), &get("/")));
}

#[test]
fn the_first_match_decides() {
    use Verdict::{Leave, Mirror};
    let path = |prefix: &str| vec![condition(Part::Path, TextMatch::path_prefix(prefix))];
    let table = RouteTable::new(
        Vec::new(),
        vec![
            step(path("/a/private"), Leave),
            step(path("/a"), Mirror),
            step(path("/a/late"), Leave),
            step(path("/b"), Mirror),
            step(path("/"), Leave),
            step(path("/c"), Mirror),
        ],
    );
    for (target, expected) in [
        ("/a", true),
        ("/a/private", false),
        ("/a/late", true),
        ("/b", true),
        ("/c", false),
        ("*", false),
    ] {
        assert_eq!(mirrors(&table, &get(target)), expected, "{target}");
    }
    assert_eq!(table.steps().len(), 4, "what can't matter is left out");
    assert!(!table.mirrors_all());
    let all = RouteTable::new(Vec::new(), vec![step(Vec::new(), Mirror)]);
    assert!(all.mirrors_all() && mirrors(&all, &get("*")));
    assert!(!mirrors(&RouteTable::default(), &get("/")));
}

#[test]
fn hosts_are_names_or_domains() {
    let hosts = ["web.example.com", "*.shop.example"].map(|host| host.parse().unwrap());
    let table = RouteTable::new(hosts.into(), vec![step(Vec::new(), Verdict::Mirror)]);
    assert!(!table.mirrors_all());
    for (host, expected) in [
        ("web.example.com", true),
        ("WEB.example.com:8080", true),
        ("example.com", false),
        ("a.shop.example", true),
        ("a.b.Shop.Example:80", true),
        ("shop.example", false),
        (".shop.example", false),
        ("ashop.example", false),
        ("", false),
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(mirrors(&table, &head), expected, "{host}");
    }
    for bad in ["", "*", "*.", "a..b", "*a.b", "a.*", "a:80", "é", "*.*.a"] {
        assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
    }
}

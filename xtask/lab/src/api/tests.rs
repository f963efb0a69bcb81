//! The server as a watcher meets it.

use std::io::{BufRead as _, BufReader, Read as _};

use super::*;

const PODS: &str = "/api/v1/pods";

fn server() -> FakeApi {
    FakeApi::start(None, ([127, 0, 0, 1], 0).into()).unwrap()
}

fn pod(name: &str, version: &str) -> Value {
    json!({
        "metadata": {"namespace": "default", "name": name, "labels": {"version": version}},
        "spec": {"nodeName": "n1"},
    })
}

fn ask(api: &FakeApi, target: &str) -> BufReader<TcpStream> {
    let mut connection = TcpStream::connect(api.address()).unwrap();
    // At once: a server that closes unasked breaks the pipe for what is written after the first.
    let request = format!("GET {target} HTTP/1.1\r\nhost: api\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    BufReader::new(connection)
}

/// The status and the body.
fn get(api: &FakeApi, target: &str) -> (String, Value) {
    let mut text = String::new();
    ask(api, target).read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().to_owned();
    (status, serde_json::from_str(body).unwrap())
}

fn names(api: &FakeApi, target: &str) -> Vec<String> {
    let (status, list) = get(api, target);
    assert_eq!(status, "200", "{list}");
    let items = list["items"].as_array().unwrap().iter();
    let names = items.map(|item| item["metadata"]["name"].as_str().unwrap().to_owned());
    names.collect()
}

/// A watch behind its head.
fn watch(api: &FakeApi, query: &str) -> BufReader<TcpStream> {
    let mut stream = ask(api, &format!("{PODS}?watch=true{query}"));
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0);
    }
    stream
}

/// The next event: its type and its object's name, or `None` at the end.
fn event(watch: &mut BufReader<TcpStream>) -> Option<(String, Value)> {
    loop {
        let mut line = String::new();
        if watch.read_line(&mut line).unwrap() == 0 || line == "0\r\n" {
            return None;
        }
        if let Ok(event @ Value::Object(_)) = serde_json::from_str::<Value>(&line) {
            let kind = event["type"].as_str().unwrap().to_owned();
            return Some((kind, event["object"].clone()));
        }
    }
}

fn named(event: Option<(String, Value)>) -> (String, String) {
    let (kind, object) = event.unwrap();
    (
        kind,
        object["metadata"]["name"].as_str().unwrap().to_owned(),
    )
}

#[test]
fn lists_obey_namespaces_and_selectors() {
    let api = server();
    api.apply(PODS, pod("a", "v1"));
    api.apply(PODS, pod("b", "v2"));
    for (query, expected) in [
        ("/api/v1/pods", &["a", "b"][..]),
        ("/api/v1/namespaces/default/pods?limit=500", &["a", "b"]),
        ("/api/v1/namespaces/prod/pods", &[]),
        ("/api/v1/pods?labelSelector=version%3Dv1", &["a"]),
        (
            "/api/v1/pods?labelSelector=version+in+%28v2%2Cv3%29,!x",
            &["b"],
        ),
        ("/api/v1/pods?labelSelector=version!=v1", &["b"]),
        ("/api/v1/pods?labelSelector=x", &[]),
        ("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", &["a", "b"]),
        ("/api/v1/pods?fieldSelector=spec.nodeName%3Dn2", &[]),
        ("/api/v1/pods?fieldSelector=metadata.name%3Da", &["a"]),
    ] {
        assert_eq!(names(&api, query), expected, "{query}");
    }
    assert_eq!(get(&api, "/api/v1/namespaces/default/pods/a").0, "200");
    assert_eq!(get(&api, "/api/v1/namespaces/default/pods/c").0, "404");
    let istio = "/apis/networking.istio.io/v1/virtualservices";
    assert_eq!(get(&api, istio).0, "404");
    api.serve(istio);
    assert_eq!(get(&api, istio).0, "200");
    assert!(api.wait_for_request(&["labelSelector=x"]));
}

#[test]
fn a_watch_tells_what_its_selector_sees() {
    let api = server();
    api.apply(PODS, pod("a", "v1"));
    let mut all = watch(&api, "&resourceVersion=0");
    let mut v1 = watch(&api, "&resourceVersion=1&labelSelector=version%3Dv1");
    assert_eq!(named(event(&mut all)), ("ADDED".into(), "a".into()));
    api.apply(PODS, pod("a", "v2"));
    assert_eq!(named(event(&mut all)), ("MODIFIED".into(), "a".into()));
    assert_eq!(named(event(&mut v1)), ("DELETED".into(), "a".into()));
    api.apply(PODS, pod("a", "v1"));
    assert_eq!(named(event(&mut v1)), ("ADDED".into(), "a".into()));
    api.delete(PODS, "default", "a");
    assert_eq!(named(event(&mut v1)), ("DELETED".into(), "a".into()));
    api.drop_watches();
    assert_eq!(event(&mut v1), None);
}

#[test]
fn what_is_forgotten_is_410() {
    let api = server();
    api.apply(PODS, pod("a", "v1"));
    let mut all = watch(&api, "&resourceVersion=1");
    api.expire();
    let (kind, status) = event(&mut all).unwrap();
    assert_eq!((kind.as_str(), &status["code"]), ("ERROR", &json!(410)));
    assert_eq!(event(&mut all), None);
    let old = format!("{PODS}?watch=true&resourceVersion=1");
    assert_eq!(get(&api, &old).0, "410");
    let (_, list) = get(&api, PODS);
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    let mut new = watch(&api, &format!("&resourceVersion={version}"));
    api.apply(PODS, pod("b", "v1"));
    assert_eq!(named(event(&mut new)), ("ADDED".into(), "b".into()));
}

#[test]
fn it_fails_as_it_is_told_to() {
    let api = server();
    let mut all = watch(&api, "&resourceVersion=0");
    api.set_health(Health::Refusing(403));
    assert_eq!(event(&mut all), None);
    assert_eq!(get(&api, PODS).0, "403");
    api.set_health(Health::Down);
    let mut nothing = String::new();
    // A connection that is closed with bytes unread is reset.
    let ended = ask(&api, PODS).read_to_string(&mut nothing);
    assert!(ended.is_err() || nothing.is_empty(), "{nothing}");
    api.set_health(Health::Up);
    assert_eq!(get(&api, PODS).0, "200");
    let mut short = watch(&api, "&timeoutSeconds=0");
    assert_eq!(event(&mut short), None);
}

#[test]
fn a_list_comes_in_pages_if_it_is_asked_for_so() {
    let api = server();
    for name in ["a", "b", "c"] {
        api.apply(PODS, pod(name, "v1"));
    }
    let page = |query: &str| get(&api, &format!("{PODS}?{query}")).1;
    let first = page("limit=2");
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let next = first["metadata"]["continue"].as_str().unwrap();
    let second = page(&format!("limit=2&continue={next}"));
    assert_eq!(second["items"][0]["metadata"]["name"], "c");
    assert_eq!(second["metadata"]["continue"], "");
    assert_eq!(page("")["items"].as_array().unwrap().len(), 3);
}

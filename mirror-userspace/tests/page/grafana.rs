//! The dashboard's queries, answered by a real Prometheus that has scraped a real mirror.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lab::{Host, Lab, Process, Scratch, packages};
use serde_json::Value;

use crate::{call, mirror_with, serve, top::ADMIN};

const DASHBOARD: &str = include_str!("../../../deploy/grafana/podmirror.json");
const PROMETHEUS: &str = "127.0.0.1:9099";
const PATIENCE: Duration = Duration::from_secs(60);

/// Metrics that `podmirror run` has nothing to say of, or that count what does not happen here; and why.
const EMPTY: [(&str, &str); 5] = [
    (
        "podmirror_documents_refused",
        "there are no documents without a cluster",
    ),
    ("podmirror_rule_stopped", "nothing panicked"),
    (
        "podmirror_not_followed_requests_at_least_total",
        "all of it was HTTP",
    ),
    ("podmirror_lost_bytes_total", "no byte was missing"),
    (
        "podmirror_segments_total",
        "all segments with payload were copied",
    ),
];

/// All strings under the key `expr`, as Grafana sends them for all rules and targets.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(query)) = fields.get("expr") {
                let all = [
                    ("$rule", ".*"),
                    ("$target", ".*"),
                    ("$__rate_interval", "1m"),
                ];
                let query = all.iter().fold(query.clone(), |text, (name, value)| {
                    text.replace(name, value)
                });
                assert!(!query.contains('$'), "{query}");
                found.push(query);
            }
            fields.values().for_each(|value| queries(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

/// A Prometheus in the node's network that scrapes the mirror every second.
fn prometheus(lab: &Lab, folder: &Scratch) -> Process {
    let program = packages::require("prometheus").unwrap();
    let config = folder.path().join("prometheus.yml");
    let scrapes = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: podmirror, honor_labels: true, \
         static_configs: [{{targets: ['{ADMIN}']}}]}}]\n"
    );
    fs::write(&config, scrapes).unwrap();
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.path().join("data").display()
        ))
        .arg(format!("--web.listen-address={PROMETHEUS}"))
        .arg("--log.level=error")
        .stdout(Stdio::null());
    lab.node.spawn(&mut command).unwrap()
}

/// What Prometheus answers; `None` while it does not.
fn ask(lab: &Lab, query: &str) -> Option<Value> {
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let exchange = || {
        let mut stream = TcpStream::connect(PROMETHEUS)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // HTTP/1.0: the answer ends with the connection.
        stream.write_all(
            format!("GET /api/v1/query?query={encoded} HTTP/1.0\r\nHost: a\r\n\r\n").as_bytes(),
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok::<_, io::Error>(text)
    };
    let text = lab.node.run(exchange).unwrap().ok()?;
    let (_, body) = text.split_once("\r\n\r\n")?;
    let answer: Value = serde_json::from_str(body).ok()?;
    let refused = answer["status"] == "error" && answer["errorType"] != "unavailable";
    assert!(!refused, "{query}: {answer}");
    (answer["status"] == "success").then(|| answer["data"]["result"].clone())
}

/// Whether there is a series with a number.
fn has_numbers(result: &Value) -> bool {
    let series = result.as_array().into_iter().flatten();
    let mut values = series.filter_map(|one| one["value"][1].as_str());
    values.any(|value| value.parse::<f64>().is_ok_and(f64::is_finite))
}

/// Asks until there is one.
fn wait(lab: &Lab, query: &str, more: impl Fn()) {
    let begun = Instant::now();
    loop {
        let result = ask(lab, query);
        if result.as_ref().is_some_and(has_numbers) {
            return;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "nothing to show for {query}: {result:?}"
        );
        more();
        thread::sleep(Duration::from_millis(200));
    }
}

/// How Kiali asks for the edges of its graph of workloads (`graph/telemetry/istio`), with its default labels.
const KIALI: &str = "sum(rate(istio_requests_total{reporter=\"source\", source_workload_namespace=\"shop\"}[1m])) by \
    (source_cluster, source_workload_namespace, source_workload, source_canonical_service, \
    source_canonical_revision, destination_cluster, destination_service_namespace, destination_service, \
    destination_service_name, destination_workload_namespace, destination_workload, \
    destination_canonical_service, destination_canonical_revision, request_protocol, response_code, \
    grpc_response_status, response_flags) > 0";

/// The edge from v1 to v2 is there, with both statuses of v2's replies, then with none.
fn kiali(lab: &Lab, codes: &[&str]) {
    for code in codes {
        let begun = Instant::now();
        loop {
            let found = ask(lab, KIALI).unwrap_or_default();
            let edges = found.as_array().cloned().unwrap_or_default();
            let edge = edges
                .iter()
                .map(|one| &one["metric"])
                .find(|edge| edge["response_code"] == *code);
            if let Some(edge) = edge {
                for (label, value) in [
                    ("source_workload", "web-v1"),
                    ("source_canonical_revision", "v1"),
                    ("destination_workload", "web-v2"),
                    ("destination_workload_namespace", "shop"),
                    ("destination_canonical_service", "web"),
                    ("destination_service", "web.shop.svc.cluster.local"),
                    ("request_protocol", "http"),
                ] {
                    assert_eq!(edge[label], value, "{label}");
                }
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{code}: {found}");
            call(lab, &["/orders/1", "/pay/3"], 1);
            thread::sleep(Duration::from_millis(200));
        }
    }
}

#[test]
fn every_query_of_the_dashboard_has_something_to_show() {
    let lab = Lab::new().unwrap();
    let folder = Scratch::create("prometheus").unwrap();
    let _v1 = serve(&lab, Host::V1, "");
    let pay = "location /pay { return 503; }";
    let v2 = serve(&lab, Host::V2, pay);
    let running = mirror_with(
        &lab,
        &[
            "--max-rps",
            "20",
            "--istio-metrics",
            "shop/web-v1/web/v1=>shop/web-v2/web/v2",
        ],
    );
    let _prometheus = prometheus(&lab, &folder);
    wait(&lab, "podmirror_segments_seen_total", || {});
    // More than --max-rps, which is a loss; then failures of v2.
    call(&lab, &["/users/7"], 60);
    let failures = "rate(podmirror_replies_answered_total{status=\"5xx\"}[1m]) > 0";
    wait(&lab, failures, || call(&lab, &["/pay/3"], 1));
    kiali(&lab, &["200", "503"]);
    drop(v2);
    kiali(&lab, &["0"]);
    // Quantiles are of the last minute's replies: however long the queries take, there are new ones.
    let _v2 = serve(&lab, Host::V2, pay);
    let mut all = Vec::new();
    queries(&serde_json::from_str(DASHBOARD).unwrap(), &mut all);
    assert!(all.len() > 20, "{} queries only", all.len());
    let mut shown = 0;
    for query in &all {
        let named = |metric: &str| {
            [format!("{metric}{{"), format!("{metric})")]
                .iter()
                .any(|name| query.contains(name))
        };
        let explained = EMPTY.iter().find(|(metric, _)| named(metric));
        let has_numbers = ask(&lab, query).as_ref().is_some_and(has_numbers);
        match explained {
            Some((_, why)) if !has_numbers => println!("{query}: empty, as {why}"),
            _ => {
                wait(&lab, query, || call(&lab, &["/orders/1"], 1));
                shown += 1;
            }
        }
    }
    println!("{shown} of {} queries have something to show", all.len());
    assert!(all.len() - shown <= EMPTY.len(), "{shown} of {}", all.len());
    running.stop().unwrap();
}

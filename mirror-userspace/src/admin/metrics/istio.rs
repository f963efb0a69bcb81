//! The mirrored edge as Istio would tell of it, for graphs such as Kiali's: `istio_requests_total`.
//!
//! podmirror does not know which workloads v1 and v2 are: whoever gives `--istio-metrics` says so. It counts the
//! copies that v1's requests led to and that v2 answered, or did not; those of gRPC by their status of HTTP.

use std::str::FromStr;

use mirror_core::{
    counters::{Failed, TargetCounters},
    value::BadValue,
};

use super::super::{
    snapshot::{FLAGS, ShownMirror, Snapshot},
    text::{Family, Page, counter},
};

const REQUESTS: Family = counter(
    "istio_requests_total",
    "Copies of v1's requests that v2 answered, or did not (response_code 0), as --istio-metrics names both.",
);

/// What v1 and v2 are called in a mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IstioNames {
    v1: Workload,
    v2: Workload,
}

/// A workload, as Istio's metrics name it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Workload {
    namespace: String,
    name: String,
    app: String,
    version: String,
    /// The service that it is behind.
    service: String,
}

const ACCEPTED: &str = "V1=>V2, each NAMESPACE/WORKLOAD/APP/VERSION or that with /SERVICE, such as \
                        shop/web-v1/web/v1=>shop/web-v2/web/v2";

impl FromStr for IstioNames {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let names = text.split_once("=>").and_then(|(v1, v2)| {
            Some(Self {
                v1: workload(v1)?,
                v2: workload(v2)?,
            })
        });
        names.ok_or_else(|| BadValue::new(text, "does not name two workloads", ACCEPTED))
    }
}

fn workload(text: &str) -> Option<Workload> {
    let mut parts = text.split('/');
    let mut next = || parts.next().filter(|part| is_name(part)).map(str::to_owned);
    let (namespace, name, app, version) = (next()?, next()?, next()?, next()?);
    let service = match text.split('/').count() {
        4 => app.clone(),
        _ => next()?,
    };
    parts.next().is_none().then_some(Workload {
        namespace,
        name,
        app,
        version,
        service,
    })
}

/// Whether this can be the value of a label in Kubernetes, which names are, too.
fn is_name(text: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=63).contains(&text.len()) && text.bytes().all(is_inside)
}

/// Those of the rule of the flags: a series for each status code, of which 69 are told apart at most, and five for copies
/// without a reply.
pub(in crate::admin) fn render(snapshot: &Snapshot, names: &IstioNames) -> String {
    let mut page = Page::default();
    let rule = snapshot.mirrors.iter().find(|mirror| mirror.rule == FLAGS);
    if let Some(mirror) = rule {
        of_mirror(&mut page, mirror, names);
    }
    page.to_string()
}

fn of_mirror(page: &mut Page, mirror: &ShownMirror, names: &IstioNames) {
    let mut sum = TargetCounters::default();
    for counters in &mirror.counted.targets {
        sum += counters;
    }
    for (status, count) in sum.statuses.iter() {
        add(page, names, &status.to_string(), "-", count);
    }
    // 0 is Envoy's status of a request without a reply.
    for (flag, count) in without_reply(&sum.failed) {
        if count > 0 {
            add(page, names, "0", flag, count);
        }
    }
}

/// Copies to which v2 had no reply, by what Envoy calls the reason; not those that are no fault of v2's.
const fn without_reply(failed: &Failed) -> [(&'static str, u64); 5] {
    let Failed {
        connect,
        tls,
        no_route,
        unresolved,
        timeout,
        reset,
        bad_reply,
        no_http2,
        refused,
        stream_reset,
        local: _,
        target_refused: _,
        cancelled: _,
        refused_by_v1: _,
        aborted: _,
        stream_overflow: _,
        shutdown: _,
    } = *failed;
    [
        ("UF", connect + tls + no_route + unresolved),
        ("UT", timeout),
        ("UC", reset),
        ("UPE", bad_reply + no_http2),
        ("UR", refused + stream_reset),
    ]
}

fn add(page: &mut Page, IstioNames { v1, v2 }: &IstioNames, code: &str, flags: &str, count: u64) {
    let service = format!("{}.{}.svc.cluster.local", v2.service, v2.namespace);
    let labels = [
        ("reporter", "source"),
        ("source_workload", v1.name.as_str()),
        ("source_workload_namespace", &v1.namespace),
        ("source_app", &v1.app),
        ("source_version", &v1.version),
        ("source_canonical_service", &v1.app),
        ("source_canonical_revision", &v1.version),
        ("source_cluster", CLUSTER),
        ("destination_workload", &v2.name),
        ("destination_workload_namespace", &v2.namespace),
        ("destination_app", &v2.app),
        ("destination_version", &v2.version),
        ("destination_canonical_service", &v2.app),
        ("destination_canonical_revision", &v2.version),
        ("destination_service", &service),
        ("destination_service_name", &v2.service),
        ("destination_service_namespace", &v2.namespace),
        ("destination_cluster", CLUSTER),
        ("request_protocol", "http"),
        ("response_code", code),
        ("response_flags", flags),
        ("connection_security_policy", "unknown"),
    ];
    page.add(REQUESTS, &labels, count);
}

/// What Istio calls the only cluster there is.
const CLUSTER: &str = "Kubernetes";

#[cfg(test)]
mod tests {
    use mirror_core::ledger::Counted;

    use super::*;

    const NAMES: &str = "shop/web-v1/web/v1=>shop/web-v2/web/v2";

    fn told(names: &str, statuses: &[u16], refused: u64) -> String {
        let mut target = TargetCounters::default();
        statuses
            .iter()
            .for_each(|status| target.statuses.count(*status));
        target.failed.connect = refused;
        // Our own end is no failure of v2's.
        target.failed.shutdown = 1;
        let mirror = |rule: &str| ShownMirror {
            rule: rule.into(),
            rates: Vec::new(),
            cap: None,
            counted: Counted {
                targets: vec![target.clone()],
                ..Counted::default()
            },
            names: mirror_core::ledger::Names::default(),
            attachments: 1,
        };
        let snapshot = Snapshot {
            mirrors: vec![mirror("VirtualService shop/web http[0]"), mirror(FLAGS)],
            ..Snapshot::default()
        };
        render(&snapshot, &names.parse().unwrap())
    }

    #[test]
    fn the_edge_has_a_series_for_each_status_and_one_for_no_reply() {
        let text = told(NAMES, &[200, 200, 503], 4);
        let series: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(series.len(), 3, "of the rule of the flags alone: {text}");
        for (line, code, flags, count) in [
            (0, "200", "-", "2"),
            (1, "503", "-", "1"),
            (2, "0", "UF", "4"),
        ] {
            let said = format!("response_code=\"{code}\",response_flags=\"{flags}\"");
            assert!(
                series[line].contains(&said) && series[line].ends_with(&format!(" {count}")),
                "{text}"
            );
        }
        for label in [
            "reporter=\"source\"",
            "source_workload=\"web-v1\",source_workload_namespace=\"shop\"",
            "destination_service=\"web.shop.svc.cluster.local\"",
            "destination_canonical_revision=\"v2\"",
        ] {
            assert!(
                series.iter().all(|line| line.contains(label)),
                "{label}: {text}"
            );
        }
        let named = told("a/b/c/d=>e/f/g/h/other", &[200], 0);
        assert!(
            named.contains("destination_service=\"other.e.svc.cluster.local\""),
            "{named}"
        );
        assert_eq!(told(NAMES, &[], 0), "", "nothing was sent");
    }

    #[test]
    fn whatever_v2_answers_there_are_few_series() {
        let all: Vec<_> = (0..=u16::MAX).collect();
        let text = told(NAMES, &all, 1);
        assert!(text.lines().count() <= 72, "{}", text.lines().count());
    }

    #[test]
    fn what_names_no_two_workloads_is_refused() {
        for wrong in [
            "",
            "a/b/c/d",
            "a/b/c=>a/b/c/d",
            "a/b/c/d=>a/b/c/d/e/f",
            "a/b/c/d=>a/b//d",
            "a/b/c/d=>a/b/c/\"d",
            "a/b/c/d=>a/b/c/d=>a/b/c/d",
        ] {
            let error = wrong.parse::<IstioNames>().unwrap_err();
            assert!(
                error.to_string().contains("NAMESPACE/WORKLOAD/APP/VERSION"),
                "{wrong}: {error}"
            );
        }
    }
}

//! What a version does otherwise, on one route each, and what is to be named for it.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{Answer, document};

/// What differs where: a question or a field, of a group.
pub(crate) type Named = Vec<(String, String)>;

/// A difference.
#[derive(Clone, Copy)]
pub(crate) struct Plant {
    /// The first part of the paths; the service of gRPC.
    route: &'static str,
    method: &'static str,
    /// What is to be named for it.
    names: &'static [&'static str],
    good: fn() -> Answer,
    change: fn(&mut Answer),
    /// One answer in so many is changed.
    one_in: usize,
}

/// A request: its method and its path.
pub(crate) type Request = (&'static str, String);

/// Requests to each route: of all together, fewer than may wait to be compared.
const REQUESTS: usize = 100;
/// Requests to one of which few answers are changed.
const MANY: usize = 2_500;

const fn page(
    route: &'static str,
    names: &'static [&'static str],
    change: fn(&mut Answer),
) -> Plant {
    Plant {
        route,
        method: "GET",
        names,
        good: Answer::good,
        change,
        one_in: 1,
    }
}

const fn call(
    route: &'static str,
    names: &'static [&'static str],
    change: fn(&mut Answer),
) -> Plant {
    Plant {
        method: "POST",
        good: Answer::call,
        ..page(route, names, change)
    }
}

/// In pages.
const PAGES: [Plant; 10] = [
    page("same", &[], |_| {}),
    page("header", &["header x-total"], |answer| {
        answer.remove("X-Total")
    }),
    page("number", &["json $.total"], |answer| {
        edit(answer, |document| document["total"] = json!(3));
    }),
    page(
        "renamed",
        &["json $.items[].cost", "json $.items[].price"],
        |answer| answer.body = text(answer).replace("price", "cost").into_bytes(),
    ),
    page("reordered", &["json $.items[] order"], |answer| {
        edit(answer, |document| {
            document["items"].as_array_mut().unwrap().reverse();
        });
    }),
    page(
        "said-gzip",
        &["body encoding", "header content-encoding"],
        |answer| {
            answer.fields.push(("Content-Encoding", "gzip".to_owned()));
        },
    ),
    Plant {
        good: || Answer::good().gzip(),
        ..page("broken-gzip", &["body encoding"], |answer| {
            let end = answer.body.len();
            answer.body[end - 6] ^= 1;
        })
    },
    page("status", &["status"], |answer| answer.status = 201),
    page("body", &["body"], |answer| {
        answer.body = b"<html>".to_vec();
    }),
    Plant {
        one_in: 50,
        ..page("failing", &["failures"], |answer| answer.status = 503)
    },
];

/// In calls of gRPC.
const CALLS: [Plant; 8] = [
    call("shop.Header", &["header x-total"], |answer| {
        answer.remove("X-Total")
    }),
    call("shop.Message", &["grpc message"], |answer| {
        answer.body[5] = b'x';
    }),
    call("shop.Length", &["grpc message length"], |answer| {
        answer.body = b"\0\0\0\0\x02ab".to_vec();
    }),
    call("shop.Messages", &["grpc messages"], |answer| {
        answer.body.extend([0; 5]);
    }),
    call("shop.Trailer", &["trailer x-new"], |answer| {
        answer.trailers.push(("x-new", "1".to_owned()));
    }),
    Plant {
        good: || {
            let mut answer = Answer::call();
            end(&mut answer, 5);
            answer
        },
        ..call("shop.Status", &["grpc-status"], |answer| end(answer, 3))
    },
    call("shop.Missing", &["client errors"], |answer| end(answer, 5)),
    Plant {
        one_in: 50,
        ..call("shop.Failing", &["failures"], |answer| end(answer, 14))
    },
];

/// The call ends with this status.
fn end(answer: &mut Answer, status: u8) {
    answer.trailers[0].1 = status.to_string();
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

fn edit(answer: &mut Answer, change: impl FnOnce(&mut Value)) {
    let mut document = document();
    change(&mut document);
    answer.body = document.to_string().into_bytes();
}

/// What is planted together, where HTTP/2 is spoken or is not.
#[derive(Clone, Copy)]
pub(crate) enum Scene {
    /// What is other in each answer.
    Each { http2: bool },
    /// What is other in few of many.
    Few { http2: bool },
}

impl Scene {
    /// Both of them.
    pub(crate) const fn all(http2: bool) -> [Self; 2] {
        [Self::Each { http2 }, Self::Few { http2 }]
    }

    fn plants(self) -> impl Iterator<Item = &'static Plant> {
        let (Self::Each { http2 } | Self::Few { http2 }) = self;
        let calls: &[Plant] = if http2 { &CALLS } else { &[] };
        let each = matches!(self, Self::Each { .. });
        let plants = PAGES.iter().chain(calls);
        plants.filter(move |plant| (plant.one_in == 1) == each)
    }

    /// Requests to each of its routes.
    const fn asked(self) -> usize {
        match self {
            Self::Each { .. } => REQUESTS,
            Self::Few { .. } => MANY,
        }
    }

    /// What is asked: of each route the same again and again, since that tells what differs by itself.
    pub(crate) fn requests(self) -> Vec<Request> {
        let request = |plant: &Plant| (plant.method, format!("/{}/Get", plant.route));
        let round = move |_| self.plants().map(request);
        (0..self.asked()).flat_map(round).collect()
    }

    /// Of how many of its requests the replies are alike enough to be compared field by field.
    pub(crate) fn comparable(self) -> usize {
        let fails = |plant: &&Plant| matches!(plant.names, ["failures" | "client errors"]);
        let failing = self.plants().filter(fails);
        let failed = failing.map(|plant| self.asked() / plant.one_in);
        self.requests().len() - failed.sum::<usize>()
    }

    /// What is to be named, and nothing else.
    pub(crate) fn named(self) -> Named {
        let named = self.plants().flat_map(|plant| {
            let group = format!("{} /{}", plant.method, plant.route);
            let names = plant.names.iter();
            names.map(move |name| (group.clone(), (*name).to_owned()))
        });
        let mut named: Named = named.collect();
        named.sort();
        named
    }
}

/// What differs in groups, of a verdict.
pub(crate) fn differing(verdict: &Value) -> Named {
    let differs = |it: &&Value| it["verdict"] == "differs";
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut named = Vec::new();
    for (group, findings) in verdict["groups"].as_object().unwrap() {
        let findings = findings.as_array().unwrap().iter().filter(differs);
        // In which fields contents differ, is said below.
        let findings = findings.filter(|it| it["question"] != "contents");
        named.extend(findings.map(|it| (group.clone(), text(&it["question"]))));
    }
    for field in verdict["fields"].as_array().unwrap().iter().filter(differs) {
        if let Some(group) = field["group"].as_str() {
            named.push((group.to_owned(), text(&field["field"])));
        }
    }
    named.sort();
    named
}

fn find(path: &str) -> (usize, &'static Plant) {
    let route = path.split('/').nth(1).unwrap();
    let found = PAGES
        .iter()
        .chain(&CALLS)
        .enumerate()
        .find(|it| it.1.route == route);
    found.unwrap()
}

/// What a good version answers.
pub(crate) fn good(path: &str) -> Answer {
    (find(path).1.good)()
}

/// What one answers in which all is planted.
pub(crate) fn changed() -> impl Fn(&str) -> Answer + Send + Sync + 'static {
    let asked = [const { AtomicUsize::new(0) }; PAGES.len() + CALLS.len()];
    move |path| {
        let (place, plant) = find(path);
        let mut answer = (plant.good)();
        let number = asked[place].fetch_add(1, Ordering::Relaxed);
        if number.is_multiple_of(plant.one_in) {
            (plant.change)(&mut answer);
        }
        answer
    }
}

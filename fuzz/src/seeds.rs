//! Where fuzzing starts: small inputs that reach the interesting states, all made here.

mod contents;
mod frames;
mod games;
mod h2;

use crate::{
    http_steps,
    pipeline::{BY_V1, HTTP2, PHRASES},
};
use frames::{captures, packets};
pub use h2::stories;

/// The seeds of a target; none for a name that is no target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "header_walk" => packets(),
        "capture_file" => captures(),
        "assembler" => scripts(),
        "http_parser" => streams(),
        "http_steps" => steps(),
        "reply_reader" => replies(),
        "h2" => h2::connections(),
        "pipeline" => conversations(),
        "pool" => games::of_http1(),
        "contents" => contents::pairs(),
        "pool_http2" => games::of_http2(),
        "config" => documents(),
        "tenants" => choices(),
        "rates_and_flags" => flags(),
        _ => Vec::new(),
    }
}

/// Each phrase behind each, seen from the start or not, acknowledged or not.
fn steps() -> Vec<Vec<u8>> {
    let count = u8::try_from(http_steps::PHRASES.len()).unwrap_or(u8::MAX);
    let mut seeds = Vec::new();
    for which in 0..count {
        let next = (which * 7 + 3) % count;
        seeds.push(vec![0, 0, which, 0x80, next, 0x80, 0, 0x80, 0]);
        seeds.push(vec![
            1, 0, which, 0, next, 0x85, 9, 0, 0, 0x80, 0, 7, 0, which,
        ]);
        seeds.push(vec![
            4,
            0,
            which,
            6 | 8,
            0,
            next,
            6 | 16,
            0,
            0,
            6 | 24,
            5,
            3,
            0x80,
            0,
        ]);
    }
    seeds
}

fn scripts() -> Vec<Vec<u8>> {
    let op = |what: u8, which: u8, place: u16, len: u16, more: u16| {
        let [a, b] = place.to_be_bytes();
        let [c, d] = len.to_be_bytes();
        let [e, f] = more.to_be_bytes();
        vec![what, which, a, b, c, d, e, f]
    };
    let syn = || op(1, 0, 0xffff, 0, 0xff00);
    let script = |choice: u8, ops: &[Vec<u8>]| [&[choice][..], &ops.concat()].concat();
    let reversed: Vec<_> = (1..20).rev().map(|n| op(7, 0, n * 10, 10, 0)).collect();
    vec![
        script(0, &[syn(), op(7, 0, 0, 100, 0), op(3, 0, 100, 5, 0)]),
        // The server acknowledges.
        script(
            16,
            &[
                syn(),
                op(7, 0, 0, 100, 0),
                op(15, 0, 60, 0, 0),
                op(3, 0, 100, 5, 0),
                op(15, 0, 106, 0, 0),
            ],
        ),
        script(
            6,
            &[
                syn(),
                op(7, 0, 50, 100, 0),
                op(7, 0, 0, 60, 0),
                op(2, 0, 150, 0, 0),
            ],
        ),
        script(
            15,
            &[&[syn()][..], &reversed, &[op(0, 0, 1_000, 0, 0)]].concat(),
        ),
        script(
            8,
            &[
                op(7, 9, 0, 50, 0),
                op(7, 17, 20, 50, 0),
                op(5, 1, 70, 20, 9),
            ],
        ),
        script(
            4,
            &[
                syn(),
                op(6, 0, 0, 100, 0),
                op(1, 0, 7, 0, 7),
                op(7, 0, 0, 9, 0),
            ],
        ),
        script(
            3,
            &[syn(), op(0, 0, u16::MAX, 0, 0), op(0, 0, u16::MAX, 0, 0)],
        ),
    ]
}

fn streams() -> Vec<Vec<u8>> {
    let cut = [7, 3];
    let mut seeds: Vec<_> = PHRASES
        .iter()
        .map(|phrase| [&cut[..], phrase].concat())
        .collect();
    for stream in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1;a=b;c=\"d\\\"\"\r\nx\r\n00\r\nT: v\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc",
        b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nX : a\r\n\r\n",
        b"\r\nGET http://h/ HTTP/1.0\r\nConnection: close, x\r\n\r\nleft",
        b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab\r\n",
    ] {
        seeds.push([&cut[..], stream].concat());
    }
    seeds
}

fn replies() -> Vec<Vec<u8>> {
    // A body, no flood; heads up to 1 KiB, bodies up to 1.6 KiB; cut every 7 bytes.
    let plain = [0, 128, 100, 7, 3];
    let mut seeds = Vec::new();
    for stream in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 400 unasked\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx",
        b"\r\nHTTP/1.0 200 OK\r\nContent-Length: 2, 2\r\nConnection: x, Keep-Alive\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1;a=\"b\"\r\nx\r\nA\r\n0123456789\r\n000;z\r\nT: v\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nwhatever",
        b"HTTP/1.1 200 OK\r\nX : a\r\n b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x01frames",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ] {
        seeds.push([&plain[..], stream].concat());
        // The same to a HEAD and to an upgrade, and with room for less than it has.
        seeds.push([&[2, 128, 0, 1, 9], stream].concat());
        seeds.push([&[3, 9, 0, 40, 1], stream].concat());
        seeds.push([&[0, 128, 0, 60, 5], stream].concat());
    }
    for flood in [
        &b"HTTP/1.1 100 Continue\r\n\r\n"[..],
        b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: ",
    ] {
        for expect in [0x80, 0x82] {
            seeds.push([&[expect, 128, 100, 33, 2], flood].concat());
        }
    }
    seeds
}

fn conversations() -> Vec<Vec<u8>> {
    // An operation that says a phrase: 8 is no operation of its own, so whole turns are added.
    let phrase =
        |number: usize| u8::try_from(number + if number < 9 { 24 } else { 0 }).unwrap_or(0);
    let say = |number: usize, which: u8, how: u8| vec![phrase(number), which, how];
    let script = |choices: [u8; 2], ops: &[Vec<u8>]| [&choices[..], &ops.concat()].concat();
    let chunked = [
        say(3, 0, 0),
        say(13, 0, 4),
        say(14, 0, 2),
        vec![7, 0, 0],
        say(15, 0, 0),
    ];
    let long = [&[say(2, 1, 0)][..], &vec![say(12, 1, 0); 30]].concat();
    let all: Vec<_> = (0..PHRASES.len())
        .map(|number| say(number, u8::try_from(number % 8).unwrap_or(0), 0))
        .collect();
    // Frames of HTTP/2 on one connection: what, and of which stream.
    let http2 = |frames: &[(u8, u8)]| {
        let frames = frames.iter();
        let all = frames.map(|(what, stream)| vec![HTTP2 + what, 0, *stream]);
        [vec![vec![1, 0, 0]], all.collect()].concat()
    };
    let streams = [
        (0, 0),
        (1, 0),
        (2, 1),
        (1, 2),
        (3, 0),
        (4, 2),
        (5, 0),
        (6, 1),
    ];
    let rest = [vec![0, 0, 3], vec![HTTP2 + 3, 0, 0], vec![2, 0, 0]];
    let middle = [(1, 4), (2, 5), (7, 3), (7, 1), (2, 9)];
    // v1 answers, and one of its segments is cut or lost.
    let answered = |how: u8| {
        let answers = [
            (0, 0),
            (1, 0),
            (2, 1),
            (1, 2),
            (3, 0),
            (5, 0),
            (3, 2),
            (6, 2),
        ];
        let by_v1 = answers.map(|(what, stream)| vec![HTTP2 + what, BY_V1, stream | how << 5]);
        [http2(&streams[..6]), by_v1.to_vec()].concat()
    };
    vec![
        script([1, 0], &answered(0)),
        script([3, 1], &answered(2)),
        script([1, 2], &answered(4)),
        script([1, 0], &http2(&streams)),
        script([3, 1], &[http2(&streams[..2]), rest.to_vec()].concat()),
        script(
            [1, 0],
            &http2(&[(0, 0), (1, 0), (7, 2), (7, 3), (7, 0), (2, 7)]),
        ),
        script([1, 4], &http2(&middle)[1..]),
        script(
            [0, 0],
            &[vec![1, 0, 0], say(0, 0, 0), say(1, 0, 0), say(12, 0, 0)],
        ),
        script([1, 1], &[&[vec![1, 0, 9]][..], &chunked].concat()),
        script(
            [3, 5],
            &[&[vec![1, 1, 70]][..], &long, &[vec![2, 1, 0]]].concat(),
        ),
        script(
            [1, 8],
            &[&[vec![1, 1, 70]][..], &long[..9], &[vec![3, 1, 0]]].concat(),
        ),
        script(
            [7, 2],
            &[
                vec![1, 2, 1],
                say(1, 2, 0),
                say(12, 2, 1),
                vec![0, 0, 40],
                say(0, 2, 0),
            ],
        ),
        script([0, 4], &all),
        script(
            [5, 3],
            &[
                vec![1, 3, 0],
                vec![6, 3, 5],
                b"GET /".to_vec(),
                vec![5, 0, 9],
            ],
        ),
    ]
}

/// Lists of choices, all of one kind and mixed.
fn flags() -> Vec<Vec<u8>> {
    [
        "25%",
        "0.5",
        "1/3",
        "100.00000000",
        "connection",
        "header:X-User",
        "GET",
        "X-Env: v2",
        "/api/*",
        "~^/v[0-9]+/",
        "/from=/to",
        "~^/v1(/.*)=/v2$1",
        "User-Agent=curl*",
        "[::1]:80",
        "-shadow",
        "http://v2:81,host=web:80,sample=1/4",
        "https://[fd00::1]/",
        "http://10.1",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}

/// Who, what, and bytes for the rest: one of each kind of document by each, with and without consent.
fn choices() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for consent in [&[0][..], &[7, 0, 1], &[1, 2]] {
        for first in 0..5 {
            let documents = (0..5).flat_map(|kind| {
                let rest = (0..24).map(move |at| (at * 7 + kind * 5 + first) % 11);
                [(kind + first) % 3, kind].into_iter().chain(rest)
            });
            let documents: Vec<u8> = documents.collect();
            seeds.push([consent, &documents].concat());
            // And with so many changes of the cluster, some 8 choices each.
            let count = 12;
            let changes: Vec<u8> = (0..8 * u16::from(count))
                .map(|at| (at * 5 + at / 8 + u16::from(first)) % 13)
                .map(|choice| choice as u8)
                .collect();
            let bits = consent[0] | (count << 3);
            seeds.push([&[bits], &changes[..], &consent[1..], &documents].concat());
        }
    }
    seeds
}

fn documents() -> Vec<Vec<u8>> {
    let istio = |kind: &str, spec: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n"
        )
    };
    let gateway = |kind: &str, spec: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\n\
             metadata: {{name: a, namespace: b}}\nspec: {spec}\n"
        )
    };
    let subsets = istio(
        "DestinationRule",
        "{host: a, subsets: [{name: v1, labels: {v: '1'}}, {name: v2, labels: {v: '2'}}]}",
    );
    let service = istio(
        "VirtualService",
        "{hosts: [a, '*.b.c'], gateways: [mesh, g], http: [{match: [{uri: {prefix: /a}, \
         headers: {x: {}}, port: 80}, {queryParams: {q: {regex: '\\d+'}}, sourceLabels: {}}], \
         route: [{destination: {host: a, subset: v1}, weight: 9}], mirror: {host: a, subset: v2}, \
         mirrorPercentage: {value: 0.5}}, {route: [{destination: {host: a}}], \
         mirrors: [{destination: {host: b.c.svc, port: {number: 80}}, percentage: {value: 3}}]}]}",
    );
    let route = gateway(
        "HTTPRoute",
        "{parentRefs: [{name: g}], hostnames: [h], rules: [{matches: [{path: {value: /a}}, \
         {method: GET, headers: [{name: x, value: y}]}], backendRefs: [{name: v1, port: 80}], \
         filters: [{type: RequestMirror, requestMirror: {fraction: {numerator: 1}, \
         backendRef: {name: v2, namespace: c, port: 80}}}]}]}",
    );
    let calls = gateway(
        "GRPCRoute",
        "{rules: [{matches: [{method: {service: a, method: b}}, {method: {method: c}}], \
         backendRefs: [{name: v1, port: 80, filters: [{type: RequestMirror, \
         requestMirror: {percent: 5, backendRef: {name: v2, port: 80}}}]}]}]}",
    );
    let grant = gateway(
        "ReferenceGrant",
        "{from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: b}], \
         to: [{group: '', kind: Service}]}",
    )
    .replace("namespace: b}\n", "namespace: c}\n");
    [
        format!("{service}---\n{subsets}"),
        format!("{route}---\n{grant}"),
        calls,
        "a: &a [1, 2]\nb: [*a, *a]\n<<: {c: *a}\n".to_owned(),
        "kind: List\nitems: [{kind: X, apiVersion: v1}]\n".to_owned(),
    ]
    .map(String::into_bytes)
    .into()
}

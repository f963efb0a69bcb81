//! What people look at, at a real mirror with real traffic: the page in Chromium, `podmirror top` in a terminal.
//!
//! Needs root, the eBPF object, and Debian's chromium; `cargo xtask test` provides for them. Pictures of the
//! page are left in `target/tmp/page`.

#![cfg(test)]

mod agent;
mod all_agents;
mod browser;
mod crowd;
mod differences;
mod grafana;
mod parts;
mod terminal;
mod top;
mod tune;

use std::{net::SocketAddr, path::Path, time::Instant};

use browser::{Browser, Look};
use lab::{Family, Host, Lab, Mirror, Nginx, NginxConfig, RawClient};
use mirror_core::ledger::why;

const URL: &str = "http://127.0.0.1:9091/";
/// Something that only the requests have.
const SECRET: &str = "xyzzy-4711";

fn address(host: Host) -> SocketAddr {
    host.address(Family::V4, 80)
}

fn serve(lab: &Lab, host: Host, extra: &str) -> Nginx {
    let config = NginxConfig {
        listen: vec![address(host)],
        reply: "hello".into(),
        extra: extra.into(),
        ..NginxConfig::default()
    };
    Nginx::start(lab.namespace(host), &config).unwrap()
}

fn mirror(lab: &Lab) -> Mirror {
    mirror_with(lab, &[])
}

/// The same, with these flags as well.
fn mirror_with(lab: &Lab, more: &[&str]) -> Mirror {
    let target = format!("http://{},role=candidate", address(Host::V2));
    let flags = [
        ["--interface", "eth0"],
        ["--netns", lab.v1.name()],
        ["--port", "80"],
        ["--target", &target],
        ["--replies", "on"],
        ["--compare", "v1"],
        ["--compare-rate", "100%"],
        ["--ring-size", "128M"],
        ["--ui", "127.0.0.1:9091"],
        ["--admin-address", top::ADMIN],
    ];
    let binary = Path::new(env!("CARGO_BIN_EXE_podmirror"));
    let flags = [flags.as_flattened(), more].concat();
    Mirror::start(&lab.node, binary, &flags).unwrap()
}

/// So many requests to each path.
fn call(lab: &Lab, paths: &[&str], times: usize) {
    for path in paths {
        let mut client = RawClient::connect(&lab.client, address(Host::V1)).unwrap();
        for _ in 0..times {
            let request =
                format!("GET {path}?{SECRET} HTTP/1.1\r\nHost: a\r\nCookie: {SECRET}\r\n\r\n");
            client.write(request.as_bytes()).unwrap();
            client.read_reply("GET").unwrap();
        }
    }
}

const LOOKS: [Look; 4] = [
    Look {
        name: "wide-light",
        width: 1280,
        scheme: "light",
    },
    Look {
        name: "wide-dark",
        width: 1280,
        scheme: "dark",
    },
    Look {
        name: "narrow-light",
        width: 360,
        scheme: "light",
    },
    Look {
        name: "narrow-dark",
        width: 360,
        scheme: "dark",
    },
];

#[test]
fn the_page_shows_what_is_mirrored_what_is_lost_and_why() {
    let lab = Lab::new().unwrap();
    let _v1 = serve(&lab, Host::V1, "");
    let faulty = "location /pay { return 503; } location /orders { add_header x-version 2; return 200 hello; }";
    let v2 = serve(&lab, Host::V2, faulty);
    let running = mirror(&lab);
    let mut browser = Browser::start(&lab.node);
    let wide = LOOKS[0].name;
    browser.open(&LOOKS[0], URL);
    browser.wait(wide, "#link", "live");
    browser.wait(wide, "#lost-none:not([hidden])", "Nothing is lost");

    // Traffic shows.
    call(&lab, &["/users/7", "/orders/1", "/pay/3"], 100);
    let sent = Instant::now();
    browser.wait(wide, "#books div", "sent300");
    println!("the page shows what was sent {:?} later", sent.elapsed());
    let graph = browser.text(wide, "#graph");
    for text in ["clients", "v1", "10.77.0.20", "100\u{2009}%", "requests/s"] {
        assert!(graph.contains(text), "{text}: {graph}");
    }
    assert!(!graph.contains("replies not watched"), "{graph}");

    // So does the route that is worse.
    browser.wait(wide, "#verdict-badge", "differs");
    browser.wait(wide, "#verdict-words", "v2 is worse than v1 on GET /pay");
    browser.wait(
        wide,
        "#verdict-groups li",
        "GET /pay: 100 % of requests fail at v2, 0 % at v1; the true difference is +",
    );
    browser.wait(wide, "#verdict-groups li", "at most once in 10");
    browser.wait(wide, "#glance-good", "v2: worse on GET /pay");
    let worst = "document.querySelector('#routes > li h3').textContent";
    assert_eq!(browser.evaluate(wide, worst), "GET /pay worse");
    browser.wait(wide, "#routes > li", "GET /users not enough yet");
    browser.wait(wide, "#routes > li .spark svg[aria-label]", "");
    let routes = "document.querySelectorAll('#routes > li').length";
    assert_eq!(browser.evaluate(wide, routes), 4, "three, and all requests");
    // What they differ in is named; values are kept where that is wanted only.
    browser.wait(wide, "#fields-note", "200 replies compared field by field");
    browser.wait(wide, "#fields > li", "header x-version");
    browser.wait(wide, "#fields > li", "GET /orders");
    browser.wait(wide, "#examples-note", "--keep-differences");

    // A loss is told with its reason.
    drop(v2);
    call(&lab, &["/orders/1"], 20);
    let (_, reason) = why::find("replies.failed.connect").next().unwrap();
    let what = reason.what.split('`').next().unwrap();
    browser.wait(wide, "#lost > li", what);
    browser.wait(wide, "#lost > li", "replies.failed.");
    browser.wait(
        wide,
        "#lost .helps",
        reason.helps.split('`').next().unwrap(),
    );

    // And one by one, with its connection, its request line and its segments.
    browser.wait(wide, "#last > li", "replies.failed.");
    browser.wait(wide, "#last > li", "copy for http://10.77.0.20");
    browser.wait(wide, "#last code", "GET /orders/1");
    browser.press(wide, "#last summary", "Enter");
    browser.wait(wide, "#last details[open] pre", "client");
    let file = "fetch(document.querySelector('#last a[download]').href).then(async (it) => \
                new Uint8Array(await it.arrayBuffer())[0])";
    assert_eq!(browser.evaluate(wide, file), 0x0a, "a pcapng file");

    // By the keyboard alone.
    let details = "#verdict > details:not([hidden])";
    browser.press(wide, &format!("{details} > summary"), "Enter");
    let open = format!("document.querySelector('{details}').open");
    assert_eq!(browser.evaluate(wide, &open), true);
    browser.wait(wide, "#findings tr", "client errors");

    for look in &LOOKS {
        if look.name != wide {
            browser.open(look, URL);
            browser.wait(look.name, "#link", "live");
            browser.wait(look.name, "#verdict-badge", "differs");
        }
        let name = look.name;
        browser.picture(name);
        assert_eq!(browser.inaccessible(name), serde_json::json!([]), "{name}");
        let overflow = "document.documentElement.scrollWidth - innerWidth";
        assert_eq!(browser.evaluate(name, overflow), 0, "{name}");
    }

    restarted(&lab, &mut browser, running);
    nothing_but_ours(&mut browser);
}

/// The page lives longer than the mirror.
fn restarted(lab: &Lab, browser: &mut Browser, running: Mirror) {
    let name = LOOKS[0].name;
    running.stop().unwrap();
    browser.wait(name, "#link.gone", "podmirror does not answer");
    let _v2 = serve(lab, Host::V2, "");
    let again = mirror(lab);
    browser.wait(name, "#link.live", "live, since a restart");
    call(lab, &["/orders/1"], 7);
    browser.wait(name, "#books div", "sent7");
    browser.wait(name, "#lost-none:not([hidden])", "Nothing is lost");
    let page = browser.evaluate(name, "document.documentElement.outerHTML");
    assert!(!page.as_str().unwrap().contains(SECRET), "{page}");
    let told = "fetch('/events').then(async (it) => new TextDecoder().decode((await it.body.getReader().read()).value))";
    let told = browser.evaluate(name, told);
    let told = told.as_str().unwrap();
    assert!(
        told.contains("event: books") && !told.contains(SECRET),
        "{told}"
    );
    assert!(again.stop().unwrap().ledger.balanced());
}

/// The policy is in force, and the page itself never offends it.
fn nothing_but_ours(browser: &mut Browser) {
    for look in &LOOKS {
        let violations = browser.evaluate(look.name, "violations");
        assert_eq!(violations, serde_json::json!([]), "{}", look.name);
    }
    assert_eq!(browser.wrong(), serde_json::json!([]));
    let name = LOOKS[0].name;
    let inline = "(() => { const script = document.createElement('script'); \
                  try { script.text = 'globalThis.inline = 1'; } catch {} \
                  document.body.append(script); \
                  const image = document.createElement('img'); image.src = 'http://127.0.0.2/'; \
                  document.body.append(image); })()";
    browser.evaluate(name, inline);
    let blocked = "new Promise((done) => { const look = () => violations.length ? done(String(violations)) : \
                   requestAnimationFrame(look); look(); })";
    let blocked = browser.evaluate(name, blocked);
    assert!(
        blocked.as_str().unwrap().contains("trusted-types"),
        "{blocked}"
    );
    assert_eq!(browser.evaluate(name, "globalThis.inline ?? 0"), 0);
}

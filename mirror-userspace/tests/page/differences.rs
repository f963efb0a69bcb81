//! Replies that differ, side by side, where they are kept.

use lab::{Host, Lab};

use crate::{
    URL,
    browser::{Browser, Look},
    call, mirror_with, serve,
};

const LOOK: Look = Look {
    name: "differences",
    width: 1280,
    scheme: "light",
};

#[test]
fn replies_that_differ_are_shown_side_by_side_and_redacted_values_are_not() {
    let lab = Lab::new().unwrap();
    let header = |key: &str| {
        format!(
            "location /orders {{ add_header x-key {key}; add_header x-total {key}1; return 200 a; }}"
        )
    };
    let _v1 = serve(&lab, Host::V1, &header("hunter1"));
    let v2 = format!("location /pay {{ return 503; }} {}", header("hunter2"));
    let _v2 = serve(&lab, Host::V2, &v2);
    let flags = ["--keep-differences", "20", "--redact-header", "x-key"];
    let running = mirror_with(&lab, &flags);
    let mut browser = Browser::start(&lab.node);
    let name = LOOK.name;
    browser.open(&LOOK, URL);
    browser.wait(name, "#examples-note", "None is kept");
    call(&lab, &["/orders/1", "/pay/3"], 3);
    browser.wait(name, "#examples > li", "GET /pay/3");
    browser.wait(name, "#examples > li", "status: 200 at v1, 503 at v2");
    browser.wait(
        name,
        "#examples > li",
        "header x-total: hunter11 at v1, hunter21 at v2",
    );
    browser.wait(
        name,
        "#examples > li",
        "header x-key: redacted at v1, redacted at v2",
    );
    browser.wait(name, "#fields > li", "header x-total maybe by itself");
    browser.picture(name);
    assert_eq!(browser.inaccessible(name), serde_json::json!([]));
    assert_eq!(browser.wrong(), serde_json::json!([]));
    running.stop().unwrap();
}

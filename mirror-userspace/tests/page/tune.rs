//! The sample rate, changed on the page.

use std::fs;

use lab::{Host, Lab};

use crate::{LOOKS, URL, browser::Browser, mirror_with, serve};

const TOKEN: &str = "correct horse battery staple";

#[test]
fn the_rate_is_changed_on_the_page_by_who_has_the_token() {
    let lab = Lab::new().unwrap();
    let _v1 = serve(&lab, Host::V1, "");
    let _v2 = serve(&lab, Host::V2, "");
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, TOKEN).unwrap();
    let token = token.to_str().unwrap();
    let running = mirror_with(&lab, &["--ui-tune", "--admin-token-file", token]);
    let mut browser = Browser::start(&lab.node);
    let name = LOOKS[0].name;
    browser.open(&LOOKS[0], URL);
    browser.wait(name, "#graph", "100 %");
    browser.wait(name, "#tune:not([hidden])", "Set");
    let fill = |rate: &str, token: &str| {
        format!(
            "(() => {{ document.getElementById('rate').value = '{rate}'; \
             document.getElementById('token').value = '{token}'; \
             document.getElementById('tune').requestSubmit(); }})()"
        )
    };
    browser.evaluate(name, &fill("25%", "a guess that is long enough"));
    browser.wait(name, "#tuned", "only with the token");
    browser.evaluate(name, &fill("25%", TOKEN));
    browser.wait(name, "#tuned", "It is 25% now.");
    browser.wait(name, "#graph", "25 %");
    assert_eq!(browser.inaccessible(name), serde_json::json!([]));
    assert_eq!(browser.wrong(), serde_json::json!([]));
    running.stop().unwrap();
}

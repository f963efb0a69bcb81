//! A page of which a part did not come.

use lab::{Host, Lab};

use crate::{
    URL,
    browser::{Browser, Look},
    mirror, serve,
};

#[test]
fn a_page_of_which_a_part_did_not_come_is_loaded_again() {
    let lab = Lab::new().unwrap();
    let _v1 = serve(&lab, Host::V1, "");
    let _v2 = serve(&lab, Host::V2, "");
    let running = mirror(&lab);
    let mut browser = Browser::start(&lab.node);
    // A script that a script needs, and what they say.
    for name in ["chart.js", "reasons.json"] {
        let look = Look {
            name,
            width: 1280,
            scheme: "light",
        };
        browser.lose(name);
        browser.open(&look, URL);
        browser.wait(name, "#link.live", "live");
    }
    running.stop().unwrap();
}

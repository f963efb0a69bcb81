//! Connections that do not come about.

use super::driver::Driver;
use crate::{DispatchConfig, pool::Unconnected};

const GET: &str = "GET / HTTP/1.1\r\n\r\n";

/// How many of ten copies failed, and whether the breaker opened, if no connection comes about.
fn failed(why: Unconnected) -> (Vec<(&'static str, u64)>, u64) {
    let mut driver = Driver::new(&DispatchConfig::default());
    for client in 0..10 {
        driver.send(client, GET);
        for link in driver.opened() {
            driver.pool.handle_unconnected(driver.now, link, why);
            driver.pool.handle_closed(driver.now, link);
        }
    }
    let counters = driver.counters();
    let failed = counters.failed.named().into_iter();
    let failed = failed.filter(|(_, count)| *count > 0).collect();
    (failed, counters.breaker_opened)
}

#[test]
fn each_reason_has_its_counter_and_only_the_targets_open_the_breaker() {
    for (why, counter, count, opened) in [
        (Unconnected::Failed, "connect", 5, 1),
        (Unconnected::Tls, "tls", 5, 1),
        (Unconnected::NoRoute, "no_route", 5, 1),
        (Unconnected::Forbidden, "target_refused", 10, 0),
        (Unconnected::Local, "local", 10, 0),
    ] {
        assert_eq!(failed(why), (vec![(counter, count)], opened), "{why:?}");
    }
}

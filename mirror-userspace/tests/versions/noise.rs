//! Versions that are equal, and noisy: values drawn anew for each reply, fields that come and go, failures.

use std::{collections::HashMap, sync::Mutex};

use mirror_core::random::Random;
use serde_json::json;

use super::{Answer, document, plants::Request};

/// How often it is tried.
pub(crate) const SEEDS: u64 = 10;

/// What is asked of noisy versions: pages and, over HTTP/2, calls, of which some come again.
pub(crate) fn requests(seed: u64, http2: bool) -> Vec<Request> {
    let request = |number: usize| {
        // The first hundred come twice.
        let number = number % 200;
        match number % 3 {
            0 if http2 => ("POST", format!("/shop.Cart/{seed}-{number}")),
            1 => ("GET", format!("/pay/{seed}/{number}")),
            _ => ("GET", format!("/users/{seed}/{number}")),
        }
    };
    (0..300).map(request).collect()
}

/// One of them. What it answers is drawn by its number, the path, and how often that was asked for, so that nothing
/// depends on whose reply comes first.
pub(crate) fn version(number: u64) -> impl Fn(&str) -> Answer + Send + Sync + 'static {
    let asked = Mutex::new(HashMap::<String, u64>::new());
    move |path| {
        let mut asked = asked.lock().unwrap();
        let times = asked.entry(path.to_owned()).or_default();
        *times += 1;
        let first = number << 32 | *times;
        let seed = path.bytes().fold(first, |drawn, byte| {
            (drawn ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        drop(asked);
        let mut random = Random::new(seed);
        match path.starts_with("/shop.") {
            true => call(&mut random),
            false => page(&mut random),
        }
    }
}

fn page(random: &mut Random) -> Answer {
    let mut document = document();
    document["at"] = json!(random.below(1 << 30));
    if random.one_in(3) {
        document["hint"] = json!("maybe");
    }
    if random.one_in(2) {
        document["tags"].as_array_mut().unwrap().reverse();
    }
    let mut answer = Answer::of(&document);
    if random.one_in(20) {
        answer.fields.push(("X-Cached", "1".to_owned()));
    }
    if random.one_in(10) {
        answer = answer.gzip();
    }
    if random.one_in(30) {
        answer.status = 503;
    }
    answer
}

fn call(random: &mut Random) -> Answer {
    let mut answer = Answer::call();
    answer.body[5] = if random.one_in(2) { b'a' } else { b'b' };
    if random.one_in(5) {
        answer.trailers.push(("x-drawn", random.bits().to_string()));
    }
    if random.one_in(30) {
        answer.trailers[0].1 = "14".to_owned();
    }
    answer
}

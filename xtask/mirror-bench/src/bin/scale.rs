//! Plays requests over as many connections, rules, pods and shards as its arguments say, for callgrind to count
//! what they cost: `cargo xtask bench --scale` runs it. Only [`measured`] counts, so set-up does not.

use std::{env, ops::RangeInclusive, process::ExitCode};

use mirror_bench::{
    Played,
    scale::{Scene, Size},
};

/// Requests that are counted: one of each connection, but no fewer and no more.
const REQUESTS: RangeInclusive<usize> = 4_000..=20_000;

/// callgrind's switch: it counts from its entry to its return. `cargo xtask bench` knows its name.
#[inline(never)]
fn measured(scene: &mut Scene, requests: usize) -> Played {
    scene.ask(requests)
}

fn main() -> ExitCode {
    let numbers: Vec<usize> = env::args().skip(1).flat_map(|word| word.parse()).collect();
    let [connections, rules, pods, shards] = numbers[..] else {
        eprintln!("scale CONNECTIONS RULES PODS SHARDS");
        return ExitCode::FAILURE;
    };
    let size = Size {
        connections,
        rules,
        pods,
        shards,
    };
    let mut scene = match Scene::new(size) {
        Ok(scene) => scene,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    scene.connect();
    // What a connection's first request makes for it, and the tables' growth, are no cost of one more.
    let requests = connections.clamp(*REQUESTS.start(), *REQUESTS.end());
    scene.ask(requests);
    let played = measured(&mut scene, requests);
    // The number of requests to divide by.
    println!("{}", played.copies);
    ExitCode::SUCCESS
}

//! `--ui`: a v2 that fails on one route and is limited, traffic without end, and the page that shows it.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use lab::{Forward, RawClient};

use super::{
    screen::Screen,
    stage::{FAULTY_PORT, Stage},
};

/// Where podmirror has its page, inside of the node.
const PAGE: &str = "127.0.0.1:9091";

/// Connections of the client, each with its turn of the requests.
const CLIENTS: u32 = 4;

const ROUTES: [&str; 4] = ["/users/7", "/orders/1", "/pay/3", "/orders/2"];

/// What it shows: a quarter is mirrored, a little of which is too much for v2 by `--max-rps`.
const FLAGS: [&str; 15] = [
    "--sample-rate",
    "25%",
    "--sample-by",
    "request",
    "--max-rps",
    "20",
    "--compare",
    "v1",
    // Bodies say who they are of.
    "--compare-body",
    "0",
    "--compare-rate",
    "100%",
    "--keep-differences",
    "20",
    "--ui",
];

/// Shows the page until Ctrl-C.
pub(super) fn show(stage: &mut Stage, screen: &Screen, rate: f64) -> Result<()> {
    screen.act(
        "What is mirrored where",
        "A v2 that fails on /pay, gets a quarter of the requests, and takes no more than 20 per second.",
    );
    let _faulty = stage.start_faulty()?;
    stage.target_port = FAULTY_PORT;
    let mirror = screen.mirror(stage, &[&FLAGS[..], &[PAGE]].concat())?;
    let forward = Forward::start(&stage.lab.node, 9091, PAGE.parse()?)?;
    lab::end_by_ctrl_c();
    screen.good(&format!(
        "Open http://{}/ in a browser. Ctrl-C ends the demo.",
        forward.address()
    ));
    let pause = Duration::from_secs_f64(f64::from(CLIENTS) / rate.max(1.0));
    let stage = &*stage;
    thread::scope(|scope| {
        let clients = (0..CLIENTS).map(|_| scope.spawn(move || ask_without_end(stage, pause)));
        let clients: Vec<_> = clients.collect();
        clients.into_iter().try_for_each(|client| {
            let ended = client.join();
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
    .with_context(|| mirror.stderr())
}

/// One client, which asks for all routes in turn, and for each again after `pause`.
fn ask_without_end(stage: &Stage, pause: Duration) -> Result<()> {
    let mut client = RawClient::connect(&stage.lab.client, stage.v1_address())?;
    let mut due = Instant::now();
    // nginx ends a connection after 1000 requests.
    for (number, route) in ROUTES.iter().cycle().enumerate() {
        if number % 500 == 499 {
            client = RawClient::connect(&stage.lab.client, stage.v1_address())?;
        }
        client.write(format!("GET {route} HTTP/1.1\r\nHost: v1\r\n\r\n").as_bytes())?;
        client.read_reply("GET").context("v1 did not answer")?;
        due += pause;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

//! The act in which v2 is judged: as good as v1, or not.

use anyhow::{Context as _, Result, ensure};
use lab::{Ended, RawClient};

use super::{
    acts::{Act, Copies, Scene},
    screen::Screen,
    stage::{FAULTY_PORT, Stage},
};

/// Requests to each route of the faulty v2.
const EACH: usize = 100;
const ROUTES: [&str; 3] = ["/users/7", "/orders/1", "/pay/3"];

/// Replies are compared, all of them so that a few seconds are enough, but for their bodies, in which v1 and v2 say who
/// they are.
const COMPARE: [&str; 6] = [
    "--compare",
    "v1",
    "--compare-rate",
    "100%",
    "--compare-body",
    "0",
];

/// Requests that were compared, and contents, after which an equal v2 is called the same.
const ENOUGH: u64 = 4_000;

impl Act {
    /// An equal v2 is called the same.
    pub(super) fn compared(&self, stage: &mut Stage, screen: &Screen) -> Result<Scene> {
        screen.act(
            "Is v2 any good?",
            "What v1 answered to its clients, compared with what v2 answered to the copies.",
        );
        let before = stage.settled_copies()?;
        let mirror = screen.mirror(stage, &COMPARE)?;
        let outcome = self.keep_alive(stage, screen)?;
        let at_v2 = stage.settled_copies()? - before;
        let ended = mirror.stop()?;
        screen.ledger(&ended);
        let verdict = verdict(&ended)?;
        // Of a short act, or on a machine so busy that replies are missed, too few were compared to tell.
        let compared = compared(&ended);
        let is_short = compared < ENOUGH && verdict == "not enough yet";
        ensure!(
            verdict == "same" || is_short,
            "an equal v2 was told to be, by {compared} replies: {verdict}"
        );
        Ok(Scene {
            name: "compared",
            outcome,
            copies: Copies::All {
                at_v2,
                ledger: ended.ledger,
            },
        })
    }
}

/// A v2 that fails on one route is named, with the route.
pub(super) fn faulty(stage: &mut Stage, screen: &Screen) -> Result<()> {
    screen.act(
        "A v2 that fails on one route",
        "Another v2, whose /pay answers 503. 100 requests to each of three routes.",
    );
    let _faulty = stage.start_faulty()?;
    stage.target_port = FAULTY_PORT;
    let mirror = screen.mirror(stage, &COMPARE)?;
    for route in ROUTES {
        let mut client = RawClient::connect(&stage.lab.client, stage.v1_address())?;
        for _ in 0..EACH {
            client.write(format!("GET {route} HTTP/1.1\r\nHost: v1\r\n\r\n").as_bytes())?;
            client.read_reply("GET").context("v1 did not answer")?;
        }
    }
    let ended = mirror.stop()?;
    screen.ledger(&ended);
    ensure!(
        verdict(&ended)? == "differs" && ended.stderr.contains("GET /pay: failures"),
        "the faulty route was not named"
    );
    Ok(())
}

/// How many requests were compared, or their contents, whichever were fewer.
fn compared(ended: &Ended) -> u64 {
    let counts = ["/verdict/compared", "/verdict/contents/compared"];
    let counts = counts.map(|path| ended.ledger.0.pointer(path).and_then(|it| it.as_u64()));
    counts.into_iter().flatten().min().unwrap_or_default()
}

fn verdict(ended: &Ended) -> Result<&str> {
    let verdict = ended.ledger.0.pointer("/verdict/verdict");
    let verdict = verdict.and_then(|verdict| verdict.as_str());
    verdict.context("the ledger has no verdict")
}

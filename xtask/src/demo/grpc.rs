//! The act in which v1 speaks gRPC.

use std::{thread, time::Duration};

use anyhow::{Result, ensure};
use lab::{
    Family, Host, Nginx, NginxConfig,
    load::{Http2Load, Http2Pace},
};

use super::{
    acts::{Act, Copies, Scene},
    screen::Screen,
    stage::{PORT, Stage},
};

const GRPC_PORT: u16 = 50_051;

/// Calls made one after the other, to be read by the spectator.
const SHOWN: u64 = 3;

impl Act {
    /// Calls of gRPC, mirrored call by call.
    pub(super) fn grpc(&self, stage: &mut Stage, screen: &Screen) -> Result<Scene> {
        screen.act(
            "gRPC",
            "v1 speaks HTTP/2 now. Each call is mirrored, many on each connection.",
        );
        (stage.port, stage.target_port) = (GRPC_PORT, GRPC_PORT);
        let played = self.calls(stage, screen);
        (stage.port, stage.target_port) = (PORT, PORT);
        played
    }

    fn calls(&self, stage: &Stage, screen: &Screen) -> Result<Scene> {
        let start = |host: Host| {
            let address = host.address(Family::V4, GRPC_PORT);
            Nginx::start(stage.lab.namespace(host), &NginxConfig::grpc(address, true))
        };
        let (_v1, v2) = (start(Host::V1)?, start(Host::V2)?);
        let mirror = screen.mirror(stage, &[])?;
        let shown = Http2Load {
            target: Host::V1.address(Family::V4, GRPC_PORT),
            path: "/shop.Cart/Add".to_owned(),
            message: Some(b"a pair of socks".to_vec()),
            pace: Http2Pace::Count(SHOWN),
            connections: 1,
            streams: 1,
        };
        let first = shown.run(&stage.lab.client)?;
        ensure!(first.answered == SHOWN, "v1 did not answer all calls");
        screen.line("client", &format!("{SHOWN} calls of shop.Cart.Add"));
        settled(&v2)?;
        for entry in v2.access_log()? {
            let line = format!("{} {}", entry.request_line, entry.status);
            screen.line("v2's log", &line);
        }
        let load = Http2Load {
            pace: Http2Pace::Fixed {
                rate: self.rate,
                duration: self.duration,
            },
            connections: 4,
            streams: 16,
            ..shown
        };
        let mut outcome = screen.during("h2load calls v1", || load.run(&stage.lab.client))?;
        screen.served(&outcome);
        outcome.due += first.due;
        outcome.answered += first.answered;
        let at_v2 = settled(&v2)?;
        let ended = mirror.stop()?;
        screen.ledger(&ended);
        Ok(Scene {
            name: "gRPC",
            outcome,
            copies: Copies::All {
                at_v2,
                ledger: ended.ledger,
            },
        })
    }
}

/// The calls that v2 has logged once no more arrive: half a second without a new one, at most ten.
fn settled(v2: &Nginx) -> Result<usize> {
    let mut before = v2.access_log()?.len();
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(500));
        let now = v2.access_log()?.len();
        if now == before {
            break;
        }
        before = now;
    }
    Ok(before)
}

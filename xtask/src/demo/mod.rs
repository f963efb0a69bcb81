//! `cargo xtask demo`: a running service, its live requests, and their copies at another.
//!
//! The story of the classic mirroring tutorial, on one machine and in a minute: a client asks v1
//! over and over, v1 answers every call, and v2's log shows the copies; then a quarter of them;
//! then v2's answers are compared with v1's; then both speak gRPC; then v2 dies, and v1 does not notice; and a v2 that
//! fails on one route is told apart. Every number is counted where it happens: at the client,
//! in v2's access log, in podmirror's ledger. The demo fails if they contradict each other.

mod acts;
mod compare;
mod grpc;
mod screen;
mod stage;
mod ui;

use std::{path::PathBuf, time::Duration};

use anyhow::{Result, ensure};
use clap::Args;

use acts::Act;
use screen::Screen;
use stage::Stage;

use crate::{binary, ebpf};

/// What can be chosen.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Requests per second that the client sends to v1
    #[arg(long, default_value_t = 1_000.0, default_value_if("ui", "true", "100"))]
    rate: f64,
    /// Seconds for each act
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Show podmirror's page for browsers instead, with traffic of 100 requests per second unless --rate
    /// says otherwise, until Ctrl-C
    #[arg(long)]
    ui: bool,
    /// Use this podmirror binary instead of building one
    #[arg(long, value_name = "FILE")]
    podmirror: Option<PathBuf>,
}

/// Plays the demo.
///
/// # Errors
///
/// When something cannot be set up, when v1 leaves a request unanswered, or when the books and the
/// logs do not agree.
pub(crate) fn run(options: &Options) -> Result<()> {
    lab::clean_up_on_signal()?;
    let played = play(options);
    if lab::interrupted() {
        // What failed did so because the ground is being cleared; the handler ends the process.
        loop {
            std::thread::park();
        }
    }
    played
}

fn play(options: &Options) -> Result<()> {
    let screen = Screen::new();
    let podmirror = match &options.podmirror {
        Some(path) => path.clone(),
        None => {
            ebpf::build_only(&ebpf::AT_A_POD)?;
            screen.during("Building podmirror", binary::build_for_demo)?
        }
    };
    let mut stage = screen.during("Building a pod network: client, v1, v2, node", || {
        Stage::set(podmirror)
    })?;
    screen.say(&stage.description());
    if options.ui {
        return ui::show(&mut stage, &screen, options.rate);
    }

    let act = Act {
        rate: options.rate,
        duration: Duration::from_secs(options.seconds),
    };
    let scenes = [
        act.unmirrored(&mut stage, &screen)?,
        act.mirrored(&mut stage, &screen)?,
        act.sampled(&mut stage, &screen)?,
        act.compared(&mut stage, &screen)?,
        act.grpc(&mut stage, &screen)?,
        act.target_dies(&mut stage, &screen)?,
    ];

    compare::faulty(&mut stage, &screen)?;

    screen.table(&scenes);
    let wrong: Vec<String> = scenes
        .iter()
        .flat_map(acts::Scene::contradictions)
        .collect();
    ensure!(
        wrong.is_empty(),
        "this should not be:\n  {}",
        wrong.join("\n  ")
    );
    screen.good(
        "v1 answered every request, every copy is accounted for, and the v2 that fails is named.",
    );
    Ok(())
}

//! `cargo xtask e2e`: the mirroring tutorial on a real cluster.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use cluster_lab::tutorial::{self, Disturbance, Options, Parts};
use kube::{Client, Config, config::KubeConfigOptions, config::Kubeconfig};
use tokio::signal::unix::{SignalKind, signal};

/// Plays the mirroring tutorial on a cluster, and prints a verdict for each act
///
/// Creates a namespace with v1, v2, the agent and a client; mirrors all, a half, a tenth and none of the
/// client's requests, first by flags, then as a TrafficMirror and a rollout's VirtualServices say, while pods come and
/// agents are replaced; compares the logs; removes everything. Needs the right to create cluster roles,
/// privileged pods, and kinds that are not there (which it removes).
#[derive(Parser)]
#[command(name = "cargo xtask e2e", bin_name = "cargo xtask e2e")]
struct Arguments {
    /// Kubeconfig file of the cluster; its current context is used
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,

    /// podmirror's image, which the nodes can pull or have loaded
    #[arg(long, value_name = "REF")]
    image: String,

    /// The image of v1, v2 and the client
    #[arg(long, value_name = "REF", default_value = "nginx:1.29-alpine")]
    web_image: String,

    /// The folder of deploy/ to install
    #[arg(long, value_name = "FOLDER", default_value = "base")]
    overlay: String,

    /// Requests at each rate
    #[arg(long, value_name = "N", default_value_t = 400,
          value_parser = clap::value_parser!(u32).range(100..))]
    requests: u32,

    /// What is played: what flags do, what documents do, or both
    #[arg(long, value_name = "WHAT", default_value = "all")]
    part: Part,

    /// Shell command that stops the API server for 20 s, for the act without it; left out by default
    #[arg(long, value_name = "COMMAND", requires = "api_up")]
    api_down: Option<String>,

    /// Shell command that starts it again
    #[arg(long, value_name = "COMMAND", requires = "api_down")]
    api_up: Option<String>,

    /// Something else that is away for SECONDS while v1 is asked, such as a node's kube-proxy: its name, and the shell commands
    /// that stop and start it; NODE in their environment is a node without a pod of v2. May be given several times
    #[arg(long, num_args = 4, value_names = ["NAME", "SECONDS", "STOP", "START"])]
    away: Vec<String>,

    /// podmirror on this machine, for the acts of `kubectl podmirror`; they are left out by default
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,

    /// How many seconds anything may take, such as pulling an image
    #[arg(long, value_name = "N", default_value_t = 300)]
    patience: u64,
}

/// What can be played.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Part {
    Flags,
    Documents,
    All,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all went as it should.
async fn run(arguments: Arguments) -> Result<bool> {
    let file = &arguments.kubeconfig;
    let config = Kubeconfig::read_from(file).with_context(|| file.display().to_string())?;
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
    let client = Client::try_from(config)?;
    let options = Options {
        image: arguments.image,
        web_image: arguments.web_image,
        overlay: arguments.overlay,
        requests: arguments.requests,
        patience: Duration::from_secs(arguments.patience),
        pause: Duration::from_millis(500),
        parts: match arguments.part {
            Part::Flags => Parts::Flags,
            Part::Documents => Parts::Documents,
            Part::All => Parts::All,
        },
        outage: arguments.api_down.zip(arguments.api_up),
        disturbances: disturbances(&arguments.away)?,
        plugin: arguments
            .plugin
            .map(|plugin| (plugin, arguments.kubeconfig)),
    };
    let name = format!("podmirror-e2e-{}", std::process::id());
    let mut good = true;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let played = tutorial::play(client.clone(), &name, &options, |verdict| {
        good &= verdict.good;
        println!("{verdict}");
    });
    tokio::select! {
        played = played => played?,
        _ = interrupt.recv() => return interrupted(client, &name, &options).await,
        _ = terminate.recv() => return interrupted(client, &name, &options).await,
    }
    Ok(good)
}

fn disturbances(words: &[String]) -> Result<Vec<Disturbance>> {
    let each = words.chunks_exact(4).map(|four| {
        let [name, seconds, stop, start] = four else {
            bail!("--away takes four words");
        };
        let lasts = seconds.parse().context("SECONDS of --away")?;
        Ok(Disturbance {
            name: name.clone(),
            lasts: Duration::from_secs(lasts),
            stop: stop.clone(),
            start: start.clone(),
        })
    });
    each.collect()
}

async fn interrupted(client: Client, name: &str, options: &Options) -> Result<bool> {
    eprintln!("interrupted: removing namespace {name} and what belongs to it");
    tutorial::remove(client, name, options).await?;
    Ok(false)
}

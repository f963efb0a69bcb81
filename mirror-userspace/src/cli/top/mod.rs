//! `podmirror top`: what a running podmirror does, in a terminal.

mod books;
mod keys;
mod screen;
mod verdict;
mod view;
mod words;

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use crossterm::event::Event;
use mirror_core::value::Rate;
use serde_json::Value;
use tokio::{sync::mpsc, time};

use super::{
    admin_at::AdminAt,
    supervise::{self, Signals},
};
use crate::admin::{SOCKET, client};
use keys::Todo;
use screen::Screen;
use view::View;

/// How long `podmirror top` waits between two looks at the books.
const EVERY: Duration = Duration::from_secs(1);

/// Show what a running podmirror does, as it happens
///
/// A row for each rule and target, and of one of them the verdict and what is lost, with what helps. Keys: up and
/// down choose a row, s sorts, / filters by name, + and - change the sample rate of the row's rule and 0 stops it (where
/// this may tune: by the socket, or with the token), q ends. Where the output is no terminal, prints it once.
#[derive(Args, Clone, Debug)]
pub struct TopArgs {
    /// Where podmirror's admin server is: HOST:PORT, or the path of its socket
    #[arg(long, value_name = "ADDRESS|SOCKET", default_value = SOCKET)]
    admin: AdminAt,

    /// The file with the token that the admin server was given by the flag of the same name, to change sample rates at
    /// HOST:PORT
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
}

impl TopArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let server = match self.admin {
            AdminAt(client::Server::Network(address, _)) => {
                client::Server::Network(address, self.admin_token_file)
            }
            AdminAt(socket) => socket,
        };
        let runtime = supervise::runtime()?;
        if io::stdout().is_terminal() {
            runtime.block_on(watch(&server))?;
        } else {
            let text = runtime.block_on(once(&server))?;
            print!("{text}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Shows the view what there is now.
async fn look(server: &client::Server, view: &mut View) -> anyhow::Result<()> {
    view.add(serde_json::from_str(&client::ledger(server).await?)?);
    view.differences = match client::differences(server).await? {
        Some(told) => serde_json::from_str(&told)?,
        None => Value::Null,
    };
    Ok(())
}

/// Two looks, and what is between them.
async fn once(server: &client::Server) -> anyhow::Result<String> {
    let mut view = View::default();
    look(server, &mut view).await?;
    time::sleep(EVERY).await;
    look(server, &mut view).await?;
    let lines = view.lines(screen::WIDTH);
    Ok(lines
        .iter()
        .map(|line| format!("{}\n", line.text))
        .collect())
}

/// Looks and draws until a key or a signal ends it.
async fn watch(server: &client::Server) -> anyhow::Result<()> {
    let mut view = View::default();
    // What is wrong at once is said in a line, not on a screen.
    look(server, &mut view).await?;
    let mut signals = Signals::listen()?;
    let mut screen = Screen::open()?;
    let mut events = listen();
    let mut every = time::interval(EVERY);
    loop {
        screen.draw(&view)?;
        tokio::select! {
            () = signals.end() => return Ok(()),
            // Whatever else happens to the terminal, it is drawn anew.
            Some(event) = events.recv() => if let Event::Key(key) = event {
                match keys::obey(&mut view, key) {
                    Todo::Nothing => {}
                    Todo::End => return Ok(()),
                    Todo::Set(rule, rate) => view.notice = set(server, &rule, rate).await,
                }
            },
            _ = every.tick() => if let Err(error) = look(server, &mut view).await {
                view.trouble = Some(format!("{error:#}"));
            },
        }
    }
}

/// Changes a rate, and says what came of it.
async fn set(server: &client::Server, rule: &str, rate: Rate) -> Option<String> {
    Some(
        match client::set_sample_rate(server, Some(rule), rate).await {
            Ok(_) => format!("the sample of {rule} is {rate} now"),
            Err(error) => format!("the sample of {rule} stays: {error:#}"),
        },
    )
}

/// The terminal's events, from a thread that waits for them: it ends with the process.
fn listen() -> mpsc::UnboundedReceiver<Event> {
    let (tell, events) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        while let Ok(event) = crossterm::event::read() {
            if tell.send(event).is_err() {
                return;
            }
        }
    });
    events
}

//! `podmirror top`: what a running podmirror does, in a terminal.

pub(super) mod books;
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

use anyhow::Context as _;
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
pub(super) use verdict::lines as verdict;
use view::View;
#[cfg(feature = "kubernetes")]
pub(super) use words::{percent, rate, time};

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
        runtime.block_on(show(&mut One(server)))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What was seen of what is watched.
pub(super) struct Look {
    /// The books of now.
    pub(super) books: Value,
    /// The last replies that differed, as `GET /differences` has them; null where nobody tells.
    pub(super) differences: Value,
    /// What of the books is older than now, and why.
    pub(super) trouble: Option<String>,
    /// How long it takes until none of the books is older than this look: where many podmirrors are asked by turns.
    pub(super) turn: Duration,
}

/// What is looked at, and tuned.
pub(super) trait Watched {
    /// What there is now.
    ///
    /// # Errors
    /// There is nothing to be had.
    async fn look(&mut self) -> anyhow::Result<Look>;

    /// The same, with nothing in it that is older.
    ///
    /// # Errors
    /// There is nothing to be had.
    async fn look_at_all(&mut self) -> anyhow::Result<Look> {
        self.look().await
    }

    /// Changes the rate of a rule, and says so.
    ///
    /// # Errors
    /// It stays as it was, at least in a part.
    async fn set(&mut self, rule: &str, rate: Rate) -> anyhow::Result<String>;
}

/// One podmirror.
struct One(client::Server);

impl Watched for One {
    async fn look(&mut self) -> anyhow::Result<Look> {
        let books = serde_json::from_str(&client::ledger(&self.0).await?)?;
        let differences = match client::differences(&self.0).await? {
            Some(told) => serde_json::from_str(&told)?,
            None => Value::Null,
        };
        Ok(Look {
            books,
            differences,
            trouble: None,
            turn: EVERY,
        })
    }

    async fn set(&mut self, rule: &str, rate: Rate) -> anyhow::Result<String> {
        let set = client::set_sample_rate(&self.0, Some(rule), rate).await;
        set.with_context(|| format!("the sample of {rule} stays"))?;
        Ok(format!("the sample of {rule} is {rate} now"))
    }
}

/// Shows it until a key ends that; where the output is no terminal, once.
pub(super) async fn show(watched: &mut impl Watched) -> anyhow::Result<()> {
    if io::stdout().is_terminal() {
        watch(watched).await
    } else {
        print!("{}", once(watched).await?);
        Ok(())
    }
}

/// Two looks, and what is between them.
async fn once(watched: &mut impl Watched) -> anyhow::Result<String> {
    let mut view = View::default();
    add(&mut view, watched.look_at_all().await?);
    time::sleep(EVERY).await;
    add(&mut view, watched.look_at_all().await?);
    let lines = view.lines(screen::WIDTH);
    Ok(lines
        .iter()
        .map(|line| format!("{}\n", line.text))
        .collect())
}

fn add(view: &mut View, look: Look) {
    view.add(look.books, look.turn);
    view.differences = look.differences;
    view.trouble = look.trouble;
}

/// Looks and draws until a key or a signal ends it.
async fn watch(watched: &mut impl Watched) -> anyhow::Result<()> {
    let mut view = View::default();
    // What is wrong at once is said in a line, not on a screen.
    add(&mut view, watched.look().await?);
    let mut signals = Signals::listen()?;
    let mut screen = Screen::open()?;
    let mut events = listen();
    let mut every = time::interval(EVERY);
    // Looks that take longer are not made up for.
    every.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        screen.draw(&view)?;
        tokio::select! {
            () = signals.end() => return Ok(()),
            // Whatever else happens to the terminal, it is drawn anew.
            Some(event) = events.recv() => if let Event::Key(key) = event {
                match keys::obey(&mut view, key) {
                    Todo::Nothing => {}
                    Todo::End => return Ok(()),
                    Todo::Set(rule, rate) => view.notice = Some(set(watched, &rule, rate).await),
                }
            },
            _ = every.tick() => match watched.look().await {
                Ok(look) => add(&mut view, look),
                Err(error) => view.trouble = Some(format!("{error:#}")),
            },
        }
    }
}

/// Changes a rate, and says what came of it.
async fn set(watched: &mut impl Watched, rule: &str, rate: Rate) -> String {
    let set = watched.set(rule, rate).await;
    set.unwrap_or_else(|error| format!("{error:#}"))
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

//! `podmirror top`: what a running podmirror does, in a terminal.

mod books;
mod screen;
mod view;

use std::{
    convert::Infallible,
    io::{self, IsTerminal as _},
    path::PathBuf,
    process::ExitCode,
    str::FromStr,
    time::Duration,
};

use clap::Args;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde_json::Value;
use tokio::{sync::mpsc, time};

use super::supervise::{self, Signals};
use crate::admin::{SOCKET, client};
use screen::Screen;
use view::{Order, View};

/// How long `podmirror top` waits between two looks at the books.
const EVERY: Duration = Duration::from_secs(1);

/// Show what a running podmirror does, as it happens
///
/// A row for each rule and target, and of one of them the verdict and what is lost, with what helps. Keys: up and
/// down choose a row, s sorts, q ends. Where the output is no terminal, prints it once.
#[derive(Args, Clone, Debug)]
pub struct TopArgs {
    /// Where podmirror's admin server is: HOST:PORT, or the path of its socket
    #[arg(long, value_name = "ADDRESS|SOCKET", default_value = SOCKET)]
    admin: Admin,
}

/// The admin server, as one writes it.
#[derive(Clone, Debug)]
struct Admin(client::Server);

impl FromStr for Admin {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(if text.contains('/') {
            client::Server::Socket(PathBuf::from(text))
        } else {
            client::Server::Network(text.to_owned(), None)
        }))
    }
}

impl TopArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Admin(server) = self.admin;
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

async fn ask(server: &client::Server) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&client::ledger(server).await?)?)
}

/// Two looks, and what is between them.
async fn once(server: &client::Server) -> anyhow::Result<String> {
    let mut view = View::default();
    view.add(ask(server).await?);
    time::sleep(EVERY).await;
    view.add(ask(server).await?);
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
    view.add(ask(server).await?);
    let mut signals = Signals::listen()?;
    let mut screen = Screen::open()?;
    let mut events = listen();
    let mut every = time::interval(EVERY);
    loop {
        screen.draw(&view)?;
        tokio::select! {
            () = signals.end() => return Ok(()),
            Some(event) = events.recv() => match event {
                Event::Key(key) if !obey(&mut view, key) => return Ok(()),
                _ => {}
            },
            _ = every.tick() => match ask(server).await {
                Ok(books) => view.add(books),
                Err(error) => view.trouble = Some(format!("{error:#}")),
            },
        }
    }
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

/// Does what a key says; false if it says to end.
fn obey(view: &mut View, key: KeyEvent) -> bool {
    if key.kind == KeyEventKind::Release {
        return true;
    }
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return false,
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
        KeyCode::Down | KeyCode::Char('j') => view.selected = view.selected.saturating_add(1),
        KeyCode::Up | KeyCode::Char('k') => view.selected = view.selected.saturating_sub(1),
        KeyCode::Char('s') => {
            view.order = match view.order {
                Order::Name => Order::Sent,
                Order::Sent => Order::Lost,
                Order::Lost => Order::Name,
            }
        }
        _ => {}
    }
    true
}

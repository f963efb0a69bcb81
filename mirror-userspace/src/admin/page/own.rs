//! A page by itself, for who has started it: on the loopback address, below a path that nobody guesses.
//!
//! It may show and do what its user may. Others on the same machine reach its port, and so would their pages in the
//! user's browser; but the path is told to its user only, and browsers send it to nobody (`Referrer-Policy`).

use std::{fs::File, io::Read as _, net::Ipv4Addr, sync::Arc, time::Duration};

use anyhow::Context as _;
use nix::sys::socket::{setsockopt, sockopt::SndBuf};
use subtle::ConstantTimeEq as _;
use tokio::task::JoinHandle;

use super::{Page, Source, tune::Tuning};
use crate::admin::{
    limits::{Limits, SEND_BUFFER},
    listen::Listen,
    server,
};

/// Bytes of what can't be guessed.
const SECRET: usize = 16;

/// A page that is served. Dropped, it ends, and so do its connections.
#[derive(Debug)]
pub struct OwnPage {
    url: String,
    tasks: [JoinHandle<()>; 2],
}

impl OwnPage {
    /// Serves what `source` says at a port of 127.0.0.1, or at any that is free if it is 0. Each answer may take so long.
    /// With `tunes`, rates can be changed there by who knows the address.
    ///
    /// # Errors
    /// It can't listen there.
    pub async fn start(
        port: u16,
        source: impl Source,
        answer_time: Duration,
        tunes: bool,
    ) -> anyhow::Result<Self> {
        let limits = limits(answer_time);
        let listen = Listen::At((Ipv4Addr::LOCALHOST, port).into());
        let listener = listen.listen().await;
        let listener = listener.with_context(|| format!("listening at {listen}"))?;
        // Connections inherit it.
        setsockopt(&listener, SndBuf, &SEND_BUFFER)?;
        let place = Place::random()?;
        let url = format!("http://{}/{}/", listener.local_addr()?, place.0);
        let tuning = match tunes {
            true => Tuning::Place,
            false => Tuning::Off,
        };
        let mut page = Page::new(Arc::new(source), limits, tuning);
        page.place = Some(place);
        let page = Arc::new(page);
        let watching = tokio::spawn(Arc::clone(&page).watch());
        let serving = tokio::spawn(server::accept(listener, page, limits));
        Ok(Self {
            url,
            tasks: [watching, serving],
        })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// The browser has its own time beside that of the answers: messages come all the while.
fn limits(answer_time: Duration) -> Limits {
    let limits = Limits::default();
    Limits {
        connection_time: limits.connection_time.saturating_add(answer_time),
        ..limits
    }
}

impl Drop for OwnPage {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// The first part of all paths, which nobody guesses.
#[derive(Debug)]
pub(super) struct Place(String);

impl Place {
    fn random() -> anyhow::Result<Self> {
        let mut bytes = [0; SECRET];
        let source = "/dev/urandom";
        let read = File::open(source).and_then(|mut file| file.read_exact(&mut bytes));
        read.context(source)?;
        Ok(Self(
            bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        ))
    }

    /// The rest of a path that begins with it.
    pub(super) fn within<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (secret, rest) = path.strip_prefix('/')?.split_at_checked(self.0.len())?;
        let knows: bool = secret.as_bytes().ct_eq(self.0.as_bytes()).into();
        (knows && rest.starts_with('/')).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_has_no_less_time_where_agents_have_little() {
        let least = Limits::default().connection_time;
        let given = limits(Duration::from_millis(500)).connection_time;
        assert!(given > least, "{given:?}");
        assert_eq!(limits(Duration::MAX).connection_time, Duration::MAX);
    }

    #[test]
    fn nothing_is_found_without_the_whole_secret() {
        let (place, other) = (Place::random().unwrap(), Place::random().unwrap());
        let secret = &place.0;
        assert_eq!(secret.len(), 2 * SECRET);
        assert_ne!(*secret, other.0);
        assert_eq!(place.within(&format!("/{secret}/")), Some("/"));
        assert_eq!(place.within(&format!("/{secret}/app.js")), Some("/app.js"));
        for path in [
            "",
            "/",
            "/app.js",
            &format!("/{secret}"),
            &format!("/{secret}0/"),
            &format!("/{}/", &secret[1..]),
            &format!("//{secret}/"),
            &format!("/{}/", other.0),
        ] {
            assert_eq!(place.within(path), None, "{path}");
        }
    }
}

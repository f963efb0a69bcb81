//! The admin server that a command asks, as one writes it.

use std::{convert::Infallible, path::PathBuf, str::FromStr};

use crate::admin::client;

/// `HOST:PORT`, or the path of a socket.
#[derive(Clone, Debug)]
pub(super) struct AdminAt(pub(super) client::Server);

impl FromStr for AdminAt {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(if text.contains('/') {
            client::Server::Socket(PathBuf::from(text))
        } else {
            client::Server::Network(text.to_owned(), None)
        }))
    }
}

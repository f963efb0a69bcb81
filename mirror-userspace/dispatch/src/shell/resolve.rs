//! Turns names into addresses. Names are resolved again and again: behind a name in a cluster, pods
//! come and go.

use std::{future::Future, io, net::SocketAddr, pin::Pin, time::Duration};

use tokio::{net::lookup_host, time::timeout};

/// Where addresses come from.
pub trait Resolve {
    /// The addresses of `host`, each with `port`. An error and an empty answer are the same.
    fn resolve(&self, host: &str, port: u16) -> Resolving;
}

/// A name being resolved.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>>>>;

/// The system's own resolver (getaddrinfo), given up after 5 s.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

const PATIENCE: Duration = Duration::from_secs(5);

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> Resolving {
        let host = host.to_owned();
        Box::pin(async move {
            let found = timeout(PATIENCE, lookup_host((host, port))).await??;
            Ok(found.collect())
        })
    }
}

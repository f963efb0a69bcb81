//! Lets a browser on this machine look into a namespace.

use std::{
    fs::File,
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
};

use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, setns};

use super::Namespace;

/// Connections to a port of this machine that go on to an address inside a namespace, for as long as this
/// process lives. Each takes two threads.
#[derive(Debug)]
pub struct Forward {
    address: SocketAddr,
}

impl Forward {
    /// From `port` of 127.0.0.1, or any other if it is taken, to `to` inside the namespace.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub fn start(namespace: &Namespace, port: u16, to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .or_else(|_| TcpListener::bind(("127.0.0.1", 0)))
            .context("no port is free")?;
        let address = listener.local_addr()?;
        let inside = File::open(namespace.path())?;
        thread::spawn(move || {
            // The listener stays where it was made; connections are made where this thread is.
            setns(&inside, CloneFlags::CLONE_NEWNET)?;
            for client in listener.incoming() {
                // Whoever can't be served sees a connection that closes.
                let _served = client.and_then(|client| join(client, TcpStream::connect(to)?));
            }
            Ok::<_, io::Error>(())
        });
        Ok(Self { address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Copies both ways, each until its end.
fn join(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let (from, to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || copy(from, to));
    thread::spawn(move || copy(server, client));
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    // Either end may go at any time.
    let _copied = io::copy(&mut from, &mut to);
    let _closed = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn what_is_said_on_the_machine_is_heard_in_the_namespace_and_answered() {
        let namespace = Namespace::unique("forward").unwrap();
        let server = namespace.run(|| TcpListener::bind("127.0.0.1:0")).unwrap();
        let server = server.unwrap();
        let forward = Forward::start(&namespace, 0, server.local_addr().unwrap()).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = server.accept().unwrap();
                let mut heard = Vec::new();
                stream.read_to_end(&mut heard).unwrap();
                heard.reverse();
                stream.write_all(&heard).unwrap();
            });
            let mut client = TcpStream::connect(forward.address()).unwrap();
            client.write_all(b"abc").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "cba");
        });
    }
}

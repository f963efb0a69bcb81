//! A client and a server in network namespaces of their own, joined by a veth pair: `eth0` on
//! either side.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use mirror_capture::Netns;

/// The port that the server listens on.
pub(crate) const PORT: u16 = 8080;

/// The namespaces; dropping it removes them.
pub(crate) struct Lab {
    pub(crate) client: String,
    pub(crate) server: String,
}

impl Lab {
    /// `None`, said loudly, if this is not root.
    pub(crate) fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: network namespaces need root");
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = |side| format!("pm-attach-{}-{number}-{side}", process::id());
        let lab = Self {
            client: name("c"),
            server: name("s"),
        };
        let (client, server) = (&lab.client, &lab.server);
        ip(&format!("netns add {client}"));
        ip(&format!("netns add {server}"));
        ip(&format!(
            "-n {client} link add eth0 type veth peer name eth0 netns {server}"
        ));
        for (side, host) in [(client, 1), (server, 2)] {
            ip(&format!("-n {side} addr add 10.9.0.{host}/24 dev eth0"));
            ip(&format!(
                "-n {side} addr add fd00:9::{host}/64 dev eth0 nodad"
            ));
            ip(&format!("-n {side} link set lo up"));
            ip(&format!("-n {side} link set eth0 up"));
        }
        Some(lab)
    }

    /// Adds `l3` to either side, an interface whose frames begin with the IP header: a VXLAN-GPE
    /// tunnel over `eth0`. The server gets 10.10.0.2.
    pub(crate) fn add_layer3(&self) {
        for (side, host, other) in [(&self.client, 1, 2), (&self.server, 2, 1)] {
            ip(&format!(
                "-n {side} link add l3 type vxlan dstport 4790 gpe external"
            ));
            ip(&format!("-n {side} addr add 10.10.0.{host}/32 dev l3"));
            ip(&format!("-n {side} link set l3 up"));
            ip(&format!(
                "-n {side} route add 10.10.0.{other}/32 encap ip id 7 dst 10.9.0.{other} dev l3"
            ));
        }
    }

    /// Runs a command in the server's namespace and returns what it printed.
    pub(crate) fn in_server(&self, command: &str) -> String {
        run("ip", &format!("netns exec {} {command}", self.server))
    }

    /// Sends `bytes` over a new connection, waits until the server has taken them all, and returns
    /// the client's port.
    pub(crate) fn send(&self, server: IpAddr, bytes: &[u8]) -> u16 {
        self.send_step_by_step(server, bytes, || {})
    }

    /// The same, in a few writes; `before` is called before each step, the connecting included.
    pub(crate) fn send_step_by_step(
        &self,
        server: IpAddr,
        bytes: &[u8],
        mut before: impl FnMut(),
    ) -> u16 {
        let address = SocketAddr::new(server, PORT);
        let listener = within(&self.server, || listen(address));
        let taker = thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut taken = Vec::new();
            connection.read_to_end(&mut taken).unwrap();
            taken
        });
        before();
        let mut client = within(&self.client, || TcpStream::connect(address).unwrap());
        let port = client.local_addr().unwrap().port();
        for part in bytes.chunks(bytes.len().div_ceil(3)) {
            before();
            client.write_all(part).unwrap();
        }
        before();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(taker.join().unwrap(), bytes, "the service is not to notice");
        port
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in [&self.client, &self.server] {
            // A panic here would hide the one that a test may be ending with.
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

/// Listens on the address. The listener before is closed, but a child that another test forked at
/// that moment may hold a copy of it until it executes its program.
fn listen(address: SocketAddr) -> TcpListener {
    for _ in 0..500 {
        if let Ok(listener) = TcpListener::bind(address) {
            return listener;
        }
        thread::sleep(Duration::from_millis(10));
    }
    TcpListener::bind(address).unwrap()
}

/// Runs `visit` inside the namespace. Sockets that it makes stay there.
pub(crate) fn within<T: Send>(netns: &str, visit: impl FnOnce() -> T + Send) -> T {
    let netns = Netns::Named(netns.to_owned()).open().unwrap();
    netns.run(|| Ok(visit())).unwrap()
}

fn ip(arguments: &str) {
    run("ip", arguments);
}

fn run(program: &str, arguments: &str) -> String {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{program} {arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

//! Where it is measured: the lab, with nginx as v1 and v2, and what they have counted.

use std::{cell::Cell, net::SocketAddr, path::PathBuf, thread, time::Duration};

use anyhow::{Context as _, Result};
use lab::{Family, Host, Lab, Nginx, NginxConfig, RawClient};

use super::loads::Traffic;

/// The port that is mirrored.
pub(super) const PORT: u16 = 80;

/// The port that is mirrored where gRPC is measured.
pub(super) const GRPC_PORT: u16 = 50_051;

/// A port of v1 that nobody mirrors.
pub(super) const OTHER_PORT: u16 = 81;

/// Where proxies listen, on the node.
const PROXY_PORT: u16 = 8_080;

/// `/post` answers when it has read the body, which `return` does not wait for: `mirror` reads it,
/// for a location that says nothing; then the missing file's 404 becomes the answer.
const LOCATIONS: &str = "
    log_not_found off;
    location = /status { stub_status; }
    location = /post { mirror /body; error_page 404 405 =200 @answer; }
    location @answer { return 200 \"hello\"; }";

pub(super) struct Ground {
    pub(super) podmirror: PathBuf,
    // Before the lab: they are dropped in this order.
    pub(super) v1: Service,
    pub(super) v2: Service,
    pub(super) lab: Lab,
}

/// An nginx that counts.
pub(super) struct Service {
    nginx: Nginx,
    address: SocketAddr,
    host: Host,
    /// How often it was asked for its count; each is a request, too.
    asked: Cell<u64>,
}

impl Ground {
    pub(super) fn lay(podmirror: PathBuf) -> Result<Self> {
        let lab = Lab::new()?;
        let v1 = Service::start(&lab, Host::V1)?;
        let v2 = Service::start(&lab, Host::V2)?;
        Ok(Self {
            podmirror,
            v1,
            v2,
            lab,
        })
    }

    pub(super) fn proxy_address(&self) -> SocketAddr {
        // The node's address in every lab.
        SocketAddr::new([10, 77, 0, 1].into(), PROXY_PORT)
    }

    /// v2's count once no more arrive: a fifth of a second without a new one, at most ten
    /// seconds.
    pub(super) fn settled_v2(&self) -> Result<u64> {
        let mut before = self.v2.count(&self.lab)?;
        for _ in 0..50 {
            thread::sleep(Duration::from_millis(200));
            let now = self.v2.count(&self.lab)?;
            if now == before {
                break;
            }
            before = now;
        }
        Ok(before)
    }
}

impl Service {
    fn start(lab: &Lab, host: Host) -> Result<Self> {
        let address = host.address(Family::V4, PORT);
        let grpc = NginxConfig::grpc(host.address(Family::V4, GRPC_PORT), false);
        let config = NginxConfig {
            listen: vec![address, host.address(Family::V4, OTHER_PORT)],
            reply: "hello".to_owned(),
            extra: LOCATIONS.to_owned() + &grpc.extra,
            ..grpc
        };
        let nginx = Nginx::start(lab.namespace(host), &config)?;
        Ok(Self {
            nginx,
            address,
            host,
            asked: Cell::new(0),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address where this traffic goes.
    pub(super) fn address_for(&self, load: &Traffic) -> SocketAddr {
        SocketAddr::new(self.address.ip(), load.port())
    }

    /// The process whose CPU time is the service's.
    pub(super) fn worker(&self) -> Result<u32> {
        self.nginx.worker_id()
    }

    /// Requests so far, without those that ask for this number. They come from the service's own
    /// namespace and go to the other port: no mirror sees them.
    pub(super) fn count(&self, lab: &Lab) -> Result<u64> {
        let address = self.host.address(Family::V4, OTHER_PORT);
        let mut client = RawClient::connect(lab.namespace(self.host), address)?;
        client.write(b"GET /status HTTP/1.1\r\nHost: status\r\n\r\n")?;
        let reply = client.read_reply("GET")?;
        self.asked.set(self.asked.get() + 1);
        let text = String::from_utf8_lossy(&reply.body.bytes);
        let all = requests(&text).with_context(|| format!("nginx's status says {text}"))?;
        Ok(all - self.asked.get())
    }
}

/// The third number under `server accepts handled requests`.
fn requests(status: &str) -> Option<u64> {
    let numbers = status.lines().nth(2)?;
    numbers.split_whitespace().nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_from_the_status() {
        let status = "Active connections: 1 \nserver accepts handled requests\n 5 5 17 \n\
                      Reading: 0 Writing: 1 Waiting: 0 \n";
        assert_eq!(requests(status), Some(17));
        assert_eq!(requests("404"), None);
    }

    #[test]
    fn asking_for_the_count_does_not_count() {
        let ground = Ground::lay(PathBuf::new()).unwrap();
        assert_eq!(ground.v1.count(&ground.lab).unwrap(), 0);
        assert_eq!(ground.v1.count(&ground.lab).unwrap(), 0);
        let mut client = RawClient::connect(&ground.lab.client, ground.v1.address()).unwrap();
        let head = b"POST /post HTTP/1.1\r\nHost: v1\r\nContent-Length: 3\r\n\r\n";
        client.write(head).unwrap();
        client.write(b"abc").unwrap();
        let reply = client.read_reply("POST").unwrap();
        assert_eq!((reply.status, &reply.body.bytes[..]), (200, &b"hello"[..]));
        assert_eq!(ground.v1.count(&ground.lab).unwrap(), 1);
    }
}

//! The loads, as a table.

use lab::load::Reuse;

use super::ground::{GRPC_PORT, PORT};

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// This many per second, whatever becomes of them (our own generator).
    Fixed(f64),
    /// The next when the last is answered, so many at once on each connection (wrk).
    Closed,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// GET, or POST with a body.
    Http1,
    /// Unary calls over HTTP/2, by h2load at any pace; the body is the message.
    Grpc,
}

/// One kind of traffic.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    pub(super) name: &'static str,
    pub(super) protocol: Protocol,
    /// Bytes of the body; 0 is a GET.
    pub(super) body: usize,
    pub(super) pace: Pace,
    /// Requests that a connection has on the way; above 1 it is pipelining, or many streams.
    pub(super) depth: u32,
    pub(super) connections: usize,
    /// More connections that are open all the while and say nothing.
    pub(super) idle: usize,
    pub(super) reuse: Reuse,
    /// Whether every sample rate is measured with it, or 100 % only.
    pub(super) sampled: Sampled,
    /// Whether `--quick` has it.
    pub(super) quick: Quick,
}

/// Which sample rates are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sampled {
    /// 0, 1, 25 and 100 %.
    AllRates,
    /// Measured at a sample rate of 100 % only.
    Whole,
}

/// What of a load `--quick` runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quick {
    /// The load runs with all subjects.
    All,
    /// The load runs with podmirror only.
    Podmirror,
    /// The load is left out.
    Left,
}

/// The same load without and with idle connections: what these cost is the difference.
pub(super) const FEW: &str = "busy-32";
pub(super) const MANY: &str = "busy-32-of-10000";

const KIB: usize = 1 << 10;

/// From the cheapest to the most expensive, by kind.
pub(super) fn table() -> Vec<Traffic> {
    let get = |name, pace, connections| Traffic {
        name,
        protocol: Protocol::Http1,
        body: 0,
        pace,
        depth: 1,
        connections,
        idle: 0,
        reuse: Reuse::KeepAlive,
        sampled: Sampled::Whole,
        quick: Quick::Left,
    };
    let fixed = Pace::Fixed;
    let closed = Pace::Closed;
    let post = |name, body, pace, connections| Traffic {
        body,
        ..get(name, pace, connections)
    };
    let grpc = |name, pace, connections| Traffic {
        protocol: Protocol::Grpc,
        ..post(name, 100, pace, connections)
    };
    vec![
        get("get-500", fixed(500.0), 16),
        Traffic {
            sampled: Sampled::AllRates,
            quick: Quick::All,
            ..get("get-2000", fixed(2_000.0), 16)
        },
        get("get-8000", fixed(8_000.0), 16),
        get("get-closed-1", closed, 1),
        Traffic {
            sampled: Sampled::AllRates,
            quick: Quick::All,
            ..get("get-closed-32", closed, 32)
        },
        Traffic {
            sampled: Sampled::AllRates,
            ..get("get-closed-1000", closed, 1_000)
        },
        get("get-closed-10000", closed, 10_000),
        Traffic {
            depth: 16,
            ..get("get-pipelined", closed, 32)
        },
        Traffic {
            depth: 16,
            ..get("pipelined-8000", fixed(8_000.0), 32)
        },
        get(FEW, fixed(2_000.0), 32),
        Traffic {
            idle: 10_000 - 32,
            ..get(MANY, fixed(2_000.0), 32)
        },
        Traffic {
            reuse: Reuse::Never,
            ..get("new-connection-500", fixed(500.0), 16)
        },
        Traffic {
            reuse: Reuse::Never,
            ..get("new-connection-closed", closed, 32)
        },
        post("post-2k-2000", 2 * KIB, fixed(2_000.0), 16),
        post("post-2k-closed", 2 * KIB, closed, 32),
        Traffic {
            quick: Quick::Podmirror,
            ..post("post-256k-300", 256 * KIB, fixed(300.0), 16)
        },
        post("post-256k-closed", 256 * KIB, closed, 32),
        post("post-64m-1", 64 * KIB * KIB, fixed(1.0), 2),
        grpc("grpc-2000", fixed(2_000.0), 16),
        grpc("grpc-closed-32", closed, 32),
        Traffic {
            depth: 16,
            ..grpc("grpc-streams", closed, 32)
        },
    ]
}

impl Traffic {
    pub(super) fn method(&self) -> &'static str {
        if self.body == 0 { "GET" } else { "POST" }
    }

    /// The port where it is spoken, of v1 and v2.
    pub(super) fn port(&self) -> u16 {
        match self.protocol {
            Protocol::Http1 => PORT,
            Protocol::Grpc => GRPC_PORT,
        }
    }

    /// `/post` reads the body before it answers, which `/` does not.
    pub(super) fn path(&self) -> &'static str {
        if self.body == 0 { "/" } else { "/post" }
    }

    /// The bytes of one request.
    pub(super) fn request(&self) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: v1\r\nUser-Agent: podmirror-load\r\nAccept: */*\r\n",
            self.method(),
            self.path()
        );
        if self.body > 0 {
            head += &format!("Content-Length: {}\r\n", self.body);
        }
        let mut request = (head + "\r\n").into_bytes();
        request.resize(request.len() + self.body, b'x');
        request
    }

    /// For people: what is sent, and when.
    pub(super) fn description(&self) -> String {
        let body = match self.body {
            0 => String::new(),
            bytes if bytes < KIB => format!(" {bytes} bytes"),
            bytes if bytes < KIB * KIB => format!(" {} KiB", bytes / KIB),
            bytes => format!(" {} MiB", bytes / KIB / KIB),
        };
        let pace = match self.pace {
            Pace::Fixed(rate) => format!("{rate} per second"),
            Pace::Closed => "closed loop".to_owned(),
        };
        let pipelined = match self.depth {
            1 => String::new(),
            depth if self.protocol == Protocol::Grpc => format!(", {depth} streams"),
            depth => format!(", {depth} pipelined"),
        };
        let idle = match self.idle {
            0 => String::new(),
            count => format!(" beside {count} that are idle"),
        };
        let connections = match (self.connections, self.reuse) {
            (1, Reuse::KeepAlive) => "1 connection".to_owned(),
            (count, Reuse::KeepAlive) => format!("{count} connections"),
            (count, Reuse::Never) => format!("a new connection each, {count} at once"),
        };
        let what = match self.protocol {
            Protocol::Http1 => self.method(),
            Protocol::Grpc => "gRPC call",
        };
        format!("{what}{body}, {pace}{pipelined}, {connections}{idle}")
    }
}

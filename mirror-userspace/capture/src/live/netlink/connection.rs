//! Whether somebody elsewhere has a connection to a port here, which shows that the kernel has the port's
//! connections as the frames name them: nothing redirects them to another port behind the hook.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{address::each_address, rtnetlink::dump_sockets};

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
const ESTABLISHED: u32 = 1 << 1;

/// `struct inet_diag_sockid`; ports and addresses are in network byte order.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Ends {
    local_port: [u8; 2],
    remote_port: [u8; 2],
    local: [u8; 16],
    remote: [u8; 16],
    interface: u32,
    cookie: [u32; 2],
}

/// `struct inet_diag_req_v2`.
#[derive(Clone, Copy, Default, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Question {
    family: u8,
    protocol: u8,
    extensions: u8,
    pad: u8,
    states: u32,
    ends: Ends,
}

/// The beginning of `struct inet_diag_msg`.
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Answer {
    family: u8,
    state: u8,
    timer: u8,
    retransmissions: u8,
    ends: Ends,
}

/// Whether the calling thread's namespace has an established connection of this port whose other end is not
/// in it. Those within it prove nothing: behind a redirect, a proxy connects to the port so.
///
/// # Errors
///
/// The kernel can't be asked: it has no `inet_diag`.
pub(in crate::live) fn is_connected(port: u16) -> io::Result<bool> {
    let mut own = Vec::new();
    each_address(|_, address| own.push(address))?;
    for family in [AF_INET, AF_INET6] {
        let question = Question {
            family,
            protocol: IPPROTO_TCP,
            states: ESTABLISHED,
            ends: Ends {
                local_port: port.to_be_bytes(),
                ..Ends::default()
            },
            ..Question::default()
        };
        let mut found = false;
        dump_sockets(&question, |reply| {
            let answer = Answer::read_from_prefix(reply);
            found |= answer.is_ok_and(|(answer, _)| {
                let here = answer.ends.local_port == port.to_be_bytes();
                here && is_elsewhere(answer.remote(), &own)
            });
            found
        })?;
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Answer {
    fn remote(&self) -> IpAddr {
        let [a, b, c, d, ..] = self.ends.remote;
        match self.family {
            AF_INET => Ipv4Addr::new(a, b, c, d).into(),
            _ => Ipv6Addr::from(self.ends.remote).to_canonical(),
        }
    }
}

fn is_elsewhere(address: IpAddr, own: &[IpAddr]) -> bool {
    !address.is_loopback() && !own.contains(&address)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_kernels_structures_have_their_sizes() {
        assert_eq!(size_of::<Ends>(), 48);
        assert_eq!(size_of::<Question>(), 56);
        assert_eq!(size_of::<Answer>(), 52);
    }

    #[test]
    fn a_connection_within_the_namespace_proves_nothing() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue;
            };
            let address = listener.local_addr().unwrap();
            let _client = TcpStream::connect(address).unwrap();
            let _server = listener.accept().unwrap();
            assert!(!is_connected(address.port()).unwrap());
        }
        let own = [IpAddr::from([10, 0, 0, 1])];
        assert!(!is_elsewhere([10, 0, 0, 1].into(), &own));
        assert!(!is_elsewhere([127, 0, 0, 6].into(), &own));
        assert!(is_elsewhere([10, 0, 0, 2].into(), &own));
    }
}

//! Networks, as the operator writes them: `10.0.0.0/8`, `fd00::/8`, or one address.

use std::{fmt, net::IpAddr, str::FromStr};

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` is one of them; one of the other version of IP is not.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4()
            && masked(bits(address), self.prefix, width(address)) == bits(self.first)
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The first `prefix` of `width` bits; the others are 0.
fn masked(bits: u128, prefix: u8, width: u8) -> u128 {
    let host = u32::from(width.saturating_sub(prefix));
    // All 128 bits are no shift that `>>` has.
    let kept = bits.checked_shr(host).unwrap_or(0);
    kept.checked_shl(host).unwrap_or(0)
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let accepted = "accepted: a network such as 10.0.0.0/8 or fd00::/8, or one address";
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| accepted.to_owned())?;
        let digits = |prefix: &&str| prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = match prefix {
            None => width(first),
            Some(prefix) => Some(prefix)
                .filter(digits)
                .and_then(|prefix| prefix.parse().ok())
                .filter(|&prefix| prefix <= width(first))
                .ok_or_else(|| accepted.to_owned())?,
        };
        if masked(bits(first), prefix, width(first)) != bits(first) {
            return Err(format!("it has bits behind its prefix; {accepted}"));
        }
        Ok(Self { first, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_what_begins_with_its_bits() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("0.0.0.0/0", "255.255.255.255", "::"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.6/31", "192.0.2.7", "192.0.2.8"),
            ("::/0", "ffff::1", "10.0.0.1"),
            ("fd00::/8", "fdff::1", "fc00::1"),
            ("fd00::1/128", "fd00::1", "fd00::2"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network}");
            assert!(!network.contains(outside.parse().unwrap()), "{network}");
            assert_eq!(network.to_string().parse(), Ok(network));
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in [
            "",
            "/",
            "/8",
            "10/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "fd00::/129",
            "10.0.0.0/8/8",
            "web",
        ] {
            let error = bad.parse::<Network>().unwrap_err();
            assert!(error.starts_with("accepted: "), "{bad}: {error}");
        }
        let error = "10.0.0.1/8".parse::<Network>().unwrap_err();
        assert!(error.starts_with("it has bits behind"), "{error}");
    }
}

//! What a sampling decision is based on, and the hash of the key.
//!
//! The kernel decides by connection and by client address. Userspace decides by all four keys, with the
//! same hash and comparison ([`mirror_common::sample`]), because a capture file has no kernel stage and
//! targets may have rates of their own. So the stages never contradict each other: what the kernel lets
//! through at the highest rate contains every target's sample.

use std::{fmt, str::FromStr};

use mirror_common::{
    sample::{Mix, Secret, client_hash, connection_hash, is_sampled},
    settings::SampleKey,
};

use super::field::FieldName;
use crate::value::BadValue;
use crate::{
    http::RequestHead,
    segment::{Endpoint, FlowId},
};

/// The seeds of the decisions that only userspace takes: "requests" and "headers!" in ASCII.
const REQUEST_SEED: u64 = 0x7265_7175_6573_7473;
const FIELD_SEED: u64 = 0x6865_6164_6572_7321;

/// What is in or out as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SampleBy {
    /// All requests of a connection (the default): decided in the kernel, before any copy.
    #[default]
    Connection,
    /// All requests of a client address: decided in the kernel, before any copy. Where a PROXY header names the
    /// client, the kernel decides by the balancer's address, and this by the client's: of the balancers that are
    /// in, a share of their clients.
    ClientIp,
    /// Each request by its connection and its place in it, counted from the first one seen; of HTTP/2, its stream.
    Request,
    /// All requests with the same value of this field, compared byte by byte. Of several such
    /// lines the first counts; requests without one share the empty value, so they are in or out
    /// together.
    Header(FieldName),
}

impl SampleBy {
    /// The key that the kernel can decide on, or `None` if it has to let everything through.
    #[must_use]
    pub const fn kernel_key(&self) -> Option<SampleKey> {
        match self {
            Self::Connection => Some(SampleKey::Connection),
            Self::ClientIp => Some(SampleKey::ClientAddress),
            Self::Request | Self::Header(_) => None,
        }
    }

    /// The hash of the key that this request has: the `ordinal`-th one seen on its connection, sent `by` its
    /// client or whoever a PROXY header names behind it.
    #[must_use]
    pub fn hash(
        &self,
        secret: Secret,
        flow: &FlowId,
        by: &Endpoint,
        ordinal: u32,
        head: RequestHead<'_>,
    ) -> SampleHash {
        let FlowId { client, server, .. } = flow;
        SampleHash(match self {
            Self::Connection => {
                let (from, to) = (&client.address, &server.address);
                connection_hash(secret, from, to, client.port, server.port)
            }
            Self::ClientIp => client_hash(secret, &by.address),
            Self::Request => high_half(
                secret
                    .mix(REQUEST_SEED)
                    .address(&client.address)
                    .address(&server.address)
                    .word((u64::from(client.port) << 16) | u64::from(server.port))
                    .word(u64::from(ordinal)),
            ),
            Self::Header(name) => {
                let value = head.first_value(name.as_str()).unwrap_or_default();
                field_hash(secret, &value)
            }
        })
    }

    /// What a share is a share of: `sample 25 % of connections`.
    #[must_use]
    pub const fn unit(&self) -> &'static str {
        match self {
            Self::Connection => "connections",
            Self::ClientIp => "clients",
            Self::Request => "requests",
            Self::Header(_) => "header values",
        }
    }
}

/// The hash of a request's sampling key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleHash(u32);

impl SampleHash {
    /// Whether the key is in at this threshold ([`super::Rate::threshold`]).
    #[must_use]
    pub const fn is_below(self, threshold: u64) -> bool {
        is_sampled(self.0, threshold)
    }
}

/// Hashes bytes as words; the length keeps a short last word apart from one padded by the sender.
fn field_hash(secret: Secret, value: &[u8]) -> u32 {
    let start = secret.mix(FIELD_SEED).word(value.len() as u64);
    high_half(value.chunks(8).fold(start, |hash, chunk| {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(chunk) {
            *to = *from;
        }
        hash.word(u64::from_le_bytes(word))
    }))
}

/// The better mixed half of a hash, as [`mirror_common::sample`] takes it.
fn high_half(hash: Mix) -> u32 {
    let [a, b, c, d, ..] = hash.finish().to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

impl FromStr for SampleBy {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let accepted = "connection, client-ip, request or header:NAME";
        match text {
            "connection" => Ok(Self::Connection),
            "client-ip" => Ok(Self::ClientIp),
            "request" => Ok(Self::Request),
            _ => match text.strip_prefix("header:") {
                Some(name) => Ok(Self::Header(name.parse()?)),
                None => Err(BadValue::new(text, "is nothing to sample by", accepted)),
            },
        }
    }
}

impl fmt::Display for SampleBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection => f.write_str("connection"),
            Self::ClientIp => f.write_str("client-ip"),
            Self::Request => f.write_str("request"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}

#[cfg(test)]
mod tests;

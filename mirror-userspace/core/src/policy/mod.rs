//! Decides which requests a target gets, and what is changed in them.
//!
//! A request faces three questions: does a rule keep it from being mirrored at all
//! ([`Policy::filter`]), is it in a target's sample ([`Policy::samples`]), and what does its head look
//! like for that target ([`Policy::write_head`])? The answers depend only on the configuration and the
//! request: no clock, no randomness, no state.
//!
//! Values are checked where they are read ([`FromStr`](std::str::FromStr) on each type), so a
//! [`PolicyConfig`] cannot hold a rate of 120 % or a rewrite that changes framing.

mod connection;
mod field;
mod field_rules;
mod filter;
mod host;
mod offer;
mod path_rewrite;
mod pattern;
mod redact;
mod request_target;
mod rewrite;
mod route;
mod sample;
mod spelling;
mod splice;
mod trailers;

use std::net::{IpAddr, SocketAddr};

use bytes::BytesMut;
use mirror_common::{
    sample::{ALWAYS, Secret},
    settings::SampleKey,
};

pub use field::{FieldName, MIRROR_NAME, MIRRORED_BY, MutableField, SetField};
pub use field_rules::PolicyError;
pub use filter::{FilterConfig, Handling, Method};
pub use host::{HostRewrite, HostSuffix};
pub use path_rewrite::PathRewrite;
pub use pattern::{FieldPattern, PathPattern, Pattern};
pub use redact::{redact, redact_block};
pub use request_target::authority;
pub use rewrite::{ForwardedFor, RewriteConfig};
pub use route::{
    Case, Condition, Expectation, FullRegex, HostPattern, Part, RequestMatch, RouteStep,
    RouteTable, TextMatch, Verdict,
};
pub use sample::{SampleBy, SampleHash};
pub use trailers::Trailers;

use crate::{
    http::{Framing, Head, RequestHead, h2::FieldList},
    segment::{Endpoint, FlowId},
    value::{Host, Rate},
};
use filter::Filter;
use rewrite::Rewriter;

/// What to mirror, as configured.
#[derive(Clone, Debug, Default)]
pub struct PolicyConfig {
    /// The rate of targets without one of their own (default 100 %).
    pub sample_rate: Rate,
    /// What is sampled (default: connections).
    pub sample_by: SampleBy,
    /// What the choice starts from (default: none, so everyone can work it out).
    pub sample_secret: Secret,
    /// What is not mirrored at all.
    pub filter: FilterConfig,
    /// What is changed on the way.
    pub rewrite: RewriteConfig,
    /// The targets, in the order in which they are numbered.
    pub targets: Vec<TargetPolicy>,
}

/// What is particular to one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetPolicy {
    /// The target's own sampling rate (default: [`PolicyConfig::sample_rate`]).
    pub rate: Option<Rate>,
    /// The target's own `Host`, which overrides [`RewriteConfig::host`].
    pub host: Option<Host>,
}

/// A rule of the filter, by its place in [`Policy::rules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FilterRuleId(pub usize);

/// What the kernel is to copy so that every target's sample is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelSampling {
    /// What it decides on.
    pub key: SampleKey,
    /// Below which hash it copies.
    pub threshold: u64,
    /// What its hash starts from.
    pub secret: Secret,
}

impl Default for KernelSampling {
    /// Copies every connection, without a secret.
    fn default() -> Self {
        Self {
            key: SampleKey::Connection,
            threshold: ALWAYS,
            secret: Secret::NONE,
        }
    }
}

/// The compiled policy. Clones share nothing that changes, so each shard has its own.
#[derive(Clone, Debug)]
pub struct Policy {
    sample_rate: Rate,
    sample_by: SampleBy,
    sample_secret: Secret,
    filter: Filter,
    rewriter: Rewriter,
    targets: Vec<TargetPolicy>,
    /// The addresses that targets are known to have, as in an [`Endpoint`].
    addresses: Vec<[u8; 16]>,
}

impl Policy {
    /// Compiles a configuration.
    ///
    /// # Errors
    /// If two rewrites contradict each other.
    pub fn new(config: PolicyConfig) -> Result<Self, PolicyError> {
        Ok(Self {
            sample_rate: config.sample_rate,
            sample_by: config.sample_by,
            sample_secret: config.sample_secret,
            rewriter: Rewriter::new(config.rewrite, config.filter.upgrades == Handling::Skip)?,
            filter: Filter::new(config.filter),
            targets: config.targets,
            addresses: Vec::new(),
        })
    }

    /// The names of the rules for the ledger, by [`FilterRuleId`]; no two are the same.
    #[must_use]
    pub fn rules(&self) -> &[String] {
        self.filter.names()
    }

    /// The common rate for people: `25 % of connections`.
    #[must_use]
    pub fn share(&self) -> String {
        format!("{} of {}", self.sample_rate, self.sample_by.unit())
    }

    /// How many targets there are.
    #[must_use]
    pub const fn targets(&self) -> usize {
        self.targets.len()
    }

    /// The rule that keeps this request from every target, if one does.
    #[must_use]
    pub fn filter(&self, head: RequestHead<'_>) -> Option<FilterRuleId> {
        self.filter.refuses(head)
    }

    /// These are the addresses of targets, from the next request on. Loopback addresses are left out: a host
    /// shares them with all its clients.
    pub fn set_target_addresses(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        let addresses = addresses.into_iter().map(|address| address.to_canonical());
        let addresses = addresses.filter(|address| !address.is_loopback());
        self.addresses = addresses
            .map(|address| Endpoint::from(SocketAddr::new(address, 0)).address)
            .collect();
        self.addresses.sort_unstable();
        self.addresses.dedup();
    }

    /// The rule that keeps all requests of this client from being mirrored, if it is one of the targets.
    #[must_use]
    #[inline]
    pub fn filter_client(&self, client: &Endpoint) -> Option<FilterRuleId> {
        if self.addresses.is_empty() || self.addresses.binary_search(&client.address).is_err() {
            return None;
        }
        self.filter.against_targets()
    }

    /// The sampling key of the `ordinal`-th request seen on a connection; the same for all targets. `client`
    /// sent it: the flow's, or whom a PROXY header names behind it.
    #[must_use]
    pub fn sample_hash(
        &self,
        flow: &FlowId,
        client: &Endpoint,
        ordinal: u32,
        head: RequestHead<'_>,
    ) -> SampleHash {
        self.sample_by
            .hash(self.sample_secret, flow, client, ordinal, head)
    }

    /// Whether this target's sample holds the key. A target that does not exist has none.
    #[must_use]
    pub fn samples(&self, target: usize, hash: SampleHash) -> bool {
        hash.is_below(self.rate(target).threshold())
    }

    /// The rate that applies to a target.
    #[must_use]
    pub fn rate(&self, target: usize) -> Rate {
        self.targets
            .get(target)
            .map_or(Rate::ZERO, |own| own.rate.unwrap_or(self.sample_rate))
    }

    /// Changes the rate of all targets from the next request on, including targets with a rate of their own;
    /// 0 stops the mirror.
    pub fn set_sample_rate(&mut self, rate: Rate) {
        self.sample_rate = rate;
        for target in &mut self.targets {
            target.rate = None;
        }
    }

    /// Decides as `new` does from the next request on. It must have the same targets, the same
    /// [`rules`](Self::rules) by name, and what is sampled must be the same; what is known of the targets' addresses
    /// stays.
    pub fn replace(&mut self, new: Self) {
        let addresses = std::mem::take(&mut self.addresses);
        *self = Self { addresses, ..new };
    }

    /// The rate of targets without one of their own.
    #[must_use]
    pub const fn sample_rate(&self) -> Rate {
        self.sample_rate
    }

    /// Gives a target a rate of its own, or removes it, from the next request on.
    pub fn set_target_rate(&mut self, target: usize, rate: Option<Rate>) {
        if let Some(target) = self.targets.get_mut(target) {
            target.rate = rate;
        }
    }

    /// What the kernel is to copy at the current rates; nothing if every rate is 0.
    #[must_use]
    pub fn kernel_sampling(&self) -> KernelSampling {
        let highest = (0..self.targets.len())
            .map(|target| self.rate(target).threshold())
            .max()
            .unwrap_or(0);
        let (key, threshold) = match self.sample_by.kernel_key() {
            Some(key) => (key, highest),
            None if highest == 0 => (SampleKey::Connection, 0),
            None => (SampleKey::Connection, ALWAYS),
        };
        KernelSampling {
            key,
            threshold,
            secret: self.sample_secret,
        }
    }

    /// What hides the trailers of this request that are to be hidden, if any could be.
    #[must_use]
    pub fn trailers(&self, head: &Head<'_>) -> Option<Trailers> {
        (head.framing == Framing::Chunked)
            .then(|| Trailers::hiding(self.rewriter.redacted()))
            .flatten()
    }

    /// Whether the copies of this request offer their target to leave HTTP/1.
    #[must_use]
    pub fn offers_upgrade(&self, head: RequestHead<'_>) -> bool {
        self.rewriter.offers_upgrade(head)
    }

    /// Whether the copies' connections to targets stay open, although the request says that its own does not.
    #[must_use]
    pub fn keeps_connection(&self, head: RequestHead<'_>) -> bool {
        self.rewriter.keeps_connection(head)
    }

    /// Appends the head that this target is to receive: the client's bytes (of HTTP/2, a header block of the client's
    /// field list that any connection can carry) with the configured changes and one line `x-mirrored-by: podmirror`
    /// after the other field lines.
    pub fn write_head(
        &self,
        target: usize,
        head: RequestHead<'_>,
        client: &Endpoint,
        out: &mut BytesMut,
    ) {
        let own = self.targets.get(target).and_then(|own| own.host.as_ref());
        match head {
            RequestHead::Http1(head) => self.rewriter.write(head, own, client, out),
            RequestHead::Http2(head) => self.rewriter.write_block(head, own, client, out),
        }
    }

    /// Appends the header block of an HTTP/2 request's trailers, with what is to be hidden hidden.
    pub fn write_trailers(&self, fields: &FieldList, out: &mut BytesMut) {
        self.rewriter.write_trailers(fields, out);
    }
}

#[cfg(test)]
mod tests;

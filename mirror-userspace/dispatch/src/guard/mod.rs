//! The guard before every connection to a target that a document names.
//!
//! The mirror connects from a place that the writer of a document can't reach by himself: its own
//! loopback has its admin server, its node has the kubelet, the cloud has a metadata server at a
//! link-local address. So for a target of [`Origin::Document`] each address is checked when it is
//! connected to, however it came to be known: written, resolved, or told by an EndpointSlice. The
//! checked address is the very one connected to, so a name that changes meanwhile changes nothing.
//!
//! Known gaps: the address of another node is an address like any other, and so is what a load
//! balancer passes on to this node. `--deny-target` and a NetworkPolicy are for those.

mod network;
mod refusal;

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

pub use network::Network;
pub(super) use refusal::Refusal;
use refusal::refusal;

use mirror_core::{destination::Origin, segment::Time};

use super::news::{News, lock};

/// How old the list of our own addresses may be: reading it is a netlink dump, and needed only when
/// a connection is opened.
const FRESH: Duration = Duration::from_secs(5);

/// How often a target's refusal is named in the log.
const NAMED_EVERY: Duration = Duration::from_secs(60);

/// Who knows the addresses that are the mirror's own or its node's.
pub trait OwnAddresses: Send + Sync {
    /// They all, as they are now.
    ///
    /// # Errors
    /// They can't be read.
    fn read(&self) -> anyhow::Result<Vec<IpAddr>>;
}

/// What is refused, for all shards alike. A clone is the same guard.
#[derive(Clone, Debug, Default)]
pub struct Guard(Arc<Inner>);

#[derive(Default)]
struct Inner {
    own: Option<Box<dyn OwnAddresses>>,
    denied: Vec<Network>,
    known: Mutex<Known>,
    named: News,
}

/// Our own addresses, as last read.
#[derive(Default)]
struct Known {
    /// When it was tried last to read them.
    tried: Option<Time>,
    /// `None` if they never could be read.
    addresses: Option<Vec<IpAddr>>,
}

impl Guard {
    /// Refuses, besides what everybody should leave alone, the addresses that `own` reads, at most 5 s
    /// old, and `denied`. The default refuses the former only.
    #[must_use]
    pub fn new(own: impl OwnAddresses + 'static, denied: Vec<Network>) -> Self {
        Self(Arc::new(Inner {
            own: Some(Box::new(own)),
            denied,
            ..Inner::default()
        }))
    }

    /// Why a target of this origin may not be connected to at `address`, if it may not.
    pub(super) fn refusal(&self, origin: Origin, address: IpAddr, now: Time) -> Option<Refusal> {
        match origin {
            Origin::Operator => None,
            Origin::Document => self.0.refusal(address, now),
        }
    }

    /// Names the refusal in the log, once a minute for each target.
    pub(super) fn tell(
        &self,
        target: &impl fmt::Display,
        address: IpAddr,
        why: Refusal,
        now: Time,
    ) {
        if self.0.named.is_news(target.to_string(), NAMED_EVERY, now) {
            log::warn!(
                "{target}: {address} {why}: copies are not sent there, as a document named the target"
            );
        }
    }
}

impl Inner {
    fn refusal(&self, address: IpAddr, now: Time) -> Option<Refusal> {
        let Some(source) = &self.own else {
            return refusal(address, &[], &self.denied);
        };
        let mut known = lock(&self.known);
        if known.tried.is_none_or(|tried| now.since(tried) >= FRESH) {
            known.tried = Some(now);
            match source.read() {
                Ok(addresses) => known.addresses = Some(addresses),
                // The last ones known are better than none.
                Err(error) => log::warn!("reading the node's own addresses: {error:#}"),
            }
        }
        let Some(own) = &known.addresses else {
            return Some(Refusal::Unknown);
        };
        refusal(address, own, &self.denied)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("denied", &self.denied)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    /// Our address is 10.0.0.N after N readings; while `broken` it can't be read.
    #[derive(Clone, Default)]
    struct Moving(Arc<(AtomicUsize, AtomicBool)>);

    impl OwnAddresses for Moving {
        fn read(&self) -> anyhow::Result<Vec<IpAddr>> {
            anyhow::ensure!(!self.0.1.load(Ordering::Relaxed), "broken");
            let times = 1 + self.0.0.fetch_add(1, Ordering::Relaxed);
            Ok(vec![format!("10.0.0.{times}").parse()?])
        }
    }

    #[test]
    fn our_own_addresses_are_read_again_and_kept_when_they_cannot_be() {
        let own = Moving::default();
        let guard = Guard::new(own.clone(), Vec::new());
        let refusal = |last: u8, seconds| {
            let address = [10, 0, 0, last].into();
            guard.refusal(Origin::Document, address, at(seconds))
        };
        own.0.1.store(true, Ordering::Relaxed);
        assert_eq!(refusal(9, 100), Some(Refusal::Unknown), "never read");
        own.0.1.store(false, Ordering::Relaxed);
        assert_eq!(
            refusal(1, 104),
            Some(Refusal::Unknown),
            "not tried again yet"
        );
        assert_eq!(refusal(1, 105), Some(Refusal::Own));
        assert_eq!(
            (refusal(1, 109), refusal(2, 109)),
            (Some(Refusal::Own), None)
        );
        assert_eq!(
            (refusal(1, 110), refusal(2, 110)),
            (None, Some(Refusal::Own))
        );
        own.0.1.store(true, Ordering::Relaxed);
        assert_eq!(
            (refusal(2, 200), refusal(3, 200)),
            (Some(Refusal::Own), None)
        );
        let operator = guard.refusal(Origin::Operator, [10, 0, 0, 2].into(), at(200));
        assert_eq!(operator, None);
    }
}

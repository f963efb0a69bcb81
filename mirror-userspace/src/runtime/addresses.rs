//! Targets as the user gave them, to what dispatch and the ledger call them.

use crate::{
    dispatch::{Scheme, TargetAddress},
    target::{TargetHost, TargetSpec, TargetUrl},
};

/// Where each target is.
pub(super) fn addresses(targets: &[TargetSpec]) -> Vec<TargetAddress> {
    targets.iter().map(|target| address(&target.url)).collect()
}

/// What the ledger calls each target: its URL. Two may share one (with different hosts, say); their
/// names tell them apart.
pub(super) fn names(targets: &[TargetSpec]) -> Vec<String> {
    unique(targets.iter().map(|target| target.url.to_string()))
}

fn address(url: &TargetUrl) -> TargetAddress {
    TargetAddress {
        scheme: match url.scheme {
            crate::target::Scheme::Http => Scheme::Http,
            crate::target::Scheme::Https => Scheme::Https,
        },
        host: match &url.host {
            TargetHost::Name(name) => name.clone(),
            TargetHost::Ip(ip) => ip.to_string(),
        },
        port: url.port,
    }
}

fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for name in names {
        let same = unique
            .iter()
            .filter(|known| known.split(" #").next() == Some(&name))
            .count();
        unique.push(if same == 0 {
            name
        } else {
            format!("{name} #{}", same + 1)
        });
    }
    unique
}

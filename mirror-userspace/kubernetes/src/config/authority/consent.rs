//! What the operator allows to documents beyond their own namespaces.

use std::{collections::BTreeSet, fmt, net::IpAddr, str::FromStr};

use mirror_core::{
    destination::{TargetHost, TargetUrl, is_object_name},
    policy::Pattern,
    value::BadValue,
};

const ACCEPTED_NAMESPACE: &str = "a namespace, or * for all of them";

/// What documents may do beyond their own namespaces. Default: nothing.
#[derive(Clone, Debug, Default)]
pub struct Consent {
    /// Documents of these namespaces may have the requests of any namespace copied.
    pub cross_namespaces: Namespaces,
    /// Documents of any namespace may have copies sent to services of these.
    pub target_namespaces: Namespaces,
    /// Documents of any namespace may have copies sent to these hosts.
    pub external_targets: Vec<HostGlob>,
}

impl Consent {
    /// Whether copies may go to what is no service of the cluster.
    pub(super) fn allows_external(&self, url: &TargetUrl) -> bool {
        self.external_targets.iter().any(|glob| glob.matches(url))
    }

    /// Whether copies may go to this address, which no pod has.
    #[must_use]
    pub fn allows_address(&self, address: IpAddr) -> bool {
        let host = address.to_canonical().to_string();
        self.external_targets
            .iter()
            .any(|glob| glob.is_match(&host))
    }
}

/// Some namespaces, or all. Default: none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    all: bool,
    named: BTreeSet<String>,
}

impl Namespaces {
    /// Whether this namespace is one of them.
    #[must_use]
    pub fn hold(&self, namespace: &str) -> bool {
        self.all || self.named.contains(namespace)
    }
}

impl FromIterator<NamespaceOrAll> for Namespaces {
    fn from_iter<I: IntoIterator<Item = NamespaceOrAll>>(names: I) -> Self {
        let mut namespaces = Self::default();
        for NamespaceOrAll(name) in names {
            match name {
                Some(name) => drop(namespaces.named.insert(name)),
                None => namespaces.all = true,
            }
        }
        namespaces
    }
}

/// One namespace, or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceOrAll(Option<String>);

impl FromStr for NamespaceOrAll {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        match text {
            "*" => Ok(Self(None)),
            name if is_object_name(name) => Ok(Self(Some(name.to_owned()))),
            _ => Err(BadValue::new(text, "is no namespace", ACCEPTED_NAMESPACE)),
        }
    }
}

/// A glob for hosts outside of the cluster's services: held against `HOST` and against `HOST:PORT`,
/// in lower case, without a dot at the end, an IPv6 address without brackets. `*` stands for any
/// characters, dots included.
#[derive(Clone, Debug)]
pub struct HostGlob {
    text: String,
    pattern: Pattern,
}

impl HostGlob {
    fn matches(&self, url: &TargetUrl) -> bool {
        let host = match &url.host {
            TargetHost::Name(name) => name.strip_suffix('.').unwrap_or(name).to_owned(),
            TargetHost::Ip(address) => address.to_canonical().to_string(),
        };
        self.is_match(&host) || self.is_match(&format!("{host}:{}", url.port))
    }

    fn is_match(&self, text: &str) -> bool {
        self.pattern.is_match(text.as_bytes())
    }
}

impl FromStr for HostGlob {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if text.is_empty() || text.contains("://") {
            let accepted = "a glob for HOST or HOST:PORT, such as *.example.com or 10.1.*:8080";
            return Err(BadValue::new(text, "is no glob for a host", accepted));
        }
        Ok(Self {
            text: text.to_owned(),
            pattern: Pattern::glob(&text.to_ascii_lowercase())?,
        })
    }
}

impl fmt::Display for HostGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

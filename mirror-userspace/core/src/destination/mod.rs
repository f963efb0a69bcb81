//! Where copies go: a target as the user writes it, `DESTINATION[,sample=RATE][,host=HOST][,role=ROLE]`.
//!
//! Plain data, checked while it is read, so that the stages that sample, rewrite and send by it
//! need not check again.

mod kind;
mod kubernetes_name;
mod labels;
mod origin;
mod url;

use std::{fmt, str::FromStr};

pub use kind::{Destination, ServiceRef};
pub use kubernetes_name::{is_label_key, is_label_value, is_object_name, is_subdomain};
pub use labels::{Condition, LabelSelector, Labels, Requirement};
pub use origin::Origin;
pub use url::{Scheme, TargetHost, TargetUrl};

use crate::{
    policy::TargetPolicy,
    value::{BadValue, Host, Rate},
    verdict::Role,
};

const ACCEPTED: &str = "http://HOST[:PORT] or https://HOST[:PORT], an IPv6 address in brackets, \
                        service/NAMESPACE/NAME:PORT or pods/NAMESPACE/SELECTOR:PORT, \
                        then maybe ,sample=RATE, ,host=HOST and \
                        ,role=baseline or ,role=candidate";

/// One target with what is particular to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSpec {
    /// Where the target's copies go.
    pub destination: Destination,
    /// The target's own sampling rate, which overrides the common one.
    pub sample: Option<Rate>,
    /// The target's own `Host`, which overrides the common rewrite.
    pub host: Option<Host>,
    /// Who named it. Default: [`Origin::Operator`].
    pub origin: Origin,
    /// What it is to a comparison of two targets. Default: no part of one.
    pub role: Option<Role>,
}

impl From<Destination> for TargetSpec {
    /// With nothing particular to it.
    fn from(destination: Destination) -> Self {
        Self {
            destination,
            sample: None,
            host: None,
            origin: Origin::Operator,
            role: None,
        }
    }
}

impl From<&TargetSpec> for TargetPolicy {
    fn from(spec: &TargetSpec) -> Self {
        Self {
            rate: spec.sample,
            host: spec.host.clone(),
        }
    }
}

impl FromStr for TargetSpec {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let refuse = |problem: String| BadValue::new(text, problem, ACCEPTED);
        let (destination, options) = split_options(text);
        let mut spec = Self::from(destination.parse::<Destination>()?);
        for option in options.into_iter().flat_map(|options| options.split(',')) {
            let twice = match option.split_once('=') {
                Some(("sample", rate)) => spec.sample.replace(rate.parse()?).is_some(),
                Some(("host", host)) => spec.host.replace(host.parse()?).is_some(),
                Some(("role", role)) => spec.role.replace(role.parse()?).is_some(),
                _ => return Err(refuse(format!("has an unknown option \"{option}\""))),
            };
            if twice {
                return Err(refuse(format!("has a second \"{option}\"")));
            }
        }
        Ok(spec)
    }
}

/// Splits at the first comma after the first colon. A label selector has commas and `host=a` of its
/// own, but no colon: that of the port ends it. In a URL the first colon is the scheme's.
fn split_options(text: &str) -> (&str, Option<&str>) {
    let colon = text.find(':').unwrap_or(text.len());
    let (before, after) = text.split_at_checked(colon).unwrap_or((text, ""));
    match after.split_once(',') {
        Some((port, options)) => {
            let destination = text.get(..before.len() + port.len());
            (destination.unwrap_or(text), Some(options))
        }
        None => (text, None),
    }
}

impl fmt::Display for TargetSpec {
    /// It reads back as the same target, of the operator, unless its host has a comma.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.destination.fmt(f)?;
        if let Some(rate) = &self.sample {
            write!(f, ",sample={rate}")?;
        }
        if let Some(host) = &self.host {
            write!(f, ",host={host}")?;
        }
        if let Some(role) = &self.role {
            write!(f, ",role={role}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_follow_the_destination() {
        let spec: TargetSpec = "http://v2:81,host=web:80,sample=1/4".parse().unwrap();
        assert_eq!(spec.destination.to_string(), "http://v2:81");
        let policy = TargetPolicy::from(&spec);
        assert_eq!(policy.rate, "25%".parse().ok());
        assert_eq!(policy.host, "web:80".parse().ok());
        let plain: TargetSpec = "http://v2".parse().unwrap();
        assert_eq!(TargetPolicy::from(&plain), TargetPolicy::default());

        for (bad, problem) in [
            ("http://v2,", "has an unknown option \"\""),
            ("http://v2,sample", "has an unknown option \"sample\""),
            ("http://v2,Sample=1", "has an unknown option \"Sample=1\""),
            ("http://v2,rate=1", "has an unknown option \"rate=1\""),
            ("http://v2,sample=1,sample=2", "has a second \"sample=2\""),
            ("http://v2,host=a,host=a", "has a second \"host=a\""),
            ("http://v2,sample=101", "\"101\" is above 100 %"),
            ("http://v2,host=a b", "\"a b\" is no host"),
            ("v2,sample=1", "\"v2,sample=1\" has no scheme"),
            (
                "service/a/b:80,app=web",
                "has an unknown option \"app=web\"",
            ),
            ("pods/a/b:80 ,sample=1", "has no valid port"),
        ] {
            let error = bad.parse::<TargetSpec>().unwrap_err().to_string();
            assert!(error.contains(problem), "{bad}: {error}");
        }
    }

    #[test]
    fn a_selector_ends_at_its_port_whatever_its_labels_are_called() {
        let text = "pods/shop/host=a,sample=b,tier in (x,y):8080,sample=1/2,host=web:80";
        let spec: TargetSpec = text.parse().unwrap();
        let Destination::Pods { selector, port, .. } = &spec.destination else {
            panic!("{spec:?}");
        };
        assert_eq!(selector.requirements.len(), 3);
        assert_eq!(*port, 8080);
        assert_eq!(spec.sample, "50%".parse().ok());
        assert_eq!(spec.host, "web:80".parse().ok());
    }

    #[test]
    fn what_is_shown_reads_back() {
        for (text, shown) in [
            ("http://v2", "http://v2"),
            (
                "https://[::1]:8443,host=[::1]:80",
                "https://[::1]:8443,host=[::1]:80",
            ),
            (
                "service/shop/web:80,host=a,sample=25",
                "service/shop/web:80,sample=25 %,host=a",
            ),
            (
                "pods/shop/app == web,v in (1, 2):80,sample=1/4",
                "pods/shop/app=web,v in (1,2):80,sample=25 %",
            ),
        ] {
            let spec: TargetSpec = text.parse().unwrap();
            let again: TargetSpec = spec.to_string().parse().unwrap();
            assert_eq!(spec, again);
            assert_eq!(spec.to_string(), shown);
        }
    }
}

//! Where copies go: an address or name, or what Kubernetes says stands behind a service or selector.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    ACCEPTED, Condition, LabelSelector, Labels, TargetUrl, kubernetes_name::is_object_name,
};
use crate::value::{BadValue, parse_port};

/// Where a target's copies go: a URL, or what a cluster's API must resolve.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// A URL: its name is resolved again and again.
    Url(TargetUrl),
    /// The ready endpoints of a service, `service/NAMESPACE/NAME[/LABEL=VALUE,…]:PORT`.
    Service {
        /// The service whose endpoints receive the copies.
        service: ServiceRef,
        /// The service's port; copies go to what it stands for on each endpoint. `None` stands for
        /// the service's only port, or its first: documents may leave it out, flags may not.
        port: Option<u16>,
        /// Only pods with these labels (an Istio subset); empty: all.
        subset: Labels,
    },
    /// Ready pods, `pods/NAMESPACE/SELECTOR:PORT`; without a selector all pods of the namespace.
    Pods {
        /// The namespace of the pods.
        namespace: String,
        /// Selects among the pods of the namespace.
        selector: LabelSelector,
        /// The port that copies go to on every selected pod.
        port: u16,
    },
}

/// Names a Kubernetes service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceRef {
    /// The service's namespace.
    pub namespace: String,
    /// The service's name.
    pub name: String,
}

impl Destination {
    /// The URL, or `None` for what only a cluster's API can say the addresses of.
    #[must_use]
    pub const fn url(&self) -> Option<&TargetUrl> {
        match self {
            Self::Url(url) => Some(url),
            Self::Service { .. } | Self::Pods { .. } => None,
        }
    }
}

impl FromStr for Destination {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let refuse = |problem| BadValue::new(text, problem, ACCEPTED);
        let (kind, rest) = match text.split_once('/') {
            Some((kind @ ("service" | "pods"), rest)) => (kind, rest),
            _ => return Ok(Self::Url(text.parse()?)),
        };
        let (path, port) = rest.split_once(':').ok_or_else(|| refuse("has no port"))?;
        let port = parse_port(port).ok_or_else(|| refuse("has no valid port"))?;
        let (namespace, path) = path.split_once('/').unwrap_or((path, ""));
        if !is_object_name(namespace) {
            return Err(refuse("has no valid namespace"));
        }
        let namespace = namespace.to_owned();
        if kind == "pods" {
            return Ok(Self::Pods {
                namespace,
                selector: path.parse()?,
                port,
            });
        }
        let (name, subset) = match path.split_once('/') {
            Some((name, subset)) => (name, read_subset(subset)?),
            None => (path, Labels::new()),
        };
        if !is_object_name(name) {
            return Err(refuse("has no valid service name"));
        }
        let name = name.to_owned();
        Ok(Self::Service {
            service: ServiceRef { namespace, name },
            port: Some(port),
            subset,
        })
    }
}

/// A selector that is plain labels, as a subset's is.
fn read_subset(text: &str) -> Result<Labels, BadValue> {
    let refuse = || BadValue::new(text, "is no subset", "LABEL=VALUE,…, each label once");
    let selector: LabelSelector = text.parse()?;
    let mut labels = Labels::new();
    for requirement in selector.requirements {
        let value = match requirement.condition {
            Condition::In(values) => <[String; 1]>::try_from(values).map_err(|_| refuse())?,
            _ => return Err(refuse()),
        };
        let [value] = value;
        if labels.insert(requirement.key, value).is_some() {
            return Err(refuse());
        }
    }
    if labels.is_empty() {
        return Err(refuse());
    }
    Ok(labels)
}

impl fmt::Display for Destination {
    /// The normal form; it reads back as the same destination, if it has a port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => url.fmt(f),
            Self::Service {
                service,
                port,
                subset,
            } => {
                write!(f, "service/{service}")?;
                if !subset.is_empty() {
                    write!(f, "/{}", LabelSelector::of(subset))?;
                }
                port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
            Self::Pods {
                namespace,
                selector,
                port,
            } => write!(f, "pods/{namespace}/{selector}:{port}"),
        }
    }
}

impl fmt::Display for ServiceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_a_port_and_maybe_a_subset() {
        let Destination::Service {
            service,
            port,
            subset,
        } = "service/default/web-service:80".parse().unwrap()
        else {
            panic!("another kind");
        };
        assert_eq!(service.to_string(), "default/web-service");
        assert_eq!((port, subset), (Some(80), Labels::new()));

        let text = "service/default/web/app.kubernetes.io/name=web,version=v2:8080";
        let destination: Destination = text.parse().unwrap();
        let Destination::Service { subset, .. } = &destination else {
            panic!("another kind");
        };
        let labels = [("app.kubernetes.io/name", "web"), ("version", "v2")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(*subset, Labels::from(labels));
        assert_eq!(destination.to_string(), text);
        assert_eq!(destination.url(), None);
    }

    #[test]
    fn pods_have_a_selector_and_a_port() {
        let text = "pods/shop/app=web,tier in (a,b),!canary:8080";
        let destination: Destination = text.parse().unwrap();
        let Destination::Pods {
            namespace,
            selector,
            port,
        } = &destination
        else {
            panic!("another kind");
        };
        assert_eq!((namespace.as_str(), *port), ("shop", 8080));
        assert_eq!(selector.to_string(), "app=web,tier in (a,b),!canary");
        assert_eq!(destination.to_string(), text);

        let all: Destination = "pods/shop/:80".parse().unwrap();
        assert_eq!(all.to_string(), "pods/shop/:80");
        assert_eq!("pods/shop:80".parse(), Ok(all), "without a selector: all");
    }

    #[test]
    fn anything_else_is_a_url() {
        let destination: Destination = "https://v2:8443/".parse().unwrap();
        assert_eq!(destination.to_string(), "https://v2:8443");
        assert_eq!(destination.url(), "https://v2:8443".parse().ok().as_ref());
    }

    #[test]
    fn destinations_that_lead_nowhere_are_refused() {
        let long = format!("service/{}/b:80", "a".repeat(64));
        for (bad, problem) in [
            ("", "has no scheme"),
            ("web:80", "has no scheme"),
            ("services/a/b:80", "has no scheme"),
            ("Service/a/b:80", "has no scheme"),
            ("service:80", "has no scheme"),
            ("service/a/b", "has no port"),
            ("pods/a/b=c", "has no port"),
            ("service/a/b:", "has no valid port"),
            ("service/a/b:0", "has no valid port"),
            ("service/a/b:http", "has no valid port"),
            ("service/a/b:80:80", "has no valid port"),
            ("pods/a/b=c:65536", "has no valid port"),
            ("service/:80", "has no valid namespace"),
            ("service//b:80", "has no valid namespace"),
            ("service/A/b:80", "has no valid namespace"),
            (&long, "has no valid namespace"),
            ("pods/-a/b:80", "has no valid namespace"),
            ("service/a:80", "has no valid service name"),
            ("service/a/:80", "has no valid service name"),
            ("service/a/b.c:80", "has no valid service name"),
            ("service/a/b/:80", "is no subset"),
            ("service/a/b/c:80", "is no subset"),
            ("service/a/b/c!=d:80", "is no subset"),
            ("service/a/b/c in (d,e):80", "is no subset"),
            ("service/a/b/c=d,c=e:80", "is no subset"),
            ("pods/a/b=(:80", "is no label selector"),
        ] {
            let error = bad.parse::<Destination>().unwrap_err().to_string();
            assert!(error.contains(problem), "{bad}: {error}");
            assert!(error.contains("accepted: "), "{error}");
        }
    }
}

//! Why a connection did not come about, and what is said of it.
//!
//! Whoever refuses or does not answer is counted, and named only in the debug log: targets come and go.
//! What somebody has to mend is said once, with its reason: a certificate that is not accepted, or
//! something that we lack ourselves.

use std::{fmt, io, sync::Arc, time::Duration};

use mirror_core::segment::Time;
use nix::errno::Errno;
use rustls::CertificateError;

use crate::{
    news::News,
    pool::{Turn, Unconnected},
};

/// How long what was said is not said again.
const QUIET: Duration = Duration::from_secs(3_600);

/// The same of what comes and goes.
const MINUTE: Duration = Duration::from_secs(60);

/// What was said in the log of connections that did not come about. A clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Said(Arc<News>);

/// Why a connection did not come about.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Making the socket or connecting it failed.
    Socket(io::Error),
    /// It is connected, and TLS failed.
    Tls(io::Error),
    /// It took too long.
    Late,
    /// The target does not speak HTTP/2.
    NoHttp2,
}

impl Trouble {
    /// What the pool is told.
    pub(super) fn why(&self) -> Unconnected {
        match self {
            Self::Socket(error) => of_socket(error),
            Self::Tls(_) => Unconnected::Tls,
            Self::Late => Unconnected::Failed,
            Self::NoHttp2 => Unconnected::NoHttp2,
        }
    }
}

fn of_socket(error: &io::Error) -> Unconnected {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(
            Errno::EMFILE
            | Errno::ENFILE
            | Errno::ENOBUFS
            | Errno::ENOMEM
            | Errno::EADDRNOTAVAIL
            | Errno::EAFNOSUPPORT
            | Errno::EACCES
            | Errno::EPERM,
        ) => Unconnected::Local,
        Some(Errno::ENETUNREACH | Errno::EHOSTUNREACH) => Unconnected::NoRoute,
        _ => Unconnected::Failed,
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("no connection in time"),
            Self::NoHttp2 => f.write_str(
                "requests come in HTTP/2, which the target does not speak; enable it there (h2c for http, ALPN h2 for https)",
            ),
            Self::Socket(error) => write!(f, "{error}{}", lacking(error)),
            Self::Tls(error) => match certificate(error) {
                Some(why) => of_certificate(why, f),
                None => write!(f, "TLS: {error}"),
            },
        }
    }
}

/// What to do about it.
fn lacking(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EMFILE) => " (RLIMIT_NOFILE: raise it, or lower --target-connections)",
        Some(Errno::EADDRNOTAVAIL) => " (no local port is free: lower --target-connections)",
        _ => "",
    }
}

fn certificate(error: &io::Error) -> Option<&CertificateError> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::InvalidCertificate(why) => Some(why),
        _ => None,
    }
}

fn of_certificate(why: &CertificateError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("the target's certificate is not accepted: ")?;
    match why {
        CertificateError::UnknownIssuer => {
            f.write_str("its issuer is not trusted; name the issuer's certificate with --target-ca")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            f.write_str("it has expired")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            f.write_str("it is not valid yet; check both clocks")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            write!(f, "it is for another name: {why}")
        }
        why => write!(f, "{why}"),
    }
}

impl Said {
    /// Says it, unless it was said.
    pub(super) fn tell(&self, target: &impl fmt::Display, trouble: &Trouble, now: Time) {
        let for_people = match trouble.why() {
            Unconnected::Tls | Unconnected::Local | Unconnected::NoHttp2 => true,
            Unconnected::Failed | Unconnected::NoRoute | Unconnected::Forbidden => false,
        };
        let text = format!("{target}: {trouble}");
        if for_people && self.0.is_news(text.clone(), QUIET, now) {
            let what = match trouble {
                Trouble::NoHttp2 => "none of them is sent there, and each copy counts as failed",
                _ => "nothing is sent there, and each copy counts as failed",
            };
            log::warn!("{text}; {what}");
        } else {
            log::debug!("{text}");
        }
    }
}

impl Said {
    /// Says that a target gets less, or all again: of all shards and within a minute once.
    pub(super) fn tell_turn(&self, target: &impl fmt::Display, turn: Turn, now: Time) {
        let text = format!("{target}: {turn}");
        if !self.0.is_news(text.clone(), MINUTE, now) {
            return log::debug!("{text}");
        }
        match turn {
            Turn::Begins(_) => log::warn!("{text}"),
            Turn::InVain(_) | Turn::Over => log::info!("{text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_certificate_is_not_accepted_is_said_in_words() {
        for (why, words) in [
            (CertificateError::UnknownIssuer, "--target-ca"),
            (CertificateError::Expired, "it has expired"),
            (CertificateError::NotValidForName, "for another name"),
            (CertificateError::NotValidYet, "check both clocks"),
        ] {
            let error = rustls::Error::InvalidCertificate(why);
            let trouble = Trouble::Tls(io::Error::new(io::ErrorKind::InvalidData, error));
            let text = trouble.to_string();
            assert!(
                text.contains("certificate") && text.contains(words),
                "{text}"
            );
        }
    }

    #[test]
    fn what_we_lack_ourselves_is_not_the_targets() {
        for (errno, why) in [
            (Errno::EMFILE, Unconnected::Local),
            (Errno::EADDRNOTAVAIL, Unconnected::Local),
            (Errno::EPERM, Unconnected::Local),
            (Errno::ENETUNREACH, Unconnected::NoRoute),
            (Errno::EHOSTUNREACH, Unconnected::NoRoute),
            (Errno::ECONNREFUSED, Unconnected::Failed),
            (Errno::ETIMEDOUT, Unconnected::Failed),
        ] {
            let trouble = Trouble::Socket(errno.into());
            assert_eq!(trouble.why(), why, "{errno}");
        }
        assert_eq!(Trouble::Late.why(), Unconnected::Failed);
        assert_eq!(Trouble::NoHttp2.why(), Unconnected::NoHttp2);
        let text = Trouble::NoHttp2.to_string();
        assert!(text.contains("h2c") && text.contains("ALPN"), "{text}");
        let emfile = Trouble::Socket(Errno::EMFILE.into()).to_string();
        assert!(emfile.contains("RLIMIT_NOFILE"), "{emfile}");
    }
}

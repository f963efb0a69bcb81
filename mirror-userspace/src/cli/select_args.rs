//! The flags that say which requests are mirrored, or recorded.

use std::{fs::File, io::Read as _};

use clap::Args;
use mirror_common::sample::Secret;
use mirror_core::{
    policy::{FieldPattern, FilterConfig, Handling, Method, PathPattern, PolicyConfig, SampleBy},
    value::Rate,
};
use sha2::{Digest as _, Sha256};

const SAMPLING: &str = "Sampling";
const FILTERS: &str = "Filters (deny wins; of each kind of --allow one must match)";

/// Sampling and filters.
#[derive(Args, Clone, Debug)]
pub struct SelectArgs {
    /// Mirrors this share: 25, 25%, 0.5% or 1/3; 0 mirrors nothing.
    ///
    /// Sampling is consistent (a given key is always in or always out) and nested (a lower rate
    /// selects a subset of what a higher rate selects).
    #[arg(
        long,
        value_name = "RATE",
        default_value = "100%",
        allow_negative_numbers = true,
        help_heading = SAMPLING
    )]
    pub sample_rate: Rate,

    /// What is sampled as a whole: connection, client-ip, request or header:NAME.
    ///
    /// The first two are decided in the kernel, so that what is not sampled is never copied. The
    /// other two are decided for each request. Requests without the header NAME are all in or all out.
    ///
    /// A client of gRPC may make all its calls on one connection, for days: by connection they are all in
    /// or all out, which is coarse: the ledger says how many calls the busiest connection carried. request and
    /// header:NAME decide for each call.
    #[arg(
        long,
        value_name = "KEY",
        default_value = "connection",
        help_heading = SAMPLING
    )]
    pub sample_by: SampleBy,

    /// Seeds the choice with the bytes of this file, 16 to 4096, so that no client can arrange to be always or
    /// never sampled; nodes with the same file choose alike [default: no secret: the choice is predictable].
    #[arg(long, value_name = "FILE", value_parser = secret_of, help_heading = SAMPLING)]
    pub sample_key_file: Option<Secret>,

    /// Mirrors only requests with these methods, such as GET,HEAD (case-sensitive).
    #[arg(long, value_name = "METHOD", value_delimiter = ',', help_heading = FILTERS)]
    pub allow_method: Vec<Method>,

    /// Mirrors only GET, HEAD and OPTIONS: requests that change nothing (RFC 9110 section 9.2.1).
    #[arg(long, conflicts_with = "allow_method", help_heading = FILTERS)]
    pub safe_methods: bool,

    /// Does not mirror requests with these methods, such as POST,PUT (case-sensitive).
    #[arg(long, value_name = "METHOD", value_delimiter = ',', help_heading = FILTERS)]
    pub deny_method: Vec<Method>,

    /// Mirrors only requests whose path matches: a glob such as /api/*, or ~REGEX.
    ///
    /// In a glob, * stands for any bytes including /, ? for one byte, [a-z] for a set and {a,b} for
    /// either; \ escapes the next character. A glob must match the whole path. A regular expression
    /// (in the syntax of Rust's regex crate) may match anywhere, so anchor it with ^ and $. The path
    /// is compared as sent, without decoding and without the query.
    #[arg(long, value_name = "PATTERN", help_heading = FILTERS)]
    pub allow_path: Vec<PathPattern>,

    /// Does not mirror requests whose path matches; patterns as in --allow-path.
    ///
    /// It holds for the path as sent and for what a server may take it for: with percent-encoding decoded, slashes
    /// merged and dot segments removed. /admin/* also denies /%61dmin/x, //admin/x and /a/../admin/x.
    #[arg(long, value_name = "PATTERN", help_heading = FILTERS)]
    pub deny_path: Vec<PathPattern>,

    /// Mirrors only requests with this header: NAME, NAME=GLOB or NAME~REGEX.
    ///
    /// The name is compared without regard to case, the value is case-sensitive. If there are several
    /// headers of the same name, one of them must match.
    #[arg(long, value_name = "CONDITION", help_heading = FILTERS)]
    pub allow_header: Vec<FieldPattern>,

    /// Does not mirror requests with this header: NAME, NAME=GLOB or NAME~REGEX.
    #[arg(long, value_name = "CONDITION", help_heading = FILTERS)]
    pub deny_header: Vec<FieldPattern>,

    /// Also mirrors Kubernetes probes (User-Agent: kube-probe/…) [default: skipped].
    #[arg(long, help_heading = FILTERS)]
    pub mirror_kube_probes: bool,

    /// Also mirrors Upgrade and CONNECT requests [default: skipped].
    ///
    /// Only the request is sent: what follows on the upgraded connection is no longer HTTP/1. Requests that offer
    /// HTTP/2 (Upgrade: h2c) are always mirrored; without this flag the offer is removed.
    #[arg(long, help_heading = FILTERS)]
    pub mirror_upgrades: bool,

    /// Also mirrors requests that come from the address of a target [default: skipped].
    ///
    /// A target that asks v1 while it answers a copy would be asked again and again. For targets that share
    /// an address with clients: on the same host, or behind the same NAT.
    #[arg(long, help_heading = FILTERS)]
    pub mirror_from_targets: bool,
}

/// What `--safe-methods` lets through.
const SAFE: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

/// Bytes of a key, at least: fewer can be guessed.
const SHORTEST_KEY: usize = 16;

/// Bytes of a key, at most.
const LONGEST_KEY: u64 = 4 << 10;

/// The secret that is drawn from the bytes of a file.
fn secret_of(path: &str) -> Result<Secret, String> {
    let mut key = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST_KEY + 1).read_to_end(&mut key))
        .map_err(|error| error.to_string())?;
    if key.len() < SHORTEST_KEY || key.len() as u64 > LONGEST_KEY {
        return Err(format!(
            "accepted: a file of {SHORTEST_KEY} to {LONGEST_KEY} bytes"
        ));
    }
    let digest: [u8; 32] = Sha256::digest(&key).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    Ok(Secret::new(u64::from_be_bytes([a, b, c, d, e, f, g, h])))
}

impl From<SelectArgs> for PolicyConfig {
    /// The policy without rewrites, and without its targets.
    fn from(args: SelectArgs) -> Self {
        let handling = |mirror| {
            if mirror {
                Handling::Mirror
            } else {
                Handling::Skip
            }
        };
        let mut allow_methods = args.allow_method;
        if args.safe_methods {
            allow_methods = SAFE.iter().filter_map(|it| it.parse().ok()).collect();
        }
        Self {
            sample_rate: args.sample_rate,
            sample_by: args.sample_by,
            sample_secret: args.sample_key_file.unwrap_or_default(),
            filter: FilterConfig {
                route: None,
                allow_methods,
                deny_methods: args.deny_method,
                allow_paths: args.allow_path,
                deny_paths: args.deny_path,
                allow_fields: args.allow_header,
                deny_fields: args.deny_header,
                kube_probes: handling(args.mirror_kube_probes),
                upgrades: handling(args.mirror_upgrades),
                loops: Handling::Skip,
                from_targets: handling(args.mirror_from_targets),
            },
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_bytes_of_a_file_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let secret = |bytes: &[u8]| {
            let file = folder.path().join("key");
            std::fs::write(&file, bytes).unwrap();
            secret_of(file.to_str().unwrap())
        };
        let one = secret(&[7; 16]).unwrap();
        assert_eq!(secret(&[7; 16]).unwrap(), one, "every node draws the same");
        assert_ne!(one, Secret::NONE);
        assert_ne!(secret(&[7; 17]).unwrap(), one);
        assert_eq!(format!("{one:?}"), "…");
        assert!(secret(&[7; 4096]).is_ok());
        for bad in [&[7; 15][..], &[7; 4097], b""] {
            let error = secret(bad).unwrap_err();
            assert!(error.contains("16 to 4096 bytes"), "{error}");
        }
        let missing = folder.path().join("missing");
        assert!(
            secret_of(missing.to_str().unwrap())
                .unwrap_err()
                .contains("No such file")
        );
    }
}

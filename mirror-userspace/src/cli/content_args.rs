//! Flags for comparing what is in replies.

use clap::Args;
use mirror_core::{
    policy::{FieldName, MutableField},
    value::Rate,
};
use mirror_dispatch::{ContentRules, JsonPath};

use super::value::{percent, size};

/// What of replies is compared.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Comparison")]
pub struct ContentArgs {
    /// Compares what is in the replies to this share of requests: 10, 10%, 0.5% or 1/3; with 0 only whether
    /// they fail and how long they take
    #[arg(long, value_name = "RATE", default_value = "10%")]
    pub compare_rate: Rate,

    /// Compares bodies up to this size, as sent; of longer ones their size and a hash. 0 compares heads only
    #[arg(long, value_name = "SIZE", default_value = "64K", value_parser = size_or_none)]
    pub compare_body: usize,

    /// Does not compare this header, beside Date, Server, Set-Cookie, ids of requests and traces, and other
    /// headers that differ by themselves
    #[arg(long, value_name = "NAME")]
    pub ignore_header: Vec<FieldName>,

    /// Does not compare this part of JSON: $.time, $.items[].id, $.*.etag
    #[arg(long, value_name = "PATH")]
    pub ignore_json: Vec<JsonPath>,

    /// Ignores the order of elements in this JSON array
    #[arg(long, value_name = "PATH")]
    pub unordered: Vec<JsonPath>,

    /// The largest relative difference of numbers in JSON that does not matter [default: none]
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub json_tolerance: Option<f64>,

    /// Keeps about so many of the last replies that differ: their request's target and the values that
    /// differ, for --verdict-json and --report, and by the admin socket and to this machine for /differences, `podmirror
    /// top` and the page. Values of --redact-header are not kept
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(u16).range(..=1000))]
    pub keep_differences: u16,
}

fn size_or_none(text: &str) -> Result<usize, String> {
    match text {
        "0" => Ok(0),
        _ => size(text),
    }
}

impl ContentArgs {
    /// The rules for one of so many shards.
    #[must_use]
    pub fn for_shard(&self, shards: usize) -> ContentRules {
        let whole = ContentRules::default();
        ContentRules {
            rate: self.compare_rate,
            body: self.compare_body,
            memory: whole.memory.div_ceil(shards),
            ignored_headers: self.ignore_header.clone(),
            ignored_json: self.ignore_json.clone(),
            unordered: self.unordered.clone(),
            tolerance: self.json_tolerance.unwrap_or_default(),
            keep: usize::from(self.keep_differences).div_ceil(shards),
            redacted: whole.redacted,
            pool: whole.pool,
            bounds: whole.bounds,
        }
    }
}

/// The names of fields whose values are not shown.
pub(super) fn names(redacted: &[MutableField]) -> Vec<FieldName> {
    redacted.iter().map(|it| it.name().clone()).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Command {
        #[command(flatten)]
        contents: ContentArgs,
    }

    #[test]
    fn shards_share_what_is_kept() {
        let args = [
            "podmirror",
            "--keep-differences",
            "5",
            "--compare-body",
            "0",
        ];
        let command = Command::try_parse_from(args).unwrap();
        let rules = command.contents.for_shard(4);
        assert_eq!((rules.keep, rules.memory, rules.body), (2, 4 << 20, 0));
        assert_eq!(rules.rate, "10%".parse().unwrap());
    }

    #[test]
    fn what_is_no_path_or_size_is_refused() {
        for args in [
            ["--ignore-json", "$.a[0]"],
            ["--unordered", "$"],
            ["--compare-body", "-1"],
            ["--json-tolerance", "1"],
            ["--ignore-header", "a b"],
        ] {
            assert!(
                Command::try_parse_from(["podmirror"].iter().chain(&args)).is_err(),
                "{args:?}"
            );
        }
    }
}

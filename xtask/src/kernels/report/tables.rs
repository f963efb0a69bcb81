//! The tables in Markdown, as README and docs/NODES.md have them.

use std::fmt::Write as _;

use super::{Checked, Report, Verdict};

/// Tables of details: their heading, and how the names of their checks begin. The first has what is in
/// no other.
const TABLES: [(&str, &[&str]); 3] = [
    ("Kernels", &[]),
    ("Interfaces", &["device "]),
    ("Beside others' programs", &["beside ", "behind ", "their "]),
];

/// What [`summary`] puts into one column: all ways to capture.
const WAYS: [&str; 4] = [
    "bpf ingress ",
    "bpf egress ",
    "perf ingress ",
    "perf egress ",
];

/// A row a kernel, with what people look for first.
pub(in crate::kernels) fn summary(reports: &[Report]) -> String {
    let mut text = "| Linux | attached by | both rings, ingress and egress, IPv4 and IPv6, \
                    0 to 70 000 bytes | BIG TCP | ports of copies | after `kill -9` | \
                    checks passed | failed |\n|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for report in reports {
        let one = |name: &str| report.find(name).map_or_else(|| "–".to_owned(), cell);
        let count = |verdict| {
            let all = report.checks.iter();
            all.filter(|check| check.verdict == verdict).count()
        };
        let _written = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            report.release,
            one("load bpf"),
            all_of(report, |name| WAYS.iter().any(|way| name.starts_with(way))),
            all_of(report, |name| name.starts_with("BIG TCP")),
            one("port of copies, XDP"),
            one("kill -9"),
            count(Verdict::Passed),
            count(Verdict::Failed)
        );
    }
    text
}

/// How all of these checks ended, in one word; a dash if there are none, or the kernel lacks them.
fn all_of(report: &Report, is_one: impl Fn(&str) -> bool) -> &'static str {
    let verdicts = report.checks.iter().filter(|check| is_one(&check.name));
    let mut word = "–";
    for check in verdicts {
        match check.verdict {
            Verdict::Failed => return "**FAILED**",
            Verdict::Passed => word = "ok",
            Verdict::Absent => {}
        }
    }
    word
}

/// Tables with a row a check and a column a kernel. Where a detail says more than how many requests
/// there were, it stands in the cell.
pub(in crate::kernels) fn details(reports: &[Report]) -> String {
    let mut text = String::new();
    for (heading, starts) in &TABLES {
        let is_here = |name: &&str| {
            let special = TABLES.iter().flat_map(|(_, starts)| *starts);
            let of_another = special
                .filter(|start| !starts.contains(start))
                .any(|start| name.starts_with(start));
            let of_this = starts.is_empty() || starts.iter().any(|start| name.starts_with(start));
            of_this && !of_another
        };
        let mut names: Vec<&str> = Vec::new();
        let checks = reports.iter().flat_map(|report| &report.checks);
        for name in checks.map(|check| &*check.name).filter(is_here) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            continue;
        }
        let _written = write!(text, "\n### {heading}\n\n| Linux |");
        for report in reports {
            let _written = write!(text, " {} |", report.release);
        }
        text += "\n|---|";
        text += &"---|".repeat(reports.len());
        for name in names {
            let _written = write!(text, "\n| {} |", name.trim_start_matches("device "));
            for report in reports {
                let cell = report.find(name).map_or_else(|| "–".to_owned(), cell);
                let _written = write!(text, " {cell} |");
            }
        }
        text.push('\n');
    }
    text
}

fn cell(check: &Checked) -> String {
    let counted = check.detail.ends_with(" requests") || check.detail.ends_with(" passed");
    match check.verdict {
        Verdict::Passed if counted || check.detail.is_empty() => "ok".to_owned(),
        Verdict::Passed => check.detail.clone(),
        Verdict::Absent => "–".to_owned(),
        Verdict::Failed => "**FAILED**".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{machine::End, report::tests::report};

    #[test]
    fn the_tables_have_a_column_a_kernel_and_a_row_a_check() {
        let first = report(
            &[
                "kernel\t6.1.1",
                "check\tdevice veth\tok\t1\tmirrored",
                "check\ta\tok\t1\t4 requests",
            ],
            End::Ended,
        );
        let second = report(&["kernel\t6.6.1", "check\tb\tok\t1\ttcx"], End::Ended);
        assert_eq!(
            details(&[first, second]),
            "\n### Kernels\n\n| Linux | 6.1.1 | 6.6.1 |\n|---|---|---|\n| a | ok | – |\n| b | – | tcx |\n\
             \n### Interfaces\n\n| Linux | 6.1.1 | 6.6.1 |\n|---|---|---|\n| veth | mirrored | – |\n"
        );
    }

    #[test]
    fn the_summary_has_a_row_a_kernel() {
        let lines = [
            "kernel\t6.1.1",
            "check\tload bpf\tok\t1\ttcx",
            "check\tbpf ingress IPv4\tok\t1\t32 requests",
            "check\tBIG TCP bpf\tabsent\t0\t",
            "check\tkill -9\tok\t3\tnothing stays",
        ];
        let row = |lines: &[&str]| {
            let text = summary(&[report(lines, End::Ended)]);
            text.lines().next_back().unwrap_or_default().to_owned()
        };
        assert_eq!(
            row(&lines),
            "| 6.1.1 | tcx | ok | – | – | nothing stays | 3 | 0 |"
        );
        let failed = [&lines[..], &["check\tperf egress IPv6\tFAILED\t1\tno"]].concat();
        assert_eq!(
            row(&failed),
            "| 6.1.1 | tcx | **FAILED** | – | – | nothing stays | 3 | 1 |"
        );
    }
}

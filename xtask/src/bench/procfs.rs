//! What a process and its children have used, from /proc.

use std::{fs, time::Duration};

use nix::unistd::{SysconfVar, sysconf};

/// CPU time, user and system, of the process, its threads, and the processes it started.
///
/// Threads that live count to the nanosecond (schedstat); those that have ended, and children that
/// were waited for, count in the kernel's ticks (stat), 10 ms as a rule.
pub(super) fn cpu_time(process: u32) -> Duration {
    let own = living_threads(process).max(counted_in_ticks(process));
    let children = children(process).into_iter().map(cpu_time);
    own + children.sum::<Duration>()
}

/// The most memory that was resident, in bytes, of the process and of those it started: the sum of each one's own
/// peak. A ring's pages, which the process has mapped twice, one behind the other, count once.
pub(super) fn peak_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = line.and_then(kib).unwrap_or_default();
    let maps = fs::read_to_string(format!("/proc/{process}/smaps")).unwrap_or_default();
    let children = children(process).into_iter().map(peak_memory);
    peak.saturating_sub(counted_again(&maps)) + children.sum::<u64>()
}

/// Bytes of mapped BPF maps beyond those that are there: what is resident in each mapping, less its share of pages
/// that several mappings have.
fn counted_again(smaps: &str) -> u64 {
    let mut of_map = false;
    let (mut resident, mut shares) = (0, 0);
    for line in smaps.lines() {
        if let Some(rest) = line.strip_prefix("Rss:") {
            resident += kib(rest).filter(|_| of_map).unwrap_or_default();
        } else if let Some(rest) = line.strip_prefix("Pss:") {
            shares += kib(rest).filter(|_| of_map).unwrap_or_default();
        } else if line
            .split(' ')
            .next()
            .is_some_and(|word| word.contains('-'))
        {
            // A mapping's first line: its addresses, and the file's name at its end.
            of_map = line.ends_with("bpf-map") || line.ends_with("[bpf-map]");
        }
    }
    resident.saturating_sub(shares)
}

/// A line's number of KiB, in bytes.
fn kib(rest: &str) -> Option<u64> {
    let number: u64 = rest.split_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

fn living_threads(process: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{process}/task"));
    let nanos = tasks.into_iter().flatten().flatten().filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

fn counted_in_ticks(process: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let Some(ticks) = ticks(&text) else {
        return Duration::ZERO;
    };
    let a_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    let a_second = u64::try_from(a_second).unwrap_or(100).max(1);
    Duration::from_nanos(ticks.saturating_mul(1_000_000_000 / a_second))
}

/// Fields 14 to 17: utime, stime, cutime, cstime. The name in field 2 may contain anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields = rest.split_whitespace().skip(11).take(4);
    fields.map(|field| field.parse::<u64>().ok()).sum()
}

fn children(process: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task"));
    let lists = tasks.into_iter().flatten().flatten().filter_map(|task| {
        // A child belongs to the thread that made it.
        fs::read_to_string(task.path().join("children")).ok()
    });
    lists
        .flat_map(|list| {
            let ids = list.split_whitespace();
            ids.filter_map(|id| id.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_a_name_with_brackets() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4 9 9 9 9 10 20 3 4 20 0 1 0";
        assert_eq!(ticks(stat), Some(37));
        assert_eq!(ticks("nothing"), None);
    }

    #[test]
    fn a_ring_that_is_mapped_twice_counts_once() {
        let smaps = "7f00-7f10 rw-s 00000000 00:0e 5    anon_inode:bpf-map\nRss:  4 kB\nPss:  4 kB\n\
                     7f10-7f90 r--s 00001000 00:0e 5    anon_inode:bpf-map\nRss:  512 kB\nPss:  256 kB\n\
                     8000-9000 r-xp 00000000 08:01 7    /lib/libc.so\nRss:  100 kB\nPss:  1 kB\nPss_Dirty: 0 kB\n";
        assert_eq!(counted_again(smaps), 256 << 10);
    }

    #[test]
    fn what_a_child_uses_counts() {
        let mut child = std::process::Command::new("sh")
            .args([
                "-c",
                "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; read x",
            ])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        while cpu_time(child.id()) < Duration::from_millis(10) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(cpu_time(std::process::id()) >= cpu_time(child.id()));
        assert!(peak_memory(child.id()) > 100_000);
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}

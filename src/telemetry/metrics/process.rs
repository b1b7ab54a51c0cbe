//! The process as Linux sees it, from `/proc/self`.

use std::fs;

use super::sample::Samples;
use super::table::{PROCESS_CPU, PROCESS_FDS, PROCESS_RSS, PROCESS_START, PROCESS_THREADS};

/// Clock ticks a second in `/proc/*/stat`: `USER_HZ`, which Linux fixes at 100 for user space on
/// every architecture that Rust's standard library supports.
const TICKS: f64 = 100.0;

/// Puts what can be read; elsewhere than on Linux that is nothing.
pub(super) fn sample(samples: &mut Samples) {
    if let Some(stat) = fs::read_to_string("/proc/self/stat")
        .ok()
        .as_deref()
        .and_then(stat)
    {
        samples.put(&PROCESS_CPU, &[], stat.cpu_seconds);
        samples.put(&PROCESS_THREADS, &[], stat.threads);
        let boot = fs::read_to_string("/proc/stat").ok();
        if let Some(boot) = boot.as_deref().and_then(boot_time) {
            samples.put(&PROCESS_START, &[], boot + stat.started_after_boot);
        }
    }
    let status = fs::read_to_string("/proc/self/status").ok();
    if let Some(bytes) = status.as_deref().and_then(resident_bytes) {
        samples.put(&PROCESS_RSS, &[], bytes);
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        // The descriptor of the listing itself is one of them.
        samples.put(&PROCESS_FDS, &[], entries.count().saturating_sub(1) as f64);
    }
}

struct Stat {
    cpu_seconds: f64,
    threads: f64,
    started_after_boot: f64,
}

/// Reads proc(5) `stat`. The second field is the command in parentheses and may hold spaces and
/// parentheses itself, so fields are counted from the last one.
fn stat(content: &str) -> Option<Stat> {
    let (_, after_command) = content.rsplit_once(')')?;
    let fields: Vec<&str> = after_command.split_ascii_whitespace().collect();
    // `fields[0]` is field 3 of the manual page.
    let number = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    Some(Stat {
        cpu_seconds: (number(14)? + number(15)?) / TICKS,
        threads: number(20)?,
        started_after_boot: number(22)? / TICKS,
    })
}

fn boot_time(content: &str) -> Option<f64> {
    let line = content
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

fn resident_bytes(content: &str) -> Option<f64> {
    let line = content
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let content = "77 (a) b (c) S 1 77 77 0 -1 4194560 90 0 0 0 250 150 0 0 20 0 9 0 12300 1 2";
        let stat = stat(content).unwrap();
        assert_eq!(stat.cpu_seconds, 4.0);
        assert_eq!(stat.threads, 9.0);
        assert_eq!(stat.started_after_boot, 123.0);
    }

    #[test]
    fn resident_memory_is_in_bytes() {
        assert_eq!(
            resident_bytes("VmHWM:\t 9 kB\nVmRSS:\t   12 kB\n"),
            Some(12_288.0)
        );
        assert_eq!(resident_bytes("VmHWM:\t 9 kB\n"), None);
    }

    #[test]
    fn boot_time_is_found() {
        assert_eq!(
            boot_time("cpu 1 2\nbtime 1700000000\n"),
            Some(1_700_000_000.0)
        );
    }
}

//! What a process uses, by `/proc`.

/// A line of its status in bytes: `VmRSS`, or `VmHWM` for the most that it had.
pub fn memory(id: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a running process");
    let found = status.lines().find_map(|found| found.strip_prefix(line));
    let kilobytes = found.and_then(|rest| rest.strip_prefix(':')?.trim().strip_suffix(" kB"));
    kilobytes.expect(line).parse::<u64>().expect("a number") * 1024
}

/// How many files, sockets and pipes it has open.
pub fn open_files(id: u32) -> usize {
    let files = std::fs::read_dir(format!("/proc/{id}/fd"));
    files.expect("a running process").count()
}

//! What processes have used, from proc(5): CPU of a server or a process, and the most memory that one had.

use std::path::Path;
use std::time::Duration;

/// CPU that a server has used since its start, by the folder of its data: the postmaster, its living children and those it
/// has waited for. `None` where there is no Linux /proc.
pub fn server_cpu(data: &Path) -> Option<Duration> {
    let pid_file = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid = pid_file.lines().next()?;
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let mut ticks: u64 = stat(pid)?.iter().sum();
    for child in children.split_whitespace() {
        // One that has just ended is counted with the postmaster the next time.
        ticks += stat(child).map_or(0, |[user, system, ..]| user + system);
    }
    Some(of_ticks(ticks))
}

/// User and system time of a process that has not been waited for.
pub fn process_cpu(pid: i32) -> Option<Duration> {
    let [user, system, ..] = stat(&pid.to_string())?;
    Some(of_ticks(user + system))
}

/// The most memory that a running process has had at a time (VmHWM), in KiB.
pub fn peak_kib(pid: i32) -> Option<u64> {
    memory_kib(pid, "VmHWM:")
}

/// The memory that it has now (VmRSS), in KiB.
pub fn resident_kib(pid: i32) -> Option<u64> {
    memory_kib(pid, "VmRSS:")
}

fn memory_kib(pid: i32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn of_ticks(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// utime, stime, cutime, cstime.
fn stat(pid: &str) -> Option<[u64; 4]> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the program's name, may hold spaces; it ends with the last parenthesis.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let mut ticks = [0; 4];
    for (at, value) in ticks.iter_mut().enumerate() {
        *value = fields.get(11 + at)?.parse().ok()?;
    }
    Some(ticks)
}

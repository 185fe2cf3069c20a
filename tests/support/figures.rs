//! What the kernel says of a process: figures for the benches.

use std::fs;
use std::time::Duration;

/// Time of this thread on the processor, so that what else the machine does counts for little.
pub fn processor_time() -> Duration {
    time_in("/proc/thread-self/schedstat").unwrap()
}

/// Time of all threads of `process` on the processor, to the nanosecond; those that have ended count no more.
pub fn processor_time_of(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let schedules = threads.map(|thread| thread.unwrap().path().join("schedstat"));
    schedules.filter_map(|path| time_in(path.to_str().unwrap())).sum()
}

fn time_in(schedule: &str) -> Option<Duration> {
    let schedule = fs::read_to_string(schedule).ok()?;
    schedule.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// Peak memory of `process` (`self` or a number).
pub fn peak_kilobytes(process: &str) -> u64 {
    kilobytes(process, "VmHWM")
}

/// A figure in the status of `process`: `VmRSS` is the memory it has now.
pub fn kilobytes(process: &str, figure: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(figure)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How many files this process may have open, and how many if it asks for more.
pub fn open_files() -> (usize, usize) {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let mut numbers = line
        .split_whitespace()
        .skip(3)
        .map(|number| number.parse().unwrap_or(usize::MAX));
    (numbers.next().unwrap(), numbers.next().unwrap())
}

//! What the kernel says of a process: figures for the benches.

use std::fs;
use std::time::Duration;

/// Time of this thread on the processor, so that what else the machine does counts for little.
pub fn processor_time() -> Duration {
    let schedule = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(schedule.split(' ').next().unwrap().parse().unwrap())
}

/// Peak memory of `process` (`self` or a number): `VmHWM` of its status.
pub fn peak_kilobytes(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

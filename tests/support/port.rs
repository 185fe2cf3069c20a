//! Ports for programs that must be told which one to listen on.
//!
//! A port that was bound to find it free, and let go, is anybody's a moment later: the system may give it to the next
//! connection. These lie below the range that Linux gives from, and a locked file keeps other tests away, those of other
//! processes as well.

use std::fs::File;
use std::net::TcpListener;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

const PORTS: Range<u16> = 20_000..32_768;

/// A free port, until this process ends.
pub fn reserve() -> u16 {
    static RESERVED: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
    // Not where other processes begin.
    let first = usize::try_from(std::process::id()).unwrap() * 97 + reserved.len();
    let mut ports = PORTS.cycle().skip(first % PORTS.len()).take(PORTS.len());
    let found = ports.find_map(|port| {
        let path = std::env::temp_dir().join(format!("mailtap-port-{port}"));
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .ok()?;
        lock.try_lock().ok()?;
        TcpListener::bind(("0.0.0.0", port)).ok()?;
        Some((port, lock))
    });
    let (port, lock) = found.expect("a free port");
    reserved.push(lock);
    port
}

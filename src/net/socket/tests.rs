use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Socket, serves};
use crate::clock::{Clock, Phase};
use crate::net::{NetErrorKind, Stream};

/// Every look at it lets a second pass.
struct TickingClock(Mutex<Instant>);

impl Clock for TickingClock {
    fn now(&self) -> Instant {
        let mut now = self.0.lock().unwrap();
        *now += Duration::from_secs(1);
        *now
    }

    fn unix_milliseconds(&self) -> i64 {
        0
    }

    fn wait(&self, _: Duration) {}

    fn stopping(&self) -> bool {
        false
    }
}

fn pair() -> (Socket, TcpStream, Arc<TickingClock>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
    let clock = Arc::new(TickingClock(Mutex::new(Instant::now())));
    let socket = Socket::new(client, "a.example:993".to_owned(), Arc::clone(&clock) as _, None);
    (socket, listener.accept().expect("a client").0, clock)
}

#[test]
fn a_deadline_that_has_passed_is_noticed_though_bytes_are_there() {
    let (mut socket, mut server, clock) = pair();
    server.write_all(b"xyz").expect("written");
    let deadline = clock.deadline(Phase::Literal, Duration::from_secs(3));
    for _ in 0..2 {
        assert_eq!(socket.read(&mut [0], deadline), Ok(1));
    }
    let error = socket.read(&mut [0], deadline).expect_err("late");
    assert_eq!(
        (error.phase, error.kind),
        (Phase::Literal, NetErrorKind::TimedOut(Duration::from_secs(3)))
    );
}

#[test]
fn a_peer_that_takes_only_a_part_ends_the_write_at_the_deadline() {
    let (mut socket, server, clock) = pair();
    let deadline = clock.deadline(Phase::Write, Duration::from_millis(1020));
    // Far more than the kernel holds for a peer that does not read.
    let error = socket.write_all(&vec![0; 64 << 20], deadline).expect_err("stuck");
    assert_eq!(
        (error.phase, error.kind),
        (Phase::Write, NetErrorKind::TimedOut(Duration::from_millis(1020)))
    );
    drop(server);
}

#[test]
fn silence_ends_at_the_deadline() {
    let (mut socket, _server, clock) = pair();
    // The clock has let a second pass when the socket looks: 20 ms are left, and waited for.
    let deadline = clock.deadline(Phase::Greeting, Duration::from_millis(1020));
    let error = socket.read(&mut [0], deadline).expect_err("silence");
    assert_eq!(error.to_string(), "a.example:993: IMAP greeting: nothing for 1 s");
}

#[test]
fn what_is_ready_is_read_without_waiting() {
    let (mut socket, mut server, _) = pair();
    let mut buffer = [0; 8];
    assert_eq!(socket.read_ready(&mut buffer), Ok(None));
    server.write_all(b"early").expect("written");
    assert_eq!(wait_ready(&mut socket, &mut buffer), 5);
    assert_eq!(socket.read_ready(&mut buffer), Ok(None));
    drop(server);
    assert_eq!(wait_ready(&mut socket, &mut buffer), 0);
}

/// Looks until something is ready: the kernel may deliver a moment after the peer has written.
fn wait_ready(socket: &mut Socket, buffer: &mut [u8]) -> usize {
    loop {
        if let Some(count) = socket.read_ready(buffer).expect("ready") {
            return count;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_read_after_a_look_waits_again() {
    let (mut socket, server, clock) = pair();
    assert_eq!(socket.read_ready(&mut [0]), Ok(None));
    let deadline = clock.deadline(Phase::Command, Duration::from_millis(1020));
    assert!(matches!(
        socket.read(&mut [0], deadline).expect_err("silence").kind,
        NetErrorKind::TimedOut(_)
    ));
    drop(server);
}

#[test]
fn the_kernels_timeout_is_set_again_only_when_it_would_be_wrong() {
    let seconds = Duration::from_secs;
    assert!(!serves(None, seconds(30)));
    assert!(serves(Some(seconds(30)), seconds(30)));
    assert!(
        serves(Some(seconds(30)), Duration::from_micros(29_999_990)),
        "a fresh deadline of the same length"
    );
    assert!(
        !serves(Some(seconds(30)), seconds(29)),
        "it would be noticed a second late"
    );
    assert!(serves(Some(seconds(15)), seconds(30)), "early is harmless");
    assert!(!serves(Some(seconds(14)), seconds(30)), "too early wakes for nothing");
    assert!(!serves(Some(seconds(30)), Duration::from_millis(20)));
}

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Health;
use crate::clock::{Clock, Deadline, Phase};
use crate::limits;
use crate::metrics::Registry;

/// Real time, but nobody is waited for longer than `patience`.
struct Hasty {
    patience: Duration,
}

impl Clock for Hasty {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn unix_milliseconds(&self) -> i64 {
        0
    }

    fn wait(&self, _: Duration) {}

    fn stopping(&self) -> bool {
        false
    }

    fn deadline(&self, phase: Phase, after: Duration) -> Deadline {
        Deadline {
            phase,
            at: self.now() + after.min(self.patience),
            after,
        }
    }
}

fn listening(patience: Duration) -> SocketAddr {
    let health = Health::new(Arc::new(Registry::default()), Arc::new(Hasty { patience }));
    health.listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
}

fn listening_well() -> SocketAddr {
    listening(Duration::from_secs(30))
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    socket
}

fn rest(mut socket: TcpStream) -> String {
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut socket = connect(address);
    socket.write_all(request).unwrap();
    rest(socket)
}

#[test]
fn both_pages_are_served_and_the_connection_is_closed() {
    let address = listening_well();
    let healthz = ask(address, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let (head, body) = healthz.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Connection: close"),
        "{head}"
    );
    assert_eq!(body, "{\"mailboxes\":[],\"status\":\"ok\"}\n");
    let metrics = ask(address, b"GET /metrics HTTP/1.0\r\n\r\n");
    assert!(metrics.contains("\nmailtap_up 1\n"), "{metrics}");
    let bytes = metrics
        .lines()
        .find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
    let bytes: u64 = bytes.unwrap().parse().unwrap();
    assert!((1 << 20..1 << 34).contains(&bytes), "{bytes}");
}

#[test]
fn a_client_that_stops_in_the_middle_of_its_request_is_told_so() {
    let address = listening(Duration::from_millis(20));
    for start in ["", "GET /healthz HT"] {
        let answer = ask(address, start.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
}

#[test]
fn a_client_that_goes_in_the_middle_of_its_request_gets_nothing() {
    let mut socket = connect(listening_well());
    socket.write_all(b"GET /healthz HT").unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(socket), "");
}

#[test]
fn what_nobody_asked_for_does_not_cost_the_answer() {
    let address = listening_well();
    let body = vec![b'x'; 200_000];
    let mut socket = connect(address);
    socket
        .write_all(b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n")
        .unwrap();
    socket.write_all(&body).unwrap();
    assert!(rest(socket).starts_with("HTTP/1.1 405 "));
    let answer = ask(address, &[b'x'; limits::HEALTH_HEAD]);
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[test]
fn connections_that_are_only_held_keep_nobody_out() {
    let address = listening_well();
    let held: Vec<TcpStream> = (0..limits::HEALTH_CONNECTIONS * 3)
        .map(|_| {
            let socket = connect(address);
            (&socket).write_all(b"GET /").unwrap();
            socket
        })
        .collect();
    let answer = ask(address, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // Those that were ended read the end, or a reset where their bytes were not read; the last ones are still held.
    let (ended, open) = held.split_at(limits::HEALTH_CONNECTIONS * 2);
    for mut socket in ended {
        assert!(!matches!(socket.read(&mut [0]), Ok(1..)));
    }
    let last = open.last().unwrap();
    last.set_nonblocking(true).unwrap();
    let waits = (&*last).read(&mut [0]).unwrap_err();
    assert_eq!(waits.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_client_that_never_closes_is_not_waited_for() {
    let mut socket = connect(listening(Duration::from_millis(20)));
    socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // Ends with the reset that answers what comes to a closed connection.
    while socket.write_all(b"x").is_ok() {}
}

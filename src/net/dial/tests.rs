use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::{Outcome, TcpDialer, fair_share, interleave};
use crate::clock::{Phase, Stop, SystemClock};
use crate::limits;
use crate::net::tls::{Protocol, Trust};
use crate::net::{Dial, Endpoint, NetErrorKind, Security, Stream};

const HOUR: Duration = Duration::from_secs(3600);

fn dialer(stop: Option<&Arc<Stop>>) -> TcpDialer {
    let trust = Trust::load(None).expect("the public authorities");
    let tls = trust.client_config(Protocol::Imap).expect("a configuration");
    let clock = Arc::new(SystemClock::new(Stop::new()));
    TcpDialer::new(tls, clock, stop.cloned())
}

fn plain(host: &str, port: u16) -> Endpoint {
    Endpoint {
        host: host.to_owned(),
        port,
        security: Security::Plain,
    }
}

/// A connection in clear, and the server's end of it.
fn connect(dialer: &TcpDialer, host: &str) -> (Box<dyn Stream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let stream = dialer.dial(&plain(host, port)).expect("connected");
    (stream, listener.accept().expect("a client").0)
}

/// A port of 127.0.0.1 on which nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

#[test]
fn a_name_is_resolved_and_bytes_go_both_ways() {
    let dialer = dialer(None);
    let (mut stream, mut server) = connect(&dialer, "localhost");
    let deadline = dialer.clock.deadline(Phase::Command, HOUR);
    stream.write_all(b"to the server", deadline).expect("written");
    let mut buffer = [0; 13];
    server.read_exact(&mut buffer).expect("read");
    assert_eq!(&buffer, b"to the server");
    server.write_all(b"and back").expect("written");
    assert_eq!(stream.read(&mut buffer, deadline), Ok(8));
    assert_eq!(&buffer[..8], b"and back");
    drop(server);
    assert_eq!(stream.read(&mut buffer, deadline), Ok(0));
    assert!(stream.peer().starts_with("localhost:"));
}

#[test]
fn a_port_that_nobody_listens_on_is_named() {
    let port = closed_port();
    let error = dialer(None)
        .dial(&plain("127.0.0.1", port))
        .map(|_| ())
        .expect_err("refused");
    assert_eq!(
        (error.phase, error.peer.as_str()),
        (Phase::Connect, format!("127.0.0.1:{port}").as_str())
    );
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn matrix_10_a_name_that_cannot_exist_is_not_found() {
    // A label of 64 characters: the resolver refuses it without asking anyone.
    let host = format!("{}.invalid", "x".repeat(64));
    let error = dialer(None)
        .dial(&plain(&host, 993))
        .map(|_| ())
        .expect_err("not found");
    assert_eq!(error.phase, Phase::Resolve);
    assert!(matches!(error.kind, NetErrorKind::NotFound(_)), "{error}");
}

#[test]
fn matrix_10_the_next_address_is_tried_when_the_first_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let open = listener.local_addr().expect("bound");
    let closed = SocketAddr::from(([127, 0, 0, 1], closed_port()));
    let connected = dialer(None)
        .connect("a.example:993", &[closed, open], limits::CONNECT)
        .expect("connected");
    assert_eq!(connected.peer_addr().expect("a peer"), open);
    let error = dialer(None)
        .connect("a.example:993", &[closed, closed], limits::CONNECT)
        .expect_err("refused");
    assert!(error.to_string().contains("address 2 of 2"), "{error}");
}

#[test]
fn matrix_10_an_address_that_swallows_packets_leaves_time_for_the_others() {
    let all = limits::CONNECT;
    assert_eq!(fair_share(all, 1), all);
    let first = fair_share(all, 3);
    assert_eq!(first, all / 3);
    assert_eq!(
        fair_share(all.saturating_sub(first), 2),
        all / 3,
        "an equal share after a first that used all of its own"
    );
    assert_eq!(fair_share(all, 2), all / 2, "more after a first that refused at once");
    assert!(!fair_share(Duration::from_nanos(1), 8).is_zero());
}

/// An address whose queue of connections is full, so that the kernel drops what asks for another one; and what fills it.
fn swallowing() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
    let waiting: Vec<TcpStream> = std::iter::from_fn(connect).take(10_000).collect();
    assert!(waiting.len() < 10_000, "the kernel has a bound");
    (address, listener, waiting)
}

#[test]
fn matrix_10_a_connect_that_nobody_answers_is_given_up_and_the_next_address_tried_in_time() {
    let (silent, _listener, _waiting) = swallowing();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let open = listener.local_addr().expect("bound");
    let all = Duration::from_millis(450);
    let dialer = dialer(None);
    let connected = dialer.connect("a.example:993", &[silent, silent, open], all);
    assert_eq!(connected.expect("the third").peer_addr().expect("a peer"), open);

    let error = dialer
        .connect("a.example:993", &[silent, silent], all)
        .expect_err("nobody answers");
    assert_eq!((error.phase, error.peer.as_str()), (Phase::Connect, "a.example:993"));
    // The last address had what the first one left.
    assert!(
        matches!(error.kind, NetErrorKind::TimedOut(share) if share <= all / 2),
        "{error}"
    );
}

#[test]
fn matrix_10_a_connect_that_nobody_answers_ends_when_the_program_stops() {
    let (silent, _listener, _waiting) = swallowing();
    let stop = Stop::new();
    let dialer = dialer(Some(&stop));
    let dialling = thread::spawn(move || dialer.connect("a.example:993", &[silent], HOUR));
    stop.ask();
    let error = dialling.join().expect("no panic").expect_err("stopped");
    assert_eq!((error.phase, error.kind), (Phase::Connect, NetErrorKind::Stopped));
}

#[test]
fn matrix_10_a_resolver_that_hangs_is_given_up_at_the_deadline() {
    let (release, hang) = mpsc::channel::<()>();
    let outcome = dialer(None).outside(Duration::from_millis(1), move || hang.recv());
    assert!(matches!(outcome, Outcome::TimedOut));
    drop(release);
}

#[test]
fn matrix_10_a_resolver_that_hangs_is_given_up_when_the_program_stops() {
    let stop = Stop::new();
    let (release, hang) = mpsc::channel::<()>();
    let (started, begun) = mpsc::channel();
    let asker = Arc::clone(&stop);
    let asking = thread::spawn(move || {
        begun.recv().expect("started");
        asker.ask();
    });
    let outcome = dialer(Some(&stop)).outside(HOUR, move || {
        started.send(()).expect("a listener");
        hang.recv()
    });
    assert!(matches!(outcome, Outcome::Stopped));
    asking.join().expect("asked");
    drop(release);
}

#[test]
fn a_program_that_is_stopping_dials_no_more() {
    let stop = Stop::new();
    stop.ask();
    let error = dialer(Some(&stop))
        .dial(&plain("localhost", closed_port()))
        .map(|_| ())
        .expect_err("stopping");
    assert_eq!(error.kind, NetErrorKind::Stopped);
}

#[test]
fn a_read_that_waits_is_woken_by_the_stop_and_a_goodbye_can_still_be_written() {
    let stop = Stop::new();
    let dialer = dialer(Some(&stop));
    let (mut stream, mut server) = connect(&dialer, "127.0.0.1");
    let deadline = dialer.clock.deadline(Phase::Idle, HOUR);
    let reading = thread::spawn(move || {
        let result = stream.read(&mut [0; 16], deadline);
        (stream, result)
    });
    stop.ask();
    let (mut stream, result) = reading.join().expect("woken");
    assert_eq!(result.expect_err("stopped").kind, NetErrorKind::Stopped);
    stream.write_all(b"LOGOUT", deadline).expect("written");
    drop(stream);
    let mut goodbye = String::new();
    server.read_to_string(&mut goodbye).expect("read");
    assert_eq!(goodbye, "LOGOUT");
}

#[test]
fn a_connection_without_a_stop_is_left_alone() {
    let stop = Stop::new();
    let dialer = dialer(None);
    let (mut stream, mut server) = connect(&dialer, "127.0.0.1");
    stop.ask();
    server.write_all(b"acknowledged").expect("written");
    let mut buffer = [0; 16];
    assert_eq!(
        stream.read(&mut buffer, dialer.clock.deadline(Phase::FirstByte, HOUR)),
        Ok(12)
    );
}

#[test]
fn families_take_turns_from_the_first_choice_on() {
    let address = |name: &str| -> SocketAddr { name.parse().expect(name) };
    let cases = [
        ("", ""),
        ("1.1.1.1:1", "1.1.1.1:1"),
        (
            "[::1]:1 [::2]:1 1.1.1.1:1 2.2.2.2:1",
            "[::1]:1 1.1.1.1:1 [::2]:1 2.2.2.2:1",
        ),
        ("1.1.1.1:1 [::1]:1 [::2]:1", "1.1.1.1:1 [::1]:1 [::2]:1"),
        (
            "[::1]:1 1.1.1.1:1 2.2.2.2:1 3.3.3.3:1",
            "[::1]:1 1.1.1.1:1 2.2.2.2:1 3.3.3.3:1",
        ),
        (
            "1.1.1.1:1 2.2.2.2:1 3.3.3.3:1 [::1]:1",
            "1.1.1.1:1 [::1]:1 2.2.2.2:1 3.3.3.3:1",
        ),
    ];
    for (given, expected) in cases {
        let given: Vec<SocketAddr> = given.split_whitespace().map(address).collect();
        let expected: Vec<SocketAddr> = expected.split_whitespace().map(address).collect();
        assert_eq!(interleave(&given), expected);
    }
    let many: Vec<SocketAddr> = (1..=9).map(|port| SocketAddr::from(([1, 1, 1, 1], port))).collect();
    assert_eq!(interleave(&many[..7]).len(), 7);
    assert_eq!(interleave(&many[..8]).len(), limits::ADDRESSES);
    assert_eq!(interleave(&many).len(), limits::ADDRESSES);
}

//! The same over real sockets: what the kernel does with a response when a reset follows it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::clock::{Stop, SystemClock};
use crate::http::exchange::{Exchange, ExchangeError};
use crate::http::request::{Method, Request};
use crate::http::response::Response;
use crate::http::url::Url;
use crate::net::dial::TcpDialer;
use crate::net::tls::{Protocol, Trust};

/// Posts `body` once or more to a server that `serve` plays, a connection at a time.
fn post<const TIMES: usize>(
    body: &[u8],
    serve: impl FnOnce(TcpListener) + Send + 'static,
) -> ([Result<Response, ExchangeError>; TIMES], JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/in", listener.local_addr().expect("bound"));
    let server = thread::spawn(move || serve(listener));
    let trust = Trust::load(None).expect("the public authorities");
    let clock = Arc::new(SystemClock::new(Stop::new()));
    let tls = trust.client_config(Protocol::Http).expect("a configuration");
    let dialer = TcpDialer::new(tls, Arc::clone(&clock) as _, None);
    let request = Request::new(Method::Post, &Url::parse(&url, false).expect("valid URL"));
    let mut exchange = Exchange::new();
    let results = std::array::from_fn(|_| exchange.send(&dialer, &*clock, &request, body));
    (results, server)
}

fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().expect("a client").0
}

/// Reads the head of a request and `length` bytes of body.
fn read_request(client: &mut TcpStream, length: usize) {
    let mut taken = Vec::new();
    let mut byte = [0];
    while !taken.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).expect("a head");
        taken.push(byte[0]);
    }
    client.read_exact(&mut vec![0; length]).expect("a body");
}

#[test]
fn a_refusal_followed_by_a_reset_is_read() {
    let ([result], server) = post(&vec![b'x'; 32 << 20], |listener| {
        let mut client = accept(&listener);
        read_request(&mut client, 1000);
        client
            .write_all(b"HTTP/1.1 413 x\r\nContent-Length: 3\r\n\r\nbig")
            .expect("written");
        // Closing with unread bytes resets the connection.
    });
    let response = result.expect("a refusal");
    assert_eq!((response.status, response.body.as_slice()), (413, b"big".as_slice()));
    server.join().expect("served");
}

#[test]
fn a_connection_closed_while_idle_is_replaced() {
    let ([first, second], server) = post(b"x", |listener| {
        for _ in 0..2 {
            let mut client = accept(&listener);
            read_request(&mut client, 1);
            client.write_all(b"HTTP/1.1 204 x\r\n\r\n").expect("written");
        }
    });
    assert_eq!(
        (
            first.map(|response| response.status),
            second.map(|response| response.status)
        ),
        (Ok(204), Ok(204))
    );
    server.join().expect("served");
}

#[test]
fn a_connection_carries_one_request_after_another() {
    let ([first, second, third], server) = post(&vec![b'x'; 300_000], |listener| {
        let mut client = accept(&listener);
        for _ in 0..3 {
            read_request(&mut client, 300_000);
            client
                .write_all(b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
                .expect("written");
        }
    });
    for result in [first, second, third] {
        let response = result.expect("answered");
        assert_eq!(
            (response.status, response.body.as_slice(), response.reusable),
            (200, b"ok".as_slice(), true)
        );
    }
    server.join().expect("served");
}

mod binding;
mod pinned;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{Protocol, TlsStream, Trust};
use crate::clock::{Clock, Deadline, Phase, Stop, SystemClock};
use crate::net::socket::Socket;
use crate::net::{NetError, NetErrorKind, Stream};

type Server = StreamOwned<ServerConnection, TcpStream>;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls").join(name)
}

fn deadline() -> Deadline {
    SystemClock::new(Stop::new()).deadline(Phase::Command, Duration::from_secs(60))
}

/// Dials `host` on a port where `serve` has the other end.
fn dial<R: Send + 'static>(
    ca_file: Option<&str>,
    host: &str,
    serve: impl FnOnce(TcpStream) -> R + Send + 'static,
) -> (Result<TlsStream, NetError>, JoinHandle<R>) {
    let trust = Trust::load(ca_file.map(file).as_deref()).expect("trust");
    dial_trusting(&trust, host, serve)
}

fn dial_trusting<R: Send + 'static>(
    trust: &Trust,
    host: &str,
    serve: impl FnOnce(TcpStream) -> R + Send + 'static,
) -> (Result<TlsStream, NetError>, JoinHandle<R>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let tcp = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
    let server = thread::spawn(move || serve(listener.accept().expect("a client").0));
    let clock = Arc::new(SystemClock::new(Stop::new()));
    let socket = Socket::new(tcp, format!("{host}:993"), clock, None);
    let config = trust.client_config(Protocol::Http).expect("a configuration");
    let mut deadline = deadline();
    deadline.phase = Phase::Tls;
    (TlsStream::connect(Box::new(socket), host, config, deadline), server)
}

/// The server's side of TLS with a certificate of `testdata/tls`. Its key is the same for all.
fn accept(tcp: TcpStream, certificate: &str) -> Server {
    let chain = vec![CertificateDer::from_pem_file(file(certificate)).expect("certificate")];
    let key = PrivateKeyDer::from_pem_file(file("server_key.pem")).expect("key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .expect("a configuration");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Session tickets leave just before the first data, which must not wait for their acknowledgement.
    tcp.set_nodelay(true).expect("set");
    StreamOwned::new(ServerConnection::new(Arc::new(config)).expect("a connection"), tcp)
}

/// A good connection to a server that `serve` plays.
fn connect<R: Send + 'static>(serve: impl FnOnce(Server) -> R + Send + 'static) -> (TlsStream, JoinHandle<R>) {
    let (stream, server) = dial(Some("ca.pem"), "localhost", |tcp| serve(accept(tcp, "server.pem")));
    (stream.expect("shaken hands"), server)
}

/// Reads until the end.
fn read_to_end(stream: &mut TlsStream) -> Result<Vec<u8>, NetError> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; 50_000]);
    loop {
        match stream.read(&mut buffer, deadline())? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

fn close(server: &mut Server) {
    server.conn.send_close_notify();
    server.flush().expect("flushed");
}

#[test]
fn bytes_go_both_ways_and_the_protocol_is_named() {
    let (mut stream, server) = connect(|mut server| {
        let mut request = [0; 7];
        server.read_exact(&mut request).expect("read");
        server.write_all(b"answer").expect("written");
        close(&mut server);
        let name = server.conn.server_name().map(str::to_owned);
        (request, name, server.conn.alpn_protocol().map(<[u8]>::to_vec))
    });
    stream.write_all(b"request", deadline()).expect("written");
    assert_eq!(read_to_end(&mut stream), Ok(b"answer".to_vec()));
    assert_eq!(stream.read(&mut [0], deadline()), Ok(0), "closed stays closed");
    let (request, name, protocol) = server.join().expect("served");
    assert_eq!(
        (&request, name.as_deref(), protocol.as_deref()),
        (b"request", Some("localhost"), Some(b"http/1.1".as_slice()))
    );
}

#[test]
fn megabytes_arrive_as_they_were_sent_and_leave_no_buffer_behind() {
    let data: Vec<u8> = (0..5_000_000_u32)
        .map(|number| u8::try_from(number % 251).expect("small"))
        .collect();
    let sent = data.clone();
    let (mut stream, server) = connect(move |mut server| {
        let mut received = vec![0; sent.len()];
        server.read_exact(&mut received).expect("read");
        server.write_all(&sent).expect("written");
        server.flush().expect("flushed");
        let mut last = [0; 4];
        server.read_exact(&mut last).expect("read");
        server.write_all(b"idle").expect("written");
        let _ = server.read(&mut last);
        received
    });
    stream.write_all(&data, deadline()).expect("written");
    let (mut received, mut buffer) = (Vec::new(), vec![0; 70_000]);
    while received.len() < data.len() {
        let count = stream.read(&mut buffer, deadline()).expect("read");
        received.extend_from_slice(&buffer[..count]);
    }
    assert!(received == data, "the bytes differ");
    stream.write_all(b"IDLE", deadline()).expect("written");
    assert_eq!(stream.read(&mut buffer, deadline()), Ok(4));
    assert_eq!(
        stream.transport.ahead.capacity(),
        0,
        "an idle connection holds no buffer"
    );
    drop(stream);
    assert!(server.join().expect("served") == data, "the bytes differ");
}

#[test]
fn an_end_without_close_notify_is_not_the_end() {
    let (mut stream, server) = connect(|mut server| {
        server.write_all(b"half").expect("written");
        server.flush().expect("flushed");
    });
    let mut buffer = [0; 16];
    assert_eq!(stream.read(&mut buffer, deadline()), Ok(4));
    let error = stream.read(&mut buffer, deadline()).expect_err("cut");
    assert_eq!((error.phase, error.kind), (Phase::Command, NetErrorKind::Closed));
    server.join().expect("served");
}

#[test]
fn matrix_9_a_record_cut_in_the_middle_is_not_the_end() {
    let (mut stream, server) = connect(|mut server| {
        server.write_all(b"whole").expect("written");
        server.flush().expect("flushed");
        server.sock.write_all(&[0x17, 3, 3, 0, 100, 1, 2, 3]).expect("written");
    });
    let mut buffer = [0; 16];
    assert_eq!(stream.read(&mut buffer, deadline()), Ok(5));
    assert_eq!(
        stream.read(&mut buffer, deadline()).expect_err("cut").kind,
        NetErrorKind::Closed
    );
    server.join().expect("served");
}

#[test]
fn matrix_9_bytes_injected_into_the_stream_are_refused() {
    let record = [&[0x17, 3, 3, 0, 40], [0; 40].as_slice()].concat();
    for injected in [b"* OK injected\r\n".to_vec(), record] {
        let (mut stream, server) = connect(move |mut server| {
            server.write_all(b"whole").expect("written");
            server.flush().expect("flushed");
            server.sock.write_all(&injected).expect("written");
            // Stays until the client has gone.
            let _ = server.sock.read(&mut [0; 64]);
        });
        let mut buffer = [0; 16];
        assert_eq!(stream.read(&mut buffer, deadline()), Ok(5));
        match stream.read(&mut buffer, deadline()).expect_err("refused").kind {
            NetErrorKind::Tls(reason) => {
                assert!(reason.starts_with("bytes were changed or put in between"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        drop(stream);
        server.join().expect("served");
    }
}

#[test]
fn silence_within_the_stream_ends_at_the_deadline() {
    let (mut stream, server) = connect(|mut server| {
        server.flush().expect("shaken hands");
        let _ = server.sock.read(&mut [0; 64]);
    });
    let soon = SystemClock::new(Stop::new()).deadline(Phase::Literal, Duration::from_millis(20));
    let error = stream.read(&mut [0], soon).expect_err("silence");
    assert_eq!(
        (error.phase, error.kind),
        (Phase::Literal, NetErrorKind::TimedOut(Duration::from_millis(20)))
    );
    drop(stream);
    server.join().expect("served");
}

/// Looks until something is ready: the kernel may deliver a moment after the peer has written.
fn wait_ready(stream: &mut TlsStream, buffer: &mut [u8]) -> Result<usize, NetError> {
    loop {
        if let Some(count) = stream.read_ready(buffer)? {
            return Ok(count);
        }
        thread::yield_now();
    }
}

#[test]
fn what_is_ready_is_read_without_waiting_and_tickets_are_not_taken_for_data() {
    let (go, gone) = mpsc::channel::<()>();
    let (done, wait) = mpsc::channel::<()>();
    let (mut stream, server) = connect(move |mut server| {
        // The handshake ends here, session tickets included.
        server.flush().expect("shaken hands");
        done.send(()).expect("a listener");
        gone.recv().expect("a signal");
        server.write_all(b"early").expect("written");
        server.flush().expect("flushed");
        done.send(()).expect("a listener");
        gone.recv().expect("a signal");
        close(&mut server);
        done.send(()).expect("a listener");
        let _ = server.sock.read(&mut [0; 64]);
    });
    let mut buffer = [0; 16];
    wait.recv().expect("a signal");
    assert_eq!(stream.read_ready(&mut buffer), Ok(None));
    go.send(()).expect("a listener");
    wait.recv().expect("a signal");
    assert_eq!(wait_ready(&mut stream, &mut buffer), Ok(5));
    assert_eq!(stream.read_ready(&mut buffer), Ok(None));
    go.send(()).expect("a listener");
    wait.recv().expect("a signal");
    assert_eq!(wait_ready(&mut stream, &mut buffer), Ok(0));
    drop(stream);
    server.join().expect("served");
}

#[test]
fn dropping_a_connection_says_goodbye() {
    let (stream, server) = connect(|mut server| server.read(&mut [0; 16]).map_err(|error| error.kind()));
    drop(stream);
    assert_eq!(server.join().expect("served"), Ok(0), "close_notify, not a cut");
}

/// Why a handshake fails, as the operator reads it.
fn refusal(ca_file: Option<&str>, host: &str, certificate: &'static str) -> String {
    let (stream, server) = dial(ca_file, host, move |tcp| {
        let mut server = accept(tcp, certificate);
        let _ = server.read(&mut [0; 16]);
    });
    let error = stream.map(|_| ()).expect_err("refused");
    server.join().expect("served");
    assert_eq!(error.phase, Phase::Tls);
    assert!(matches!(error.kind, NetErrorKind::Tls(_)), "{error:?}");
    error.to_string()
}

#[test]
fn matrix_9_a_certificate_that_does_not_do_is_explained() {
    let cases = [
        (
            refusal(Some("ca.pem"), "localhost", "expired.pem"),
            "localhost:993: TLS handshake: the server's certificate expired on 20",
        ),
        (
            refusal(Some("ca.pem"), "localhost", "wrong_host.pem"),
            "localhost:993: TLS handshake: the server's certificate is not for localhost; it is for elsewhere.invalid",
        ),
        (
            refusal(Some("ca.pem"), "192.0.2.1", "server.pem"),
            "192.0.2.1:993: TLS handshake: the server's certificate is not for 192.0.2.1; it is for localhost, 127.0.0.1, ",
        ),
        (
            refusal(None, "localhost", "server.pem"),
            "localhost:993: TLS handshake: the server's certificate is signed by an authority that is not trusted; set ca_file to the server's CA",
        ),
        (
            refusal(Some("other_ca.pem"), "localhost", "server.pem"),
            "localhost:993: TLS handshake: the server's certificate is signed by an authority that is not trusted; set ca_file to the server's CA",
        ),
    ];
    for (error, expected) in cases {
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn addresses_in_a_certificate_count() {
    for host in ["127.0.0.1", "::1"] {
        let (stream, server) = dial(Some("ca.pem"), host, |tcp| {
            let _ = accept(tcp, "server.pem").read(&mut [0; 16]);
        });
        assert!(stream.is_ok(), "{host}");
        drop(stream);
        server.join().expect("served");
    }
}

#[test]
fn matrix_9_a_server_that_does_not_speak_tls_is_recognized() {
    let greetings = [
        "* OK IMAP4rev1 ready\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "220 mail.example ESMTP\r\n",
        "SSH-2.0-x\r\n",
    ];
    for greeting in greetings {
        let (stream, server) = dial(None, "localhost", move |mut tcp| {
            tcp.write_all(greeting.as_bytes()).expect("written");
            while tcp.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
        });
        let error = stream.map(|_| ()).expect_err(greeting).to_string();
        assert!(
            error.starts_with("localhost:993: TLS handshake: the port answers in clear text"),
            "{error}"
        );
        server.join().expect("served");
    }
}

#[test]
fn matrix_9_a_server_that_closes_or_refuses_within_the_handshake_is_named() {
    let (stream, server) = dial(None, "localhost", |mut tcp| {
        // All of the hello, so that closing sends no reset.
        let _ = tcp.read(&mut [0; 4096]);
    });
    let error = stream.map(|_| ()).expect_err("closed");
    assert_eq!((error.phase, error.kind), (Phase::Tls, NetErrorKind::Closed));
    server.join().expect("served");

    let (stream, server) = dial(None, "localhost", |mut tcp| {
        let _ = tcp.read(&mut [0; 4096]);
        tcp.write_all(&[21, 3, 3, 0, 2, 2, 40]).expect("an alert");
        let _ = tcp.read(&mut [0; 16]);
    });
    let error = stream.map(|_| ()).expect_err("refused").to_string();
    assert_eq!(
        error,
        "localhost:993: TLS handshake: the server refused the TLS handshake (HandshakeFailure)"
    );
    server.join().expect("served");
}

#[test]
fn a_host_that_no_certificate_can_name_is_refused() {
    let (stream, server) = dial(None, "not a host", drop);
    let error = stream.map(|_| ()).expect_err("refused").to_string();
    assert!(error.contains("not a host name"), "{error}");
    server.join().expect("served");
}

#[test]
fn a_ca_file_that_cannot_be_used_is_named() {
    let folder = std::env::temp_dir().join(format!("mailtap-tls-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let certificate = fs::read_to_string(file("ca.pem")).expect("ca.pem");
    let broken = certificate.replacen("MII", "AAA", 1);
    let cases = [
        ("empty.pem", String::new(), "no certificate in it"),
        ("text.pem", "not a certificate".to_owned(), "no certificate in it"),
        (
            "key.pem",
            fs::read_to_string(file("server_key.pem")).expect("key"),
            "no certificate in it",
        ),
        ("broken.pem", broken.clone(), "certificate 1: "),
        ("second.pem", format!("{certificate}{broken}"), "certificate 2: "),
        (
            "cut.pem",
            certificate
                .trim_end()
                .trim_end_matches("-----END CERTIFICATE-----")
                .to_owned(),
            "certificate 1: ",
        ),
    ];
    for (name, content, expected) in cases {
        let path = folder.join(name);
        fs::write(&path, content).expect("written");
        let error = Trust::load(Some(&path)).map(|_| ()).expect_err(name).to_string();
        assert!(
            error.starts_with(&format!("ca_file {}: {expected}", path.display())),
            "{error}"
        );
    }
    let missing = folder.join("missing.pem");
    let error = Trust::load(Some(&missing))
        .map(|_| ())
        .expect_err("missing")
        .to_string();
    assert!(
        error.starts_with(&format!("ca_file {}: No such file", missing.display())),
        "{error}"
    );
    assert!(Trust::load(Some(&folder)).is_err(), "a folder");
    fs::remove_dir_all(&folder).expect("removed");
}

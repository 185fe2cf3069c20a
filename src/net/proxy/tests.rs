use std::sync::Arc;
use std::time::Duration;

use super::{Credentials, Settings, tunnel};
use crate::clock::{Clock as _, Phase};
use crate::http::script::{Network, Step, say};
use crate::net::{Dial as _, Endpoint, NetError, NetErrorKind, Security, Stream};
use crate::secret::Secret;

const HOUR: Duration = Duration::from_secs(3600);

fn endpoint(host: &str, port: u16) -> Endpoint {
    Endpoint {
        host: host.to_owned(),
        port,
        security: Security::Plain,
    }
}

fn settings() -> Settings {
    Settings {
        setting: "proxy",
        endpoint: endpoint("proxy.example", 3128),
        credentials: Some(Credentials {
            username: "mailtap".to_owned(),
            password: Secret::new("sesame".to_owned()),
        }),
        connect_timeout: Duration::from_secs(10),
        handshake_timeout: Duration::from_secs(45),
        read_write_timeout: Duration::from_secs(30),
    }
}

/// A tunnel to `imap.example` through a proxy that follows `script`.
fn open(script: Vec<Step>) -> (Arc<Network>, Result<Box<dyn Stream>, NetError>) {
    let network = Network::new([script]);
    let settings = settings();
    let stream = network.dial(&endpoint(&settings.peer(), 0)).unwrap();
    let total = network.clock.deadline(Phase::Tls, settings.handshake_timeout);
    let tunnel = tunnel(
        stream,
        &settings,
        &endpoint("imap.example", 143),
        &*network.clock,
        total,
    );
    (network, tunnel)
}

/// Why there is none.
fn refusal(script: Vec<Step>) -> (Phase, NetErrorKind, Duration) {
    let (network, tunnel) = open(script);
    let error = tunnel.map(|_| ()).expect_err("refused");
    (error.phase, error.kind, network.clock.elapsed())
}

const OK: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

#[test]
fn a_greeting_that_comes_with_the_answer_is_not_lost() {
    let (network, tunnel) = open(vec![
        Step::Request,
        say(&format!("{OK}* OK rea")),
        say("dy\r\n"),
        Step::Close,
    ]);
    let mut tunnel = tunnel.unwrap();
    let deadline = network.clock.deadline(Phase::Greeting, HOUR);
    let (mut all, mut buffer) = (Vec::new(), [0; 3]);
    assert_eq!(tunnel.read_ready(&mut buffer), Ok(Some(3)));
    all.extend_from_slice(&buffer);
    loop {
        match tunnel.read(&mut buffer, deadline).unwrap() {
            0 => break,
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
    assert_eq!(all, b"* OK ready\r\n");
    assert_eq!(tunnel.peer(), "imap.example:143 (through proxy.example:3128)");
}

#[test]
fn the_login_for_the_proxy_goes_to_the_proxy_alone() {
    let (network, tunnel) = open(vec![Step::Request, say(OK), Step::Request, Step::Close]);
    let mut tunnel = tunnel.unwrap();
    let deadline = network.clock.deadline(Phase::Write, HOUR);
    tunnel.write_all(b"POST / HTTP/1.1\r\n\r\n", deadline).unwrap();
    let requests: Vec<String> = network
        .requests()
        .into_iter()
        .map(|(_, request)| String::from_utf8(request).unwrap())
        .collect();
    assert!(requests[0].starts_with("CONNECT imap.example:143 HTTP/1.1\r\n"));
    assert!(requests[0].contains("\r\nProxy-Authorization: Basic bWFpbHRhcDpzZXNhbWU=\r\n"));
    assert_eq!(requests[1..], ["POST / HTTP/1.1\r\n\r\n"]);
}

#[test]
fn an_error_behind_the_answer_is_the_far_end_s() {
    let (network, tunnel) = open(vec![Step::Request, say(OK), Step::Reset]);
    let mut tunnel = tunnel.unwrap();
    let deadline = network.clock.deadline(Phase::Greeting, HOUR);
    let error = tunnel.read(&mut [0; 8], deadline).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("imap.example:143 (through proxy.example:3128): "),
        "{error}"
    );
    let error = tunnel.write_all(b"x", deadline).unwrap_err();
    assert_eq!(error.peer, "imap.example:143 (through proxy.example:3128)");
}

#[test]
fn a_proxy_that_refuses_or_is_none_is_named_with_its_setting() {
    let error = |script| open(script).1.map(|_| ()).expect_err("refused").to_string();
    for (answer, expected) in [
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            "the proxy answers 403: it forbids the connection",
        ),
        (
            "HTTP/1.1 407 sesame\r\n\r\n",
            "the proxy answers 407: check proxy.username and proxy.password",
        ),
        (
            "HTTP/1.1 502 sesame\r\n\r\n",
            "the proxy answers 502: it cannot reach imap.example:143 now",
        ),
        ("* OK IMAP4rev1 ready\r\n", "what answers is no HTTP proxy; check `url`"),
    ] {
        let error = error(vec![Step::Request, say(answer), Step::Close]);
        assert!(error.starts_with("proxy.example:3128 (proxy): proxy: "), "{error}");
        assert!(error.contains(expected) && !error.contains("sesame"), "{error}");
    }
    let (phase, kind, _) = refusal(vec![Step::Request, say("HTTP/1.1 200"), Step::Close]);
    assert_eq!((phase, kind), (Phase::Proxy, NetErrorKind::Closed));
}

#[test]
fn silence_of_the_proxy_ends_at_read_write_timeout_and_an_answer_in_drops_at_handshake_timeout() {
    let seconds = Duration::from_secs;
    assert_eq!(
        refusal(vec![Step::Request, Step::Stuck]),
        (Phase::Proxy, NetErrorKind::TimedOut(seconds(30)), seconds(30))
    );
    let drops = OK
        .chars()
        .flat_map(|byte| [Step::Wait(seconds(2)), say(&byte.to_string())]);
    let script = [Step::Request].into_iter().chain(drops).collect();
    assert_eq!(
        refusal(script),
        (Phase::Proxy, NetErrorKind::TimedOut(seconds(45)), seconds(45))
    );
}

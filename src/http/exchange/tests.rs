mod sockets;

use std::sync::Arc;
use std::time::Duration;

use super::{Exchange, ExchangeError, Heard};
use crate::clock::{Clock as _, Phase};
use crate::http::request::{Method, Request};
use crate::http::response::{Response, ResponseError};
use crate::http::script::{Network, Step, say};
use crate::http::url::Url;
use crate::limits;
use crate::net::NetErrorKind;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const TOO_LARGE: &str = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig";

fn request() -> Request {
    Request::new(
        Method::Post,
        &Url::parse("https://a.example/in", false).expect("valid URL"),
    )
}

fn send(network: &Network, exchange: &mut Exchange, body: &[u8]) -> Result<Response, ExchangeError> {
    exchange.send(network, &*network.clock, &request(), body)
}

/// One request with a small body over a network of one connection.
fn send_once(script: Vec<Step>) -> Result<Response, ExchangeError> {
    send(&Network::new([script]), &mut Exchange::new(), b"{}\n")
}

fn net_error(result: Result<Response, ExchangeError>) -> (Phase, NetErrorKind) {
    match result {
        Err(ExchangeError::Net(error)) => {
            assert_eq!(error.peer, "a.example:443");
            (error.phase, error.kind)
        }
        other => panic!("{other:?}"),
    }
}

/// The numbers of the connections that the requests came over.
fn connections(network: &Network) -> Vec<usize> {
    network.requests().iter().map(|(number, _)| *number).collect()
}

#[test]
fn a_request_leaves_whole_and_its_response_comes_back() {
    let network = Network::new([vec![Step::Request, say(OK)]]);
    let response = send(&network, &mut Exchange::new(), b"{\"a\":1}\n").expect("answered");
    assert_eq!((response.status, response.body.as_slice()), (200, b"ok".as_slice()));
    assert_eq!(
        network.requests(),
        [(1, [request().head(8), b"{\"a\":1}\n".to_vec()].concat())]
    );
    assert_eq!(network.dialled(), ["a.example:443"]);
}

#[test]
fn connections_are_shared_and_the_last_one_used_is_used_again() {
    let network = Network::new([vec![Step::Request, say(OK), Step::Request, say(OK)]]);
    let kept = Arc::default();
    for body in [b"1", b"2"] {
        let mut exchange = Exchange::sharing(Arc::clone(&kept));
        assert_eq!(send(&network, &mut exchange, body).expect("answered").status, 200);
    }
    assert_eq!(connections(&network), [1, 1]);
    network.clock.advance(limits::HTTP_IDLE);
    let exchange = Exchange::sharing(Arc::clone(&kept));
    exchange.close_old(&*network.clock);
    assert!(kept.with(|kept| kept.is_empty()), "too old to be used again");
}

#[test]
fn a_reset_while_others_are_not_kept_waiting_is_one_of_the_wait_for_the_response() {
    for script in [vec![Step::Request, Step::Cut], vec![Step::Request, Step::Reset]] {
        let network = Network::new([script]);
        let mut exchange = Exchange::new();
        let Ok(awaited) = exchange.post(&*network, &*network.clock, &request(), b"{}") else {
            panic!("sent")
        };
        let until = network.clock.now() + Duration::from_secs(1);
        let Heard::Failure(failure) = exchange.hear(&*network.clock, awaited, Some(until)) else {
            panic!("no failure")
        };
        assert_eq!(net_error(Err(failure.error)).0, Phase::FirstByte);
    }
}

#[test]
fn a_body_of_many_pieces_arrives_whole() {
    for length in [
        limits::HTTP_WRITE_PIECE - request().head(65_536).len(),
        limits::HTTP_WRITE_PIECE,
        3 * limits::HTTP_WRITE_PIECE + 1,
    ] {
        let body: Vec<u8> = (0..length)
            .map(|number| u8::try_from(number % 251).expect("small"))
            .collect();
        let network = Network::new([vec![Step::Request, say(OK)]]);
        assert_eq!(
            send(&network, &mut Exchange::new(), &body).expect("answered").status,
            200
        );
        assert_eq!(network.requests(), [(1, [request().head(length), body].concat())]);
    }
}

#[test]
fn a_clean_connection_is_used_again() {
    let network = Network::new([vec![
        Step::Request,
        say(OK),
        Step::Request,
        say(OK),
        Step::Request,
        say(OK),
    ]]);
    let mut exchange = Exchange::new();
    for _ in 0..3 {
        assert!(send(&network, &mut exchange, b"x").is_ok());
        network
            .clock
            .advance(limits::HTTP_IDLE.checked_sub(Duration::from_millis(1)).expect("long"));
    }
    assert_eq!(connections(&network), [1, 1, 1]);
}

#[test]
fn matrix_8_a_connection_idle_for_30_seconds_is_not_used_again() {
    let network = Network::new([vec![Step::Request, say(OK)], vec![Step::Request, say(OK)]]);
    let mut exchange = Exchange::new();
    assert!(send(&network, &mut exchange, b"x").is_ok());
    network.clock.advance(limits::HTTP_IDLE);
    assert!(send(&network, &mut exchange, b"x").is_ok());
    assert_eq!(connections(&network), [1, 2]);
}

#[test]
fn a_connection_that_is_not_clean_is_not_used_again() {
    let unclean = [
        ("bytes behind the response", vec![Step::Request, say(&format!("{OK}x"))]),
        (
            "bytes that come later",
            vec![Step::Request, say(OK), say("HTTP/1.1 200 OK\r\n")],
        ),
        (
            "Connection: close",
            vec![Step::Request, say("HTTP/1.1 204 x\r\nConnection: close\r\n\r\n")],
        ),
        (
            "HTTP/1.0",
            vec![Step::Request, say("HTTP/1.0 200 x\r\nContent-Length: 0\r\n\r\n")],
        ),
        (
            "no length",
            vec![Step::Request, say("HTTP/1.1 200 x\r\n\r\n"), Step::Close],
        ),
        ("closed while idle", vec![Step::Request, say(OK), Step::Close]),
        ("cut while idle", vec![Step::Request, say(OK), Step::Cut]),
        ("reset while idle", vec![Step::Request, say(OK), Step::Reset]),
        (
            "a body beyond the limit",
            vec![
                Step::Request,
                say(&format!(
                    "HTTP/1.1 200 x\r\nContent-Length: 999999\r\n\r\n{}",
                    "b".repeat(300_000)
                )),
            ],
        ),
    ];
    for (name, script) in unclean {
        let network = Network::new([script, vec![Step::Request, say(OK)]]);
        let mut exchange = Exchange::new();
        for _ in 0..2 {
            assert!(send(&network, &mut exchange, b"x").is_ok(), "{name}");
        }
        assert_eq!(connections(&network), [1, 2], "{name}");
    }
}

#[test]
fn a_kept_connection_is_not_used_for_another_host() {
    let network = Network::new([vec![Step::Request, say(OK)], vec![Step::Request, say(OK)]]);
    let mut exchange = Exchange::new();
    assert!(send(&network, &mut exchange, b"x").is_ok());
    let other = Request::new(
        Method::Post,
        &Url::parse("https://b.example/in", false).expect("valid URL"),
    );
    assert!(exchange.send(&*network, &*network.clock, &other, b"x").is_ok());
    assert_eq!(network.dialled(), ["a.example:443", "b.example:443"]);
}

#[test]
fn matrix_8_a_kept_connection_that_dies_without_a_byte_is_replaced_once() {
    for death in [Step::Close, Step::Cut, Step::Reset] {
        let network = Network::new([
            vec![Step::Request, say(OK), Step::Request, death.clone()],
            vec![Step::Request, say(OK)],
        ]);
        let mut exchange = Exchange::new();
        assert!(send(&network, &mut exchange, b"1").is_ok());
        assert_eq!(
            send(&network, &mut exchange, b"2").expect("replaced").status,
            200,
            "{death:?}"
        );
        assert_eq!(connections(&network), [1, 1, 2], "{death:?}");

        let network = Network::new([
            vec![Step::Request, say(OK), Step::Request, death.clone()],
            vec![Step::Request, death.clone()],
        ]);
        let mut exchange = Exchange::new();
        assert!(send(&network, &mut exchange, b"1").is_ok());
        assert!(send(&network, &mut exchange, b"2").is_err(), "{death:?}");
        assert_eq!(connections(&network), [1, 1, 2], "{death:?}");
    }
}

#[test]
fn a_fresh_connection_that_dies_is_not_replaced() {
    for death in [Step::Close, Step::Cut, Step::Reset] {
        let network = Network::new([vec![Step::Request, death]]);
        assert!(send(&network, &mut Exchange::new(), b"x").is_err());
        assert_eq!(network.dialled().len(), 1);
    }
}

#[test]
fn matrix_8_a_kept_connection_that_dies_within_a_response_is_not_replaced() {
    let network = Network::new([vec![Step::Request, say(OK), Step::Request, say("H"), Step::Reset]]);
    let mut exchange = Exchange::new();
    assert!(send(&network, &mut exchange, b"1").is_ok());
    assert!(send(&network, &mut exchange, b"2").is_err());
    assert_eq!(network.dialled().len(), 1);
}

#[test]
fn a_kept_connection_on_which_nothing_comes_is_not_replaced() {
    let network = Network::new([vec![Step::Request, say(OK), Step::Request, Step::Stuck]]);
    let mut exchange = Exchange::new();
    assert!(send(&network, &mut exchange, b"1").is_ok());
    let timed_out = NetErrorKind::TimedOut(limits::HTTP_FIRST_BYTE);
    assert_eq!(
        net_error(send(&network, &mut exchange, b"2")),
        (Phase::FirstByte, timed_out)
    );
    assert_eq!(network.dialled().len(), 1);
}

#[test]
fn a_host_that_cannot_be_reached_is_the_dialers_error() {
    let network = Network::with_failures([Err(NetErrorKind::NotFound("no such name".to_owned()))]);
    let error = net_error(send(&network, &mut Exchange::new(), b"x"));
    assert_eq!(
        error,
        (Phase::Connect, NetErrorKind::NotFound("no such name".to_owned()))
    );
}

#[test]
fn matrix_6_no_answer() {
    let error = net_error(send_once(vec![Step::Request, Step::Stuck]));
    assert_eq!(
        error,
        (Phase::FirstByte, NetErrorKind::TimedOut(Duration::from_secs(60)))
    );
}

#[test]
fn an_answer_after_59_seconds_counts() {
    let script = vec![Step::Request, Step::Wait(Duration::from_secs(59)), say(OK)];
    assert_eq!(send_once(script).expect("answered").status, 200);
}

#[test]
fn matrix_6_half_an_answer_then_silence() {
    for half in [
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no",
    ] {
        let error = net_error(send_once(vec![Step::Request, say(half), Step::Stuck]));
        assert_eq!(
            error,
            (Phase::Response, NetErrorKind::TimedOut(Duration::from_secs(30))),
            "{half}"
        );
    }
}

#[test]
fn matrix_6_half_an_answer_then_the_end() {
    let halves = [
        ("", ResponseError::None),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", ResponseError::Truncated),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no",
            ResponseError::Truncated,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
            ResponseError::Truncated,
        ),
    ];
    for (half, expected) in halves {
        let script = vec![Step::Request, say(half), Step::Close];
        let script = script
            .into_iter()
            .filter(|step| !matches!(step, Step::Say(text) if text.is_empty()));
        match send_once(script.collect()) {
            Err(ExchangeError::Response { peer, error }) => {
                assert_eq!((peer.as_str(), error), ("a.example:443", expected));
            }
            other => panic!("{half}: {other:?}"),
        }
    }
}

#[test]
fn the_total_grows_with_what_is_sent() {
    let rate = usize::try_from(limits::HTTP_FLOOR_RATE).unwrap();
    for (length, seconds) in [(0, 120), (rate - 1, 120), (rate, 121), (60 * rate, 180)] {
        assert_eq!(super::total(length), Duration::from_secs(seconds), "{length}");
    }
    assert!(
        super::total(limits::BATCH_BYTES) >= Duration::from_secs(180),
        "a full batch"
    );
}

#[test]
fn a_proxy_that_refuses_is_a_matter_of_configuration() {
    for (kind, configuration) in [
        (NetErrorKind::Proxy("the proxy answers 407".to_owned()), true),
        (NetErrorKind::Io("the proxy answers 502".to_owned()), false),
    ] {
        let network = Network::with_failures([Err(kind)]);
        let error = send(&network, &mut Exchange::new(), b"x").unwrap_err();
        assert_eq!(error.is_configuration(), configuration, "{error}");
    }
}

#[test]
fn matrix_6_a_byte_a_second_ends_at_the_total() {
    let mut script = vec![Step::Request];
    for byte in format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: {:200}\r\n\r\nok", "").chars() {
        script.extend([Step::Wait(Duration::from_secs(1)), say(&byte.to_string())]);
    }
    let network = Network::new([script]);
    let error = net_error(send(&network, &mut Exchange::new(), b"x"));
    assert_eq!(
        error,
        (Phase::Response, NetErrorKind::TimedOut(Duration::from_secs(120)))
    );
    assert_eq!(network.clock.elapsed(), Duration::from_secs(120));
}

#[test]
fn matrix_6_a_byte_a_second_that_comes_to_its_end_is_an_answer() {
    let mut script = vec![Step::Request];
    for byte in OK.chars() {
        script.extend([Step::Wait(Duration::from_secs(1)), say(&byte.to_string())]);
    }
    assert_eq!(send_once(script).expect("answered").status, 200);
}

#[test]
fn a_receiver_that_stops_reading_stalls_the_write() {
    let body = vec![b'x'; 1 << 20];
    let network = Network::new([vec![Step::Take(100_000), Step::Stuck]]);
    let error = net_error(send(&network, &mut Exchange::new(), &body));
    assert_eq!(error, (Phase::Write, NetErrorKind::TimedOut(Duration::from_secs(30))));
}

#[test]
fn matrix_6_a_reset_behind_the_request_is_an_error() {
    let error = net_error(send_once(vec![Step::Request, Step::Reset]));
    assert_eq!(
        error,
        (Phase::FirstByte, NetErrorKind::Io("connection reset".to_owned()))
    );
}

#[test]
fn a_refusal_while_writing_is_read_and_the_rest_is_not_sent() {
    let body = vec![b'x'; 1 << 20];
    let endings = [
        ("then silence", vec![]),
        ("then a close", vec![Step::Close]),
        ("then a reset", vec![Step::Reset]),
        ("and the receiver takes no more", vec![Step::Stuck]),
    ];
    for (name, ending) in endings {
        for taken in [1, 1000, 70_000, 200_000] {
            let script = [vec![Step::Take(taken), say(TOO_LARGE)], ending.clone()].concat();
            let network = Network::new([script, vec![Step::Request, say(OK)]]);
            let mut exchange = Exchange::new();
            let response = send(&network, &mut exchange, &body).expect(name);
            assert_eq!(
                (response.status, response.body.as_slice()),
                (413, b"big".as_slice()),
                "{name}, {taken}"
            );
            assert!(send(&network, &mut exchange, b"x").is_ok(), "{name}, {taken}");
            assert_eq!(
                connections(&network),
                [2],
                "{name}, {taken}: a connection with half a request is not used again"
            );
        }
    }
}

#[test]
fn a_refusal_without_length_while_writing_is_read_to_the_end() {
    let script = vec![Step::Take(1000), say("HTTP/1.1 413 x\r\n\r\nbig"), Step::Close];
    let response = send(&Network::new([script]), &mut Exchange::new(), &vec![b'x'; 1 << 20]).expect("answered");
    assert_eq!((response.status, response.body.as_slice()), (413, b"big".as_slice()));
}

#[test]
fn a_success_before_the_request_was_sent_acknowledges_nothing() {
    let body = vec![b'x'; 1 << 20];
    for ending in [Step::Reset, Step::Stuck, Step::Close] {
        let network = Network::new([vec![Step::Take(1000), say(OK), ending.clone()]]);
        assert!(send(&network, &mut Exchange::new(), &body).is_err(), "{ending:?}");
    }
}

#[test]
fn a_success_that_comes_early_counts_once_the_request_was_sent() {
    let network = Network::new([vec![Step::Take(1000), say(OK), Step::Wait(Duration::from_secs(1))]]);
    let response = send(&network, &mut Exchange::new(), &vec![b'x'; 1 << 20]).expect("sent");
    assert_eq!(response.status, 200);
}

#[test]
fn what_is_not_http_while_writing_is_reported_as_such() {
    for (ending, waited) in [(vec![], 0), (vec![Step::Reset], 0), (vec![Step::Stuck], 30)] {
        let script = [vec![Step::Take(1000), say("220 mail ESMTP\r\n")], ending].concat();
        let network = Network::new([script]);
        let error = send(&network, &mut Exchange::new(), &vec![b'x'; 1 << 20]).expect_err("not HTTP");
        assert_eq!(
            error.to_string(),
            "a.example:443: what answered does not speak HTTP/1.1"
        );
        assert_eq!(network.clock.elapsed(), Duration::from_secs(waited));
    }
}

#[test]
fn matrix_7_interim_responses_do_not_stop_the_write() {
    let interim = say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\n\r\n");
    // The answer comes only if the write goes on behind the interim responses.
    let network = Network::new([vec![Step::Take(1000), interim, Step::Take(100_000), say(OK)]]);
    let response = send(&network, &mut Exchange::new(), &vec![b'x'; 200_000]).expect("answered");
    assert_eq!(response.status, 200);
}

#[test]
fn matrix_7_a_body_that_ends_with_the_connection_may_end_without_a_goodbye() {
    let response =
        send_once(vec![Step::Request, say("HTTP/1.1 200 OK\r\n\r\nok"), Step::Cut]).expect("status is whole");
    assert_eq!(
        (response.status, response.body.as_slice(), response.reusable),
        (200, b"ok".as_slice(), false)
    );
    let cut = net_error(send_once(vec![
        Step::Request,
        say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok"),
        Step::Cut,
    ]));
    assert_eq!(cut, (Phase::Response, NetErrorKind::Closed));
    let reset = net_error(send_once(vec![
        Step::Request,
        say("HTTP/1.1 200 OK\r\n\r\nok"),
        Step::Reset,
    ]));
    assert_eq!(reset.0, Phase::Response);
}

#[test]
fn matrix_5_a_redirect_is_returned_and_not_followed() {
    let network = Network::new([vec![
        Step::Request,
        say("HTTP/1.1 307 x\r\nLocation: https://b.example/\r\nContent-Length: 0\r\n\r\n"),
    ]]);
    assert_eq!(
        send(&network, &mut Exchange::new(), b"x").expect("answered").status,
        307
    );
    assert_eq!(network.dialled(), ["a.example:443"]);
}

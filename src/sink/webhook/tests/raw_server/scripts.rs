//! What a receiver does, where time, the rest of the connection or the middle of a request matter.

use std::time::Duration;

use super::Expected::{Acknowledged, After, Configuration, Reject, Retry};
use super::Script;
use super::Then::{Fresh, Kept};
use crate::http::script::Step::{Close, Cut, Request, Reset, Stuck, Take, Wait};
use crate::http::script::{Step, say};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const TOO_LARGE: &str = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig";
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";

fn seconds(number: u64) -> Step {
    Wait(Duration::from_secs(number))
}

/// `text`, a byte at a time, with `pause` before each.
fn slowly(text: &str, pause: u64) -> Vec<Step> {
    let bytes = text.chars().flat_map(|byte| [seconds(pause), say(&byte.to_string())]);
    [Request].into_iter().chain(bytes).collect()
}

pub(super) fn all() -> Vec<Script> {
    [dates(), silence(), ends(), idle(), early()].concat()
}

/// `Retry-After` as a date. It is 1994-11-06 08:49:37.
fn dates() -> Vec<Script> {
    let of = |name, date: &str, after| {
        let answer = say(&format!("HTTP/1.1 429 x\r\nRetry-After: {date}\r\nContent-Length: 0\r\n\r\n"));
        (3, name, vec![Request, answer], After(after), Kept)
    };
    vec![
        of("a date in a minute", "Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
        of("a date in the past", "Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
        of("a date next year", "Mon, 06 Nov 1995 08:49:37 GMT", Some(3600)),
        of("a date by RFC 850", "Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
        of("a date by asctime", "Sun Nov  6 08:50:37 1994", Some(60)),
        of("a date that does not exist", "Sun, 32 Nov 1994 08:50:37 GMT", None),
    ]
}

fn silence() -> Vec<Script> {
    let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\no";
    let of = |name, said: &str, words| (6, name, vec![Request, say(said), Stuck], Retry(words), Fresh);
    let stall = "HTTP response: nothing for 30 s";
    vec![
        (6, "no answer", vec![Request, Stuck], Retry("HTTP first byte: nothing for 60 s"), Fresh),
        (6, "an answer after 59 s", vec![Request, seconds(59), say(OK)], Acknowledged, Kept),
        (6, "an answer after 61 s", vec![Request, seconds(61), say(OK)], Retry("HTTP first byte: nothing for 60 s"), Fresh),
        (6, "half an answer, the rest after 29 s", vec![Request, say("HTTP/1.1 200"), seconds(29), say(" OK\r\nContent-Length: 0\r\n\r\n")], Acknowledged, Kept),
        (6, "half an answer, the rest after 31 s", vec![Request, say("HTTP/1.1 200"), seconds(31), say(" OK\r\nContent-Length: 0\r\n\r\n")], Retry(stall), Fresh),
        of("half a status line, then silence", "HTTP/1.1 20", stall),
        of("headers, then a stall", HEAD, stall),
        of("half a body, then silence", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", stall),
        of("half a chunk, then silence", chunk, stall),
        of("100, then silence", "HTTP/1.1 100 Continue\r\n\r\n", stall),
        of("a body longer than is sent, then silence", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", stall),
        of("no length, then silence", "HTTP/1.1 200 OK\r\n\r\nok", stall),
        (6, "one byte a second", slowly(OK, 1), Acknowledged, Kept),
        (6, "one byte every 20 seconds", slowly(OK, 20), Retry("HTTP response: nothing for 120 s"), Fresh),
        (6, "a receiver that stops reading", vec![Take(100_000), Stuck], Retry("write: nothing for 30 s"), Fresh),
    ]
}

/// How connections end. What was acknowledged before stays acknowledged.
fn ends() -> Vec<Script> {
    let of = |name, script: &[Step], expected| (6, name, [&[Request], script].concat(), expected, Fresh);
    vec![
        of("FIN behind the request", &[Close], Retry("closed without a response")),
        of("no goodbye behind the request", &[Cut], Retry("the other side closed the connection")),
        of("RST behind the request", &[Reset], Retry("connection reset")),
        (6, "RST before the body was read", vec![Take(1000), Reset], Retry("connection reset"), Fresh),
        (6, "FIN before the body was read", vec![Take(1000), Close], Retry("closed"), Fresh),
        of("RST within the head", &[say("HTTP/1.1 200 OK\r\n"), Reset], Retry("connection reset")),
        of("RST within the body", &[say(HEAD), Reset], Retry("connection reset")),
        of("no goodbye within the body", &[say(HEAD), Cut], Retry("the other side closed the connection")),
        of("RST behind the answer", &[say(OK), Reset], Acknowledged),
        of("FIN behind the answer", &[say(OK), Close], Acknowledged),
        of("no goodbye behind a body without length", &[say("HTTP/1.1 200 OK\r\n\r\nok"), Cut], Acknowledged),
        of("RST behind a body without length", &[say("HTTP/1.1 200 OK\r\n\r\nok"), Reset], Retry("connection reset")),
        of("RST behind 503", &[say("HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n"), Reset], Retry("answered 503")),
    ]
}

/// A kept connection that is no longer good. The batch that finds out goes over another one.
fn idle() -> Vec<Script> {
    let of = |name, then: &[Step]| (8, name, [&[Request, say(OK)], then].concat(), Acknowledged, Fresh);
    vec![
        of("closed while idle", &[Close]),
        of("gone while idle", &[Cut]),
        of("reset while idle", &[Reset]),
        of("408 while idle", &[say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), Close]),
        of("a success while idle, which nobody asked for", &[say(OK)]),
        of("closed as it is used", &[Request, Close]),
        of("gone as it is used", &[Request, Cut]),
        of("reset as it is used", &[Request, Reset]),
        (8, "used again at once", vec![Request, say(OK)], Acknowledged, Kept),
    ]
}

/// Answers that come while the request is being written.
fn early() -> Vec<Script> {
    let of = |name, taken, script: &[Step], expected| (6, name, [&[Take(taken)], script].concat(), expected, Fresh);
    let unauthorized = say("HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n");
    vec![
        of("413 at once", 1, &[say(TOO_LARGE)], Reject),
        of("413 within the body", 200_000, &[say(TOO_LARGE)], Reject),
        of("413, then FIN", 70_000, &[say(TOO_LARGE), Close], Reject),
        of("413, then RST", 70_000, &[say(TOO_LARGE), Reset], Reject),
        of("413, and no more is read", 70_000, &[say(TOO_LARGE), Stuck], Reject),
        of("413 without length, then FIN", 1000, &[say("HTTP/1.1 413 x\r\n\r\nbig"), Close], Reject),
        of("401 before the body was read", 1000, &[unauthorized], Configuration("client_options.lc_secret")),
        of("503 before the body was read", 1000, &[say("HTTP/1.1 503 x\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n")], After(Some(5))),
        of("301 before the body was read", 1000, &[say("HTTP/1.1 301 x\r\nContent-Length: 0\r\n\r\n"), Close], Configuration("redirects")),
        of("200 before the body was read, then RST", 1000, &[say(OK), Reset], Retry("connection reset")),
        of("200 before the body was read, then FIN", 1000, &[say(OK), Close], Retry("closed")),
        of("200 before the body was read, and no more is read", 1000, &[say(OK), Stuck], Retry("write: nothing for 30 s")),
        of("half a 413, then RST", 1000, &[say("HTTP/1.1 413 x\r\nConte"), Reset], Retry("connection reset")),
        of("SMTP within the body", 1000, &[say("220 x ESMTP\r\n"), Reset], Retry("does not speak HTTP/1.1")),
        of("TE with CL within the body", 1000, &[say("HTTP/1.1 413 x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n"), Reset], Retry("length is given twice")),
    ]
}

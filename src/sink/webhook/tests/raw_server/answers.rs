//! What a receiver says to a whole request.

use super::End::{Close, Open};
use super::Expected::{Acknowledged, After, Configuration, Each, Reject, Retry};
use crate::sink::Fate::{Later, Refused, Taken};
use super::Then::{Fresh, Kept};
use super::{Answer, Expected, Then};
use crate::limits;

/// A response with `fields`, each with its line end, and a body of the right length.
fn sized(status: &str, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A success with `fields` before the empty line and `body` behind it, as they are.
fn raw(fields: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}")
}

fn chunked(body: &str) -> String {
    raw("Transfer-Encoding: chunked", body)
}

pub(super) fn all() -> Vec<Answer> {
    [statuses(), bodies(), ends(), lengths(), chunks(), ambiguous(), interim(), limits()].concat()
}

/// Every status that means something of its own.
fn statuses() -> Vec<Answer> {
    let of = |row: u8, name: &'static str, expected: Expected| (row, name, sized(name, "", ""), Open, expected, Kept);
    let after = |name: &'static str, seconds| {
        let answer = sized("503 Service Unavailable", &format!("Retry-After: {name}\r\n"), "");
        (3, name, answer, Open, After(seconds), Kept)
    };
    vec![
        of(0, "200 OK", Acknowledged),
        of(0, "201 Created", Acknowledged),
        of(0, "202 Accepted", Acknowledged),
        of(0, "205 Reset Content", Acknowledged),
        of(0, "206 Partial Content", Acknowledged),
        of(0, "299 Whatever", Acknowledged),
        of(3, "408 Request Timeout", Retry("answered 408: not taken")),
        of(3, "425 Too Early", Retry("answered 425: not taken")),
        of(3, "429 Too Many Requests", Retry("answered 429: not taken")),
        of(3, "500 Internal Server Error", Retry("answered 500: not taken")),
        of(3, "501 Not Implemented", Retry("answered 501")),
        of(3, "502 Bad Gateway", Retry("answered 502")),
        of(3, "503 Service Unavailable", Retry("answered 503")),
        of(3, "504 Gateway Timeout", Retry("answered 504")),
        of(3, "507 Insufficient Storage", Retry("answered 507")),
        of(3, "520 Cloudflare", Retry("answered 520")),
        of(3, "600 Beyond", Retry("answered 600")),
        of(3, "999 Denied", Retry("answered 999")),
        after("7", Some(7)),
        after("0", Some(0)),
        after("0007", Some(7)),
        after("3600", Some(3600)),
        after("3601", Some(3600)),
        after("1000000000000", Some(3600)),
        after("99999999999999999999999", Some(3600)),
        after("1e12", None),
        after("-5", None),
        after("+5", None),
        after("7.5", None),
        after("soon", None),
        after("", None),
        after("7\r\nRetry-After: 9", Some(7)),
        after("x\r\nRetry-After: 9", Some(9)),
        of(4, "400 Bad Request", Reject),
        of(4, "413 Content Too Large", Reject),
        of(4, "415 Unsupported Media Type", Reject),
        of(4, "422 Unprocessable Content", Reject),
        of(5, "300 Multiple Choices", Configuration("redirects are not followed")),
        of(5, "301 Moved Permanently", Configuration("redirects are not followed")),
        of(5, "302 Found", Configuration("redirects are not followed")),
        of(5, "303 See Other", Configuration("redirects are not followed")),
        of(5, "304 Not Modified", Configuration("redirects are not followed")),
        of(5, "307 Temporary Redirect", Configuration("client_options.dest_url")),
        of(5, "308 Permanent Redirect", Configuration("client_options.dest_url")),
        of(5, "401 Unauthorized", Configuration("client_options.lc_secret")),
        of(5, "402 Payment Required", Configuration("the receiver wants none of it")),
        of(5, "403 Forbidden", Configuration("client_options.lc_secret")),
        of(5, "404 Not Found", Configuration("the path of client_options.dest_url")),
        of(5, "405 Method Not Allowed", Configuration("client_options.dest_url")),
        of(5, "407 Proxy Authentication Required", Configuration("a proxy stands before")),
        of(5, "409 Conflict", Configuration("the receiver wants none of it")),
        of(5, "410 Gone", Configuration("the path of client_options.dest_url")),
        of(5, "411 Length Required", Configuration("client_options.dest_url")),
        of(5, "414 URI Too Long", Configuration("client_options.dest_url")),
        of(5, "431 Request Header Fields Too Large", Configuration("client_options.dest_url")),
        of(5, "451 Unavailable For Legal Reasons", Configuration("client_options.dest_url")),
    ]
}

/// What a success says of single events.
fn bodies() -> Vec<Answer> {
    let of = |name: &'static str, expected: Expected| (4, name, sized("200 OK", "", name), Open, expected, Kept);
    vec![
        of(r#"{"errors":false,"items":[{"create":{"status":201}}]}"#, Acknowledged),
        of(r#"{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":400}}]}"#, Each(&[Taken, Refused])),
        of(r#"{"errors":true,"items":[{"create":{"status":400}},{"create":{"status":429}}]}"#, Each(&[Refused, Later])),
        of(r#"{"errors":true,"items":[{"create":{"status":409}},{"create":{"status":201}}]}"#, Acknowledged),
        of(r#"{"errors":true,"items":[{"create":{"status":400}}]}"#, Reject),
        of(r#"{"errors":true,"items":[{"create":{"status":201}},{"create":{"st"#, Retry("did not take all")),
        of(r#"{"text":"Server is busy","code":9}"#, Retry("did not take all")),
        of(r#"{"text":"Success","code":0}"#, Acknowledged),
        of(r#"{"ingested":1,"failed":1}"#, Reject),
    ]
}

/// Answers that stop.
fn ends() -> Vec<Answer> {
    let of = |name, answer: &str, words| (6, name, answer.to_owned(), Close, Retry(words), Fresh);
    let middle = "closed in the middle of the response";
    vec![
        of("a close instead of an answer", "", "closed without a response"),
        of("one byte, then a close", "H", middle),
        of("half a status line, then a close", "HTTP/1.1 20", middle),
        of("a status line, then a close", "HTTP/1.1 200 OK\r\n", middle),
        of("half a field, then a close", "HTTP/1.1 200 OK\r\nContent-Le", middle),
        of("no empty line, then a close", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", middle),
        of("a head without its body, then a close", &raw("Content-Length: 2", ""), middle),
        of("half a body, then a close", &raw("Content-Length: 2", "o"), middle),
        of("half a chunk, then a close", &chunked("2\r\no"), middle),
        of("chunks without the last, then a close", &chunked("2\r\nok\r\n"), middle),
        of("the last chunk without its end, then a close", &chunked("0\r\n"), middle),
        of("only 100, then a close", "HTTP/1.1 100 Continue\r\n\r\n", middle),
    ]
}

/// Bodies with Content-Length, without, and what follows them.
fn lengths() -> Vec<Answer> {
    let of = |name, answer: String, end, then| (7, name, answer, end, Acknowledged, then);
    let bad = |name, length| (7, name, raw(&format!("Content-Length: {length}"), "ok"), Open, Retry("Content-Length is not a number"), Fresh);
    vec![
        of("no Content-Length", raw("X: y", "ok"), Close, Fresh),
        of("no Content-Length and no body", raw("X: y", ""), Close, Fresh),
        of("Content-Length too short", raw("Content-Length: 1", "ok"), Open, Fresh),
        of("Content-Length 0 with a body", raw("Content-Length: 0", "ok"), Open, Fresh),
        of("equal Content-Lengths", raw("Content-Length: 2\r\nContent-Length: 2", "ok"), Open, Kept),
        of("equal Content-Lengths in a list", raw("Content-Length: 2, 2", "ok"), Open, Kept),
        of("204 without a length", "HTTP/1.1 204 No Content\r\n\r\n".to_owned(), Open, Kept),
        of("204 with a length", sized("204 No Content", "", ""), Open, Kept),
        of("204 with a body", sized("204 No Content", "", "ok"), Open, Fresh),
        of("Connection: close", raw("Connection: close\r\nContent-Length: 2", "ok"), Open, Fresh),
        of("Close among others", raw("Connection: x, Close\r\nContent-Length: 2", "ok"), Open, Fresh),
        of("Connection: keep-alive", raw("Connection: keep-alive\r\nContent-Length: 2", "ok"), Open, Kept),
        of("HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(), Open, Fresh),
        of("a second answer behind the first", sized("200 OK", "", "ok").repeat(2), Open, Fresh),
        bad("Content-Length -2", "-2"),
        bad("Content-Length +2", "+2"),
        bad("Content-Length 0x2", "0x2"),
        bad("Content-Length 2.0", "2.0"),
        bad("Content-Length of nothing", ""),
        bad("Content-Length of 2^64", "18446744073709551616"),
    ]
}

fn chunks() -> Vec<Answer> {
    let of = |name, body: &str, expected, then: Then| (7, name, chunked(body), Open, expected, then);
    let bad = |name, body| of(name, body, Retry("malformed response"), Fresh);
    vec![
        of("chunks", "1\r\no\r\n1;x=y\r\nk\r\n0\r\nX: y\r\n\r\n", Acknowledged, Kept),
        of("no chunks", "0\r\n\r\n", Acknowledged, Kept),
        of("bytes behind the last chunk", "0\r\n\r\nx", Acknowledged, Fresh),
        bad("a chunk size that is none", "x\r\nok\r\n0\r\n\r\n"),
        bad("a negative chunk size", "-2\r\nok\r\n0\r\n\r\n"),
        bad("a chunk size of 17 digits", "00000000000000002\r\nok\r\n0\r\n\r\n"),
        bad("a chunk longer than its size", "2\r\nokay\r\n0\r\n\r\n"),
        bad("a chunk shorter than its size", "4\r\nok\r\n0\r\n\r\n"),
        bad("a chunk size that ends in LF", "2\nok\r\n0\r\n\r\n"),
        bad("a trailer that is no field", "0\r\nx\r\n\r\n"),
        bad("a folded trailer", "0\r\nX: y\r\n z\r\n\r\n"),
    ]
}

/// What two readers take for two things. None of it acknowledges anything, whatever its status.
fn ambiguous() -> Vec<Answer> {
    let of = |name, answer: String, words| (7, name, answer, Open, Retry(words), Fresh);
    let field = |name, fields: &str, words| of(name, raw(fields, "ok"), words);
    let length = "its length is given twice and differently";
    vec![
        field("TE with CL", "Transfer-Encoding: chunked\r\nContent-Length: 2", length),
        field("CL with TE", "Content-Length: 2\r\nTransfer-Encoding: chunked", length),
        of("TE with CL, and chunks", raw("Transfer-Encoding: chunked\r\nContent-Length: 2", "2\r\nok\r\n0\r\n\r\n"), length),
        field("two CLs", "Content-Length: 2\r\nContent-Length: 3", length),
        field("two CLs in a list", "Content-Length: 2, 3", length),
        of("TE in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), length),
        of("TE with CL on 503", "HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nok".to_owned(), length),
        field("TE gzip", "Transfer-Encoding: gzip", "transfer coding"),
        field("TE gzip, chunked", "Transfer-Encoding: gzip, chunked", "transfer coding"),
        field("TE identity", "Transfer-Encoding: identity", "transfer coding"),
        field("TE chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "transfer coding"),
        field("TE xchunked", "Transfer-Encoding: xchunked", "transfer coding"),
        field("obs-fold", "X: y\r\n z\r\nContent-Length: 2", "folded"),
        field("space before a colon", "Content-Length : 2", "not a header line"),
        field("a field without a colon", "Content-Length 2", "not a header line"),
        field("a field without a name", ": 2", "not a header line"),
        field("NUL in a field", "X: a\0b\r\nContent-Length: 2", "not a header line"),
        field("bare CR in a field", "X: y\rContent-Length: 2", "CRLF"),
        field("bare LF behind a field", "X: y\nContent-Length: 2", "CRLF"),
        of("bare LF everywhere", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok".to_owned(), "CRLF"),
        of("a 200 behind a 503", sized("503 x", "", "") + &sized("200 OK", "", ""), "answered 503"),
        of("SMTP", "220 mail.example ESMTP\r\n".to_owned(), "does not speak HTTP/1.1"),
        of("SSH", "SSH-2.0-x\r\n".to_owned(), "does not speak HTTP/1.1"),
        of("HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), "does not speak HTTP/1.1"),
        of("HTTP/0.9", "<html>\r\nok\r\n".to_owned(), "does not speak HTTP/1.1"),
        of("a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), "does not speak HTTP/1.1"),
        of("an empty line first", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), "does not speak HTTP/1.1"),
    ]
}

fn interim() -> Vec<Answer> {
    let of = |name, interim: &str, expected, then: Then| (7, name, format!("{interim}{}", sized("200 OK", "", "ok")), Open, expected, then);
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nConnection: close\r\n\r\n";
    vec![
        of("100 first", "HTTP/1.1 100 Continue\r\n\r\n", Acknowledged, Kept),
        of("103 first", hints, Acknowledged, Kept),
        of("16 interim responses", &hints.repeat(limits::HTTP_INTERIM), Acknowledged, Kept),
        of("17 interim responses", &hints.repeat(limits::HTTP_INTERIM + 1), Retry("interim"), Fresh),
        of("101, which nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", Retry(""), Fresh),
    ]
}

/// Lengths at which something ends.
fn limits() -> Vec<Answer> {
    let body = |length: usize| sized("200 OK", "", &"b".repeat(length));
    let read = usize::try_from(limits::HTTP_BODY_READ).expect("small");
    let line = |length: usize| raw(&format!("X: {}\r\nContent-Length: 2", "y".repeat(length - 3)), "ok");
    // Status line and Content-Length with the empty line take 38 bytes.
    let head = |length: usize| {
        let rest = length - 38;
        raw(&format!("{}{}Content-Length: 2", "X: 34\r\n".repeat(8), "Y: 67890\r\n".repeat((rest - 56) / 10)), "ok")
    };
    let of = |name, answer: String, expected, then| (7, name, answer, Open, expected, then);
    vec![
        of("a body that is drained", body(limits::HTTP_BODY_KEPT + 1), Acknowledged, Kept),
        of("the longest body that is drained", body(read), Acknowledged, Kept),
        of("a body one byte longer", body(read + 1), Acknowledged, Fresh),
        of("a body of 1 GiB", raw("Content-Length: 1073741824", &"b".repeat(read + 1)), Acknowledged, Fresh),
        of("chunks of 1 GiB", chunked(&format!("40000000\r\n{}", "b".repeat(read + 1))), Acknowledged, Fresh),
        of("503 with a body of 1 GiB", format!("HTTP/1.1 503 x\r\nContent-Length: 1073741824\r\n\r\n{}", "b".repeat(read + 1)), Retry("answered 503"), Fresh),
        of("the longest line", line(limits::HTTP_LINE), Acknowledged, Kept),
        of("a line one byte longer", line(limits::HTTP_LINE + 1), Retry("header lines over"), Fresh),
        of("a line of 64 KiB", line(64 << 10), Retry("header lines over"), Fresh),
        of("a line that does not end", "H".repeat(limits::HTTP_LINE + 2), Retry("header lines over"), Fresh),
        of("a head of almost 64 KiB", head(limits::HTTP_HEAD - 10), Acknowledged, Kept),
        of("a head of more than 64 KiB", head(limits::HTTP_HEAD + 10), Retry("header lines over"), Fresh),
    ]
}

// One case a line, however long.
#[rustfmt::skip]
mod cases;

use cases::{ALL, Case, Expected};

use super::{Method, Progress, Response, ResponseError, ResponseReader, fuzz, read};
use crate::limits;

fn check(name: &str, method: Method, bytes: &[u8], expected: &Expected) {
    let outcome = |result: Result<(Response, usize), ResponseError>| {
        result.map(|(response, used)| {
            let body = String::from_utf8(response.body).expect("text");
            (response.status, body, response.reusable, used)
        })
    };
    let expected =
        expected.map(|(status, body, reusable, used)| (status, body.to_owned(), reusable, used.unwrap_or(bytes.len())));
    assert_eq!(outcome(read(method, std::iter::once(bytes))), expected, "{name}: whole");
    assert_eq!(outcome(read(method, bytes.chunks(1))), expected, "{name}: byte by byte");
    for middle in 0..=bytes.len() {
        let (first, second) = bytes.split_at(middle);
        assert_eq!(
            outcome(read(method, [first, second].into_iter())),
            expected,
            "{name}: split at {middle}"
        );
    }
}

fn table(cases: &[Case]) {
    for (name, bytes, expected) in cases {
        check(name, Method::Post, bytes.as_bytes(), expected);
    }
}

#[test]
fn framing_is_read_as_the_rfc_says() {
    table(cases::FRAMING);
}

#[test]
fn chunks_are_put_together() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (name, body, expected) in cases::CHUNKS {
        check(name, Method::Post, format!("{HEAD}{body}").as_bytes(), expected);
    }
    let behind = format!("{HEAD}0\r\n\r\nx");
    check(
        "behind the last chunk",
        Method::Post,
        behind.as_bytes(),
        &Ok((200, "", true, Some(HEAD.len() + 5))),
    );
}

#[test]
fn what_could_be_understood_in_two_ways_is_refused() {
    table(cases::AMBIGUOUS);
}

#[test]
fn what_is_not_http_is_refused() {
    table(cases::NOT_HTTP);
}

#[test]
fn interim_responses_are_skipped() {
    table(cases::INTERIM);
    let after = |interim: usize| format!("{}HTTP/1.1 204 x\r\n\r\n", "HTTP/1.1 102 x\r\n\r\n".repeat(interim));
    for (interim, expected) in [
        (15, Ok((204, "", true, ALL))),
        (16, Ok((204, "", true, ALL))),
        (17, Err(ResponseError::Interim)),
    ] {
        check(
            &format!("{interim} interim"),
            Method::Post,
            after(interim).as_bytes(),
            &expected,
        );
    }
}

#[test]
fn the_fields_of_an_interim_response_do_not_reach_the_final_one() {
    let bytes = b"HTTP/1.1 103 x\r\nRetry-After: 7\r\n\r\nHTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n";
    let (response, _) = read(Method::Post, std::iter::once(bytes.as_slice())).expect("valid");
    assert_eq!(response.retry_after(0), None);
    assert_eq!(response.fields("content-length").collect::<Vec<_>>(), [b"0"]);
}

#[test]
fn the_answer_to_head_has_no_body() {
    check(
        "length",
        Method::Head,
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        &Ok((200, "", true, ALL)),
    );
    check(
        "chunked",
        Method::Head,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        &Ok((200, "", true, ALL)),
    );
    check(
        "neither",
        Method::Head,
        b"HTTP/1.1 200 OK\r\n\r\n",
        &Ok((200, "", true, ALL)),
    );
}

#[test]
fn a_framed_response_cut_anywhere_is_never_a_response() {
    let whole: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nA: b\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nDate: x\r\n\r\n",
    ];
    for bytes in whole {
        assert!(read(Method::Post, std::iter::once(bytes)).is_ok());
        for length in 0..bytes.len() {
            let expected = if length == 0 {
                ResponseError::None
            } else {
                ResponseError::Truncated
            };
            let cut = read(Method::Post, std::iter::once(&bytes[..length]));
            assert_eq!(cut, Err(expected), "cut at {length}");
        }
    }
}

#[test]
fn a_line_one_byte_over_the_limit_is_refused() {
    for (length, fits) in [
        (limits::HTTP_LINE - 1, true),
        (limits::HTTP_LINE, true),
        (limits::HTTP_LINE + 1, false),
    ] {
        let expected = if fits {
            Ok((204, "", true, ALL))
        } else {
            Err(ResponseError::TooLarge)
        };
        let line = format!("X: {:a<1$}", "", length - 3);
        let name = format!("a field of {length} bytes");
        read_quickly(&name, format!("HTTP/1.1 204 x\r\n{line}\r\n\r\n").as_bytes(), &expected);
        let status = format!("HTTP/1.1 204 {:a<1$}", "", length - 13);
        read_quickly(&name, format!("{status}\r\n\r\n").as_bytes(), &expected);
        let chunk = format!("0;{:a<1$}", "", length - 2);
        let expected = expected.map(|_| (200, "", true, ALL));
        read_quickly(
            &name,
            format!("HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}\r\n\r\n").as_bytes(),
            &expected,
        );
    }
}

#[test]
fn a_line_without_end_is_refused_at_the_limit() {
    let mut reader = ResponseReader::new(Method::Post);
    let mut fed = 0;
    while let Ok(progress) = reader.feed(&[b'a'; 100]) {
        assert_eq!(progress, Progress::More);
        fed += 100;
    }
    assert!(fed <= limits::HTTP_LINE, "{fed}");
}

#[test]
fn a_head_or_trailer_one_byte_over_the_limit_is_refused() {
    // Lines of 64 bytes each, and a last one that makes the sum exact.
    let fields = |length: usize| {
        let line = format!("X: {:a<59}\r\n", "");
        let mut fields = line.repeat((length - 66) / 64);
        let rest = length - 2 - fields.len();
        fields = format!("{fields}X: {:a<1$}\r\n\r\n", "", rest - 5);
        assert_eq!(fields.len(), length);
        fields
    };
    for (length, fits) in [
        (limits::HTTP_HEAD - 1, true),
        (limits::HTTP_HEAD, true),
        (limits::HTTP_HEAD + 1, false),
    ] {
        let expected = if fits {
            Ok((204, "", true, ALL))
        } else {
            Err(ResponseError::TooLarge)
        };
        let status = "HTTP/1.1 204 x\r\n";
        let head = format!("{status}{}", fields(length - status.len()));
        read_quickly(&format!("a head of {length}"), head.as_bytes(), &expected);
        let expected = expected.map(|_| (200, "", true, ALL));
        let trailer = format!(
            "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}",
            fields(length)
        );
        read_quickly(&format!("a trailer of {length}"), trailer.as_bytes(), &expected);
    }
}

#[test]
fn chunk_extensions_without_end_are_refused() {
    let extension = format!(";{:a<1$}", "", 4095);
    let chunks = |count: usize| {
        let chunk = format!("1{extension}\r\nx\r\n").repeat(count);
        format!("HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n")
    };
    let most = limits::HTTP_CHUNK_EXTENSIONS / extension.len();
    read_quickly(
        "as many as fit",
        chunks(most).as_bytes(),
        &Ok((200, "xxxxxxxxxxxxxxxx", true, ALL)),
    );
    read_quickly("one more", chunks(most + 1).as_bytes(), &Err(ResponseError::TooLarge));
}

/// Whole, byte by byte and in pieces of 1000: for inputs too long for every split.
fn read_quickly(name: &str, bytes: &[u8], expected: &Expected) {
    let short = |result: Result<(Response, usize), ResponseError>| {
        result.map(|(response, used)| (response.status, response.body.len(), response.reusable, used))
    };
    let expected =
        expected.map(|(status, body, reusable, used)| (status, body.len(), reusable, used.unwrap_or(bytes.len())));
    for size in [bytes.len(), 1, 1000] {
        assert_eq!(
            short(read(Method::Post, bytes.chunks(size))),
            expected,
            "{name}, {size} at a time"
        );
    }
}

#[test]
fn a_long_body_is_kept_in_part_and_drained_up_to_the_limit() {
    let kept = limits::HTTP_BODY_KEPT;
    let most = usize::try_from(limits::HTTP_BODY_READ).expect("fits");
    for (length, whole) in [
        (kept - 1, true),
        (kept, true),
        (kept + 1, true),
        (most - 1, true),
        (most, true),
        (most + 1, false),
        (most + 5000, false),
    ] {
        let body = "b".repeat(length);
        let responses = [
            (
                format!("HTTP/1.1 200 x\r\nContent-Length: {length}\r\n\r\n"),
                String::new(),
                true,
            ),
            (
                format!("HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n"),
                "\r\n0\r\n\r\n".to_owned(),
                true,
            ),
            ("HTTP/1.1 200 x\r\n\r\n".to_owned(), String::new(), false),
        ];
        for (head, tail, framed) in responses {
            let bytes = format!("{head}{body}{tail}");
            let used = if whole { bytes.len() } else { head.len() + most };
            for size in [bytes.len(), 1, 1000] {
                let (response, taken) = read(Method::Post, bytes.as_bytes().chunks(size)).expect("valid");
                assert_eq!(response.body.len(), length.min(kept), "{length}");
                assert_eq!(
                    (response.reusable, taken),
                    (framed && whole, used),
                    "{length} after {head}"
                );
            }
        }
    }
}

#[test]
fn a_gibibyte_that_is_announced_costs_no_memory() {
    let mut reader = ResponseReader::new(Method::Post);
    reader
        .feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        .expect("valid");
    assert_eq!(reader.status(), Some(200));
    let piece = [0; 4096];
    let mut pieces = 0;
    let response = loop {
        pieces += 1;
        if let Progress::Done { response, .. } = reader.feed(&piece).expect("valid") {
            break response;
        }
    };
    assert_eq!(pieces, 65, "256 KiB and one byte more");
    assert_eq!(
        (response.status, response.reusable, response.body.len()),
        (200, false, limits::HTTP_BODY_KEPT)
    );
    assert!(reader.response.body.capacity() <= 2 * limits::HTTP_BODY_KEPT);
}

#[test]
fn the_reader_says_when_a_response_has_begun_and_when_its_status_counts() {
    let mut reader = ResponseReader::new(Method::Post);
    assert_eq!((reader.begun(), reader.status()), (false, None));
    reader.feed(b"H").expect("valid");
    assert_eq!((reader.begun(), reader.status()), (true, None));
    reader.feed(b"TTP/1.1 100 x\r\n\r\n").expect("valid");
    assert_eq!((reader.begun(), reader.status()), (true, None));
    reader.feed(b"HTTP/1.1 413 x\r\nContent-Length: 5\r\n").expect("valid");
    assert_eq!((reader.begun(), reader.status()), (true, None));
    reader.feed(b"\r\n").expect("valid");
    assert_eq!((reader.begun(), reader.status()), (true, Some(413)));
}

#[test]
fn the_first_intelligible_retry_after_counts() {
    let bytes = b"HTTP/1.1 429 x\r\nRetry-After: -3\r\nRETRY-AFTER: 5\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n";
    let (response, _) = read(Method::Post, std::iter::once(bytes.as_slice())).expect("valid");
    assert_eq!(response.retry_after(0), Some(std::time::Duration::from_secs(5)));
}

#[test]
fn seeds_and_every_truncation_of_them_hold() {
    for seed in crate::http::script::seeds("http_response") {
        for length in 0..=seed.len() {
            fuzz(&seed[..length]);
        }
    }
}

use std::fmt::Write as _;
use std::time::Duration;

use super::*;
use crate::http::script::seeds;
use crate::net::Security;

fn target(host: &str) -> Endpoint {
    Endpoint {
        host: host.to_owned(),
        port: 993,
        security: Security::Tls,
    }
}

fn settings(credentials: Option<Credentials>) -> Settings {
    Settings {
        setting: "client_options.proxy",
        endpoint: target("proxy.example"),
        credentials,
        connect_timeout: Duration::from_secs(1),
        handshake_timeout: Duration::from_secs(1),
        read_write_timeout: Duration::from_secs(1),
    }
}

fn credentials() -> Credentials {
    Credentials {
        username: "Aladdin".to_owned(),
        password: Secret::new("open sesame".to_owned()),
    }
}

fn feed(text: &str) -> Result<Option<(Answer, usize)>, AnswerError> {
    AnswerReader::new().feed(text.as_bytes())
}

#[test]
fn the_request_names_the_target_and_carries_the_login_for_the_proxy() {
    let text = |request: Secret<Vec<u8>>| String::from_utf8(request.expose().clone()).unwrap();
    let agent = concat!("User-Agent: mailtap/", env!("CARGO_PKG_VERSION"), "\r\n");
    assert_eq!(
        text(request(&target("imap.example"), None)),
        format!("CONNECT imap.example:993 HTTP/1.1\r\nHost: imap.example:993\r\n{agent}\r\n")
    );
    // RFC 7617 section 2, its example.
    assert_eq!(
        text(request(&target("2001:db8::1"), Some(&credentials()))),
        format!(
            "CONNECT [2001:db8::1]:993 HTTP/1.1\r\nHost: [2001:db8::1]:993\r\n{agent}\
             Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
        )
    );
    assert!(!format!("{:?} {:?}", credentials(), settings(Some(credentials()))).contains("sesame"));
}

#[test]
fn an_answer_ends_at_its_empty_line_whatever_length_it_declares() {
    let heads = [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200\r\n\r\n",
        "HTTP/1.1 200 \r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nVia: 1.1 p\r\n\r\n",
    ];
    for head in heads {
        let stream = format!("{head}* OK hello\r\n\r\n");
        let (answer, used) = feed(&stream).unwrap().unwrap();
        assert_eq!((answer.status, used), (200, head.len()), "{head}");
        for cut in 0..head.len() {
            assert_eq!(feed(&head[..cut]), Ok(None), "{head} cut at {cut}");
        }
        fuzz(stream.as_bytes());
    }
}

#[test]
fn an_answer_that_two_readers_would_end_at_two_places_is_refused() {
    for (text, expected) in [
        ("* OK IMAP4rev1 ready\r\n", AnswerError::NotHttp),
        ("SSH-2.0-x\r\n", AnswerError::NotHttp),
        ("HTTP/2 200\r\n", AnswerError::NotHttp),
        ("HTTP/1.1 20 OK\r\n", AnswerError::NotHttp),
        ("HTTP/1.1 2000 OK\r\n", AnswerError::NotHttp),
        ("HTTP/1.1  200 OK\r\n", AnswerError::NotHttp),
        ("HTTP/1.1 020 OK\r\n", AnswerError::NotHttp),
        ("HTTP/1.1 200 OK\n", AnswerError::NotHttp),
        ("HTTP/1.1 200 O\rK\r\n", AnswerError::NotHttp),
        ("\r\nHTTP/1.1 200 OK\r\n", AnswerError::NotHttp),
        ("HTTP/1.1 200 OK\r\n\n", AnswerError::Malformed),
        ("HTTP/1.1 200 OK\r\nA: b\n", AnswerError::Malformed),
        ("HTTP/1.1 200 OK\r\nA: b\rc\r\n", AnswerError::Malformed),
        ("HTTP/1.1 200 OK\r\nno field\r\n", AnswerError::Malformed),
        ("HTTP/1.1 200 OK\r\n: no name\r\n", AnswerError::Malformed),
        ("HTTP/1.1 200 OK\r\nA : b\r\n", AnswerError::Malformed),
        ("HTTP/1.1 200 OK\r\nA: b\r\n folded: x\r\n", AnswerError::Malformed),
    ] {
        assert_eq!(feed(text), Err(expected), "{text:?}");
    }
}

#[test]
fn a_line_and_a_head_of_the_limit_pass_and_one_byte_more_does_not() {
    let line = |length: usize| format!("HTTP/1.1 200 OK\r\nA:{}\r\n\r\n", "x".repeat(length - 2));
    assert!(feed(&line(limits::HTTP_LINE - 1)).unwrap().is_some());
    assert!(feed(&line(limits::HTTP_LINE)).unwrap().is_some());
    assert_eq!(feed(&line(limits::HTTP_LINE + 1)), Err(AnswerError::TooLarge));
    let head = |length: usize| {
        let mut head = "HTTP/1.1 200 OK\r\n".to_owned();
        while length - head.len() > 4096 {
            write!(head, "A:{}\r\n", "x".repeat(2044)).unwrap();
        }
        let rest = length - head.len() - "A:\r\n\r\n".len();
        write!(head, "A:{}\r\n\r\n", "x".repeat(rest)).unwrap();
        assert_eq!(head.len(), length);
        head
    };
    assert!(feed(&head(limits::HTTP_HEAD - 1)).unwrap().is_some());
    assert!(feed(&head(limits::HTTP_HEAD)).unwrap().is_some());
    assert_eq!(feed(&head(limits::HTTP_HEAD + 1)), Err(AnswerError::TooLarge));
    let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(limits::HTTP_HEAD / 20);
    assert_eq!(feed(&endless), Err(AnswerError::TooLarge));
}

#[test]
fn every_refusal_names_the_setting_to_look_at_and_repeats_no_word_of_the_proxy() {
    let judge = |answer: &str, credentials: Option<Credentials>| {
        let (answer, _) = feed(answer).unwrap().unwrap();
        answer.judge(&target("imap.example"), &settings(credentials))
    };
    let refused = |reason: &str| Err(NetErrorKind::Proxy(reason.to_owned()));
    let busy = |reason: &str| Err(NetErrorKind::Io(reason.to_owned()));
    assert_eq!(judge("HTTP/1.1 204 \r\n\r\n", None), Ok(()));
    let asks = "HTTP/1.1 407 open sesame\r\nProxy-Authenticate: Negotiate\r\nproxy-authenticate: NTLM, BASIC realm=\"x\"\r\n\r\n";
    assert_eq!(
        judge(asks, None),
        refused(
            "the proxy answers 407: it wants a login; set client_options.proxy.username and client_options.proxy.password"
        )
    );
    assert_eq!(
        judge(asks, Some(credentials())),
        refused("the proxy answers 407: check client_options.proxy.username and client_options.proxy.password")
    );
    assert_eq!(
        judge("HTTP/1.1 407 x\r\nProxy-Authenticate: NTLM\r\n\r\n", None),
        refused(
            "the proxy answers 407: it wants a login of a kind that mailtap does not do (only Basic); allow this machine \
             without one"
        )
    );
    assert_eq!(
        judge("HTTP/1.1 403 open sesame\r\n\r\n", None),
        refused("the proxy answers 403: it forbids the connection; allow imap.example:993 at the proxy")
    );
    for status in [400, 404, 405, 501] {
        assert_eq!(
            judge(&format!("HTTP/1.1 {status} x\r\n\r\n"), None),
            refused(&format!(
                "the proxy answers {status}: does it do CONNECT? check client_options.proxy.url"
            ))
        );
    }
    for status in [408, 429, 500, 502, 503, 504, 999] {
        assert_eq!(
            judge(&format!("HTTP/1.1 {status} x\r\n\r\n"), None),
            busy(&format!(
                "the proxy answers {status}: it cannot reach imap.example:993 now"
            ))
        );
    }
    assert_eq!(
        judge("HTTP/1.1 302 x\r\nLocation: http://login.example\r\n\r\n", None),
        refused("the proxy answers 302: check client_options.proxy.url")
    );
}

#[test]
fn seeds_hold() {
    for seed in seeds("proxy_answer") {
        for end in 0..=seed.len() {
            fuzz(&seed[..end]);
        }
    }
}

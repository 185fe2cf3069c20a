use super::{Url, UrlError, fuzz};
use crate::limits;
use crate::net::Security;

#[test]
fn a_url_splits_into_where_to_connect_and_what_to_ask() {
    let cases = [
        (
            "https://hooks.example.com/in/abc?k=v",
            "hooks.example.com",
            443,
            Security::Tls,
            "/in/abc?k=v",
            "hooks.example.com",
        ),
        (
            "HTTPS://Hooks.Example.COM:8443",
            "hooks.example.com",
            8443,
            Security::Tls,
            "/",
            "hooks.example.com:8443",
        ),
        (
            "https://a.example:443/",
            "a.example",
            443,
            Security::Tls,
            "/",
            "a.example",
        ),
        (
            "https://a.example?token=1",
            "a.example",
            443,
            Security::Tls,
            "/?token=1",
            "a.example",
        ),
        (
            "https://[2001:DB8::1]:8443/x",
            "2001:db8::1",
            8443,
            Security::Tls,
            "/x",
            "[2001:db8::1]:8443",
        ),
        ("https://[::1]/x", "::1", 443, Security::Tls, "/x", "[::1]"),
        (
            "https://192.0.2.7/x",
            "192.0.2.7",
            443,
            Security::Tls,
            "/x",
            "192.0.2.7",
        ),
        (
            "https://my_host.internal/a%20b/@:;,!$&'()*+=~-._",
            "my_host.internal",
            443,
            Security::Tls,
            "/a%20b/@:;,!$&'()*+=~-._",
            "my_host.internal",
        ),
        (
            "http://localhost:9000/x",
            "localhost",
            9000,
            Security::Plain,
            "/x",
            "localhost:9000",
        ),
        ("http://127.8.8.8/", "127.8.8.8", 80, Security::Plain, "/", "127.8.8.8"),
        ("http://[::1]:80/", "::1", 80, Security::Plain, "/", "[::1]"),
        (
            "https://0x.example/",
            "0x.example",
            443,
            Security::Tls,
            "/",
            "0x.example",
        ),
    ];
    for (text, host, port, security, target, host_field) in cases {
        let url = Url::parse(text, false).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            (
                url.endpoint.host.as_str(),
                url.endpoint.port,
                url.endpoint.security,
                url.target.expose().as_str(),
                url.host_field().as_str()
            ),
            (host, port, security, target, host_field),
            "{text}"
        );
    }
}

#[test]
fn what_is_odd_is_refused_and_never_quoted() {
    let cases = [
        ("", UrlError::Scheme),
        ("hooks.example/hunter2", UrlError::Scheme),
        ("ftp://a.example/hunter2", UrlError::Scheme),
        ("https:/a.example/hunter2", UrlError::Scheme),
        ("https://user:hunter2@a.example/", UrlError::Credentials),
        ("https://hunter2@a.example/", UrlError::Credentials),
        ("https://", UrlError::Host),
        ("https:///hunter2", UrlError::Host),
        ("https://:443/hunter2", UrlError::Host),
        ("https://-a.example/hunter2", UrlError::Host),
        ("https://a-.example/hunter2", UrlError::Host),
        ("https://a..example/hunter2", UrlError::Host),
        ("https://a.example./hunter2", UrlError::Host),
        ("https://a%2eexample/hunter2", UrlError::Host),
        ("https://127.1/hunter2", UrlError::Host),
        ("https://0x7f.0.0.1/hunter2", UrlError::Host),
        ("https://1.2.3.0x4/hunter2", UrlError::Host),
        ("https://2130706433/hunter2", UrlError::Host),
        ("https://256.1.1.1/hunter2", UrlError::Host),
        ("https://::1/hunter2", UrlError::Host),
        ("https://[::1/hunter2", UrlError::Host),
        ("https://[fe80::1%25eth0]/hunter2", UrlError::Host),
        ("https://[::1]x/hunter2", UrlError::Host),
        ("https://[127.0.0.1]/hunter2", UrlError::Host),
        ("https://a.example:/hunter2", UrlError::Port),
        ("https://a.example:0/hunter2", UrlError::Port),
        ("https://a.example:65536/hunter2", UrlError::Port),
        ("https://a.example:+443/hunter2", UrlError::Port),
        ("https://a.example:443:443/hunter2", UrlError::Port),
        ("https://a.example:hunter2/", UrlError::Port),
        ("https://a.example/#hunter2", UrlError::Fragment),
        ("https://a.example#hunter2", UrlError::Fragment),
        ("https://a.example/hunter2 x", UrlError::Character),
        ("https://a.example/hunter2\r\nHost: b", UrlError::Character),
        ("https://a.example/hunter2\0", UrlError::Character),
        (" https://a.example/hunter2", UrlError::Character),
        ("https://b\u{fc}cher.example/hunter2", UrlError::Character),
        ("https://a.example/hunter2%", UrlError::Target),
        ("https://a.example/hunter2%4", UrlError::Target),
        ("https://a.example/hunter2%zz", UrlError::Target),
        ("https://a.example/hunter2\\", UrlError::Target),
        ("https://a.example/{hunter2}", UrlError::Target),
        ("https://a.example/\"hunter2\"", UrlError::Target),
        ("https://a.example\\hunter2", UrlError::Host),
        ("http://a.example/hunter2", UrlError::ClearText),
        ("http://localhost.example/hunter2", UrlError::ClearText),
        ("http://128.0.0.1/hunter2", UrlError::ClearText),
    ];
    for (text, expected) in cases {
        let error = Url::parse(text, false).expect_err(text);
        assert_eq!(error, expected, "{text}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}: {error}");
    }
}

#[test]
fn clear_text_to_other_hosts_needs_the_flag() {
    let url = Url::parse("http://a.example/x", true).expect("allowed");
    assert_eq!((url.endpoint.port, url.endpoint.security), (80, Security::Plain));
}

#[test]
fn a_url_one_byte_over_the_limit_is_refused() {
    let with_length = |length: usize| format!("https://a.example/{:x<1$}", "", length - "https://a.example/".len());
    assert!(Url::parse(&with_length(limits::URL - 1), false).is_ok());
    assert!(Url::parse(&with_length(limits::URL), false).is_ok());
    assert_eq!(Url::parse(&with_length(limits::URL + 1), false), Err(UrlError::TooLong));
}

#[test]
fn a_label_of_64_and_a_name_of_254_characters_are_refused() {
    let label = |length: usize| "a".repeat(length);
    assert!(Url::parse(&format!("https://{}.example/", label(63)), false).is_ok());
    assert!(Url::parse(&format!("https://{}.example/", label(64)), false).is_err());
    let name = |length: usize| format!("{0}.{0}.{0}.{1}", label(63), label(length - 192));
    assert!(Url::parse(&format!("https://{}/", name(253)), false).is_ok());
    assert!(Url::parse(&format!("https://{}/", name(254)), false).is_err());
}

#[test]
fn printing_a_url_prints_no_path() {
    let url = Url::parse("https://a.example/hunter2", false).expect("valid");
    assert!(!format!("{url:?}").contains("hunter2"));
}

#[test]
fn seeds_and_every_truncation_of_them_hold() {
    for seed in crate::http::script::seeds("http_url") {
        for length in 0..=seed.len() {
            fuzz(&seed[..length]);
        }
    }
}

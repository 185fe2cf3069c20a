//! Which values each kind of setting takes.

use super::super::Receiver;
use super::{CANARY, arguments, load, refused, with, with_options};
use crate::net::Security;

#[test]
fn a_server_is_a_host_with_or_without_a_port() {
    let endpoint = |server: &str, insecure: bool| {
        let text = with(&[&format!("is_insecure: {insecure}")]).replace("imap.example.com", &format!("'{server}'"));
        load(&text).map(|loaded| {
            let endpoint = &loaded.adapters[0].imap.endpoint;
            (endpoint.host.clone(), endpoint.port, endpoint.security)
        })
    };
    let tls = |host: &str, port| Ok((host.to_owned(), port, Security::Tls));
    assert_eq!(endpoint("mail", false), tls("mail", 993));
    assert_eq!(endpoint("mail:1993", false), tls("mail", 1993));
    assert_eq!(endpoint("192.0.2.1", false), tls("192.0.2.1", 993));
    assert_eq!(endpoint("[2001:db8::1]:1993", false), tls("2001:db8::1", 1993));
    assert_eq!(endpoint("[2001:db8::1]", false), tls("2001:db8::1", 993));
    assert_eq!(endpoint("2001:db8::1", false), tls("2001:db8::1", 993));
    assert_eq!(endpoint("mail:65535", false), tls("mail", 65535));
    assert_eq!(endpoint("mail:imaps", false), tls("mail", 993));
    assert_eq!(endpoint("[2001:db8::1]:imap", false), tls("2001:db8::1", 143));
    assert_eq!(endpoint("mail", true), Ok(("mail".to_owned(), 143, Security::Plain)));
    assert_eq!(
        endpoint("mail:993", true),
        Ok(("mail".to_owned(), 993, Security::Plain))
    );
    for wrong in [
        "mail:",
        "mail:0",
        "mail:65536",
        "mail:smtp",
        "mail:IMAPS",
        "mail:+1",
        ":993",
        "imaps://mail",
        "a b",
        "user@mail",
        "mail/inbox",
        "[mail]:993",
        "[::1",
        "[::1]993",
        "[::1]:",
        "a:b:c",
        "mäil",
        "mail\\r\\nx",
    ] {
        let error = endpoint(wrong, false).unwrap_err();
        assert!(error.contains("c.yaml:2:11: imap.server: "), "{wrong}: {error}");
    }
}

#[test]
fn starttls_is_tls_on_the_port_of_clear_text_and_excludes_is_insecure() {
    let security = |lines: &[&str]| {
        load(&with(lines)).map(|loaded| {
            let endpoint = &loaded.adapters[0].imap.endpoint;
            (endpoint.port, endpoint.security)
        })
    };
    assert_eq!(security(&["starttls: true"]), Ok((143, Security::StartTls)));
    assert_eq!(security(&["starttls: false"]), Ok((993, Security::Tls)));
    let text = with(&["starttls: true"]).replace("imap.example.com", "mail:993");
    assert_eq!(load(&text).unwrap().adapters[0].imap.endpoint.port, 993);
    let error = refused(&with(&["is_insecure: true", "starttls: true"]));
    assert_eq!(
        error,
        "c.yaml:6:13: imap.starttls: is_insecure is set as well, which means clear text to the end; set one of the two"
    );
}

#[test]
fn a_pin_that_cannot_be_one_is_refused_and_clear_text_has_no_key() {
    let pin = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let pins = |text: &str| load(&with(&[text])).map(|loaded| loaded.adapters[0].tls_pins.len());
    assert_eq!(pins(&format!("tls_pin_sha256: {pin}")), Ok(1));
    assert_eq!(pins(&format!("tls_pin_sha256: '{pin},{pin}  {pin}'")), Ok(3));
    assert_eq!(pins("tls_pin_sha256: ''"), Ok(0));
    for wrong in ["x", ",", &pin[..40], &format!("{pin},x"), &format!("{pin};{pin}")] {
        let error = refused(&with(&[&format!("tls_pin_sha256: '{wrong}'")]));
        assert!(
            error.starts_with("c.yaml:5:19: imap.tls_pin_sha256: expected the SHA-256 of a public key"),
            "{error}"
        );
    }
    let error = refused(&with(&["is_insecure: true", &format!("tls_pin_sha256: {pin}")]));
    assert!(error.contains("imap.tls_pin_sha256: is_insecure is set"), "{error}");
}

#[test]
fn a_proxy_that_cannot_be_one_is_refused_under_its_key() {
    for (proxy, expected) in [
        ("username: a, password: b", "url: missing"),
        ("connect_timeout: 1s", "url: missing"),
        (
            "url: 'socks5://p:1080'",
            "url: must begin with http:// or https:// (SOCKS is not spoken)",
        ),
        (
            "url: 'p:3128'",
            "url: must begin with http:// or https:// (SOCKS is not spoken)",
        ),
        (
            "url: 'http://u:canary-hunter2@p:3128'",
            "url: must not carry a user name or password; set username and password beside it",
        ),
        (
            "url: 'http://p/path'",
            "url: names a proxy, so nothing comes behind its host and port",
        ),
        (
            "url: 'http://p:0'",
            "url: the port in the URL is not a number from 1 to 65535",
        ),
        (
            "url: 'http://p', username: a",
            "password: missing beside username; set both or neither",
        ),
        (
            "url: 'http://p', password: a",
            "username: missing beside password; set both or neither",
        ),
        (
            "url: 'http://p', username: 'a:b', password: c",
            "username: has a colon, which the proxy would take for its end",
        ),
        (
            "url: 'http://p', username: a, password: \"canary-hunter2\\r\\nX: y\"",
            "password: has a control character",
        ),
        (
            "url: 'http://p', handshake_timeout: 45",
            "handshake_timeout: expected a duration with its unit, as in 45s or 1m30s, up to 1h",
        ),
        (
            "url: 'http://p', connect_timeout: 3601s",
            "connect_timeout: expected a duration with its unit, as in 45s or 1m30s, up to 1h",
        ),
        (
            "url: 'http://p', read_write_timeout: -1s",
            "read_write_timeout: expected a duration with its unit, as in 45s or 1m30s, up to 1h",
        ),
    ] {
        let error = refused(&with(&[&format!("proxy: {{{proxy}}}")]));
        assert!(error.ends_with(&format!("imap.proxy.{expected}")), "{error}");
        if expected == "url: missing" {
            continue;
        }
        let error = refused(&with_options(&format!("dest_url: 'stdout:', proxy: {{{proxy}}}")));
        assert!(
            error.ends_with(&format!("imap.client_options.proxy.{expected}")),
            "{error}"
        );
    }
    for timeout in ["1h", "3600s", "0", "1ms", "1000000", "3600000000000"] {
        let text = with(&[&format!("proxy: {{url: 'http://p', connect_timeout: {timeout}}}")]);
        assert!(load(&text).is_ok(), "{timeout}");
    }
    for nanoseconds in ["999999", "3600000000001"] {
        let text = with(&[&format!("proxy: {{url: 'http://p', connect_timeout: {nanoseconds}}}")]);
        assert!(refused(&text).contains("imap.proxy.connect_timeout: expected a duration with its unit"));
    }
    // A key that only mailtap has.
    let error = refused(&with(&["shutdown_timeout: 10000000000"]));
    assert!(
        error.contains("imap.shutdown_timeout: expected a duration with its unit"),
        "{error}"
    );
    let file = r#"{"imap": {"server": "s", "username": "u", "password": "p", "client_options": {"dest_url": "stdout:",
        "proxy": {"url": "http://p", "connect_timeout": 10000000000, "handshake_timeout": 45000000000, "read_write_timeout": 1500000}}}}"#;
    let proxy = load(file).unwrap().adapters.remove(0).receiver_proxy.unwrap();
    assert_eq!(
        [proxy.connect_timeout, proxy.handshake_timeout, proxy.read_write_timeout].map(|timeout| timeout.as_micros()),
        [10_000_000, 45_000_000, 1_500]
    );
    let notices = load(&with_options("dest_url: 'stdout:', proxy: {url: 'http://p'}"))
        .unwrap()
        .notices;
    assert!(
        notices[0].ends_with("imap.client_options.proxy: has no effect with stdout:"),
        "{notices:?}"
    );
}

#[test]
fn the_receiver_s_proxy_without_url_has_no_effect_as_in_the_original() {
    for proxy in [
        "connect_timeout: 1s",
        "url: '', username: a, password: canary-hunter2",
        "handshake_timeout: 45",
    ] {
        let loaded = load(&with_options(&format!("dest_url: 'stdout:', proxy: {{{proxy}}}"))).unwrap();
        assert_eq!(loaded.adapters[0].receiver_proxy, None);
        assert_eq!(loaded.notices.len(), 1, "{proxy}");
        assert!(
            loaded.notices[0].ends_with("imap.client_options.proxy: has no effect without url"),
            "{:?}",
            loaded.notices
        );
    }
    for nothing in ["", "url: '', username: '', password: '', connect_timeout: ~"] {
        let loaded = load(&with_options(&format!("dest_url: 'stdout:', proxy: {{{nothing}}}"))).unwrap();
        assert_eq!(
            (loaded.adapters[0].receiver_proxy.is_none(), loaded.notices.len()),
            (true, 0)
        );
    }
}

#[test]
fn flags_and_numbers_are_what_they_are_and_nothing_else() {
    let flag = |text: &str| load(&with(&[&format!("from_zero: {text}")])).map(|loaded| loaded.adapters[0].from_zero);
    for text in ["true", "True", "'true'", "yes", "on", "On", "y", "Y"] {
        assert_eq!(flag(text), Ok(true), "{text}");
    }
    for text in ["false", "FALSE", "'false'", "no", "off", "OFF", "n", "N", "", "~"] {
        assert_eq!(flag(text), Ok(false), "{text}");
    }
    for text in ["1", "0", "t", "F", "maybe", "ture", "yy", "[true]", "{}"] {
        assert!(
            flag(text)
                .unwrap_err()
                .contains("imap.from_zero: expected true or false"),
            "{text}"
        );
    }
    let argument = |text: &str| {
        let flag = format!("from_zero={text}");
        let given = [
            "server=s",
            "username=u",
            "password=p",
            "client_options.dest_url=stdout:",
            &flag,
        ];
        arguments(&given).map(|loaded| loaded.adapters[0].from_zero)
    };
    for text in ["1", "t", "T", "TRUE", "true", "True", "yes"] {
        assert_eq!(argument(text), Ok(true), "{text}");
    }
    for text in ["0", "f", "F", "FALSE", "false", "False", "off", ""] {
        assert_eq!(argument(text), Ok(false), "{text}");
    }
    for text in ["2", "tr", "00"] {
        assert!(
            argument(text)
                .unwrap_err()
                .contains("from_zero: expected true or false"),
            "{text}"
        );
    }
    let number = |text: &str| {
        load(&with(&[&format!("max_body_size: {text}")])).map(|loaded| loaded.adapters[0].event.max_body_size)
    };
    assert_eq!(number("0"), Ok(0));
    assert_eq!(number("'1048576'"), Ok(1_048_576));
    assert_eq!(number("18446744073709551615"), Ok(u64::MAX));
    for text in [
        "1_048_576",
        "0x100000",
        "0o4000000",
        "1.048576e6",
        "1048576.0",
        "+1048576",
    ] {
        assert_eq!(number(text), Ok(1_048_576), "{text}");
    }
    for text in [
        "-1",
        "1.5",
        "010",
        "00",
        "0x",
        "_1",
        "1e30",
        "10MB",
        "18446744073709551616",
        "[1]",
    ] {
        assert!(
            number(text)
                .unwrap_err()
                .contains("imap.max_body_size: expected a whole number"),
            "{text}"
        );
    }
}

#[test]
fn a_wrong_shape_names_the_key_and_what_was_found() {
    for (text, error) in [
        (
            with(&["inbox_name: [a]"]),
            "imap.inbox_name: expected text, found a list",
        ),
        (
            with(&["inbox_name: {a: b}"]),
            "imap.inbox_name: expected text, found a section",
        ),
        (
            with_options("identity: x"),
            "imap.client_options.identity: expected a section of `key: value`, found text",
        ),
        (
            with_options("mappings: {}"),
            "imap.client_options.mappings: expected a list, found a section",
        ),
        (
            with_options("indexing: [x]"),
            "imap.client_options.indexing[0]: expected a section of `key: value`, found text",
        ),
        (
            with_options("mapping: {drop_fields: [[a]]}"),
            "imap.client_options.mapping.drop_fields[0]: expected text, found a list",
        ),
        (
            with_options("buffer_options: 1"),
            "imap.client_options.buffer_options: expected a section of `key: value`, found text",
        ),
        (
            "- a\n".to_owned(),
            "the configuration: expected a section of `key: value`, found a list",
        ),
        (
            "imap: []\n".to_owned(),
            "imap: expected a section of `key: value`, found a list",
        ),
    ] {
        let found = refused(&text);
        assert!(found.ends_with(error), "{found}");
    }
}

#[test]
fn a_receiver_url_is_https_or_stays_on_this_machine() {
    let load = |url: &str, insecure: bool| {
        let options = format!("client_options: {{identity: {{oid: o}}, dest_url: '{url}'}}");
        load(&with(&[&format!("is_insecure: {insecure}"), &options]))
    };
    for url in [
        "https://x",
        "HTTPS://x:8443/a?b",
        "http://localhost:8080/",
        "http://127.0.0.1/",
        "http://127.9.9.9",
        "http://[::1]:80/x",
    ] {
        let adapter = &load(url, false).unwrap().adapters[0];
        let Receiver::Webhook(webhook) = &adapter.receiver else {
            panic!("{url}");
        };
        assert_eq!((webhook.url.expose().as_str(), webhook.allow_clear_text), (url, false));
    }
    for url in [
        "http://x/",
        "http://127.0.0.1.example.com/",
        "http://localhost.example.com/",
        "http://[2001:db8::1]/",
    ] {
        assert!(load(url, false).unwrap_err().contains("in clear text"), "{url}");
        assert!(load(url, true).is_ok(), "{url}");
    }
    for url in [
        "stdout",
        "ftp://x/",
        "x.example.com/hook",
        "https://",
        "https:///path",
        "https:x",
        "https://user:canary-hunter2@x/",
        "https://canary-hunter2@x/",
        "http://localhost@x.example.com/",
        "file:///etc/passwd/x",
    ] {
        let error = load(url, true).unwrap_err();
        assert!(
            error.contains("imap.client_options.dest_url: ") && !error.contains(CANARY),
            "{url}: {error}"
        );
    }
}

#[test]
fn clear_text_to_the_receiver_is_told_with_its_scheme_and_its_price() {
    for (scheme, expected) in [("http", "https"), ("ws", "wss")] {
        let error = refused(&with_options(&format!(
            "platform: json, identity: {{oid: o, installation_key: k}}, dest_url: '{scheme}://x/'"
        )));
        let expected = format!(
            "imap.client_options.dest_url: {scheme}:// sends everything in clear text; use {expected}:// (is_insecure allows \
             it, and takes TLS from the IMAP connection as well)"
        );
        assert!(error.ends_with(&expected), "{error}");
    }
}

#[test]
fn a_header_secret_that_could_break_the_header_is_refused() {
    for secret in [" a", "a ", "a\\r\\nx: y", "\\0", "\\u007f"] {
        let error = refused(&with_options(&format!(
            "dest_url: 'https://x', identity: {{oid: o}}, lc_secret: \"{secret}\""
        )));
        assert!(
            error.contains("imap.client_options.lc_secret: has a line end, another control character"),
            "{error}"
        );
    }
}

#[test]
fn a_certificate_file_that_cannot_be_used_is_refused_before_anything_is_contacted() {
    let error = refused(&with(&["ca_file: /nonexistent/ca.pem"]));
    assert!(error.contains("imap.ca_file: "), "{error}");
    let error = refused(&with(&["ca_file: /etc/passwd"]));
    assert!(
        error.contains("imap.ca_file: /etc/passwd: no certificate in it"),
        "{error}"
    );
}

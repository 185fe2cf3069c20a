//! Where `healthcheck` listens: on loopback, unless somebody says otherwise.

use super::super::Loaded;
use super::{CANARY, arguments, load, refused, with};

fn address(loaded: &Loaded) -> Option<String> {
    loaded.adapters[0].healthcheck.map(|address| address.to_string())
}

#[test]
fn trap_a_port_is_open_to_every_interface() {
    for (text, expected) in [
        ("8080", "127.0.0.1:8080"),
        ("'8080'", "127.0.0.1:8080"),
        ("0.0.0.0:8080", "0.0.0.0:8080"),
        ("'[::]:8080'", "[::]:8080"),
        ("127.0.0.1:65535", "127.0.0.1:65535"),
    ] {
        let above = load(&format!("healthcheck: {text}\n{}", with(&[]))).unwrap();
        let under = load(&with(&[&format!("healthcheck: {text}")])).unwrap();
        assert_eq!(address(&above).as_deref(), Some(expected), "{text}");
        assert_eq!(address(&under).as_deref(), Some(expected), "{text}");
    }
    let options = [
        "server=s",
        "username=u",
        "password=p",
        "client_options.dest_url=stdout:",
    ];
    let loaded = arguments(&[&options[..], &["healthcheck=9000"]].concat()).unwrap();
    assert_eq!(address(&loaded).as_deref(), Some("127.0.0.1:9000"));
}

#[test]
fn zero_and_nothing_are_off() {
    for text in ["0", "''", "", "null"] {
        let loaded = load(&format!("healthcheck: {text}\n{}", with(&[]))).unwrap();
        assert_eq!(address(&loaded), None, "{text}");
    }
    assert_eq!(address(&load(&with(&[])).unwrap()), None);
}

#[test]
fn what_is_no_port_is_refused_without_repeating_it() {
    for text in [
        CANARY,
        "65536",
        "-1",
        "08080",
        "8080.0",
        "localhost:8080",
        "0.0.0.0",
        "0.0.0.0:0",
        "0.0.0.0:08080",
        "'::1:8080'",
        "'+8080'",
    ] {
        let error = refused(&format!("healthcheck: {text}\n{}", with(&[])));
        let expected = "c.yaml:1:14: healthcheck: expected a port from 1 to 65535, or an address with one";
        assert!(error.starts_with(expected), "{text}: {error}");
        let error = refused(&with(&[&format!("healthcheck: {text}")]));
        assert!(error.contains(" imap.healthcheck: expected a port"), "{text}: {error}");
    }
    let twice = format!("healthcheck: 1\n{}", with(&["healthcheck: 2"]));
    assert!(refused(&twice).contains("imap.healthcheck: is set above imap as well"));
    let list = refused(&format!("healthcheck: [1]\n{}", with(&[])));
    assert!(list.contains("healthcheck: expected text, found a list"), "{list}");
}

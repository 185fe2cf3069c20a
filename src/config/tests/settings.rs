//! What every key means.

use std::path::PathBuf;

use super::super::{Adapter, Receiver, from_bytes, machine_name};
use super::{CANARY, adapter, arguments, home, load, refused, with, with_options};
use crate::net::{Endpoint, Security};
use crate::secret::Secret;
use crate::{event, imap, sink};

/// A file as operators of the original have it, every key of the adapter in it, sent to a webhook.
const EVERY_KEY: &str = r#"
# journaling mailbox, see ticket SEC-1421
sensor_type: "imap"
healthcheck: 0
imap:
  server: "outlook.office365.example:993"
  username: "journal@example.com"
  password: "pa:ss # word"
  inbox_name: "Archive/2024"
  is_insecure: false
  from_zero: true
  include_attachments: true
  max_body_size: 102400
  attachment_ingest_key: ""
  attachment_retention_days: 30
  client_options:
    identity:
      oid: "8cbe27f4-aaaa-bbbb-cccc-138cd51389cd"
      installation_key: "e9a3bcdf-aaaa-bbbb-cccc-d3e1f0b5a6c7"
    platform: "json"
    sensor_seed_key: "imap-journal"
    hostname: "journal-collector"
    architecture: "usp_adapter"
    mapping:
      parsing_re: ""
      parsing_grok: {message: "%{GREEDYDATA:x}"}
      sensor_key_path: "routing/mailbox"
      sensor_hostname_path: "routing/hostname"
      event_type_path: "routing/event_type"
      event_time_path: "routing/event_time"
      event_time_timezone: "UTC"
      investigation_id_path: ""
      rename_only: false
      mappings:
        - {src_field: "event/headers", dst_field: "headers"}
      transform:
        "+from": "{{ .headers.from }}"
      drop_fields:
        - "event/parts/?/content"
      sid_replication_path: ""
    mappings: []
    indexing:
      - events_included: ["email"]
        events_excluded: []
        path: "event/headers/from"
        regexp: "<([^>]+)>"
        index_type: "user"
    is_compressed: false
    buffer_options: {}
    dest_url: "https://receiver.example.com/hook"
    proxy: {url: "", username: "", password: ""}
    lc_secret: "shared"
  ca_file: "CA_FILE"
  state_dir: "/var/lib/mailtap"
"#;

const CA_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/tls/ca.pem");

fn every_setting() -> Adapter {
    Adapter {
        imap: imap::Settings {
            endpoint: Endpoint {
                host: "outlook.office365.example".to_owned(),
                port: 993,
                security: Security::Tls,
            },
            username: "journal@example.com".to_owned(),
            password: Secret::new("pa:ss # word".to_owned()),
            mailbox: "Archive/2024".to_owned(),
        },
        from_zero: true,
        ca_file: Some(PathBuf::from(CA_FILE)),
        state_dir: PathBuf::from("/var/lib/mailtap"),
        event: event::build::Settings {
            include_attachments: true,
            max_body_size: 102_400,
            hostname: "journal-collector".to_owned(),
            oid: "8cbe27f4-aaaa-bbbb-cccc-138cd51389cd".to_owned(),
        },
        receiver: Receiver::Webhook(sink::webhook::Settings {
            url: Secret::new("https://receiver.example.com/hook".to_owned()),
            lc_secret: Some(Secret::new("shared".to_owned())),
            allow_clear_text: false,
            ca_file: Some(PathBuf::from(CA_FILE)),
        }),
    }
}

#[test]
fn a_file_of_the_original_with_every_key_in_it() {
    let loaded = load(&EVERY_KEY.replace("CA_FILE", CA_FILE)).unwrap();
    assert_eq!(loaded.adapters, [every_setting()]);
    let told: Vec<_> = loaded
        .notices
        .iter()
        .map(|line| line.split(": ").nth(1).unwrap())
        .collect();
    assert_eq!(
        told,
        [
            "imap.attachment_retention_days",
            "imap.client_options.mapping",
            "imap.client_options.indexing",
            "imap.client_options.sensor_seed_key",
            "imap.client_options.architecture",
        ]
    );
    assert_eq!(
        loaded.notices[1],
        "c.yaml:25:7: imap.client_options.mapping: has no effect with a webhook: configure the mapping at the hook"
    );
}

#[test]
fn the_same_as_arguments_is_the_same() {
    let ca_file = format!("ca_file={CA_FILE}");
    let loaded = arguments(&[
        "server=outlook.office365.example:993",
        "username=journal@example.com",
        "password=pa:ss # word",
        "inbox_name=Archive/2024",
        "is_insecure=false",
        "from_zero=true",
        "include_attachments=TRUE",
        "max_body_size=102400",
        "client_options.identity.oid=8cbe27f4-aaaa-bbbb-cccc-138cd51389cd",
        "client_options.identity.installation_key=e9a3bcdf-aaaa-bbbb-cccc-d3e1f0b5a6c7",
        "client_options.platform=json",
        "client_options.hostname=journal-collector",
        "client_options.mapping.drop_fields[0]=event/parts/?/content",
        "client_options.mapping.drop_fields[1]=event/x",
        "client_options.mappings[0].mappings[0].src_field=a=b",
        "client_options.mappings[0].mappings[0].dst_field=c",
        "client_options.dest_url=https://receiver.example.com/hook",
        "client_options.lc_secret=shared",
        &ca_file,
        "state_dir=/var/lib/mailtap",
    ])
    .unwrap();
    assert_eq!(loaded.adapters, [every_setting()]);
    assert_eq!(
        loaded.notices,
        [
            "client_options.mapping: has no effect with a webhook: configure the mapping at the hook",
            "client_options.mappings: has no effect with a webhook: configure the mapping at the hook",
        ]
    );
}

#[test]
fn what_is_not_set_has_its_default() {
    assert_eq!(
        adapter(&with(&[])),
        Adapter {
            imap: imap::Settings {
                endpoint: Endpoint {
                    host: "imap.example.com".to_owned(),
                    port: 993,
                    security: Security::Tls,
                },
                username: "journal".to_owned(),
                password: Secret::new(CANARY.to_owned()),
                mailbox: "INBOX".to_owned(),
            },
            from_zero: false,
            ca_file: None,
            state_dir: PathBuf::from("/home/mailtap/.local/state/mailtap"),
            event: event::build::Settings {
                include_attachments: false,
                max_body_size: 0,
                hostname: machine_name().unwrap(),
                oid: String::new(),
            },
            receiver: Receiver::Stdout,
        }
    );
}

#[test]
fn unset_in_the_originals_ways_is_not_set() {
    let expected = adapter(&with(&[]));
    let unset = [
        "inbox_name: ''",
        "is_insecure:",
        "max_body_size: ~",
        "attachment_ingest_key: \"\"",
        "state_dir: null",
    ];
    assert_eq!(adapter(&with(&unset)), expected);
    let options = "dest_url: 'stdout:', identity: , mapping: {}, proxy: {url: ''}, lc_secret: '', hostname: ~";
    assert_eq!(load(&with_options(options)).unwrap().notices, [""; 0]);
    assert_eq!(adapter(&with_options(options)), expected);
}

#[test]
fn a_setting_that_must_be_there_is_named_when_it_is_missing() {
    for (key, line) in [
        ("server", "server: imap.example.com"),
        ("username", "username: journal"),
        ("password", "password: canary-hunter2"),
    ] {
        for instead in [String::new(), format!("{key}:"), format!("{key}: ''")] {
            let error = refused(&with(&[]).replace(line, &instead));
            assert!(error.ends_with(&format!(": imap.{key}: missing")), "{error}");
        }
    }
    let error = refused(&with_options("dest_url: 'https://x/'"));
    assert!(error.ends_with("imap.client_options.identity.oid: missing"), "{error}");
    for options in ["", "dest_url: ''", "dest_url: ~"] {
        let error = refused(&with_options(options));
        assert!(
            error.contains("imap.client_options.dest_url: missing; LimaCharlie's own protocol (USP)"),
            "{error}"
        );
    }
}

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
    assert_eq!(endpoint("mail", true), Ok(("mail".to_owned(), 143, Security::Plain)));
    assert_eq!(
        endpoint("mail:993", true),
        Ok(("mail".to_owned(), 993, Security::Plain))
    );
    for wrong in [
        "mail:",
        "mail:0",
        "mail:65536",
        "mail:imaps",
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
fn flags_and_numbers_are_what_they_are_and_nothing_else() {
    let flag = |text: &str| load(&with(&[&format!("from_zero: {text}")])).map(|loaded| loaded.adapters[0].from_zero);
    for text in ["true", "True", "'true'", "yes", "on"] {
        assert_eq!(flag(text), Ok(true), "{text}");
    }
    for text in ["false", "FALSE", "'false'", "no", "off", "", "~"] {
        assert_eq!(flag(text), Ok(false), "{text}");
    }
    for text in ["1", "maybe", "ture", "[true]", "{}"] {
        assert!(
            flag(text)
                .unwrap_err()
                .contains("imap.from_zero: expected true or false"),
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
        "-1",
        "1e6",
        "1.5",
        "010",
        "00",
        "0x10",
        "1_000",
        "10MB",
        "18446744073709551616",
        "+1",
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
        assert!(load(url, false).unwrap_err().contains("sends mail in clear"), "{url}");
        assert!(load(url, true).is_ok(), "{url}");
    }
    for url in [
        "stdout",
        "ftp://x/",
        "x.example.com/hook",
        "https://",
        "https:///path",
        "ws://x/usp",
        "wss://x/usp",
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
fn the_state_lives_where_systemd_or_xdg_says() {
    let state_dir = |variables: &[(&str, &str)], text: &str| {
        let environment = |name: &str| {
            variables
                .iter()
                .find(|(variable, _)| *variable == name)
                .map(|(_, value)| (*value).to_owned())
        };
        from_bytes("c.yaml", text.as_bytes(), &environment)
            .map(|loaded| loaded.adapters[0].state_dir.display().to_string())
            .map_err(|error| error.to_string())
    };
    let (systemd, xdg, home) = (
        ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"),
        ("XDG_STATE_HOME", "/xdg"),
        ("HOME", "/home/x"),
    );
    let text = with(&[]);
    assert_eq!(state_dir(&[systemd, xdg, home], &text), Ok("/var/lib/a".to_owned()));
    assert_eq!(state_dir(&[xdg, home], &text), Ok("/xdg/mailtap".to_owned()));
    assert_eq!(
        state_dir(&[("XDG_STATE_HOME", "relative"), home], &text),
        Ok("/home/x/.local/state/mailtap".to_owned())
    );
    assert_eq!(
        state_dir(&[("STATE_DIRECTORY", ""), home], &text),
        Ok("/home/x/.local/state/mailtap".to_owned())
    );
    for nowhere in [&[][..], &[("HOME", "")]] {
        assert!(
            state_dir(nowhere, &text)
                .unwrap_err()
                .contains("imap.state_dir: set it")
        );
    }
    assert_eq!(state_dir(&[], &with(&["state_dir: ./state"])), Ok("./state".to_owned()));
    assert_eq!(
        state_dir(&[systemd], &with(&["state_dir: /mine"])),
        Ok("/mine".to_owned())
    );
}

#[test]
fn every_text_can_be_a_reference_and_the_key_is_named_when_it_leads_nowhere() {
    let environment = |name: &str| match name {
        "HOST" => Some("imap.example.org:1993".to_owned()),
        "SECRET" => Some(CANARY.to_owned()),
        "URL" => Some("https://x.example.com/hook".to_owned()),
        _ => home(name),
    };
    let text = "imap: {server: 'env://HOST', username: 'env://SECRET', password: 'env://SECRET', client_options: \
                {dest_url: 'env://URL', lc_secret: 'env://SECRET', identity: {oid: 'env://SECRET'}}}";
    let loaded = from_bytes("c.yaml", text.as_bytes(), &environment).unwrap();
    let adapter = &loaded.adapters[0];
    assert_eq!(
        (adapter.imap.endpoint.port, adapter.imap.password.expose().as_str()),
        (1993, CANARY)
    );
    assert!(!format!("{:?}", adapter.imap.password).contains(CANARY));

    for key in ["server", "username", "password", "inbox_name", "ca_file", "state_dir"] {
        let line = format!("{key}: env://GONE");
        let text = match key {
            "server" => with(&[]).replace("server: imap.example.com", &line),
            "username" => with(&[]).replace("username: journal", &line),
            "password" => with(&[]).replace("password: canary-hunter2", &line),
            _ => with(&[&line]),
        };
        let error = refused(&text);
        assert!(
            error.ends_with(&format!("imap.{key}: env://GONE: the environment variable is not set")),
            "{error}"
        );
    }
    for key in ["dest_url", "lc_secret", "hostname", "platform"] {
        let others = if key == "dest_url" { "" } else { "dest_url: 'stdout:', " };
        let error = refused(&with_options(&format!("{others}{key}: hive://secret/x")));
        assert!(
            error.contains(&format!(
                "imap.client_options.{key}: hive://secret/x: only LimaCharlie's cloud"
            )),
            "{error}"
        );
    }
    let error = refused(&with_options(
        "dest_url: 'stdout:', identity: {installation_key: 'hive://secret/x'}",
    ));
    assert!(
        error.contains("imap.client_options.identity.installation_key: hive://"),
        "{error}"
    );
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

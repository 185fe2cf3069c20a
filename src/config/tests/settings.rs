//! What every key means.

use std::path::PathBuf;
use std::time::Duration;

use super::super::{Adapter, Credentials, Receiver, from_bytes, machine_name};
use super::{CANARY, adapter, arguments, home, load, refused, with, with_options};
use crate::imap::action::Action;
use crate::imap::auth::Mechanism;
use crate::imap::mailbox_name::MailboxName;
use crate::imap::wanted::Wanted;
use crate::net::tls::pin::Pin;
use crate::net::{Endpoint, Security, proxy};
use crate::secret::Secret;
use crate::{event, imap, limits, sink};

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
  filters: []
  filter_mode: "include"
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
    is_compressed: true
    buffer_options: {}
    dest_url: "https://receiver.example.com/hook"
    proxy:
      url: "http://10.0.0.1:3128"
      username: "mailtap"
      password: "through"
      handshake_timeout: "1m30s"
      connect_timeout: "0s"
      read_write_timeout: "2.5s"
    lc_secret: "shared"
    headers: {X-Token: "a: b"}
    signing_secret: "whsec_aGk="
    batch_events: 100
  unwrap_journal: "off"
  auth: "SCRAM-SHA-256"
  oauth: {provider: "", client_id: ""}
  ca_file: "CA_FILE"
  starttls: false
  compress: true
  after_delivery: "flag:$Collected"
  tls_pin_sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=, 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
  proxy: {url: "https://proxy.example", connect_timeout: "5s", read_write_timeout: ""}
  state_dir: "/var/lib/mailtap"
  shutdown_timeout: 1m15s
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
            mechanism: Some(Mechanism::ScramSha256),
            compress: true,
        },
        credentials: Credentials::Password(Secret::new("pa:ss # word".to_owned())),
        mailboxes: vec![Wanted::Name(MailboxName::new("Archive/2024"))],
        max_connections: 8,
        from_zero: true,
        after_delivery: Some(Action::Flag("$Collected".to_owned())),
        ca_file: Some(PathBuf::from(CA_FILE)),
        tls_pins: vec![Pin::of(b""); 2],
        proxy: Some(proxy::Settings {
            setting: "proxy",
            endpoint: Endpoint {
                host: "proxy.example".to_owned(),
                port: 443,
                security: Security::Tls,
            },
            credentials: None,
            connect_timeout: Duration::from_secs(5),
            handshake_timeout: limits::PROXY_HANDSHAKE,
            read_write_timeout: limits::PROXY_SILENCE,
        }),
        receiver_proxy: Some(proxy::Settings {
            setting: "client_options.proxy",
            endpoint: Endpoint {
                host: "10.0.0.1".to_owned(),
                port: 3128,
                security: Security::Plain,
            },
            credentials: Some(proxy::Credentials {
                username: "mailtap".to_owned(),
                password: Secret::new("through".to_owned()),
            }),
            connect_timeout: limits::PROXY_CONNECT,
            handshake_timeout: Duration::from_secs(90),
            read_write_timeout: Duration::from_millis(2500),
        }),
        healthcheck: None,
        artifacts: None,
        state_dir: PathBuf::from("/var/lib/mailtap"),
        shutdown_timeout: Duration::from_secs(75),
        event: event::build::Settings {
            include_attachments: true,
            max_body_size: 102_400,
            unwrap_journal: false,
            raw: None,
            artifacts: None,
            hostname: "journal-collector".to_owned(),
            oid: "8cbe27f4-aaaa-bbbb-cccc-138cd51389cd".to_owned(),
        },
        receiver: Receiver::Webhook(sink::webhook::Settings {
            url: Secret::new("https://receiver.example.com/hook".to_owned()),
            lc_secret: Some(Secret::new("shared".to_owned())),
            headers: vec![("X-Token".to_owned(), Secret::new("a: b".to_owned()))],
            signing_secret: Some(Secret::new("whsec_aGk=".to_owned())),
            compressed: true,
            batch_events: 100,
            allow_clear_text: false,
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
            "imap.client_options.mapping",
            "imap.client_options.indexing",
            "imap.client_options.sensor_seed_key",
            "imap.client_options.architecture",
            "imap.attachment_retention_days",
            "imap.filter_mode",
        ]
    );
    assert_eq!(
        loaded.notices[0],
        "c.yaml:27:7: imap.client_options.mapping: has no effect with a webhook: configure the mapping at the hook"
    );
}

#[test]
fn the_same_as_arguments_is_the_same() {
    let ca_file = format!("ca_file={CA_FILE}");
    let loaded = arguments(&[
        "server=outlook.office365.example:993",
        "username=journal@example.com",
        "password=pa:ss # word",
        "auth=scram-sha-256",
        "inbox_name=Archive/2024",
        "is_insecure=false",
        "from_zero=true",
        "after_delivery=flag:$Collected",
        "include_attachments=TRUE",
        "max_body_size=102400",
        "unwrap_journal=no",
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
        "client_options.headers.X-Token=a: b",
        "client_options.signing_secret=whsec_aGk=",
        "client_options.is_compressed=true",
        "client_options.batch_events=100",
        &ca_file,
        "starttls=false",
        "compress=true",
        "tls_pin_sha256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 \
         47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "proxy.url=https://proxy.example/",
        "proxy.connect_timeout=5000ms",
        "client_options.proxy.url=http://10.0.0.1:3128",
        "client_options.proxy.username=mailtap",
        "client_options.proxy.password=through",
        "client_options.proxy.handshake_timeout=90s",
        "client_options.proxy.read_write_timeout=2500ms",
        "state_dir=/var/lib/mailtap",
        "shutdown_timeout=75s",
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
                mechanism: None,
                compress: false,
            },
            credentials: Credentials::Password(Secret::new(CANARY.to_owned())),
            mailboxes: vec![Wanted::Name(MailboxName::new("INBOX"))],
            max_connections: 8,
            from_zero: false,
            after_delivery: None,
            ca_file: None,
            tls_pins: Vec::new(),
            proxy: None,
            receiver_proxy: None,
            healthcheck: None,
            artifacts: None,
            state_dir: PathBuf::from("/home/mailtap/.local/state/mailtap"),
            shutdown_timeout: limits::SHUTDOWN,
            event: event::build::Settings {
                include_attachments: false,
                max_body_size: 0,
                unwrap_journal: true,
                raw: None,
                artifacts: None,
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
        "auth: ''",
        "oauth: {refresh_token: }",
        "unwrap_journal: null",
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
        assert!(error.ends_with("imap.client_options.identity.oid: missing"), "{error}");
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
    let line_end = with(&[r#"state_dir: "\n""#]);
    assert_eq!(state_dir(&[xdg, home], &line_end), Ok("/xdg/mailtap".to_owned()));
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
    for expanded in ["~/state", "$HOME/state", "~"] {
        let error = state_dir(&[home], &with(&[&format!("state_dir: '{expanded}'")])).unwrap_err();
        assert!(error.contains("imap.state_dir: write the whole path"), "{error}");
    }
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
    assert_eq!(adapter.imap.endpoint.port, 1993);
    let password = Secret::new(CANARY.to_owned());
    assert_eq!(adapter.credentials, Credentials::Password(password));
    assert!(!format!("{:?}", adapter.credentials).contains(CANARY));

    for key in [
        "server",
        "username",
        "password",
        "inbox_name",
        "auth",
        "ca_file",
        "state_dir",
    ] {
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
    for key in ["dest_url", "lc_secret", "signing_secret", "hostname", "platform"] {
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

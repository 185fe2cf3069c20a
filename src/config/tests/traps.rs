//! The original's traps, each by name: what it does silently wrong, mailtap refuses or does right.

use super::super::{from_arguments, from_bytes};
use super::{CANARY, adapter, arguments, home, load, refused, with, with_options};

#[test]
fn trap_a_misspelt_key_gives_an_empty_setting() {
    for (text, error) in [
        (
            with(&[]).replace("server:", "sever:"),
            "c.yaml:2:3: imap.sever: unknown key; did you mean `imap.server`?",
        ),
        (
            with(&["Server: x"]),
            "imap.Server: unknown key; did you mean `imap.server`?",
        ),
        (
            with(&["oid: x"]),
            "imap.oid: unknown key; did you mean `imap.client_options.identity.oid`?",
        ),
        (
            with(&["port: 993"]),
            "imap.port: unknown key; did you mean `imap.server`?",
        ),
        (
            with_options("identity: {odi: x}"),
            "imap.client_options.identity.odi: unknown key; did you mean `imap.client_options.identity.oid`?",
        ),
        (
            with_options("mapping: {drop_field: [a]}"),
            "imap.client_options.mapping.drop_field: unknown key; did you mean `imap.client_options.mapping.drop_fields`?",
        ),
        (
            with_options("mappings: [{}, {rename: true}]"),
            "imap.client_options.mappings[1].rename: unknown key",
        ),
        (
            with_options("mapping: {mappings: [{src: a}]}"),
            "imap.client_options.mapping.mappings[0].src: unknown key",
        ),
        (
            with_options("indexing: [{regex: a}]"),
            "imap.client_options.indexing[0].regex: unknown key; did you mean `imap.client_options.indexing[0].regexp`?",
        ),
        (
            with_options("proxy: {usrname: a}"),
            "imap.client_options.proxy.usrname: unknown key; did you mean `imap.client_options.proxy.username`?",
        ),
        ("imp: {}\n".to_owned(), "imp: unknown key; did you mean `imap`?"),
        (
            "server: x\n".to_owned(),
            "server: unknown key; did you mean `imap.server`?",
        ),
    ] {
        let found = refused(&text);
        assert!(found.ends_with(error), "{found}");
    }
    assert!(
        load(&with_options(
            "dest_url: 'stdout:', mapping: {transform: {any: thing}, parsing_grok: {x: y}}"
        ))
        .is_ok()
    );
}

#[test]
fn trap_a_misspelt_argument_gives_an_empty_setting() {
    for (argument, error) in [
        ("sever=x", "sever: unknown key; did you mean `server`?"),
        ("host=x", "host: unknown key; did you mean `server`?"),
        ("user=x", "user: unknown key; did you mean `username`?"),
        ("pass=x", "pass: unknown key; did you mean `password`?"),
        ("mailbox=x", "mailbox: unknown key; did you mean `inbox_name`?"),
        ("inboxes=x", "inboxes: unknown key; did you mean `inbox_names`?"),
        ("url=x", "url: unknown key; did you mean `client_options.dest_url`?"),
        (
            "dest-url=x",
            "dest-url: unknown key; did you mean `client_options.dest_url`?",
        ),
        ("oauth.url=x", "oauth.url: unknown key; did you mean `oauth.token_url`?"),
        (
            "proxy.user=x",
            "proxy.user: unknown key; did you mean `proxy.username`?",
        ),
        ("oid=x", "oid: unknown key; did you mean `client_options.identity.oid`?"),
        (
            "imap.server=x",
            "imap: arguments are all about the mailbox; leave `imap.` away, as in `server=…`",
        ),
        (
            "client_options.mapping.drop_field[0]=x",
            "client_options.mapping.drop_field: unknown key; did you mean `client_options.mapping.drop_fields`?",
        ),
        (
            "client_options.mapping.drop_fields[1]=x",
            "client_options.mapping.drop_fields[1]: [1] comes before [0]: number lists from 0 without gaps",
        ),
        (
            "client_options.mapping.drop_fields=x",
            "client_options.mapping.drop_fields: expected a list, found text",
        ),
        ("server[0]=x", "server: expected text, found a list"),
        ("server.x=y", "server: expected text, found a section"),
        ("=x", "`` is not a key"),
        ("a..b=x", "`a..b` is not a key"),
        ("a[=x", "`a[` is not a key"),
        ("a[-1]=x", "`a[-1]` is not a key"),
        ("[0]=x", "`[0]` is not a key"),
    ] {
        assert_eq!(arguments(&[argument]).unwrap_err(), error, "{argument}");
    }
    assert_eq!(
        arguments(&["server=a", "server=b"]).unwrap_err(),
        "server: is set twice"
    );
    assert_eq!(
        arguments(&["server=a", "server.x=b"]).unwrap_err(),
        "server.x: is set below what is text elsewhere"
    );
    assert_eq!(
        arguments(&["server=a", CANARY]).unwrap_err(),
        "argument 2 is not key=value; name one file, or give arguments"
    );
    let deep = format!("{}=x", vec!["a"; 10_000].join("."));
    assert!(arguments(&[&deep]).unwrap_err().ends_with("is not a key"));
}

#[test]
fn trap_the_whole_environment_overrides_arguments() {
    let hostile = |name: &str| {
        let overriding = [
            "USERNAME",
            "username",
            "PASSWORD",
            "SERVER",
            "INBOX_NAME",
            "FROM_ZERO",
            "IS_INSECURE",
            "HOSTNAME",
        ];
        if overriding.contains(&name) {
            Some("evil".to_owned())
        } else {
            home(name)
        }
    };
    let given = [
        "server=imap.example.com",
        "username=journal",
        "password=canary-hunter2",
        "client_options.dest_url=stdout:",
    ];
    assert_eq!(from_arguments(given, &hostile), from_arguments(given, &home));
    let text = with(&[]);
    assert_eq!(
        from_bytes("c", text.as_bytes(), &hostile),
        from_bytes("c", text.as_bytes(), &home)
    );
    let missing = from_arguments(given[1..].iter().copied(), &hostile).unwrap_err();
    assert_eq!(missing.to_string(), "server: missing");
}

#[test]
fn trap_a_one_document_json_file_starts_every_adapter_twice() {
    let json = r#"{"imap": {"server": "imap.example.com", "username": "journal", "password": "canary-hunter2", "from_zero": true,
        "max_body_size": 10, "client_options": {"dest_url": "stdout:"}}}"#;
    let loaded = load(json).unwrap();
    assert_eq!(loaded.adapters.len(), 1);
    assert_eq!(loaded, load(&with(&["from_zero: true", "max_body_size: 10"])).unwrap());
    let second = json.replace("journal", "other");
    assert_eq!(load(&format!("{json}\n{second}")).unwrap().adapters.len(), 2);
}

#[test]
fn trap_two_adapters_share_one_mailbox() {
    let text =
        |server: &str, mailbox: &str| with(&[&format!("inbox_name: {mailbox}")]).replace("imap.example.com", server);
    let first = text("imap.example.com", "INBOX");
    for same in [text("IMAP.example.com", "inbox"), text("imap.example.com:993", "''")] {
        let error = refused(&format!("{first}---\n{same}"));
        assert!(
            error.contains("an earlier document watches this mailbox of this account"),
            "{error}"
        );
    }
    // `replay` would send the dead letters of one organisation to the other.
    let elsewhere = with(&[
        "inbox_name: INBOX",
        "state_dir: /other",
        "client_options: {dest_url: 'https://x/', identity: {oid: o}}",
    ]);
    let error = refused(&format!("{first}---\n{elsewhere}"));
    assert!(
        error.contains("whatever state_dir and oid are; watch it by another mailtap"),
        "{error}"
    );
    assert_eq!(
        adapter(&text("IMAP.example.com", "inbox")),
        adapter(&first),
        "another spelling finds the same checkpoint"
    );
    for other in [
        text("imap.example.com", "Archive"),
        text("imap.example.com:1993", "INBOX"),
        first.replace("journal", "Journal"),
    ] {
        assert_eq!(load(&format!("{first}---\n{other}")).unwrap().adapters.len(), 2);
    }
}

#[test]
fn trap_another_adapters_file_is_read_as_ours() {
    for (text, error) in [
        (
            "syslog: {port: 514}\n".to_owned(),
            "c.yaml:1:1: syslog: is another adapter of LimaCharlie's; mailtap is only the imap adapter",
        ),
        (
            "imap:\ns3: {}\n".to_owned(),
            "c.yaml:2:1: s3: is another adapter of LimaCharlie's; mailtap is only the imap adapter",
        ),
        (format!("{}s4: {{}}\n", with(&[])), "c.yaml:6:1: s4: unknown key"),
        (
            format!("sensor_type: syslog\n{}", with(&[])),
            "sensor_type: `syslog` is another adapter of LimaCharlie's; mailtap is only the imap adapter",
        ),
        (
            format!("sensor_type: canary-hunter2\n{}", with(&[])),
            "sensor_type: must be `imap`",
        ),
        (
            format!("sensor_type: [imap]\n{}", with(&[])),
            "sensor_type: must be `imap`",
        ),
    ] {
        let found = refused(&text);
        assert!(found.ends_with(error), "{found}");
    }
    assert!(load(&format!("sensor_type: imap\n{}", with(&[]))).is_ok());
}

#[test]
fn trap_what_does_nothing_is_accepted_in_silence() {
    let notices = |text: &str| load(text).unwrap().notices;
    assert_eq!(
        notices(&with(&["attachment_retention_days: 30"])),
        ["c.yaml:5:30: imap.attachment_retention_days: has no effect without attachment_ingest_key"]
    );
    assert_eq!(
        notices(&with(&["max_message_size: 30"])),
        ["c.yaml:5:21: imap.max_message_size: has no effect without `platform: email` of LimaCharlie's own protocol"]
    );
    assert_eq!(
        notices(&with_options(
            "dest_url: 'stdout:', lc_secret: canary-hunter2, sensor_seed_key: s"
        )),
        [
            "c.yaml:5:52: imap.client_options.lc_secret: has no effect with stdout:",
            "c.yaml:5:85: imap.client_options.sensor_seed_key: has no effect with stdout:",
        ]
    );
}

#[test]
fn trap_the_configuration_is_printed_with_its_passwords() {
    let text = with_options("identity: {oid: o}, dest_url: 'https://x/canary-hunter2', lc_secret: canary-hunter2");
    let loaded = load(&text).unwrap();
    assert!(!format!("{loaded:?}").contains(CANARY));
}

#[test]
fn a_password_that_yaml_reads_otherwise_is_told_without_it_and_with_the_remedy() {
    for start in ["@", "%", "`", "*", "'x' ", "\"x\" ", "a: "] {
        let error = refused(&with(&[]).replace("password: ", &format!("password: {start}")));
        assert!(
            error.starts_with("c.yaml:4:") && error.contains("needs quotes"),
            "{start}: {error}"
        );
    }
}

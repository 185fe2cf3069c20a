//! LimaCharlie's own protocol: the default, and what is sent as it is configured.

use serde_json::json;

use super::super::{Receiver, fuzz};
use super::{CANARY, load, refused, with, with_options};
use crate::limits;
use crate::net::Security;
use crate::sink::limacharlie::{Destination, Settings};

const IDENTITY: &str = "identity: {oid: 8cbe27f4-aaaa, installation_key: canary-hunter2}";

/// The settings of a complete configuration with `options` beside identity and platform, and the notices.
fn settings(options: &str) -> (Settings, Vec<String>) {
    let loaded = load(&with_options(&format!(
        "{IDENTITY}, platform: json, hostname: h, {options}"
    )))
    .unwrap();
    let Receiver::LimaCharlie(settings) = &loaded.adapters[0].receiver else {
        panic!("{:?}", loaded.adapters)
    };
    ((**settings).clone(), loaded.notices)
}

#[test]
fn without_a_destination_limacharlie_is_asked_where_the_organisation_is() {
    let (settings, notices) = settings("sensor_seed_key: s");
    let Destination::Discover { address } = &settings.destination else {
        panic!("{settings:?}")
    };
    assert_eq!(
        (address.endpoint.to_string().as_str(), address.target.expose().as_str()),
        ("api.limacharlie.io:443", "/v1/orgs/8cbe27f4-aaaa/url")
    );
    let sensor = &settings.sensor;
    assert_eq!(
        (
            sensor.oid.as_str(),
            sensor.hostname.as_str(),
            sensor.platform.as_str(),
            sensor.seed_key.as_str()
        ),
        ("8cbe27f4-aaaa", "h", "json", "s")
    );
    assert_eq!(sensor.installation_key.expose(), CANARY);
    assert_eq!(notices, [""; 0]);
}

#[test]
fn a_websocket_destination_is_taken_as_it_is() {
    for (url, endpoint, security) in [
        ("wss://x.example/usp", "x.example:443", Security::Tls),
        ("WS://127.0.0.1:8080/usp", "127.0.0.1:8080", Security::Plain),
    ] {
        let (settings, _) = settings(&format!("dest_url: '{url}'"));
        let Destination::Fixed(url) = &settings.destination else {
            panic!("{settings:?}")
        };
        assert_eq!(
            (url.endpoint.to_string().as_str(), url.endpoint.security),
            (endpoint, security)
        );
        assert_eq!(url.target.expose(), "/usp");
    }
    let error = refused(&with_options(&format!(
        "{IDENTITY}, platform: json, dest_url: ws://x.example/usp"
    )));
    assert!(error.contains("client_options.dest_url: ws://"), "{error}");
}

#[test]
fn what_the_protocol_needs_is_named_when_it_is_missing() {
    for (options, key) in [
        ("platform: json", "identity.oid"),
        ("platform: json, identity: {oid: o}", "identity.installation_key"),
        (IDENTITY, "platform"),
    ] {
        let error = refused(&with_options(options));
        assert!(
            error.ends_with(&format!("imap.client_options.{key}: missing")),
            "{error}"
        );
    }
    let error = refused(&with_options(
        "platform: json, identity: {oid: ../x, installation_key: k}",
    ));
    assert!(error.contains("identity.oid: is no organisation's id"), "{error}");
}

#[test]
fn mapping_and_indexing_are_sent_as_they_are_written() {
    let (settings, _) = settings(
        "mapping: {parsing_re: '', parsing_grok: {message: 5}, rename_only: yes, drop_fields: [a, b], \
         transform: {'+n': 5, '+text': '5', '+yes': true, '+word': word, '+deep': {list: [1.5, x]}}, \
         sensor_identity_type: email, mappings: [{src_field: 1, dst_field: b}]}, \
         mappings: [{event_type_path: e, rename_only: false}], indexing: [{events_included: [email], path: p, regexp: ''}]",
    );
    assert_eq!(
        serde_json::Value::from(settings.sensor.mapping),
        json!({"parsing_grok": {"message": "5"}, "rename_only": true, "drop_fields": ["a", "b"],
            "transform": {"+n": 5, "+text": "5", "+yes": true, "+word": "word", "+deep": {"list": [1.5, "x"]}},
            "sensor_identity_type": "email", "mappings": [{"src_field": "1", "dst_field": "b"}]})
    );
    assert_eq!(
        settings.sensor.mappings,
        [json!({"event_type_path": "e", "rename_only": false})]
    );
    assert_eq!(
        settings.sensor.indexing,
        [json!({"events_included": ["email"], "path": "p"})]
    );
    let error = refused(&with_options(&format!(
        "{IDENTITY}, platform: json, mapping: {{rename_only: maybe}}"
    )));
    assert!(
        error.contains("client_options.mapping.rename_only: expected true or false"),
        "{error}"
    );
}

#[test]
fn a_transform_says_what_the_original_s_readers_read() {
    let transform = "{'-parts': null, '+a': b, k: {}, l: [], n: True, h: 0x10, f: 1.5, e: '', quoted: '0x10', \
                     word: yes, date: 2024-01-01, deep: [{x: ~, y: ''}, null, 1_000, -5, 1e3]}";
    let expected = json!({"transform": {"-parts": null, "+a": "b", "k": {}, "l": [], "n": true, "h": 16, "f": 1.5,
        "e": "", "quoted": "0x10", "word": "yes", "date": "2024-01-01",
        "deep": [{"x": null, "y": ""}, null, 1000, -5, 1000.0]}});
    let (sent, _) = settings(&format!(
        "mapping: {{transform: {transform}}}, mappings: [{{transform: {transform}}}]"
    ));
    assert_eq!(serde_json::Value::from(sent.sensor.mapping), expected);
    assert_eq!(sent.sensor.mappings, [expected]);
    // One that only takes away is not nothing, and neither is an empty pattern; one without entries is.
    let (sent, _) =
        settings("mapping: {transform: {'-parts': null}, parsing_grok: {a: ''}}, mappings: [{transform: {}}]");
    assert_eq!(
        serde_json::Value::from(sent.sensor.mapping),
        json!({"transform": {"-parts": null}, "parsing_grok": {"a": ""}})
    );
    assert!(sent.sensor.mappings.is_empty(), "{:?}", sent.sensor.mappings);
    let file = r#"{"imap": {"server": "s", "username": "u", "password": "p", "client_options": {"hostname": "h", "platform": "json",
        "identity": {"oid": "o", "installation_key": "k"},
        "mapping": {"transform": {"-parts": null, "a": "", "b": {}, "c": [], "n": true, "t": "true", "e": 1e3, "f": 0.25}}}}}"#;
    let Receiver::LimaCharlie(sent) = load(file).unwrap().adapters.remove(0).receiver else {
        panic!("{file}")
    };
    assert_eq!(
        serde_json::Value::from(sent.sensor.mapping),
        json!({"transform": {"-parts": null, "a": "", "b": {}, "c": [], "n": true, "t": "true", "e": 1000.0, "f": 0.25}})
    );
}

#[test]
fn a_flag_of_a_mapping_has_the_words_of_any_other() {
    for (word, flag) in [("y", true), ("N", false)] {
        let (sent, _) = settings(&format!("mapping: {{rename_only: {word}}}"));
        assert_eq!(
            serde_json::Value::from(sent.sensor.mapping),
            json!({"rename_only": flag})
        );
    }
}

#[test]
fn the_type_of_a_sensor_s_identity_is_one_that_the_original_has() {
    let options = |word: &str| {
        format!(
            "mapping: {{sensor_key_path: a, sensor_identity_type: {word}}}, mappings: [{{sensor_identity_type: {word}}}]"
        )
    };
    for word in ["email", "username", "github_login", "device"] {
        let (sent, _) = settings(&options(word));
        assert_eq!(
            serde_json::Value::from(sent.sensor.mapping),
            json!({"sensor_key_path": "a", "sensor_identity_type": word})
        );
        assert_eq!(sent.sensor.mappings, [json!({"sensor_identity_type": word})]);
    }
    for empty in ["''", "~"] {
        let (sent, _) = settings(&options(empty));
        assert_eq!(
            serde_json::Value::from(sent.sensor.mapping),
            json!({"sensor_key_path": "a"})
        );
    }
    for wrong in ["Email", "host", "' email'", "[email]"] {
        let error = refused(&with_options(&options(wrong)));
        let expected = "client_options.mapping.sensor_identity_type: expected email, username, github_login or device";
        assert!(error.contains(expected), "{error}");
    }
    let error = refused(&with_options("mappings: [{}, {sensor_identity_type: host}]"));
    assert!(
        error.contains("client_options.mappings[1].sensor_identity_type: expected email"),
        "{error}"
    );
}

#[test]
fn a_transform_survives_the_fuzzer_s_round_trip() {
    fuzz(
        with_options(&format!(
            "{IDENTITY}, platform: json, mapping: {{transform: {{a: 5, b: [True]}}}}"
        ))
        .as_bytes(),
    );
}

#[test]
fn mail_goes_out_as_it_is_only_to_the_platform_that_parses_it() {
    let raw = |line: &str, platform: &str| {
        let options = format!("client_options: {{{IDENTITY}, platform: {platform}}}");
        load(&with(&[line, &options])).unwrap().adapters[0].event.raw
    };
    assert_eq!(raw("", "email"), Some(limits::RAW_MAIL));
    assert_eq!(raw("max_message_size: 1000", "email"), Some(1000));
    assert_eq!(raw("", "json"), None);
}

#[test]
fn attachments_are_stored_apart_with_a_key_and_an_organisation() {
    let key = "attachment_ingest_key: canary-hunter2";
    let options = format!("client_options: {{{IDENTITY}, platform: json, hostname: h}}");
    let lines = [
        key,
        "attachment_retention_days: 30",
        "include_attachments: true",
        &options,
    ];
    let loaded = load(&with(&lines)).unwrap();
    let adapter = &loaded.adapters[0];
    let artifacts = adapter.artifacts.as_ref().unwrap();
    assert_eq!(
        (
            artifacts.oid.as_str(),
            artifacts.hostname.as_str(),
            artifacts.retention_days
        ),
        ("8cbe27f4-aaaa", "h", Some(30))
    );
    assert_eq!(artifacts.ingest_key.expose(), CANARY);
    assert_eq!(artifacts.directory.target.expose(), "/v1/orgs/8cbe27f4-aaaa/url");
    assert_eq!(adapter.event.artifacts.as_ref(), Some(&adapter.state_dir));
    assert_eq!(loaded.notices, [""; 0]);
    assert!(!format!("{loaded:?}").contains(CANARY), "the keys are secrets");
    let error = refused(&with(&[key]));
    assert!(error.ends_with("imap.client_options.identity.oid: missing"), "{error}");
}

#[test]
fn what_the_original_would_not_upload_is_told() {
    let options = format!("client_options: {{{IDENTITY}, platform: json}}");
    for without in ["", "include_attachments: false"] {
        let loaded = load(&with(&[without, "attachment_ingest_key: canary-hunter2", &options])).unwrap();
        assert_eq!(
            loaded.notices,
            [
                "c.yaml:6:26: imap.attachment_ingest_key: the original uploads nothing without include_attachments; every \
              attachment is uploaded here"
            ]
        );
        assert!(loaded.adapters[0].artifacts.is_some());
    }
}

#[test]
fn what_is_for_a_webhook_has_no_effect_here_and_says_so() {
    let (_, notices) = settings("lc_secret: canary-hunter2, buffer_options: {x: 1}");
    assert_eq!(notices.len(), 2);
    assert!(
        notices[0].contains("lc_secret: has no effect with LimaCharlie's own protocol"),
        "{notices:?}"
    );
    assert!(!notices.concat().contains(CANARY));
}

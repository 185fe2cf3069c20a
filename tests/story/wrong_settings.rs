//! The configuration is wrong: one clear line, and the program goes on trying.

use crate::support::certificates::{self, Certificate};
use crate::support::collector::Configuration;
use crate::support::{imap_server, receiver};
use crate::{Stage, ends_well};

/// Starts with what is wrong, wants one line with all of `words`, a program that is still there, and nothing delivered.
fn complains(stage: &Stage, words: &[&str]) {
    let uids = stage.deliver(3);
    let collector = stage.start();
    collector.wait_for_line(words);
    ends_well(collector);
    assert_eq!(stage.receiver.record().events.len(), 0);
    assert_eq!(stage.server.uids(), uids);
}

#[test]
fn a_wrong_password() {
    let mut stage = Stage::new();
    stage.configuration.password = "wrong-secret".to_owned();
    complains(&stage, &["login", "username", "password"]);
    assert_eq!(
        stage.server.record().connections,
        1,
        "an account is not hammered until it is locked"
    );
}

#[test]
fn matrix_9_a_wrong_certificate_authority() {
    let mut stage = Stage::new();
    stage.configuration.ca_file = certificates::other_authority();
    complains(&stage, &["TLS handshake", "ca_file"]);
}

#[test]
fn matrix_9_a_server_that_shows_another_hosts_certificate() {
    for (certificate, word) in [(Certificate::WrongHost, "server"), (Certificate::Expired, "expired")] {
        let settings = imap_server::Settings {
            certificate: Some(certificate),
            ..imap_server::Settings::default()
        };
        let stage = Stage::with(settings, receiver::Settings::default());
        complains(&stage, &["TLS handshake", word]);
    }
}

#[test]
fn matrix_10_a_host_that_does_not_exist() {
    let mut stage = Stage::new();
    stage.configuration.server = "imap.invalid:993".to_owned();
    complains(&stage, &["imap.invalid:993", "name resolution"]);
}

#[test]
fn a_port_where_nobody_listens() {
    let mut stage = Stage::new();
    stage.configuration.server = "localhost:1".to_owned();
    complains(&stage, &["localhost:1", "connect"]);
}

#[test]
fn a_wrong_mailbox() {
    let mut stage = Stage::new();
    stage.configuration.inbox_name = Some("Jurnal".to_owned());
    complains(&stage, &["inbox_name", "Jurnal"]);
}

#[test]
fn a_wrong_receiver_secret() {
    let mut stage = Stage::new();
    stage.configuration.lc_secret = "wrong-secret".to_owned();
    complains(&stage, &["401", "lc_secret"]);
}

#[test]
fn a_wrong_receiver_path() {
    let mut stage = Stage::new();
    stage.configuration.dest_url.push_str("-wrong-secret");
    complains(&stage, &["404", "dest_url"]);
}

#[test]
fn matrix_9_a_receiver_that_shows_another_hosts_certificate() {
    let settings = receiver::Settings {
        certificate: Some(Certificate::WrongHost),
        ..receiver::Settings::default()
    };
    let stage = Stage::with(imap_server::Settings::default(), settings);
    complains(&stage, &["TLS handshake", "dest_url"]);
}

#[test]
fn a_configuration_error_ends_with_2_before_anything_is_contacted() {
    let mut stage = Stage::new();
    stage.deliver(1);
    let wrong: [fn(&mut Configuration); 3] = [
        |configuration| configuration.dest_url = "http://example.com/hook/mail".to_owned(),
        |configuration| configuration.ca_file.push("missing"),
        |configuration| configuration.server = "imaps://localhost".to_owned(),
    ];
    for (wrong, setting) in wrong.iter().zip(["dest_url", "ca_file", "server"]) {
        let right = stage.configuration.clone();
        wrong(&mut stage.configuration);
        let (status, lines) = stage.start().ends();
        assert_eq!(status.code(), Some(2), "{lines:?}");
        let [line] = lines.as_slice() else {
            panic!("one line: {lines:?}")
        };
        assert!(line.contains(setting), "{line}");
        stage.configuration = right;
    }
    assert_eq!(stage.server.record().connections, 0);
    assert_eq!(stage.receiver.record().connections, 0);
}

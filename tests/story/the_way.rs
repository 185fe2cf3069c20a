//! The way to the two servers: STARTTLS, a pinned key, proxies, compression.

use crate::support::certificates::{self, Certificate};
use crate::support::proxy::Proxy;
use crate::support::{imap_server, receiver};
use crate::{Stage, ends_well};

/// The SHA-256 of the key of every server certificate in `testdata/tls`.
const KEY: &str = "TbgYrCT6LmhgttRhSjME+hOS2uHO8ypd0NVEZygwMW8=";
/// That of nobody's key.
const OTHER_KEY: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
/// `mailtap:through-the-wall`.
pub const LOGIN: &str = "Basic bWFpbHRhcDp0aHJvdWdoLXRoZS13YWxs";
const PROXY_PASSWORD: &str = "through-the-wall";

fn stage(server: imap_server::Settings) -> Stage {
    Stage::with(server, receiver::Settings::default())
}

/// Delivers a backlog and a live mail.
fn delivers(stage: &Stage) {
    let mut uids = stage.deliver(30);
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    stage.wait_for_idle();
    uids.extend(stage.deliver(1));
    stage.wait_for_exactly(&uids);
    assert!(!collector.lines().join("\n").contains(PROXY_PASSWORD));
    ends_well(collector);
}

/// Wants a line with all of `words`, and that nobody logged in.
fn complains(stage: &Stage, words: &[&str]) {
    stage.deliver(1);
    let collector = stage.start();
    collector.wait_for_line(words);
    assert!(!collector.lines().join("\n").contains(PROXY_PASSWORD));
    ends_well(collector);
    let commands = stage.server.record().commands;
    assert!(
        !commands
            .iter()
            .any(|command| command.contains("LOGIN") || command.contains("AUTHENTICATE"))
    );
    assert_eq!(stage.receiver.record().events.len(), 0);
}

fn starttls() -> imap_server::Settings {
    imap_server::Settings {
        tls: imap_server::TlsBegins::WithStartTls,
        ..imap_server::Settings::default()
    }
}

#[test]
fn starttls_comes_before_the_login() {
    let mut stage = stage(starttls());
    stage.configuration.more.push("starttls: true".to_owned());
    delivers(&stage);
    let commands = stage.server.record().commands;
    assert_eq!(commands[..2], ["CAPABILITY", "STARTTLS"]);
}

#[test]
fn matrix_9_starttls_with_a_certificate_that_does_not_do_sends_no_password() {
    let mut stage = stage(imap_server::Settings {
        certificate: Some(Certificate::WrongHost),
        ..starttls()
    });
    stage.configuration.more.push("starttls: true".to_owned());
    complains(&stage, &["TLS handshake", "elsewhere.invalid"]);
}

#[test]
fn matrix_9_starttls_that_is_not_offered_is_not_done_without() {
    let mut stage = stage(imap_server::Settings {
        certificate: None,
        ..imap_server::Settings::default()
    });
    stage.configuration.more.push("starttls: true".to_owned());
    complains(&stage, &["does not offer STARTTLS", "starttls"]);
}

#[test]
fn a_pinned_key_does_where_the_certificate_does_not_and_for_this_server_only() {
    let mut stage = stage(imap_server::Settings {
        certificate: Some(Certificate::Expired),
        ..imap_server::Settings::default()
    });
    stage.configuration.more.push(format!("tls_pin_sha256: {KEY}"));
    delivers(&stage);

    let mut stage = Stage::new();
    stage.configuration.ca_file = certificates::other_authority();
    stage.configuration.more.push(format!("tls_pin_sha256: {KEY}"));
    stage.deliver(1);
    let collector = stage.start();
    // The receiver has the same key, and it helps it nothing.
    collector.wait_for_line(&["dest_url", "TLS handshake", "ca_file"]);
    ends_well(collector);
}

#[test]
fn a_server_with_another_key_is_refused_and_its_key_shown() {
    let mut stage = Stage::new();
    stage.configuration.more.push(format!("tls_pin_sha256: {OTHER_KEY}"));
    complains(&stage, &["TLS handshake", "tls_pin_sha256", KEY]);
}

pub fn proxy_setting(scheme: &str, port: u16) -> String {
    format!("proxy: {{url: '{scheme}://localhost:{port}', username: mailtap, password: {PROXY_PASSWORD}}}")
}

#[test]
fn every_connection_goes_through_its_proxy_which_alone_looks_names_up() {
    for (certificate, scheme) in [(None, "http"), (Some(Certificate::Good), "https")] {
        let mut stage = Stage::new();
        let known = vec![("imap.behind.invalid", stage.server.port())];
        let to_server = Proxy::start(certificate, Some(LOGIN), known);
        let to_receiver = Proxy::start(certificate, Some(LOGIN), Vec::new());
        stage.configuration.server = "imap.behind.invalid:1993".to_owned();
        stage.configuration.more.push(format!("tls_pin_sha256: {KEY}"));
        stage.configuration.more.push(proxy_setting(scheme, to_server.port()));
        stage
            .configuration
            .more_options
            .push(proxy_setting(scheme, to_receiver.port()));
        delivers(&stage);
        let heads = to_server.heads();
        assert!(!heads.is_empty());
        assert!(
            heads
                .iter()
                .all(|head| head.starts_with("CONNECT imap.behind.invalid:1993 HTTP/1.1\r\n"))
        );
        let heads = to_receiver.heads();
        assert!(!heads.is_empty());
        assert!(heads.iter().all(|head| head.starts_with("CONNECT localhost:")));
    }
}

#[test]
fn a_greeting_in_clear_through_a_proxy_is_read_and_starttls_follows() {
    let mut stage = stage(starttls());
    let proxy = Proxy::start(None, None, Vec::new());
    stage.configuration.more.push("starttls: true".to_owned());
    stage.configuration.more.push(proxy_setting("http", proxy.port()));
    delivers(&stage);
    assert!(!proxy.heads().is_empty());
}

#[test]
fn a_proxy_that_wants_another_login_is_named_with_its_settings() {
    let mut stage = Stage::new();
    let proxy = Proxy::start(None, Some("Basic b3RoZXI6b3RoZXI="), Vec::new());
    stage.configuration.more.push(proxy_setting("http", proxy.port()));
    complains(&stage, &["407", "proxy.username", "proxy.password"]);
}

#[test]
fn a_receiver_s_proxy_that_refuses_is_named_and_nothing_is_lost() {
    let mut stage = Stage::new();
    let proxy = Proxy::start(None, Some("Basic b3RoZXI6b3RoZXI="), Vec::new());
    stage
        .configuration
        .more_options
        .push(proxy_setting("http", proxy.port()));
    let uids = stage.deliver(3);
    let collector = stage.start();
    collector.wait_for_line(&["407", "client_options.proxy.username"]);
    ends_well(collector);
    stage.configuration.more_options.clear();
    let collector = stage.start();
    stage.wait_for_exactly(&uids);
    ends_well(collector);
}

#[test]
fn a_proxy_that_cannot_reach_the_server_is_told_from_the_server() {
    let mut stage = Stage::new();
    let proxy = Proxy::start(None, None, Vec::new());
    stage.configuration.server = "nobody.behind.invalid:993".to_owned();
    stage.configuration.more.push(proxy_setting("http", proxy.port()));
    complains(
        &stage,
        &["(proxy): proxy: the proxy answers 502", "nobody.behind.invalid:993"],
    );
}

#[test]
fn a_compressed_connection_delivers_and_watches() {
    let mut stage = stage(imap_server::Settings {
        extensions: vec!["COMPRESS=DEFLATE"],
        ..imap_server::Settings::default()
    });
    stage.configuration.more.push("compress: true".to_owned());
    delivers(&stage);
    let commands = stage.server.record().commands;
    assert_eq!(
        commands.iter().filter(|command| *command == "COMPRESS DEFLATE").count(),
        1
    );
}

#[test]
fn a_server_that_does_not_compress_is_watched_without() {
    let mut stage = Stage::new();
    stage.configuration.more.push("compress: true".to_owned());
    let uids = stage.deliver(3);
    let collector = stage.start();
    collector.wait_for_line(&["does not compress", "not offered"]);
    stage.wait_for_exactly(&uids);
    ends_well(collector);
}

//! The account is entered with access tokens, which a provider gives and the server takes or refuses.

use std::process::Command;

use crate::support::certificates::Certificate;
use crate::support::collector::Collector;
use crate::support::proxy::Proxy;
use crate::support::token_endpoint::TokenEndpoint;
use crate::support::{imap_server, receiver};
use crate::the_way::{LOGIN, proxy_setting};
use crate::{Stage, ends_well};

const GOOD: &str = r#"{"access_token":"good-token","token_type":"Bearer","expires_in":3600}"#;
const STALE: &str = r#"{"access_token":"stale-token","token_type":"Bearer","expires_in":3600}"#;

/// A server that takes `good-token` and no password.
fn stage() -> Stage {
    let settings = imap_server::Settings {
        auth_plain: false,
        auth_xoauth2: true,
        ..imap_server::Settings::default()
    };
    let stage = Stage::with(settings, receiver::Settings::default());
    stage.server.set_password("good-token");
    stage
}

fn start(stage: &Stage, endpoint: &TokenEndpoint) -> Collector {
    let password = format!("  password: {}\n", serde_json::Value::from(imap_server::PASSWORD));
    let oauth = format!(
        "  oauth: {{token_url: '{}', client_id: c, client_secret: wrong-secret, refresh_token: wrong-secret-r}}\n",
        endpoint.url()
    );
    let yaml = stage.configuration.yaml();
    assert!(yaml.contains(&password));
    let file = stage.folder.write("mailtap.yaml", yaml.replace(&password, &oauth));
    Collector::start(Command::new(env!("CARGO_BIN_EXE_mailtap")), &file)
}

/// Ends it, and looks for tokens in what it said.
fn ends_without_a_word_of_tokens(collector: Collector) {
    let output = collector.lines().join("\n");
    assert!(
        !output.contains("-token\"") && !output.contains("good-token") && !output.contains("stale-token"),
        "{output}"
    );
    ends_well(collector);
}

#[test]
fn matrix_14_a_token_that_the_server_refuses_is_renewed_at_once() {
    let stage = stage();
    let uids = stage.deliver(3);
    let endpoint = TokenEndpoint::start(&[(200, STALE), (200, GOOD)]);
    let collector = start(&stage, &endpoint);
    stage.wait_for_exactly(&uids);
    let expected = "grant_type=refresh_token&client_id=c&client_secret=wrong-secret&refresh_token=wrong-secret-r";
    assert_eq!(endpoint.forms(), [expected; 2]);
    assert_eq!(stage.server.record().connections, 2);
    ends_without_a_word_of_tokens(collector);
}

#[test]
fn a_provider_in_tls_is_trusted_by_ca_file_and_reached_through_the_proxy() {
    for proxied in [false, true] {
        let mut stage = stage();
        let uids = stage.deliver(2);
        let endpoint = TokenEndpoint::secure(Certificate::Good, &[(200, GOOD)]);
        let proxy = Proxy::start(None, Some(LOGIN), Vec::new());
        if proxied {
            stage.configuration.more.push(proxy_setting("http", proxy.port()));
        }
        let collector = start(&stage, &endpoint);
        stage.wait_for_exactly(&uids);
        assert_eq!(endpoint.forms().len(), 1);
        let asked = format!("CONNECT localhost:{} HTTP/1.1\r\n", endpoint.port());
        let through = proxy.heads().iter().filter(|head| head.starts_with(&asked)).count();
        assert_eq!(through, usize::from(proxied), "{:?}", proxy.heads());
        ends_without_a_word_of_tokens(collector);
    }
}

#[test]
fn a_provider_with_another_host_s_certificate_gets_no_secret() {
    let stage = stage();
    let endpoint = TokenEndpoint::secure(Certificate::WrongHost, &[(200, GOOD)]);
    let collector = start(&stage, &endpoint);
    let line = collector.wait_for_line(&["trying again", "TLS handshake"]);
    assert!(line.contains(&format!("localhost:{}", endpoint.port())), "{line}");
    assert_eq!(endpoint.forms(), Vec::<String>::new());
    assert_eq!(stage.server.record().connections, 0, "nothing to log in with");
    ends_without_a_word_of_tokens(collector);
}

#[test]
fn a_lost_session_comes_back_with_the_token_that_is_there() {
    let stage = stage();
    let endpoint = TokenEndpoint::start(&[(200, GOOD)]);
    let collector = start(&stage, &endpoint);
    stage.wait_for_idle();
    stage.server.cut_connections();
    let uids = stage.deliver(2);
    stage.wait_for_exactly(&uids);
    assert_eq!(endpoint.forms().len(), 1);
    ends_without_a_word_of_tokens(collector);
}

#[test]
fn a_token_refused_again_waits_like_a_wrong_password_and_says_what_the_server_has_against_it() {
    let stage = stage();
    let endpoint = TokenEndpoint::start(&[(200, STALE)]);
    let collector = start(&stage, &endpoint);
    let line = collector.wait_for_line(&["trying again", "login refused"]);
    for words in [
        "username",
        "oauth.scope",
        "AUTHENTICATIONFAILED",
        "(status 400, schemes Bearer)",
    ] {
        assert!(line.contains(words), "{line}");
    }
    let (_, seconds) = line.rsplit_once("in_seconds=").unwrap();
    assert!(seconds.trim().parse::<u64>().unwrap() >= 150, "{line}");
    assert_eq!(endpoint.forms().len(), 2);
    assert_eq!(stage.server.record().connections, 2);
    ends_without_a_word_of_tokens(collector);
}

#[test]
fn a_provider_that_refuses_is_asked_slowly_and_one_in_trouble_soon() {
    for (answer, words, slow) in [
        (
            (
                400,
                r#"{"error":"invalid_grant","error_description":"wrong-secret-r was revoked"}"#,
            ),
            ["oauth.refresh_token", "invalid_grant: (secret) was revoked"],
            true,
        ),
        (
            (401, r#"{"error":"invalid_client"}"#),
            ["oauth.client_secret", "invalid_client"],
            true,
        ),
        ((503, ""), ["no access token", "answered 503"], false),
    ] {
        let stage = stage();
        let endpoint = TokenEndpoint::start(&[answer]);
        let collector = start(&stage, &endpoint);
        let line = collector.wait_for_line(&["trying again", words[0], words[1]]);
        let (_, seconds) = line.rsplit_once("in_seconds=").unwrap();
        assert_eq!(seconds.trim().parse::<u64>().unwrap() >= 150, slow, "{line}");
        assert_eq!(stage.server.record().connections, 0, "nothing to log in with");
        ends_without_a_word_of_tokens(collector);
    }
}

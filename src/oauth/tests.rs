use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Grant, Settings, TokenError, Tokens, answer};
use crate::http::exchange::ExchangeError;
use crate::http::script::{Network, Step, say, seeds};
use crate::http::url::Url;
use crate::limits;
use crate::net::NetErrorKind;
use crate::secret::Secret;

const CLIENT_SECRET: &str = "canary-client-secret";
/// With the client's secret as a part of it.
const REFRESH_TOKEN: &str = "canary-client-secret-canary-refresh-token";

fn settings(grant: Grant) -> Settings {
    Settings {
        token_url: Url::parse("https://provider.example/tenant/token", false).unwrap(),
        client_id: "client".to_owned(),
        client_secret: Some(Secret::new(CLIENT_SECRET.to_owned())),
        grant,
        scope: None,
    }
}

fn refresh_token() -> Grant {
    Grant::RefreshToken(Secret::new(REFRESH_TOKEN.to_owned()))
}

fn response(status: &str, body: &str) -> Vec<Step> {
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    vec![Step::Request, say(&text), Step::Close]
}

/// A token endpoint that answers each request with the next body and 200.
fn endpoint(bodies: &[&str]) -> (Arc<Network>, Tokens) {
    let network = Network::new(bodies.iter().map(|body| response("200 OK", body)));
    let tokens = tokens(&network);
    (network, tokens)
}

fn tokens(network: &Arc<Network>) -> Tokens {
    let (dial, clock) = (Arc::clone(network), Arc::clone(&network.clock));
    Tokens::new(settings(refresh_token()), dial, clock)
}

fn value(tokens: &Tokens) -> String {
    tokens.token().unwrap().expose().clone()
}

/// The value of a form's field in each request.
fn sent(network: &Network, field: &str) -> Vec<String> {
    let field = format!("{field}=");
    network
        .requests()
        .iter()
        .map(|(_, request)| {
            let text = String::from_utf8_lossy(request);
            let (_, form) = text.split_once("\r\n\r\n").unwrap();
            let value = form.split('&').find_map(|pair| pair.strip_prefix(&field));
            value.unwrap_or_default().to_owned()
        })
        .collect()
}

/// What is said when the endpoint answers this.
fn refused(grant: Grant, status: &str, body: &str) -> TokenError {
    let network = Network::new([response(status, body)]);
    let (dial, clock) = (Arc::clone(&network), Arc::clone(&network.clock));
    let tokens = Tokens::new(settings(grant), dial, clock);
    let error = tokens.token().unwrap_err();
    let line = error.to_string();
    assert!(!line.contains("canary") && !line.contains('\n'), "{line}");
    error
}

#[test]
fn a_token_is_asked_for_once_and_again_before_it_expires() {
    let (network, tokens) = endpoint(&[
        r#"{"access_token":"one","token_type":"Bearer","expires_in":3600}"#,
        r#"{"access_token":"two","token_type":"bearer","expires_in":"3600"}"#,
        r#"{"access_token":"three"}"#,
    ]);
    assert_eq!(value(&tokens), "one");
    let margin = limits::OAUTH_MARGIN.as_secs();
    network.clock.advance(Duration::from_secs(3599 - margin));
    assert_eq!(value(&tokens), "one");
    network.clock.advance(Duration::from_secs(1));
    assert_eq!(value(&tokens), "two");
    network.clock.advance(Duration::from_secs(3600 - margin));
    assert_eq!(value(&tokens), "three");
    // It does not say how long it holds: until a server refuses it.
    network.clock.advance(Duration::from_secs(1_000_000));
    assert_eq!(value(&tokens), "three");
    assert_eq!(network.requests().len(), 3);
    assert_eq!(network.dialled(), ["provider.example:443"; 3]);
}

#[test]
fn the_time_that_the_answer_took_is_not_given_twice() {
    let body = r#"{"access_token":"one","expires_in":3600}"#;
    let mut slow = response("200 OK", body);
    slow.insert(1, Step::Wait(Duration::from_secs(50)));
    let network = Network::new([slow, response("200 OK", r#"{"access_token":"two"}"#)]);
    let tokens = tokens(&network);
    assert_eq!(value(&tokens), "one");
    network
        .clock
        .advance(Duration::from_secs(3550 - limits::OAUTH_MARGIN.as_secs()));
    assert_eq!(value(&tokens), "two");
}

#[test]
fn a_short_life_is_used_by_half_and_a_long_one_is_not_believed() {
    for (life, renewed_after) in [
        (0, 0),
        (60, 30),
        (600, 300),
        (601, 301),
        (86_400, 86_100),
        (u64::MAX, 86_100),
    ] {
        let one = format!(r#"{{"access_token":"one","expires_in":{life}}}"#);
        let (network, tokens) = endpoint(&[&one, r#"{"access_token":"two"}"#]);
        assert_eq!(value(&tokens), "one");
        if renewed_after > 0 {
            network.clock.advance(Duration::from_millis(renewed_after * 1000 - 1));
            assert_eq!(value(&tokens), "one", "{life}");
            network.clock.advance(Duration::from_millis(1));
        }
        assert_eq!(value(&tokens), "two", "{life}");
    }
}

#[test]
fn a_refused_token_is_renewed_and_another_mailbox_does_not_renew_it_again() {
    let (network, tokens) = endpoint(&[r#"{"access_token":"one"}"#, r#"{"access_token":"two"}"#]);
    let one = tokens.token().unwrap();
    tokens.forget(&one);
    assert_eq!(value(&tokens), "two");
    // The other mailbox was refused with the first one as well.
    tokens.forget(&one);
    assert_eq!(value(&tokens), "two");
    assert_eq!(network.requests().len(), 2);
}

#[test]
fn a_replaced_refresh_token_is_the_one_that_is_used() {
    let (network, tokens) = endpoint(&[
        r#"{"access_token":"one","refresh_token":"second"}"#,
        r#"{"access_token":"two","refresh_token":"second"}"#,
        r#"{"access_token":"three","refresh_token":""}"#,
        r#"{"access_token":"four"}"#,
    ]);
    for _ in 0..4 {
        let token = tokens.token().unwrap();
        tokens.forget(&token);
    }
    assert_eq!(
        sent(&network, "refresh_token"),
        [REFRESH_TOKEN, "second", "second", "second"]
    );
}

#[test]
fn a_client_of_its_own_right_sends_no_refresh_token_even_if_it_is_given_one() {
    let network = Network::new([
        response("200 OK", r#"{"access_token":"one","refresh_token":"x"}"#),
        response("200 OK", r#"{"access_token":"two"}"#),
    ]);
    let (dial, clock) = (Arc::clone(&network), Arc::clone(&network.clock));
    let tokens = Tokens::new(settings(Grant::ClientCredentials), dial, clock);
    let one = tokens.token().unwrap();
    tokens.forget(&one);
    assert_eq!(value(&tokens), "two");
    assert_eq!(sent(&network, "grant_type"), ["client_credentials"; 2]);
    assert_eq!(sent(&network, "refresh_token"), ["", ""]);
    assert_eq!(sent(&network, "client_secret"), [CLIENT_SECRET; 2]);
}

#[test]
fn a_refusal_names_the_setting_and_the_providers_words_without_our_secrets() {
    for (grant, status, body, expected) in [
        (
            refresh_token(),
            "400 Bad Request",
            r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#,
            "check oauth.refresh_token: it has expired, was revoked, or belongs to another client (it says: \
             invalid_grant: Token has been expired or revoked.)",
        ),
        (
            Grant::ClientCredentials,
            "401 Unauthorized",
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret\r\ncanary-client-secret"}"#,
            "check oauth.client_id and oauth.client_secret (it says: invalid_client: AADSTS7000215: Invalid client \
             secret  (secret))",
        ),
        (
            refresh_token(),
            "400 Bad Request",
            r#"{"error":"invalid_scope"}"#,
            "check oauth.scope (it says: invalid_scope)",
        ),
        (
            refresh_token(),
            "404 Not Found",
            "no canary-client-secret-canary-refresh-token here",
            "check oauth.token_url and oauth.tenant (it says: no (secret) here)",
        ),
        (
            refresh_token(),
            "400 Bad Request",
            r#"{"error":"invalid_request","error_description":"canary%2Dclient-secret-canary-refresh-token, canary\\u002dclient-secret"}"#,
            "check `oauth` (it says: invalid_request: (secret), (secret))",
        ),
        (
            refresh_token(),
            "302 Found",
            "",
            "redirects are not followed; set oauth.token_url to the final address",
        ),
        (
            refresh_token(),
            "403 Forbidden",
            r#"{"error":{"code":403}}"#,
            "check oauth.token_url and oauth.tenant (it says: {\"error\":{\"code\":403}})",
        ),
    ] {
        let status_code = &status[..3];
        let expected = format!("provider.example:443 answered {status_code}: {expected}");
        assert_eq!(refused(grant, status, body), TokenError::Refused(expected));
    }
}

#[test]
fn a_passing_trouble_is_none_of_the_settings() {
    for (status, body, expected, after) in [
        (
            "503 Busy\r\nRetry-After: 7",
            "",
            "provider.example:443 answered 503",
            Some(7),
        ),
        (
            "429 Slow",
            "{}",
            "provider.example:443 answered 429 (it says: {})",
            None,
        ),
        (
            "400 Bad Request",
            r#"{"error":"temporarily_unavailable"}"#,
            "provider.example:443 answered 400 (it says: temporarily_unavailable)",
            None,
        ),
        (
            "200 OK",
            "<html>",
            "provider.example:443: there is no access_token in the answer; check oauth.token_url",
            None,
        ),
        (
            "200 OK",
            r#"{"access_token":"a b"}"#,
            "provider.example:443: the access_token is too long or has characters that none may have; check oauth.token_url",
            None,
        ),
        (
            "200 OK",
            r#"{"access_token":"a","token_type":"mac"}"#,
            "provider.example:443: the token is not of the type Bearer; check oauth.token_url",
            None,
        ),
    ] {
        assert_eq!(
            refused(refresh_token(), status, body),
            TokenError::Later {
                reason: expected.to_owned(),
                after: after.map(Duration::from_secs),
            }
        );
    }
}

#[test]
fn a_token_is_bounded() {
    for (length, accepted) in [
        (limits::OAUTH_TOKEN - 1, true),
        (limits::OAUTH_TOKEN, true),
        (limits::OAUTH_TOKEN + 1, false),
    ] {
        let body = format!(r#"{{"access_token":"{}"}}"#, "a".repeat(length));
        let (_, tokens) = endpoint(&[&body]);
        assert_eq!(tokens.token().is_ok(), accepted, "{length}");
    }
    // An answer beyond what is kept of a body is no JSON any more.
    let body = format!(r#"{{"access_token":"a","x":"{}"}}"#, "x".repeat(limits::HTTP_BODY_KEPT));
    let (_, tokens) = endpoint(&[&body]);
    assert!(matches!(tokens.token(), Err(TokenError::Later { .. })));
}

#[test]
fn an_endpoint_that_cannot_be_reached_is_the_networks_fault_and_asked_again() {
    let network = Network::with_failures([
        Err(NetErrorKind::NotFound("no such host".to_owned())),
        Ok(response("200 OK", r#"{"access_token":"one"}"#)),
    ]);
    let tokens = tokens(&network);
    let error = tokens.token().unwrap_err();
    assert!(matches!(error, TokenError::Exchange(ExchangeError::Net(_))));
    assert_eq!(
        error.to_string(),
        "no access token: oauth.token_url: provider.example:443: connect: host not found (no such host)"
    );
    network.clock.advance(Duration::from_secs(1));
    assert_eq!(value(&tokens), "one");
}

#[test]
fn the_seeds_of_the_fuzzer_hold() {
    for seed in seeds("token_answer") {
        answer::fuzz(&seed);
        for cut in 0..seed.len() {
            answer::fuzz(&seed[..cut]);
        }
    }
}

#[test]
fn a_refresh_token_that_was_replaced_survives_a_restart() {
    let folder = std::env::temp_dir().join(format!("mailtap-oauth-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    let rotates =
        |number: u32| format!(r#"{{"access_token":"a{number}","expires_in":3600,"refresh_token":"r{number}"}}"#);
    let start = |grant, answers: &[String]| {
        let network = Network::new(answers.iter().map(|body| response("200 OK", body)));
        let (dial, clock) = (Arc::clone(&network), Arc::clone(&network.clock));
        (network, Tokens::new(settings(grant), dial, clock).kept_in(&folder))
    };
    let (network, tokens) = start(refresh_token(), &[rotates(1), rotates(2), rotates(5)]);
    for _ in 0..2 {
        tokens.token().unwrap();
        network.clock.advance(Duration::from_secs(3600));
    }
    assert_eq!(sent(&network, "refresh_token"), [REFRESH_TOKEN, "r1"]);

    // A process that comes later, or runs beside it, has the last one; and so has the first one afterwards.
    let (later, others) = start(refresh_token(), &[rotates(3), rotates(4)]);
    others.token().unwrap();
    assert_eq!(sent(&later, "refresh_token"), ["r2"]);
    tokens.token().unwrap();
    assert_eq!(sent(&network, "refresh_token").last().unwrap(), "r3");

    // Its owner reads it, and nobody else.
    let files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);

    // Whoever configures another one begins with that.
    let another = Grant::RefreshToken(Secret::new("another".to_owned()));
    let (network, tokens) = start(another, &[rotates(6)]);
    tokens.token().unwrap();
    assert_eq!(sent(&network, "refresh_token"), ["another"]);

    // What is damaged is passed over.
    let text = fs::read(file).unwrap();
    for end in [0, 1, text.len() / 2, text.len() - 3] {
        fs::write(file, &text[..end]).unwrap();
        let (network, tokens) = start(refresh_token(), &[r#"{"access_token":"a"}"#.to_owned()]);
        tokens.token().unwrap();
        assert_eq!(sent(&network, "refresh_token"), [REFRESH_TOKEN], "{end}");
    }

    // Where it cannot be kept, the memory has the new one and the disk an old one.
    fs::write(file, &text).unwrap();
    let (network, tokens) = start(refresh_token(), &[rotates(7), rotates(8)]);
    fs::create_dir(file.with_extension("new")).unwrap();
    tokens.token().unwrap();
    network.clock.advance(Duration::from_secs(3600));
    tokens.token().unwrap();
    assert_eq!(sent(&network, "refresh_token"), ["r5", "r7"]);
    fs::remove_dir_all(folder).unwrap();
}

//! Every way to log in, against a real Dovecot: passwords in clear and as SCRAM hashes, OAuth tokens that it checks itself.
//!
//! Needs `/usr/sbin/dovecot`; where it is missing it says so and passes, except with `CI=true`.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

mod support;

use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mailtap::clock::{Clock, Stop, SystemClock};
use mailtap::imap;
use mailtap::imap::auth::{Credential, Mechanism};
use mailtap::imap::mailbox_name::MailboxName;
use mailtap::imap::session::{Session, SessionError};
use mailtap::net::dial::TcpDialer;
use mailtap::net::tls::{Protocol, Trust};
use mailtap::net::{Dial as _, Endpoint, Security};
use mailtap::secret::Secret;
use ring::hmac;

use support::certificates;
use support::collector::{Collector, Configuration};
use support::folder::Folder;
use support::real_server::dovecot::{self, Dovecot};
use support::real_server::{self, RealServer};
use support::receiver::Receiver;
use support::token_endpoint::TokenEndpoint;

const PASSWORDS: [Mechanism; 3] = [Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256];
const TOKENS: [Mechanism; 2] = [Mechanism::OAuthBearer, Mechanism::XOAuth2];

#[test]
fn dovecot_lets_in_by_every_mechanism() {
    let Some(dovecot) = RealServer::<Dovecot>::start() else {
        return;
    };
    for (mechanisms, credential) in [
        (&PASSWORDS[..], password(real_server::PASSWORD)),
        (&TOKENS[..], token("u1", dovecot::TOKEN_KEY)),
    ] {
        for wanted in mechanisms.iter().map(|mechanism| Some(*mechanism)).chain([None]) {
            let mut session =
                log_in(&dovecot, "u1", wanted, &credential).unwrap_or_else(|error| panic!("{wanted:?}: {error}"));
            // What follows is read as well as ever.
            let selected = session.examine(&MailboxName::new("INBOX")).unwrap();
            assert_eq!(selected.exists, 0, "{wanted:?}");
            session.log_out();
        }
    }
}

#[test]
fn dovecot_lets_in_where_it_has_only_a_scram_hash() {
    let Some(dovecot) = RealServer::<Dovecot>::start() else {
        return;
    };
    dovecot.add_user("hashed", "gr\u{fc}n, p=w", "SCRAM-SHA-256");
    let right = password("gr\u{fc}n, p=w");
    log_in(&dovecot, "hashed", Some(Mechanism::ScramSha256), &right)
        .unwrap()
        .log_out();
    let refused = log_in(&dovecot, "hashed", Some(Mechanism::ScramSha256), &password("green"));
    assert!(matches!(refused.err(), Some(SessionError::Authentication(_))));
}

#[test]
fn dovecot_refuses_a_wrong_password_by_every_mechanism() {
    let Some(dovecot) = RealServer::<Dovecot>::start() else {
        return;
    };
    for mechanism in PASSWORDS {
        let error = log_in(&dovecot, "u1", Some(mechanism), &password("not-the-password"))
            .err()
            .unwrap();
        assert!(matches!(error, SessionError::Authentication(_)), "{mechanism}: {error}");
        let line = error.to_string();
        assert!(
            line.contains("[AUTHENTICATIONFAILED]") && !line.contains("not-the"),
            "{line}"
        );
    }
}

#[test]
fn dovecot_says_what_it_has_against_a_token() {
    let Some(dovecot) = RealServer::<Dovecot>::start() else {
        return;
    };
    for (mechanism, words) in [
        (Mechanism::OAuthBearer, "(status invalid_token)"),
        (Mechanism::XOAuth2, "(status 401, schemes bearer, scope mail)"),
    ] {
        let error = log_in(&dovecot, "u1", Some(mechanism), &token("u1", "another-key"))
            .err()
            .unwrap();
        assert!(matches!(error, SessionError::Token(_)), "{mechanism}: {error}");
        let line = error.to_string();
        assert!(line.contains(words), "{line}");
    }
}

#[test]
fn a_token_from_a_provider_opens_dovecot_and_a_refused_one_is_renewed() {
    let Some(dovecot) = RealServer::<Dovecot>::start() else {
        return;
    };
    dovecot.deliver(b"From: a@example.com\nSubject: by token\n\nnews\n");
    let answers = ["another-key", dovecot::TOKEN_KEY].map(|key| {
        let token = token("u1", key);
        format!(
            r#"{{"access_token":"{}","token_type":"Bearer","expires_in":600}}"#,
            token.secret().expose()
        )
    });
    let endpoint = TokenEndpoint::start(&[(200, &answers[0]), (200, &answers[1])]);
    let receiver = Receiver::start();
    let state = Folder::new("login-state");
    let configuration = Configuration {
        password: "PASSWORD".to_owned(),
        ..dovecot.configuration(&receiver, &state.path().join("state"))
    };
    let oauth = format!(
        "oauth: {{token_url: '{}', client_id: c, refresh_token: r}}",
        endpoint.url()
    );
    let yaml = configuration.yaml().replace("password: \"PASSWORD\"", &oauth);
    let file = state.write("mailtap.yaml", yaml);
    let collector = Collector::start(Command::new(env!("CARGO_BIN_EXE_mailtap")), &file);
    receiver.wait_until("the mail", |record| record.events.len() == 1);
    assert_eq!(endpoint.forms().len(), 2);
    let (status, lines) = collector.terminate();
    assert!(status.success(), "{status}\n{}", lines.join("\n"));
    assert!(
        !lines.join("\n").contains("eyJ"),
        "a token in the log:\n{}",
        lines.join("\n")
    );
}

fn password(password: &str) -> Credential {
    Credential::Password(Secret::new(password.to_owned()))
}

/// A token that Dovecot checks itself (RFC 7519, HS256).
fn token(user: &str, key: &str) -> Credential {
    let part = |json: &str| BASE64_URL_SAFE_NO_PAD.encode(json);
    let text = format!(
        "{}.{}",
        part(r#"{"alg":"HS256","typ":"JWT"}"#),
        part(&format!(r#"{{"sub":"{user}","exp":4102444800}}"#))
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let signature = hmac::sign(&key, text.as_bytes());
    Credential::Token(Secret::new(format!(
        "{text}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(signature)
    )))
}

fn log_in(
    dovecot: &RealServer<Dovecot>,
    username: &str,
    mechanism: Option<Mechanism>,
    credential: &Credential,
) -> Result<Session, SessionError> {
    let settings = imap::Settings {
        endpoint: Endpoint {
            host: "localhost".to_owned(),
            port: dovecot.place.imaps,
            security: Security::Tls,
        },
        username: username.to_owned(),
        mechanism,
        compress: false,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(Stop::new()));
    let trust = Trust::load(Some(&certificates::authority())).unwrap();
    let tls = trust.client_config(Protocol::Imap).unwrap();
    let stream = TcpDialer::new(tls, Arc::clone(&clock), None)
        .dial(&settings.endpoint)
        .unwrap();
    assert!(stream.channel_binding().is_some(), "TLS 1.3 binds");
    let mut session = Session::open(stream, clock)?;
    session.log_in(&settings, credential, "a-nonce-that-only-a-test-may-use-twice")?;
    Ok(session)
}

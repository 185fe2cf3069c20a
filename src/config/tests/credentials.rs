//! `password` or `oauth`, and `auth`.

use super::super::{Adapter, Credentials};
use super::{CANARY, adapter, refused, with};
use crate::imap::auth::Mechanism;
use crate::net::Security;
use crate::oauth::{Grant, Settings};
use crate::secret::Secret;

/// A configuration with `oauth` instead of a password, and `lines` more.
fn with_oauth(oauth: &str, lines: &[&str]) -> String {
    let oauth = format!("oauth: {{{oauth}}}");
    let lines: Vec<&str> = lines.iter().copied().chain([oauth.as_str()]).collect();
    with(&lines).replace("  password: canary-hunter2\n", "")
}

fn oauth(text: &str) -> Settings {
    match adapter(&with_oauth(text, &[])) {
        Adapter {
            credentials: Credentials::OAuth(settings),
            ..
        } => settings,
        other => panic!("{other:?}"),
    }
}

fn secret() -> Secret<String> {
    Secret::new(CANARY.to_owned())
}

#[test]
fn google_needs_a_client_and_its_refresh_token() {
    let settings =
        oauth("provider: google, client_id: c, client_secret: canary-hunter2, refresh_token: canary-hunter2");
    assert_eq!(
        (
            settings.token_url.endpoint.to_string(),
            settings.token_url.target.expose().as_str()
        ),
        ("oauth2.googleapis.com:443".to_owned(), "/token")
    );
    assert_eq!(settings.client_id, "c");
    assert_eq!(settings.client_secret, Some(secret()));
    assert_eq!(settings.grant, Grant::RefreshToken(secret()));
    assert_eq!(settings.scope, None);
    assert!(!format!("{settings:?}").contains(CANARY));
}

#[test]
fn microsoft_needs_a_tenant_and_knows_its_scope() {
    let settings = oauth(
        "provider: microsoft, tenant: contoso.example, client_id: c, client_secret: canary-hunter2, grant: client_credentials",
    );
    assert_eq!(settings.token_url.endpoint.to_string(), "login.microsoftonline.com:443");
    assert_eq!(settings.token_url.target.expose(), "/contoso.example/oauth2/v2.0/token");
    assert_eq!(settings.grant, Grant::ClientCredentials);
    assert_eq!(
        settings.scope.as_deref(),
        Some("https://outlook.office365.com/.default")
    );

    let settings = oauth("provider: microsoft, tenant: t, client_id: c, refresh_token: canary-hunter2, scope: a b");
    assert_eq!(settings.client_secret, None);
    assert_eq!(settings.grant, Grant::RefreshToken(secret()));
    assert_eq!(settings.scope.as_deref(), Some("a b"));
}

#[test]
fn any_other_provider_is_its_token_url() {
    let settings = oauth("token_url: 'https://idp.example/t', client_id: c, refresh_token: r, grant: refresh_token");
    assert_eq!(settings.token_url.endpoint.to_string(), "idp.example:443");
    assert_eq!(settings.scope, None);
    for (url, flags) in [
        ("http://127.0.0.1:8080/t", &[][..]),
        ("http://idp.example/t", &["is_insecure: true"]),
    ] {
        let text = with_oauth(&format!("token_url: '{url}', client_id: c, refresh_token: r"), flags);
        let Credentials::OAuth(settings) = adapter(&text).credentials else {
            panic!()
        };
        assert_eq!(settings.token_url.endpoint.security, Security::Plain);
    }
}

#[test]
fn what_cannot_work_is_refused_with_its_key() {
    for (oauth, expected) in [
        (
            "provider: gogle",
            "provider: expected google or microsoft; leave it away and set token_url for another",
        ),
        ("client_id: c", "token_url: missing"),
        (
            "provider: google, token_url: 'https://x/'",
            "token_url: `provider` stands for one already; set one of the two",
        ),
        (
            "provider: google, tenant: t",
            "tenant: has a meaning with `provider: microsoft` only; remove it",
        ),
        ("provider: microsoft, client_id: c", "tenant: missing"),
        (
            "provider: microsoft, tenant: canary-hunter2/x",
            "tenant: expected the tenant's id or domain, as in contoso.onmicrosoft.com",
        ),
        ("provider: google, refresh_token: canary-hunter2", "client_id: missing"),
        ("provider: google, client_id: c", "refresh_token: missing"),
        (
            "provider: microsoft, tenant: t, client_id: c",
            "refresh_token: missing; or set `grant: client_credentials`",
        ),
        ("provider: google, grant: refresh_token", "refresh_token: missing"),
        (
            "provider: google, grant: password",
            "grant: expected refresh_token or client_credentials",
        ),
        (
            "provider: google, grant: client_credentials",
            "grant: Google gives no tokens for mail this way; use refresh_token",
        ),
        (
            "provider: microsoft, tenant: t, client_id: c, grant: client_credentials",
            "client_secret: missing; `grant: client_credentials` needs it",
        ),
        (
            "provider: microsoft, tenant: t, grant: client_credentials, refresh_token: canary-hunter2",
            "refresh_token: has no meaning with `grant: client_credentials`; remove one of the two",
        ),
        (
            "token_url: 'http://idp.example/canary-hunter2'",
            "token_url: http:// sends everything in clear text; use https:// (is_insecure allows it, and takes TLS from the \
             IMAP connection as well)",
        ),
        (
            "token_url: 'idp.example'",
            "token_url: the URL must begin with https://",
        ),
        (
            "provider: google, client_secert: canary-hunter2",
            "client_secert: unknown key; did you mean `imap.oauth.client_secret`?",
        ),
    ] {
        let error = refused(&with_oauth(oauth, &[]));
        assert!(error.ends_with(&format!("imap.oauth.{expected}")), "{error}");
    }
}

#[test]
fn a_password_and_tokens_exclude_each_other() {
    let error = refused(&with(&["oauth: {provider: google, client_id: c, refresh_token: r}"]));
    assert!(
        error.ends_with("imap.oauth: `password` is set as well; set one of the two"),
        "{error}"
    );
}

#[test]
fn auth_names_one_way_that_fits_the_credentials() {
    for mechanism in Mechanism::ALL {
        let line = format!("auth: {}", mechanism.name().to_lowercase());
        let tokens = with_oauth("provider: google, client_id: c, refresh_token: r", &[&line]);
        let password = with(&[&line]);
        let (right, wrong, reason) = if mechanism.takes_token() {
            (tokens, password, "needs `oauth`, and `password` is set")
        } else {
            (password, tokens, "needs `password`, and `oauth` is set")
        };
        assert_eq!(adapter(&right).imap.mechanism, Some(mechanism));
        let error = refused(&wrong);
        assert!(error.ends_with(&format!("imap.auth: {reason}")), "{error}");
    }
    for (name, reason) in [
        ("scram-sha256", "unknown; did you mean `scram-sha-256`?"),
        (
            "kerberos",
            "unknown; it is one of scram-sha-256-plus, scram-sha-256, plain, login, oauthbearer, xoauth2",
        ),
    ] {
        let error = refused(&with(&[&format!("auth: {name}")]));
        assert!(error.ends_with(&format!("imap.auth: {reason}")), "{error}");
    }
}

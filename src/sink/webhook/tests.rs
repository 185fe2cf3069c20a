mod fields;
mod flow;
mod raw_server;

use std::sync::Arc;
use std::time::Duration;

use super::{Settings, SettingsError, Webhook};
use crate::event::EventId;
use crate::http::request::FieldError;
use crate::http::script::{Network, Step, say};
use crate::http::url::UrlError;
use crate::limits;
use crate::net::NetErrorKind;
use crate::secret::Secret;
use crate::sink::{Batch, DeliveryError, Sink};

/// Of [`batch`]: the SHA-256 of 16 bytes of 1 and 16 of 2, its first 32 digits.
const BATCH_ID: &str = "f03f702d-6016-a19c-16ff-011ea60a8f81";

const PATH: &str = "/hooks/0123-hunter2?token=hunter3&x=1";

const ACCEPTED: &str = "HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n";
const LATER: &str = "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n";

fn settings(url: &str, lc_secret: Option<&str>) -> Settings {
    Settings {
        lc_secret: lc_secret.map(secret),
        ..Settings::new(url)
    }
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn webhook(network: &Arc<Network>) -> Webhook {
    webhook_with(network, &settings(&format!("https://a.example{PATH}"), Some("hunter4")))
}

fn webhook_with(network: &Arc<Network>, settings: &Settings) -> Webhook {
    let clock = Arc::clone(&network.clock);
    Webhook::new(settings, Arc::clone(network) as _, clock).expect("valid settings")
}

/// A receiver that answers in this way over one connection.
fn answering(answers: &[&str]) -> Arc<Network> {
    let steps = answers.iter().flat_map(|answer| [Step::Request, say(answer)]);
    Network::new([steps.collect()])
}

fn batch() -> Batch {
    let mut batch = Batch::default();
    batch.push(EventId([1; 16]), |out| out.extend_from_slice(b"{\"a\":1}\n"));
    batch.push(EventId([2; 16]), |out| out.extend_from_slice(b"{\"b\":2}\n"));
    batch
}

/// What one delivery makes of one answer.
fn deliver(head: &str, body: &str) -> Result<(), DeliveryError> {
    let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    webhook(&Network::new([vec![Step::Request, say(&answer)]])).deliver(&batch())
}

fn assert_no_secret(text: &str) {
    for secret in ["hunter", "hooks", "token", "0123"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn a_batch_is_posted_as_lines_with_the_secret_in_its_header() {
    let network = Network::new([vec![
        Step::Request,
        say("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"),
    ]]);
    assert_eq!(webhook(&network).deliver(&batch()), Ok(()));
    let expected = format!(
        "POST {PATH} HTTP/1.1\r\nHost: a.example\r\nUser-Agent: mailtap/{}\r\nContent-Type: application/x-ndjson\r\n\
         lc-secret: hunter4\r\nIdempotency-Key: {BATCH_ID}\r\nContent-Length: 16\r\n\r\n{{\"a\":1}}\n{{\"b\":2}}\n",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(network.requests(), [(1, expected.into_bytes())]);
}

#[test]
fn batches_share_a_connection() {
    let answer = "HTTP/1.1 204 x\r\n\r\n";
    let network = answering(&[answer, answer]);
    let mut webhook = webhook(&network);
    assert_eq!((webhook.deliver(&batch()), webhook.deliver(&batch())), (Ok(()), Ok(())));
    assert_eq!(network.dialled(), ["a.example:443"]);
}

#[test]
fn matrix_3_every_status_has_its_class() {
    for status in 200..=999 {
        let result = deliver(&format!("{status} x"), "");
        let class = match &result {
            Ok(()) => "acknowledged",
            Err(DeliveryError::Retry { .. }) => "retry",
            Err(DeliveryError::Reject { .. }) => "reject",
            Err(DeliveryError::Each { .. }) => "each",
            Err(DeliveryError::Configuration { .. }) => "configuration",
        };
        let expected = match status {
            200..=299 => "acknowledged",
            400 | 413 | 415 | 422 => "reject",
            408 | 425 | 429 | 500.. => "retry",
            _ => "configuration",
        };
        assert_eq!(class, expected, "{status}");
        if let Err(error) = result {
            let reason = error.to_string();
            assert!(
                reason.starts_with(&format!("a.example:443 answered {status}: ")),
                "{reason}"
            );
            assert_eq!(reason.contains("client_options."), class == "configuration", "{reason}");
        }
    }
}

#[test]
fn matrix_5_a_configuration_error_names_the_setting() {
    for (status, setting) in [
        (401, "client_options.lc_secret"),
        (403, "client_options.lc_secret"),
        (404, "client_options.dest_url"),
        (410, "client_options.dest_url"),
        (407, "proxy"),
        (301, "redirects are not followed"),
        (307, "client_options.dest_url"),
    ] {
        let reason = deliver(&format!("{status} x"), "").expect_err("refused").to_string();
        assert!(reason.contains(setting), "{reason}");
    }
}

#[test]
fn matrix_3_retry_after_is_passed_on_and_clamped() {
    for (value, after) in [
        ("7", Some(7)),
        ("0", Some(0)),
        ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
        ("1000000000000", Some(3600)),
        ("1e12", None),
        ("-5", None),
        ("soon", None),
    ] {
        for status in [429, 503] {
            match deliver(&format!("{status} x\r\nRetry-After: {value}"), "") {
                Err(DeliveryError::Retry { after: asked, .. }) => {
                    assert_eq!(asked, after.map(Duration::from_secs), "{status} {value}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn what_the_receiver_says_is_quoted_without_our_secrets() {
    let echo = format!("Cannot POST {PATH} with hunter4");
    let reason = deliver("404 x", &echo).expect_err("refused").to_string();
    assert!(reason.contains("(it says: Cannot POST "), "{reason}");
    assert!(!reason.contains("hunter"), "{reason}");
}

#[test]
fn what_the_receiver_says_is_printable_and_short() {
    let hostile = "\u{1b}[2J\nforged\u{202e}\0\"";
    let reason = deliver("400 x", hostile).expect_err("refused").to_string();
    assert!(
        reason.contains("forged") && !reason.contains(['\u{1b}', '\n', '\0', '\u{202e}']),
        "{reason}"
    );
    let length = |body: &str| {
        let reason = deliver("400 x", body).expect_err("refused").to_string();
        let (_, excerpt) = reason.split_once("(it says: ").expect("an excerpt");
        excerpt.strip_suffix(')').expect("its end").len()
    };
    let most = limits::HTTP_EXCERPT;
    assert_eq!(length(&"b".repeat(most - 1)), most - 1);
    assert_eq!(length(&"b".repeat(most)), most);
    assert_eq!(length(&"b".repeat(most + 1)), most + '…'.len_utf8());
    assert!(length(&"\u{1b}".repeat(most)) <= most + '…'.len_utf8());
}

#[test]
fn a_network_error_is_tried_again_and_names_setting_host_and_phase() {
    let refused = NetErrorKind::Io("Connection refused".to_owned());
    let failures = [
        (
            Network::with_failures([Err(refused)]),
            "client_options.dest_url: a.example:443: connect: Connection refused",
        ),
        (
            Network::new([vec![Step::Request, Step::Stuck]]),
            "client_options.dest_url: a.example:443: HTTP first byte: nothing for 60 s",
        ),
        (
            Network::new([vec![Step::Request, say("SSH-2.0\r\n")]]),
            "client_options.dest_url: a.example:443: what answered does not speak HTTP/1.1",
        ),
        (
            Network::new([vec![Step::Request, Step::Close]]),
            "client_options.dest_url: a.example:443: the connection was closed without a response",
        ),
    ];
    for (network, expected) in failures {
        match webhook(&network).deliver(&batch()) {
            Err(DeliveryError::Retry { reason, after: None }) => assert_eq!(reason, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_batch_is_delivered_once_the_receiver_has_healed() {
    let network = Network::new([
        vec![
            Step::Request,
            say("HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n"),
            Step::Request,
            say("HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n"),
            Step::Close,
        ],
        vec![Step::Request, say("HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n")],
    ]);
    let mut webhook = webhook(&network);
    assert!(matches!(webhook.deliver(&batch()), Err(DeliveryError::Retry { .. })));
    assert!(matches!(
        webhook.deliver(&batch()),
        Err(DeliveryError::Configuration { .. })
    ));
    assert_eq!(webhook.deliver(&batch()), Ok(()));
    let requests = network.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|(_, request)| *request == requests[0].1));
}

#[test]
fn settings_that_cannot_work_are_refused_before_anyone_is_contacted() {
    let cases = [
        (
            settings("https://user:hunter2@a.example/", None),
            SettingsError::Url(UrlError::Credentials),
            "client_options.dest_url: ",
        ),
        (
            settings("http://a.example/hunter2", None),
            SettingsError::Url(UrlError::ClearText),
            "client_options.dest_url: ",
        ),
        (
            settings("https://a.example/", Some("hunter2\r\nx: y")),
            SettingsError::LcSecret(FieldError::Value),
            "client_options.lc_secret: ",
        ),
    ];
    for (settings, expected, names) in cases {
        let network = Network::new([]);
        let clock = Arc::clone(&network.clock);
        let error = Webhook::new(&settings, network, clock)
            .map(|_| ())
            .expect_err("refused");
        assert_eq!(error, expected);
        assert_eq!(settings.check(), Err(expected));
        assert!(error.to_string().starts_with(names), "{error}");
        assert_no_secret(&error.to_string());
    }
}

#[test]
fn clear_text_is_posted_when_it_is_allowed() {
    let network = Network::new([vec![Step::Request, say("HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n")]]);
    let allowed = Settings {
        allow_clear_text: true,
        ..settings("http://a.example/x", None)
    };
    let clock = Arc::clone(&network.clock);
    let mut webhook = Webhook::new(&allowed, Arc::clone(&network) as _, clock).expect("allowed");
    assert_eq!(webhook.deliver(&batch()), Ok(()));
    assert_eq!(network.dialled(), ["a.example:80"]);
}

#[test]
fn a_success_that_tells_of_events_not_taken_acknowledges_nothing() {
    for (body, class) in [
        ("{\"errors\":false,\"items\":[]}", "acknowledged"),
        ("{\"errors\":true,\"items\":[{\"create\":{\"status\":400}}]}", "reject"),
        ("{\"errors\":true,\"items\":[{\"create\":{\"status\":429}}]}", "retry"),
        (
            "{\"errors\":true,\"items\":[{\"create\":{\"status\":400}},{\"create\":{\"status\":201}}]}",
            "each",
        ),
        ("{\"text\":\"Server is busy\",\"code\":9}", "retry"),
        ("{\"errors\":tr", "retry"),
        ("{\"ingested\":1,\"failed\":1}", "reject"),
        ("{\"text\":\"Success\",\"code\":0}", "acknowledged"),
    ] {
        let found = match deliver("200 x", body) {
            Ok(()) => "acknowledged",
            Err(DeliveryError::Retry { .. }) => "retry",
            Err(DeliveryError::Reject { .. }) => "reject",
            Err(DeliveryError::Each { .. }) => "each",
            Err(DeliveryError::Configuration { .. }) => "configuration",
        };
        assert_eq!(found, class, "{body}");
    }
}

#[test]
fn no_secret_is_in_any_word_about_any_failure() {
    let secrets = Settings {
        headers: vec![("Authorization".to_owned(), secret("Bearer canary-1 canary-2"))],
        signing_secret: Some(secret("whsec_canary+3aaaa")),
        ..settings(
            "https://a.example/canary-4/a%63anary-5?canary-6=canary-7",
            Some("canary-8"),
        )
    };
    let echo = "{\"u\":\"\\/canary-4\\/acanary-5?canary-6=canary-7 a%63anary-5\",\"h\":\"Bearer canary-1 canary-2 \
                canary-8 whsec_canary+3aaaa canary+3aaaa\"}";
    let mut scripts = vec![
        vec![Step::Request, say("HTTP/1.1 200 canary-1\r\n x: canary-1\r\n\r\n")],
        vec![Step::Request, say("canary-1 canary-4\r\n"), Step::Close],
        vec![Step::Request, Step::Stuck],
    ];
    for status in [301, 400, 401, 403, 404, 407, 413, 429, 500, 599] {
        let answer = format!(
            "HTTP/1.1 {status} {echo}\r\nLocation: {echo}\r\nContent-Length: {}\r\n\r\n{echo}",
            echo.len()
        );
        scripts.push(vec![Step::Request, say(&answer), Step::Close]);
    }
    for script in scripts {
        let network = Network::new([script.clone()]);
        let mut webhook = webhook_with(&network, &secrets);
        let error = webhook.deliver(&batch()).expect_err("a failure");
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains("canary"), "{script:?}: {text}");
        }
    }
    assert!(!format!("{secrets:?}").contains("canary"));
}

#[test]
fn a_login_that_fails_names_every_setting_that_holds_one() {
    let network = Network::new([vec![Step::Request, say("HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n")]]);
    let settings = Settings {
        headers: vec![("Authorization".to_owned(), secret("Bearer hunter2"))],
        signing_secret: Some(secret("hunter2")),
        ..settings("https://a.example/x", None)
    };
    let error = webhook_with(&network, &settings).deliver(&batch()).expect_err("401");
    for setting in ["headers", "signing_secret", "lc_secret", "dest_url"] {
        assert!(
            error.to_string().contains(&format!("client_options.{setting}")),
            "{error}"
        );
    }
}

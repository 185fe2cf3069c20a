//! Whole configurations: what is accepted, what is refused, and in which words.

mod credentials;
mod documents;
mod healthcheck;
mod limacharlie;
mod mailboxes;
mod original;
mod settings;
mod traps;
mod values;
mod webhook;

use super::{Adapter, Loaded, from_arguments, from_bytes};

/// What nobody may ever read in an error.
const CANARY: &str = "canary-hunter2";

/// A home folder and nothing else.
fn home(name: &str) -> Option<String> {
    (name == "HOME").then(|| "/home/mailtap".to_owned())
}

fn load(text: &str) -> Result<Loaded, String> {
    from_bytes("c.yaml", text.as_bytes(), &home).map_err(|error| error.to_string())
}

/// The one adapter of `text`.
fn adapter(text: &str) -> Adapter {
    let mut loaded = load(text).unwrap();
    assert_eq!(loaded.adapters.len(), 1);
    loaded.adapters.pop().unwrap()
}

fn refused(text: &str) -> String {
    let error = load(text).unwrap_err();
    assert!(!error.contains('\n'), "not one line: {error}");
    assert!(!error.contains(CANARY), "a secret is in: {error}");
    error
}

fn arguments(arguments: &[&str]) -> Result<Loaded, String> {
    from_arguments(arguments.iter().copied(), &home).map_err(|error| error.to_string())
}

/// A configuration that is complete, with `lines` more under `imap:`.
fn with(lines: &[&str]) -> String {
    let mut text = "imap:\n  server: imap.example.com\n  username: journal\n  password: canary-hunter2\n".to_owned();
    for line in lines {
        text.extend(["  ", line, "\n"]);
    }
    if !lines.iter().any(|line| line.starts_with("client_options:")) {
        text.push_str("  client_options: {dest_url: 'stdout:'}\n");
    }
    text
}

/// A configuration that is complete, with `options` under `client_options:`.
fn with_options(options: &str) -> String {
    with(&[&format!("client_options: {{{options}}}")])
}

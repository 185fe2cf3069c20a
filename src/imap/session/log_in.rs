//! Logging in: STARTTLS where configured → CAPABILITY → AUTHENTICATE or LOGIN → CAPABILITY → ID.

use super::connection::trouble;
use super::{Session, SessionError, quick};
use crate::clock::Phase;
use crate::imap::Settings;
use crate::imap::auth::{self, Mechanism};
use crate::imap::command::Command;
use crate::imap::response::{Capabilities, Condition};
use crate::net::Security;

impl Session {
    /// Logs in and introduces itself.
    pub fn log_in(&mut self, settings: &Settings) -> Result<(), SessionError> {
        // Before anything else: what is learnt in clear is forgotten, and no credentials may go out before.
        if settings.endpoint.security == Security::StartTls {
            self.start_tls()?;
        }
        if !self.logged_in {
            self.authenticate(settings)?;
        }
        let capabilities = self.capabilities()?;
        self.idles = capabilities.has("IDLE");
        // NetEase answers "Unsafe Login" to those who do not say who they are; nobody minds the rest.
        if capabilities.has("ID") {
            self.run(&Command::Id, quick(Phase::Login), |_| {})?;
        }
        Ok(())
    }

    fn authenticate(&mut self, settings: &Settings) -> Result<(), SessionError> {
        let (username, password) = (settings.username.clone(), settings.password.clone());
        if username.contains('\0') || password.expose().contains('\0') {
            let reason = "`username` or `password` holds a NUL character, which IMAP cannot carry";
            return Err(SessionError::Configuration(reason.to_owned()));
        }
        let Some(mechanism) = auth::choose(&self.capabilities()?) else {
            let reason = "the server allows no login by password on this connection (LOGINDISABLED); \
                          if `is_insecure` is set, remove it or set `starttls` instead";
            return Err(SessionError::Configuration(reason.to_owned()));
        };
        let command = match mechanism {
            Mechanism::Login => Command::Login { username, password },
            Mechanism::PlainAtOnce | Mechanism::PlainOnRequest => Command::AuthenticatePlain {
                username,
                password,
                at_once: mechanism == Mechanism::PlainAtOnce,
            },
        };
        // Capabilities change with the login.
        self.capabilities = None;
        let outcome = self
            .run(&command, quick(Phase::Login), |_| {})
            .and_then(|condition| accepted(&condition));
        outcome.map_err(|error| without_password(error, settings))
    }

    pub(super) fn capabilities(&mut self) -> Result<Capabilities, SessionError> {
        if self.capabilities.is_none() {
            // A server that does not know the command has no capabilities.
            self.run(&Command::Capability, quick(Phase::Login), |_| {})?;
        }
        Ok(self.capabilities.clone().unwrap_or_default())
    }
}

fn accepted(condition: &Condition) -> Result<(), SessionError> {
    if condition.is_ok() {
        return Ok(());
    }
    if let Some(error) = trouble(condition) {
        return Err(error);
    }
    let text = condition.to_string();
    Err(if condition.has_code("PRIVACYREQUIRED") {
        SessionError::Configuration(format!(
            "the server wants TLS; set `starttls` instead of `is_insecure`: {text}"
        ))
    } else {
        SessionError::Authentication(text)
    })
}

/// Some servers repeat the command that they refuse, and errors are logged.
fn without_password(mut error: SessionError, settings: &Settings) -> SessionError {
    let text = match &mut error {
        SessionError::Net(_) => return error,
        SessionError::Throttled { text, .. }
        | SessionError::Refused { text, .. }
        | SessionError::Protocol(text)
        | SessionError::Bye(text)
        | SessionError::Unavailable(text)
        | SessionError::Authentication(text)
        | SessionError::Configuration(text)
        | SessionError::NoSuchMailbox(text) => text,
    };
    let password = settings.password.expose();
    let quoted = password.replace('\\', "\\\\").replace('"', "\\\"");
    let message = auth::plain_message(&settings.username, &settings.password);
    if [password, &quoted, message.expose()]
        .iter()
        .any(|secret| repeats(text, secret))
    {
        "(the server's words are withheld: they repeat the password)".clone_into(text);
    }
    error
}

/// Whether `text` holds `secret`, or ends in the middle of it, because it was cut.
fn repeats(text: &str, secret: &str) -> bool {
    let cut = || {
        secret
            .char_indices()
            .skip(4)
            .any(|(at, _)| secret.get(..at).is_some_and(|part| text.ends_with(part)))
    };
    !secret.is_empty() && (text.contains(secret) || cut())
}

#[cfg(test)]
mod tests {
    use super::repeats;

    #[test]
    fn a_password_is_found_whole_and_cut() {
        for text in [
            "LOGIN u hunter2!",
            "hunter2! is wrong",
            "LOGIN u \"hunter2",
            "LOGIN u hunt",
        ] {
            assert!(repeats(text, "hunter2!"), "{text}");
        }
        for text in ["", "LOGIN u hun", "Hunter", "hunter2 is wrong"] {
            assert!(!repeats(text, "hunter2!"), "{text}");
        }
        assert!(!repeats("anything", ""));
    }
}

//! Logging in: STARTTLS where configured → CAPABILITY → AUTHENTICATE or LOGIN → CAPABILITY → ID → COMPRESS
//! where configured.

use super::connection::trouble;
use super::{Session, SessionError, quick};
use crate::clock::Phase;
use crate::imap::Settings;
use crate::imap::auth::{self, Credential, Exchange, Fault, Mechanism, Surroundings};
use crate::imap::command::{CANCEL, Command};
use crate::imap::reader::Event;
use crate::imap::response::{Capabilities, Condition, Response};
use crate::log;
use crate::net::Security;
use crate::secret::Secret;

impl Session {
    /// Logs in and introduces itself. `nonce`: characters that were never used before and that nobody can guess.
    pub fn log_in(&mut self, settings: &Settings, credential: &Credential, nonce: &str) -> Result<(), SessionError> {
        // Before anything else: what is learnt in clear is forgotten, and no credentials may go out before.
        if settings.endpoint.security == Security::StartTls {
            self.start_tls()?;
        }
        if !self.logged_in {
            self.authenticate(settings, credential, nonce)?;
        }
        self.connection.goodbye = Some(b"");
        // Capabilities change with the login.
        let capabilities = self.capabilities()?;
        self.idles = capabilities.has("IDLE");
        // NetEase answers "Unsafe Login" to those who do not say who they are; nobody minds the rest.
        if capabilities.has("ID") {
            self.run(&Command::Id, quick(Phase::Login), |_| {})?;
        }
        if settings.compress {
            self.compress(capabilities.has("COMPRESS=DEFLATE"))?;
        }
        Ok(())
    }

    fn authenticate(&mut self, settings: &Settings, credential: &Credential, nonce: &str) -> Result<(), SessionError> {
        check_characters(settings, credential)?;
        let capabilities = self.capabilities()?;
        let channel_binding = self.connection.channel_binding();
        let mechanism = auth::choose(&capabilities, settings.mechanism, credential, channel_binding.is_some())
            .map_err(SessionError::Configuration)?;
        self.capabilities = None;
        let surroundings = Surroundings {
            host: &settings.endpoint.host,
            port: settings.endpoint.port,
            channel_binding,
            offers_binding: capabilities.has("AUTH=SCRAM-SHA-256-PLUS"),
            nonce,
        };
        // What the server may repeat in a refusal.
        let mut said = vec![credential.secret().clone()];
        let at_once = capabilities.has("SASL-IR");
        let mut outcome = match Exchange::new(mechanism, &settings.username, credential, &surroundings) {
            Some(exchange) => self.converse(mechanism, exchange, at_once, &mut said),
            None => self.command_login(settings, credential, &mut said),
        };
        let unbound = Mechanism::ScramSha256;
        if mechanism == Mechanism::ScramSha256Plus
            && settings.mechanism.is_none()
            && capabilities.has("AUTH=SCRAM-SHA-256")
            && outcome.as_ref().is_ok_and(Outcome::may_be_the_binding)
        {
            self.warn_unbound();
            let surroundings = Surroundings {
                nonce: &format!("{nonce}/unbound"),
                ..surroundings
            };
            if let Some(exchange) = Exchange::new(unbound, &settings.username, credential, &surroundings) {
                outcome = self.converse(unbound, exchange, at_once, &mut said);
            }
        }
        outcome
            .and_then(|outcome| outcome.judge(credential))
            .map_err(|error| withhold(error, &said))
    }

    /// Cyrus before 3.10 binds TLS 1.3 by tls-unique, which TLS 1.3 does not have, and refuses everything else as "bad
    /// protocol".
    ///
    /// Somebody who ends our TLS, with a certificate that we trust, can forge that refusal and relay what follows: the
    /// server takes the `n` of this second try, as it must not take the `y` that we send where PLUS was left out of the
    /// offer (RFC 5802 section 6). But without `auth` the offer alone decides, and such a one gets more, the password
    /// itself, by offering nothing but PLAIN. So nothing that held is given up. Who wants to rely on the binding sets
    /// `auth: scram-sha-256-plus`, which neither leads here nor to any other mechanism.
    fn warn_unbound(&self) {
        log::warn(
            "the server offers SCRAM-SHA-256-PLUS and refuses it; going on without binding the login to TLS (`auth: \
             scram-sha-256` does so at once)",
            &[("server", &self.peer())],
        );
    }

    fn command_login(
        &mut self,
        settings: &Settings,
        credential: &Credential,
        said: &mut Vec<Secret<String>>,
    ) -> Result<Outcome, SessionError> {
        let password = credential.secret();
        // As it stands in the command.
        let quoted = password.expose().replace('\\', "\\\\").replace('"', "\\\"");
        said.push(Secret::new(quoted));
        let command = Command::Login {
            username: settings.username.clone(),
            password: password.clone(),
        };
        let condition = self.run(&command, quick(Phase::Login), |_| {})?;
        let fault = (!condition.is_ok()).then(|| Fault::Refused(String::new()));
        Ok(Outcome { condition, fault })
    }

    /// AUTHENTICATE, from the command to its tagged response.
    fn converse(
        &mut self,
        mechanism: Mechanism,
        mut exchange: Exchange,
        at_once: bool,
        said: &mut Vec<Secret<String>>,
    ) -> Result<Outcome, SessionError> {
        self.expect_in_flight(0)?;
        let first = if at_once { exchange.begin_at_once() } else { None };
        said.extend(first.clone());
        let tag = self.send(&Command::Authenticate {
            mechanism: mechanism.name(),
            first,
        })?;
        let mut patience = quick(Phase::Login);
        let mut fault = None;
        let condition = loop {
            match self.connection.event(&mut patience)? {
                Event::Response(Response::Continuation(_)) if fault.is_some() => {
                    let reason = format!("{mechanism}: it asks on after the login was called off");
                    return Err(SessionError::Protocol(reason));
                }
                Event::Response(Response::Continuation(challenge)) => match exchange.answer(&challenge) {
                    Ok(answer) => {
                        let line = Secret::new(format!("{}\r\n", answer.expose()));
                        said.push(answer);
                        self.connection.write(line.expose().as_bytes())?;
                    }
                    // Only the tagged response ends it, whoever is at fault.
                    Err(found) => {
                        fault = Some(found);
                        self.connection.write(CANCEL)?;
                    }
                },
                Event::Response(Response::Tagged { tag: ended, condition }) => {
                    self.end_flight(&tag, &ended)?;
                    self.learn(&condition);
                    break condition;
                }
                event => self.note(&event),
            }
        };
        let fault = fault.or_else(|| exchange.conclude(condition.is_ok()).err());
        Ok(Outcome { condition, fault })
    }

    pub(super) fn capabilities(&mut self) -> Result<Capabilities, SessionError> {
        if self.capabilities.is_none() {
            // A server that does not know the command has no capabilities.
            self.run(&Command::Capability, quick(Phase::Login), |_| {})?;
        }
        Ok(self.capabilities.clone().unwrap_or_default())
    }
}

/// Neither IMAP nor SASL can carry them, and in an OAuth message they would begin another part.
fn check_characters(settings: &Settings, credential: &Credential) -> Result<(), SessionError> {
    let (forbidden, secret) = match credential {
        Credential::Password(password) => (&['\0'][..], password),
        Credential::Token(token) => (&['\0', '\x01'][..], token),
    };
    if !settings.username.contains(forbidden) && !secret.expose().contains(forbidden) {
        return Ok(());
    }
    Err(SessionError::Configuration(match credential {
        Credential::Password(_) => "`username` or `password` holds a NUL character, which IMAP cannot carry".to_owned(),
        Credential::Token(_) => "`username` holds a control character, which OAuth cannot carry".to_owned(),
    }))
}

/// How a login ended.
struct Outcome {
    condition: Condition,
    /// What is wrong, even where the server says OK.
    fault: Option<Fault>,
}

impl Outcome {
    /// Whether a refusal may mean the channel binding and not the password.
    fn may_be_the_binding(&self) -> bool {
        let refused = match self.fault {
            Some(Fault::Unbound) => true,
            Some(Fault::Refused(_)) => !self.condition.has_code("AUTHENTICATIONFAILED"),
            _ => false,
        };
        refused && trouble(&self.condition).is_none()
    }

    /// What follows. A server in trouble is in trouble, whatever the login was about to become.
    fn judge(self, credential: &Credential) -> Result<(), SessionError> {
        let Some(fault) = self.fault else {
            return Ok(());
        };
        if let (false, Some(error)) = (self.condition.is_ok(), trouble(&self.condition)) {
            return Err(error);
        }
        let text = self.condition.to_string();
        Err(match fault {
            Fault::Malformed(reason) => SessionError::Protocol(reason),
            Fault::Impostor => SessionError::Authentication(
                "the server does not prove that it knows the password; is it the right one?".to_owned(),
            ),
            Fault::Tampered(reason) => SessionError::Authentication(reason),
            Fault::Unbound => SessionError::Configuration(format!(
                "the server offers SCRAM-SHA-256-PLUS and cannot bind it to TLS by tls-exporter; set `auth: scram-sha-256`: \
                 {text}"
            )),
            Fault::Refused(_) if self.condition.has_code("PRIVACYREQUIRED") => SessionError::Configuration(format!(
                "the server wants TLS; set `starttls` instead of `is_insecure`: {text}"
            )),
            Fault::Refused(words) => {
                let text = if words.is_empty() {
                    text
                } else {
                    format!("{text} ({words})")
                };
                match credential {
                    Credential::Password(_) => SessionError::Authentication(text),
                    Credential::Token(_) => SessionError::Token(text),
                }
            }
        })
    }
}

/// Some servers repeat what they refuse, and errors are logged.
fn withhold(mut error: SessionError, said: &[Secret<String>]) -> SessionError {
    let text = match &mut error {
        SessionError::Net(_) => return error,
        SessionError::Throttled { text, .. }
        | SessionError::Refused { text, .. }
        | SessionError::Protocol(text)
        | SessionError::Bye(text)
        | SessionError::Unavailable(text)
        | SessionError::Authentication(text)
        | SessionError::Token(text)
        | SessionError::Configuration(text)
        | SessionError::NoSuchMailbox(text) => text,
    };
    if said.iter().any(|secret| repeats(text, secret.expose())) {
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

//! Logging in: CAPABILITY → AUTHENTICATE or LOGIN → CAPABILITY → ID.

use super::connection::trouble;
use super::{Session, SessionError, quick};
use crate::clock::Phase;
use crate::imap::Settings;
use crate::imap::auth::{self, Mechanism};
use crate::imap::command::Command;
use crate::imap::response::Capabilities;

impl Session {
    /// Logs in and introduces itself.
    pub fn log_in(&mut self, settings: &Settings) -> Result<(), SessionError> {
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
                          if `is_insecure` is set, remove it";
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
        let condition = self.run(&command, quick(Phase::Login), |_| {})?;
        if condition.is_ok() {
            return Ok(());
        }
        Err(trouble(&condition).unwrap_or_else(|| {
            let text = condition.to_string();
            if condition.has_code("PRIVACYREQUIRED") {
                SessionError::Configuration(format!("the server wants TLS; remove `is_insecure`: {text}"))
            } else {
                SessionError::Authentication(text)
            }
        }))
    }

    fn capabilities(&mut self) -> Result<Capabilities, SessionError> {
        if self.capabilities.is_none() {
            // A server that does not know the command has no capabilities.
            self.run(&Command::Capability, quick(Phase::Login), |_| {})?;
        }
        Ok(self.capabilities.clone().unwrap_or_default())
    }
}

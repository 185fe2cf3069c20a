//! STARTTLS (RFC 3501 section 6.2.1). Until it is done, everything the server says may be an attacker's word: nothing of it
//! is kept, and nothing of it may pass for what is said inside TLS (`CVE-2011-0411` and its family).

use super::connection::trouble;
use super::{Session, SessionError, quick};
use crate::clock::Phase;
use crate::imap::command::Command;

impl Session {
    pub(super) fn start_tls(&mut self) -> Result<(), SessionError> {
        // STARTTLS is no command of a session that is logged in, so this greeting in clear is how it is suppressed.
        if self.logged_in {
            return Err(SessionError::Protocol(
                "it greets with PREAUTH in clear text, where `starttls` wants TLS first; someone on the way may have \
                 changed the greeting"
                    .to_owned(),
            ));
        }
        let capabilities = self.capabilities()?;
        if !capabilities.has("STARTTLS") {
            return Err(SessionError::Configuration(
                "the server does not offer STARTTLS, or someone on the way hides it; if it has a port for TLS (993), \
                 remove `starttls` and name that port in `server`"
                    .to_owned(),
            ));
        }
        // An answer that is already here would be taken for the one to come.
        self.connection.expect_silence("before STARTTLS was sent")?;
        let condition = self.run(&Command::StartTls, quick(Phase::Login), |_| {})?;
        if !condition.is_ok() {
            return Err(trouble(&condition).unwrap_or_else(|| {
                SessionError::Configuration(format!("the server refuses `starttls`: {condition}"))
            }));
        }
        // What follows in clear would be read as if it had come inside TLS.
        self.connection
            .expect_silence("in clear text behind its agreement to STARTTLS")?;
        self.connection.start_tls()?;
        self.capabilities = None;
        (self.exists, self.announced, self.news) = (0, 0, false);
        Ok(())
    }
}

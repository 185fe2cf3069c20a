//! From nothing to a session that is logged in; with OAuth, the token comes first.

use std::sync::Arc;

use super::failure::Failure;
use crate::clock::Clock;
use crate::imap;
use crate::imap::auth::Credential;
use crate::imap::session::{Session, SessionError};
use crate::net::Dial;
use crate::oauth::Tokens;
use crate::secret::Secret;

/// Where the proof comes from that the account is ours.
#[derive(Clone)]
pub enum Credentials {
    /// `password`.
    Password(Secret<String>),
    /// `oauth`; all mailboxes of an account share its tokens.
    Tokens(Arc<Tokens>),
}

/// What it takes to get into an account.
pub(crate) struct Login<'a> {
    pub imap: &'a imap::Settings,
    pub credentials: &'a Credentials,
    pub dial: &'a dyn Dial,
    pub clock: &'a Arc<dyn Clock>,
    /// For the nonce of a login.
    pub random: fn() -> u64,
}

impl Login<'_> {
    /// Connects and logs in. A token that the server refuses is renewed once, at once: it may have been revoked or have
    /// expired early. A second refusal is a failure, and waits like a wrong password.
    pub(crate) fn connect(&self) -> Result<Session, Failure> {
        let tokens = match self.credentials {
            Credentials::Password(password) => return self.by(&Credential::Password(password.clone())),
            Credentials::Tokens(tokens) => tokens,
        };
        match self.by_token(tokens) {
            Err(Failure::Session(SessionError::Token(_))) => self.by_token(tokens),
            outcome => outcome,
        }
    }

    fn by_token(&self, tokens: &Tokens) -> Result<Session, Failure> {
        // Before the connection: a server does not wait long for a login.
        let token = tokens.token()?;
        let outcome = self.by(&Credential::Token(token.clone()));
        if let Err(Failure::Session(SessionError::Token(_))) = &outcome {
            tokens.forget(&token);
        }
        outcome
    }

    fn by(&self, credential: &Credential) -> Result<Session, Failure> {
        let stream = self.dial.dial(&self.imap.endpoint)?;
        let mut session = Session::open(stream, Arc::clone(self.clock))?;
        // 192 bits: none is ever drawn twice.
        let nonce = [(); 3].map(|()| format!("{:016x}", (self.random)())).concat();
        session.log_in(self.imap, credential, &nonce)?;
        Ok(session)
    }
}

//! OAuth access tokens (RFC 6749) for the IMAP login: asked for at the provider's token endpoint, kept until shortly before
//! they expire, and asked for anew when the IMAP server refuses one.
//!
//! `request.rs` is what is asked and `answer.rs` what is understood, both pure; `kept.rs` is what a restart must know; this
//! file waits.

mod answer;
mod kept;
mod request;

#[doc(hidden)]
pub use answer::fuzz;
pub(crate) use request::form;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::http::exchange::{Exchange, ExchangeError};
use crate::http::url::Url;
use crate::net::Dial;
use crate::secret::Secret;
use crate::{limits, log};
use answer::Answer;
use kept::Kept;

/// Who asks whom for tokens, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `oauth.token_url`, or what `oauth.provider` stands for.
    pub token_url: Url,
    /// `oauth.client_id`.
    pub client_id: String,
    /// `oauth.client_secret`. Clients that cannot keep one have none (RFC 6749 section 2.1).
    pub client_secret: Option<Secret<String>>,
    /// `oauth.refresh_token` or `oauth.grant`.
    pub grant: Grant,
    /// `oauth.scope`: names separated by spaces. Without it, what the provider takes for granted.
    pub scope: Option<String>,
}

/// What entitles to a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// The owner of the mailbox has consented once (RFC 6749 section 6).
    RefreshToken(Secret<String>),
    /// The client itself is trusted with the mailbox (RFC 6749 section 4.4).
    ClientCredentials,
}

/// The tokens of one account, for all its mailboxes.
pub struct Tokens {
    settings: Settings,
    dial: Arc<dyn Dial>,
    clock: Arc<dyn Clock>,
    kept: Option<Kept>,
    state: Mutex<State>,
}

struct State {
    /// With the refresh token that the provider gave last.
    grant: Grant,
    /// What was last seen on the disk in its place.
    on_disk: Option<Secret<String>>,
    current: Option<Token>,
    /// The last failure, and when it was over.
    failed: Option<(Instant, TokenError)>,
}

struct Token {
    value: Secret<String>,
    /// When another one is to be asked for; `None` where the provider does not say how long it holds.
    renew_at: Option<Instant>,
}

const MEMORY_ONLY: &str =
    "access token renewed; the provider replaced the refresh token, which is kept in memory until the program ends";

impl Tokens {
    /// Contacts nobody yet.
    pub fn new(settings: Settings, dial: Arc<dyn Dial>, clock: Arc<dyn Clock>) -> Tokens {
        let grant = settings.grant.clone();
        Tokens {
            settings,
            dial,
            clock,
            kept: None,
            state: Mutex::new(State {
                grant,
                on_disk: None,
                current: None,
                failed: None,
            }),
        }
    }

    /// The same, but that a refresh token which the provider replaces is kept in this directory.
    #[must_use]
    pub fn kept_in(self, state_dir: &Path) -> Tokens {
        Tokens {
            kept: Kept::new(state_dir, &self.settings),
            ..self
        }
    }

    /// Who is asked.
    pub fn endpoint(&self) -> &crate::net::Endpoint {
        &self.settings.token_url.endpoint
    }

    /// A token that is good for some minutes yet. Asks for one where there is none; whoever wants one meanwhile waits for
    /// the same answer.
    pub fn token(&self) -> Result<Secret<String>, TokenError> {
        let wanted_at = self.clock.now();
        let mut state = self.lock();
        let now = self.clock.now();
        let good = |token: &&Token| token.renew_at.is_none_or(|renew_at| now < renew_at);
        if let Some(token) = state.current.as_ref().filter(good) {
            return Ok(token.value.clone());
        }
        if let Some((at, error)) = &state.failed
            && *at > wanted_at
        {
            return Err(error.clone());
        }
        match self.ask(&mut state) {
            Ok(value) => Ok(value),
            Err(error) => {
                state.failed = Some((self.clock.now(), error.clone()));
                Err(error)
            }
        }
    }

    /// The server refused `token`: the next one will be another.
    pub fn forget(&self, token: &Secret<String>) {
        let mut state = self.lock();
        // Another mailbox of the account may have renewed it already.
        if state.current.as_ref().is_some_and(|current| current.value == *token) {
            state.current = None;
        }
    }

    /// Asks the provider.
    fn ask(&self, state: &mut State) -> Result<Secret<String>, TokenError> {
        let request =
            request::head(&self.settings).map_err(|error| TokenError::Refused(format!("oauth.token_url: {error}")))?;
        self.recall(state);
        let body = request::body(&self.settings, &state.grant);
        let asked_at = self.clock.now();
        // On a fresh connection: on a kept one the request may go twice, and a refresh token may be good for one use only.
        let response = Exchange::new()
            .send(&*self.dial, &*self.clock, &request, body.expose())
            .map_err(TokenError::Exchange)?;
        let answer = answer::read(&response, &self.settings, &state.grant, self.clock.unix_milliseconds())?;
        Ok(self.keep(state, answer, asked_at))
    }

    /// The refresh token that this process, the one before, or one beside it got last.
    fn recall(&self, state: &mut State) {
        match self.kept.as_ref().map_or(Ok(None), Kept::load) {
            // One that could not be written is newer than what is there.
            Ok(on_disk) if on_disk == state.on_disk => {}
            Ok(on_disk) => {
                if let Some(token) = &on_disk {
                    state.grant = Grant::RefreshToken(token.clone());
                }
                state.on_disk = on_disk;
            }
            Err(reason) => log::warn(
                "the refresh token that the provider gave last cannot be read: going on with oauth.refresh_token",
                &[("reason", &reason)],
            ),
        }
    }

    /// The provider replaced the refresh token: how it is kept, for the log.
    fn remember(&self, state: &mut State, refresh_token: Secret<String>) -> &'static str {
        let kept = self.kept.as_ref().map(|kept| kept.keep(&refresh_token));
        state.grant = Grant::RefreshToken(refresh_token.clone());
        match kept {
            Some(Ok(())) => {
                state.on_disk = Some(refresh_token);
                "access token renewed; the provider replaced the refresh token, which is kept in state_dir"
            }
            Some(Err(reason)) => {
                log::error(
                    "the refresh token that the provider gave last cannot be kept: a restart may be refused",
                    &[("reason", &reason)],
                );
                MEMORY_ONLY
            }
            None => MEMORY_ONLY,
        }
    }

    fn keep(&self, state: &mut State, answer: Answer, asked_at: Instant) -> Secret<String> {
        let Answer {
            access_token,
            lifetime,
            refresh_token,
        } = answer;
        let replaced = matches!((&state.grant, &refresh_token), (Grant::RefreshToken(old), Some(new)) if old != new);
        let seconds = lifetime.map_or_else(|| "unknown".to_owned(), |lifetime| lifetime.as_secs().to_string());
        let what = match refresh_token.filter(|_| replaced) {
            Some(refresh_token) => self.remember(state, refresh_token),
            None => "access token renewed",
        };
        let fields: [(&str, &dyn fmt::Display); 3] = [
            ("provider", &self.settings.token_url.endpoint),
            ("client_id", &self.settings.client_id),
            ("expires_in", &seconds),
        ];
        log::info(what, &fields);
        state.current = Some(Token {
            value: access_token.clone(),
            renew_at: lifetime.and_then(|lifetime| asked_at.checked_add(renewal(lifetime))),
        });
        state.failed = None;
        access_token
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a token of `lifetime` is used: to shortly before its end, for the clocks of provider and server differ; of a
/// short life the half.
fn renewal(lifetime: Duration) -> Duration {
    let half = lifetime.checked_div(2).unwrap_or_default();
    lifetime.saturating_sub(limits::OAUTH_MARGIN).max(half)
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenError {
    /// The token endpoint could not be asked.
    Exchange(ExchangeError),
    /// The provider has a passing trouble.
    Later {
        /// What it said.
        reason: String,
        /// How long it asks to wait.
        after: Option<Duration>,
    },
    /// The provider refuses; says which setting to look at.
    Refused(String),
}

impl fmt::Display for TokenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenError::Exchange(error) => write!(formatter, "no access token: oauth.token_url: {error}"),
            TokenError::Later { reason, .. } | TokenError::Refused(reason) => {
                write!(formatter, "no access token: {reason}")
            }
        }
    }
}

impl std::error::Error for TokenError {}

#[cfg(test)]
mod tests;

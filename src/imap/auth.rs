//! Logging in (RFC 3501 sections 6.2.2 and 6.2.3): by which mechanism, and what is said in it.
//!
//! `exchange.rs` is the client's side of AUTHENTICATE whatever the mechanism; `scram.rs` proves that it knows the password
//! without sending it, and wants the same proof of the server; `bearer.rs` sends an OAuth token.

mod bearer;
mod exchange;
mod scram;

#[doc(hidden)]
pub use exchange::fuzz;
pub use exchange::{Exchange, Fault, Surroundings};

use std::fmt;

use super::response::Capabilities;
use crate::limits;
use crate::secret::Secret;

/// What proves that the account is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// `password`.
    Password(Secret<String>),
    /// An access token (RFC 6749), which the provider gave for the settings in `oauth`.
    Token(Secret<String>),
}

impl Credential {
    /// The password or token itself.
    pub fn secret(&self) -> &Secret<String> {
        match self {
            Credential::Password(secret) | Credential::Token(secret) => secret,
        }
    }
}

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 5802 and RFC 7677, bound to the TLS connection (RFC 9266): nobody can stand in between.
    ScramSha256Plus,
    /// RFC 5802 and RFC 7677: the password itself never leaves.
    ScramSha256,
    /// RFC 4616.
    Plain,
    /// Not SASL: the command `LOGIN username password`.
    Login,
    /// RFC 7628.
    OAuthBearer,
    /// Google's and Microsoft's forerunner of [`Mechanism::OAuthBearer`].
    XOAuth2,
}

impl Mechanism {
    /// All of them; the best for each kind of credential first. The LOGIN command comes last because it has quoting to get
    /// wrong.
    pub const ALL: [Mechanism; 6] = [
        Mechanism::ScramSha256Plus,
        Mechanism::ScramSha256,
        Mechanism::Plain,
        Mechanism::Login,
        Mechanism::OAuthBearer,
        Mechanism::XOAuth2,
    ];

    /// Its name, as CAPABILITY has it.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::OAuthBearer => "OAUTHBEARER",
            Mechanism::XOAuth2 => "XOAUTH2",
        }
    }

    /// The one that the setting `auth` names, in any case.
    pub fn named(name: &str) -> Option<Mechanism> {
        let named = |mechanism: &Mechanism| mechanism.name().eq_ignore_ascii_case(name);
        Mechanism::ALL.into_iter().find(named)
    }

    /// Whether it takes a token, where the others take a password.
    pub fn takes_token(self) -> bool {
        matches!(self, Mechanism::OAuthBearer | Mechanism::XOAuth2)
    }

    fn takes(self, credential: &Credential) -> bool {
        self.takes_token() == matches!(credential, Credential::Token(_))
    }

    fn is_offered(self, capabilities: &Capabilities) -> bool {
        match self {
            Mechanism::Login => !capabilities.has("LOGINDISABLED"),
            sasl => capabilities.mechanisms().any(|offered| offered == sasl.name()),
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The way to log in: `wanted`, or the best that the server offers for `credential`. `bindable`: the connection can be
/// bound to (see [`crate::net::Stream::channel_binding`]).
///
/// The error names the setting to change. Nothing may be sent then.
pub fn choose(
    capabilities: &Capabilities,
    wanted: Option<Mechanism>,
    credential: &Credential,
    bindable: bool,
) -> Result<Mechanism, String> {
    if wanted == Some(Mechanism::ScramSha256Plus) && !bindable {
        return Err("`auth` wants SCRAM-SHA-256-PLUS, which needs TLS 1.3; this connection has not".to_owned());
    }
    let serves = |mechanism: &Mechanism| {
        mechanism.takes(credential)
            && mechanism.is_offered(capabilities)
            && (bindable || *mechanism != Mechanism::ScramSha256Plus)
    };
    let mut acceptable = Mechanism::ALL
        .into_iter()
        .filter(|mechanism| wanted.is_none_or(|wanted| wanted == *mechanism));
    acceptable
        .find(serves)
        .ok_or_else(|| nothing_fits(capabilities, wanted, credential))
}

fn nothing_fits(capabilities: &Capabilities, wanted: Option<Mechanism>, credential: &Credential) -> String {
    let mut offer: Vec<&str> = capabilities.mechanisms().take(limits::OFFERED_MECHANISMS).collect();
    if Mechanism::Login.is_offered(capabilities) {
        offer.push("the LOGIN command");
    }
    let offer = match &*offer {
        [] => "the server offers no way to log in on this connection".to_owned(),
        offer => format!("the server offers only {} on this connection", offer.join(", ")),
    };
    let advice = match (wanted, credential) {
        (Some(wanted), _) => format!("`auth` wants {wanted}"),
        (None, Credential::Token(_)) => "`oauth` needs OAUTHBEARER or XOAUTH2; set `password` instead".to_owned(),
        // A server that forbids every password in clear is waiting for TLS.
        (None, Credential::Password(_)) => "if `is_insecure` is set, remove it or set `starttls` instead".to_owned(),
    };
    format!("{offer}; {advice}")
}

#[cfg(test)]
mod tests;

//! Which way to log in, and the message of SASL PLAIN (RFC 4616).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::response::Capabilities;
use crate::secret::Secret;

/// How to send username and password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// `AUTHENTICATE PLAIN message`: with SASL-IR (RFC 4959).
    PlainAtOnce,
    /// `AUTHENTICATE PLAIN`, and the message when the server asks for it.
    PlainOnRequest,
    /// `LOGIN username password`.
    Login,
}

/// The best way that the server offers. AUTHENTICATE before LOGIN, because it has no quoting to get wrong. `None`:
/// LOGINDISABLED and no mechanism of ours; nothing may be sent.
pub fn choose(capabilities: &Capabilities) -> Option<Mechanism> {
    if capabilities.has("AUTH=PLAIN") {
        return Some(if capabilities.has("SASL-IR") {
            Mechanism::PlainAtOnce
        } else {
            Mechanism::PlainOnRequest
        });
    }
    (!capabilities.has("LOGINDISABLED")).then_some(Mechanism::Login)
}

/// The message of PLAIN in base64, without an authorization identity. Neither part holds NUL: `Session::log_in` sees to it.
pub fn plain_message(username: &str, password: &Secret<String>) -> Secret<String> {
    let message = format!("\0{username}\0{}", password.expose());
    Secret::new(BASE64_STANDARD.encode(message))
}

#[cfg(test)]
mod tests {
    use super::{Mechanism, choose, plain_message};
    use crate::imap::response::{Parsed, Response, read};
    use crate::secret::Secret;

    #[test]
    fn the_best_offer_is_taken_and_a_forbidden_login_never_is() {
        for (offer, expected) in [
            ("IMAP4rev1 SASL-IR AUTH=PLAIN", Some(Mechanism::PlainAtOnce)),
            ("IMAP4rev1 auth=plain LOGINDISABLED", Some(Mechanism::PlainOnRequest)),
            ("IMAP4rev1 AUTH=XOAUTH2", Some(Mechanism::Login)),
            ("IMAP4rev1 AUTH=PLAIN-CLIENTTOKEN", Some(Mechanism::Login)),
            ("IMAP4rev1 LOGINDISABLED AUTH=GSSAPI", None),
            ("", Some(Mechanism::Login)),
        ] {
            let line = format!("* CAPABILITY {offer}");
            let Ok(Parsed::Complete(Response::Capability(capabilities))) = read(line.as_bytes()) else {
                panic!("{line}");
            };
            assert_eq!(choose(&capabilities), expected, "{offer}");
        }
    }

    #[test]
    fn the_message_of_plain_is_nul_username_nul_password() {
        // RFC 4616 section 4, its second example without the authorization identity.
        let message = plain_message("Kurt", &Secret::new("xipj3plmq".to_owned()));
        assert_eq!(message.expose(), "AEt1cnQAeGlwajNwbG1x");
    }
}

//! The client's side of AUTHENTICATE (RFC 3501 section 6.2.2), whatever the mechanism: base64 lines in and out.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::scram::{Binding, Scram};
use super::{Credential, Mechanism, bearer};
use crate::limits;
use crate::secret::Secret;

/// What a mechanism needs to know beside the account.
#[derive(Debug, Clone)]
pub struct Surroundings<'a> {
    /// The server's name, as configured.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// What the connection can be bound to, see [`crate::net::Stream::channel_binding`].
    pub channel_binding: Option<[u8; 32]>,
    /// Whether the server offers SCRAM-SHA-256-PLUS.
    pub offers_binding: bool,
    /// Characters that were never used before and that nobody can guess.
    pub nonce: &'a str,
}

/// One login by a SASL mechanism.
pub struct Exchange {
    part: Part,
    /// Whether the first message has gone.
    begun: bool,
    /// What the server has against a token.
    complaint: Option<String>,
}

/// What there is to say.
enum Part {
    /// One message.
    Once(Secret<Vec<u8>>),
    /// One message; then an answer to the server's complaint, which only asks it for the tagged response.
    Bearer(Secret<Vec<u8>>, &'static str),
    Scram(Box<Scram>),
}

/// Why an exchange was called off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The challenge breaks the mechanism's grammar or bounds.
    Malformed(String),
    /// The server does not prove that it knows the password.
    Impostor,
    /// Somebody changes the conversation on the way.
    Tampered(String),
    /// The server cannot check what the proof is bound to.
    Unbound,
    /// The server refuses; what it said beside its tagged response.
    Refused(String),
}

impl Exchange {
    /// `None` for [`Mechanism::Login`], which is no SASL mechanism.
    pub fn new(
        mechanism: Mechanism,
        username: &str,
        credential: &Credential,
        surroundings: &Surroundings<'_>,
    ) -> Option<Exchange> {
        let secret = credential.secret();
        let scram = |binding| Part::Scram(Box::new(Scram::new(username, secret, surroundings.nonce, binding)));
        let part = match mechanism {
            Mechanism::Login => return None,
            Mechanism::Plain => Part::Once(plain(username, secret)),
            Mechanism::OAuthBearer => {
                let message = bearer::oauthbearer(username, secret, surroundings.host, surroundings.port);
                Part::Bearer(message, "\x01")
            }
            Mechanism::XOAuth2 => Part::Bearer(bearer::xoauth2(username, secret), ""),
            Mechanism::ScramSha256Plus => scram(
                surroundings
                    .channel_binding
                    .map_or(Binding::NotPossible, Binding::TlsExporter),
            ),
            // `y` where the server offers binding after all would be taken for an attack.
            Mechanism::ScramSha256 => scram(match surroundings.channel_binding {
                Some(_) if !surroundings.offers_binding => Binding::NotOffered,
                _ => Binding::NotPossible,
            }),
        };
        Some(Exchange {
            part,
            begun: false,
            complaint: None,
        })
    }

    /// The first message, to go with the command where the server takes that (SASL-IR, RFC 4959). `None`: it is too long for
    /// a command, and waits for the server's question.
    pub fn begin_at_once(&mut self) -> Option<Secret<String>> {
        let message = self.begin();
        self.begun = message.expose().len() <= limits::SASL_INITIAL;
        self.begun.then_some(message)
    }

    /// The first message, as a line without its end.
    pub(super) fn begin(&mut self) -> Secret<String> {
        self.begun = true;
        line(&match &mut self.part {
            Part::Once(message) | Part::Bearer(message, _) => message.clone(),
            Part::Scram(scram) => scram.begin(),
        })
    }

    /// The answer to a challenge, both as they stand behind `+ ` and before CRLF.
    pub fn answer(&mut self, challenge: &[u8]) -> Result<Secret<String>, Fault> {
        if !self.begun {
            // The challenge asks for the first message; what stands in it is for nobody.
            return Ok(self.begin());
        }
        if challenge.len() > limits::SASL_CHALLENGE {
            return Err(Fault::Malformed(format!(
                "a challenge of more than {} bytes",
                limits::SASL_CHALLENGE
            )));
        }
        let decoded = BASE64_STANDARD.decode(challenge.trim_ascii());
        match &mut self.part {
            // A question too many, as after a refused password: what is wrong stands in the tagged response.
            Part::Once(_) => Err(Fault::Refused(String::new())),
            Part::Bearer(_, answer) => {
                if let Some(complaint) = &self.complaint {
                    return Err(Fault::Refused(complaint.clone()));
                }
                // In whatever form it comes, it is a refusal, and the token is to be renewed.
                let complaint = decoded.as_deref().unwrap_or(challenge);
                self.complaint = Some(bearer::complaint(complaint));
                Ok(line(&Secret::new(answer.as_bytes().to_vec())))
            }
            Part::Scram(scram) => {
                let challenge = decoded.map_err(|_| Fault::Malformed("a challenge that is not base64".to_owned()))?;
                scram.answer(&challenge).map(|message| line(&message))
            }
        }
    }

    /// What the tagged response means: `accepted` for OK.
    pub fn conclude(&self, accepted: bool) -> Result<(), Fault> {
        match &self.part {
            Part::Scram(scram) if accepted && !scram.is_proven() => Err(Fault::Impostor),
            _ if accepted => Ok(()),
            // No proof has been asked for yet, so it is not the password.
            Part::Scram(scram) if scram.is_bound() && scram.is_unanswered() => Err(Fault::Unbound),
            _ => Err(Fault::Refused(self.complaint.clone().unwrap_or_default())),
        }
    }
}

/// RFC 4616, without an authorization identity. Neither part holds NUL: `Session::log_in` sees to it.
fn plain(username: &str, password: &Secret<String>) -> Secret<Vec<u8>> {
    Secret::new(format!("\0{username}\0{}", password.expose()).into_bytes())
}

fn line(message: &Secret<Vec<u8>>) -> Secret<String> {
    Secret::new(BASE64_STANDARD.encode(message.expose()))
}

/// Whatever challenges come, answers are bounded, what is told the operator is one short line, and nobody who does not know
/// the password is believed. Each line of `data` is a challenge, as it stands on the wire and in base64.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    // RFC 7677 section 3, so that the fuzzer begins with a conversation that ends well.
    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const PROOF: &[u8] = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    for mechanism in Mechanism::ALL {
        for encoded in [false, true] {
            let surroundings = Surroundings {
                host: "h",
                port: 993,
                channel_binding: None,
                offers_binding: false,
                nonce: NONCE,
            };
            let credential = Credential::Password(Secret::new("pencil".to_owned()));
            let Some(mut exchange) = Exchange::new(mechanism, "user", &credential, &surroundings) else {
                continue;
            };
            exchange.part = match exchange.part {
                // Nobody learns from a million iterations.
                Part::Scram(scram) => Part::Scram(Box::new(scram.with_iterations(1..=4096))),
                part => part,
            };
            exchange.begin();
            let mut proven = false;
            for challenge in data.split(|byte| *byte == b'\n') {
                let challenge = if encoded {
                    BASE64_STANDARD.encode(challenge).into_bytes()
                } else {
                    challenge.to_vec()
                };
                let decoded = BASE64_STANDARD.decode(challenge.trim_ascii());
                proven |= decoded.is_ok_and(|decoded| decoded.starts_with(PROOF));
                let answered = exchange.answer(&challenge);
                match answered {
                    Ok(answer) => {
                        assert!(answer.expose().len() <= challenge.len().saturating_mul(2).saturating_add(400));
                    }
                    Err(fault) => assert!(format!("{fault:?}").len() <= limits::IMAP_TEXT.saturating_mul(12)),
                }
            }
            assert!(
                exchange
                    .complaint
                    .iter()
                    .all(|text| { text.len() <= limits::IMAP_TEXT && !text.chars().any(char::is_control) })
            );
            let believed = matches!(exchange.part, Part::Scram(_)) && exchange.conclude(true).is_ok();
            assert!(proven || !believed, "believed without a proof");
        }
    }
}

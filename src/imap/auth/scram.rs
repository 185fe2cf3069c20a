//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677): both sides prove that they know the password, and neither
//! says it.
//!
//! ```text
//! C: n,,n=user,r=fyko                                   client-first
//! S: r=fykoJ82a,s=c2FsdA==,i=4096                       server-first: both nonces, salt, iterations
//! C: c=biws,r=fykoJ82a,p=…                              client-final: what was bound to, the client's proof
//! S: v=…                                                server-final: the server's proof
//! C:
//! ```
//! `SASLprep` (RFC 4013) is the identity for ASCII and for what keyboards compose (NFC); its tables are not carried for the
//! rest. A password that it would change has to go by `auth: plain`.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::{digest, hmac, pbkdf2};

use super::exchange::Fault;
use crate::limits;
use crate::secret::Secret;

/// The client's side.
pub(super) struct Scram {
    username: String,
    password: Secret<String>,
    nonce: String,
    binding: Binding,
    iterations: RangeInclusive<u32>,
    place: Place,
}

/// What the proof is bound to (RFC 5802 section 6). The server checks that it is what it said and saw itself, so a man in
/// the middle can neither pass the proof on nor strike the better mechanism from the server's offer unnoticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// `p`: the TLS connection, by its 32 exported bytes (RFC 9266).
    TlsExporter([u8; 32]),
    /// `y`: nothing, because the server does not offer it; a server that does has been tampered with.
    NotOffered,
    /// `n`: nothing, because we cannot or may not.
    NotPossible,
}

/// How far the conversation has come.
enum Place {
    Begin,
    /// Client-first was sent.
    First,
    /// Client-final was sent: the key and text of the proof that the server owes.
    Final {
        server_key: hmac::Key,
        auth_message: String,
    },
    /// The server has proven that it knows the password.
    Proven,
    /// The server refused; it says so again in its tagged response.
    Refused,
}

impl Scram {
    pub(super) fn new(username: &str, password: &Secret<String>, nonce: &str, binding: Binding) -> Scram {
        Scram {
            username: username.to_owned(),
            password: password.clone(),
            nonce: nonce.to_owned(),
            binding,
            iterations: limits::SCRAM_ITERATIONS,
            place: Place::Begin,
        }
    }

    /// With other bounds on the iterations: a test has no time for millions.
    pub(super) fn with_iterations(self, iterations: RangeInclusive<u32>) -> Scram {
        Scram { iterations, ..self }
    }

    /// Client-first.
    pub(super) fn begin(&mut self) -> Secret<Vec<u8>> {
        self.place = Place::First;
        let message = format!("{}{}", self.header(), self.first_bare());
        Secret::new(message.into_bytes())
    }

    /// The answer to server-first or server-final.
    pub(super) fn answer(&mut self, challenge: &[u8]) -> Result<Secret<Vec<u8>>, Fault> {
        let challenge = str::from_utf8(challenge).map_err(|_| malformed("it is not UTF-8"))?;
        match std::mem::replace(&mut self.place, Place::Refused) {
            Place::First => self.prove(challenge),
            Place::Final {
                server_key,
                auth_message,
            } => self.check(challenge, &server_key, &auth_message),
            Place::Begin | Place::Proven | Place::Refused => Err(Fault::Refused(String::new())),
        }
    }

    /// Whether the server has proven that it knows the password.
    pub(super) fn is_proven(&self) -> bool {
        matches!(self.place, Place::Proven)
    }

    /// Whether client-first was sent and nothing came back.
    pub(super) fn is_unanswered(&self) -> bool {
        matches!(self.place, Place::First)
    }

    /// Whether the proof is bound to the connection.
    pub(super) fn is_bound(&self) -> bool {
        matches!(self.binding, Binding::TlsExporter(_))
    }

    /// `gs2-header`, without an authorization identity.
    fn header(&self) -> &'static str {
        match self.binding {
            Binding::TlsExporter(_) => "p=tls-exporter,,",
            Binding::NotOffered => "y,,",
            Binding::NotPossible => "n,,",
        }
    }

    fn first_bare(&self) -> String {
        format!("n={},r={}", escape_name(&self.username), self.nonce)
    }

    /// Client-final.
    fn prove(&mut self, challenge: &str) -> Result<Secret<Vec<u8>>, Fault> {
        // Servers that refuse without looking at a password say so here.
        if let Some(error) = challenge.strip_prefix("e=") {
            return Err(refusal(error));
        }
        let first = ServerFirst::read(challenge, &self.nonce, &self.iterations)?;
        let mut bound = self.header().as_bytes().to_vec();
        if let Binding::TlsExporter(exported) = &self.binding {
            bound.extend_from_slice(exported);
        }
        let without_proof = format!("c={},r={}", BASE64_STANDARD.encode(bound), first.nonce);
        let auth_message = format!("{},{challenge},{without_proof}", self.first_bare());

        let salted = salted_password(&self.password, &first);
        let client_key = hmac::sign(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let client_signature = hmac::sign(&sha256_key(stored_key.as_ref()), auth_message.as_bytes());
        let proof: Vec<u8> = client_key
            .as_ref()
            .iter()
            .zip(client_signature.as_ref())
            .map(|(key, signature)| key ^ signature)
            .collect();
        let server_key = hmac::sign(&salted, b"Server Key");
        self.place = Place::Final {
            server_key: sha256_key(server_key.as_ref()),
            auth_message,
        };
        let message = format!("{without_proof},p={}", BASE64_STANDARD.encode(proof));
        Ok(Secret::new(message.into_bytes()))
    }

    /// Server-final; it is answered with nothing, because IMAP has no room for it in the tagged response.
    fn check(&mut self, challenge: &str, server_key: &hmac::Key, auth_message: &str) -> Result<Secret<Vec<u8>>, Fault> {
        if let Some(error) = challenge.strip_prefix("e=") {
            return Err(refusal(error));
        }
        let mut attributes = challenge.split(',');
        let signature = attribute(attributes.next(), "v=").map_err(malformed)?;
        let signature = BASE64_STANDARD
            .decode(signature)
            .map_err(|_| malformed("its signature is not base64"))?;
        // In constant time.
        hmac::verify(server_key, auth_message.as_bytes(), &signature).map_err(|_| Fault::Impostor)?;
        self.place = Place::Proven;
        Ok(Secret::new(Vec::new()))
    }
}

/// `saslname` (RFC 5802 section 5.1).
pub(super) fn escape_name(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// The server's first message.
struct ServerFirst<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: NonZeroU32,
}

impl<'a> ServerFirst<'a> {
    fn read(text: &'a str, client_nonce: &str, bounds: &RangeInclusive<u32>) -> Result<ServerFirst<'a>, Fault> {
        let mut attributes = text.split(',');
        // `m=` in front would be an extension that must not be ignored (RFC 5802 section 5.1).
        let nonce = attribute(attributes.next(), "r=").map_err(malformed)?;
        let salt = attribute(attributes.next(), "s=").map_err(malformed)?;
        let iterations = attribute(attributes.next(), "i=").map_err(malformed)?;
        // A nonce without a part of the server's own would let it play an old conversation again.
        let own = nonce.strip_prefix(client_nonce).filter(|own| !own.is_empty());
        if own.is_none() || !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(malformed("its nonce does not begin with ours and go on"));
        }
        let salt = BASE64_STANDARD
            .decode(salt)
            .ok()
            .filter(|salt| !salt.is_empty())
            .ok_or_else(|| malformed("its salt is not base64"))?;
        let digits = iterations.bytes().all(|byte| byte.is_ascii_digit());
        let iterations = iterations
            .parse()
            .ok()
            .and_then(NonZeroU32::new)
            .filter(|_| digits)
            .ok_or_else(|| malformed("its iteration count is not a number"))?;
        if !bounds.contains(&iterations.get()) {
            return Err(Fault::Malformed(format!(
                "SCRAM: {iterations} iterations; it must be {} to {}",
                bounds.start(),
                bounds.end()
            )));
        }
        Ok(ServerFirst {
            nonce,
            salt,
            iterations,
        })
    }
}

fn attribute<'a>(attribute: Option<&'a str>, name: &str) -> Result<&'a str, &'static str> {
    attribute
        .and_then(|attribute| attribute.strip_prefix(name))
        .ok_or("an attribute is missing or at another place")
}

/// `SaltedPassword`, as the key that it is used for.
fn salted_password(password: &Secret<String>, first: &ServerFirst<'_>) -> hmac::Key {
    let mut salted = [0; digest::SHA256_OUTPUT_LEN];
    let password = password.expose().as_bytes();
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        first.iterations,
        &first.salt,
        password,
        &mut salted,
    );
    sha256_key(&salted)
}

fn sha256_key(bytes: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, bytes)
}

fn malformed(reason: &str) -> Fault {
    Fault::Malformed(format!("SCRAM: {reason}"))
}

/// `server-error` (RFC 5802 section 7).
fn refusal(error: &str) -> Fault {
    let error = error.split(',').next().unwrap_or_default();
    match error {
        "channel-bindings-dont-match" | "server-does-support-channel-binding" => {
            Fault::Tampered(format!("{error}: someone stands between the server and this machine"))
        }
        "unsupported-channel-binding-type" | "channel-binding-not-supported" => Fault::Unbound,
        _ => Fault::Refused(super::bearer::complaint(error.as_bytes())),
    }
}

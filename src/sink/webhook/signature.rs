//! Who sent a body and when, as Standard Webhooks has it: HMAC-SHA256 over `id.timestamp.body`.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use ring::hmac;

/// What stands before a key in base64.
pub(super) const SYMMETRIC: &str = "whsec_";
/// What stands before keys of the other kind, which are not for this signature: private and public.
const ASYMMETRIC: [&str; 2] = ["whsk_", "whpk_"];

/// The key that the receiver has, too. Its `Debug` prints none of it.
#[derive(Debug, Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// `whsec_` and base64, or any other text, which is then the key as it is.
    pub fn parse(secret: &str) -> Result<SigningKey, SigningKeyError> {
        if ASYMMETRIC.iter().any(|prefix| secret.starts_with(prefix)) {
            return Err(SigningKeyError::Asymmetric);
        }
        // As Node and Python read it, which is where the receiver's copy is likely to be.
        let lenient = GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true);
        let key = match secret.strip_prefix(SYMMETRIC) {
            Some(encoded) => GeneralPurpose::new(&STANDARD, lenient)
                .decode(encoded)
                .map_err(|_| SigningKeyError::Base64)?,
            None => secret.as_bytes().to_vec(),
        };
        if key.is_empty() {
            return Err(SigningKeyError::Empty);
        }
        Ok(SigningKey(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// The value of `webhook-signature`. `seconds` since 1970 is that of `webhook-timestamp`.
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{seconds}.").as_bytes());
        context.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
    }
}

/// Why a signing secret was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningKeyError {
    /// What follows `whsec_` is not base64.
    Base64,
    /// There is nothing in it.
    Empty,
    /// One half of an Ed25519 pair.
    Asymmetric,
}

impl fmt::Display for SigningKeyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            SigningKeyError::Base64 => "what follows whsec_ is not base64",
            SigningKeyError::Empty => "is empty",
            SigningKeyError::Asymmetric => {
                "is a key for v1a signatures; v1 needs the shared one, which begins with whsec_"
            }
        })
    }
}

impl std::error::Error for SigningKeyError {}

#[cfg(test)]
mod tests {
    use super::{SigningKey, SigningKeyError};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    /// Made with openssl: `printf %s ID.SECONDS.BODY | openssl dgst -sha256 -mac HMAC -macopt hexkey:… -binary | base64`.
    #[test]
    fn signatures_are_those_that_openssl_makes() {
        let sign = |secret: &str| {
            let key = SigningKey::parse(secret).expect("a key");
            key.sign(
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                br#"{"test": 2432232314}"#,
            )
        };
        assert_eq!(sign(SECRET), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(sign("hunter2"), "v1,OHuJfE0XDTiJkWS6x0mt8iAupLiXBJV9AJWrIlH+Scw=");
    }

    #[test]
    fn padding_may_be_there_or_not() {
        let sign = |secret: &str| SigningKey::parse(secret).expect("a key").sign("i", 1, b"b");
        assert_eq!(sign("whsec_aGk="), sign("whsec_aGk"));
        assert_eq!(sign("whsec_aGk="), sign("hi"));
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_quoted() {
        for (secret, error) in [
            ("", SigningKeyError::Empty),
            ("whsec_", SigningKeyError::Empty),
            ("whsec_hunter2!", SigningKeyError::Base64),
            ("whsk_aGk=", SigningKeyError::Asymmetric),
            ("whpk_aGk=", SigningKeyError::Asymmetric),
        ] {
            let found = SigningKey::parse(secret).expect_err(secret);
            assert_eq!(found, error);
            assert!(!found.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn printing_a_key_prints_none_of_it() {
        let key = SigningKey::parse("hunter2").expect("a key");
        assert!(!format!("{key:?}").contains("hunter2"));
    }
}

//! Settings → what every request begins with. All that can be wrong with them is found here, before anyone is contacted.

use std::fmt;

use super::quotation::Quotation;
use super::signature::{SYMMETRIC, SigningKey, SigningKeyError};
use crate::http::request::{FieldError, Method, Request};
use crate::http::url::{Url, UrlError};
use crate::limits;
use crate::secret::Secret;

/// A webhook receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `client_options.dest_url`. Its path may hold a secret: it is never logged.
    pub url: Secret<String>,
    /// `client_options.lc_secret`: sent as the header `lc-secret`.
    pub lc_secret: Option<Secret<String>>,
    /// `client_options.headers`: name and value, sent as they are.
    pub headers: Vec<(String, Secret<String>)>,
    /// `client_options.signing_secret`: every request carries a signature made with it.
    pub signing_secret: Option<Secret<String>>,
    /// `client_options.is_compressed`: the body is one gzip member.
    pub compressed: bool,
    /// `client_options.batch_events`: events of one request at the most.
    pub batch_events: usize,
    /// `is_insecure`: allows `http://` to hosts other than loopback.
    pub allow_clear_text: bool,
}

impl Settings {
    /// A receiver at `url`; everything else has its default.
    pub fn new(url: &str) -> Settings {
        Settings {
            url: Secret::new(url.to_owned()),
            lc_secret: None,
            headers: Vec::new(),
            signing_secret: None,
            compressed: false,
            batch_events: limits::BATCH_EVENTS,
            allow_clear_text: false,
        }
    }

    /// Whether a receiver can be reached with them.
    pub fn check(&self) -> Result<(), SettingsError> {
        Prepared::new(self).map(|_| ())
    }
}

/// What the settings come to.
pub(super) struct Prepared {
    /// All that is the same in every request.
    pub request: Request,
    pub signing_key: Option<SigningKey>,
    pub batch_events: usize,
    /// Where to look when the receiver does not let us in.
    pub advice: String,
    /// How to repeat what the receiver says.
    pub quotation: Quotation,
}

/// Header fields of every request that are not an operator's to set; [`Request`] has others.
const WRITTEN: [&str; 7] = [
    "Content-Encoding",
    "Content-Type",
    "Idempotency-Key",
    "lc-secret",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

impl Prepared {
    pub fn new(settings: &Settings) -> Result<Prepared, SettingsError> {
        let url = Url::parse(settings.url.expose(), settings.allow_clear_text).map_err(SettingsError::Url)?;
        let signing_key = settings.signing_secret.as_ref();
        let signing_key = signing_key.map(|secret| SigningKey::parse(secret.expose()));
        Ok(Prepared {
            request: request(settings, &url)?,
            signing_key: signing_key.transpose().map_err(SettingsError::SigningSecret)?,
            batch_events: settings.batch_events,
            advice: advice(settings),
            quotation: quotation(settings, &url),
        })
    }
}

fn request(settings: &Settings, url: &Url) -> Result<Request, SettingsError> {
    // One line is a JSON text, and receivers of single events know no other type.
    let content_type = match settings.batch_events {
        1 => "application/json",
        _ => "application/x-ndjson",
    };
    let encoding = settings.compressed.then_some(("Content-Encoding", "gzip"));
    let lc_secret = settings
        .lc_secret
        .as_ref()
        .map(|secret| ("lc-secret", secret.expose().as_str()));
    let mut request = Request::new(Method::Post, url);
    for (name, value) in [("Content-Type", content_type)]
        .into_iter()
        .chain(encoding)
        .chain(lc_secret)
    {
        request = request.with_field(name, value).map_err(SettingsError::LcSecret)?;
    }
    for (place, (name, value)) in settings.headers.iter().enumerate() {
        let refuse = |error| SettingsError::Header {
            name: name.clone(),
            error,
        };
        let mut earlier = settings.headers.iter().take(place);
        if earlier.any(|(earlier, _)| earlier.eq_ignore_ascii_case(name)) {
            return Err(refuse(HeaderError::Twice));
        }
        if WRITTEN.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
            return Err(refuse(HeaderError::Field(FieldError::Ours)));
        }
        let field = request.with_field(name, value.expose());
        request = field.map_err(|error| refuse(HeaderError::Field(error)))?;
        if value.expose().is_empty() {
            return Err(refuse(HeaderError::Empty));
        }
    }
    Ok(request)
}

/// The settings that a 401 or 403 is about.
fn advice(settings: &Settings) -> String {
    let mut advice = "check ".to_owned();
    for (used, setting) in [
        (!settings.headers.is_empty(), "client_options.headers, "),
        (settings.signing_secret.is_some(), "client_options.signing_secret, "),
    ] {
        if used {
            advice.push_str(setting);
        }
    }
    advice.push_str("client_options.lc_secret, and the secret part of client_options.dest_url");
    advice
}

fn quotation<'a>(settings: &'a Settings, url: &'a Url) -> Quotation {
    let text = |secret: &'a Secret<String>| secret.expose().as_str();
    let signing_secret = settings.signing_secret.iter().map(text);
    // With what stands before it, and without.
    let signing_secret = signing_secret.flat_map(|secret| [secret, secret.trim_start_matches(SYMMETRIC)]);
    let whole = settings.lc_secret.iter().map(text).chain(signing_secret);
    let values = settings.headers.iter().map(|(_, value)| value);
    Quotation::without(whole, values.chain([&url.target]).map(text))
}

/// Settings that cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsError {
    /// `client_options.dest_url`.
    Url(UrlError),
    /// `client_options.lc_secret`.
    LcSecret(FieldError),
    /// One of `client_options.headers`.
    Header {
        /// As it is configured.
        name: String,
        /// What is wrong with it.
        error: HeaderError,
    },
    /// `client_options.signing_secret`.
    SigningSecret(SigningKeyError),
}

/// Why one of the operator's headers was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// Its name or its value.
    Field(FieldError),
    /// The same name a second time, perhaps in another case.
    Twice,
    /// No value. A colon without a space behind it makes all of it a name.
    Empty,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderError::Field(error) => error.fmt(formatter),
            HeaderError::Twice => formatter.write_str("a header with this name is there already"),
            HeaderError::Empty => formatter.write_str("has no value"),
        }
    }
}

impl std::error::Error for HeaderError {}

impl SettingsError {
    /// The key under `client_options`, and what is wrong with its value.
    pub fn finding(&self) -> (String, String) {
        match self {
            SettingsError::Url(error) => ("dest_url".to_owned(), error.to_string()),
            SettingsError::LcSecret(error) => ("lc_secret".to_owned(), error.to_string()),
            SettingsError::Header { name, error } => (format!("headers.{name}"), error.to_string()),
            SettingsError::SigningSecret(error) => ("signing_secret".to_owned(), error.to_string()),
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, reason) = self.finding();
        write!(formatter, "client_options.{key}: {reason}")
    }
}

impl std::error::Error for SettingsError {}

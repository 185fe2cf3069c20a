//! `proxy` sections: of the IMAP connection, and of the receiver under `client_options`.

use super::duration;
use super::node::Finding;
use super::settings::Section;
use crate::http::url::{Url, UrlError};
use crate::limits;
use crate::net::proxy::{Credentials, Settings};
use crate::secret::Secret;

/// The proxy of a section; `None` where nothing is set in it. `setting` is the section's name in messages.
pub(super) fn proxy(section: &Section<'_>, setting: &'static str) -> Result<Option<Settings>, Finding> {
    const KEYS: [&str; 6] = [
        "url",
        "username",
        "password",
        "handshake_timeout",
        "connect_timeout",
        "read_write_timeout",
    ];
    if !KEYS.iter().any(|key| section.is_set(key)) {
        return Ok(None);
    }
    let url = section.required("url")?;
    // Mail is in TLS behind CONNECT, so that the way to the proxy may be in clear.
    let url = Url::parse(&url, true).map_err(|error| section.fault("url", &reason(error)))?;
    if url.target.expose() != "/" {
        return Err(section.fault("url", "names a proxy, so nothing comes behind its host and port"));
    }
    let timeout = |key, default| section.duration(key, default, duration::parse_of_original);
    Ok(Some(Settings {
        setting,
        endpoint: url.endpoint,
        credentials: credentials(section)?,
        connect_timeout: timeout("connect_timeout", limits::PROXY_CONNECT)?,
        handshake_timeout: timeout("handshake_timeout", limits::PROXY_HANDSHAKE)?,
        read_write_timeout: timeout("read_write_timeout", limits::PROXY_SILENCE)?,
    }))
}

fn reason(error: UrlError) -> String {
    match error {
        UrlError::Scheme => "must begin with http:// or https:// (SOCKS is not spoken)".to_owned(),
        UrlError::Credentials => {
            "must not carry a user name or password; set username and password beside it".to_owned()
        }
        other => other.to_string(),
    }
}

fn credentials(section: &Section<'_>) -> Result<Option<Credentials>, Finding> {
    let (username, password) = match (section.text("username")?, section.text("password")?) {
        (None, None) => return Ok(None),
        (Some(username), Some(password)) => (username, password),
        (Some(_), None) => return Err(section.fault("password", "missing beside username; set both or neither")),
        (None, Some(_)) => return Err(section.fault("username", "missing beside password; set both or neither")),
    };
    // RFC 7617 section 2: the first colon ends the user name, and neither holds control characters.
    if username.contains(':') {
        return Err(section.fault("username", "has a colon, which the proxy would take for its end"));
    }
    for (key, value) in [("username", &username), ("password", &password)] {
        if value.contains(|character: char| character.is_control()) {
            return Err(section.fault(key, "has a control character"));
        }
    }
    let password = Secret::new(password);
    Ok(Some(Credentials { username, password }))
}

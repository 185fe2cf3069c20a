//! `https://` URLs of receivers (RFC 3986, RFC 9110 section 4.2), read strictly: what is odd is refused, not repaired.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::limits;
use crate::net::{Endpoint, Security};
use crate::secret::Secret;

/// A receiver's URL, split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Where to connect.
    pub endpoint: Endpoint,
    /// Path and query as they go into the request line (origin-form, RFC 9112 section 3.2.1). They may hold a secret.
    pub target: Secret<String>,
}

impl Url {
    /// Reads `text`. `http://` is accepted for loopback, and for other hosts with `allow_clear_text`.
    pub fn parse(text: &str, allow_clear_text: bool) -> Result<Url, UrlError> {
        if text.len() > limits::URL {
            return Err(UrlError::TooLong);
        }
        if text.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(UrlError::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let security = match scheme.to_ascii_lowercase().as_str() {
            "https" => Security::Tls,
            "http" => Security::Plain,
            _ => return Err(UrlError::Scheme),
        };
        let authority_length = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(authority_length).ok_or(UrlError::Host)?;
        let (host, port) = split_authority(authority)?;
        let port = match port {
            Some(digits) => parse_port(digits)?,
            None => own_port(security),
        };
        if security == Security::Plain && !allow_clear_text && !is_loopback(&host) {
            return Err(UrlError::ClearText);
        }
        Ok(Url {
            endpoint: Endpoint { host, port, security },
            target: Secret::new(parse_target(target)?),
        })
    }

    /// The value of the Host field: the port only where it is not the scheme's own (RFC 9110 section 7.2).
    pub fn host_field(&self) -> String {
        let own = own_port(self.endpoint.security);
        let whole = self.endpoint.to_string();
        if self.endpoint.port == own {
            whole.strip_suffix(&format!(":{own}")).unwrap_or(&whole).to_owned()
        } else {
            whole
        }
    }
}

/// Why a URL was refused. It never quotes the URL: path, query and credentials are secrets, and a URL with a slip in it
/// may have them anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlError {
    /// Longer than [`limits::URL`].
    TooLong,
    /// A space, a control character, or one beyond ASCII.
    Character,
    /// Neither `https://` nor `http://`.
    Scheme,
    /// `user:password@host`.
    Credentials,
    /// No host, or not one.
    Host,
    /// Not a number from 1 to 65535.
    Port,
    /// `#…`.
    Fragment,
    /// A character in path or query that must be percent-encoded, or `%` without two hexadecimal digits.
    Target,
    /// `http://` to a host that is not this machine.
    ClearText,
}

impl fmt::Display for UrlError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            UrlError::TooLong => return write!(formatter, "the URL is longer than {} characters", limits::URL),
            UrlError::Character => {
                "the URL has a space, a control character or one beyond ASCII (write those as %XX, and hosts as xn--…)"
            }
            UrlError::Scheme => "the URL must begin with https://",
            UrlError::Credentials => "the URL must not carry a user name or password before the host",
            UrlError::Host => "the URL has no valid host name (IPv6 addresses stand in brackets)",
            UrlError::Port => "the port in the URL is not a number from 1 to 65535",
            UrlError::Fragment => "the URL has a fragment (#…), which is never sent; leave it away",
            UrlError::Target => "the URL's path or query has a character that must be written as %XX",
            UrlError::ClearText => {
                "http:// sends everything in clear text; use https:// (is_insecure allows it, and takes TLS from the IMAP \
                 connection as well)"
            }
        })
    }
}

impl std::error::Error for UrlError {}

fn own_port(security: Security) -> u16 {
    match security {
        Security::Plain => 80,
        Security::Tls | Security::StartTls => 443,
    }
}

/// Host (IPv6 without its brackets) and the digits of the port.
fn split_authority(authority: &str) -> Result<(String, Option<&str>), UrlError> {
    if authority.contains('@') {
        return Err(UrlError::Credentials);
    }
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (address, after) = bracketed.split_once(']').ok_or(UrlError::Host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| UrlError::Host)?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((address.to_string(), Some(port))),
            None if after.is_empty() => Ok((address.to_string(), None)),
            None => Err(UrlError::Host),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if is_host_name(host) {
        Ok((host.to_ascii_lowercase(), port))
    } else {
        Err(UrlError::Host)
    }
}

/// A host name or dotted IPv4 address. What ends in a number is an address or nothing: `127.1` and `0x7f.1` would be
/// one thing to us and another to the system's resolver.
fn is_host_name(host: &str) -> bool {
    let looks_like_address = host.rsplit('.').next().is_some_and(|last| {
        last.starts_with(|first: char| first.is_ascii_digit())
            && last
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b'x' || byte == b'X')
    });
    if looks_like_address {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    host.len() <= 253 && host.split('.').all(label)
}

fn parse_port(digits: &str) -> Result<u16, UrlError> {
    // `parse` alone would take a plus sign.
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UrlError::Port);
    }
    digits.parse().ok().filter(|port| *port != 0).ok_or(UrlError::Port)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

/// `absolute-path [ "?" query ]`, with the `/` that an empty path stands for.
fn parse_target(target: &str) -> Result<String, UrlError> {
    if target.contains('#') {
        return Err(UrlError::Fragment);
    }
    let mut bytes = target.bytes();
    while let Some(byte) = bytes.next() {
        let allowed = match byte {
            b'%' => [bytes.next(), bytes.next()]
                .iter()
                .all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit())),
            // RFC 3986: unreserved, sub-delims, and what pchar and query add.
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
            | b':' | b'@' | b'/' | b'?' => true,
            other => other.is_ascii_alphanumeric(),
        };
        if !allowed {
            return Err(UrlError::Target);
        }
    }
    Ok(if target.starts_with('/') {
        target.to_owned()
    } else {
        format!("/{target}")
    })
}

/// Any text is refused without being quoted, or yields a URL that reads back as itself and cannot break a request.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for allow_clear_text in [false, true] {
        let Ok(url) = Url::parse(text, allow_clear_text) else {
            continue;
        };
        let scheme = if url.endpoint.security == Security::Plain {
            "http"
        } else {
            "https"
        };
        let host_field = url.host_field();
        let target = url.target.expose();
        assert!(allow_clear_text || scheme == "https" || is_loopback(&url.endpoint.host));
        assert!(target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
        assert!(
            host_field
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'@' && byte != b'/')
        );
        let again = Url::parse(&format!("{scheme}://{host_field}{target}"), allow_clear_text);
        assert_eq!(again.as_ref(), Ok(&url), "a URL must read back as itself");
        assert!(!format!("{url:?}").contains(target.as_str()) || target == "/");
    }
}

#[cfg(test)]
mod tests;

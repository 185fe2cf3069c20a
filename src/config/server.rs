//! `server`: `host`, `host:port`, `[v6]:port`.

use std::net::Ipv6Addr;

use crate::net::{Endpoint, Security};

/// The endpoint that `server` names, on the port of its kind of `security` unless it says another.
pub(super) fn endpoint(server: &str, security: Security) -> Result<Endpoint, String> {
    let default_port = match security {
        Security::Tls => 993,
        Security::StartTls | Security::Plain => 143,
    };
    if server.contains("://") {
        return Err("write host:port without a scheme".to_owned());
    }
    let (host, port) = split(server)?;
    let in_host = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_');
    if host.parse::<Ipv6Addr>().is_err() && (host.is_empty() || !host.chars().all(in_host)) {
        return Err(
            "is not a host name or an address; write host, host:port or [v6]:port (other alphabets as xn--…)"
                .to_owned(),
        );
    }
    let port = match port {
        None => default_port,
        Some("imaps") => 993,
        Some("imap") => 143,
        Some(port) => port
            .parse()
            .ok()
            .filter(|number| *number != 0 && port.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or("the port is not a number from 1 to 65535, imap or imaps")?,
    };
    Ok(Endpoint {
        // Names are compared without case (RFC 4343), and the checkpoint's file is found by this one.
        host: host.to_ascii_lowercase(),
        port,
        security,
    })
}

fn split(server: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(rest) = server.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("`[` without `]`")?;
        if host.parse::<Ipv6Addr>().is_err() {
            return Err("what is in brackets is not an IPv6 address".to_owned());
        }
        return match (rest.is_empty(), rest.strip_prefix(':')) {
            (true, _) => Ok((host, None)),
            (false, Some(port)) => Ok((host, Some(port))),
            (false, None) => Err("after `]` comes `:port` or nothing".to_owned()),
        };
    }
    if server.parse::<Ipv6Addr>().is_ok() {
        return Ok((server, None));
    }
    Ok(server
        .split_once(':')
        .map_or((server, None), |(host, port)| (host, Some(port))))
}

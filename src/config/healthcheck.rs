//! `healthcheck`: a port, or an address with one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::node::{Content, Finding, Node};

/// Where `/healthz` is to be, by the `healthcheck` of this section; `path` is that key's whole name. A port alone is on loopback: the original serves every interface, and tells
/// strangers of the mailboxes. 0 is how the original says no.
pub(super) fn healthcheck(section: &Node, path: &str) -> Result<Option<SocketAddr>, Finding> {
    let Some(node) = section.get("healthcheck").filter(|node| !node.is_empty()) else {
        return Ok(None);
    };
    let fault = |reason: &str| Finding::at(node.place, format!("{path}: {reason}"));
    let Content::Scalar(text) = &node.content else {
        return Err(fault("expected a port"));
    };
    address(text.expose()).map_err(fault)
}

/// The address that `text` means; `None` where it is off.
pub(crate) fn address(text: &str) -> Result<Option<SocketAddr>, &'static str> {
    // `08080` is 4160 to some readers of YAML.
    let plain = |port: &str| port == "0" || !port.starts_with('0') && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.rsplit(':').next().filter(|port| plain(port));
    let address = match text.parse::<u16>() {
        Ok(port) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        Err(_) => text.parse().ok(),
    };
    match address.filter(|_| port.is_some()) {
        Some(address) if address.port() > 0 => Ok(Some(address)),
        Some(address) if address.ip().is_loopback() => Ok(None),
        _ => Err("expected a port from 1 to 65535, or an address with one, as in 0.0.0.0:8080 or [::]:8080; 0 is off"),
    }
}

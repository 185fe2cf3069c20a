//! What a section of the configuration connects with: dialers, and what proves that the account is ours.

use std::sync::Arc;

use rustls::ClientConfig;

use super::Watch;
use crate::clock::{Clock, Stop, SystemClock};
use crate::config::{self, Adapter};
use crate::limits;
use crate::mailbox::Credentials;
use crate::net::dial::TcpDialer;
use crate::net::proxy;
use crate::net::tls::{Protocol, Trust};
use crate::oauth::Tokens;
use crate::turns::Turns;

/// Connections to the IMAP server. They end with the request to stop.
pub(super) fn imap_dialer(
    adapter: &Adapter,
    trust: &Trust,
    clock: &Arc<SystemClock>,
    stop: &Arc<Stop>,
) -> Result<TcpDialer, String> {
    let pins = &adapter.tls_pins;
    let pinned = (!pins.is_empty()).then(|| Trust::pinned(pins));
    let tls = client_config(pinned.as_ref().unwrap_or(trust), Protocol::Imap)?;
    let dialer = TcpDialer::new(tls, Arc::clone(clock) as Arc<dyn Clock>, Some(Arc::clone(stop)));
    through(dialer, adapter.proxy.as_ref(), trust)
}

/// Connections to the receiver. A request to stop lets the acknowledgement under way come in.
pub(super) fn receiver_dialer(adapter: &Adapter, trust: &Trust, clock: &Arc<SystemClock>) -> Result<TcpDialer, String> {
    let tls = client_config(trust, Protocol::Http)?;
    let dialer = TcpDialer::new(tls, Arc::clone(clock) as Arc<dyn Clock>, None);
    let dialer = dialer.connect_within(limits::HTTP_CONNECT);
    through(dialer, adapter.receiver_proxy.as_ref(), trust)
}

fn through(dialer: TcpDialer, proxy: Option<&proxy::Settings>, trust: &Trust) -> Result<TcpDialer, String> {
    Ok(match proxy {
        None => dialer,
        Some(proxy) => dialer.through(proxy.clone(), client_config(trust, Protocol::Http)?),
    })
}

fn client_config(trust: &Trust, protocol: Protocol) -> Result<Arc<ClientConfig>, String> {
    trust.client_config(protocol).map_err(|error| error.to_string())
}

/// An account's turns, of all sections that get into it by the same way: the server counts connections, and wrong passwords, by
/// account and not by section. Turns are handed on with their connections, so sections that trust something else, or come by
/// another proxy, share none.
pub(super) fn turns(adapter: &Adapter, others: &[Watch]) -> Arc<Turns> {
    let same = |other: &&Watch| {
        let theirs = &other.adapter;
        theirs.imap == adapter.imap
            && theirs.credentials == adapter.credentials
            && theirs.ca_file == adapter.ca_file
            && theirs.tls_pins == adapter.tls_pins
            && theirs.proxy == adapter.proxy
    };
    let Some(other) = others.iter().find(same) else {
        return Turns::new(adapter.max_connections);
    };
    other.turns.at_most(adapter.max_connections);
    Arc::clone(&other.turns)
}

/// The password, or the tokens: the same for mailboxes that get them with the same settings, because a provider may replace
/// the refresh token and count the use of an old one as theft.
pub(super) fn credentials(
    adapter: &Adapter,
    trust: &Trust,
    others: &[Watch],
    clock: &Arc<SystemClock>,
    stop: &Arc<Stop>,
) -> Result<Credentials, String> {
    let settings = match &adapter.credentials {
        config::Credentials::Password(password) => return Ok(Credentials::Password(password.clone())),
        config::Credentials::OAuth(settings) => settings,
    };
    let same = |other: &&Watch| {
        let theirs = &other.adapter;
        theirs.credentials == adapter.credentials && theirs.ca_file == adapter.ca_file && theirs.proxy == adapter.proxy
    };
    if let Some(other) = others.iter().find(same) {
        return Ok(other.credentials.clone());
    }
    let tls = client_config(trust, Protocol::Http)?;
    let dialer = TcpDialer::new(tls, Arc::clone(clock) as Arc<dyn Clock>, Some(Arc::clone(stop)));
    let dialer = through(
        dialer.connect_within(limits::HTTP_CONNECT),
        adapter.proxy.as_ref(),
        trust,
    )?;
    let tokens = Tokens::new(settings.clone(), Arc::new(dialer), Arc::clone(clock) as Arc<dyn Clock>);
    let tokens = tokens.kept_in(&adapter.state_dir);
    Ok(Credentials::Tokens(Arc::new(tokens)))
}

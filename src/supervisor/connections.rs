//! What a section of the configuration connects with: dialers, and what proves that the account is ours.

use std::sync::Arc;

use rustls::ClientConfig;

use super::Watch;
use super::common::Common;
use crate::clock::{Clock, Stop, SystemClock};
use crate::config::{self, Adapter};
use crate::limits;
use crate::mailbox::Credentials;
use crate::metrics::Registry;
use crate::net::Dial;
use crate::net::counted::Counted;
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

/// The same, but that waits which take too long are counted.
pub(super) fn counted(dialer: TcpDialer, registry: &Arc<Registry>) -> Arc<dyn Dial> {
    Arc::new(Counted {
        inner: Arc::new(dialer),
        registry: Arc::clone(registry),
    })
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
    let Some(other) = others.iter().find(|other| share_turns(adapter, &other.adapter)) else {
        return Turns::new(adapter.max_connections);
    };
    other.turns.at_most(adapter.max_connections);
    Arc::clone(&other.turns)
}

/// Whether the mailboxes of both take turns together.
pub(super) fn share_turns(one: &Adapter, other: &Adapter) -> bool {
    one.imap == other.imap
        && one.credentials == other.credentials
        && one.ca_file == other.ca_file
        && one.tls_pins == other.tls_pins
        && one.proxy == other.proxy
}

/// The password, or the tokens.
pub(super) fn credentials(adapter: &Adapter, trust: &Trust, common: &Common) -> Result<Credentials, String> {
    let settings = match &adapter.credentials {
        config::Credentials::Password(password) => return Ok(Credentials::Password(password.clone())),
        config::Credentials::OAuth(settings) => settings,
    };
    let make = || {
        let tls = client_config(trust, Protocol::Http)?;
        let clock = Arc::clone(&common.clock) as Arc<dyn Clock>;
        // They outlive a section that begins anew.
        let dialer = TcpDialer::new(tls, Arc::clone(&clock), Some(Arc::clone(&common.stop)));
        let dialer = dialer.connect_within(limits::HTTP_CONNECT);
        let dialer = through(dialer, adapter.proxy.as_ref(), trust)?;
        Ok(Tokens::new(settings.clone(), Arc::new(dialer), clock).kept_in(&adapter.state_dir))
    };
    common.tokens(adapter, make).map(Credentials::Tokens)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::config::{self, Adapter};
    use crate::supervisor::Supervisor;

    fn section(inbox_name: &str, more: &[&str]) -> Adapter {
        let inbox_name = format!("inbox_name={inbox_name}");
        let mut arguments = vec!["client_options.dest_url=stdout:", &inbox_name];
        for (key, usual) in [
            ("server=", "server=mail.example.org"),
            ("username=", "username=u"),
            ("password=", "password=p"),
        ] {
            if !more.iter().any(|argument| argument.starts_with(key)) {
                arguments.push(usual);
            }
        }
        arguments.extend(more);
        let loaded = config::from_arguments(arguments, &|name| (name == "HOME").then(|| "/nowhere".to_owned()));
        loaded.unwrap().adapters.remove(0)
    }

    /// Whether a section with `more` shares the connections of one with nothing more.
    fn share(more: &[&str]) -> bool {
        let adapters = vec![section("A", &[]), section("B", more)];
        let supervisor = Supervisor::prepare(adapters).unwrap();
        let [first, second] = supervisor.watches.as_slice() else {
            panic!("two sections")
        };
        Arc::ptr_eq(&first.turns, &second.turns)
    }

    #[test]
    fn sections_share_an_accounts_connections_where_they_come_by_the_same_way() {
        assert!(share(&[]));
        assert!(share(&["max_connections=3"]), "the smaller number holds");
        // A connection is handed on: nobody gets one that it would not have trusted, or that logged in as somebody else.
        for more in [
            "username=v",
            "password=another",
            "server=mail.example.org:1993",
            "compress=true",
            "tls_pin_sha256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "proxy.url=http://proxy.example.org:3128",
        ] {
            assert!(!share(&[more]), "{more}");
        }
    }
}

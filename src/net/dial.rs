//! Resolve, try addresses, connect, ask the proxy if there is one, shake hands: each phase with its deadline, and all of it given up when the program stops.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustls::ClientConfig;

use super::proxy;
use super::socket::Socket;
use super::start_tls::StartTls;
use super::tls::TlsStream;
use super::{Dial, Endpoint, NetError, NetErrorKind, Security, Stream};
use crate::clock::{Clock, Phase, Stop};
use crate::limits;

/// Opens TCP connections, through a proxy where there is one, with TLS where the endpoint asks for it. Every connection of
/// the program is made here.
pub struct TcpDialer {
    tls: Arc<ClientConfig>,
    clock: Arc<dyn Clock>,
    stop: Option<Arc<Stop>>,
    connect: Duration,
    /// With the trust for a proxy that speaks TLS itself.
    proxy: Option<(proxy::Settings, Arc<ClientConfig>)>,
}

impl TcpDialer {
    /// A dialer that trusts what `tls` trusts (see [`super::tls::Trust`]) and measures deadlines with `clock`.
    ///
    /// With a `stop`, dialling and reading end with [`NetErrorKind::Stopped`] as soon as it is asked: for a source of
    /// mail. Without one, connections live on until they are dropped: for a sink, whose acknowledgement is awaited.
    pub fn new(tls: Arc<ClientConfig>, clock: Arc<dyn Clock>, stop: Option<Arc<Stop>>) -> TcpDialer {
        TcpDialer {
            tls,
            clock,
            stop,
            connect: limits::CONNECT,
            proxy: None,
        }
    }

    /// Gives TCP connections, over all addresses of a host, `connect` instead of [`limits::CONNECT`].
    #[must_use]
    pub fn connect_within(self, connect: Duration) -> TcpDialer {
        TcpDialer { connect, ..self }
    }

    /// Lets `proxy` open the connections. `tls` is for a proxy that is spoken to in TLS; it is not the origin's.
    #[must_use]
    pub fn through(self, proxy: proxy::Settings, tls: Arc<ClientConfig>) -> TcpDialer {
        TcpDialer {
            proxy: Some((proxy, tls)),
            ..self
        }
    }
}

impl Dial for TcpDialer {
    fn dial(&self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, NetError> {
        let stream = match &self.proxy {
            None => Box::new(self.open(endpoint, &endpoint.to_string(), self.connect)?),
            Some((proxy, tls)) => self.dial_through(proxy, tls, endpoint)?,
        };
        match endpoint.security {
            Security::Plain => Ok(stream),
            Security::StartTls => {
                let tls = Arc::clone(&self.tls);
                Ok(Box::new(StartTls::new(stream, &endpoint.host, tls)))
            }
            Security::Tls => {
                let deadline = self.clock.deadline(Phase::Tls, limits::TLS_HANDSHAKE);
                let stream = TlsStream::connect(stream, &endpoint.host, Arc::clone(&self.tls), deadline)?;
                Ok(Box::new(stream))
            }
        }
    }
}

impl TcpDialer {
    fn dial_through(
        &self,
        proxy: &proxy::Settings,
        tls: &Arc<ClientConfig>,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn Stream>, NetError> {
        let socket = self.open(&proxy.endpoint, &proxy.peer(), proxy.connect_timeout)?;
        let mut stream: Box<dyn Stream> = Box::new(socket);
        let deadline = self.clock.deadline(Phase::Tls, proxy.handshake_timeout);
        if proxy.wants_tls() {
            let tls = Arc::clone(tls);
            stream = Box::new(TlsStream::connect(stream, &proxy.endpoint.host, tls, deadline)?);
        }
        proxy::tunnel(stream, proxy, endpoint, &*self.clock, deadline)
    }

    /// A TCP connection to `endpoint`, which messages call `peer`.
    fn open(&self, endpoint: &Endpoint, peer: &str, connect: Duration) -> Result<Socket, NetError> {
        let addresses = self.resolve(endpoint, peer)?;
        let connected = self.connect(peer, &addresses, connect)?;
        // Commands and requests are written whole: waiting to fill a segment only delays them. TCP keepalive would be good
        // to have as well, but the standard library cannot set it, and IDLE's cycle, which gets shorter
        // where connections die in it, and every deadline find a dead peer.
        connected
            .set_nodelay(true)
            .map_err(|error| failed(peer, Phase::Connect, NetErrorKind::Io(error.to_string())))?;
        let clock = Arc::clone(&self.clock);
        Ok(Socket::new(connected, peer.to_owned(), clock, self.stop.as_ref()))
    }

    fn resolve(&self, endpoint: &Endpoint, peer: &str) -> Result<Vec<SocketAddr>, NetError> {
        if let Ok(address) = endpoint.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, endpoint.port)]);
        }
        let name = (endpoint.host.clone(), endpoint.port);
        let lookup = move || name.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        match self.outside(limits::RESOLVE, lookup) {
            Outcome::Done(Ok(addresses)) if addresses.is_empty() => Err(failed(
                peer,
                Phase::Resolve,
                NetErrorKind::NotFound("it has no address".to_owned()),
            )),
            Outcome::Done(Ok(addresses)) => Ok(interleave(&addresses)),
            Outcome::Done(Err(error)) => Err(failed(peer, Phase::Resolve, NetErrorKind::NotFound(error.to_string()))),
            Outcome::TimedOut => Err(failed(peer, Phase::Resolve, NetErrorKind::TimedOut(limits::RESOLVE))),
            Outcome::Stopped => Err(failed(peer, Phase::Resolve, NetErrorKind::Stopped)),
            Outcome::NotStarted(error) => Err(failed(peer, Phase::Resolve, NetErrorKind::Io(error.to_string()))),
        }
    }

    /// Tries the addresses in turn under one deadline. Each gets an equal share of what is left, so that a first
    /// address that swallows packets leaves time for the others.
    fn connect(&self, peer: &str, addresses: &[SocketAddr], connect: Duration) -> Result<TcpStream, NetError> {
        let deadline = self.clock.deadline(Phase::Connect, connect);
        let mut last = NetErrorKind::TimedOut(connect);
        for (tried, &address) in addresses.iter().enumerate() {
            let Some(remaining) = deadline.remaining(self.clock.now()) else {
                break;
            };
            let share = fair_share(remaining, addresses.len().saturating_sub(tried));
            last = match self.outside(share, move || TcpStream::connect_timeout(&address, share)) {
                Outcome::Done(Ok(connected)) => return Ok(connected),
                Outcome::Stopped => return Err(failed(peer, Phase::Connect, NetErrorKind::Stopped)),
                Outcome::TimedOut => NetErrorKind::TimedOut(share),
                Outcome::Done(Err(error)) if error.kind() == io::ErrorKind::TimedOut => NetErrorKind::TimedOut(share),
                Outcome::Done(Err(error)) | Outcome::NotStarted(error) => NetErrorKind::Io(match addresses.len() {
                    1 => error.to_string(),
                    count => format!("{error} (at {address}, address {} of {count})", tried.saturating_add(1)),
                }),
            };
        }
        Err(failed(peer, Phase::Connect, last))
    }

    /// Runs blocking `work` on a thread of its own and waits for it up to `wait`: the system's resolver has no deadline,
    /// and neither it nor a connect can be woken. Work that is given up ends by itself, unheard.
    fn outside<T: Send + 'static>(&self, wait: Duration, work: impl FnOnce() -> T + Send + 'static) -> Outcome<T> {
        let (sender, receiver) = mpsc::channel();
        let stopped = sender.clone();
        let _guard = self.stop.as_ref().map(|stop| {
            stop.on_stop(move || {
                // Nobody listens any more: the work is already done.
                let _ = stopped.send(Outcome::Stopped);
            })
        });
        let spawned = thread::Builder::new().name("dial".to_owned()).spawn(move || {
            let _ = sender.send(Outcome::Done(work()));
        });
        if let Err(error) = spawned {
            return Outcome::NotStarted(error);
        }
        match receiver.recv_timeout(wait) {
            Ok(outcome) => outcome,
            // Disconnected: the thread ended without a word, which only a panic in the standard library could do.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Outcome::TimedOut,
        }
    }
}

enum Outcome<T> {
    Done(T),
    TimedOut,
    Stopped,
    NotStarted(io::Error),
}

/// What one of `left` addresses gets of the time that remains for all of them.
fn fair_share(remaining: Duration, left: usize) -> Duration {
    let left = u32::try_from(left).unwrap_or(u32::MAX);
    // A timeout of zero would be an error to the kernel.
    remaining
        .checked_div(left)
        .unwrap_or(remaining)
        .max(Duration::from_millis(1))
}

/// IPv6 and IPv4 in turns, beginning with the resolver's first choice: one broken family costs one attempt, not all.
fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut result = Vec::with_capacity(addresses.len());
    for address in first {
        result.push(address);
        result.extend(second.next());
    }
    result.extend(second);
    result.truncate(limits::ADDRESSES);
    result
}

fn failed(peer: &str, phase: Phase, kind: NetErrorKind) -> NetError {
    NetError {
        peer: peer.to_owned(),
        phase,
        kind,
    }
}

#[cfg(test)]
mod tests;

//! An HTTP proxy in this process that does CONNECT, and remembers what it was asked for.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;

use super::Watched;
use super::certificates::{self, Certificate};
use super::wire::{Connection, Listener};

/// What stands behind a host name that only the proxy knows; other names are looked up.
pub type Known = Vec<(&'static str, u16)>;

/// The proxy; it stops when it is dropped.
pub struct Proxy {
    listener: Listener,
    heads: Arc<Watched<Vec<String>>>,
}

impl Proxy {
    /// `certificate`: for TLS with the proxy itself. `login`: the only Proxy-Authorization that is let through.
    pub fn start(certificate: Option<Certificate>, login: Option<&'static str>, known: Known) -> Proxy {
        let heads = Arc::new(Watched::new(Vec::new()));
        let record = Arc::clone(&heads);
        let config = certificate.map(certificates::server_config);
        let listener = Listener::start(config, move |connection| {
            // A side that goes away ends the connection, nothing else.
            let _ = serve(connection, login, &known, &record);
        });
        Proxy { listener, heads }
    }

    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// Every request, whole.
    pub fn heads(&self) -> Vec<String> {
        self.heads.look(Clone::clone)
    }
}

fn serve(
    connection: &Arc<Connection>,
    login: Option<&str>,
    known: &Known,
    heads: &Watched<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    while !head.ends_with(b"\r\n\r\n") {
        let count = connection.read(&mut buffer[..1])?;
        if count == 0 {
            return Ok(());
        }
        head.push(buffer[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    heads.change(|heads| heads.push(head.clone()));
    if login.is_some_and(|login| !head.contains(&format!("\r\nProxy-Authorization: {login}\r\n"))) {
        return connection
            .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"p\"\r\n\r\n");
    }
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let (host, port) = target.and_then(|target| target.rsplit_once(':')).unwrap();
    let origin = match known.iter().find(|(name, _)| *name == host) {
        Some((_, port)) => TcpStream::connect(("localhost", *port)),
        None => TcpStream::connect((host, port.parse().unwrap())),
    };
    let Ok(mut origin) = origin else {
        return connection.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n");
    };
    origin.set_nodelay(true)?;
    connection.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let back = thread::spawn({
        let (mut origin, connection) = (origin.try_clone()?, Arc::clone(connection));
        move || {
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(count @ 1..) = origin.read(&mut buffer) {
                if connection.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            connection.close();
        }
    });
    while let Ok(count @ 1..) = connection.read(&mut buffer) {
        origin.write_all(&buffer[..count])?;
    }
    let _ = origin.shutdown(Shutdown::Both);
    let _ = back.join();
    Ok(())
}

//! A server that is known by its key.

use std::sync::Arc;

use rustls::crypto::ring::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use super::*;
use crate::net::tls::pin::Pin;

/// The key of all server certificates in `testdata/tls`, as `openssl` sees it.
const KEY: &str = "TbgYrCT6LmhgttRhSjME+hOS2uHO8ypd0NVEZygwMW8=";
/// The authority's.
const AUTHORITY: &str = "rpOo2bdt/77TgIBb5keO3i4/kXyZctJQrut1qEobZWc=";

fn pinned(pins: &[&str]) -> Trust {
    let pins: Vec<Pin> = pins.iter().map(|pin| Pin::parse(pin).expect("a pin")).collect();
    Trust::pinned(&pins)
}

/// Greets, and waits for the goodbye.
fn greet(mut server: Server) {
    if server.write_all(b"* OK").and_then(|()| server.flush()).is_ok() {
        let _ = server.read(&mut [0; 16]);
    }
}

/// What a client that trusts `trust` reads of a server with `certificate` that it calls `host`.
fn meet(trust: &Trust, host: &str, certificate: &'static str) -> Result<Vec<u8>, String> {
    let (stream, server) = dial_trusting(trust, host, move |tcp| greet(accept(tcp, certificate)));
    let read = stream.map_err(|error| error.to_string()).map(|mut stream| {
        let mut buffer = [0; 16];
        let count = stream.read(&mut buffer, deadline()).expect("read");
        buffer[..count].to_vec()
    });
    server.join().expect("served");
    read
}

#[test]
fn the_key_alone_counts_not_authority_name_or_date() {
    for certificate in ["server.pem", "expired.pem", "wrong_host.pem"] {
        for host in ["localhost", "192.0.2.1", "mail.example"] {
            assert_eq!(meet(&pinned(&[KEY]), host, certificate), Ok(b"* OK".to_vec()));
        }
    }
    assert!(
        meet(&pinned(&[AUTHORITY, KEY]), "localhost", "server.pem").is_ok(),
        "one of several"
    );
}

#[test]
fn another_key_is_refused_and_shown_though_the_certificate_is_good() {
    let expected = format!(
        "localhost:993: TLS handshake: the server's key is not one of tls_pin_sha256; it is {KEY}: set that if the server's \
         owner confirms it, otherwise somebody else answers"
    );
    assert_eq!(meet(&pinned(&[AUTHORITY]), "localhost", "server.pem"), Err(expected));
}

#[test]
fn nobody_is_trusted_when_no_key_is() {
    assert!(meet(&pinned(&[]), "localhost", "server.pem").is_err());
}

/// Shows a certificate and signs with another key.
#[derive(Debug)]
struct Thief(Arc<CertifiedKey>);

impl ResolvesServerCert for Thief {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[test]
fn a_copied_certificate_without_its_key_is_refused() {
    for version in [&TLS13, &TLS12] {
        let (stream, server) = dial_trusting(&pinned(&[KEY]), "localhost", move |tcp| {
            let chain = vec![CertificateDer::from_pem_file(file("server.pem")).expect("certificate")];
            let key = PrivateKeyDer::from_pem_file(file("other_key.pem")).expect("key");
            let thief = Thief(Arc::new(CertifiedKey::new(
                chain,
                any_supported_type(&key).expect("a key"),
            )));
            let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_protocol_versions(&[version])
                .expect("a version")
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(thief));
            greet(StreamOwned::new(
                ServerConnection::new(Arc::new(config)).expect("a connection"),
                tcp,
            ));
        });
        let error = stream.map(|_| ()).expect_err("refused").to_string();
        assert!(error.starts_with("localhost:993: TLS handshake: "), "{error}");
        assert!(error.contains("BadSignature") || error.contains("signature"), "{error}");
        server.join().expect("served");
    }
}

#[test]
fn a_pin_speaks_tls_1_2_as_well() {
    let (stream, server) = dial_trusting(&pinned(&[KEY]), "localhost", |tcp| {
        let chain = vec![CertificateDer::from_pem_file(file("server.pem")).expect("certificate")];
        let key = PrivateKeyDer::from_pem_file(file("server_key.pem")).expect("key");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&TLS12])
            .expect("a version")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a configuration");
        greet(StreamOwned::new(
            ServerConnection::new(Arc::new(config)).expect("a connection"),
            tcp,
        ));
    });
    assert!(stream.is_ok());
    drop(stream);
    server.join().expect("served");
}

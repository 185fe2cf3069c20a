//! What a login can be bound to.

use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};

use super::{dial, file};
use crate::net::Stream;

/// What both ends have of one connection with a server that knows only `version`.
fn bindings(version: &'static SupportedProtocolVersion) -> (Option<[u8; 32]>, [u8; 32]) {
    let (stream, server) = dial(Some("ca.pem"), "localhost", move |tcp| theirs(tcp, version));
    let ours = stream.expect("shaken hands").channel_binding();
    (ours, server.join().expect("served"))
}

fn theirs(mut tcp: TcpStream, version: &'static SupportedProtocolVersion) -> [u8; 32] {
    let chain = vec![CertificateDer::from_pem_file(file("server.pem")).expect("certificate")];
    let key = PrivateKeyDer::from_pem_file(file("server_key.pem")).expect("key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .expect("a configuration");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut connection = ServerConnection::new(Arc::new(config)).expect("a connection");
    while connection.is_handshaking() {
        connection.complete_io(&mut tcp).expect("a handshake");
    }
    // RFC 9266 section 2.
    connection
        .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""))
        .expect("exported")
}

#[test]
fn both_ends_have_the_same_and_no_other_connection_has_it() {
    let (ours, theirs) = bindings(&TLS13);
    assert_eq!(ours, Some(theirs));
    let (others, _) = bindings(&TLS13);
    assert_ne!(ours, others);
}

#[test]
fn before_tls_1_3_there_is_none() {
    assert_eq!(bindings(&TLS12).0, None);
}

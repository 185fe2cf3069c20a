//! Where an organisation's hosts are: LimaCharlie is asked, without authentication.

use std::net::IpAddr;

use serde_json::Value;

use crate::clock::Clock;
use crate::http::exchange::Exchange;
use crate::http::request::{Method, Request};
use crate::http::url::{Url, UrlError};
use crate::net::{Dial, Security};
use crate::sink::DeliveryError;

/// Who knows where an organisation is.
const DIRECTORY: &str = "https://api.limacharlie.io/v1/orgs";

/// What is asked for the organisation `oid`.
pub fn address(oid: &str) -> Result<Url, UrlError> {
    Url::parse(&format!("{DIRECTORY}/{oid}/url"), false)
}

/// The address of a WebSocket: `ws://` and `wss://` are `http://` and `https://` until the handshake.
pub fn websocket_url(text: &str, allow_clear_text: bool) -> Result<Url, UrlError> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("wss", text));
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "ws" | "http" => "http",
        "wss" | "https" => "https",
        _ => return Err(UrlError::Scheme),
    };
    Url::parse(&format!("{scheme}://{rest}"), allow_clear_text)
}

/// The address of the artifact store on `host`.
pub fn store_url(host: &str) -> Result<Url, UrlError> {
    let host = host.trim_end_matches('/');
    if host.contains("://") {
        return Url::parse(&format!("{host}/ingest"), false);
    }
    Url::parse(&format!("https://{host}/ingest"), false)
}

/// Asks, over a connection that nobody needs afterwards.
pub struct Discovery;

/// Where an organisation's services are: `{"url": {"lc_wss": "…", …}, …}`.
pub struct Hosts(Value);

impl Hosts {
    /// Of an answer; what cannot be read names no host.
    fn read(body: &[u8]) -> Hosts {
        Hosts(serde_json::from_slice(body).unwrap_or_default())
    }

    /// The address of the organisation's WebSocket.
    fn websocket(&self) -> Option<Url> {
        let host = self.host("lc_wss")?;
        websocket_url(&format!("{}/usp", host.trim_end_matches('/')), false).ok()
    }

    /// The host of a service. It may carry a scheme, in development.
    pub fn host(&self, service: &str) -> Option<String> {
        let host = self.0.get("url")?.get(service)?.as_str()?;
        (!host.is_empty()).then(|| host.to_owned())
    }
}

impl Discovery {
    /// The address of the organisation's WebSocket.
    pub fn find(&self, address: &Url, dial: &dyn Dial, clock: &dyn Clock) -> Result<Url, DeliveryError> {
        let url = self.hosts(address, dial, clock)?.websocket();
        url.ok_or_else(|| DeliveryError::Retry {
            reason: format!(
                "LimaCharlie's directory: {} names no host for its protocol (lc_wss)",
                address.endpoint
            ),
            after: None,
        })
    }

    /// All hosts of the organisation.
    pub fn hosts(&self, address: &Url, dial: &dyn Dial, clock: &dyn Clock) -> Result<Hosts, DeliveryError> {
        let request = Request::new(Method::Get, address);
        let asked = &address.endpoint;
        let response = Exchange::new()
            .send(dial, clock, &request, &[])
            .map_err(|error| DeliveryError::unanswered("LimaCharlie's directory", &error))?;
        match response.status {
            200 => Ok(Hosts::read(&response.body)),
            400 | 401 | 403 | 404 => Err(DeliveryError::Configuration {
                reason: format!(
                    "{asked} knows no such organisation (status {}): check client_options.identity.oid",
                    response.status
                ),
            }),
            status => Err(DeliveryError::Retry {
                reason: format!("LimaCharlie's directory: {asked} answered {status}"),
                after: response.retry_after(clock.unix_milliseconds()),
            }),
        }
    }
}

/// Whatever the directory says, mail goes nowhere in clear but to this machine.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let hosts = Hosts::read(data);
    let store = hosts.host("artifacts").and_then(|host| store_url(&host).ok());
    for url in hosts.websocket().into_iter().chain(store) {
        let endpoint = &url.endpoint;
        let loopback = endpoint.host == "localhost" || endpoint.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        assert!(endpoint.security == Security::Tls || loopback, "{endpoint}");
        assert!(
            !url.target
                .expose()
                .contains(|character: char| character.is_control() || character == ' ')
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Discovery, address, websocket_url};
    use crate::http::script::{Network, Step, say};
    use crate::http::url::UrlError;
    use crate::net::Security;
    use crate::sink::DeliveryError;

    fn find(answer: &str) -> Result<String, DeliveryError> {
        let network = Network::new([vec![Step::Request, say(answer)]]);
        let url = Discovery.find(&address("some-oid").unwrap(), &*network, &*network.clock)?;
        let (_, request) = network.requests().remove(0);
        assert!(request.starts_with(b"GET /v1/orgs/some-oid/url HTTP/1.1\r\nHost: api.limacharlie.io\r\n"));
        Ok(format!("{} {}", url.endpoint, url.target.expose()))
    }

    fn answer(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn the_host_is_found_among_keys_that_nobody_knows() {
        let body = r#"{"url":{"lc":"a","lc_wss":"wss.example","private_endpoints":{"x":[1]},"new":null},"certs":{},"site_name":"s"}"#;
        assert_eq!(find(&answer(body)), Ok("wss.example:443 /usp".to_owned()));
        let with_scheme = r#"{"url":{"lc_wss":"http://127.0.0.1:8080/"}}"#;
        assert_eq!(find(&answer(with_scheme)), Ok("127.0.0.1:8080 /usp".to_owned()));
    }

    #[test]
    fn an_answer_without_the_host_is_tried_again_and_names_the_directory() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"url":[]}"#,
            r#"{"url":{"lc_wss":""}}"#,
            r#"{"url":{"lc_wss":"a b"}}"#,
            // Clear text to another machine is not accepted from anybody.
            r#"{"url":{"lc_wss":"http://elsewhere.example"}}"#,
        ] {
            let Err(DeliveryError::Retry { reason, .. }) = find(&answer(body)) else {
                panic!("{body}")
            };
            assert!(reason.contains("api.limacharlie.io:443 names no host"), "{reason}");
        }
    }

    #[test]
    fn a_refusal_names_the_setting_and_trouble_is_waited_for() {
        let status = |line: &str| find(&format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n"));
        let Err(DeliveryError::Configuration { reason }) = status("404 Not Found") else {
            panic!()
        };
        assert!(reason.contains("client_options.identity.oid"), "{reason}");
        let Err(DeliveryError::Retry { after, .. }) = status("503 Busy\r\nRetry-After: 7") else {
            panic!()
        };
        assert_eq!(after.map(|after| after.as_secs()), Some(7));
    }

    #[test]
    fn schemes_of_websockets_are_those_of_http() {
        let security = |text: &str| websocket_url(text, true).map(|url| (url.endpoint.security, url.endpoint.port));
        assert_eq!(security("wss://h/usp"), Ok((Security::Tls, 443)));
        assert_eq!(security("WS://h:81"), Ok((Security::Plain, 81)));
        assert_eq!(security("h/usp"), Ok((Security::Tls, 443)));
        assert_eq!(security("ftp://h"), Err(UrlError::Scheme));
        assert_eq!(websocket_url("ws://h/usp", false), Err(UrlError::ClearText));
    }
}

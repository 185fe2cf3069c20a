//! Connections whose waits are counted when they take too long, whoever waits.

use std::io::IoSlice;
use std::sync::Arc;

use super::{Dial, Endpoint, NetError, NetErrorKind, Stream};
use crate::clock::Deadline;
use crate::metrics::Registry;

/// Dials as `inner` does.
pub struct Counted {
    /// What dials.
    pub inner: Arc<dyn Dial>,
    /// Where it is counted.
    pub registry: Arc<Registry>,
}

impl Dial for Counted {
    fn dial(&self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, NetError> {
        let inner = self.inner.dial(endpoint);
        let inner = inner.inspect_err(|error| count(&self.registry, error))?;
        Ok(Box::new(CountedStream {
            inner,
            registry: Arc::clone(&self.registry),
        }))
    }
}

struct CountedStream {
    inner: Box<dyn Stream>,
    registry: Arc<Registry>,
}

fn count(registry: &Registry, error: &NetError) {
    if let NetErrorKind::TimedOut(_) = error.kind {
        registry.timeouts.count(error.phase);
    }
}

impl Stream for CountedStream {
    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, NetError> {
        let read = self.inner.read(buffer, deadline);
        read.inspect_err(|error| count(&self.registry, error))
    }

    fn read_ready(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, NetError> {
        self.inner.read_ready(buffer)
    }

    fn write_all(&mut self, bytes: &[u8], deadline: Deadline) -> Result<(), NetError> {
        let written = self.inner.write_all(bytes, deadline);
        written.inspect_err(|error| count(&self.registry, error))
    }

    fn write_some(&mut self, pieces: &[IoSlice<'_>], deadline: Deadline) -> Result<usize, NetError> {
        let written = self.inner.write_some(pieces, deadline);
        written.inspect_err(|error| count(&self.registry, error))
    }

    fn write_at_once(&mut self, bytes: &[u8]) {
        self.inner.write_at_once(bytes);
    }

    fn start_tls(&mut self, deadline: Deadline) -> Result<(), NetError> {
        let begun = self.inner.start_tls(deadline);
        begun.inspect_err(|error| count(&self.registry, error))
    }

    fn channel_binding(&self) -> Option<[u8; 32]> {
        self.inner.channel_binding()
    }

    fn peer(&self) -> &str {
        self.inner.peer()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Counted;
    use crate::clock::{Clock, Phase};
    use crate::http::exchange::Exchange;
    use crate::http::request::{Method, Request};
    use crate::http::script::{Network, Step, say};
    use crate::http::url::Url;
    use crate::metrics::Registry;

    #[test]
    fn the_counter_names_the_phase_that_the_error_names_and_other_failures_are_not_counted() {
        let network = Network::new([
            vec![Step::Request],
            vec![Step::Request, say("HTTP/1.1 200 OK\r\nConte")],
            vec![Step::Request, Step::Close],
        ]);
        let registry: Arc<Registry> = Arc::default();
        let dial = Counted {
            inner: Arc::clone(&network) as _,
            registry: Arc::clone(&registry),
        };
        let url = Url::parse("https://a.example/x", false).unwrap();
        let mut told = Vec::new();
        for _ in 0..3 {
            let request = Request::new(Method::Post, &url);
            let error = Exchange::new().send(&dial, &*network.clock as &dyn Clock, &request, b"x");
            told.push(error.unwrap_err().to_string());
        }
        let counted: Vec<(Phase, u64)> = registry.timeouts.all();
        let counted: Vec<(Phase, u64)> = counted.into_iter().filter(|(_, times)| *times > 0).collect();
        assert_eq!(counted, [(Phase::FirstByte, 1), (Phase::Response, 1)]);
        for (error, (phase, _)) in told.iter().zip(counted) {
            assert!(error.contains(&phase.to_string()), "{error}");
        }
    }
}

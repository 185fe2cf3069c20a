//! A clock whose waits end when the test says so, and a network that loses patience at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mailtap::clock::{Clock, Deadline, Phase};
use mailtap::net::{Dial, Endpoint, NetError, Stream};

use super::Watched;

/// Real time, plus what [`Sandglass::turn`] has skipped. A wait lasts until it is turned, however short or long it is.
#[derive(Default)]
pub struct Sandglass {
    glass: Watched<Glass>,
}

#[derive(Default)]
struct Glass {
    skipped: Duration,
    /// Every wait that began.
    begun: Vec<Duration>,
    /// How many of them may end.
    allowed: usize,
    stopping: bool,
}

impl Sandglass {
    pub fn new() -> Arc<Sandglass> {
        Arc::new(Sandglass::default())
    }

    /// Waits until the program waits, and returns for how long it means to.
    pub fn waiting(&self) -> Duration {
        self.glass.wait_for("the program waits", |glass| {
            (glass.begun.len() > glass.allowed).then(|| glass.begun[glass.begun.len() - 1])
        })
    }

    /// Lets the wait of the moment pass, in no time. There is one: see [`Sandglass::waiting`].
    pub fn turn(&self) {
        self.glass.change(|glass| {
            glass.skipped += glass.begun[glass.begun.len() - 1];
            glass.allowed = glass.begun.len();
        });
    }

    /// Lets that many waits pass, one after the other.
    pub fn turns(&self, times: u32) {
        for _ in 0..times {
            self.waiting();
            self.turn();
        }
    }

    /// Asks the program to stop; every wait ends.
    pub fn stop(&self) {
        self.glass.change(|glass| glass.stopping = true);
    }
}

impl Clock for Sandglass {
    fn now(&self) -> Instant {
        Instant::now() + self.glass.look(|glass| glass.skipped)
    }

    fn unix_milliseconds(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let skipped = self.glass.look(|glass| glass.skipped);
        (since + skipped).as_millis().try_into().unwrap()
    }

    fn wait(&self, duration: Duration) {
        let number = self.glass.change(|glass| {
            glass.begun.push(duration);
            glass.begun.len()
        });
        self.glass.wait_for("the test turns the glass", |glass| {
            (glass.allowed >= number || glass.stopping).then_some(())
        });
    }

    fn stopping(&self) -> bool {
        self.glass.look(|glass| glass.stopping)
    }
}

/// Dials as `inner` does, but reads of one phase give up after an instant while told so: a minute of silence, told in
/// no time. The error says what it would have said after the minute.
pub struct Impatient {
    pub inner: Arc<dyn Dial>,
    pub phase: Phase,
    pub active: Arc<AtomicBool>,
}

impl Dial for Impatient {
    fn dial(&self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, NetError> {
        Ok(Box::new(ImpatientStream {
            inner: self.inner.dial(endpoint)?,
            phase: self.phase,
            active: Arc::clone(&self.active),
        }))
    }
}

struct ImpatientStream {
    inner: Box<dyn Stream>,
    phase: Phase,
    active: Arc<AtomicBool>,
}

impl Stream for ImpatientStream {
    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, NetError> {
        let at = if deadline.phase == self.phase && self.active.load(Ordering::SeqCst) {
            let almost_all = deadline.after.mul_f32(0.999);
            deadline.at.checked_sub(almost_all).unwrap()
        } else {
            deadline.at
        };
        self.inner.read(buffer, Deadline { at, ..deadline })
    }

    fn write_all(&mut self, bytes: &[u8], deadline: Deadline) -> Result<(), NetError> {
        self.inner.write_all(bytes, deadline)
    }

    fn peer(&self) -> &str {
        self.inner.peer()
    }
}

//! Bytes both ways: commands out, events in, and how long to wait for them.

use std::sync::Arc;
use std::time::Duration;

use super::SessionError;
use crate::clock::{Clock, Deadline, Phase};
use crate::imap::reader::{Event, Reader};
use crate::imap::response::{Condition, Response};
use crate::net::deflate::Compressible;
use crate::net::{NetError, NetErrorKind, Stream};
use crate::{limits, log};

/// The stream with the reader behind it.
pub(super) struct Connection {
    stream: Compressible,
    clock: Arc<dyn Clock>,
    pub(super) reader: Reader,
    tags: u32,
    /// The last line that was no response: some servers say so why they close.
    last_words: Option<String>,
    /// Responses that could not be read; the first is reported.
    pub(super) unreadable: u64,
    /// That there is no UIDVALIDITY was told.
    pub(super) trust_told: bool,
    /// That listings have holes and SEARCH is refused was said.
    pub(super) holes_told: bool,
    /// The server writes names of mailboxes in UTF-8, and not in modified UTF-7.
    pub(super) names_in_utf_8: bool,
    /// What must be said before LOGOUT, which is nothing or DONE; `None` where a command would be taken for something else.
    pub(super) goodbye: Option<&'static [u8]>,
}

/// How long an operation may keep us waiting, all its reads together. A byte now and then does not buy time without end:
/// beyond the first silence, data must come at [`limits::IMAP_FLOOR_RATE`].
pub(super) struct Patience {
    phase: Phase,
    limit: Duration,
    left: Duration,
    earns: bool,
    /// Responses that may still come, and their bytes: a server that never stops talking waits for nothing.
    responses: u64,
    bytes: u64,
}

impl Patience {
    /// `limit` of silence; bytes received earn more time.
    pub(super) fn new(phase: Phase, limit: Duration) -> Patience {
        Patience {
            phase,
            limit,
            left: limit,
            earns: true,
            responses: limits::IMAP_RESPONSES,
            // A mail that was asked for is as long as it is.
            bytes: if phase == Phase::Literal {
                u64::MAX
            } else {
                limits::IMAP_ANSWER
            },
        }
    }

    /// `limit` in all, whatever is received.
    pub(super) fn in_all(phase: Phase, limit: Duration) -> Patience {
        Patience {
            earns: false,
            ..Patience::new(phase, limit)
        }
    }

    fn deadline(&self, clock: &dyn Clock) -> Deadline {
        let deadline = clock.deadline(self.phase, self.left);
        Deadline {
            after: self.limit,
            ..deadline
        }
    }

    /// Counts one response, and the body in front of it that is skipped.
    fn listen(&mut self, skipped: u64) -> Result<(), SessionError> {
        let cost = (skipped / 1024).saturating_add(1);
        self.responses = self.responses.checked_sub(cost).ok_or_else(|| {
            let reason = format!("more than {} responses to one command", limits::IMAP_RESPONSES);
            SessionError::Protocol(reason)
        })?;
        Ok(())
    }

    fn spend(&mut self, waited: Duration, received: usize) -> Result<(), SessionError> {
        self.bytes = self.bytes.checked_sub(received as u64).ok_or_else(|| {
            let reason = format!("more than {} bytes of responses to one command", limits::IMAP_ANSWER);
            SessionError::Protocol(reason)
        })?;
        self.left = self.left.saturating_sub(waited);
        if self.earns {
            let earned = (received as u64).saturating_mul(1_000_000) / limits::IMAP_FLOOR_RATE;
            self.left = self.left.saturating_add(Duration::from_micros(earned)).min(self.limit);
        }
        Ok(())
    }
}

impl Connection {
    pub(super) fn new(stream: Box<dyn Stream>, clock: Arc<dyn Clock>) -> Connection {
        Connection {
            stream: Compressible::new(stream),
            clock,
            reader: Reader::new(),
            tags: 0,
            last_words: None,
            unreadable: 0,
            trust_told: false,
            holes_told: false,
            names_in_utf_8: false,
            goodbye: None,
        }
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(super) fn peer(&self) -> &str {
        self.stream.peer()
    }

    pub(super) fn channel_binding(&self) -> Option<[u8; 32]> {
        self.stream.channel_binding()
    }

    /// A tag that was not used before.
    pub(super) fn next_tag(&mut self) -> String {
        self.tags = self.tags.wrapping_add(1);
        format!("A{:04}", self.tags)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        let deadline = self.clock.deadline(Phase::Write, limits::IMAP_COMMAND);
        Ok(self.stream.write_all(bytes, deadline)?)
    }

    /// Refuses bytes that nobody asked for. What has arrived and was not read yet counts as well.
    pub(super) fn expect_silence(&mut self, when: &str) -> Result<(), SessionError> {
        let said = !self.reader.is_empty() || self.stream.read_ready(&mut [0])?.is_some_and(|count| count > 0);
        if !said {
            return Ok(());
        }
        Err(SessionError::Protocol(format!(
            "it says something {when}; someone on the way may have put it in"
        )))
    }

    /// Goes on in TLS.
    pub(super) fn start_tls(&mut self) -> Result<(), SessionError> {
        let deadline = self.clock.deadline(Phase::Tls, limits::TLS_HANDSHAKE);
        self.last_words = None;
        Ok(self.stream.start_tls(deadline)?)
    }

    /// Goes on compressed. What was read behind the server's agreement is compressed as well.
    pub(super) fn compress(&mut self) {
        let ahead = self.reader.take_ahead();
        self.stream.compress(&ahead);
    }

    /// The next response, or the beginning of a body. BYE is an error, as it ends everything. What is left of a body that
    /// was not taken is skipped, up to a bound.
    pub(super) fn event(&mut self, patience: &mut Patience) -> Result<Event, SessionError> {
        let skipped = self.reader.body_left();
        if skipped > limits::IMAP_SKIPPED_BODY {
            let reason = format!("{skipped} bytes of a mail that is not wanted");
            return Err(SessionError::Protocol(reason));
        }
        patience.listen(skipped)?;
        loop {
            let event = self
                .reader
                .event()
                .map_err(|error| SessionError::Protocol(error.to_string()))?;
            match event {
                Event::Hungry => self.receive(patience)?,
                Event::Response(Response::Condition(condition)) if condition.is_bye() => return Err(bye(&condition)),
                Event::Response(Response::Stray(line)) => {
                    patience.listen(0)?;
                    self.last_words = Some(line);
                }
                Event::Response(Response::Unreadable(line)) => {
                    patience.listen(0)?;
                    self.warn_unreadable(&line);
                }
                event => return Ok(event),
            }
        }
    }

    /// Once in a session: what the server says cannot be mended here, and it will say it again.
    fn warn_unreadable(&mut self, line: &str) {
        self.unreadable = self.unreadable.saturating_add(1);
        if self.unreadable == 1 {
            let peer = self.peer().to_owned();
            log::warn(
                "skipping a response that cannot be read",
                &[("server", &peer), ("response", &line)],
            );
        }
    }

    /// The program stops within a command, and hears no answer any more: the server is told all the same.
    fn say_goodbye(&mut self) {
        let Some(before) = self.goodbye.take() else { return };
        let logout = [before, self.next_tag().as_bytes(), b" LOGOUT\r\n"].concat();
        let deadline = self.clock.deadline(Phase::Write, limits::IMAP_LOGOUT);
        // The session is over either way.
        let _ = self.stream.write_all(&logout, deadline);
    }

    /// Reads some bytes.
    pub(super) fn receive(&mut self, patience: &mut Patience) -> Result<(), SessionError> {
        let before = self.clock.now();
        let deadline = patience.deadline(&*self.clock);
        let received = match self.stream.read(self.reader.space(), deadline) {
            Err(error) => {
                if error.kind == NetErrorKind::Stopped {
                    self.say_goodbye();
                }
                return Err(error.into());
            }
            Ok(received) => received,
        };
        patience.spend(self.clock.now().saturating_duration_since(before), received)?;
        if received == 0 {
            return Err(match self.last_words.take() {
                Some(words) => SessionError::Unavailable(words),
                None => SessionError::Net(NetError {
                    peer: self.peer().to_owned(),
                    phase: patience.phase,
                    kind: NetErrorKind::Closed,
                }),
            });
        }
        self.reader.filled(received);
        Ok(())
    }
}

/// The error that a refusal amounts to whatever the command was: the server is busy, or wants less of us.
pub(super) fn trouble(condition: &Condition) -> Option<SessionError> {
    let text = condition.to_string();
    if condition.is_bye() {
        return Some(bye(condition));
    }
    if is_throttle(condition) {
        let wait = condition.suggested_backoff();
        return Some(SessionError::Throttled { text, wait });
    }
    let passing = ["UNAVAILABLE", "INUSE", "SERVERBUG"];
    passing
        .iter()
        .any(|code| condition.has_code(code))
        .then_some(SessionError::Unavailable(text))
}

fn bye(condition: &Condition) -> SessionError {
    let text = condition.to_string();
    if is_throttle(condition) {
        let wait = condition.suggested_backoff();
        SessionError::Throttled { text, wait }
    } else {
        SessionError::Bye(text)
    }
}

/// Codes of RFC 5530 and Exchange, Gmail's bandwidth limit, and what a full server says at login.
fn is_throttle(condition: &Condition) -> bool {
    let text = condition.text.to_ascii_lowercase();
    condition.suggested_backoff().is_some()
        || ["THROTTLED", "LIMIT", "OVERQUOTA"]
            .iter()
            .any(|code| condition.has_code(code))
        || text.contains("too many") && text.contains("connections")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Patience;
    use crate::clock::Phase;
    use crate::limits;

    #[test]
    fn answers_are_bounded_in_bytes_and_mails_are_not() {
        let all = usize::try_from(limits::IMAP_ANSWER).unwrap();
        for (bytes, fits) in [(all - 1, true), (all, true), (all + 1, false)] {
            let mut patience = Patience::new(Phase::Command, limits::IMAP_COMMAND);
            patience.spend(Duration::ZERO, 1).unwrap();
            assert_eq!(patience.spend(Duration::ZERO, bytes - 1).is_ok(), fits, "{bytes}");
        }
        let mut patience = Patience::new(Phase::Literal, limits::IMAP_LITERAL_SILENCE);
        patience.spend(Duration::ZERO, usize::MAX).unwrap();
    }
}

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Connection, MessageKind, RandomError, WebSocketError};
use crate::clock::{Clock, Deadline, Phase};
use crate::http::url::Url;
use crate::net::{Dial, Endpoint, NetError, NetErrorKind, Stream};
use crate::websocket::frame::{Opcode, Violation};
use crate::websocket::handshake::HandshakeError;
use crate::websocket::message::Event;

/// A server in memory: what it does with the client's bytes is a function, and time passes only while the client waits.
pub(crate) struct Peer {
    pub(crate) clock: Arc<PeerClock>,
    answer: Mutex<Behaviour>,
}

type Behaviour = Box<dyn FnMut(&[u8]) -> Answer + Send>;

/// What the server does next.
pub(crate) enum Answer {
    /// Sends this, which may be nothing.
    Say(Vec<u8>),
    /// Sends this and closes the connection.
    End(Vec<u8>),
}

pub(crate) struct PeerClock {
    start: std::time::Instant,
    passed: Mutex<Duration>,
}

impl PeerClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.passed.lock().unwrap() += by;
    }

    pub(crate) fn passed(&self) -> Duration {
        *self.passed.lock().unwrap()
    }
}

impl Clock for PeerClock {
    fn now(&self) -> std::time::Instant {
        self.start + *self.passed.lock().unwrap()
    }

    fn unix_milliseconds(&self) -> i64 {
        0
    }

    fn wait(&self, duration: Duration) {
        self.advance(duration);
    }

    fn stopping(&self) -> bool {
        false
    }
}

impl Peer {
    pub(crate) fn new(answer: impl FnMut(&[u8]) -> Answer + Send + 'static) -> Arc<Peer> {
        Arc::new(Peer {
            clock: Arc::new(PeerClock {
                start: std::time::Instant::now(),
                passed: Mutex::default(),
            }),
            answer: Mutex::new(Box::new(answer)),
        })
    }
}

struct PeerStream {
    peer: Arc<Peer>,
    outgoing: VecDeque<u8>,
    closed: bool,
}

impl Dial for Arc<Peer> {
    fn dial(&self, _: &Endpoint) -> Result<Box<dyn Stream>, NetError> {
        Ok(Box::new(PeerStream {
            peer: Arc::clone(self),
            outgoing: VecDeque::new(),
            closed: false,
        }))
    }
}

impl Stream for PeerStream {
    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, NetError> {
        if let Some(count) = self.read_ready(buffer)? {
            return Ok(count);
        }
        let left = deadline.remaining(self.peer.clock.now()).unwrap_or_default();
        self.peer.clock.advance(left);
        Err(NetError {
            peer: "peer".to_owned(),
            phase: deadline.phase,
            kind: NetErrorKind::TimedOut(deadline.after),
        })
    }

    fn read_ready(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, NetError> {
        let count = buffer.len().min(self.outgoing.len());
        for (place, byte) in buffer.iter_mut().zip(self.outgoing.drain(..count)) {
            *place = byte;
        }
        Ok((count > 0 || self.closed).then_some(count))
    }

    fn write_all(&mut self, bytes: &[u8], deadline: Deadline) -> Result<(), NetError> {
        if self.closed {
            return Err(NetError {
                peer: "peer".to_owned(),
                phase: deadline.phase,
                kind: NetErrorKind::Closed,
            });
        }
        let answer = (self.peer.answer.lock().unwrap())(bytes);
        let (Answer::Say(said) | Answer::End(said)) = &answer;
        self.outgoing.extend(said);
        self.closed = matches!(answer, Answer::End(_));
        Ok(())
    }

    fn peer(&self) -> &'static str {
        "peer"
    }
}

/// Keys and masks of zeros: what is sent can be read in a test.
#[expect(clippy::unnecessary_wraps, reason = "the system's random bytes may be missing")]
pub(crate) fn zeros(bytes: &mut [u8]) -> Result<(), RandomError> {
    bytes.fill(0);
    Ok(())
}

/// The server's handshake for a key of zeros.
pub(crate) const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n";

/// One frame as a server writes it.
pub(crate) fn server_frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::websocket::frame::write(opcode, true, &[payload], [0; 4], &mut bytes);
    // The same without the mask.
    bytes[1] &= 0x7f;
    let header = match bytes[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    bytes.drain(header..header + 4);
    bytes
}

/// A server that shakes hands and says `first` with it, then keeps what comes and answers by `after`.
fn peer(first: Vec<u8>, mut after: impl FnMut(&[u8]) -> Answer + Send + 'static) -> (Arc<Peer>, Arc<Mutex<Vec<u8>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heard);
    let mut open = false;
    let peer = Peer::new(move |bytes| {
        if open {
            kept.lock().unwrap().extend_from_slice(bytes);
            return after(bytes);
        }
        open = true;
        Answer::Say([SWITCHING.as_bytes(), &first].concat())
    });
    (peer, heard)
}

fn open(peer: &Arc<Peer>) -> Result<Connection, WebSocketError> {
    let url = Url::parse("https://h.example/usp", false).unwrap();
    let clock: Arc<dyn Clock> = Arc::clone(&peer.clock) as Arc<dyn Clock>;
    Connection::open(&url, 1000, peer, clock, zeros)
}

fn silent(_: &[u8]) -> Answer {
    Answer::Say(Vec::new())
}

#[test]
fn what_comes_with_the_handshake_is_the_first_frame() {
    let (peer, _) = peer(server_frame(Opcode::Text, b"hi"), silent);
    let mut connection = open(&peer).unwrap();
    assert_eq!(connection.receive_ready(), Ok(Some(Event::Text("hi".to_owned()))));
    assert_eq!(connection.receive_ready(), Ok(None));
    assert_eq!(connection.receive(Duration::from_secs(7)), Ok(None));
    assert_eq!(peer.clock.passed(), Duration::from_secs(7));
}

#[test]
fn a_ping_is_answered_with_its_payload_and_is_no_message() {
    let (peer, heard) = peer(server_frame(Opcode::Ping, b"are you there"), silent);
    let mut connection = open(&peer).unwrap();
    assert_eq!(connection.receive(Duration::from_secs(1)), Ok(None));
    let mut pong = Vec::new();
    crate::websocket::frame::write(Opcode::Pong, true, &[b"are you there"], [0; 4], &mut pong);
    assert_eq!(*heard.lock().unwrap(), pong);
}

#[test]
fn a_long_message_goes_in_pieces_and_what_the_server_says_meanwhile_is_kept() {
    let mut said = false;
    let (peer, heard) = peer(Vec::new(), move |_| {
        let say = if std::mem::replace(&mut said, true) {
            Vec::new()
        } else {
            server_frame(Opcode::Text, b"ack")
        };
        Answer::Say(say)
    });
    let mut connection = open(&peer).unwrap();
    let payload = vec![b'x'; crate::limits::WEBSOCKET_PIECE * 2 + 1];
    assert_eq!(connection.send(b"", &payload, MessageKind::Binary), Ok(false));
    connection.flush().unwrap();
    let heard = heard.lock().unwrap();
    assert_eq!(heard[0], 0x02, "the first piece of a binary message");
    assert_eq!(heard[heard.len() - 7], 0x80, "the last piece, of one byte");
    assert_eq!(memchr::memchr_iter(b'x', &heard).count(), payload.len());
    assert_eq!(connection.receive_ready(), Ok(Some(Event::Text("ack".to_owned()))));
}

#[test]
fn the_servers_close_is_echoed_and_told() {
    let (peer, heard) = peer(server_frame(Opcode::Close, b"\x03\xf3oh\n"), silent);
    let mut connection = open(&peer).unwrap();
    let error = connection.receive(Duration::from_secs(1)).unwrap_err();
    assert_eq!(error.to_string(), "peer closed the WebSocket with code 1011: oh\\n");
    assert_eq!(*heard.lock().unwrap(), b"\x88\x82\0\0\0\0\x03\xf3");
}

#[test]
fn a_violation_is_answered_with_its_code() {
    for (bytes, violation, code) in [
        (&b"\x81\x01\xff"[..], Violation::Utf8, 1007_u16),
        (b"\xc1\x00", Violation::ReservedBits, 1002),
        (b"\x82\x7e\x03\xe9", Violation::TooLarge, 1009),
    ] {
        let (peer, heard) = peer(bytes.to_vec(), silent);
        let error = open(&peer).unwrap().receive_ready().unwrap_err();
        assert!(matches!(error, WebSocketError::Violation { violation: found, .. } if found == violation));
        assert_eq!(heard.lock().unwrap()[6..], code.to_be_bytes());
    }
}

#[test]
fn a_connection_that_ends_without_a_close_is_an_error() {
    let (peer, _) = peer(Vec::new(), |_| Answer::End(Vec::new()));
    let mut connection = open(&peer).unwrap();
    connection.ping().unwrap();
    let error = connection.receive(Duration::from_secs(1)).unwrap_err();
    assert!(matches!(
        error,
        WebSocketError::Net(NetError {
            phase: Phase::Message,
            kind: NetErrorKind::Closed,
            ..
        })
    ));
}

#[test]
fn our_close_waits_for_the_servers_but_not_for_ever() {
    let (answering, heard) = peer(Vec::new(), |_| {
        Answer::Say(
            [
                server_frame(Opcode::Text, b"late"),
                server_frame(Opcode::Close, b"\x03\xe8"),
            ]
            .concat(),
        )
    });
    open(&answering).unwrap().close(1000);
    assert_eq!(*heard.lock().unwrap(), b"\x88\x82\0\0\0\0\x03\xe8");
    assert_eq!(answering.clock.passed(), Duration::ZERO);
    let (mute, _) = peer(Vec::new(), silent);
    open(&mute).unwrap().close(1000);
    assert_eq!(mute.clock.passed(), crate::limits::WEBSOCKET_CLOSE);
}

#[test]
fn an_answer_that_is_no_handshake_is_given_to_the_caller() {
    let refusing = Peer::new(|_| Answer::Say(b"HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\nnope".to_vec()));
    let Err(WebSocketError::Handshake { error, response, .. }) = open(&refusing) else {
        panic!("opened")
    };
    assert_eq!((error, response.body), (HandshakeError::Status(403), b"nope".to_vec()));
    let mute = Peer::new(silent);
    let error = open(&mute).err().unwrap();
    assert!(matches!(
        error,
        WebSocketError::Net(NetError {
            phase: Phase::FirstByte,
            ..
        })
    ));
    let other = Peer::new(|_| Answer::Say(b"SSH-2.0\r\n".to_vec()));
    assert!(matches!(open(&other).err().unwrap(), WebSocketError::Response { .. }));
}

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value};

use super::message::{Sensor, push_mail};
use super::{Destination, LimaCharlie, Settings};
use crate::clock::{Clock, Phase};
use crate::event::EventId;
use crate::event::raw::Collector;
use crate::event::{Origin, build};
use crate::http::url::Url;
use crate::limits;
use crate::net::{Dial, Endpoint, NetError, NetErrorKind, Stream};
use crate::secret::Secret;
use crate::sink::gzip::tests::inflated;
use crate::sink::{Batch, DeliveryError, Flow as _, Sink};
use crate::websocket::connection::tests::{Answer, Peer, SWITCHING, server_frame, zeros};
use crate::websocket::frame::Opcode;

/// A sensor with nothing optional.
pub(super) fn sensor() -> Sensor {
    Sensor {
        oid: "o".to_owned(),
        installation_key: Secret::new("the-key".to_owned()),
        hostname: String::new(),
        platform: "email".to_owned(),
        seed_key: "s".to_owned(),
        mapping: Map::new(),
        mappings: Vec::new(),
        indexing: Vec::new(),
        compressed: false,
    }
}

/// What a client's message is to the cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Heard {
    /// The request to switch protocols: a new connection.
    Handshake,
    Hello(Value),
    /// A data message: its sequence and everything behind `a`.
    Data(u64, Vec<u8>),
    Ping,
    Close(Vec<u8>),
}

/// A cloud in memory: everything that it hears is kept, and answered by a function.
struct Cloud {
    peer: Arc<Peer>,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Cloud {
    fn new(mut answer: impl FnMut(&Heard) -> Answer + Send + 'static) -> Cloud {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        let mut stream = Vec::new();
        let peer = Peer::new(move |bytes| {
            stream.extend_from_slice(bytes);
            let mut said = Vec::new();
            while let Some(message) = next_message(&mut stream) {
                kept.lock().unwrap().push(message.clone());
                match answer(&message) {
                    Answer::Say(more) => said.extend(more),
                    Answer::End(more) => {
                        stream.clear();
                        said.extend(more);
                        return Answer::End(said);
                    }
                }
            }
            Answer::Say(said)
        });
        Cloud { peer, heard }
    }

    fn sink(&self) -> LimaCharlie {
        let settings = Settings {
            sensor: sensor(),
            destination: Destination::Fixed(Url::parse("https://h.example/usp", false).unwrap()),
        };
        let clock: Arc<dyn Clock> = Arc::clone(&self.peer.clock) as Arc<dyn Clock>;
        LimaCharlie::new(settings, Arc::new(Arc::clone(&self.peer)), clock, zeros)
    }

    /// The sequences of the data messages so far.
    fn sequences(&self) -> Vec<u64> {
        let heard = self.heard.lock().unwrap();
        let data = heard.iter().filter_map(|message| match message {
            Heard::Data(sequence, _) => Some(*sequence),
            _ => None,
        });
        data.collect()
    }

    fn count(&self, message: &Heard) -> usize {
        self.heard
            .lock()
            .unwrap()
            .iter()
            .filter(|heard| *heard == message)
            .count()
    }
}

/// Takes one whole message off what the client wrote; its masks are zeros.
fn next_message(stream: &mut Vec<u8>) -> Option<Heard> {
    if stream.starts_with(b"GET ") {
        let end = memchr::memmem::find(stream, b"\r\n\r\n")?;
        stream.drain(..end + 4);
        return Some(Heard::Handshake);
    }
    let (&first, &second) = (stream.first()?, stream.get(1)?);
    let (length, header) = match second & 0x7f {
        126 => (
            usize::from(u16::from_be_bytes(stream.get(2..4)?.try_into().unwrap())),
            8,
        ),
        short => (usize::from(short), 6),
    };
    let payload = stream.get(header..header + length)?.to_vec();
    stream.drain(..header + length);
    Some(match first {
        0x81 => Heard::Hello(serde_json::from_slice(&payload).unwrap()),
        0x82 if payload.starts_with(&[0x1f, 0x8b]) => data(&inflated(&payload)),
        0x82 => data(&payload),
        0x88 => Heard::Close(payload),
        0x89 => Heard::Ping,
        other => panic!("a frame that begins with {other:x}"),
    })
}

/// Behind the map's header and `x` stands the sequence, behind that `a`.
fn data(message: &[u8]) -> Heard {
    Heard::Data(
        u64::from_be_bytes(message[4..12].try_into().unwrap()),
        message[15..].to_vec(),
    )
}

fn say(controls: &[&str]) -> Answer {
    let frames = controls.iter().map(|text| server_frame(Opcode::Text, text.as_bytes()));
    Answer::Say(frames.collect::<Vec<_>>().concat())
}

/// A faithful cloud: ready at once, window 4, every message acknowledged as it comes.
fn faithful(message: &Heard) -> Answer {
    match message {
        Heard::Handshake => Answer::Say(SWITCHING.as_bytes().to_vec()),
        Heard::Hello(_) => say(&[r#"{"v":"fl","win":4}"#, r#"{"v":"rd"}"#]),
        Heard::Data(sequence, _) => say(&[&format!(r#"{{"v":"ack","x":{sequence}}}"#)]),
        Heard::Ping => Answer::Say(server_frame(Opcode::Pong, b"")),
        Heard::Close(code) => Answer::Say(server_frame(Opcode::Close, code)),
    }
}

fn batch(mails: &[&str]) -> Batch {
    let mut batch = Batch::default();
    for mail in mails {
        batch.push(EventId([0; 16]), |output| push_mail(mail.as_bytes(), 0, output));
    }
    batch
}

#[test]
fn mails_arrive_in_order_over_one_connection_and_sequences_go_on() {
    let cloud = Cloud::new(faithful);
    let mut sink = cloud.sink();
    sink.deliver(&batch(&["one", "two", "three"])).unwrap();
    sink.deliver(&batch(&["four"])).unwrap();
    sink.close();
    let heard = cloud.heard.lock().unwrap();
    let [Heard::Handshake, Heard::Hello(hello), rest @ ..] = heard.as_slice() else {
        panic!("{heard:?}")
    };
    assert_eq!(hello["instance_id"], "00000000-0000-4000-8000-000000000000");
    let data = |sequence, payload: &[u8]| Heard::Data(sequence, payload.to_vec());
    let expected = [
        data(1, b"\xa1t\xa3one"),
        data(2, b"\xa1t\xa3two"),
        data(3, b"\xa1t\xa5three"),
        data(4, b"\xa1t\xa4four"),
        Heard::Close(1000_u16.to_be_bytes().to_vec()),
    ];
    assert_eq!(rest, expected);
}

#[test]
fn a_compressed_message_is_one_gzip_member_of_the_same_bytes() {
    let cloud = Cloud::new(faithful);
    let mut settings = Settings {
        sensor: sensor(),
        destination: Destination::Fixed(Url::parse("https://h.example/usp", false).unwrap()),
    };
    settings.sensor.compressed = true;
    let clock: Arc<dyn Clock> = Arc::clone(&cloud.peer.clock) as Arc<dyn Clock>;
    let mut sink = LimaCharlie::new(settings, Arc::new(Arc::clone(&cloud.peer)), clock, zeros);
    // Longer than one frame takes, compressed or not.
    let long = "0123456789abcdef".repeat(10_000);
    sink.deliver(&batch(&["one", &long])).unwrap();
    sink.deliver(&batch(&["two"])).unwrap();
    let heard = cloud.heard.lock().unwrap();
    let [Heard::Handshake, Heard::Hello(hello), rest @ ..] = heard.as_slice() else {
        panic!("{heard:?}")
    };
    assert_eq!(hello["is_compressed"], true);
    let payload = |mail: &str| {
        let mut payload = Vec::new();
        push_mail(mail.as_bytes(), 0, &mut payload);
        payload[1..].to_vec()
    };
    let expected = [(1, "one"), (2, long.as_str()), (3, "two")];
    assert_eq!(
        rest,
        expected.map(|(sequence, mail)| Heard::Data(sequence, payload(mail)))
    );
}

#[test]
fn the_window_is_filled_and_never_exceeded() {
    let mut in_flight = 0;
    let cloud = Cloud::new(move |message| match message {
        Heard::Data(sequence, _) => {
            in_flight += 1;
            assert!(in_flight <= 4);
            if in_flight < 4 && *sequence < 10 {
                return say(&[]);
            }
            in_flight = 0;
            say(&[&format!(r#"{{"v":"ack","x":{sequence}}}"#)])
        }
        message => faithful(message),
    });
    let mails: Vec<&str> = vec!["m"; 10];
    cloud.sink().deliver(&batch(&mails)).unwrap();
    assert_eq!(cloud.sequences(), (1..=10).collect::<Vec<u64>>());
    assert_eq!(cloud.peer.clock.passed(), Duration::ZERO, "nobody waited for nothing");
}

#[test]
fn a_connection_that_breaks_costs_no_mail_and_repeats_only_what_was_not_acknowledged() {
    let mut connections = 0;
    let cloud = Cloud::new(move |message| match message {
        Heard::Handshake => {
            connections += 1;
            faithful(message)
        }
        // The first connection takes three, acknowledges two, and is gone.
        Heard::Data(1 | 2, _) if connections == 1 => say(&[]),
        Heard::Data(3, _) if connections == 1 => Answer::End(server_frame(Opcode::Text, br#"{"v":"ack","x":2}"#)),
        message => faithful(message),
    });
    let mut sink = cloud.sink();
    let mails = batch(&["1", "2", "3", "4"]);
    let Err(DeliveryError::Retry { .. }) = sink.deliver(&mails) else {
        panic!("the connection broke")
    };
    sink.deliver(&mails).unwrap();
    assert_eq!(cloud.sequences(), [1, 2, 3, 3, 4]);
    // Another batch after a failure is not taken for the rest of the first one.
    sink.deliver(&mails).unwrap();
    assert_eq!(cloud.sequences()[5..], [5, 6, 7, 8]);
}

#[test]
fn an_event_that_was_given_up_takes_its_sequence_along() {
    let mut broken = false;
    let cloud = Cloud::new(move |message| match message {
        Heard::Data(..) if !std::mem::replace(&mut broken, true) => Answer::End(Vec::new()),
        message => faithful(message),
    });
    let mut sink = cloud.sink();
    let mut mails = batch(&["1", "2", "3"]);
    assert!(sink.deliver(&mails).is_err());
    mails.drop_front(1);
    sink.deliver(&mails).unwrap();
    assert_eq!(cloud.sequences(), [1, 2, 3]);
}

#[test]
fn what_can_be_sent_is_sent_ahead_and_nobody_waits_for_its_acknowledgement() {
    // It acknowledges one late: when the next one has come.
    let cloud = Cloud::new(|message| match message {
        Heard::Data(sequence, _) => say(&[&format!(r#"{{"v":"ack","x":{}}}"#, sequence - 1)]),
        message => faithful(message),
    });
    let mut sink = cloud.sink();
    let mut queue = batch(&["1", "2"]);
    sink.send_ahead(&queue).unwrap();
    assert_eq!((cloud.sequences(), sink.acknowledged()), (vec![1, 2], 1));
    queue.drop_front(1);
    for mail in ["3", "4"] {
        queue.push(EventId([0; 16]), |output| push_mail(mail.as_bytes(), 0, output));
    }
    sink.send_ahead(&queue).unwrap();
    assert_eq!((cloud.sequences(), sink.acknowledged()), (vec![1, 2, 3, 4], 2));
    queue.drop_front(2);
    assert_eq!(cloud.peer.clock.passed(), Duration::ZERO);
    // The last one is waited for, as long as it is worth.
    sink.send_and_wait(&queue, Duration::from_secs(7)).unwrap();
    assert_eq!(
        (sink.acknowledged(), cloud.peer.clock.passed()),
        (0, Duration::from_secs(7))
    );
    assert_eq!(cloud.sequences().len(), 4, "nothing twice");
}

#[test]
fn what_was_acknowledged_before_a_refusal_is_known_and_not_sent_again() {
    let cloud = Cloud::new(|message| match message {
        Heard::Data(3, _) => Answer::End(server_frame(Opcode::Close, &1009_u16.to_be_bytes())),
        message => faithful(message),
    });
    let mut sink = cloud.sink();
    let mut queue = batch(&["1", "2", "too large", "4"]);
    let outcome = sink.send_and_wait(&queue, Duration::MAX);
    let outcome = outcome.and_then(|()| sink.send_and_wait(&queue, Duration::MAX));
    assert!(matches!(outcome, Err(DeliveryError::Reject { .. })), "{outcome:?}");
    assert_eq!(sink.acknowledged(), 2);
    queue.drop_front(2);
    let rest = queue.split_off(1);
    assert!(sink.send_and_wait(&queue, Duration::MAX).is_err());
    // It is given up.
    sink.deliver(&rest).unwrap();
    assert_eq!(cloud.sequences().last(), Some(&4));
    assert_eq!(cloud.sequences().iter().filter(|sequence| **sequence < 3).count(), 2);
}

#[test]
fn a_cloud_that_never_stops_talking_holds_nobody_up() {
    let flood = || {
        let control = server_frame(Opcode::Text, br#"{"v":"more"}"#);
        control.repeat(3 * limits::USP_HEARD_AT_ONCE as usize)
    };
    let cloud = Cloud::new(move |message| match message {
        Heard::Hello(_) => {
            let Answer::Say(ready) = faithful(message) else {
                panic!()
            };
            Answer::Say([ready, flood()].concat())
        }
        message => faithful(message),
    });
    let mut sink = cloud.sink();
    sink.tend().unwrap();
    sink.tend().unwrap();
    sink.send_ahead(&batch(&["1"])).unwrap();
    assert_eq!(sink.acknowledged(), 0, "its acknowledgement is behind the rest");
    sink.deliver(&batch(&["1"])).unwrap();
    assert_eq!(sink.reports_left, 0);
}

#[test]
fn a_certificate_that_is_not_trusted_and_a_proxy_that_refuses_are_settings() {
    struct Fails(NetErrorKind);
    impl Dial for Fails {
        fn dial(&self, _: &Endpoint) -> Result<Box<dyn Stream>, NetError> {
            Err(NetError {
                peer: "h.example:443".to_owned(),
                phase: Phase::Connect,
                kind: self.0.clone(),
            })
        }
    }
    for (kind, setting) in [
        (NetErrorKind::Tls("expired".to_owned()), true),
        (NetErrorKind::Proxy("407".to_owned()), true),
        (NetErrorKind::Closed, false),
    ] {
        for destination in [
            Destination::Fixed(Url::parse("https://h.example/usp", false).unwrap()),
            Destination::Discover {
                address: super::discovery::address("o").unwrap(),
            },
        ] {
            let settings = Settings {
                sensor: sensor(),
                destination,
            };
            let clock = Cloud::new(faithful).peer.clock.clone();
            let mut sink = LimaCharlie::new(settings, Arc::new(Fails(kind.clone())), clock, zeros);
            let error = sink.deliver(&batch(&["1"])).unwrap_err();
            assert_eq!(matches!(error, DeliveryError::Configuration { .. }), setting, "{error}");
        }
    }
}

#[test]
fn not_even_the_beginning_of_the_key_is_told_where_words_are_cut() {
    let cloud = Cloud::new(|message| match message {
        Heard::Hello(_) => {
            let words = format!("{}the-key", "x".repeat(limits::HTTP_EXCERPT - 3));
            say(&[&format!(r#"{{"v":"error","err":"{words}"}}"#)])
        }
        message => faithful(message),
    });
    let error = cloud.sink().deliver(&batch(&["1"])).unwrap_err().to_string();
    assert!(error.contains("xxx(se") && !error.contains("the-"), "{error}");
}

#[test]
fn matrix_11_a_sensor_that_is_refused_is_a_wrong_setting_and_the_key_is_not_told() {
    // In base64 as well.
    for said in [
        r#"{"v":"error","err":"bad key the-key"}"#,
        r#"{"v":"error","err":"bad key dGhlLWtleQ=="}"#,
    ] {
        let cloud = Cloud::new(move |message| match message {
            Heard::Hello(_) => say(&[said]),
            message => faithful(message),
        });
        let Err(DeliveryError::Configuration { reason }) = cloud.sink().deliver(&batch(&["1"])) else {
            panic!("delivered")
        };
        assert!(
            reason.contains("client_options.identity") && reason.contains("bad key (secret)"),
            "{reason}"
        );
        assert!(cloud.sequences().is_empty());
    }
}

#[test]
fn matrix_11_nothing_is_sent_before_the_cloud_is_ready() {
    let cloud = Cloud::new(|message| match message {
        // The original takes any of these for "ready".
        Heard::Hello(_) => say(&[r#"{"v":"fl","win":9}"#, r#"{"v":"bo","dur":0}"#, r#"{"v":"ack","x":0}"#]),
        message => faithful(message),
    });
    let Err(DeliveryError::Retry { reason, .. }) = cloud.sink().deliver(&batch(&["1"])) else {
        panic!("delivered")
    };
    assert!(reason.contains("not ready"), "{reason}");
    assert!(cloud.sequences().is_empty());
    assert_eq!(cloud.peer.clock.passed(), limits::USP_READY);
}

#[test]
fn matrix_11_an_acknowledgement_of_nothing_ends_the_connection() {
    let mut first = true;
    let cloud = Cloud::new(move |message| match message {
        Heard::Data(..) if std::mem::replace(&mut first, false) => say(&[r#"{"v":"ack","x":99}"#]),
        message => faithful(message),
    });
    let mut sink = cloud.sink();
    let mails = batch(&["1", "2"]);
    assert!(matches!(sink.deliver(&mails), Err(DeliveryError::Retry { .. })));
    sink.deliver(&mails).unwrap();
    assert_eq!(cloud.count(&Heard::Handshake), 2);
}

#[test]
fn matrix_11_a_request_to_reconnect_is_followed_at_once_and_one_without_end_is_not() {
    for (requests, connections) in [(1, 2), (usize::MAX, 2)] {
        let mut left = requests;
        let cloud = Cloud::new(move |message| match message {
            Heard::Data(..) if left > 0 => {
                left -= 1;
                say(&[r#"{"v":"re"}"#])
            }
            message => faithful(message),
        });
        let delivered = cloud.sink().deliver(&batch(&["1", "2"]));
        assert_eq!(delivered.is_ok(), requests == 1, "{delivered:?}");
        assert_eq!(cloud.count(&Heard::Handshake), connections);
        assert_eq!(cloud.peer.clock.passed(), Duration::ZERO);
    }
}

#[test]
fn matrix_11_a_close_with_1009_refuses_the_batch_and_every_other_close_is_for_another_attempt() {
    for (code, refused) in [
        (1000_u16, false),
        (1001, false),
        (1008, false),
        (1009, true),
        (1011, false),
    ] {
        let cloud = Cloud::new(move |message| match message {
            Heard::Data(..) => Answer::End(server_frame(Opcode::Close, &code.to_be_bytes())),
            message => faithful(message),
        });
        let error = cloud.sink().deliver(&batch(&["a large one"])).unwrap_err();
        assert_eq!(
            matches!(error, DeliveryError::Reject { .. }),
            refused,
            "{code}: {error}"
        );
    }
}

#[test]
fn a_delivery_that_failed_says_how_far_it_came() {
    // Each connection takes as many as it is told.
    let mut takes = vec![0, 2, 0].into_iter();
    let mut left = 0;
    let cloud = Cloud::new(move |message| match message {
        Heard::Handshake => {
            left = takes.next().unwrap_or(usize::MAX);
            faithful(message)
        }
        Heard::Data(..) if left == 0 => Answer::End(Vec::new()),
        message => {
            left -= usize::from(matches!(message, Heard::Data(..)));
            faithful(message)
        }
    });
    let mut sink = cloud.sink();
    let mails = batch(&["1", "2", "3"]);
    let mut acknowledged = || sink.deliver(&mails).map_err(|_| sink.acknowledged());
    assert_eq!(
        [acknowledged(), acknowledged(), acknowledged()],
        [Err(0), Err(2), Err(2)]
    );
    sink.deliver(&mails).unwrap();
}

#[test]
fn matrix_11_an_error_after_ready_is_told_and_nothing_else() {
    let cloud = Cloud::new(|message| match message {
        Heard::Data(sequence, _) => {
            let acknowledged = format!(r#"{{"v":"ack","x":{sequence}}}"#);
            say(&[r#"{"v":"error","err":"odd"}"#, r#"{"v":"who knows"}"#, &acknowledged])
        }
        message => faithful(message),
    });
    cloud.sink().deliver(&batch(&["1", "2"])).unwrap();
    assert_eq!(cloud.sequences(), [1, 2]);
}

#[test]
fn matrix_11_a_cloud_that_acknowledges_nothing_is_left() {
    let cloud = Cloud::new(|message| match message {
        Heard::Data(..) => say(&[]),
        message => faithful(message),
    });
    let Err(DeliveryError::Retry { reason, .. }) = cloud.sink().deliver(&batch(&["1"])) else {
        panic!("delivered")
    };
    assert!(reason.contains("no acknowledgement"), "{reason}");
    assert_eq!(cloud.count(&Heard::Ping), 3);
}

#[test]
fn matrix_11_an_idle_connection_is_kept_alive_and_a_dead_one_replaced() {
    let mut pongs = 0;
    let cloud = Cloud::new(move |message| match message {
        Heard::Ping => {
            pongs += 1;
            if pongs == 1 { faithful(message) } else { say(&[]) }
        }
        message => faithful(message),
    });
    let mut sink = cloud.sink();
    sink.tend().unwrap();
    assert_eq!(
        cloud.count(&Heard::Handshake),
        1,
        "the sensor is there before the first mail"
    );
    let mut pass = |by: Duration| {
        cloud.peer.clock.advance(by);
        sink.tend()
    };
    pass(limits::USP_PING).unwrap();
    pass(limits::USP_PING).unwrap();
    assert_eq!(cloud.count(&Heard::Ping), 2);
    assert!(matches!(pass(limits::USP_PONG), Err(DeliveryError::Retry { .. })));
    pass(Duration::ZERO).unwrap();
    assert_eq!(cloud.count(&Heard::Handshake), 2);
}

#[test]
fn matrix_11_a_refused_handshake_is_judged_by_its_status() {
    let refuse = |line: &'static str| {
        let answer = move |_: &Heard| Answer::Say(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n").into_bytes());
        Cloud::new(answer).sink().deliver(&batch(&["1"])).unwrap_err()
    };
    assert!(matches!(refuse("403 Forbidden"), DeliveryError::Configuration { .. }));
    assert!(matches!(refuse("200 OK"), DeliveryError::Configuration { .. }));
    let DeliveryError::Retry { after, .. } = refuse("503 Busy\r\nRetry-After: 9") else {
        panic!()
    };
    assert_eq!(after, Some(Duration::from_secs(9)));
}

#[test]
fn an_event_is_sent_with_its_routing_inside_and_a_mail_as_it_came() {
    let mut settings = build::Settings {
        raw: Some(1000),
        include_attachments: true,
        ..build::Settings::default()
    };
    let collected = |mail: &[u8], settings: &build::Settings| {
        let mut collector = Collector::new(settings, 0);
        collector.feed(mail, settings);
        let arrival = build::Arrival {
            origin: Origin::File { source: "f".to_owned() },
            account: String::new(),
            internal_date: Some(1),
            now: 2,
        };
        collector.finish(settings, arrival)
    };
    let sink = Cloud::new(faithful).sink();
    let encoded = |mail: &[u8], settings: &build::Settings| {
        let mut output = Vec::new();
        sink.encode(&collected(mail, settings), &mut output);
        output
    };
    let time = b"\xa1s\xcf\0\0\0\0\0\0\0\x01";
    let raw = encoded(b"A: b\r\n\r\n\xff", &settings);
    assert_eq!(raw, [b"\x02\xa1t\xa9A: b\r\n\r\n\xff", &time[..]].concat());
    settings.raw = None;
    let event = encoded(b"A: b\r\n\r\nx", &settings);
    assert!(event.starts_with(b"\x03\xa1j\x83\xa7headers\x81\xa1a\x91\xa1b\xa5parts\x91"));
    assert!(memchr::memmem::find(&event, b"\xa7routing\x87\xa8event_id").is_some());
    assert!(event.ends_with(&[b"\xa1e\xa5email", &time[..]].concat()));
    // A mail of nothing: an event, so that it does not vanish.
    settings.raw = Some(1000);
    assert!(encoded(b"", &settings).starts_with(b"\x03\xa1j"));
}

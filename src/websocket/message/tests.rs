use super::{Event, MessageReader};
use crate::websocket::frame::Violation;

/// What `stream` says, cut in pieces of `step` bytes.
fn read(stream: &[u8], step: usize, limit: usize) -> (Vec<Event>, Option<Violation>) {
    let mut reader = MessageReader::new(limit);
    let mut events = Vec::new();
    for piece in stream.chunks(step) {
        let mut input = piece;
        loop {
            match reader.next(&mut input) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(violation) => return (events, Some(violation)),
            }
        }
        assert!(input.is_empty());
    }
    (events, None)
}

/// The same for whole input, byte by byte and every split in two.
fn all_splits(stream: &[u8], limit: usize) -> (Vec<Event>, Option<Violation>) {
    let whole = read(stream, stream.len().max(1), limit);
    for step in 1..stream.len() {
        assert_eq!(read(stream, step, limit), whole, "in pieces of {step}");
    }
    whole
}

fn text(text: &str) -> Event {
    Event::Text(text.to_owned())
}

#[test]
fn a_message_in_pieces_with_a_ping_in_between() {
    let stream = b"\x01\x03Hel\x89\x02hi\x00\x00\x80\x02lo\x82\x01x\x8a\x00";
    let expected = vec![
        Event::Ping(b"hi".to_vec()),
        text("Hello"),
        Event::Binary(b"x".to_vec()),
        Event::Pong(Vec::new()),
    ];
    assert_eq!(all_splits(stream, 100), (expected, None));
}

#[test]
fn empty_messages_are_messages() {
    let stream = b"\x81\x00\x82\x00\x01\x00\x80\x00";
    assert_eq!(
        all_splits(stream, 0),
        (vec![text(""), Event::Binary(Vec::new()), text("")], None)
    );
}

#[test]
fn a_character_cut_between_frames_is_whole_again_and_one_cut_at_the_end_is_refused() {
    assert_eq!(all_splits(b"\x01\x01\xc3\x80\x01\xa9", 9), (vec![text("é")], None));
    assert_eq!(all_splits(b"\x81\x01\xc3", 9), (vec![], Some(Violation::Utf8)));
    // Refused at once, although the message goes on.
    assert_eq!(all_splits(b"\x01\x02\xc3\x28", 9), (vec![], Some(Violation::Utf8)));
    // A surrogate, an overlong form, and what is beyond Unicode.
    for bad in [
        &b"\x81\x03\xed\xa0\x80"[..],
        b"\x81\x02\xc0\xaf",
        b"\x81\x04\xf4\x90\x80\x80",
    ] {
        assert_eq!(all_splits(bad, 9), (vec![], Some(Violation::Utf8)));
    }
    // Bytes may be anything.
    assert_eq!(
        all_splits(b"\x82\x02\xc3\x28", 9),
        (vec![Event::Binary(b"\xc3\x28".to_vec())], None)
    );
}

#[test]
fn frames_that_make_no_message_are_refused() {
    for stream in [
        &b"\x80\x00"[..],     // a continuation of nothing
        b"\x00\x01x",         // the same, to be continued
        b"\x01\x01x\x81\x00", // a message inside another
        b"\x02\x00\x82\x00",
    ] {
        assert_eq!(
            all_splits(stream, 100),
            (vec![], Some(Violation::Sequence)),
            "{stream:x?}"
        );
    }
}

#[test]
fn the_limit_counts_all_pieces_together() {
    let two = |first: usize, second: usize| {
        let mut stream = vec![0x02, u8::try_from(first).unwrap()];
        stream.resize(2 + first, b'a');
        stream.extend([0x80, u8::try_from(second).unwrap()]);
        stream.resize(4 + first + second, b'b');
        all_splits(&stream, 10)
    };
    assert_eq!(two(5, 4).1, None);
    assert_eq!(two(5, 5).1, None);
    assert_eq!(two(5, 6), (vec![], Some(Violation::TooLarge)));
    // Announced is enough: nothing of it is kept.
    assert_eq!(
        read(b"\x82\x7f\0\0\0\xff\0\0\0\0", 1, 1 << 20),
        (vec![], Some(Violation::TooLarge))
    );
    // A control frame takes nothing of a message's room.
    assert_eq!(all_splits(b"\x02\x01a\x89\x05hello\x80\x00", 1).0.len(), 2);
}

#[test]
fn a_close_says_why_and_nothing_counts_behind_it() {
    let close = |bytes: &[u8]| all_splits(bytes, 100);
    assert_eq!(
        close(b"\x88\x00\xff\xff\xff"),
        (vec![Event::Close(None, String::new())], None)
    );
    assert_eq!(
        close(b"\x88\x05\x03\xe9bye\x81\x01x"),
        (vec![Event::Close(Some(1001), "bye".to_owned())], None)
    );
    assert_eq!(close(b"\x88\x01\x03"), (vec![], Some(Violation::CloseCode)));
    assert_eq!(close(b"\x88\x03\x03\xe8\xff"), (vec![], Some(Violation::Utf8)));
    let with_code = |code: u16| {
        let [high, low] = code.to_be_bytes();
        close(&[0x88, 2, high, low]).1
    };
    for good in [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999] {
        assert_eq!(with_code(good), None, "{good}");
    }
    for bad in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        assert_eq!(with_code(bad), Some(Violation::CloseCode), "{bad}");
    }
}

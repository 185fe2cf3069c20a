use super::{Outcome, PKCS_7, Reader, SMIME_CONTENT, announced, fuzz, protection};
use crate::limits;
use crate::mime::anomaly::Flag;
use crate::mime::parameter::Parameterized;

/// An element of definite length.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match content.len() {
        short @ 0..=127 => bytes.push(u8::try_from(short).unwrap()),
        long => {
            bytes.push(0x84);
            bytes.extend(u32::try_from(long).unwrap().to_be_bytes());
        }
    }
    bytes.extend(content);
    bytes
}

/// An element of indefinite length.
fn open_ended(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, 0x80], content, &[0, 0]].concat()
}

type Write = fn(u8, &[u8]) -> Vec<u8>;

/// An object whose eContent `[0]` holds `octets`, each constructed value written by `write`.
fn signed(write: Write, octets: &[u8]) -> Vec<u8> {
    let identifier = |last: u8| element(6, &[PKCS_7, &[last]].concat());
    let enclosed = write(0x30, &[identifier(1), write(0xa0, octets)].concat());
    let data = [
        element(2, &[1]),
        write(0x31, &write(0x30, &element(6, &[1, 2, 3]))),
        enclosed,
        write(0xa0, &write(0x30, b"")),
        write(0x31, b""),
    ]
    .concat();
    write(0x30, &[identifier(2), write(0xa0, &write(0x30, &data))].concat())
}

fn read(object: &[u8]) -> (String, Outcome) {
    fuzz(object);
    let mut reader = Reader::new(true);
    let mut output = Vec::new();
    reader.feed(object, &mut output);
    (output.escape_ascii().to_string(), reader.finish())
}

fn enclosed(text: &str) -> (String, Outcome) {
    (text.to_owned(), Outcome::Read)
}

#[test]
fn content_in_one_octet_string() {
    for write in [element as Write, open_ended] {
        assert_eq!(read(&signed(write, &element(4, b"hello"))), enclosed("hello"));
    }
    let long = "x".repeat(70_000);
    assert_eq!(read(&signed(element, &element(4, long.as_bytes()))), enclosed(&long));
}

#[test]
fn content_in_pieces_in_pieces() {
    for write in [element as Write, open_ended] {
        let inner = write(0x24, &[element(4, b"l"), element(4, b""), element(4, b"lo")].concat());
        let object = signed(write, &write(0x24, &[element(4, b"he"), inner].concat()));
        assert_eq!(read(&object), enclosed("hello"));
    }
}

#[test]
fn every_truncation_gives_what_there_was_and_says_so() {
    for write in [element as Write, open_ended] {
        let object = signed(write, &element(4, b"hello"));
        let content = object.windows(5).position(|window| window == b"hello").unwrap();
        for end in 0..content + 5 {
            let there = end.saturating_sub(content).min(5);
            assert_eq!(
                read(&object[..end]),
                ("hello"[..there].to_owned(), Outcome::Unread),
                "{end}"
            );
        }
    }
}

#[test]
fn plain_data_is_content_too() {
    let identifier = element(6, &[PKCS_7, &[1]].concat());
    let object = element(0x30, &[identifier, element(0xa0, &element(4, b"plain"))].concat());
    assert_eq!(read(&object), enclosed("plain"));
}

#[test]
fn content_that_is_no_octet_string_is_unread() {
    for octets in [
        element(0x0c, b"hidden"),
        [element(4, b"shown"), element(0x0c, b"hidden")].concat(),
        element(0x24, &element(0x0c, b"hidden")),
    ] {
        assert_eq!(read(&signed(element, &octets)).1, Outcome::Unread);
    }
}

#[test]
fn only_filler_may_follow_an_object() {
    for (write, signatures) in [(element as Write, 2), (open_ended, 10)] {
        let object = signed(write, &element(4, b"hello"));
        for filler in [&b""[..], b"\0", b"\r\n", &[0; 1000]] {
            assert_eq!(read(&[&object, filler].concat()), enclosed("hello"));
        }
        for behind in [&b"\0\0x"[..], &object] {
            let expected = ("hello".to_owned(), Outcome::Unread);
            assert_eq!(read(&[&object, behind].concat()), expected);
        }
        let mut damaged = object.clone();
        let signatures = damaged.len() - signatures;
        assert_eq!(damaged[signatures], 0x31);
        damaged[signatures + 1] = 0x89;
        assert_eq!(read(&damaged), enclosed("hello"), "damaged in what follows");
        let after_content = object.windows(5).position(|window| window == b"hello").unwrap() + 9;
        assert_eq!(read(&object[..after_content]), enclosed("hello"), "cut in what follows");
    }
}

#[test]
fn a_signature_without_content_encloses_nothing() {
    let identifier = |last: u8| element(6, &[PKCS_7, &[last]].concat());
    let data = [element(2, &[1]), element(0x31, b""), element(0x30, &identifier(1))].concat();
    let object = element(0x30, &[identifier(2), element(0xa0, &element(0x30, &data))].concat());
    assert_eq!(read(&object), enclosed(""));
}

#[test]
fn encrypted_compressed_and_unknown_objects_are_told_apart() {
    for (arc, last, expected) in [
        (PKCS_7, 3, Outcome::Encrypted),
        (PKCS_7, 6, Outcome::Encrypted),
        (SMIME_CONTENT, 23, Outcome::Encrypted),
        (SMIME_CONTENT, 9, Outcome::Unread),
        (SMIME_CONTENT, 2, Outcome::Unread),
        (PKCS_7, 5, Outcome::Unread),
    ] {
        let identifier = element(6, &[arc, &[last]].concat());
        let object = element(0x30, &[identifier, element(0xa0, &element(4, b"secret"))].concat());
        assert_eq!(read(&object), (String::new(), expected), "{arc:?} {last}");
    }
    assert_eq!(read(b"PK\x03\x04 not CMS"), (String::new(), Outcome::Unread));
    assert_eq!(read(b""), (String::new(), Outcome::Unread));
}

#[test]
fn another_content_type_is_not_a_mime_entity() {
    let mut object = signed(element, &element(4, b"receipt"));
    let second = object
        .windows(9)
        .rposition(|window| window == [PKCS_7, &[1]].concat())
        .unwrap();
    object[second + 8] = 9;
    assert_eq!(read(&object), (String::new(), Outcome::Unread));
}

#[test]
fn an_element_longer_than_the_one_around_it_is_read_and_flagged() {
    let mut object = signed(element, &element(4, b"hello"));
    let content = object.windows(5).position(|window| window == b"hello").unwrap();
    object[content - 1] += 1; // the octet string takes a byte of what follows
    let (text, outcome) = read(&object);
    assert!(text.starts_with("hello"), "{text}");
    assert_eq!(outcome, Outcome::Unread);
}

#[test]
fn nesting_at_the_limit_and_beyond() {
    // Five constructed values are open around the content.
    for (levels, expected) in [
        (limits::CMS_NESTING - 5, enclosed("deep")),
        (limits::CMS_NESTING - 4, (String::new(), Outcome::Unread)),
    ] {
        let octets = (0..levels).fold(element(4, b"deep"), |inner, _| open_ended(0x24, &inner));
        assert_eq!(read(&signed(open_ended, &octets)), expected, "{levels}");
    }
}

#[test]
fn lengths_and_tags_that_no_memory_could_hold() {
    let huge = [&[0x30, 0x88][..], &[0xff; 8]].concat();
    assert_eq!(read(&huge).1, Outcome::Unread);
    assert_eq!(read(&[0x30, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 5]).1, Outcome::Unread);
    assert_eq!(read(&[0x1f; 64]).1, Outcome::Unread);
    assert_eq!(
        read(&[0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]).1,
        Outcome::Unread
    );
}

#[test]
fn types_and_names_of_smime() {
    let parse = |value: &str| Parameterized::parse(value.as_bytes());
    for (content_type, disposition, expected) in [
        ("application/pkcs7-mime; smime-type=signed-data", None, true),
        ("Application/X-PKCS7-MIME", None, true),
        ("application/octet-stream; name=Smime.P7M", None, true),
        ("application/octet-stream", Some("attachment; filename=smime.p7m"), true),
        ("application/pkcs7-signature", None, true),
        ("application/octet-stream; name=smime.p7s", None, true),
        ("application/octet-stream; name=smime.p7z", None, true),
        ("application/octet-stream; name=smime.p7c", None, false),
        (
            "application/octet-stream; name=\"=?utf-8?B?c21pbWUucDdt?=\"",
            None,
            true,
        ),
        ("application/octet-stream; name=\"smime.p7m .\"", None, true),
        ("application/octet-stream; name*=utf-8''smime%2Ep7m", None, true),
        ("application/pgp-signature; name=signature.asc", None, false),
        ("application/octet-stream; name=p7m", None, false),
    ] {
        let disposition = disposition.map(parse);
        assert_eq!(
            announced(&parse(content_type), disposition.as_ref()),
            expected,
            "{content_type}"
        );
    }
    for (content_type, expected) in [
        (
            "multipart/signed; protocol=\"application/PKCS7-signature\"",
            Some(Flag::Smime),
        ),
        ("multipart/signed; protocol=\"application/pgp-signature\"", None),
        (
            "multipart/encrypted; protocol=\"application/pgp-encrypted\"",
            Some(Flag::Encrypted),
        ),
        ("application/pgp-encrypted", Some(Flag::Encrypted)),
        ("text/plain", None),
    ] {
        assert_eq!(protection(&parse(content_type)), expected, "{content_type}");
    }
}

#[test]
fn an_object_that_ends_without_its_content_where_it_should_be_is_unread() {
    let identifier = |last: u8| element(6, &[PKCS_7, &[last]].concat());
    let version = element(2, &[1]);
    for content in [
        Vec::new(),
        element(0xa0, &element(0x30, &version)),
        element(0xa0, &element(0x30, &[version.clone(), element(0x31, b"")].concat())),
        element(0xa0, &element(0x31, b"hidden")),
        element(0xa1, b"hidden"),
    ] {
        let object = element(0x30, &[identifier(2), content].concat());
        assert_eq!(
            read(&object),
            (String::new(), Outcome::Unread),
            "{}",
            object.escape_ascii()
        );
    }
    let object = element(0x30, &[identifier(1), element(0xa1, b"hidden")].concat());
    assert_eq!(read(&object), (String::new(), Outcome::Unread));
}

/// RFC 3274, section 1.1, with `octets` for its content.
fn compressed(octets: &[u8]) -> Vec<u8> {
    let data = element(6, &[PKCS_7, &[1]].concat());
    let kind = element(6, &[SMIME_CONTENT, &[9]].concat());
    let enclosed = element(0x30, &[data, element(0xa0, octets)].concat());
    let object = [element(2, &[0]), element(0x30, &element(6, &[1, 2, 3])), enclosed].concat();
    element(0x30, &[kind, element(0xa0, &element(0x30, &object))].concat())
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut stream = flate2::Compress::new(flate2::Compression::best(), true);
    let mut output = Vec::with_capacity(content.len() + 100);
    let status = stream.compress_vec(content, &mut output, flate2::FlushCompress::Finish);
    assert_eq!(status.unwrap(), flate2::Status::StreamEnd);
    output
}

#[test]
fn compressed_content_is_inflated() {
    let text: String = (0..2000).fold(String::new(), |text, number| text + &format!("line {number}\r\n"));
    let stream = deflated(text.as_bytes());
    let expected = (text.as_bytes().escape_ascii().to_string(), Outcome::Read);
    assert_eq!(read(&compressed(&element(4, &stream))), expected);
    let pieces: Vec<u8> = stream.chunks(1000).flat_map(|piece| element(4, piece)).collect();
    assert_eq!(read(&compressed(&open_ended(0x24, &pieces))), expected);
    let mut reader = Reader::new(false);
    let mut output = Vec::new();
    reader.feed(&compressed(&element(4, &stream)), &mut output);
    assert_eq!(
        (output.len(), reader.finish()),
        (0, Outcome::Unread),
        "inside of another"
    );
}

#[test]
fn compressed_content_that_is_damaged_or_a_bomb_gives_what_it_can_and_says_so() {
    let stream = deflated(b"hello");
    for end in 0..stream.len() {
        let (text, outcome) = read(&compressed(&element(4, &stream[..end])));
        assert!("hello".starts_with(&text), "{text}");
        assert_eq!(outcome, Outcome::Unread, "{end}");
    }
    let behind = [stream.as_slice(), b"x"].concat();
    assert_eq!(
        read(&compressed(&element(4, &behind))),
        ("hello".to_owned(), Outcome::Unread)
    );
    let bomb = compressed(&element(4, &deflated(&vec![b'a'; 4_000_000])));
    let mut reader = Reader::new(true);
    let mut output = Vec::new();
    reader.feed(&bomb, &mut output);
    assert!(
        output.len() > 1000 && output.len() <= super::most_inflated(bomb.len()),
        "{}",
        output.len()
    );
    assert_eq!(reader.finish(), Outcome::Unread);
}

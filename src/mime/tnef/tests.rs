use super::{Reader, SIGNATURE, announced, fuzz};
use crate::limits;
use crate::mime::embedded::Record;
use crate::mime::parameter::Parameterized;

fn read(stream: &[u8]) -> Vec<String> {
    fuzz(stream);
    let mut record = Record::default();
    let mut reader = Reader::default();
    reader.feed(stream, &mut |item| record.add(item));
    reader.finish(&mut |item| record.add(item));
    record.told
}

fn stream(attributes: &[Vec<u8>]) -> Vec<u8> {
    [&SIGNATURE[..], &[1, 0], &attributes.concat()].concat()
}

fn attribute(level: u8, identifier: u32, data: &[u8]) -> Vec<u8> {
    let sum = data.iter().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
    let length = u32::try_from(data.len()).unwrap();
    [
        &[level][..],
        &identifier.to_le_bytes(),
        &length.to_le_bytes(),
        data,
        &sum.to_le_bytes(),
    ]
    .concat()
}

const BEGINS: u32 = 0x0006_9002;
const DATA: u32 = 0x0006_800f;
const TITLE: u32 = 0x0001_8010;
const PROPERTIES: u32 = 0x0006_9005;
const MESSAGE_PROPERTIES: u32 = 0x0006_9003;

/// A list of properties: tag, and what follows it.
fn properties(list: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = u32::try_from(list.len()).unwrap().to_le_bytes().to_vec();
    for (tag, rest) in list {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(rest);
    }
    bytes
}

/// One value of variable size, filled up.
fn variable(value: &[u8]) -> Vec<u8> {
    let mut bytes = [
        &1_u32.to_le_bytes()[..],
        &u32::try_from(value.len()).unwrap().to_le_bytes(),
        value,
    ]
    .concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0xee);
    bytes
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

#[test]
fn attachments_and_their_names_in_any_order() {
    let told = read(&stream(&[
        attribute(1, 0x0008_9006, &[0, 0, 1, 0]),
        attribute(2, BEGINS, &[0; 14]),
        attribute(2, DATA, b"one"),
        attribute(2, TITLE, b"LONGNA~1.TXT\0"),
        attribute(
            2,
            PROPERTIES,
            &properties(&[(0x3707_001f, variable(&utf16("long näme.txt")))]),
        ),
        attribute(2, BEGINS, &[0; 14]),
        attribute(2, PROPERTIES, &properties(&[(0x3001_001e, variable(b"shown\0"))])),
        attribute(2, TITLE, b"b\0"),
        attribute(2, DATA, b""),
    ]));
    assert_eq!(
        told,
        [
            "File",
            "name long n\\xc3\\xa4me.txt",
            "end one",
            "File",
            "name b",
            "end "
        ]
    );
}

#[test]
fn bodies_plain_html_and_rtf_without_their_nul() {
    let rtf = b"\x11\0\0\0\x05\0\0\0MELA\0\0\0\0{rtf}";
    let told = read(&stream(&[
        attribute(1, 0x0006_9007, &[0xe3, 0x04, 0, 0, 0, 0, 0, 0]),
        attribute(1, 0x0002_800c, b"plain\0"),
        attribute(
            1,
            MESSAGE_PROPERTIES,
            &properties(&[
                (0x0e1b_000b, vec![1, 0, 0, 0]),
                (0x1013_0102, variable(b"<p>")),
                (0x1000_001f, variable(&utf16("w"))),
                (0x1009_0102, variable(rtf)),
            ]),
        ),
    ]));
    let text = |kind: &str, charset: &str| format!("Text {{ media_type: \"text/{kind}\", charset: \"{charset}\" }}");
    assert_eq!(
        told,
        [
            &text("plain", "cp1251"),
            "end plain",
            &text("html", "cp1251"),
            "end <p>",
            &text("plain", "utf-16le"),
            "end w\\x00",
            &text("rtf", "cp1251"),
            "end {rtf}",
        ]
    );
}

#[test]
fn named_properties_lists_and_every_type_are_stepped_over() {
    let guid = [7_u8; 16];
    let named = |kind: u32, rest: &[u8]| [&guid[..], &kind.to_le_bytes(), rest].concat();
    let name = utf16("abc");
    let text_name = named(1, &[&8_u32.to_le_bytes()[..], &name, &5_u32.to_le_bytes()].concat());
    let odd_name = named(
        1,
        &[&6_u32.to_le_bytes()[..], &name[..6], &[0, 0], &5_u32.to_le_bytes()].concat(),
    );
    let list = [&2_u32.to_le_bytes()[..], &variable(b"x")[4..], &variable(b"four")[4..]].concat();
    let told = read(&stream(&[
        attribute(2, BEGINS, &[0; 14]),
        attribute(
            2,
            PROPERTIES,
            &properties(&[
                (0x8001_0003, named(0, &[1, 0, 0, 0, 9, 9, 9, 9])),
                (0x8002_0003, text_name),
                (0x8003_0003, odd_name),
                (0x6001_101e, list),
                (0x6002_1003, vec![2, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]),
                (0x6003_0040, vec![0; 8]),
                (0x6004_0048, vec![0; 16]),
                (0x6005_001e, vec![0, 0, 0, 0]),
                (0x3707_001e, variable(b"last\0")),
            ]),
        ),
        attribute(2, DATA, b"x"),
    ]));
    assert_eq!(told, ["File", "name last", "end x"]);
}

#[test]
fn an_attached_mail_is_descended_and_any_other_object_is_a_file() {
    let message = [7, 3, 2, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];
    let object = |guid: [u8; 16], bytes: &[u8]| {
        stream(&[
            attribute(2, BEGINS, &[0; 14]),
            attribute(2, TITLE, b"object\0"),
            attribute(
                2,
                PROPERTIES,
                &properties(&[(0x3701_000d, variable(&[&guid[..], bytes].concat()))]),
            ),
        ])
    };
    let inner = stream(&[
        attribute(2, BEGINS, b""),
        attribute(2, TITLE, b"in\0"),
        attribute(2, DATA, b"deep"),
    ]);
    assert_eq!(read(&object(message, &inner)), ["File", "name in", "end deep"]);
    assert_eq!(read(&object([9; 16], b"OLE")), ["File", "name object", "end OLE"]);

    let nested = |levels| read(&(0..levels).fold(inner.clone(), |inner, _| object(message, &inner)));
    assert_eq!(nested(limits::TNEF_DEPTH), ["File", "name in", "end deep"]);
    let told = nested(limits::TNEF_DEPTH + 1);
    assert_eq!(told[..3], ["limit_depth", "File", "name object"]);
}

#[test]
fn two_contents_of_one_attachment_are_two_files() {
    let told = read(&stream(&[
        attribute(2, BEGINS, b""),
        attribute(2, TITLE, b"a\0"),
        attribute(2, DATA, b"one"),
        attribute(2, DATA, b"two"),
    ]));
    assert_eq!(told, ["File", "name a", "end one", "File", "name a", "end two"]);
}

#[test]
fn what_is_damaged_gives_what_there_is_and_says_so() {
    let whole = stream(&[
        attribute(2, BEGINS, b""),
        attribute(2, TITLE, b"a\0"),
        attribute(2, DATA, b"data"),
    ]);
    let expected = ["File", "name a", "end data"];
    assert_eq!(read(&whole), expected);
    assert_eq!(read(&[&whole[..], b"\r\n\0"].concat()), expected, "filler");
    let mut wrong_sum = whole.clone();
    *wrong_sum.last_mut().unwrap() ^= 1;
    assert_eq!(read(&wrong_sum), ["File", "name a", "end data", "tnef_unread"]);
    assert_eq!(
        read(&[&whole[..], b"garbage"].concat()),
        ["File", "name a", "end data", "tnef_unread"]
    );
    assert_eq!(
        read(&whole[..whole.len() - 4]),
        ["File", "name a", "end da", "tnef_unread"]
    );
    assert_eq!(read(b"PK\x03\x04 and more"), ["tnef_unread"]);
    assert_eq!(read(b""), ["tnef_unread"]);
    let unknown_type = stream(&[attribute(2, PROPERTIES, &properties(&[(0x3707_0bad, variable(b"x"))]))]);
    assert_eq!(read(&unknown_type), ["tnef_unread"]);
    for end in 0..whole.len() {
        read(&whole[..end]);
    }
}

#[test]
fn a_name_at_the_limit_and_beyond() {
    for length in [limits::TNEF_NAME - 1, limits::TNEF_NAME, limits::TNEF_NAME + 1] {
        let told = read(&stream(&[
            attribute(2, BEGINS, b""),
            attribute(2, TITLE, "n".repeat(length).as_bytes()),
            attribute(2, DATA, b"x"),
        ]));
        assert_eq!(told[1].len(), "name ".len() + length.min(limits::TNEF_NAME));
    }
}

#[test]
fn types_and_names_of_tnef() {
    let parse = |value: &str| Parameterized::parse(value.as_bytes());
    let disposition = parse("attachment; filename=WINMAIL.DAT");
    assert!(announced(&parse("application/ms-tnef"), None));
    assert!(announced(&parse("application/vnd.ms-tnef; name=x"), None));
    assert!(announced(
        &parse("application/octet-stream; name=\"winmail.dat\""),
        None
    ));
    assert!(announced(&parse("application/octet-stream"), Some(&disposition)));
    assert!(!announced(&parse("application/octet-stream; name=mail.dat"), None));
}

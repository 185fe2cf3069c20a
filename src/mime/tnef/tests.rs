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
    assert_eq!(
        told,
        [
            &text("plain", None),
            "end plain",
            "text/plain in cp1251",
            &text("html", None),
            "end <p>",
            &text("plain", Some("utf-16le")),
            "end w\\x00",
            &text("rtf", None),
            "end {rtf}",
            "text/html in cp1251",
            "text/rtf in cp1251",
        ]
    );
}

fn text(kind: &str, charset: Option<&str>) -> String {
    format!("Text {{ media_type: \"text/{kind}\", charset: {charset:?} }}")
}

const OEM_CODE_PAGE: u32 = 0x0006_9007;

fn number(number: u32) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

/// What is said of charsets, and of damage, in a mail of plain text and HTML in one byte a character.
fn charsets(before: Option<u32>, list: &[(u32, u32)], behind: Option<u32>) -> Vec<String> {
    let oem = |page: Option<u32>| page.map(|page| attribute(1, OEM_CODE_PAGE, &number(page)));
    let mut all = vec![(0x1000_001e, variable(b"p\0")), (0x1013_0102, variable(b"h"))];
    all.extend(list.iter().map(|(tag, page)| (*tag, number(*page))));
    all.sort_by_key(|(tag, _)| *tag);
    let set = attribute(1, MESSAGE_PROPERTIES, &properties(&all));
    let attributes: Vec<_> = oem(before).into_iter().chain([set]).chain(oem(behind)).collect();
    let mut told = read(&stream(&attributes));
    told.retain(|told| told.contains(" in ") || told == "tnef_unread");
    told
}

#[test]
fn bodies_are_in_the_code_page_of_their_property_set_wherever_it_stands() {
    const MESSAGE: u32 = 0x3ffd_0003;
    const INTERNET: u32 = 0x3fde_0003;
    let in_charsets = |plain: &str, html: &str| vec![format!("text/plain in {plain}"), format!("text/html in {html}")];
    for (before, list, expected) in [
        (None, &[][..], in_charsets("cp1252", "cp1252")),
        (Some(1251), &[], in_charsets("cp1251", "cp1251")),
        (Some(1252), &[(INTERNET, 65001)], in_charsets("cp1252", "utf-8")),
        (
            Some(1251),
            &[(MESSAGE, 932), (INTERNET, 1200)],
            in_charsets("cp932", "utf-16le"),
        ),
        (None, &[(INTERNET, 65000)], in_charsets("cp65000", "cp65000")),
    ] {
        assert_eq!(charsets(before, list, None), expected);
    }
    let unread = |charsets: Vec<String>| [charsets, vec!["tnef_unread".to_owned()]].concat();
    let used = unread(in_charsets("cp1252", "cp1252"));
    assert_eq!(charsets(None, &[], Some(1251)), used, "too late");
    assert_eq!(charsets(None, &[], Some(1252)).len(), 2, "late, and the same");
    let twice = charsets(None, &[(INTERNET, 65001), (INTERNET, 65000)], None);
    assert_eq!(twice, unread(in_charsets("cp65000", "cp65000")));
}

#[test]
fn compressed_rtf_stays_ascii_and_binary_html_has_no_nul_behind_it() {
    let rtf = b"\x11\0\0\0\x05\0\0\0MELA\0\0\0\0{rtf}";
    let told = read(&stream(&[
        attribute(1, OEM_CODE_PAGE, &number(65000)),
        attribute(
            1,
            MESSAGE_PROPERTIES,
            &properties(&[
                (0x1009_0102, variable(rtf)),
                (0x1013_0102, variable(b"h\0")),
                (0x1013_001e, variable(b"h\0")),
            ]),
        ),
    ]));
    assert_eq!(
        told,
        [
            &text("rtf", None),
            "end {rtf}",
            &text("html", None),
            "end h\\x00",
            &text("html", None),
            "end h",
            "text/rtf in us-ascii",
            "text/html in cp65000",
        ]
    );
}

#[test]
fn a_mail_of_an_smime_class_hides_what_it_signs() {
    for (class, smime) in [
        ("IPM.Note.SMIME", true),
        ("ipm.note.smime.multipartsigned", true),
        ("IPM.Note", false),
        ("IPM.Microsoft Mail.Note", false),
    ] {
        let narrow = attribute(1, 0x0007_8008, format!("{class}\0").as_bytes());
        let wide = properties(&[(0x001a_001f, variable(&utf16(class)))]);
        for told in [narrow, attribute(1, MESSAGE_PROPERTIES, &wide)].map(|class| read(&stream(&[class]))) {
            assert_eq!(told == ["smime_unread"], smime, "{class} {told:?}");
        }
    }
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
    for filler in [&b"\r\n\0"[..], &[0; 9], &[0; 1000], b"\0\0\0\0\0\0\0\0\0\0\r\n"] {
        assert_eq!(read(&[&whole[..], filler].concat()), expected, "filler");
    }
    assert_eq!(
        read(&[&whole[..], &[0; 20], &whole].concat()),
        ["File", "name a", "end data", "tnef_unread"]
    );
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
    for written in [
        "\"=?us-ascii?Q?winmail.dat?=\"",
        "\"winmail.dat \"",
        "\"WINMAIL.DAT.\"",
        "\"./winmail.dat\"",
        "\"C:\\\\winmail.dat\"",
        "\"winmail.dat\u{200b}\"",
        "other; filename*=utf-8''win%6Dail.dat",
        "winmail.dat; filename*=utf-8''other",
    ] {
        let disposition = parse(&format!("attachment; filename={written}"));
        assert!(announced(&parse("a/b"), Some(&disposition)), "{written}");
    }
    assert!(!announced(&parse("application/octet-stream; name=mail.dat"), None));
}

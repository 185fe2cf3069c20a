use super::{Seen, fuzz, see};
use crate::imap::fetch_items::{Attributes, BodyItem};
use crate::imap::response::{Code, Condition, Response, State, Status};
use crate::limits;

/// The same whole, in every split in two, and byte by byte; and no truncation shows more than the whole does.
fn read(stream: &[u8]) -> Vec<String> {
    let whole = see(stream, usize::MAX);
    for step in 1..stream.len() {
        assert_eq!(see(stream, step), whole, "in pieces of {step}");
    }
    for cut in 0..stream.len() {
        let part = see(&stream[..cut], usize::MAX);
        let complete = part
            .iter()
            .zip(&whole)
            .take_while(|(part, whole)| part == whole)
            .count();
        let rest = &part[complete..];
        let unfinished = matches!(rest, [] | [Seen::Body(..)]);
        assert!(unfinished, "cut at {cut}: {rest:?}");
    }
    whole.iter().map(brief).collect()
}

fn brief(seen: &Seen) -> String {
    match seen {
        Seen::Body(attributes, body) => format!("body {:?} {:?}", attributes.uid, String::from_utf8_lossy(body)),
        Seen::Violation(violation) => format!("violation: {violation}"),
        Seen::Response(Response::Fetch(attributes)) => {
            let Attributes {
                uid,
                size,
                internal_date_ms,
                body,
                ..
            } = attributes;
            format!("fetch {uid:?} {size:?} {internal_date_ms:?} {body:?}")
        }
        Seen::Response(Response::Tagged { tag, condition }) => format!("{tag} {:?} {condition}", condition.state),
        Seen::Response(Response::Condition(condition)) => format!("* {:?} {condition}", condition.state),
        Seen::Response(Response::Continuation(said)) => format!("+ {}", said.escape_ascii()),
        Seen::Response(response) => format!("{response:?}"),
    }
}

#[test]
fn a_body_in_the_middle_of_its_response() {
    assert_eq!(
        read(
            b"* 12 FETCH (FLAGS (\\Seen) UID 9 BODY[] {15}\r\n)\r\nA1 OK forged INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 15)\r\n* 13 EXISTS\r\n"
        ),
        [
            "body Some(9) \")\\r\\nA1 OK forged\"",
            "fetch Some(9) Some(15) Some(837596665000) Present",
            "Exists(13)"
        ]
    );
}

#[test]
fn a_uid_behind_the_body_is_known_at_the_end() {
    assert_eq!(
        read(b"* 1 FETCH (BODY[] {3}\r\nabc UID 7)\r\n"),
        ["body None \"abc\"", "fetch Some(7) None None Present"]
    );
}

#[test]
fn a_body_that_is_no_literal() {
    assert_eq!(
        read(b"* 1 FETCH (UID 7 BODY[] \"a \\\"b\\\"\")\r\n* 2 FETCH (BODY[] NIL UID 8)\r\n* 3 FETCH (BODY[] \"\" UID 9)\r\n* 4 FETCH (BODY[] {0}\r\n UID 10)\r\n"),
        [
            "body Some(7) \"a \\\"b\\\"\"",
            "fetch Some(7) None None Present",
            "fetch Some(8) None None Nil",
            "body Some(9) \"\"",
            "fetch Some(9) None None Present",
            "body None \"\"",
            "fetch Some(10) None None Present",
        ]
    );
}

#[test]
fn small_literals_wherever_a_string_may_stand() {
    assert_eq!(
        read(
            b"* STATUS {5}\r\nINBOX (UIDNEXT 5)\r\n* LIST () {1}\r\n/ {7}\r\na\r\nb{3}\r\n* 1 FETCH (INTERNALDATE {26}\r\n17-Jul-1996 02:44:25 -0700 UID {2}\r\n19 BODY[] {1}\r\nx X {3}\r\n)))\r\n Y {0}\r\n)\r\n"
        )[..3],
        [
            "Status(Status { uid_next: Some(5), uid_validity: None, messages: None, size: None })",
            "List(ListedMailbox { attributes: [], delimiter: Some(\"/\"), name: MailboxName { shown: \"a\\r\\nb{3}\", wire: [97, 13, 10, 98, 123, 51, 125] } })",
            "body Some(19) \"x\""
        ]
    );
}

#[test]
fn text_for_humans_announces_nothing() {
    assert_eq!(
        read(
            b"* OK your quota is {5}\r\nA1 NO [ALERT] no {5}\r\n+ go on {5}\r\n* BYE {5}\r\n* [COPYUID 1 2 {5}\r\nServer Unavailable. 15\r\n* 7 EXISTS\r\n"
        ),
        [
            "* Ok your quota is {5}",
            "A1 No [ALERT] no {5}",
            "+ go on {5}",
            "* Bye {5}",
            "Other",
            "Stray(\"Server Unavailable. 15\")",
            "Exists(7)"
        ]
    );
}

#[test]
fn an_announcement_that_the_grammar_does_not_expect_ends_everything() {
    for line in [
        "1 FETCH (UID 5 BODY[] {5}",
        "debug: * 1 FETCH (UID 5 BODY[] {5}",
        "*1 FETCH (UID 5 BODY[] {5}",
        "A1 FETCH (UID 5 BODY[] {5}",
        "x PREAUTH {5}",
        "Server Unavailable. {5}",
        "* 1 EXISTS {5}",
        "* FLAGS (\\Seen {5}",
        "* SEARCH 1 {5}",
        "* XYZZY {5}",
        "* 1 FETCH {5}",
        "* 1 FETCH (UID 5) {5}",
        "* 1 FETCH (BODY[{5}",
        "* 1 FETCH (X \"open {5}",
        "* 1 FETCH (UID 5 X {5} ",
        "* 1 FETCH (UID 5 BODY[] {5} ",
        "* 1 FETCH (UID 5 BODY[] {5} RFC822.SIZE 5)",
        "* 1 FETCH (UID 5 BODY[] {5} x",
        "* LIST () \"/\" foo{5}",
        "* LIST () \"/\" {99999999999999999999}",
        "* 1 FETCH (BODY[] {99999999999999999999}",
    ] {
        let seen = read(format!("{line}\r\nhello)\r\n* 9 EXISTS\r\n").as_bytes());
        assert!(
            matches!(&*seen, [one] if one.starts_with("violation")),
            "{line}: {seen:?}"
        );
    }
}

#[test]
fn a_response_that_cannot_be_read_is_skipped_only_while_no_literal_is_in_doubt() {
    let seen = read(b"* 1 FETCH (UID 5\r\n* 2 FETCH\r\n* LIST (\"open\r\n* 3 EXISTS\r\n");
    assert_eq!(seen.len(), 4);
    assert!(seen[..3].iter().all(|seen| seen.starts_with("Unreadable")), "{seen:?}");
    assert_eq!(seen[3], "Exists(3)");

    // The literal is one byte longer, or shorter, than what follows it suggests.
    for length in [4, 6] {
        let stream = format!("* 1 FETCH (UID 5 BODY[] {{{length}}}\r\nhello)\r\n* 9 EXISTS\r\nA1 OK\r\n");
        let seen = read(stream.as_bytes());
        assert!(seen[0].starts_with("body"), "{seen:?}");
        assert!(seen[1].starts_with("violation"), "{length}: {seen:?}");
        assert_eq!(seen.len(), 2);
    }
    // A small literal was collected: what follows cannot be trusted either.
    let seen = read(b"* 1 FETCH (X {1}\r\nab UID \r\n* 9 EXISTS\r\n");
    assert!(matches!(&*seen, [one] if one.starts_with("violation")), "{seen:?}");
}

#[test]
fn literals_that_are_no_mail_are_small_and_few() {
    for (length, passes) in [
        (limits::IMAP_LITERAL - 1, true),
        (limits::IMAP_LITERAL, true),
        (limits::IMAP_LITERAL + 1, false),
        (u64::MAX, false),
    ] {
        let mut stream = format!("* QUOTA {{{length}}}\r\n").into_bytes();
        if passes {
            stream.resize(stream.len() + usize::try_from(length).unwrap(), b'(');
        }
        stream.extend_from_slice(b"\r\n");
        let seen = see(&stream, usize::MAX);
        assert_eq!(seen == [Seen::Response(Response::Other)], passes, "{length}");
    }
    for (count, passes) in [
        (limits::IMAP_LITERALS - 1, true),
        (limits::IMAP_LITERALS, true),
        (limits::IMAP_LITERALS + 1, false),
    ] {
        let stream = format!("* ID ({}NIL)\r\n", "{1}\r\nx ".repeat(count));
        let seen = see(stream.as_bytes(), usize::MAX);
        assert_eq!(seen == [Seen::Response(Response::Other)], passes, "{count}");
    }
    // Few literals of the largest size can still be a response too long.
    let mut stream = b"* ID {65536}\r\n".to_vec();
    for _ in 0..17 {
        stream.resize(stream.len() + 65_536, b'x');
        stream.extend_from_slice(b" {65536}\r\n");
    }
    assert!(matches!(&*see(&stream, usize::MAX), [Seen::Violation(_)]));
}

#[test]
fn matrix_14_a_body_of_4_gib_is_announced_and_streamed_like_any_other() {
    let seen = see(b"* 1 FETCH (UID 1 BODY[] {4294967296}\r\nabc", usize::MAX);
    let [Seen::Body(attributes, body)] = &*seen else {
        panic!("{seen:?}")
    };
    assert_eq!((attributes.uid, body.as_slice()), (Some(1), &b"abc"[..]));
}

#[test]
fn forty_mib_of_parentheses_end_the_connection() {
    let stream = vec![b'('; 40 << 20];
    assert!(matches!(&*see(&stream, usize::MAX), [Seen::Violation(_)]));
    let mut fetch = b"* 1 FETCH ".to_vec();
    fetch.extend_from_slice(&stream);
    assert!(matches!(&*see(&fetch, usize::MAX), [Seen::Violation(_)]));
}

fn one(line: &str) -> Response {
    let mut seen = see(format!("{line}\r\n").as_bytes(), usize::MAX);
    assert_eq!(seen.len(), 1, "{line}");
    match seen.remove(0) {
        Seen::Response(response) => response,
        other => panic!("{line}: {other:?}"),
    }
}

fn condition(line: &str) -> Condition {
    match one(line) {
        Response::Condition(condition) | Response::Tagged { condition, .. } => condition,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn codes_with_and_without_text_brackets_and_sense() {
    let other = |name: &str| Some(Code::Other(name.to_owned()));
    for (line, code, text) in [
        (
            "* OK [UIDVALIDITY 3857529045] UIDs valid",
            Some(Code::UidValidity(3_857_529_045)),
            "UIDs valid",
        ),
        ("* OK [UIDVALIDITY 0]", Some(Code::UidValidity(0)), ""),
        ("* OK [UIDVALIDITY 4294967296] x", None, "x"),
        ("* OK [UIDVALIDITY -1]", None, ""),
        ("* OK [UIDNEXT 4392]", Some(Code::UidNext(4392)), ""),
        ("* no [throttled]", other("THROTTLED"), ""),
        (
            "A1 NO [AUTHENTICATIONFAILED] \u{e9}",
            other("AUTHENTICATIONFAILED"),
            "\u{e9}",
        ),
        (
            "* OK [PERMANENTFLAGS (\\Seen a]b \\*)] Limited",
            other("PERMANENTFLAGS"),
            "Limited",
        ),
        ("* OK [X [a [b]] c] text [d]", other("X"), "text [d]"),
        ("* OK [PERMANENTFLAGS (\\Seen] text", other("PERMANENTFLAGS"), "text"),
        ("* OK [never closed", None, "[never closed"),
        ("* OK []", None, ""),
        ("* OK", None, ""),
        ("* OK   ", None, ""),
        ("A1 OK ", None, ""),
        ("* OK IMAP4rev1 Service Ready  ", None, "IMAP4rev1 Service Ready"),
    ] {
        let found = condition(line);
        assert_eq!((found.code, found.text.as_str()), (code, text), "{line}");
    }
    let latin = condition("* OK \u{0}");
    assert_eq!(latin.text, "\0");
    let capability = condition("* OK [CAPABILITY IMAP4rev1 idle SASL-IR] ready");
    let Some(Code::Capability(capabilities)) = capability.code else {
        panic!()
    };
    assert!(capabilities.has("IDLE") && capabilities.has("IMAP4REV1") && !capabilities.has("ID"));
}

#[test]
fn the_server_says_how_long_it_wants_to_be_left_alone() {
    let busy = condition("A5 BAD Request is throttled. Suggested Backoff Time: 294159 milliseconds");
    assert_eq!(busy.state, State::Bad);
    assert_eq!(
        busy.suggested_backoff(),
        Some(std::time::Duration::from_millis(294_159))
    );
    let odd = condition("A5 BAD Suggested Backoff Time: soon milliseconds");
    assert_eq!(odd.suggested_backoff(), None);
}

#[test]
fn the_other_responses() {
    for (line, expected) in [
        ("* 23 EXISTS", Response::Exists(23)),
        ("*  23 exists ", Response::Exists(23)),
        ("* EXISTS 23", Response::Other),
        ("* 44 EXPUNGE", Response::Expunge),
        ("* 4294967296 EXISTS", Response::Other),
        ("* SEARCH 5 2 84", Response::Search(vec![5, 2, 84])),
        ("* SEARCH", Response::Search(vec![])),
        ("* SEARCH 2 A 5 (MODSEQ 917162500)", Response::Search(vec![2, 5])),
        (
            "* STATUS \"a (b\" (MESSAGES 231 UIDNEXT 44292 UIDVALIDITY 7)",
            Response::Status(Status {
                uid_next: Some(44_292),
                uid_validity: Some(7),
                messages: Some(231),
                size: None,
            }),
        ),
        (
            "* STATUS x (size 99999999999 MESSAGES 4294967296)",
            Response::Status(Status {
                size: Some(99_999_999_999),
                ..Status::default()
            }),
        ),
        ("* STATUS foo ()", Response::Status(Status::default())),
        ("* FLAGS (\\Answered $a]b)", Response::Other),
        ("* VANISHED (EARLIER) 3:8", Response::Other),
        ("* Now what?", Response::Other),
        ("", Response::Other),
        ("+", Response::Continuation(Vec::new())),
        ("+idling", Response::Continuation(b"idling".to_vec())),
        (
            "Server Unavailable. 15",
            Response::Stray("Server Unavailable. 15".to_owned()),
        ),
    ] {
        assert_eq!(one(line), expected, "{line}");
    }
    let fetch = one("* 0 FETCH (UID 5 MODSEQ (-1))");
    let Response::Fetch(attributes) = fetch else {
        panic!("{fetch:?}")
    };
    assert_eq!((attributes.uid, attributes.body), (Some(5), BodyItem::Absent));
}

#[test]
fn matrix_14_a_body_can_forge_nothing() {
    for body in [
        &b""[..],
        b")\r\n* 9 FETCH (UID 9 BODY[] {3}\r\nabc)\r\nA1 OK done\r\n",
        b"{5}\r\n",
        b"\r\n+ \r\n* BYE\r\n",
        b"BODY[] NIL)\n",
        &[0, 255, b'"', b'\\', b'\r'],
    ] {
        fuzz(body);
    }
}

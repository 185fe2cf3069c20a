use super::{Data, Nul, Rules, Survey};
use crate::limits;
use crate::mime::anomaly::Flag;
use crate::mime::entity::{Machine, fuzz};
use crate::mime::parameter::Parameterized;
use crate::mime::transfer::Encoding;
use crate::mime::{Entity, Finding, Visitor};

const ALL: Rules = Rules {
    lines: true,
    eight_bit: true,
    nul: Nul::NotInContent,
};

/// Flag, offset of the first, count: the same for every split in two and for single bytes.
fn survey(content: &[u8]) -> Vec<(&'static str, u64, u64)> {
    let look = |pieces: &[&[u8]]| {
        let mut survey = Survey::default();
        survey.begin(ALL, 0, 100, false);
        for piece in pieces {
            survey.feed(piece);
        }
        let found = survey.finish().into_iter().filter(|(_, seen)| seen.count > 0);
        found
            .map(|(flag, seen)| (flag.name(), seen.first, seen.count))
            .collect::<Vec<_>>()
    };
    let whole = look(&[content]);
    for split in 0..content.len() {
        assert_eq!(look(&[&content[..split], &content[split..]]), whole, "split at {split}");
    }
    let bytes: Vec<&[u8]> = content.chunks(1).collect();
    assert_eq!(look(&bytes), whole);
    whole
}

#[test]
fn lines_that_end_like_the_first_one_raise_nothing() {
    for content in [&b""[..], b"a", b"a\r\nb\r\n\r\n", b"a\nb\n\n", b"\n", b"\r\n"] {
        assert_eq!(survey(content), [], "{}", content.escape_ascii());
    }
}

#[test]
fn line_ends_unlike_the_first_one_are_counted_from_where_they_begin() {
    for (content, first, count) in [
        (&b"a\r\nb\nc\n"[..], 104, 2),
        (b"a\nb\r\nc", 103, 1),
        (b"a\rb", 101, 1),
        (b"a\n\rb\n", 102, 1),
        (b"a\r\nb\r\r\n", 104, 1),
        (b"a\r\nb\r", 104, 1),
        (b"\r\r\r", 100, 3),
    ] {
        assert_eq!(
            survey(content),
            [("mixed_eol", first, count)],
            "{}",
            content.escape_ascii()
        );
    }
}

#[test]
fn what_is_odd_far_from_the_beginning_is_found_where_it_is() {
    let mut content = b"ordinary\r\n".repeat(1000);
    content[5009] = b'x'; // the LF of a line
    content[6000] = 0;
    content[7000] = 0xe9;
    content[7001] = 0xe9;
    let mut survey = Survey::default();
    survey.begin(ALL, 0, 0, false);
    for piece in content.chunks(1500) {
        survey.feed(piece);
    }
    let found = survey.finish().map(|(flag, seen)| (flag, seen.first, seen.count));
    assert_eq!(
        found,
        [
            (Flag::MixedLineEnds, 5008, 1),
            (Flag::LongLine, 0, 0),
            (Flag::EightBitInSevenBit, 7000, 2),
            (Flag::NulInBody, 6000, 1)
        ]
    );
}

#[test]
fn a_line_may_have_998_bytes_and_its_end() {
    for (size, count) in [(limits::LINE - 1, 0), (limits::LINE, 0), (limits::LINE + 1, 1)] {
        for end in ["", "\n", "\r\n", "\nshort\n", "\r\nshort"] {
            let content = format!("{}{end}", "x".repeat(size));
            let expected: Vec<_> = (0..count).map(|_| ("line_over_998", 100, 1)).collect();
            assert_eq!(survey(content.as_bytes()), expected, "{size} and {end:?}");
        }
    }
    let short = "y".repeat(500);
    let long = "x".repeat(limits::LINE + 1);
    let content = format!("{short}\n{short}\n{long}\n{short}\n{long}\n");
    assert_eq!(survey(content.as_bytes()), [("line_over_998", 1102, 2)]);
}

#[test]
fn what_is_looked_for_depends_on_what_is_declared() {
    let rules = |content_type: &str, name: &str| {
        let encoding = Encoding::parse(name.as_bytes()).unwrap();
        Data::of(encoding, name.as_bytes()).rules(&Parameterized::parse(content_type.as_bytes()), encoding)
    };
    assert!(rules("text/plain", "").eight_bit && rules("a/b", "7bit").eight_bit);
    assert!(
        rules("text/plain", "quoted-printable").eight_bit,
        "it is written in ASCII"
    );
    assert!(!rules("text/plain", "8BIT").eight_bit);
    assert!(!rules("a/b", "base64").eight_bit, "junk there has its own flag");
    assert_eq!(rules("image/png", " binary "), Rules::default());
    assert!(!rules("text/plain", "binary").lines);
    for (content_type, name, nul) in [
        ("text/plain", "7bit", Nul::NotInContent),
        ("text/plain", "binary", Nul::NotInContent),
        ("text/html", "base64", Nul::NotInDecoded),
        ("image/png", "base64", Nul::NotInContent),
        ("text/plain; charset=UTF-16LE", "base64", Nul::Anywhere),
        ("text/plain; charset=utf-32", "binary", Nul::Anywhere),
        ("text/plain; charset=ucs-2", "quoted-printable", Nul::Anywhere),
        ("text/plain; charset=cp1200", "base64", Nul::Anywhere),
        ("text/plain; charset=utf_16_le", "base64", Nul::Anywhere),
        ("text/plain; charset=x-utf-16-other", "base64", Nul::NotInDecoded),
        ("text/plain; charset=unicode-1-1-utf-7", "base64", Nul::NotInDecoded),
    ] {
        assert_eq!(rules(content_type, name).nul, nul, "{content_type} {name}");
    }
}

/// Flag, part, offset, count.
#[derive(Default)]
struct Findings(Vec<String>);

impl Visitor for Findings {
    fn begin(&mut self, _: &Entity<'_>) {}
    fn body(&mut self, _: &[u8]) {}
    fn end(&mut self) {}
    fn finding(&mut self, found: Finding<'_>) {
        let Finding {
            flag,
            path,
            offset,
            count,
        } = found;
        self.0.push(format!("{} {path:?} {offset} x{count}", flag.name()));
    }
}

#[track_caller]
fn assert_findings(mail: &str, expected: &[&str]) {
    fuzz(mail.as_bytes());
    let mut machine = Machine::new(Findings::default());
    machine.feed(mail.as_bytes());
    assert_eq!(machine.finish().0, expected);
}

#[test]
fn each_part_has_what_is_in_it_and_offsets_count_from_the_beginning_of_the_mail() {
    assert_findings("Subject: x\r\n\r\nab\0c\0\r\n", &["nul_in_body [1] 16 x2"]);
    assert_findings("Subject: x\r\n\r\ncaf\u{e9}\r\n", &["eight_bit_in_seven_bit [1] 17 x2"]);
    assert_findings("Subject: x\r\n\r\na\nb\r\n", &["mixed_eol [1] 15 x1"]);
    assert_findings("A: x\r\nB: y\nC: z\r\n\r\nbody\r\n", &["mixed_eol [] 10 x1"]);
    let parts = "Content-Type: multipart/mixed; boundary=b\n\n\0\n--b\n\n\u{e9}\n--b\nContent-Transfer-Encoding: 8bit\n\n\
                 \u{e9}\0\r\n--b--\r\nmore\n\0";
    assert_findings(
        parts,
        &[
            "nul_in_body [] 43 x1",
            "eight_bit_in_seven_bit [1] 50 x2",
            "mixed_eol [2] 93 x2",
            "nul_in_body [2] 92 x1",
            "nul_in_body [] 107 x1",
        ],
    );
}

#[test]
fn a_long_line_is_found_in_a_header_and_in_a_body() {
    let long = "x".repeat(limits::LINE + 1);
    let mail = format!("Subject: {long}\n\nshort\n{long}\n");
    let body = 9 + long.len() + 2 + 6;
    assert_findings(
        &mail,
        &["line_over_998 [] 0 x1", &format!("line_over_998 [1] {body} x1")],
    );
}

#[test]
fn nul_in_decoded_text_is_found_and_in_a_decoded_file_it_is_ordinary() {
    // base64 of "a\0b\0"
    let header = "Content-Transfer-Encoding: base64\n\nYQBiAA==\n";
    assert_findings(header, &["nul_in_body [1] 0 x2"]);
    assert_findings(
        &header.replace('Y', "!Y"),
        &["b64_junk [1] 0 x1", "nul_in_body [1] 0 x2"],
    );
    assert_findings(&format!("Content-Type: a/b\n{header}"), &[]);
    assert_findings(&format!("Content-Type: text/plain; charset=utf-16\n{header}"), &[]);
    assert_findings(
        "Content-Transfer-Encoding: quoted-printable\n\na=00b\0\n",
        &["nul_in_body [1] 0 x2"],
    );
}

#[test]
fn a_mail_under_an_encoding_has_line_ends_of_its_own() {
    // base64 of "Subject: in\n\na\nb\n", then of "Subject: in\n\na\r\nb\n"
    let header = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    assert_findings(
        &format!("{header}U3ViamVjdDogaW4KCmEKYgo=\r\n"),
        &["encoded_composite [] 0 x1"],
    );
    assert_findings(
        &format!("{header}U3ViamVjdDogaW4KCmENCmIK\r\n"),
        &["encoded_composite [] 0 x1", "mixed_eol [1] 0 x1"],
    );
}

#[test]
fn a_body_without_a_blank_line_before_it_is_looked_at_once() {
    assert_findings(
        "Subject: x\r\nno field\r\nat all\r\nb\nc\0\r\n",
        &[
            "hdr_no_separator [] 12 x1",
            "mixed_eol [1] 31 x1",
            "nul_in_body [1] 33 x1",
        ],
    );
}

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::elision::without_attachments;
use super::{Collected, Collector};
use crate::event::Origin;
use crate::event::build::{Arrival, Settings};
use crate::event::encode::hexadecimal;
use crate::limits;

fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// What becomes of `mail`, a text with LF that is tried with CRLF as well.
fn elided(mail: &str) -> Option<String> {
    let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8(bytes).unwrap());
    let with_lf = text(without_attachments(mail.as_bytes()));
    let with_crlf = text(without_attachments(mail.replace('\n', "\r\n").as_bytes()));
    assert_eq!(with_crlf, with_lf.as_ref().map(|text| text.replace('\n', "\r\n")));
    with_lf
}

#[test]
fn an_attachment_becomes_its_name_size_and_hash_and_all_else_stays() {
    let mail = |field: &str, body: &str| {
        format!(
            "Subject: s\nContent-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\ntext\n\n--b\n\
             Content-Type: application/pdf\nContent-Disposition: attachment; filename=\"a b.pdf\"\n\
             Content-Transfer-Encoding: base64\n{field}\n{body}\n--b\nContent-Type: text/html\n\n<p>\n--b--\nepilogue\n"
        )
    };
    let content = [b'x'; 100];
    let body = STANDARD.encode(content);
    let field = format!("X-Mailtap-Elided: a b.pdf; 100; {}\n", sha256(&content));
    assert_eq!(elided(&mail("", &body)), Some(mail(&field, "")));
    // Taken out once, there is nothing more to take out.
    assert_eq!(elided(&mail(&field, "")), None);
}

#[test]
fn text_mails_about_mails_and_mails_in_mails_stay() {
    for mail in [
        "Subject: s\n\ntext\n",
        "Content-Type: text/html\n\n<p>\n",
        "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nStatus: 5.0.0\n--b--\n",
        "Content-Type: message/rfc822\n\nSubject: inner\n\ntext\n",
        "",
        "\n",
    ] {
        assert_eq!(elided(mail), None, "{mail}");
    }
}

#[test]
fn attachments_in_a_forwarded_mail_are_taken_out_but_not_those_inside_an_encoding() {
    let inner = "Content-Type: multipart/mixed; boundary=i\n\n--i\nContent-Type: image/png; name=p.png\n\nPNG\n--i--\n";
    let outer = |inner: &str| format!("Content-Type: message/rfc822\n\n{inner}");
    let expected = inner.replace(
        "\n\nPNG\n",
        &format!("\nX-Mailtap-Elided: p.png; 3; {}\n\n\n", sha256(b"PNG")),
    );
    assert_eq!(elided(&outer(inner)), Some(outer(&expected)));
    let encoded = format!(
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n{}\n",
        STANDARD.encode(inner)
    );
    assert_eq!(elided(&encoded), None);
}

#[test]
fn a_mail_that_is_an_attachment_itself_and_one_that_is_cut_off() {
    let field =
        |name: &str, content: &[u8]| format!("X-Mailtap-Elided: {name}; {}; {}\n", content.len(), sha256(content));
    let mail = "Content-Type: application/zip\n";
    assert_eq!(
        elided(&format!("{mail}\nPK")),
        Some(format!("{mail}{}\n", field("", b"PK")))
    );
    let cut = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; name=\"l;og\"\n";
    assert_eq!(
        elided(&format!("{cut}\nlog")),
        Some(format!("{cut}{}\n", field("=?utf-8?B?bDtvZw==?=", b"log")))
    );
}

#[test]
fn a_name_beyond_ascii_is_written_in_words_of_at_most_75_characters() {
    let name = "é".repeat(60);
    let mail = format!("Content-Disposition: attachment; filename=\"{name}\"\n\nx");
    let elided = without_attachments(mail.as_bytes()).unwrap();
    let elided = String::from_utf8(elided).unwrap();
    let field = elided
        .lines()
        .find(|line| line.starts_with("X-Mailtap-Elided: "))
        .unwrap();
    let words: Vec<&str> = field["X-Mailtap-Elided: ".len()..]
        .split(' ')
        .take_while(|word| word.starts_with("=?"))
        .collect();
    assert!(words.len() > 1 && words.iter().all(|word| word.trim_end_matches(';').len() <= 75));
    let mut decoded = String::new();
    crate::mime::encoded_word::decode(words.join(" ").trim_end_matches(';').as_bytes(), None, &mut decoded);
    assert_eq!(decoded, name);
}

#[test]
fn a_part_without_an_empty_line_before_its_body_stays_as_it_is() {
    let mail =
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\nno header line\nbody\n--b--\n";
    assert_eq!(elided(mail), None);
}

fn collect(mail: &[u8], step: usize, settings: &Settings) -> Collected {
    collect_announced(mail, mail.len(), step, settings)
}

/// As [`collect`], of a mail that is announced to be of another length.
fn collect_announced(mail: &[u8], length: usize, step: usize, settings: &Settings) -> Collected {
    let mut collector = Collector::new(settings, length as u64);
    for piece in mail.chunks(step) {
        collector.feed(piece, settings);
    }
    collector.finish(settings, arrival())
}

fn arrival() -> Arrival {
    Arrival {
        origin: Origin::File { source: "x".into() },
        account: String::new(),
        internal_date: Some(7),
        now: 9,
    }
}

#[test]
fn a_mail_over_the_limit_is_an_event_and_one_within_it_nothing_but_itself() {
    let mail = b"Subject: s\r\n\r\nbody";
    let event = collect(mail, mail.len(), &Settings::default());
    assert_eq!(event.raw, None, "nobody asked for it");
    for step in 1..=mail.len() {
        for announced in [0, mail.len()] {
            for (limit, kept) in [(mail.len() - 1, false), (mail.len(), true), (mail.len() + 1, true)] {
                let settings = Settings {
                    raw: Some(limit),
                    ..Settings::default()
                };
                let found = collect_announced(mail, announced, step, &settings);
                assert_eq!(found.raw, kept.then(|| mail.to_vec()));
                assert_eq!(found.event.routing, event.event.routing);
                assert_eq!(found.event.message == event.event.message, !kept);
            }
        }
    }
}

#[test]
fn a_mail_without_internaldate_has_its_own_date_also_where_it_goes_out_itself() {
    let mail = b"Date: Thu, 1 Jan 1970 00:00:07 +0000\r\n\r\nbody";
    let settings = Settings {
        raw: Some(1000),
        ..Settings::default()
    };
    let mut collector = Collector::new(&settings, 10);
    collector.feed(mail, &settings);
    let collected = collector.finish(
        &settings,
        Arrival {
            internal_date: None,
            ..arrival()
        },
    );
    assert_eq!(
        (collected.event.routing.event_time, collected.raw),
        (7000, Some(mail.to_vec()))
    );
}

#[test]
fn a_mail_that_goes_out_itself_has_its_attachments_stored_all_the_same() {
    let mail = b"Content-Type: image/png\r\n\r\n\x89PNG";
    let settings = Settings {
        raw: Some(1000),
        artifacts: Some(std::env::temp_dir()),
        ..Settings::default()
    };
    let collected = collect(mail, 3, &settings);
    assert_eq!(collected.attachments.unwrap().whole().unwrap().len(), 1);
    assert_eq!(collected.raw, without_attachments(mail));
}

#[test]
fn an_attachment_that_can_be_read_two_ways_stays_where_nobody_would_be_told_of_that() {
    let mail = |fields: &str, body: &str| {
        format!(
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: application/pdf\n{fields}\n{body}\n--b--\n"
        )
    };
    let base64 = "Content-Transfer-Encoding: base64\n";
    for (fields, body) in [
        (base64, "aGV!sbG8="),
        (base64, "aGVsbG8=aGVs"),
        ("", "one\n--bb\ntwo"),
        ("Content-Transfer-Encoding: base 64\n", "aGVsbG8="),
        ("Content-Type: text/html\n", "<p>"),
        ("Content-Disposition: attachment; filename=a; filename=b\n", "x"),
    ] {
        assert_eq!(elided(&mail(fields, body)), None, "{fields}{body}");
    }
    assert!(elided(&mail(base64, "aGVsbG8=")).is_some());
    // The doubt is about one of two.
    let first = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: a/b\nno field\nX: y\n\nstays\n";
    let second = "--b\nContent-Type: a/c\n\ngoes\n--b--\n";
    let elided = elided(&[first, second].concat()).unwrap();
    assert!(elided.starts_with(first) && !elided.contains("goes"), "{elided}");
}

#[test]
fn a_mail_that_ends_within_its_last_boundary_line_keeps_that_line() {
    let field = format!("X-Mailtap-Elided: ; 1; {}\n", sha256(b"x"));
    let mail = |field: &str, body: &str, end: &str| {
        format!("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: a/b\n{field}\n{body}\n{end}")
    };
    for end in ["--b--", "--b-- ", "--b"] {
        assert_eq!(elided(&mail("", "x", end)), Some(mail(&field, "", end)), "{end}");
    }
    // Not the boundary, or not yet.
    assert_eq!(elided(&mail("", "x", "--c")), None);
}

#[test]
fn a_mail_of_tiny_attachments_does_not_grow_without_bound() {
    let part = "--b\nContent-Type: a/b\n\nx\n";
    let mail = format!(
        "Content-Type: multipart/mixed; boundary=b\n\n{}--b--\n",
        part.repeat(5_000)
    );
    let growth = without_attachments(mail.as_bytes()).unwrap().len() - mail.len();
    assert!(
        growth <= limits::ELIDED_GROWTH && growth > limits::ELIDED_GROWTH - 200,
        "{growth}"
    );
    // A body that is longer than its field still goes.
    let last = format!("--b\nContent-Type: a/b\n\n{}\n--b--\n", "long".repeat(1000));
    let elided = without_attachments(mail.replace("--b--\n", &last).as_bytes()).unwrap();
    assert_eq!(memchr::memmem::find(&elided, b"longlong"), None);
}

#[test]
fn a_raw_name_is_read_in_the_charset_that_the_mail_names() {
    let mail = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=koi8-r\n\n\xd4\n\
        --b\nContent-Type: a/b; name=\"\xd4.\xc5\"\n\nx\n--b--\n";
    let elided = without_attachments(mail).unwrap();
    let name = STANDARD.encode("\u{442}.\u{435}");
    let field = format!("X-Mailtap-Elided: =?utf-8?B?{name}?=; 1; ");
    assert!(memchr::memmem::find(&elided, field.as_bytes()).is_some());
}

#[test]
fn with_include_attachments_a_raw_mail_is_what_came_to_the_byte() {
    let mail = b"Content-Type: image/png\r\n\r\n\x89PNG\xff\0";
    let raw = |include_attachments| {
        let settings = Settings {
            raw: Some(1000),
            include_attachments,
            ..Settings::default()
        };
        collect(mail, 5, &settings).raw.unwrap()
    };
    assert_eq!(raw(true), mail);
    assert_eq!(raw(false), without_attachments(mail).unwrap());
}

use super::*;

/// Value, parameters as text, notes.
fn read(value: &[u8]) -> (String, Vec<(String, String)>, Vec<Note>) {
    let parsed = Parameterized::parse(value);
    let parameters = parsed
        .names()
        .map(|name| (name.to_owned(), parsed.text(name, None).unwrap()))
        .collect();
    (
        parsed.value.clone(),
        parameters,
        parsed.notes().iter().cloned().collect(),
    )
}

type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [Note]);

fn check(rows: &[Row<'_>]) {
    for (value, media, parameters, notes) in rows {
        let parameters = parameters
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        assert_eq!(
            read(value.as_bytes()),
            ((*media).to_owned(), parameters, notes.to_vec()),
            "{value:?}"
        );
    }
}

fn conflict(name: &str) -> Note {
    Note::Conflict(name.to_owned())
}

#[test]
fn rfc_2045_section_5_examples() {
    check(&[
        (
            "text/plain; charset=us-ascii (Plain text)",
            "text/plain",
            &[("charset", "us-ascii")],
            &[Note::Comment],
        ),
        (
            "text/plain; charset=\"us-ascii\"",
            "text/plain",
            &[("charset", "us-ascii")],
            &[],
        ),
        (
            "Text/Plain; CHARSET=US-ASCII",
            "text/plain",
            &[("charset", "US-ASCII")],
            &[],
        ),
        (
            "multipart/mixed; boundary=gc0pJq0M:08jU534c0p",
            "multipart/mixed",
            &[("boundary", "gc0pJq0M:08jU534c0p")],
            &[Note::UnquotedBoundary],
        ),
    ]);
}

#[test]
fn rfc_2231_examples() {
    check(&[
        (
            "message/external-body; access-type=URL; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\"",
            "message/external-body",
            &[
                ("access-type", "URL"),
                ("url", "ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar"),
            ],
            &[],
        ),
        (
            "application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
            "application/x-stuff",
            &[("title", "This is ***fun***")],
            &[],
        ),
        (
            "application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
            "application/x-stuff",
            &[("title", "This is even more ***fun*** isn't it!")],
            &[],
        ),
    ]);
}

#[test]
fn sections_are_joined_whatever_their_order() {
    check(&[
        ("a/b; n*2=c; n*0=a; n*1=b", "a/b", &[("n", "abc")], &[Note::Rfc2231]),
        (
            "a/b; n*1*=%C3; n*2*=%A9; n*0*=utf-8''x",
            "a/b",
            &[("n", "xé")],
            &[Note::Rfc2231],
        ),
        ("a/b; n*0=%41; n*1*=%41", "a/b", &[("n", "%41A")], &[]),
        ("a/b; n*0*=utf-8''a; n*1=%41", "a/b", &[("n", "a%41")], &[Note::Rfc2231]),
        ("a/b; n*0*=utf-8''a; n*1=%4", "a/b", &[("n", "a%4")], &[]),
        ("a/b; n*0=a; n*2=c", "a/b", &[("n", "a")], &[Note::Rfc2231]),
        ("a/b; n*1=a; n*2=b", "a/b", &[("n", "ab")], &[Note::Rfc2231]),
        ("a/b; n*0=a; n*0=b; n*1=c", "a/b", &[("n", "ac")], &[conflict("n")]),
        (
            "a/b; n*0=a; n*0=a",
            "a/b",
            &[("n", "a")],
            &[Note::Repeated("n".to_owned())],
        ),
        ("a/b; n*00=a; n*01=b", "a/b", &[("n", "ab")], &[Note::Rfc2231]),
        (
            "a/b; n*0=\"=?utf-8?Q?\"; n*1=\"a?=\"",
            "a/b",
            &[("n", "a")],
            &[Note::Rfc2047],
        ),
        (
            "a/b; n*x=a; n*1x=b; n**=c; n*99999999999=d; *=e",
            "a/b",
            &[],
            &[Note::Unreadable],
        ),
        ("a/b; n*4294967295=a", "a/b", &[("n", "a")], &[Note::Rfc2231]),
    ]);
}

#[test]
fn charset_and_language_may_be_missing_wrong_or_in_quotes() {
    check(&[
        ("a/b; n*=iso-8859-1'de-DE'%FC", "a/b", &[("n", "ü")], &[]),
        ("a/b; n*=''%C3%BC", "a/b", &[("n", "ü")], &[]),
        ("a/b; n*=\"utf-8''%C3%BC\"", "a/b", &[("n", "ü")], &[]),
        ("a/b; n*=nonsense''%FC", "a/b", &[("n", "ü")], &[Note::Rfc2231]),
        ("a/b; n*=%C3%BC", "a/b", &[("n", "ü")], &[Note::Rfc2231]),
        ("a/b; n*=utf-8'%C3%BC", "a/b", &[("n", "ü")], &[Note::Rfc2231]),
        (
            "a/b; n*=\"it's Bob's\"",
            "a/b",
            &[("n", "it's Bob's")],
            &[Note::Rfc2231],
        ),
        ("a/b; n*=utf-8''a'b", "a/b", &[("n", "a'b")], &[Note::Rfc2231]),
        ("a/b; n*=utf-8''a%27b", "a/b", &[("n", "a'b")], &[]),
        (
            "a/b; n*0*=utf-8''a; n*1*=''b",
            "a/b",
            &[("n", "a''b")],
            &[Note::Rfc2231],
        ),
        ("a/b; n*=utf-8''100%", "a/b", &[("n", "100%")], &[Note::Rfc2231]),
        ("a/b; n*=utf-8''%4%ZZ%41", "a/b", &[("n", "%4%ZZA")], &[Note::Rfc2231]),
        (
            "a/b; n*=utf-8''a%0D%0Ab%00.exe",
            "a/b",
            &[("n", "a  b\u{FFFD}.exe")],
            &[Note::Rfc2231],
        ),
        (
            "a/b; n*=utf-8''=?utf-8?Q?a?=",
            "a/b",
            &[("n", "=?utf-8?Q?a?=")],
            &[Note::Rfc2047, Note::Rfc2231],
        ),
        // Some readers decode it once more.
        (
            "a/b; n*=utf-8''%3D%3Futf-8%3FQ%3Fa%3F%3D",
            "a/b",
            &[("n", "=?utf-8?Q?a?=")],
            &[Note::Rfc2231],
        ),
    ]);
}

#[test]
fn the_extended_form_is_the_text_and_the_plain_form_the_bytes() {
    let value = b"attachment; filename=\"plain.txt\"; filename*=utf-8''%C3%BC.exe";
    let parsed = Parameterized::parse(value);
    assert_eq!(parsed.text("filename", None).as_deref(), Some("ü.exe"));
    assert_eq!(parsed.parameter("filename"), Some(&b"plain.txt"[..]));
    assert_eq!(parsed.parameter("name"), None);
    assert_eq!(parsed.text("name", None), None);
    for (value, name) in [
        (&b"a; name*=UTF-16''%00f%00i%00l%00e%00.%00t%00x%00t"[..], "file.txt"),
        (b"a; name*=UTF-16''f%00i%00l%00e%00.%00t%00x%00t%00", "file.txt"),
        (b"a; name*=utf-7''+AOQ-.txt", "ä.txt"),
        (b"a; name*=iso-2022-jp'ja'%1B$B$3$s%1B%28B.txt", "こん.txt"),
    ] {
        let found = Parameterized::parse(value);
        assert_eq!(found.text("name", None).as_deref(), Some(name));
    }
    let stateful = Parameterized::parse(b"a; name*=utf-7''+AOQ-.txt");
    assert!(stateful.notes().iter().eq([&Note::StatefulCharset]));
    // As Apple Mail writes it; an escape that shifts nothing hides something.
    let shifted = Parameterized::parse(b"a; name*=iso-2022-jp''%1B%24B7W%3B%3B%3C0%1B%28B.html");
    assert!(shifted.notes().iter().eq([&Note::StatefulCharset]));
    for value in [
        &b"a; name*=iso-2022-jp''a%1B.exe"[..],
        b"a; name*=iso-2022-jp''a%00.exe",
        b"a; name*=utf-8''a%1Bb",
    ] {
        assert!(Parameterized::parse(value).notes().contains(&Note::Rfc2231));
    }
    let raw = Parameterized::parse(b"attachment; filename=\xA4\xA4.txt");
    assert_eq!(raw.text("filename", Some(b"big5")).as_deref(), Some("中.txt"));
    assert_eq!(raw.text("filename", None).as_deref(), Some("¤¤.txt"));
    check(&[
        (
            "attachment; filename*=utf-8''b; filename=a",
            "attachment",
            &[("filename", "b")],
            &[conflict("filename")],
        ),
        (
            "attachment; filename*=utf-8''a; filename=a",
            "attachment",
            &[("filename", "a")],
            &[],
        ),
        (
            "attachment; filename*=utf-8''%C3%A9; filename=\"=?utf-8?B?w6k=?=\"",
            "attachment",
            &[("filename", "é")],
            &[Note::Rfc2047],
        ),
        (
            "attachment; filename*=utf-8''a; filename*0=b",
            "attachment",
            &[("filename", "a")],
            &[conflict("filename")],
        ),
    ]);
    // For readers that know the plain form alone there is no boundary.
    check(&[
        (
            "multipart/mixed; boundary*0=ab; boundary*1*=%63",
            "multipart/mixed",
            &[("boundary", "abc")],
            &[Note::Rfc2231],
        ),
        (
            "multipart/mixed; boundary*=''a; boundary=a",
            "multipart/mixed",
            &[("boundary", "a")],
            &[],
        ),
    ]);
}

#[test]
fn a_boundary_that_needs_quotes_is_noted_without_them() {
    for (value, expected) in [
        ("multipart/mixed; boundary=a=b", true),
        ("multipart/mixed; boundary=a/b; x=\"c\"", true),
        ("multipart/mixed; boundary=\"a=b\"", false),
        ("multipart/mixed; boundary=ab; x=a=b", false),
    ] {
        let parsed = Parameterized::parse(value.as_bytes());
        let found = parsed.notes().contains(&Note::UnquotedBoundary);
        assert_eq!(found, expected, "{value}");
    }
}

#[test]
fn the_first_of_a_name_wins() {
    check(&[
        ("a/b; x=1; X=2", "a/b", &[("x", "1")], &[conflict("x")]),
        (
            "a/b; x=1; x=\"1\"",
            "a/b",
            &[("x", "1")],
            &[Note::Repeated("x".to_owned())],
        ),
    ]);
}

#[test]
fn quotes_and_escapes() {
    check(&[
        ("a/b; n=\"a;b=c\"", "a/b", &[("n", "a;b=c")], &[]),
        ("a/b; n=\"a\\\"b\\\\c\"", "a/b", &[("n", "a\"b\\c")], &[]),
        ("a/b; n=\"C:\\temp\"", "a/b", &[("n", "C:\\temp")], &[Note::Quote]),
        ("a/b; n=\"\"", "a/b", &[("n", "")], &[]),
        ("a/b; n=\"a\"foo; m=1", "a/b", &[("m", "1"), ("n", "a")], &[Note::Quote]),
        (
            "a/b; n=\"\"foo; m=1",
            "a/b",
            &[("m", "1"), ("n", "foo")],
            &[Note::Quote],
        ),
        (
            "a/b; n=\"open; m=1",
            "a/b",
            &[("m", "1"), ("n", "open")],
            &[Note::Quote],
        ),
        ("a/b; n=\"open", "a/b", &[("n", "open")], &[Note::Quote]),
        ("a/b; n=\"open\\\"", "a/b", &[("n", "open\\\"")], &[Note::Quote]),
        (
            "a/b; n=\"a\" \"b;c\"; m=1",
            "a/b",
            &[("m", "1"), ("n", "a")],
            &[Note::Separator, Note::Unreadable],
        ),
        (
            "a/b; n=annual report (1).pdf",
            "a/b",
            &[("n", "annual report (1).pdf")],
            &[Note::Comment, Note::Quote],
        ),
        (
            "a/b; n=Doe, Jane.pdf; m=1",
            "a/b",
            &[("m", "1"), ("n", "Doe, Jane.pdf")],
            &[Note::Quote],
        ),
        (
            "a/b; n==?utf-8?Q?a_b?= =?utf-8?Q?c?=",
            "a/b",
            &[("n", "a bc")],
            &[Note::Quote, Note::Rfc2047],
        ),
        ("a/b; n=\"=?utf-8?B?w6k=?=\"", "a/b", &[("n", "é")], &[Note::Rfc2047]),
        ("a/b; n=é", "a/b", &[("n", "é")], &[Note::Raw8Bit]),
        ("a/b; n=\"a\0b\"", "a/b", &[("n", "a\u{FFFD}b")], &[Note::Raw8Bit]),
        ("a/b; n=", "a/b", &[("n", "")], &[]),
    ]);
}

#[test]
fn separators_that_are_missing_doubled_or_spaced() {
    check(&[
        ("a/b; x=1;", "a/b", &[("x", "1")], &[]),
        ("a/b;; ;x=1;;y=2", "a/b", &[("x", "1"), ("y", "2")], &[]),
        ("a/b;x=1;y=2", "a/b", &[("x", "1"), ("y", "2")], &[]),
        ("a/b x=1 y=2", "a/b", &[("x", "1"), ("y", "2")], &[Note::Separator]),
        ("a/b; x=1 y=2", "a/b", &[("x", "1"), ("y", "2")], &[Note::Separator]),
        ("a/b; x=\"1\" y=2", "a/b", &[("x", "1"), ("y", "2")], &[Note::Separator]),
        (
            "a/b; x=1, y=2",
            "a/b",
            &[("x", "1"), ("y", "2")],
            &[Note::Quote, Note::Separator],
        ),
        ("a/b; x=\"1\",y=2", "a/b", &[("x", "1"), ("y", "2")], &[Note::Separator]),
        ("a/b; x =1", "a/b", &[("x", "1")], &[Note::Separator]),
        ("a/b; x= 1", "a/b", &[("x", "1")], &[Note::Separator]),
        (
            "a/b; x = \"1\"; y=2",
            "a/b",
            &[("x", "1"), ("y", "2")],
            &[Note::Separator],
        ),
        (
            "a/b; x(c)=(d)1 (e); y=2",
            "a/b",
            &[("x", "1"), ("y", "2")],
            &[Note::Comment, Note::Separator],
        ),
    ]);
}

#[test]
fn what_is_no_parameter_is_skipped() {
    let skipped = &[Note::Unreadable][..];
    check(&[
        ("a/b; junk; x=1", "a/b", &[("x", "1")], skipped),
        ("a/b; x:y=1; x=2", "a/b", &[("x", "2")], skipped),
        ("a/b; =1; x=2", "a/b", &[("x", "2")], skipped),
        ("a/b; \"q;r\"; x=2", "a/b", &[("x", "2")], skipped),
        (
            "a/b; é=1; x=2",
            "a/b",
            &[("x", "2")],
            &[Note::Unreadable, Note::Raw8Bit],
        ),
        (
            "a/b; (never closed; x=2",
            "a/b",
            &[("x", "2")],
            &[Note::Comment, Note::Unreadable],
        ),
        (
            "a/b; x=1 (never closed; y=2",
            "a/b",
            &[("x", "1 (never closed"), ("y", "2")],
            &[Note::Comment, Note::Quote],
        ),
    ]);
}

#[test]
fn what_stands_before_the_parameters() {
    let value = &[Note::Value][..];
    check(&[
        ("", "", &[], value),
        ("text", "text", &[], &[]),
        ("Attachment", "attachment", &[], &[]),
        ("text/", "text/", &[], value),
        ("/plain", "/plain", &[], value),
        ("x/multipart/mixed", "x/multipart/mixed", &[], value),
        ("text / plain; x=1", "text/plain", &[("x", "1")], value),
        ("text/ plain", "text/plain", &[], value),
        (
            "(c)text(c)/(c)plain(c)",
            "text/plain",
            &[],
            &[Note::Value, Note::Comment],
        ),
        ("\"text/plain\"; x=1", "text/plain", &[("x", "1")], value),
        ("text/plain junk; x=1", "text/plain", &[("x", "1")], value),
        ("; x=1", "", &[("x", "1")], value),
        ("x=1", "", &[("x", "1")], value),
        ("x=1; y=2", "", &[("x", "1"), ("y", "2")], value),
        ("a/b, c/d; x=1", "a/b", &[("x", "1")], &[Note::List]),
        (", c/d; x=1", "c/d", &[("x", "1")], &[Note::List]),
        ("te\0xt/plain", "te\0xt/plain", &[], &[Note::Value, Note::Raw8Bit]),
        (
            "tëxt/plain",
            "t\u{FFFD}\u{FFFD}xt/plain",
            &[],
            &[Note::Value, Note::Raw8Bit],
        ),
        (
            "a/b (never closed; x=1",
            "a/b",
            &[("x", "1")],
            &[Note::Value, Note::Comment],
        ),
    ]);
}

/// A reader that takes text as C does sees another extension.
#[test]
fn a_control_character_in_a_file_name_is_noted_in_every_form() {
    let noted = |value: &[u8]| Parameterized::parse(value).notes().contains(&Note::ControlInName);
    for value in [
        &b"a; filename=\"a.txt\0.exe\""[..],
        b"a; filename=a\x7f.exe",
        b"a; filename==?utf-8?Q?a.txt=00.exe?=",
        b"a; filename=\"=?utf-8?B?YS50eHQALmV4ZQ==?=\"",
        b"a; filename*0=\"=?utf-8?Q?a.txt\"; filename*1=\"=00.exe?=\"",
        b"a; filename*=utf-8''a\x01.exe",
        b"a/b; name=\"a\rb\"",
    ] {
        assert!(noted(value), "{}", value.escape_ascii());
    }
    for value in [
        &b"a; filename=\"a\tb\""[..],
        b"a; filename=\"\x1b$B$3$s\x1b(B.txt\"",
        b"a; filename==?utf-8?Q?a.txt?=",
        b"a/b; charset=\"a\0\"",
    ] {
        assert!(!noted(value), "{}", value.escape_ascii());
    }
}

#[test]
fn names_parameters_and_sections_have_limits() {
    let name = |length: usize| {
        Parameterized::parse(format!("a/b; {}=1", "n".repeat(length)).as_bytes())
            .names()
            .count()
    };
    assert_eq!(name(limits::PARAMETER_NAME - 1), 1);
    assert_eq!(name(limits::PARAMETER_NAME), 1);
    assert_eq!(name(limits::PARAMETER_NAME + 1), 0);
    for (count, limited) in [
        (limits::PARAMETERS - 1, false),
        (limits::PARAMETERS, false),
        (limits::PARAMETERS + 1, true),
    ] {
        let value: String = (0..count).fold(String::new(), |value, number| value + &format!("; n{number}={number}"));
        let parsed = Parameterized::parse(format!("a/b{value}").as_bytes());
        assert_eq!(parsed.names().count(), count.min(limits::PARAMETERS));
        assert_eq!(parsed.notes().contains(&Note::Limit), limited, "{count} parameters");
    }
    let limit = limits::PARAMETER_SECTIONS;
    for (count, limited) in [(limit - 1, false), (limit, false), (limit + 1, true)] {
        let value: String = (0..count)
            .rev()
            .fold(String::new(), |value, number| value + &format!("; n*{number}=x"));
        let parsed = Parameterized::parse(format!("a/b{value}").as_bytes());
        assert_eq!(parsed.parameter("n").unwrap().len(), count.min(limit));
        assert_eq!(parsed.notes().contains(&Note::Limit), limited, "{count} sections");
    }
}

#[test]
fn every_truncation_and_every_changed_byte_keeps_the_properties() {
    let value = b"a/b (c(d)); n*0*=utf-8'e'%E2%82; n*1=\"x;\\\"y\" m = =?utf-8?Q?a?= ; q=\"\"r, s=1 2 (f) t=3";
    for end in 0..=value.len() {
        fuzz(&value[..end]);
        for byte in *b"=;\"( )\\*%'\0\xE2," {
            let mut changed = value[..end].to_vec();
            if let Some(last) = changed.last_mut() {
                *last = byte;
            }
            fuzz(&changed);
            fuzz(&[&changed, &value[end..]].concat());
        }
    }
}

#[test]
fn floods_come_to_an_end() {
    for piece in [
        "; a=b",
        "; n*1=x",
        "(",
        "()",
        "(()",
        "\"",
        "a=\"",
        "; x=\\\"",
        " (x)",
        "a (x) ",
        "; n=a (b c",
        " a",
        ";",
        "=",
        ", ",
        "n=a b=c ",
    ] {
        let flood = piece.repeat(100_000 / piece.len());
        fuzz(flood.as_bytes());
        fuzz(format!("a/b; n={flood}").as_bytes());
    }
}

#[test]
fn the_plain_form_is_compared_in_the_charset_of_the_extended_one() {
    let agrees = |value: &[u8]| !Parameterized::parse(value).notes().contains(&conflict("filename"));
    assert!(agrees(b"a; filename=\"\xe9t\xe9\"; filename*=iso-8859-2''%E9t%E9"));
    assert!(agrees(b"a; filename=\"\xc6\xc1\"; filename*=koi8-r''%C6%C1"));
    assert!(agrees(b"a; filename=\"\xd1\x84\"; filename*=koi8-r''%C6"), "UTF-8");
    assert!(!agrees(b"a; filename=\"\xc6\xc1\"; filename*=koi8-r''%C6%C2"));
    assert!(agrees(b"a; filename*0=\"\xc6\xc1\"; filename*=koi8-r''%C6%C1"));
}

use super::*;
use crate::limits;

fn read(value: &[u8]) -> (String, Vec<Note>) {
    let mut text = String::new();
    let notes = decode(value, None, &mut text);
    (text, notes.iter().collect())
}

/// Every row: value, text, notes.
fn check(rows: &[(&str, &str, &[Note])]) {
    for (value, text, notes) in rows {
        assert_eq!(
            read(value.as_bytes()),
            ((*text).to_owned(), notes.to_vec()),
            "{value:?}"
        );
    }
}

#[test]
fn rfc_2047_section_8_examples() {
    check(&[
        (
            "=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>",
            "Keith Moore <moore@cs.utk.edu>",
            &[],
        ),
        (
            "=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>",
            "Keld Jørn Simonsen <keld@dkuug.dk>",
            &[],
        ),
        (
            "=?ISO-8859-1?Q?Andr=E9?= Pirard <PIRARD@vm1.ulg.ac.be>",
            "André Pirard <PIRARD@vm1.ulg.ac.be>",
            &[],
        ),
        (
            "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
            "If you can read this you understand the example.",
            &[],
        ),
        (
            "=?ISO-8859-1?Q?Olle_J=E4rnefors?= <ojarnef@admin.kth.se>",
            "Olle Järnefors <ojarnef@admin.kth.se>",
            &[],
        ),
        (
            "=?ISO-8859-1?Q?Patrik_F=E4ltstr=F6m?= <paf@nada.kth.se>",
            "Patrik Fältström <paf@nada.kth.se>",
            &[],
        ),
        (
            "Nathaniel Borenstein <nsb@thumper.bellcore.com> (=?iso-8859-8?b?7eXs+SDv4SDs6Oj08A==?=)",
            "Nathaniel Borenstein <nsb@thumper.bellcore.com> (םולש ןב לטטפנ)",
            &[],
        ),
        ("(=?ISO-8859-1?Q?a?=)", "(a)", &[]),
        ("(=?ISO-8859-1?Q?a?= b)", "(a b)", &[]),
        ("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)", &[]),
        ("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)", &[]),
        ("(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)", "(ab)", &[]),
        ("(=?ISO-8859-1?Q?a_b?=)", "(a b)", &[]),
        ("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)", &[]),
    ]);
}

#[test]
fn text_without_words_stays_as_it_is() {
    check(&[
        ("", "", &[]),
        ("plain", "plain", &[]),
        ("tab\tand  two spaces ", "tab\tand  two spaces ", &[]),
        ("what =? is", "what =? is", &[]),
        ("=?=?=?", "=?=?=?", &[Note::Malformed]),
        ("=?utf-8", "=?utf-8", &[]),
        ("https://a.example/x=?b?c", "https://a.example/x=?b?c", &[]),
        ("=?utf-8?", "=?utf-8?", &[Note::Malformed]),
        ("a =? =?utf-8?Q", "a =? =?utf-8?Q", &[Note::Malformed]),
        ("=?utf-8?X?abc?=", "=?utf-8?X?abc?=", &[Note::Malformed]),
        ("=?utf-8?abc?=", "=?utf-8?abc?=", &[Note::Malformed]),
        ("=?utf-8? Q?abc?=", "=?utf-8? Q?abc?=", &[Note::Malformed]),
        ("a ?= b =? c", "a ?= b =? c", &[]),
        ("=? =?utf-8?Q?a?=", "=? a", &[]),
    ]);
}

#[test]
fn neighbours_are_joined_and_other_space_is_kept() {
    check(&[
        ("=?utf-8?B?YQ==?= =?utf-8?Q?b?=", "ab", &[]),
        ("=?utf-8?b?YQ==?= =?UTF8?q?b?=", "ab", &[]),
        ("=?utf-8?Q?a?= \t =?koi8-r?B?xA==?=", "aд", &[]),
        ("x  =?utf-8?Q?a?=  y =?utf-8?Q?b?= ", "x  a  y b ", &[]),
        ("=?utf-8?Q?a_?= =?utf-8?Q?_b?=", "a  b", &[]),
        ("=?utf-8?Q??= =?utf-8?B??=", "", &[]),
        ("a =?utf-8?Q??= b", "a  b", &[]),
        ("=?utf-8*en-us?Q?a?= =?utf-8*de?Q?b?=", "ab", &[]),
        ("=?utf-8?Q?a?==?utf-8?Q?b?=", "ab", &[Note::Malformed]),
        ("[SPAM]=?utf-8?Q?a?=", "[SPAM]a", &[Note::Malformed]),
        ("=?utf-8?Q?a?=tail", "atail", &[Note::Malformed]),
    ]);
}

#[test]
fn characters_split_across_words_are_joined() {
    let split = &[Note::SplitCharacter][..];
    let stateful = &[Note::StatefulCharset][..];
    let stateful_split = &[Note::SplitCharacter, Note::StatefulCharset][..];
    check(&[
        ("=?utf-8?Q?=E2=82?= =?utf-8?Q?=AC!?=", "€!", split),
        ("=?utf-8?B?4oI=?= =?utf-8?Q?=AC?=", "€", split),
        (
            "=?utf-8?Q?=F0?= =?utf-8?Q?=9F?= =?utf-8?Q?=98?= =?utf-8?Q?=80?=",
            "\u{1F600}",
            split,
        ),
        ("=?shift_jis?B?g2WD?= =?shift_jis?B?WINn?=", "テスト", split),
        ("=?gb2312?Q?=D6?= =?gb2312?Q?=D0?=", "中", split),
        // Each in itself, as RFC 2047 wants it, and cut inside the Japanese text.
        (
            "=?iso-2022-jp?B?GyRCJDMbKEI=?= =?iso-2022-jp?B?GyRCJHMbKEI=?=",
            "こん",
            stateful,
        ),
        (
            "=?iso-2022-jp?B?GyRCJDM=?= =?iso-2022-jp?B?JHMbKEI=?=",
            "こん",
            stateful_split,
        ),
        (
            "=?iso-2022-jp?B?GyRCJDMk?= =?iso-2022-jp?B?cxsoQg==?=",
            "こん",
            stateful_split,
        ),
        (
            "=?iso-2022-jp?B?GyRCJDMbKEI=?= =?iso-2022-jp?Q?abc?=",
            "こabc",
            stateful,
        ),
        ("=?hz-gb-2312?Q?~{VP~}?= =?hz-gb-2312?Q?~{ND~}?=", "中文", stateful),
        ("=?utf-7?Q?+AOQ?= =?utf-7?Q?abc+ADw-?=", "äabc<", stateful),
        ("=?utf-7?Q?+AO?= =?utf-7?Q?Q-x?=", "äx", stateful_split),
        ("=?UTF-7?B?K0FEdy1i?=", "<b", stateful),
        // The base64 text itself was cut.
        (
            "=?utf-8?B?aGVsbG8gd29?= =?utf-8?B?ybGQ=?=",
            "hello world",
            &[Note::Malformed, Note::SplitCharacter],
        ),
        (
            "=?utf-8?B?aGVsb?= =?utf-8?B?G8=?=",
            "hello",
            &[Note::Malformed, Note::SplitCharacter],
        ),
        // Not joined: another charset, or text between.
        ("=?utf-8?Q?=E2=82?= =?koi8-r?Q?=AC?=", "\u{FFFD}╛", &[Note::Replaced]),
        (
            "=?utf-8?Q?=E2=82?= x =?utf-8?Q?=AC?=",
            "\u{FFFD} x \u{FFFD}",
            &[Note::Replaced],
        ),
    ]);
}

#[test]
fn broken_encodings_keep_what_is_readable() {
    let malformed = &[Note::Malformed][..];
    check(&[
        ("=?utf-8?B?aGVsbG8?=", "hello", malformed),
        ("=?utf-8?B?aGVsbA?=", "hell", malformed),
        ("=?utf-8?B?aGVsbG8==?=", "hello", malformed),
        ("=?utf-8?B?aGVsbG8====?=", "hello", malformed),
        ("=?utf-8?B?aGVs====?=", "hel", malformed),
        ("=?utf-8?B?aGVs bG8=?=", "hello", malformed),
        ("=?utf-8?B?a*G%Vsb-G8=?=", "hello", malformed),
        ("=?utf-8?B?aGk=aGk=?=", "hihi", malformed),
        ("=?utf-8?B?aGk=a?=", "hi", malformed),
        ("=?utf-8?B?=?=", "", malformed),
        ("=?utf-8?B?Y?=", "", malformed),
        ("=?utf-8?Q?a=?=", "a=", malformed),
        ("=?utf-8?Q?a=4?=", "a=4", malformed),
        ("=?utf-8?Q?a=ZZb=62?=", "a=ZZbb", malformed),
        ("=?utf-8?Q?=c3=a9?=", "é", &[]),
        ("=?utf-8?Q?two words here?=", "two words here", malformed),
        ("=?utf-8?Q?what??=", "what?", &[]),
    ]);
}

#[test]
fn words_without_an_end_are_read_up_to_white_space_or_the_next() {
    let malformed = &[Note::Malformed][..];
    check(&[
        ("=?utf-8?Q?abc", "abc", malformed),
        ("=?utf-8?Q?abc?", "abc", malformed),
        ("=?utf-8?B?aGVsbG8=", "hello", malformed),
        ("=?utf-8?Q?abc and more", "abc and more", malformed),
        ("=?utf-8?Q?abc =?utf-8?Q?def?=", "abcdef", malformed),
        ("=?utf-8?Q?abc=?utf-8?Q?def?=", "abcdef", malformed),
        ("=?utf-8?Q?abc and =?utf-8?Q?def?=", "abc and def", malformed),
        ("=?utf-8?Q?", "", malformed),
    ]);
}

#[test]
fn raw_bytes_quotes_length_and_charsets_are_noted() {
    check(&[
        ("grün", "grün", &[Note::Raw8Bit]),
        ("grün =?utf-8?Q?=C3=A9?=", "grün é", &[Note::Raw8Bit]),
        ("=?utf-8?Q?é?=", "é", &[Note::Raw8Bit, Note::Malformed]),
        ("\"=?utf-8?Q?a?=\" <b@c>", "\"a\" <b@c>", &[Note::InQuotes]),
        ("\"x\" =?utf-8?Q?a?= \"y\"", "\"x\" a \"y\"", &[]),
        ("\"x\\\" =?utf-8?Q?a?= y\"", "\"x\\\" a y\"", &[Note::InQuotes]),
        ("=?nonsense?Q?=C3=A9?=", "é", &[Note::UnknownCharset]),
        ("=?nonsense?Q?=E9?=", "é", &[Note::UnknownCharset]),
        ("=??Q?=E9?=", "é", &[Note::UnknownCharset]),
        ("=?us-ascii?Q?=E9?=", "é", &[]),
        ("=?utf-8?Q?=E9?=", "\u{FFFD}", &[Note::Replaced]),
    ]);
    let mut text = String::new();
    assert!(decode(b"\xB3adne =?utf-8?Q?a?=", Some(b"iso-8859-2"), &mut text).contains(Note::Raw8Bit));
    assert_eq!(text, "ładne a");
    let word = |length: usize| format!("=?utf-8?Q?{}?=", "a".repeat(length - 12));
    for (length, noted) in [(74, false), (75, false), (76, true)] {
        assert_eq!(
            read(word(length).as_bytes()).1.contains(&Note::Over75),
            noted,
            "{length}"
        );
    }
}

#[test]
fn what_words_yield_ends_no_line_and_is_not_decoded_again() {
    check(&[
        ("=?utf-8?Q?x=0D=0ABcc:_x@y?=", "x  Bcc: x@y", &[Note::YieldsControl]),
        ("=?utf-8?B?YQBi?=", "a\u{FFFD}b", &[Note::YieldsControl]),
        (
            "=?utf-8?Q?=1B[31m=7F=0B=09?=",
            "\u{FFFD}[31m\u{FFFD} \t",
            &[Note::YieldsControl],
        ),
        ("a\0b\rc\n", "a\u{FFFD}b c ", &[Note::RawControl]),
        (
            "=?utf-8?Q?=3D=3Futf-8=3FQ=3Fa=3F=3D?=",
            "=?utf-8?Q?a?=",
            &[Note::YieldsEncodedWord],
        ),
        // Half of the inner word is text.
        ("=?utf-8?Q?=3D?= ?utf-8?Q?a?=", "= ?utf-8?Q?a?=", &[]),
        (
            "=?utf-8?Q?=3D?=?utf-8?Q?a?=",
            "=?utf-8?Q?a?=",
            &[Note::Malformed, Note::YieldsEncodedWord],
        ),
        ("=?utf-8?Q?=3D=3F?=", "=?", &[]),
    ]);
}

#[test]
fn a_charset_label_has_a_limit() {
    let word = |length: usize| format!("=?{}?Q?a?=", "x".repeat(length));
    let known = |length: usize| read(word(length).as_bytes()).0 == "a";
    assert!(known(limits::CHARSET_LABEL - 1));
    assert!(!known(limits::CHARSET_LABEL));
    assert!(!known(limits::CHARSET_LABEL + 1));
}

#[test]
fn every_truncation_and_every_changed_byte_keeps_the_properties() {
    let value = b"a \"=?utf-8*en?Q?x=0A=E2=82?= =?utf-8?B?rGE=?=\" \xE9=?iso-2022-jp?B?GyRCJDMbKEI=?= =?utf-8?Q?b";
    for end in 0..=value.len() {
        fuzz(&value[..end]);
        for byte in *b"=?Qb \0\xE2\"\r" {
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
        "=?",
        "=?utf-8?Q?",
        "=?utf-8?B?YQ",
        "=?utf-8?Q?=E2?= ",
        "?=",
        "=?a?Q??= ",
        "=?x?=",
        "\"\\=?a?q?\"",
    ] {
        fuzz(piece.repeat(200_000 / piece.len()).as_bytes());
    }
}

#[test]
fn utf_16_without_a_byte_order_mark_is_read_by_its_zero_bytes() {
    check(&[
        ("=?utf-16?B?ZgBpAGwAZQAuAHQAeAB0AA==?=", "file.txt", &[]),
        ("=?utf-16?B?AGYAaQBsAGUALgB0AHgAdA==?=", "file.txt", &[]),
        ("=?utf-16?B?/v8AZgBpAGwAZQ==?=", "file", &[]),
        ("=?utf-16le?B?ZgBpAGwAZQA=?=", "file", &[]),
        ("=?utf-16?B?Ti1lhw==?=", "中文", &[Note::ByteOrder]),
        ("=?utf-16le?B?/v8AZgBpAGwAZQ==?=", "file", &[Note::ByteOrder]),
    ]);
}

#[test]
fn what_turns_the_direction_of_text_is_noted_and_marks_of_direction_are_not() {
    let turns = |value: &str| {
        let mut text = String::new();
        decode(value.as_bytes(), None, &mut text).contains(Note::BidiControl)
    };
    for value in [
        "\u{202E}gpj.exe",
        "=?utf-8?B?4oCu?=",
        "a \u{2066}b\u{2069}",
        "=?utf-8?Q?=E2=80=AA?=",
    ] {
        assert!(turns(value), "{value:?}");
    }
    for value in ["שלום\u{200F}!", "\u{200E}x", "=?utf-8?B?4oCP?=", "\u{2022} \u{2028}"] {
        assert!(!turns(value), "{value:?}");
    }
}

#[test]
fn ebcdic_is_noted_and_left_as_it_is() {
    check(&[
        ("=?ibm037?Q?a?=", "a", &[Note::Ebcdic]),
        ("=?EBCDIC-CP-US?B?hQ==?=", "…", &[Note::Ebcdic]),
    ]);
}

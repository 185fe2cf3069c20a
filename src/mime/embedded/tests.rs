use super::{Record, Scanner, fuzz};
use crate::limits;

fn search(mut scanner: Scanner, text: &[u8]) -> Vec<String> {
    for choice in 0..4 {
        fuzz(&[&[choice], text].concat());
    }
    let mut record = Record::default();
    scanner.feed(text, &mut |item| record.add(item));
    scanner.finish(&mut |item| record.add(item));
    record.told
}

/// CR alone ends lines, too.
#[track_caller]
fn assert_found(text: &str, expected: &[&str]) {
    for text in [text.to_owned(), text.replace('\n', "\r\n"), text.replace('\n', "\r")] {
        assert_eq!(search(Scanner::default(), text.as_bytes()), expected);
    }
}

const FLAG: &str = "embedded_encoding";

#[test]
fn a_file_between_lines_of_text() {
    assert_found(
        "Look:\n\nbegin 644 cat.txt\n#0V%T\n`\nend\nbye\n",
        &[FLAG, "File", "name cat.txt", "end Cat"],
    );
}

#[test]
fn text_that_only_speaks_of_it() {
    for text in [
        "begin 644 name\nis how such a file begins.\n",
        "begin 644 name\n\n\nend\n",
        "begin 644 name",
        "begin 644 name\n`\nend\n",
        "> begin 644 cat.txt\n> #0V%T\n",
        "begin reading here\n#0V%T\n",
        "=y\n=ybegin\n=ybeginx line=1\n",
        "(This file must be converted with BinHex 4.0)\n\nit says: nothing.\n",
        "begin-base64 644 a\nis another form\n",
        " -----BEGIN PGP MESSAGE-----\n",
    ] {
        assert_found(text, &[]);
    }
}

#[test]
fn lines_that_are_no_data_may_stand_before_it_up_to_the_limit() {
    for (lines, found) in [(limits::EMBEDDED_NOISE, true), (limits::EMBEDDED_NOISE + 1, false)] {
        let noise = "noise: x\n--\n".repeat(lines / 2) + if lines % 2 == 0 { "" } else { "OK\n" };
        let text = format!("begin 644 a\n{noise}#0V%T\nend\n");
        let file: &[&str] = &[FLAG, "File", "name a", "end Cat"];
        assert_found(&text, if found { file } else { &[] });
        let text = format!("(This file must be converted with BinHex 4.0)\n{noise}:$f*\n");
        assert_found(&text, if found { &[FLAG] } else { &[] });
    }
    // Blank lines and those that announce nothing are no noise.
    let none = "\n`\n \n".repeat(limits::EMBEDDED_NOISE);
    assert_found(
        &format!("begin 644 a\n{none}#0V%T\nend\n"),
        &[FLAG, "File", "name a", "end Cat"],
    );
}

#[test]
fn a_file_without_a_name() {
    assert_found("begin 644 \n#0V%T\nend\n", &[FLAG, "File", "end Cat"]);
}

#[test]
fn junk_behind_the_characters_of_a_line_and_other_characters_for_them_cost_nothing() {
    for text in [
        "begin 644 a\n#0V%T\t\n#0V%T\nend\n",
        "begin 644 a\n#0V%Txyz\n#0V%T and more of it\nend\n",
    ] {
        assert_found(text, &[FLAG, "File", "name a", "end CatCat"]);
    }
    assert_eq!(
        search(Scanner::default(), b"begin 644 a\n\xa3\xb0\xd6\xa5\xd4\n"),
        [FLAG, "File", "name a", "end Cat"]
    );
}

#[test]
fn where_no_type_is_said_whatever_follows_a_first_line_is_a_file_for_a_reader() {
    let untyped = |text: &str| search(Scanner::untyped(), text.as_bytes());
    for text in [
        "begin 644 name\nis how such a file begins.\n",
        "begin 644 name\nis how such a file begins.\nend\nIs it?\n",
        "begin 644 name\n\nis how it begins!!\nbegin 644 other\n",
        "(This file must be converted with BinHex 4.0)\nit says.\n",
    ] {
        assert_eq!(untyped(text), [FLAG], "{text}");
        assert_eq!(untyped(&text.replace('\n', "\r")), [FLAG], "{text}");
    }
    assert_eq!(untyped(&format!("begin 644 name\n{}", "so\n".repeat(99))), [FLAG]);
    for text in ["begin 644 name", "begin 644 name\n`\nend\n", "> begin 644 name\nx\n"] {
        assert_eq!(untyped(text), [""; 0], "{text}");
    }
    assert_eq!(
        untyped("begin 644 a\nnoise\n#0V%T\nend\n"),
        [FLAG, "File", "name a", "end Cat"]
    );
}

#[test]
fn a_file_that_is_not_ended() {
    assert_found("begin 644 a\n#0V%T", &[FLAG, "File", "name a", "end Cat"]);
    assert_found(
        "begin 644 a\n#0V%T\n`\nTHE END\n#0V%T\n",
        &[FLAG, "File", "name a", "end Cat"],
    );
}

#[test]
fn noise_between_the_lines_of_a_file_costs_nothing_of_it() {
    assert_found(
        "begin 644 a\n\n#0V%T\n\nnoise\n#0V%T\nend\n",
        &[FLAG, "File", "name a", "end CatCat"],
    );
}

#[test]
fn one_file_after_another_with_or_without_an_end() {
    assert_found(
        "begin 644 a\n#0V%T\nbegin 755 b\n#0V%T\nend\n=ybegin line=9 name=c\n\u{3}\n=ybegin line=9 name=d\n\u{4}\n=yend\n\
         begin 644 e\n#0V%T\nend\n",
        &[
            FLAG,
            "File",
            "name a",
            "end Cat",
            FLAG,
            "File",
            "name b",
            "end Cat",
            FLAG,
            "File",
            "name c",
            "end \\xd9",
            FLAG,
            "File",
            "name d",
            "end \\xda",
            FLAG,
            "File",
            "name e",
            "end Cat",
        ],
    );
}

#[test]
fn the_base64_form() {
    assert_found(
        "begin-base64 644 a\naGVs\nbG8=\n====\nend\n",
        &[FLAG, "File", "name a", "end hello"],
    );
    assert_found("begin-base64 644 a\naGVsbG8", &[FLAG, "File", "name a", "end hello"]);
}

#[test]
fn binhex_and_pgp_are_noticed() {
    assert_found(
        "(This file must be converted with BinHex 4.0)\n\n:$f*TEQKPH#jdCA0d,R0TG!\"6594%8dP\n",
        &[FLAG],
    );
    for between in ["\n \n", "hello\n", " \n \t"] {
        let text = format!("(This file must be converted with BinHex 4.0)\n{between}:$f*\n");
        assert_found(&text, &[FLAG]);
    }
    assert_found("x\n-----BEGIN PGP MESSAGE-----\n\nhQ\n", &["encrypted"]);
}

#[test]
fn a_pgp_message_is_encrypted_unless_its_packets_say_otherwise() {
    const BEGIN: &str = "-----BEGIN PGP MESSAGE-----\n";
    for (message, expected) in [
        ("Version: 1\n\ny0NiCGV2aWwuZXhl\n-----END PGP MESSAGE-----\n", FLAG),
        ("\n0ukBCGV2aWwuZXhl\n", "encrypted"),
        ("\nblah, blah, blah\n\n-----END PGP MESSAGE-----\n", "encrypted"),
        ("", "encrypted"),
    ] {
        assert_found(&format!("{BEGIN}{message}"), &[expected]);
        assert_found(&format!("{BEGIN}{BEGIN}{message}"), &["encrypted", expected]);
    }
}

#[test]
fn files_and_pgp_messages_do_not_hide_each_other() {
    assert_found(
        "(This file must be converted with BinHex 4.0)\n-----BEGIN PGP MESSAGE-----\n:$f*\n",
        &[FLAG, "encrypted"],
    );
    assert_found(
        "-----BEGIN PGP MESSAGE-----\nbegin 644 a\n#0V%T\nend\n",
        &["encrypted", FLAG, "File", "name a", "end Cat"],
    );
}

#[test]
fn a_transfer_encoding_needs_no_first_line() {
    let bare = |text: &[u8]| search(Scanner::uuencoded(), text);
    assert_eq!(bare(b"#0V%T\n#0V%T\n"), [FLAG, "File", "end CatCat"]);
    assert_eq!(
        bare(b"\r\nbegin 644 a\r\n#0V%T\r\n`\r\nend\r\n"),
        [FLAG, "File", "name a", "end Cat"]
    );
}

#[test]
fn the_first_line_at_the_limit_and_beyond() {
    for length in [
        limits::EMBEDDED_LINE - 1,
        limits::EMBEDDED_LINE,
        limits::EMBEDDED_LINE + 1,
        50_000,
    ] {
        let name = "n".repeat(length - "begin 644 ".len());
        let kept = &name[..name.len().min(limits::EMBEDDED_LINE - "begin 644 ".len())];
        let expected = [FLAG, "File", &format!("name {kept}"), "end Cat"].map(str::to_owned);
        assert_eq!(
            search(Scanner::default(), format!("begin 644 {name}\n#0V%T\nend\n").as_bytes()),
            expected
        );
    }
}

#[test]
fn every_truncation_is_a_text() {
    let text = b"begin 644 a\n#0V%T\n`\nend\n=ybegin line=9 name=c\n=J\x03\n=ypart begin=1\n\x04\n=yend\nbegin-base64 644 b\naGVs\n====\n";
    for end in 0..text.len() {
        search(Scanner::default(), &text[..end]);
    }
}

#[test]
fn two_megabytes_in_lines_go_through() {
    let lines = 30_000;
    let text = format!(
        "begin 644 a\n{}end\n",
        format!("M{}\n", "0V%T".repeat(15)).repeat(lines)
    );
    let mut scanner = Scanner::default();
    let mut record = Record::default();
    for piece in text.as_bytes().chunks(4096) {
        scanner.feed(piece, &mut |item| record.add(item));
        assert!(scanner.decoded.capacity() <= 4 * limits::DECODE_STEP);
    }
    scanner.finish(&mut |item| record.add(item));
    assert_eq!(record.bytes(), lines * 45);
}

use super::{Record, Scanner, fuzz};
use crate::limits;

fn search(mut scanner: Scanner, text: &[u8]) -> Vec<String> {
    for bare in [0, 1] {
        fuzz(&[&[bare], text].concat());
    }
    let mut record = Record::default();
    scanner.feed(text, &mut |item| record.add(item));
    scanner.finish(&mut |item| record.add(item));
    record.told
}

#[track_caller]
fn assert_found(text: &str, expected: &[&str]) {
    for text in [text.to_owned(), text.replace('\n', "\r\n")] {
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
        "(This file must be converted with BinHex 4.0)\n\nit says.\n:",
        "begin-base64 644 a\nis another form\n",
        " -----BEGIN PGP MESSAGE-----\n",
    ] {
        assert_found(text, &[]);
    }
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
    assert_found("x\n-----BEGIN PGP MESSAGE-----\n\nhQ\n", &["encrypted"]);
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

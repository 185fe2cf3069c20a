//! Every flag there is, raised by a mail made for it: which part, where, how often.

use super::{Arrival, EventBuilder, Settings};
use crate::event::stub::Stub;
use crate::event::{Anomaly, Origin};
use crate::limits;
use crate::mime::anomaly::Flag::*;
use crate::mime::anomaly::{FLAGS, Flag};

/// A flag, its severity, the part, the count, and the mail. `▼` stands before the offset; other characters are bytes.
type Row = (Flag, &'static str, &'static str, u64, String);

/// A mail of two parts, of which this is the second.
fn part(text: &str) -> String {
    format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nfirst\n--b\n{text}\n--b--\n")
}

/// The second part of a mail, with this field behind another one.
fn field(field: &str) -> String {
    part(&format!("X: 1\n▼{field}\n\nx"))
}

/// A mail of one part: its header.
fn header(fields: &str) -> String {
    format!("{fields}\n\nx\n")
}

const ENVELOPE: &str = "Sender: a@x\nSubject: s\nMessage-Id: <1@x>\nTo: b@x\n";
const ORIGINAL: &str = "Message-ID: <1@x>\n\nhi\n";

/// A journal report of Exchange.
fn report(envelope: &str, original: &str) -> String {
    format!(
        "▼X-MS-Journal-Report:\nContent-Type: multipart/mixed; boundary=j\n\n--j\nContent-Type: text/plain\n\n\
         {envelope}\n--j\nContent-Type: message/rfc822\n\n{original}\n--j--\n"
    )
}

/// A signed S/MIME object around `Content-Type: text/html\n\nhi`.
const SIGNED: &str = "MEAGCSqGSIb3DQEHAqAzMDECAQExADAqBgkqhkiG9w0BBwGgHQQbQ29udGVudC1UeXBlOiB0ZXh0L2h0bWwKCmhp";

/// The same around `<a/>`.
const SIGNED_FILE: &str = "MCkGCSqGSIb3DQEHAqAcMBoCAQExADATBgkqhkiG9w0BBwGgBgQEPGEvPg==";

fn rows() -> Vec<Row> {
    [declared(), structure(), texts(), journals_and_limits()].concat()
}

#[rustfmt::skip]
fn declared() -> Vec<Row> {
    vec![
        (HeaderNoColon, "high", "2", 1, part("A: 1\n▼junk\nB: 2\n\nx")),
        (HeaderSpaceBeforeColon, "high", "2", 1, field("Content-Type : text/plain")),
        (HeaderControlInName, "high", "2", 1, field("\0Content-Type: text/plain")),
        (HeaderCommentInName, "high", "2", 1, field("Content-Type(x): text/plain")),
        (HeaderEmptyOrDoubleName, "high", "2", 2, part("A: 1\n▼: a/b\nFrom:from: a\n\nx")),
        (HeaderBareCr, "high", "2", 1, field("A: x\rB: y")),
        (HeaderFoldFirst, "high", "2", 1, part("▼ lost\nA: 1\n\nx")),
        (HeaderFoldBlank, "high", "2", 1, part("A: 1\n▼ \t\nB: 2\n\nx")),
        (HeaderNoSeparator, "high", "2", 1, part("A: 1\n▼QUJD\nREVG\n")),
        (HeaderAfterBlank, "high", "2", 1, part("▼\nContent-Type: text/html\n\nx")),
        (ConflictContentType, "high", "2", 2, part("Content-Type: a/b\n▼Content-Type: a/c\nContent-Type: a/d\n\nx")),
        (ConflictTransferEncoding, "high", "2", 1, part("Content-Transfer-Encoding: 7bit\n▼Content-Transfer-Encoding: 8bit\n\nx")),
        (ConflictDisposition, "high", "2", 1, part("Content-Disposition: inline\n▼Content-Disposition: attachment\n\nx")),
        (ConflictFrom, "high", "", 1, header("From: a@x\n▼From: b@x")),
        (ConflictSubject, "high", "", 1, header("Subject: a\n▼Subject: b")),
        (ConflictDate, "high", "", 1, header("Date: a\n▼Date: b")),
        (ConflictTo, "high", "", 1, header("To: a@x\n▼To: b@x")),
        (ConflictMessageId, "high", "2", 1, part("Content-Type: message/rfc822\n\nMessage-ID: <1@x>\n▼Message-ID: <2@x>\n\nx")),
        (ConflictBoundary, "high", "2", 1, part("X: 1\n▼Content-Type: multipart/mixed; boundary=c; boundary=d\n\n--c\n\nx\n--c--")),
        (ConflictCharset, "high", "2", 1, field("Content-Type: text/plain; charset=utf-8; charset=big5")),
        (ConflictName, "high", "2", 1, field("Content-Type: a/b; name=a; name=b")),
        (ConflictFilename, "high", "2", 1, part("Content-Type: a/b; name=a\n▼Content-Disposition: attachment; filename=b\n\nx")),
        (ConflictStart, "high", "2", 1, part("X: 1\n▼Content-Type: multipart/related; boundary=c; start=\"<1>\"; start=\"<2>\"\n\n--c\n\nx\n--c--")),
        (ConflictParameter, "medium", "2", 1, field("Content-Type: text/plain; x=1; x=2")),
        (BoundaryElsewhere, "high", "2", 1, field("Content-Type: text/plain; boundary=c")),
        (TypeMalformed, "high", "2", 1, field("Content-Type: text")),
        (TypeList, "high", "2", 1, field("Content-Type: text/plain, text/html")),
        (ValueComment, "high", "2", 1, field("Content-Type: text/pl(c)ain")),
        (ParameterQuote, "high", "2", 1, field("Content-Disposition: attachment; filename='a.txt'")),
        (ParameterSeparator, "high", "2", 1, field("Content-Type: text/plain charset=utf-8")),
        (ParameterUnreadable, "high", "2", 1, field("Content-Type: text/plain; x:y=1; charset=utf-8")),
        (ParameterEncodedWord, "high", "2", 1, field("Content-Type: text/plain; charset==?utf-8?Q?utf-8?=")),
        (ParameterExtended, "high", "2", 1, field("Content-Disposition: attachment; filename*1=b; filename*0=a")),
        (ControlInFileName, "high", "2", 1, field("Content-Disposition: attachment; filename=\"a.txt\0.exe\"")),
    ]
}

#[rustfmt::skip]
fn structure() -> Vec<Row> {
    let smime = |object: &str| {
        let header = "▼Content-Type: application/pkcs7-mime; name=smime.p7m\nContent-Transfer-Encoding: base64";
        part(&format!("{header}\n\n{object}"))
    };
    let base64 = |text: &str| part(&format!("▼Content-Transfer-Encoding: base64\n\n{text}"));
    let multipart = |content: &str| part(&format!("▼Content-Type: multipart/mixed; boundary=c\n\n{content}"));
    vec![
        (BoundaryOdd, "high", "2", 1, part("X: 1\n▼Content-Type: multipart/mixed; boundary=\"c;d\"\n\n--c;d\n\nx\n--c;d--")),
        (MultipartNoBoundary, "high", "2", 1, field("Content-Type: multipart/mixed")),
        (MultipartNamed, "high", "2", 1, part("X: 1\n▼Content-Type: multipart/mixed; boundary=c; name=a.exe\n\n--c\n\nx\n--c--")),
        (MultipartNoPart, "high", "2", 1, multipart("nothing")),
        (MultipartUnclosed, "high", "2", 1, multipart("--c\n\nx")),
        (PartAfterClose, "high", "2", 1, multipart("--c\n\nx\n--c--\n\n--c\n\nlate\n--c--")),
        (PreamblePart, "high", "2", 1, multipart("Content-Type: text/html\n\nhidden\n--c\n\nx\n--c--")),
        (BoundaryGuessed, "high", "2", 1, multipart("--d\nContent-Type: text/plain\n\nx\n--d--")),
        (BoundaryReused, "high", "2", 1, part("▼Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx")),
        (BoundaryPrefix, "high", "2", 1, part("▼Content-Type: multipart/mixed; boundary=bb\n\n--bb\n\nx\n--bb--")),
        (BoundaryNearMiss, "high", "2", 1, part("▼X: 1\n\n --b\nx")),
        (BoundaryInsideHeaders, "high", "2", 1, part("▼A: 1")),
        (MimeWithoutType, "high", "2.1", 1, part("Content-Type: message/rfc822\n\n▼Subject: x\n\n--q\nContent-Type: text/html\n\nx\n--q--")),
        (EncodedComposite, "high", "2", 1, part("▼Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogYQoKYg==")),
        (MessageOther, "high", "2", 1, part("▼Content-Type: message/x-mail\n\nContent-Type: text/html\n\nx")),
        (MessagePartial, "high", "2", 1, field("Content-Type: message/partial; id=1")),
        (ExternalBody, "high", "2", 1, field("Content-Type: message/external-body; access-type=x")),
        (TransferUnknown, "high", "2", 1, field("Content-Transfer-Encoding: x-base64")),
        (TransferSplit, "high", "2", 1, field("Content-Transfer-Encoding: bas\n e64")),
        (Base64Junk, "high", "2", 2, base64("QU!!JD")),
        (Base64AfterPadding, "high", "2", 4, base64("QUI=QUJD")),
        (Base64BadPadding, "high", "2", 1, base64("QQ=")),
        (Base64Truncated, "high", "2", 1, base64("QUJDQ")),
        (EmbeddedEncoding, "high", "2", 2, part("▼X: 1\n\nbegin 644 a\n#0V%T\n`\nend\nbegin 644 b\n#0V%T\n`\nend")),
        (Smime, "info", "2", 1, smime(SIGNED)),
        (SmimeUnread, "high", "2", 1, smime("AAAA")),
        (SmimeAmbiguous, "high", "2", 1, smime(SIGNED_FILE)),
        (Tnef, "info", "2", 1, part("▼Content-Type: application/ms-tnef\n\nx")),
        (TnefUnread, "high", "2", 1, part("▼Content-Type: application/ms-tnef\n\nx")),
        (Encrypted, "medium", "2", 1, part("X: 1\n▼Content-Type: multipart/encrypted; boundary=c\n\n--c\n\nx\n--c--")),
        (QuotedPrintableBadEscape, "high", "2", 2, part("▼Content-Transfer-Encoding: quoted-printable\n\n=ZZ=ZZ")),
    ]
}

#[rustfmt::skip]
fn texts() -> Vec<Row> {
    vec![
        (EncodedWordMalformed, "medium", "2", 2, part("X: 1\n▼Subject: [a]=?utf-8?Q?b?=\nX: [a]=?utf-8?Q?b?=\n\nx")),
        (EncodedWordUnknownCharset, "medium", "2", 1, field("Subject: =?x-none?Q?b?=")),
        (EncodedWordSplitCharacter, "info", "2", 1, field("Subject: =?utf-8?Q?=C3?= =?utf-8?Q?=A9?=")),
        (EncodedWordInQuotes, "info", "2", 1, field("From: \"=?utf-8?Q?a?=\" <a@x>")),
        (EncodedWordOver75, "info", "2", 1, field(&format!("Subject: =?utf-8?Q?{}?=", "a".repeat(80)))),
        (EncodedWordYieldsEncodedWord, "medium", "2", 1, field("Subject: =?utf-8?Q?=3D=3Futf-8=3FQ=3Fa=3F=3D?=")),
        (EncodedWordYieldsControl, "medium", "2", 1, field("Subject: =?utf-8?Q?a=0D=0Ab?=")),
        (HeaderRepeated, "medium", "", 1, header("Cc: a@x\n▼Cc: b@x")),
        (BidiControl, "medium", "2", 1, field("Content-Disposition: attachment; filename*=utf-8''a%E2%80%AEb.exe")),
        (RawEightBitHeader, "medium", "2", 1, field("Subject: caf\u{e9}")),
        (ControlInHeader, "medium", "2", 1, field("Subject: a\u{1}b")),
        (NulInBody, "medium", "2", 2, part("X: 1\n\na▼\0\0b")),
        (EightBitInSevenBit, "info", "2", 2, part("X: 1\n\ncaf▼\u{e9}\u{e9}")),
        (MixedLineEnds, "medium", "2", 2, part("X: 1\n\na▼\r\nb\r\nc")),
        (LongLine, "info", "2", 1, part(&format!("X: 1\n\nx\n▼{}\nx", "a".repeat(limits::LINE + 1)))),
        (CharsetEbcdic, "high", "2", 1, field("Content-Type: text/plain; charset=cp037")),
        (CharsetByteOrder, "high", "2", 1, part("▼Content-Type: text/plain; charset=utf-16le\n\n\u{fe}\u{ff}\0x")),
        (CharsetUnknown, "medium", "2", 1, field("Content-Type: text/plain; charset=x-none")),
        (CharsetStateful, "info", "2", 1, field("Content-Type: text/plain; charset=iso-2022-jp")),
        (ReplacementCharacters, "info", "2", 1, part("▼X: 1\nContent-Type: text/plain; charset=utf-8\n\n\u{ff}")),
    ]
}

#[rustfmt::skip]
fn journals_and_limits() -> Vec<Row> {
    let recipients = "To: b@x\n".repeat(limits::JOURNAL_RECIPIENTS);
    let nested = (0..limits::DEPTH).map(|level| format!("Content-Type: multipart/mixed; boundary=b{level}x\n\n--b{level}x\n"));
    let nested = nested.chain(["▼Content-Type: multipart/mixed; boundary=last\n\n--last\n\nx\n".to_owned()]).collect();
    let deep = ["1"; limits::DEPTH].join(".").leak();
    let parts = "--b\n\nx\n".repeat(limits::PARTS);
    let odd = "--b\nContent-Transfer-Encoding: base64\n\nQQ=\n";
    let odd_parts = odd.repeat(limits::ANOMALIES - 1);
    vec![
        (JournalAmbiguous, "high", "", 1, header("▼X-MS-Journal-Report:")),
        (JournalOtherMessageId, "high", "", 1, report(ENVELOPE, "Message-ID: <2@x>\n\nhi\n")),
        (JournalOtherLine, "high", "", 2, report(&format!("{ENVELOPE}hello\nSubject: again\n"), ORIGINAL)),
        (JournalUnknownField, "medium", "", 1, report(&format!("{ENVELOPE}Colour: red\n"), ORIGINAL)),
        (JournalNested, "medium", "", 1, report(ENVELOPE, &report(ENVELOPE, ORIGINAL).replace('▼', "").replace("j\n", "k\n").replace("--j--", "--k--").replace("X-MS", "Message-ID: <1@x>\nX-MS"))),
        (LimitHeader, "high", "2", 1, part(&format!("▼X: {}\n\nx", "a".repeat(limits::HEADER_BLOCK)))),
        (LimitDepth, "high", deep, 1, nested),
        (LimitParts, "high", "", 2, format!("Content-Type: multipart/mixed; boundary=b\n\n{parts}--b\n▼X: 1\n\nx\n--b\n\nx\n--b--\n")),
        (LimitBody, "high", "2", 1, part(&format!("▼X: 1\n\n{}", "a".repeat(limits::BODY_TEXT + 1)))),
        (LimitText, "medium", "2", 1, part(&format!("▼Content-Type: text/csv\n\n{}", "a".repeat(limits::BODY_TEXT + 1)))),
        (LimitRecipients, "medium", "", 1, report(&format!("{ENVELOPE}{recipients}"), ORIGINAL)),
        (LimitAttempts, "high", "", 1, header("▼Subject: x")),
        (LimitAnomalies, "medium", "", 2, format!("Content-Type: multipart/mixed; boundary=b\n\n{odd_parts}--b\n▼Content-Transfer-Encoding: base64\n\nQQ=\n{odd}--b--\n")),
    ]
}

/// The mail's bytes, and where the mark was.
fn bytes(mail: &str) -> (Vec<u8>, u64) {
    let before = mail.chars().position(|character| character == '▼').unwrap();
    let bytes = mail.chars().filter(|character| *character != '▼');
    let bytes = bytes.map(|character| u8::try_from(u32::from(character)).unwrap());
    (bytes.collect(), before as u64)
}

fn anomalies(flag: Flag, mail: &[u8]) -> Vec<Anomaly> {
    let (settings, arrival) = (
        Settings::default(),
        Arrival {
            origin: Origin::File { source: String::new() },
            account: String::new(),
            internal_date: None,
            now: 0,
        },
    );
    if flag == LimitAttempts {
        let mut stub = Stub::default();
        stub.feed(mail);
        return stub.finish(&settings, arrival).event.message.anomalies;
    }
    let mut builder = EventBuilder::new(&settings);
    builder.feed(mail);
    builder.finish(&settings, arrival).message.anomalies
}

#[test]
fn every_flag_is_raised_with_its_severity_where_the_mail_has_it_and_as_often() {
    let rows = rows();
    let missing: Vec<_> = FLAGS
        .iter()
        .filter(|flag| !rows.iter().any(|row| row.0 == **flag))
        .collect();
    assert!(missing.is_empty(), "no mail raises {missing:?}");
    let mut wrong = Vec::new();
    for (flag, severity, part, count, mail) in rows {
        let (mail, offset) = bytes(&mail);
        let expected = Anomaly {
            flag: flag.name().to_owned(),
            severity,
            part: part.to_owned(),
            offset,
            count,
        };
        let all = anomalies(flag, &mail);
        if !all.contains(&expected) {
            let found: Vec<_> = all.iter().filter(|found| found.flag == expected.flag).collect();
            wrong.push(format!(
                "{expected:?}\n    found {found:?}, and in all {:?}",
                all.iter().map(|found| &found.flag).collect::<Vec<_>>()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

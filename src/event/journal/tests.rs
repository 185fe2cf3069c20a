use super::envelope::Envelope;
use super::fuzz;
use crate::event::build::{Arrival, EventBuilder, Settings};
use crate::event::{EmailEvent, JournalKind, JournalRecipient, Message, Origin, RecipientKind};
use crate::limits;

const ENVELOPE: &str = "Sender: a@x\nSubject: hello\nMessage-Id: <1@x>\nTo: b@x\n";
const ORIGINAL: &str = "Content-Type: message/rfc822\n\nMessage-ID: <1@x>\nSubject: hello\nDate: Thu, 1 Jan 1970 00:00:07 +0000\n\noriginal\n";
const MARK: &str = "X-MS-Journal-Report:\n";

/// A mail of a text part and further parts.
fn report(header: &str, text: &str, parts: &[&str]) -> String {
    let mut mail = format!(
        "{header}Date: Thu, 1 Jan 1970 00:00:05 +0000\nSubject: report\nContent-Type: multipart/mixed; boundary=b\n\n\
         --b\nContent-Type: text/plain\n\n{text}"
    );
    for part in parts {
        mail.extend(["\n--b\n", part]);
    }
    mail + "\n--b--\n"
}

fn event(mail: &str, unwrap_journal: bool) -> EmailEvent {
    crate::event::build::fuzz(mail.as_bytes());
    let settings = Settings {
        unwrap_journal,
        ..Settings::default()
    };
    let mut builder = EventBuilder::new(&settings);
    builder.feed(mail.as_bytes());
    let origin = Origin::File {
        source: "file".to_owned(),
    };
    builder.finish(
        &settings,
        Arrival {
            origin,
            account: String::new(),
            internal_date: None,
            now: 0,
        },
    )
}

fn message(mail: &str) -> Message {
    event(mail, true).message
}

fn flags(message: &Message) -> Vec<(&str, u64)> {
    let anomalies = message.anomalies.iter();
    anomalies
        .map(|anomaly| (anomaly.flag.as_str(), anomaly.count))
        .collect()
}

fn subject(message: &Message) -> &str {
    message.headers.first("subject").unwrap()
}

/// All text that is anywhere in the event.
fn all_text(message: &Message) -> String {
    let report = message.journal.as_ref().and_then(|journal| journal.report.as_ref());
    let parts = message
        .parts
        .iter()
        .chain(report.into_iter().flat_map(|report| &report.parts));
    parts
        .map(|part| {
            let inner = part.message.as_deref().map_or_else(String::new, all_text);
            part.body_text.clone().unwrap_or_default() + &inner
        })
        .collect()
}

fn recipient(address: &str, kind: RecipientKind, expanded: &[&str], forwarded: &[&str]) -> JournalRecipient {
    JournalRecipient {
        address: address.to_owned(),
        kind,
        expanded: expanded.iter().map(|&list| list.to_owned()).collect(),
        forwarded: forwarded.iter().map(|&from| from.to_owned()).collect(),
    }
}

fn read(text: &str) -> Envelope {
    fuzz(text.as_bytes());
    Envelope::read(text, false).unwrap()
}

fn recipients(line: &str) -> (Vec<JournalRecipient>, Vec<&'static str>) {
    let envelope = read(&format!("Sender: a@x\nMessage-ID: <1@x>\n{line}"));
    let flags = envelope.flags.iter().map(|flag| flag.name()).collect();
    (envelope.recipients, flags)
}

#[test]
fn unwrapped_or_not_the_routing_is_the_report_s() {
    let mail = report(MARK, ENVELOPE, &[ORIGINAL]);
    let [on, off] = [true, false].map(|unwrap| event(&mail, unwrap));
    assert_eq!(on.routing, off.routing);
    assert_eq!(on.routing.event_time, 5000, "the report's Date");
    assert_eq!((subject(&on.message), subject(&off.message)), ("hello", "report"));
    assert_eq!(flags(&on.message), []);

    let [on, mut off] = [on, off].map(|event| event.message);
    let mut journal = *on.journal.unwrap();
    let report = journal.report.take().unwrap();
    assert_eq!(off.journal, Some(Box::new(journal)), "the same but for the report");
    let original = off.parts[1].message.take().unwrap();
    assert_eq!((on.headers, on.parts), (original.headers, original.parts));
    assert_eq!((report.headers, report.parts), (off.headers, off.parts));
}

#[test]
fn an_anomaly_of_the_original_names_its_part_in_the_mail_as_received() {
    let original = "Content-Type: message/rfc822\n\nMessage-ID: <1@x>\nContent-Transfer-Encoding: base64\n\n!!!!\n";
    let message = message(&report(MARK, ENVELOPE, &[original]));
    let anomaly = &message.anomalies[0];
    assert_eq!((anomaly.flag.as_str(), anomaly.part.as_str()), ("b64_junk", "2.1"));
    assert_eq!(message.parts.len(), 1);
}

#[test]
fn the_documented_forms_of_recipients() {
    use RecipientKind::{Bcc, Cc, Recipient, To};
    let cases = [
        ("To: u@x", recipient("u@x", To, &[], &[])),
        ("Cc: u@x", recipient("u@x", Cc, &[], &[])),
        ("BCC:u@x", recipient("u@x", Bcc, &[], &[])),
        ("Recipient: u@x", recipient("u@x", Recipient, &[], &[])),
        ("To: m@x, Expanded: l@x", recipient("m@x", To, &["l@x"], &[])),
        ("Bcc: m@x, Expanded: l@x", recipient("m@x", Bcc, &["l@x"], &[])),
        ("Cc: f@x, Forwarded: u@x", recipient("f@x", Cc, &[], &["u@x"])),
        (
            "Recipient: <f@x>,forwarded:<u@x> , EXPANDED: l@x",
            recipient("f@x", Recipient, &["l@x"], &["u@x"]),
        ),
        ("To: m@x,\n\tExpanded: l@x", recipient("m@x", To, &["l@x"], &[])),
        (
            "To: \"a, b\"@x, Expanded: \"c, d\"@x",
            recipient("\"a, b\"@x", To, &["\"c, d\"@x"], &[]),
        ),
        ("To: /o=Org/ou=A B/cn=c", recipient("/o=Org/ou=A B/cn=c", To, &[], &[])),
        ("To: r@[IPv6:::1]", recipient("r@[IPv6:::1]", To, &[], &[])),
    ];
    for (line, expected) in cases {
        assert_eq!(recipients(line), (vec![expected], vec![]), "{line}");
    }
    let two = vec![recipient("a@x", To, &[], &[]), recipient("b@x", To, &["l@x"], &[])];
    assert_eq!(recipients("To: a@x, b@x, Expanded: l@x"), (two, vec![]));
}

#[test]
fn what_is_no_address_is_kept_and_flagged() {
    for (line, address) in [
        ("To: nobody", Some("nobody")),
        (
            "To: click http://evil.example/ a@x",
            Some("click http://evil.example/ a@x"),
        ),
        ("To: Click here <a@x>", Some("Click here <a@x>")),
        ("To: <<a@x>>", Some("<a@x>")),
        ("To: a\"@x", Some("a\"@x")),
        ("To: expanded:a@x", Some("a@x")),
        ("To: a@", Some("a@")),
        ("To:", None),
        ("To: <>", None),
    ] {
        let (recipients, flags) = recipients(line);
        let found = recipients.first().map(|recipient| recipient.address.as_str());
        assert_eq!((found, flags), (address, vec!["journal_other_line"]), "{line}");
    }
}

#[test]
fn lines_that_are_no_fields_are_flagged_and_vendors_fields_a_little() {
    for (line, flag) in [
        ("Your mailbox is full.", Some("journal_other_line")),
        ("http://evil.example/", Some("journal_other_line")),
        ("See: http://evil.example/", Some("journal_unknown_field")),
        ("SenderSmtpAddress: a@x", Some("journal_unknown_field")),
        ("Two words: x", Some("journal_other_line")),
        (": x", Some("journal_other_line")),
        ("Sender: b@x", Some("journal_other_line")),
        ("message-ID: <2@x>", Some("journal_other_line")),
        ("Label: Top secret", None),
        ("SentUtc: 1/2/2024 3:04:05 AM", None),
        ("Mailbox: a@x", None),
        ("ReceivedUtc:", None),
        ("   ", None),
    ] {
        let (recipients, flags) = recipients(line);
        assert_eq!((recipients, flags), (vec![], flag.into_iter().collect()), "{line}");
    }
    let first = read("Sender: a@x\nSender: b@x\nMessage-Id: <1@x>\n");
    assert_eq!(first.sender.as_deref(), Some("a@x"), "the first one counts");
}

#[test]
fn every_field_has_its_place() {
    let envelope = read(
        "sender: <>\r\nOn-Behalf-Of: <c@x>\r\nSubject: Re: a,\r\n  b: c\r\nMESSAGE-ID:\r\n <1@x>\r\n\r\nTo: d@x\r\n\r\n",
    );
    assert_eq!(envelope.sender.as_deref(), Some(""));
    assert_eq!(envelope.on_behalf_of.as_deref(), Some("c@x"));
    assert_eq!(envelope.subject.as_deref(), Some("Re: a, b: c"));
    assert_eq!(envelope.message_id.as_deref(), Some("<1@x>"));
    assert_eq!(envelope.recipients, [recipient("d@x", RecipientKind::To, &[], &[])]);
    assert!(envelope.flags.is_empty() && envelope.is_complete());
}

#[test]
fn every_beginning_of_a_report_s_text_is_read_and_a_cut_line_is_left_out() {
    let text = "Sender: a@x\r\nSubject: hello\r\nMessage-Id: <1@x>\r\nTo: b@x, Expanded: c@x\r\nBcc: d@x";
    for end in 0..=text.len() {
        fuzz(&text.as_bytes()[..end]);
    }
    let cut = Envelope::read(&text[..text.len() - 1], true).unwrap();
    assert_eq!(cut.recipients.len(), 1);
    assert_eq!(
        cut.flags.iter().map(|flag| flag.name()).collect::<Vec<_>>(),
        ["limit_recipients"]
    );
}

#[test]
fn one_recipient_more_than_the_limit_is_left_out_and_flagged() {
    for count in [
        limits::JOURNAL_RECIPIENTS - 1,
        limits::JOURNAL_RECIPIENTS,
        limits::JOURNAL_RECIPIENTS + 1,
    ] {
        let text = ENVELOPE.replace("To: b@x\n", "") + &"To: b@x\n".repeat(count);
        let message = message(&report(MARK, &text, &[ORIGINAL]));
        let kept = message.journal.as_ref().unwrap().recipients.len();
        assert_eq!(kept, count.min(limits::JOURNAL_RECIPIENTS));
        let over = count > limits::JOURNAL_RECIPIENTS;
        assert_eq!(
            flags(&message),
            if over { vec![("limit_recipients", 1)] } else { vec![] }
        );
    }
}

#[test]
fn a_text_longer_than_the_limit_is_flagged_and_the_report_unwrapped() {
    let text = ENVELOPE.to_owned() + &format!("Bcc: {}@x\n", "b".repeat(100)).repeat(limits::BODY_TEXT / 100);
    let message = message(&report(MARK, &text, &[ORIGINAL]));
    assert_eq!(flags(&message), [("limit_body", 1), ("limit_recipients", 1)]);
    assert_eq!(subject(&message), "hello");
    let recipients = &message.journal.as_ref().unwrap().recipients;
    assert!(recipients[1..].iter().all(|recipient| recipient.address.len() == 102));
}

/// What a forger could have the readers of a mailbox see stays on top, or stays in the event and is flagged high.
#[test]
fn a_look_alike_hides_nothing() {
    let html = "Content-Type: text/html\n\nEVIL\n";
    let other = ORIGINAL.replace("<1@x>", "<2@x>").replace("original", "EVIL");
    let prose = format!("{ENVELOPE}\nEVIL here: http://evil.example/\n");
    let attached = "Content-Type: text/plain; name=a.txt\n\nEVIL\n";
    let cases = [
        ("a part between", report(MARK, ENVELOPE, &[html, ORIGINAL]), "report"),
        ("a part behind", report(MARK, ENVELOPE, &[ORIGINAL, html]), "report"),
        ("a file behind", report(MARK, ENVELOPE, &[ORIGINAL, attached]), "report"),
        ("two mails", report(MARK, ENVELOPE, &[ORIGINAL, &other]), "report"),
        ("no mail", report(MARK, ENVELOPE, &[html]), "report"),
        ("no envelope", report(MARK, "EVIL\n", &[ORIGINAL]), "report"),
        ("no parts", format!("{MARK}Subject: report\n\nEVIL\n"), "report"),
        ("prose", report(MARK, &prose, &[ORIGINAL]), "hello"),
        ("another mail", report(MARK, ENVELOPE, &[&other]), "hello"),
        ("unmarked", report("", &prose, &[ORIGINAL]), "report"),
        ("an unmarked, other mail", report("", ENVELOPE, &[&other]), "report"),
    ];
    for (what, mail, top) in cases {
        let message = message(&mail);
        assert_eq!(subject(&message), top, "{what}");
        assert!(all_text(&message).contains("EVIL"), "{what}");
        let high = message.anomalies.iter().any(|anomaly| anomaly.severity == "high");
        assert_eq!(high, !what.contains("unmarked"), "{what}");
        assert_eq!(
            message.journal.is_some(),
            !what.contains("unmarked") && !what.starts_with("no envelope") && !what.contains("no parts"),
            "{what}"
        );
    }
}

#[test]
fn what_a_hostile_original_makes_of_its_report_is_flagged_and_unwrapped() {
    let injected = ENVELOPE.replace("hello", "hello\nBcc: forged@x\nMessage-Id: <2@x>\nnonsense");
    let message = message(&report(MARK, &injected, &[ORIGINAL]));
    assert_eq!(subject(&message), "hello");
    assert_eq!(
        flags(&message),
        [("journal_other_line", 2), ("journal_other_message_id", 1)]
    );
}

#[test]
fn a_message_id_that_only_one_of_them_has_is_another_one() {
    let without = ORIGINAL.replace("Message-ID: <1@x>\n", "");
    for (text, original, flagged) in [
        (ENVELOPE.to_owned(), without.as_str(), true),
        (ENVELOPE.replace("<1@x>", ""), ORIGINAL, true),
        (ENVELOPE.replace("<1@x>", ""), without.as_str(), false),
        (ENVELOPE.replace("<1@x>", "\n <1@x> "), ORIGINAL, false),
    ] {
        let message = message(&report(MARK, &text, &[original]));
        let expected = if flagged {
            vec![("journal_other_message_id", 1)]
        } else {
            vec![]
        };
        assert_eq!(flags(&message), expected, "{text}");
    }
}

#[test]
fn without_the_mark_only_a_perfect_report_is_one() {
    let journal = |text: &str| message(&report("", text, &[ORIGINAL])).journal;
    assert!(journal(ENVELOPE).is_some());
    for line in ENVELOPE.split_inclusive('\n') {
        assert_eq!(journal(&ENVELOPE.replace(line, "")), None, "without {line}");
    }
    assert_eq!(journal(&format!("{ENVELOPE}Hello,\n")), None);
    assert_eq!(journal(&format!("{ENVELOPE}Vendor: x\n")), None);
    assert_eq!(message(&report("", "Hello,\n", &[ORIGINAL])).journal, None);
}

#[test]
fn a_text_part_that_is_a_file_or_html_is_no_envelope() {
    for kind in ["text/html", "text/plain; name=a.txt", "text/csv"] {
        let mail = report(MARK, ENVELOPE, &[ORIGINAL]).replace("text/plain", kind);
        let message = message(&mail);
        assert_eq!((subject(&message), &message.journal), ("report", &None), "{kind}");
        assert_eq!(flags(&message), [("journal_ambiguous", 1)], "{kind}");
    }
}

#[test]
fn a_report_in_a_report_is_unwrapped_once() {
    let inner = report("X-MS-Journal-Report:\nMessage-ID: <r@x>\n", ENVELOPE, &[ORIGINAL])
        .replace("=b\n", "=c\n")
        .replace("--b", "--c");
    let outer = ENVELOPE.replace("<1@x>", "<r@x>");
    let message = message(&report(
        MARK,
        &outer,
        &[&format!("Content-Type: message/rfc822\n\n{inner}")],
    ));
    assert_eq!(subject(&message), "report");
    assert_eq!(message.parts.len(), 2);
    assert_eq!(
        message.parts[1].message.as_ref().unwrap().headers.first("subject"),
        Some("hello")
    );
    assert_eq!(flags(&message), [("journal_nested", 1)]);
}

#[test]
fn the_readable_copy_of_a_protected_original_is_on_top_in_either_order() {
    let protected =
        "Content-Type: message/rfc822\n\nMessage-ID: <1@x>\nContent-Type: application/x-microsoft-rpmsg-message\n\n!\n";
    for parts in [[protected, ORIGINAL], [ORIGINAL, protected]] {
        let message = message(&report(MARK, ENVELOPE, &parts));
        assert_eq!(
            message.parts[0].body_text.as_deref().map(str::trim_end),
            Some("original")
        );
        assert_eq!(flags(&message), []);
        let journal = message.journal.unwrap();
        assert!(journal.decrypted);
        let report = journal.report.unwrap();
        assert_eq!(report.parts.iter().filter(|part| part.message.is_some()).count(), 1);
    }
    let other = ORIGINAL.replace("<1@x>", "<2@x>");
    for parts in [
        [protected, other.as_str()],
        [protected, protected],
        [ORIGINAL, ORIGINAL],
    ] {
        let message = message(&report(MARK, ENVELOPE, &parts));
        assert_eq!(subject(&message), "report");
        assert_eq!(flags(&message), [("journal_ambiguous", 1)]);
    }
}

#[test]
fn a_bounced_report_fills_the_journal_and_stays_as_it_is() {
    let inner = report(MARK, ENVELOPE, &[ORIGINAL])
        .replace("=b\n", "=c\n")
        .replace("--b", "--c");
    let inner = format!("Content-Type: message/rfc822\n\n{inner}");
    let status = "Content-Type: message/delivery-status\n\nStatus: 5.2.0\n";
    let bounce = report("", "Not delivered.\n", &[status, &inner]).replacen("multipart/mixed", "multipart/report", 1);
    let found = message(&bounce);
    assert_eq!((subject(&found), found.parts.len()), ("report", 3));
    let journal = found.journal.as_ref().unwrap();
    assert_eq!((journal.message_id.as_deref(), &journal.report), (Some("<1@x>"), &None));
    assert_eq!(flags(&found), []);
    // An ordinary mail with a report in it is an ordinary mail.
    assert_eq!(message(&report("", "See this.\n", &[status, &inner])).journal, None);
    assert_eq!(
        message(
            &bounce
                .replace("X-MS-Journal-Report:\n", "")
                .replace("Bcc", "To")
                .replace("Sender: a@x\n", "")
        )
        .journal,
        None
    );
}

#[test]
fn google_says_the_envelope_in_the_header() {
    let header = "Return-Path: <a@x>\nX-Gm-Original-To: b@x\nX-Gm-Original-To: <c@x>, d@x\nMessage-ID: <1@x>\n";
    let found = message(&format!("{header}\nbody\n"));
    let journal = found.journal.as_ref().unwrap();
    let of = |address| recipient(address, RecipientKind::Recipient, &[], &[]);
    assert_eq!(journal.kind, JournalKind::Google);
    assert_eq!(
        (journal.sender.as_deref(), journal.message_id.as_deref()),
        (Some("a@x"), Some("<1@x>"))
    );
    assert_eq!(journal.recipients, ["b@x", "c@x", "d@x"].map(of));
    assert_eq!((flags(&found), found.parts.len()), (vec![], 1));
    assert_eq!(message("X-Google-Original-From: a@x\n\nbody\n").journal, None);
    let odd = message("X-Gm-Original-To: not an address\n\nbody\n");
    assert_eq!(flags(&odd), [("journal_other_line", 1)]);
    assert_eq!((journal.spam, journal.phishy), (None, None));
    for (verdicts, spam, phishy, twice) in [
        ("X-Gm-Spam: 0\nX-Gm-Phishy: 1\n", Some(false), Some(true), 0),
        ("X-Gm-Spam: 1\n", Some(true), None, 0),
        ("X-Gm-Spam: 1\nX-Gm-Spam: 0\n", Some(true), None, 1),
        ("X-Gm-Phishy: 0\nX-Gm-Phishy: 1\n", None, Some(true), 1),
        ("X-Gm-Phishy: no\n", None, None, 1),
    ] {
        let found = message(&format!("{header}{verdicts}\nbody\n"));
        let journal = found.journal.as_ref().unwrap();
        assert_eq!((journal.spam, journal.phishy), (spam, phishy), "{verdicts}");
        assert_eq!(flags(&found), [("journal_other_line", 1)][..twice], "{verdicts}");
    }
    // A report that came by way of Google is Exchange's.
    let both = report(&format!("{MARK}X-Gm-Original-To: j@x\n"), ENVELOPE, &[ORIGINAL]);
    assert_eq!(message(&both).journal.unwrap().kind, JournalKind::Exchange);
}

use super::{Arrival, EventBuilder, Settings, fuzz};
use crate::event::{EmailEvent, EventId, Origin};
use crate::limits;

fn settings() -> Settings {
    Settings {
        hostname: "host".to_owned(),
        oid: "oid".to_owned(),
        ..Settings::default()
    }
}

fn arrival(uid: u32) -> Arrival {
    Arrival {
        origin: Origin::Mailbox {
            mailbox: "INBOX".to_owned(),
            uid_validity: 7,
            uid,
        },
        account: "u@h:993".to_owned(),
        internal_date: None,
        now: 99,
    }
}

fn build_with(settings: &Settings, arrival: Arrival, mail: &[u8]) -> EmailEvent {
    let mut builder = EventBuilder::new(settings);
    builder.feed(mail);
    builder.finish(settings, arrival)
}

fn build(mail: &str) -> EmailEvent {
    fuzz(mail.as_bytes());
    build_with(&settings(), arrival(1), mail.as_bytes())
}

fn flags(event: &EmailEvent) -> Vec<&str> {
    event
        .message
        .anomalies
        .iter()
        .map(|anomaly| anomaly.flag.as_str())
        .collect()
}

#[test]
fn the_event_id_is_the_same_for_the_same_mail_and_no_other() {
    let id = |arrival: Arrival, mail: &[u8]| build_with(&settings(), arrival, mail).routing.event_id;
    let EventId(bytes) = id(arrival(1), b"a");
    assert_eq!((bytes[6] >> 4, bytes[8] >> 6), (8, 2), "RFC 9562 version 8");
    assert_eq!(
        id(arrival(1), b"a"),
        id(arrival(1), b"fetched again, cut"),
        "by UID, not by content"
    );
    assert_ne!(id(arrival(1), b"a"), id(arrival(2), b"a"));
    let dated = |internal_date| Arrival {
        internal_date,
        ..arrival(1)
    };
    assert_ne!(
        id(dated(Some(1)), b"a"),
        id(dated(Some(2)), b"a"),
        "its UID was given again"
    );
    assert_ne!(id(dated(Some(1)), b"a"), id(dated(None), b"a"));
    assert_ne!(
        id(arrival(1), b"a"),
        id(
            Arrival {
                account: "v@h:993".to_owned(),
                ..arrival(1)
            },
            b"a"
        )
    );
    let file = |source: &str| Arrival {
        origin: Origin::File {
            source: source.to_owned(),
        },
        ..arrival(1)
    };
    assert_ne!(id(file("x"), b"a"), id(file("x"), b"b"));
    assert_eq!(id(file("x"), b"a"), id(file("x"), b"a"));
}

#[test]
fn event_time_is_internaldate_then_date_then_now() {
    let dated = b"Date: Thu, 1 Jan 1970 00:00:05 +0000\n\n";
    let time = |internal_date, mail| {
        build_with(
            &settings(),
            Arrival {
                internal_date,
                ..arrival(1)
            },
            mail,
        )
        .routing
        .event_time
    };
    assert_eq!(time(Some(-7), dated), -7);
    assert_eq!(time(None, dated), 5000);
    assert_eq!(time(None, b"Date: soon\n\n"), 99);
}

#[test]
fn ordinary_text_parts_have_the_documented_keys_and_no_other() {
    let event = build(
        "Content-Type: multipart/alternative; boundary=b\n\n--b\n\none\n\n--b\nContent-Type: text/html\n\n<p>\n--b--\n",
    );
    for part in &event.message.parts {
        assert!(part.body_text.is_some() && part.hashes.is_some());
        assert!(part.size.is_none() && part.filename.is_none() && part.content.is_none() && !part.truncated);
    }
    assert_eq!(event.message.parts[0].body_text.as_deref(), Some("one\n"));
    assert!(event.message.anomalies.is_empty());
}

#[test]
fn attachments_have_name_and_size_and_content_only_when_asked() {
    let mail =
        b"Content-Type: application/pdf; name=ignored.pdf\nContent-Disposition: attachment; filename=\"a b.pdf\"\n\
                 Content-Transfer-Encoding: base64\n\naGVsbG8=\n";
    let part = |include_attachments, max_body_size| {
        let settings = Settings {
            include_attachments,
            max_body_size,
            ..settings()
        };
        build_with(&settings, arrival(1), mail).message.parts.remove(0)
    };
    let plain = part(false, 0);
    assert_eq!(
        (plain.filename.as_deref(), plain.size, &plain.content),
        (Some("a b.pdf"), Some(5), &None)
    );
    assert!(plain.body_text.is_none() && !plain.truncated);
    assert_eq!(part(true, 0).content.as_deref(), Some(&b"hello"[..]));
    assert_eq!(part(true, 5).content.as_deref(), Some(&b"hello"[..]));
    let cut = part(true, 4);
    assert_eq!((cut.content, cut.truncated, cut.size), (None, true, Some(5)));
    assert_eq!(cut.hashes, plain.hashes, "hashes are of the whole");
}

/// A text attachment that has a file and a bad byte in it, twice; a `winmail.dat` that calls itself text; and an S/MIME object
/// whose name says so, in another one.
fn mails_that_share_the_room() -> [Vec<u8>; 3] {
    let text = b"some text before a file\xff\nbegin 644 cat\n#0V%T\n#0V%T\n`\nend\nand after it, caf\xc3\xa9\xff\n";
    let part = [
        &b"--b\nContent-Type: text/plain; charset=utf-8; name=a.txt\n\n"[..],
        text,
    ]
    .concat();
    let twice = [
        &b"Content-Type: multipart/mixed; boundary=b\n\n"[..],
        &part,
        &part,
        b"--b--\n",
    ]
    .concat();
    let tnef = std::fs::read("testdata/mail/outlook_tnef.eml").unwrap();
    let tnef = String::from_utf8(tnef).unwrap();
    let tnef = tnef.replace("application/ms-tnef", "text/plain").into_bytes();
    // ContentInfo, SignedData, EncapsulatedContentInfo (RFC 5652) around an entity.
    let signed = |entity: &[u8]| {
        let mut object = b"0@\x06\x09*\x86H\x86\xf7\x0d\x01\x07\x02\xa0301\x02\x01\x011\x000*\x06\x09*\x86H\x86\xf7\x0d\x01\x07\x01\xa0\x1d\x04\x1b".to_vec();
        for at in [1, 14, 16, 23, 36, 38] {
            object[at] = object[at] - 0x1b + u8::try_from(entity.len()).unwrap();
            assert!(object[at] < 0x80, "one byte of length");
        }
        [b"Content-Type:a/b;name=.p7m\n\n", &object[..], entity].concat()
    };
    let signed = signed(&signed(b"Content-Type:c/d\n\nhi"));
    let event = build_with(&settings(), arrival(1), &signed);
    assert_eq!(event.message.parts.len(), 3);
    [twice, tnef, signed]
}

#[test]
fn whatever_the_limits_the_event_is_the_same_for_every_split() {
    for mut mail in mails_that_share_the_room() {
        mail.push(0);
        for choice in 0..64 {
            *mail.last_mut().unwrap() = choice;
            fuzz(&mail);
        }
    }
}

#[test]
fn a_text_attachment_whose_content_is_too_large_keeps_its_text_and_text_that_is_too_long_its_content() {
    let settings = |max_body_size| Settings {
        include_attachments: true,
        max_body_size,
        ..settings()
    };
    let mail = |size: usize| {
        let header = "Content-Type: text/plain; charset=utf-8; name=a.txt\n\n";
        format!("{header}{}", "x".repeat(size)).into_bytes()
    };
    let part = |size, max_body_size| {
        let event = build_with(&settings(max_body_size), arrival(1), &mail(size));
        let flagged = flags(&event).contains(&"limit_text");
        let part = event.message.parts.into_iter().next().unwrap();
        let text = part.body_text.unwrap().len();
        (text, part.content.map(|content| content.len()), part.truncated, flagged)
    };
    assert_eq!(part(10_000, 9_999), (10_000, None, true, false));
    assert_eq!(part(10_000, 10_000), (10_000, Some(10_000), false, false));
    let long = limits::BODY_TEXT + 1;
    assert_eq!(part(long, 0), (limits::BODY_TEXT, Some(long), true, true));
    assert_eq!(part(long, 100), (limits::BODY_TEXT, None, true, true));
}

#[test]
fn bytes_that_mean_nothing_are_flagged_behind_the_end_of_the_text_as_well() {
    let mail = [
        &b"Content-Type: text/plain; charset=utf-8\n\n"[..],
        &vec![b'x'; limits::BODY_TEXT + 10_000],
        b"\xff\n",
    ]
    .concat();
    let event = build_with(&settings(), arrival(1), &mail);
    assert!(flags(&event).contains(&"replacement_chars"), "{:?}", flags(&event));
}

#[test]
fn a_name_has_no_path_and_its_raw_bytes_are_read_by_the_mails_charset() {
    let mail = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=big5\n\n\n\
        --b\nContent-Disposition: attachment; filename=\"C:/x/\xA4\xA4.txt\"\n\n\n--b--\n";
    let event = build_with(&settings(), arrival(1), mail);
    let part = &event.message.parts[1];
    assert_eq!(part.filename.as_deref(), Some("中.txt"));
    assert_eq!(part.filename_raw.as_deref(), Some("C:/x/中.txt"));
    assert_eq!(part.size, Some(0), "a part with a name is an attachment");
}

#[test]
fn a_name_is_found_where_only_some_readers_look_for_it() {
    for (header, name) in [
        (
            "Content-Type: a/b\nContent-Disposition: attachment; name=c.exe",
            Some("c.exe"),
        ),
        ("Content-Type: a/b; name=d\nContent-Description: c.exe", Some("d")),
        (
            "Content-Type: a/b\nContent-Description: =?utf-8?Q?C:\\rechnung=20=C3=BC.exe?=",
            Some("rechnung ü.exe"),
        ),
        (
            "Content-Disposition: attachment\nContent-Description: c.txt",
            Some("c.txt"),
        ),
        ("Content-Type: a/b\nContent-Description: Delivery report", None),
        ("Content-Type: a/b\nContent-Description: Version 1.0", None),
        ("Content-Type: a/b\nContent-Description: As of Jan. 1", None),
        (
            "Content-Type: message/delivery-status\nContent-Description: a.txt",
            None,
        ),
        ("Content-Description: a.txt", None),
    ] {
        let event = build(&format!("{header}\n\nbody"));
        assert_eq!(event.message.parts[0].filename.as_deref(), name, "{header}");
    }
}

#[test]
fn the_end_of_a_name_is_kept_when_it_is_too_long() {
    for (length, cut) in [
        (limits::FILE_NAME - 1, false),
        (limits::FILE_NAME, false),
        (limits::FILE_NAME + 1, true),
    ] {
        let name = format!("{}.exe", "a".repeat(length - 4));
        let event = build(&format!("Content-Type: a/b; name={name}\n\nbody"));
        let found = event.message.parts[0].filename.as_deref();
        assert_eq!(found, Some(&name[usize::from(cut)..]), "{length}");
        assert_eq!(flags(&event).contains(&"limit_header"), cut, "{length}");
    }
    // What windows-1252 writes in a byte is two of UTF-8.
    let name = [0xE9; limits::FILE_NAME / 2];
    let mail = [b"\nbegin 644 ", &name[..], b".exe\n#0V%T\n`\nend\n"].concat();
    let event = build_with(&settings(), arrival(1), &mail);
    let found = event.message.parts[1].filename.as_deref().unwrap();
    assert!(
        found.len() == limits::FILE_NAME && found.ends_with("\u{e9}.exe"),
        "{found}"
    );
    assert!(flags(&event).contains(&"limit_header"));
}

#[test]
fn text_is_cut_on_a_character_and_hashed_whole() {
    for (size, truncated) in [(limits::BODY_TEXT, false), (limits::BODY_TEXT + 2, true)] {
        let event = build_with(
            &settings(),
            arrival(1),
            format!("Content-Type: text/plain; charset=utf-8\n\n{}", "é".repeat(size / 2)).as_bytes(),
        );
        let part = &event.message.parts[0];
        assert_eq!(part.truncated, truncated);
        assert!(part.body_text.as_ref().unwrap().len() <= limits::BODY_TEXT);
        assert_eq!(part.size, truncated.then_some(size as u64));
        assert_eq!(flags(&event).contains(&"limit_body"), truncated);
    }
}

#[test]
fn attachments_in_front_of_a_body_leave_it_room() {
    let attached = format!(
        "--b\nContent-Type: text/csv\n\n{}\n",
        "x\n".repeat(limits::BODY_TEXT / 2)
    );
    let mail = format!(
        "Content-Type: multipart/mixed; boundary=b\n\n{}--b\nContent-Type: text/html\n\n<a>\n--b--\n",
        attached.repeat(5)
    );
    let event = build(&mail);
    let lengths = event
        .message
        .parts
        .iter()
        .map(|part| part.body_text.as_ref().unwrap().len());
    let whole = limits::BODY_TEXT;
    assert!(lengths.eq([whole, whole, 0, 0, 0, 3]));
    assert_eq!(flags(&event), ["limit_text"; 3]);
}

#[test]
fn what_some_readers_show_as_text_has_its_text() {
    for (fields, expected) in [
        ("Content-Type: message/delivery-status", true),
        ("Content-Type: message/x-anything", true),
        ("Content-Type: application/pgp", true),
        ("Content-Type: application/octet-stream; name=A.HTML", true),
        (
            "Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=\"a.txt.\"",
            true,
        ),
        ("Content-Type: application/octet-stream; name=a.bin", false),
        ("Content-Type: application/x; name=a.txt", false),
    ] {
        let event = build(&format!("{fields}\n\nhttps://x.example\n"));
        let part = &event.message.parts[0];
        let text = part.body_text.as_deref();
        assert_eq!(
            text.is_some_and(|text| text.contains("https://x.example")),
            expected,
            "{fields}"
        );
        assert!(part.size.is_some(), "{fields}");
    }
}

#[test]
fn a_mail_in_a_mail_has_the_same_shape() {
    let event = build(
        "Subject: out\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n\
         Subject: in\n\ninner\n--b\n\nlast\n--b--\n",
    );
    let [carrier, last] = &event.message.parts[..] else {
        panic!("{:?}", event.message.parts)
    };
    assert!(carrier.hashes.is_none() && carrier.body_text.is_none());
    let inner = carrier.message.as_ref().unwrap();
    assert_eq!(inner.headers.first("subject"), Some("in"));
    assert_eq!(inner.parts[0].body_text.as_deref(), Some("inner"));
    assert_eq!(last.body_text.as_deref(), Some("last"));
}

#[test]
fn a_mail_in_a_mail_has_the_anomalies_of_its_own_and_the_outermost_all_of_them() {
    let event = build(
        "Subject: caf\u{e9}\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: base64\n\n!!!!\n\
         --b\nContent-Type: message/rfc822\n\nSubject: caf\u{e9}\nContent-Type: multipart/mixed; boundary=c\n\n\
         --c\nContent-Transfer-Encoding: base64\n\n!!!!\n--c\nContent-Type: message/rfc822\n\n\
         Subject: caf\u{e9}\n\nx\n--c--\n--b\nX: caf\u{e9}\n\nx\n--b--\n",
    );
    let named = |anomalies: &[super::super::Anomaly]| -> Vec<String> {
        let one = |anomaly: &super::super::Anomaly| format!("{} {}", anomaly.flag, anomaly.part);
        anomalies.iter().map(one).collect()
    };
    let inner = event.message.parts[1].message.as_ref().unwrap();
    let innermost = inner.parts[1].message.as_ref().unwrap();
    let own = [
        "raw_8bit_header 2",
        "b64_junk 2.1",
        "b64_bad_padding 2.1",
        "raw_8bit_header 2.2",
    ]
    .map(|name| name.replace("padding", "pad"));
    let found = named(&inner.anomalies);
    assert!(
        found.iter().all(|name| own.contains(name)) && found.contains(&own[1]),
        "{found:?}"
    );
    assert_eq!(named(&innermost.anomalies), ["raw_8bit_header 2.2"]);
    let all = named(&event.message.anomalies);
    for name in found
        .iter()
        .map(String::as_str)
        .chain(["raw_8bit_header ", "b64_junk 1", "raw_8bit_header 3"])
    {
        assert!(all.iter().any(|found| found == name), "{name}: {all:?}");
    }
    assert_eq!(event.message.parts[1].message.as_ref().unwrap().anomalies[0].offset, {
        let before = "Subject: caf\u{e9}\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: base64\n\n!!!!\n\
         --b\nContent-Type: message/rfc822\n\n";
        before.len() as u64
    });
}

#[test]
fn headers_of_multiparts_take_no_room_from_those_that_are_shown_and_are_flagged() {
    let inner = format!(
        "--b\nContent-Type: multipart/mixed; boundary=c\nX-Long: {}\nX: \u{e9}\n\n--c\n\nx\n--c--\n",
        "y".repeat(200_000)
    );
    let last = "--b\nX-Last: z\n\nx\n--b--\n";
    let mail = format!("Content-Type: multipart/mixed; boundary=b\n\n{}{last}", inner.repeat(4));
    let event = build_with(&settings(), arrival(1), mail.as_bytes());
    assert_eq!(event.message.parts[4].headers.first("x-last"), Some("z"));
    let found: Vec<_> = event
        .message
        .anomalies
        .iter()
        .map(|anomaly| (anomaly.flag.as_str(), anomaly.part.as_str()))
        .collect();
    let expected: Vec<_> = ["1", "2", "3", "4"]
        .into_iter()
        .flat_map(|part| [("line_over_998", part), ("raw_8bit_header", part)])
        .collect();
    assert_eq!(found, expected);
    // Without a boundary its header is that of its only leaf, and is looked at once.
    let mail =
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed\nX: \u{e9}\n\nx\n--b--\n";
    let event = build_with(&settings(), arrival(1), mail.as_bytes());
    let raw = event
        .message
        .anomalies
        .iter()
        .find(|anomaly| anomaly.flag == "raw_8bit_header");
    assert_eq!(raw.unwrap().count, 1);
}

#[test]
fn of_a_name_with_control_characters_the_raw_form_keeps_them() {
    for (field, name, raw) in [
        ("filename*=utf-8''a%0D%0Ab%00.exe", "ab.exe", "a\r\nb\0.exe"),
        ("filename=\"a\u{1}b.exe\"", "ab.exe", "a\u{1}b.exe"),
        ("filename=\"=?utf-8?Q?a=0Ab=07.exe?=\"", "ab.exe", "a\nb\u{7}.exe"),
        ("filename*0*=utf-8''a%7F; filename*1=.exe", "a.exe", "a\u{7f}.exe"),
    ] {
        let event = build(&format!("Content-Disposition: attachment; {field}\n\nx\n"));
        let part = &event.message.parts[0];
        assert_eq!(
            (part.filename.as_deref(), part.filename_raw.as_deref()),
            (Some(name), Some(raw))
        );
    }
    let event = build("\nbegin 644 a\u{1}b.exe\n#0V%T\n`\nend\n");
    let part = &event.message.parts[1];
    let names = (part.filename.as_deref(), part.filename_raw.as_deref());
    assert_eq!(names, (Some("ab.exe"), Some("a\u{1}b.exe")));
}

#[test]
fn a_mail_cut_where_another_begins_keeps_its_headers_and_parts() {
    let event = build(
        "Subject: out\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: message/rfc822\n",
    );
    assert_eq!(event.message.headers.first("subject"), Some("out"));
    let [text, carrier] = &event.message.parts[..] else {
        panic!("{:?}", event.message.parts)
    };
    assert_eq!(text.body_text.as_deref(), Some("one"));
    assert_eq!(carrier.message.as_ref().unwrap().parts.len(), 1);
}

#[test]
fn more_parts_than_the_limit_are_flagged_not_described() {
    let mut mail = "Content-Type: multipart/mixed; boundary=b\n\n".to_owned();
    for _ in 0..limits::PARTS + 5 {
        mail.push_str("--b\n\nx\n");
    }
    let event = build_with(&settings(), arrival(1), mail.as_bytes());
    assert_eq!(event.message.parts.len(), limits::PARTS);
    let limit = event
        .message
        .anomalies
        .iter()
        .find(|anomaly| anomaly.flag == "limit_parts")
        .unwrap();
    assert_eq!((limit.severity, limit.count), ("high", 5));
}

#[test]
fn headers_over_the_budget_are_flagged() {
    let part = format!("--b\nX-Long: {}\n\nx\n", "y".repeat(200_000));
    let mail = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", part.repeat(4));
    let event = build_with(&settings(), arrival(1), mail.as_bytes());
    assert_eq!(event.message.parts.len(), 4);
    assert_eq!(
        event
            .message
            .parts
            .iter()
            .filter(|part| part.headers.first("x-long").is_some())
            .count(),
        2
    );
    let cut = flags(&event).into_iter().filter(|flag| *flag == "limit_header");
    assert_eq!(cut.count(), 2, "one for each part");
}

#[test]
fn anomalies_are_capped_counted_and_located() {
    let mut mail = "Content-Type: multipart/mixed; boundary=b\n\n".to_owned();
    for _ in 0..limits::ANOMALIES + 10 {
        mail.push_str("--b\nContent-Transfer-Encoding: base64\n\n!!!!\n");
    }
    let event = build(&mail);
    assert_eq!(event.message.anomalies.len(), limits::ANOMALIES);
    let first = &event.message.anomalies[0];
    assert_eq!(
        (first.flag.as_str(), first.severity, first.part.as_str()),
        ("b64_junk", "high", "1")
    );
    assert_eq!(first.offset, 47, "where the part's header begins");
    let last = event.message.anomalies.last().unwrap();
    assert_eq!((last.flag.as_str(), last.count), ("limit_anomalies", 12));
}

#[test]
fn what_is_odd_in_a_mails_own_header_has_an_empty_part() {
    let event = build("Subject: caf\u{e9}\n\nbody\n");
    let anomaly = &event.message.anomalies[0];
    assert_eq!((anomaly.flag.as_str(), anomaly.part.as_str()), ("raw_8bit_header", ""));
    let inner = build("Content-Type: message/rfc822\n\nSubject: caf\u{e9}\n\nbody\n");
    assert_eq!(inner.message.anomalies[0].part, "");
}

#[test]
fn a_file_written_into_text_is_a_part_behind_it_and_the_text_stays_whole() {
    let body = "Look:\nbegin 644 ../cat.txt\n#0V%T\n`\nend\nbye\n";
    let event = build(&format!(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n{body}\n--b\n\nlast\n--b--\n"
    ));
    let [text, file, last] = &event.message.parts[..] else {
        panic!("{:?}", event.message.parts)
    };
    assert_eq!(text.body_text.as_deref(), Some(body));
    assert!(text.size.is_none());
    assert_eq!((file.filename.as_deref(), file.size), (Some("cat.txt"), Some(3)));
    assert!(file.headers.is_empty() && file.body_text.is_none() && file.hashes.is_some());
    assert_eq!(last.body_text.as_deref(), Some("last"));
    let anomaly = &event.message.anomalies[0];
    assert_eq!(
        (anomaly.flag.as_str(), anomaly.part.as_str(), anomaly.severity),
        ("embedded_encoding", "1", "high")
    );
    assert_eq!(anomaly.offset, 47, "where the part's header begins");
}

#[test]
fn content_of_enclosed_files_comes_from_the_same_budget() {
    let settings = Settings {
        include_attachments: true,
        ..settings()
    };
    let file = format!(
        "begin 644 a\n{}end\n",
        format!("M{}\n", "0V%T".repeat(15)).repeat(limits::EVENT_CONTENT / 45 / 2)
    );
    let mail = format!("\n{}", file.repeat(3));
    let event = build_with(&settings, arrival(1), mail.as_bytes());
    let contents: Vec<bool> = event.message.parts.iter().map(|part| part.content.is_some()).collect();
    assert_eq!(contents, [false, true, true, false]);
    assert!(event.message.parts[3].truncated);
    let hashes: Vec<_> = event.message.parts[1..].iter().map(|part| &part.hashes).collect();
    assert!(hashes[0] == hashes[1] && hashes[1] == hashes[2]);
}

#[test]
fn enclosed_files_beyond_the_limit_of_parts_are_flagged() {
    for (files, flagged) in [(limits::PARTS - 1, 0), (limits::PARTS, 1), (limits::PARTS + 1, 2)] {
        let mail = format!("\n{}", "begin 644 a\n#0V%T\nend\n".repeat(files));
        let event = build_with(&settings(), arrival(1), mail.as_bytes());
        assert_eq!(event.message.parts.len(), limits::PARTS, "{files}");
        let limit = event
            .message
            .anomalies
            .iter()
            .find(|anomaly| anomaly.flag == "limit_parts");
        assert_eq!(limit.map_or(0, |limit| limit.count), flagged);
    }
}

#[test]
fn a_signed_object_is_a_part_and_what_it_encloses_follows_it() {
    let object = "MEAGCSqGSIb3DQEHAqAzMDECAQExADAqBgkqhkiG9w0BBwGgHQQbQ29udGVudC1UeXBlOiB0ZXh0L2h0bWwKCmhp";
    let event = build(&format!(
        "Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: application/pkcs7-mime; name=smime.p7m\n\
         Content-Transfer-Encoding: base64\n\n{object}\n--b\n\nlast\n--b--\n"
    ));
    let [signed, inner, last] = &event.message.parts[..] else {
        panic!("{:?}", event.message.parts)
    };
    assert_eq!((signed.filename.as_deref(), signed.size), (Some("smime.p7m"), Some(66)));
    assert!(signed.hashes.is_some());
    assert_eq!(inner.headers.first("content-type"), Some("text/html"));
    assert_eq!(inner.body_text.as_deref(), Some("hi"));
    assert_eq!(last.body_text.as_deref(), Some("last"));
}

#[test]
fn many_small_oddities_do_not_push_a_high_one_out() {
    let mut mail = "Content-Type: multipart/mixed; boundary=b\n\n".to_owned();
    for _ in 0..limits::ANOMALIES + 10 {
        mail.push_str("--b\nX-Raw: caf\u{e9}\n\n\n");
    }
    mail.push_str("--b\nContent-Transfer-Encoding: base64\n\n!!!!\n--b--\n");
    let event = build(&mail);
    assert_eq!(event.message.anomalies.len(), limits::ANOMALIES);
    assert!(flags(&event).contains(&"b64_junk"), "{:?}", flags(&event));
}

#[test]
fn a_name_that_turns_the_direction_of_text_is_flagged_once_for_each_field_wherever_it_is_escaped() {
    for (field, count) in [
        ("Content-Disposition: attachment; filename*=utf-8''a%E2%80%AEgpj.exe", 1),
        (
            "Content-Disposition: attachment; filename=\"=?utf-8?B?YeKArmdwai5leGU=?=\"",
            1,
        ),
        ("Content-Disposition: attachment; filename=\"a\u{202E}gpj.exe\"", 1),
        ("Content-Disposition: attachment; filename*=utf-8''a%E2%80%8Fgpj.exe", 1),
        (
            "Content-Disposition: attachment; filename=a.exe\nSubject: a\u{202E}b",
            1,
        ),
        (
            "Content-Type: text/plain\n\nbegin 644 a\u{202E}gpj.exe\n#0V%T\n`\nend",
            1,
        ),
        ("Content-Disposition: attachment; filename=a.exe", 0),
    ] {
        let event = build(&format!("{field}\n\nx\n"));
        let found = event
            .message
            .anomalies
            .iter()
            .find(|anomaly| anomaly.flag == "bidi_control");
        assert_eq!(found.map_or(0, |found| found.count), count, "{field}");
    }
}

#[test]
fn html_in_tnef_is_in_the_code_page_that_comes_behind_it() {
    let mail = "Content-Type: application/ms-tnef\nContent-Transfer-Encoding: base64\n\neJ8+IgEAAQaQCAAEAAAAAAABAAEAAQeQBgAIAAAA5AQAAAAAAADoAAEDkAYALAAAAAIAAAACARMQAQAAABIAAAA8cD5ow7ZmbGljaCDOqTwvcD4AAAMA3j/p/QAAwgo=\n";
    let event = build(mail);
    assert_eq!(event.message.parts[1].body_text.as_deref(), Some("<p>höflich Ω</p>"));
    assert_eq!(flags(&event), ["tnef"]);
}

//! Files and entities that MIME does not show, in public mails: found where they are, and nowhere else.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod support;

use std::fs;
use std::path::Path;

use mailtap::event::build::{Arrival, EventBuilder, Settings};
use mailtap::event::{EmailEvent, Origin};
use support::shared::{files_below, shared};

fn event(mail: &[u8]) -> EmailEvent {
    let settings = Settings {
        include_attachments: true,
        ..Settings::default()
    };
    let mut builder = EventBuilder::new(&settings);
    builder.feed(mail);
    let origin = Origin::File {
        source: "test".to_owned(),
    };
    let arrival = Arrival {
        origin,
        account: String::new(),
        internal_date: None,
        now: 0,
    };
    builder.finish(&settings, arrival)
}

fn flagged(event: &EmailEvent, flag: &str) -> bool {
    event.message.anomalies.iter().any(|anomaly| anomaly.flag == flag)
}

/// One mail in 4,150 has files written into it, three of them; many more talk about `begin`.
#[test]
fn ordinary_mail_has_no_files_in_its_text_but_for_one() {
    let Some(ham) = shared("corpus/ham") else { return };
    let mut found = Vec::new();
    let mut unread = 0;
    for path in files_below(&ham) {
        let event = event(&fs::read(&path).unwrap());
        unread += usize::from(flagged(&event, "smime_unread") || flagged(&event, "tnef_unread"));
        if flagged(&event, "embedded_encoding") {
            let names: Vec<_> = event
                .message
                .parts
                .iter()
                .filter_map(|part| part.filename.clone())
                .collect();
            found.push(names);
        }
    }
    println!(
        "ham: embedded_encoding on {}, smime_unread or tnef_unread on {unread}",
        found.len()
    );
    assert_eq!(found, [["oops1.dat", "oops2.dat", "oops3.dat"]]);
    assert_eq!(unread, 0);
}

/// Thunderbird's own: plain, HTML and multipart content, signed, encrypted, or both.
#[test]
fn what_is_signed_is_read_and_what_is_encrypted_is_flagged() {
    let Some(folder) = shared("corpus/mozilla+releases-comm-central/mailnews/test/data/smime") else {
        return;
    };
    let (mut read, mut encrypted) = (0, 0);
    for path in files_below(&folder)
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "eml"))
    {
        let name = path.file_name().unwrap().to_str().unwrap();
        let event = event(&fs::read(path).unwrap());
        assert!(flagged(&event, "smime") && !flagged(&event, "smime_unread"), "{name}");
        assert_eq!(flagged(&event, "encrypted"), name.contains("env"), "{name}");
        if name.contains("env") {
            encrypted += 1;
            continue;
        }
        let mut texts = event.message.parts.iter().filter_map(|part| part.body_text.as_ref());
        assert!(texts.any(|text| text.contains("from Alice to Bob")), "{name}");
        read += 1;
    }
    println!("S/MIME: {read} signed mails read, {encrypted} encrypted ones flagged");
    assert!(read > 30 && encrypted > 20);
}

#[test]
fn usenet_posts_give_their_files_to_the_byte() {
    let Some(corpus) = shared("corpus") else { return };
    let data = corpus.join("jstedfast+MimeKit/UnitTests/TestData");
    let content = |path: &Path| {
        let event = event(&fs::read(path).unwrap());
        event.message.parts[1].content.clone().unwrap()
    };
    let picture: Vec<u8> = [
        content(&data.join("yenc/00000020.ntx")),
        content(&data.join("yenc/00000021.ntx")),
    ]
    .concat();
    assert!(
        picture == fs::read(data.join("yenc/joystick.jpg")).unwrap(),
        "two parts of one picture"
    );
    assert_eq!(content(&data.join("yenc/simple.msg")).len(), 584);
    let photo = [b"\n", fs::read(data.join("encoders/photo.uu")).unwrap().as_slice()].concat();
    let event = event(&photo);
    let expected = fs::read(corpus.join("jstedfast+gmime/tests/data/encodings/photo.jpg")).unwrap();
    assert!(
        event.message.parts[1].content.as_deref() == Some(&expected),
        "photo.jpg"
    );
}

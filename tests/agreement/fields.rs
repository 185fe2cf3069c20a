//! stalwartlabs/mail-parser: single header fields and what is read in them.

use mailtap::mime::date::parse_mail_date;
use mailtap::mime::encoded_word;
use mailtap::mime::header::{Outline, unfold};
use mailtap::mime::parameter::Parameterized;
use serde_json::Value;

use crate::reading::read;
use crate::set::Set;
use crate::shared::shared;
use crate::stalwart::{instant, missing, ours_parameterized, parameterized, plain, strings};

#[test]
fn the_fields_that_stalwart_expects() {
    let Some(folder) = shared("corpus/stalwartlabs+mail-parser/resources") else {
        return;
    };
    let mut set = Set::new("stalwart-fields");
    for file in [
        "address",
        "content_type",
        "date",
        "id",
        "list",
        "received",
        "unstructured",
    ] {
        let cases = std::fs::read(folder.join(file).with_extension("json")).unwrap();
        let cases: Value = serde_json::from_slice(&cases).unwrap();
        for (number, case) in cases.as_array().unwrap().iter().enumerate() {
            let field = format!("X:{}", case["header"].as_str().unwrap());
            let expected = &case["expected"];
            let value = value(field.as_bytes());
            let (case, question) = (&format!("{file} {number}"), "value");
            match file {
                // These are not taken apart here: what is said in them is asked, as the event shows it.
                "received" => set.ask(case, question, &None, &missing(&stamp(expected), &decoded(&value))),
                "address" | "id" | "list" => {
                    set.ask(case, question, &None, &missing(&strings(expected), &decoded(&value)))
                }
                "content_type" if expected.is_null() => continue,
                "content_type" => {
                    let ours = ours_parameterized(&Parameterized::parse(&value));
                    let mail = field.replacen("X:", "Content-Type:", 1);
                    set.flags(case, &read(mail.as_bytes()).flags);
                    set.ask(case, question, &parameterized(expected), &ours)
                }
                "date" => {
                    let expected = expected.is_object().then(|| instant(expected));
                    set.ask(case, question, &expected, &parse_mail_date(&value))
                }
                _ => {
                    let expected = plain(expected.as_str().unwrap_or_default());
                    set.ask(case, question, &expected, &plain(&decoded(&value)))
                }
            };
        }
    }
    set.finish();
}

/// What a Received field says of hosts, addresses and identifiers; its date and its protocol are in words of their own.
fn stamp(expected: &Value) -> Vec<&str> {
    let keys = ["from", "helo", "from_ip", "from_iprev", "by", "for_", "id"];
    let values = keys.iter().filter_map(|key| expected.get(*key));
    values
        .filter_map(|value| value.as_str().or_else(|| value.as_object()?.values().next()?.as_str()))
        .collect()
}

/// The first field's, unfolded.
fn value(block: &[u8]) -> Vec<u8> {
    let mut unfolded = Vec::new();
    unfold(
        Outline::new(block, &mut None).fields(block).first("x").unwrap(),
        &mut unfolded,
    )
    .to_vec()
}

fn decoded(value: &[u8]) -> String {
    let mut text = String::new();
    encoded_word::decode(value, None, &mut text);
    text
}

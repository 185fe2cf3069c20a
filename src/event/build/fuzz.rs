//! The fuzz function of the whole way from a mail to its event.

use super::bounds::Bounds;
use super::{Arrival, EventBuilder, Settings};
use crate::event::encode::encode;
use crate::event::{EmailEvent, Message, Origin, Part};
use crate::limits;
use crate::mime::cuts::cuts;

/// The same event for every split, whatever the bytes; bounded. The last byte chooses the limits: so whole mails are seeds.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let choice = data.last().copied().unwrap_or_default();
    let (settings, bounds) = chosen(choice);
    let mut whole = build(&settings, bounds, &[data]);
    for pieces in cuts(data) {
        assert_eq!(whole, build(&settings, bounds, &pieces), "{} pieces", pieces.len());
    }
    assert!(whole.message.anomalies.len() <= limits::ANOMALIES);
    let mut line = Vec::new();
    encode(&whole, &mut line);
    assert!(serde_json::from_slice::<serde_json::Value>(&line).is_ok_and(|value| value.is_object()));
    assert!(!line.contains(&b'\n'));
    let flags = whole.message.anomalies.iter().map(|anomaly| anomaly.flag.as_str());
    let may_be_inflated = flags
        .into_iter()
        .any(|flag| matches!(flag, "smime" | "limit_anomalies"));
    // Each is said by every mail around it; and as many may have been pushed out of the list by worse ones.
    let most = limits::ANOMALIES
        .saturating_mul(2)
        .saturating_mul(limits::MAIL_DEPTH.saturating_add(1));
    assert!(take_anomalies(&mut whole.message) <= most);
    line.clear();
    encode(&whole, &mut line);
    // A part of a few bytes has hashes and names of fields; a byte becomes three of UTF-8 or an escape of six, twice
    // where a text is an attachment; compressed RTF grows most, but for compressed S/MIME.
    let inflated = usize::try_from(limits::INFLATE_RATIO.saturating_mul(8)).unwrap_or(usize::MAX);
    let growth = if may_be_inflated { inflated } else { 128 };
    assert!(
        line.len() <= data.len().saturating_add(limits::INFLATE_STEP).saturating_mul(growth),
        "{} of {}",
        line.len(),
        data.len()
    );
    let text = texts(&whole.message.parts);
    assert!(text.iter().all(|length| *length <= bounds.body_text) && text.iter().sum::<usize>() <= bounds.event_text);
}

/// Removes the anomalies of every mail; says how many.
fn take_anomalies(message: &mut Message) -> usize {
    let own = std::mem::take(&mut message.anomalies).len();
    let report = message.journal.as_mut().and_then(|journal| journal.report.as_mut());
    let parts = message
        .parts
        .iter_mut()
        .chain(report.into_iter().flat_map(|report| &mut report.parts));
    let inner = parts.filter_map(|part| part.message.as_deref_mut()).map(take_anomalies);
    own.saturating_add(inner.sum())
}

/// How long the texts are.
fn texts(parts: &[Part]) -> Vec<usize> {
    let own = parts.iter().filter_map(|part| part.body_text.as_ref()).map(String::len);
    let inner = parts.iter().filter_map(|part| part.message.as_ref());
    own.chain(inner.flat_map(|message| texts(&message.parts))).collect()
}

/// Limits that a short mail reaches, and those of every day.
fn chosen(choice: u8) -> (Settings, Bounds) {
    let [content, text, rest] = [choice, choice >> 2, choice >> 4].map(|bits| usize::from(bits & 3));
    let pick = |sizes: [usize; 4], which: usize| sizes.get(which).copied().unwrap_or_default();
    let settings = Settings {
        include_attachments: true,
        max_body_size: u64::try_from(pick([0, 1, 10, 100], content)).unwrap_or_default(),
        ..Settings::default()
    };
    let everyday = Bounds::default();
    let bounds = Bounds {
        header_block: pick([everyday.header_block, 40, 150, 400], usize::from(choice >> 6)),
        parts: pick([everyday.parts, 1, 3, 10], rest),
        headers: pick([everyday.headers, 30, 100, 300], rest),
        body_text: pick([everyday.body_text, 5, 20, 100], text),
        event_text: pick([everyday.event_text, 11, 30, 150], text),
        event_content: pick([everyday.event_content, 7, 40, 200], rest),
    };
    (settings, bounds)
}

fn build(settings: &Settings, bounds: Bounds, pieces: &[&[u8]]) -> EmailEvent {
    let mut builder = EventBuilder::within(bounds, (), settings);
    for piece in pieces {
        builder.feed(piece);
    }
    let arrival = Arrival {
        origin: Origin::File {
            source: "fuzz".to_owned(),
        },
        account: String::new(),
        internal_date: None,
        now: 0,
    };
    builder.finish(settings, arrival)
}

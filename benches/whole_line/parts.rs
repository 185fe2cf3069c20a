//! What the collector's work is made of, each part measured alone, in processor time of this thread.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailtap::clock::{Clock, Phase, Stop, SystemClock};
use mailtap::event::build::{Arrival, Settings};
use mailtap::event::raw::Collector;
use mailtap::event::{Origin, encode};
use mailtap::limits;
use mailtap::mime::entity::Machine;
use mailtap::mime::{Entity, Finding, Visitor};
use mailtap::net::dial::TcpDialer;
use mailtap::net::tls::{Protocol, Trust};
use mailtap::net::{Dial as _, Endpoint, Security};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::support::certificates::{self, Certificate};
use crate::support::figures::processor_time;
use crate::support::wire::Listener;

/// Seconds of each part, for all mails of a mailbox.
#[derive(Debug, Default)]
pub struct Parts {
    pub mime: f64,
    pub hashes: f64,
    /// Of the events, and of the mails as they go out by themselves.
    pub tls_out: [f64; 2],
}

impl Parts {
    pub fn measure(maildir: &Path) -> Parts {
        let mut parts = Parts::default();
        let mut bytes = [0, 0];
        for path in mails(maildir) {
            let mail = fs::read(path).unwrap();
            let (hashes, mime) = (seconds(|| hash_twice(&mail)), seconds(|| read(&mail)));
            parts.hashes += hashes;
            parts.mime += mime;
            for (bytes, raw) in bytes.iter_mut().zip([None, Some(limits::RAW_MAIL)]) {
                *bytes += outgoing(&mail, raw);
            }
        }
        parts.tls_out = bytes.map(tls_out);
        parts
    }
}

fn mails(maildir: &Path) -> impl Iterator<Item = PathBuf> {
    let folders = ["new", "cur"].map(|folder| maildir.join(folder));
    let entries = folders
        .into_iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
    entries.map(|entry| entry.unwrap().path())
}

fn seconds(work: impl FnOnce()) -> f64 {
    let before = processor_time();
    work();
    processor_time().saturating_sub(before).as_secs_f64()
}

/// SHA-256 of the mail, and the three hashes of its parts, which are about as long.
fn hash_twice(mail: &[u8]) {
    black_box(Sha256::digest(mail));
    let decoded = decoded(mail);
    black_box((Md5::digest(decoded), Sha1::digest(decoded), Sha256::digest(decoded)));
}

/// As many bytes as the parts of a mail with base64 have.
fn decoded(mail: &[u8]) -> &[u8] {
    if mail.len() > 1_000_000 {
        &mail[..mail.len() / 78 * 57]
    } else {
        mail
    }
}

/// Nobody keeps anything.
struct Reader;

impl Visitor for Reader {
    fn begin(&mut self, entity: &Entity<'_>) {
        black_box(entity);
    }
    fn body(&mut self, decoded: &[u8]) {
        black_box(decoded);
    }
    fn end(&mut self) {}
    fn finding(&mut self, finding: Finding<'_>) {
        black_box(finding);
    }
}

fn read(mail: &[u8]) {
    let mut machine = Machine::new(Reader);
    machine.feed(mail);
    machine.finish();
}

/// Bytes that go out for a mail.
fn outgoing(mail: &[u8], raw: Option<usize>) -> usize {
    let settings = Settings {
        raw,
        ..Settings::default()
    };
    let mut collector = Collector::new(&settings, mail.len() as u64);
    collector.feed(mail, &settings);
    let origin = Origin::File { source: String::new() };
    let collected = collector.finish(
        &settings,
        Arrival {
            origin,
            account: String::new(),
            internal_date: Some(1),
            now: 1,
        },
    );
    collected.raw.map_or_else(
        || {
            let mut line = Vec::new();
            encode::encode(&collected.event, &mut line);
            line.len()
        },
        |raw| raw.len(),
    )
}

fn tls_out(bytes: usize) -> f64 {
    let listener = Listener::start(Some(certificates::server_config(Certificate::Good)), |connection| {
        let mut piece = vec![0; limits::HTTP_WRITE_PIECE];
        while matches!(connection.read(&mut piece), Ok(count) if count > 0) {}
    });
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(Stop::new()));
    let trust = Trust::load(Some(&certificates::authority())).unwrap();
    let config = trust.client_config(Protocol::Http).unwrap();
    let endpoint = Endpoint {
        host: "localhost".to_owned(),
        port: listener.port(),
        security: Security::Tls,
    };
    let mut stream = TcpDialer::new(config, Arc::clone(&clock), None)
        .dial(&endpoint)
        .unwrap();
    let piece = vec![b'x'; limits::HTTP_WRITE_PIECE];
    seconds(|| {
        for at in (0..bytes).step_by(piece.len()) {
            let deadline = clock.deadline(Phase::Write, limits::HTTP_WRITE_STALL);
            stream
                .write_all(&piece[..piece.len().min(bytes - at)], deadline)
                .unwrap();
        }
    })
}

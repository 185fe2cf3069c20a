//! Row 16: large mails under a hard limit of memory, and one that is larger than it many times over.
//!
//! `MATRIX_MEMORY=10000 cargo test --release --test matrix matrix_16` lets them be so many of 5 MB and one of 1 GB; else it is
//! enough of each to fill the memory again and again. The mails of one size are one file with many names, so that the disk is
//! spared.

use std::env;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{PROGRAM, WAYS};
use crate::support::collector::Collector;
use crate::support::destination::{Destination, Way};
use crate::support::figures::peak_kilobytes;
use crate::support::line::Line;
use crate::support::real_server::dovecot::Dovecot;
use crate::support::real_server::{RealServer, USERS};

/// All of the program's address space: its code, every stack, and what is reserved and never touched.
const KIBIBYTES: usize = 64 * 1024;
const MEGABYTE: usize = 1_000_000;

const LARGE: usize = 5 * MEGABYTE;
/// From the first mail to the last.
const PATIENCE: Duration = Duration::from_secs(4 * 60 * 60);

#[test]
fn matrix_16_large_mails_and_one_larger_than_the_memory_go_out_under_a_hard_limit() {
    let asked = env::var("MATRIX_MEMORY")
        .ok()
        .map(|count| count.parse::<usize>().expect("a number"));
    let (count, huge) = asked.map_or((8, 70 * MEGABYTE), |count| (count, 1000 * MEGABYTE));
    for way in WAYS {
        let Some(dovecot) = RealServer::<Dovecot>::start() else {
            return;
        };
        let mut line = Line::new(PROGRAM, &dovecot, Destination::that_counts(way));
        if way == Way::LimaCharlie {
            // To the byte; the huge one is more than a message may have, and goes out as an event.
            line.configuration.platform = "email";
        }
        for (size, count) in [(LARGE, count / 2), (huge, 1), (LARGE, count - count / 2)] {
            let file = dovecot.maildir(USERS[0]).join("tmp").join(size.to_string());
            fs::write(&file, mail(size)).unwrap();
            dovecot.deliver_links(&file, count);
            line.present += count;
        }
        let file = line.folder.write("mailtap.yaml", line.configuration.yaml());
        let mut limited = Command::new("sh");
        let limit = format!("ulimit -v {KIBIBYTES} && exec \"$0\" \"$@\"");
        limited.args(["-c", &limit, PROGRAM]);
        let began = Instant::now();
        let collector = Collector::start(limited, &file);
        while !collector.lines().iter().any(|line| line.contains("caught up")) {
            assert!(began.elapsed() < PATIENCE, "{:?}", collector.lines());
            line.destination.linger(Duration::from_millis(20));
        }
        let peak = peak_kilobytes(&collector.process_id().to_string());
        let (status, said) = collector.terminate();
        assert!(status.success(), "{status}\n{}", said.join("\n"));
        assert_eq!(line.next_uid(), line.present as u64 + 1);
        assert_eq!(
            line.destination.count(),
            line.present,
            "none is lost, and none came twice"
        );
        assert!(line.letters().is_empty());
        println!(
            "{way:?}: {count} mails of 5 MB and one of {} MB under {} MiB of address space: {} s, peak memory {} kB",
            huge / MEGABYTE,
            KIBIBYTES / 1024,
            began.elapsed().as_secs(),
            peak
        );
    }
}

/// A line of text and an attachment, of this size in all.
fn mail(size: usize) -> Vec<u8> {
    let mut mail = b"From: a@example.com\r\nSubject: large\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee below.\r\n--b\r\n\
        Content-Type: application/octet-stream; name=data.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        .to_vec();
    let line = [b"QUJD".repeat(19), b"\r\n".to_vec()].concat();
    while mail.len() < size {
        mail.extend_from_slice(&line);
    }
    mail.extend_from_slice(b"--b--\r\n");
    mail
}

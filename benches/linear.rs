//! Hostile shapes: twice the input should take twice the time, and memory should not grow with it.
//! `cargo bench --bench linear`; `BENCH_SHORT=1` with a tenth of the size.
//!
//! Every shape is read in a process of its own, made piece by piece as it is read, so that peak memory is the reader's.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints figures, and a panic is its way to fail"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::Command;
use std::time::Duration;

use mailtap::event::attachments::Attachments;
use mailtap::event::build::{Arrival, EventBuilder, Settings};
use mailtap::event::{Origin, encode};
use support::figures::{peak_kilobytes, processor_time};

/// Name; what comes first; what is repeated (`#` becomes a number); how often at full size; what comes last.
type Shape = (&'static str, &'static str, &'static str, usize, &'static str);

const SHAPES: &[Shape] = &[
    (
        "parameters of one field",
        "Content-Type: a/b",
        "; p#=v",
        300_000,
        "\r\n\r\nbody",
    ),
    (
        "RFC 2231 sections",
        "Content-Disposition: attachment",
        ";\r\n filename*#=x",
        200_000,
        "\r\n\r\nbody",
    ),
    (
        "one parameter again and again",
        "Content-Type: a/b",
        "; name=v",
        300_000,
        "\r\n\r\nbody",
    ),
    (
        "comments in a field",
        "Content-Type: a/b",
        "(c",
        500_000,
        "\r\n\r\nbody",
    ),
    (
        "quotes in a field",
        "Content-Type: a/b; n=",
        "\"\\=?a?q?",
        130_000,
        "\r\n\r\nbody",
    ),
    ("encoded words", "Subject: ", "=?utf-8?Q?a?= ", 75_000, "\r\n\r\nbody"),
    (
        "beginnings of encoded words",
        "Subject: ",
        "=?",
        500_000,
        "\r\n\r\nbody",
    ),
    ("header fields", "", "X-#: y\r\n", 300_000, "\r\nbody"),
    (
        "lines that are no fields",
        "A: b\r\n",
        "junk\r\nX: y\r\n",
        200_000,
        "\r\nbody",
    ),
    (
        "parts",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
        "--b\r\n\r\nx\r\n",
        500_000,
        "--b--\r\n",
    ),
    (
        "levels of nesting",
        "",
        "Content-Type: multipart/mixed; boundary=b#\r\n\r\n--b#\r\n",
        20_000,
        "\r\nbody",
    ),
    (
        "mails in mails",
        "",
        "Content-Type: message/rfc822\r\n\r\n",
        20_000,
        "body",
    ),
    (
        "lines like boundaries",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n",
        "--bb\r\n",
        2_000_000,
        "--b--\r\n",
    ),
    (
        "text outside of parts",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
        "content-typo: begin 644 =ybegin\r\n",
        500_000,
        "--b\r\n\r\nx\r\n--b--\r\n",
    ),
    (
        "fields that are there again",
        "Content-Type: a/b\r\n",
        "Cc: a\r\n",
        40_000,
        "\r\nbody",
    ),
    (
        "guesses at a boundary",
        "Content-Type: multipart/mixed\r\n\r\n",
        "--g#\r\ntext\r\n",
        500_000,
        "",
    ),
    (
        "one long line",
        "Subject: x\r\n\r\n",
        "0123456789abcdef",
        6_250_000,
        "\r\n",
    ),
    (
        "one long line in a multipart",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n",
        "-",
        10_000_000,
        "\r\n--b--",
    ),
    (
        "bad base64",
        "Content-Transfer-Encoding: base64\r\n\r\n",
        "QUJD!",
        4_000_000,
        "",
    ),
    (
        "bad quoted-printable",
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
        "= =",
        5_000_000,
        "",
    ),
    (
        "one attachment",
        "Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3\r\n",
        1_200_000,
        "",
    ),
    (
        "tiny attachments",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
        "--b\r\nContent-Type: a/b\r\n\r\n#\r\n",
        3_000_000,
        "--b--\r\n",
    ),
];

fn main() {
    let number = |name: &str| std::env::args().find_map(|argument| argument.strip_prefix(name)?.parse::<usize>().ok());
    if let (Some(shape), Some(repeats)) = (number("shape="), number("repeats=")) {
        return read(&SHAPES[shape], repeats);
    }
    let share = if std::env::var_os("BENCH_SHORT").is_some() {
        10
    } else {
        1
    };
    println!(
        "{:32} {:>10} {:>9} {:>9} {:>12}",
        "shape, at its full size", "size", "time", "doubled", "peak growth"
    );
    for (position, (name, .., repeats, _)) in SHAPES.iter().enumerate() {
        let half = child(position, repeats / share / 2);
        let full = child(position, repeats / share);
        println!(
            "{name:32} {:7.1} MB {:6.1} ms {:8.2}x {:9} KB",
            full.bytes as f64 / 1e6,
            full.time.as_secs_f64() * 1e3,
            full.time.as_secs_f64() / half.time.as_secs_f64(),
            full.kilobytes
        );
    }
}

const LONG_ENOUGH: Duration = Duration::from_millis(30);

struct Figures {
    bytes: usize,
    time: Duration,
    kilobytes: u64,
}

/// Best of three, because the machine does other things.
fn child(shape: usize, repeats: usize) -> Figures {
    let run = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command
            .arg(format!("shape={shape}"))
            .arg(format!("repeats={repeats}"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let figures: Vec<u64> = text.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
        Figures {
            bytes: figures[0].try_into().unwrap(),
            time: Duration::from_nanos(figures[1]),
            kilobytes: figures[2],
        }
    };
    (0..3).map(|_| run()).min_by_key(|figures| figures.time).unwrap()
}

/// Again and again until the clock, which counts in milliseconds, can tell; peak memory is that of the first time.
fn read(shape: &Shape, repeats: usize) {
    let before = peak_kilobytes("self");
    let bytes = read_once(shape, repeats);
    let growth = peak_kilobytes("self") - before;
    let start = processor_time();
    let mut times = 0;
    let time = loop {
        read_once(shape, repeats);
        times += 1;
        let time = processor_time().saturating_sub(start);
        if time >= LONG_ENOUGH {
            break time / times;
        }
    };
    println!("{bytes} {} {growth}", time.as_nanos());
}

/// Gives the bytes of the mail.
fn read_once((_, first, repeated, _, last): &Shape, repeats: usize) -> usize {
    let settings = Settings::default();
    // They are stored apart, but for large ones, of which only the disk would be measured.
    let attachments = Attachments::new(&std::env::temp_dir(), 8);
    let mut builder = EventBuilder::beside(attachments, &settings);
    let mut bytes = first.len() + last.len();
    builder.feed(first.as_bytes());
    let mut piece = String::new();
    for number in 0..repeats {
        if repeated.contains('#') {
            piece.push_str(&repeated.replace('#', &number.to_string()));
        } else {
            piece.push_str(repeated);
        }
        if piece.len() > 16 * 1024 || number + 1 == repeats {
            bytes += piece.len();
            builder.feed(piece.as_bytes());
            piece.clear();
        }
    }
    builder.feed(last.as_bytes());
    let origin = Origin::File {
        source: "shape".to_owned(),
    };
    let (event, _attachments) = builder.finish_both(
        &settings,
        Arrival {
            origin,
            account: String::new(),
            internal_date: None,
            now: 0,
        },
    );
    let mut line = Vec::new();
    encode::encode(&event, &mut line);
    std::hint::black_box(line);
    bytes
}

//! Hostile shapes: twice the input takes twice the time, and memory does not grow with it; or this fails.
//! `cargo bench --bench linear`; `BENCH_SHORT=1` with a tenth of the size.
//!
//! Every shape is read in a process of its own, made piece by piece as it is read, so that peak memory is the reader's.
//! Time is the processor's, the best of some runs.
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
type Shape = (&'static str, Vec<u8>, Vec<u8>, usize, Vec<u8>);

/// Shapes that are text from beginning to end.
const TEXTS: &[(&str, &str, &str, usize, &str)] = &[
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
    (
        "text behind the last part",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
        "content-typo: begin 644 =ybegin\r\n",
        500_000,
        "",
    ),
    (
        "uuencode",
        "\r\nbegin 644 a\r\n",
        "M86)C86)C86)C86)C86)C86)C86)C86)C86)C86)C86)C86)C86)C86)C86)C\r\n",
        300_000,
        "`\r\nend\r\n",
    ),
    (
        "beginnings of uuencode",
        "\r\n",
        "begin 644 a\r\n$86)C86)C\r\n",
        200_000,
        "",
    ),
    (
        "yEnc",
        "\r\n=ybegin line=64 size=9 name=a\r\n",
        "abcdefghijklmnopqrstuvwxyz=}ABCDEFGHIJKLMNOPQRSTUVWXYZ=}0123456789\r\n",
        300_000,
        "=yend\r\n",
    ),
    (
        "recipients of a journal report",
        "X-MS-Journal-Report:\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\
         Sender: a@x\r\nSubject: s\r\nMessage-Id: <1@x>\r\n",
        "Recipient: u@x\r\n",
        20_000,
        "--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-Id: <1@x>\r\nSubject: s\r\n\r\nx\r\n--b--\r\n",
    ),
];

fn shapes() -> Vec<Shape> {
    let texts = TEXTS.iter().map(|(name, first, repeated, repeats, last)| {
        let [first, repeated, last] = [first, repeated, last].map(|text| text.as_bytes().to_vec());
        (*name, first, repeated, *repeats, last)
    });
    texts.chain(built()).collect()
}

/// Shapes with a beginning that is too long, or too little text, to be written down.
fn built() -> Vec<Shape> {
    let blank = b"\r\n".to_vec();
    // Every one declares a boundary that divides the rest of the same header block.
    let declared: String = (0..100).fold(String::new(), |block, number| {
        block + &format!("Content-Type: multipart/mixed; boundary=b{number}\r\n--b{number}\r\n")
    });
    let prefix = "p".repeat(60);
    let open: String = (0..100).fold(String::new(), |mail, number| {
        mail + &format!("Content-Type: multipart/mixed; boundary={prefix}{number:03}\r\n\r\n--{prefix}{number:03}\r\n")
    });
    let encoded = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";
    let long_boundary = format!(
        "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n{encoded}Content-Type: multipart/mixed; \
         boundary={}\r\n\r\n",
        "x".repeat(200_000)
    );
    // MS-OXTNEF, section 2.1.3: signature and key, then the data of attachments, each with a checksum.
    let winmail = b"Content-Type: application/ms-tnef\r\nContent-Transfer-Encoding: binary\r\n\r\n\x78\x9f\x3e\x22\0\0";
    let attachment = b"\x02\x0f\x80\x06\0\x04\0\0\0aaaa\x84\x01";
    // RFC 5652: signed data of indefinite length, its content in pieces; and the same compressed, in stored blocks.
    let signed = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n\
        \x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31\0\x30\x80\
        \x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80\x24\x80\x04\x02\r\n";
    let compressed = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n\
        \x30\x80\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09\xa0\x80\x30\x80\x02\x01\0\x30\0\x30\x80\
        \x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80\x24\x80\x04\x02\x78\x01\x04\x07\0\x02\0\xfd\xff\r\n";
    let stored = b"\x04\x25\0\x20\0\xdf\xffabcdefghijklmnopqrstuvwxyz0123\r\n";
    let piece = b"\x04\x20abcdefghijklmnopqrstuvwxyz0123\r\n";
    vec![
        (
            "multiparts in one header block",
            declared.into_bytes(),
            b"A:\n".to_vec(),
            80_000,
            blank.clone(),
        ),
        (
            "a boundary of 200 KB",
            long_boundary.into_bytes(),
            b"--=\r\n".to_vec(),
            500_000,
            blank.clone(),
        ),
        (
            "a hundred boundaries alike",
            [open.as_bytes(), b"\r\n"].concat(),
            format!("--{prefix}\r\nx --{prefix}\r\n").into_bytes(),
            40_000,
            blank.clone(),
        ),
        (
            "dashes in a hundred multiparts",
            [open.as_bytes(), b"\r\n"].concat(),
            b"----- --".to_vec(),
            1_000_000,
            blank.clone(),
        ),
        (
            "quoted-printable seven times",
            [encoded.repeat(7).as_bytes(), b"\r\n"].concat(),
            b"a=3D3D3D3D3D3D3D\r\n".to_vec(),
            200_000,
            blank.clone(),
        ),
        // Half of it is past the MiB of attachments that stays in memory, or the disk would be in one half and not in the other.
        ("TNEF", winmail.to_vec(), attachment.to_vec(), 2_000_000, Vec::new()),
        ("CMS", signed.to_vec(), piece.to_vec(), 500_000, Vec::new()),
        (
            "CMS, compressed",
            compressed.to_vec(),
            stored.to_vec(),
            500_000,
            Vec::new(),
        ),
    ]
}

/// Twice the input may take so many times as long: the rest is what the processor's caches do not hold.
const MOST_DOUBLED: f64 = 2.3;
/// What reading may add to the peak of memory: the MiB of attachments before they go to the disk, a thousand parts, and of a
/// journal report ten thousand recipients.
const MOST_KILOBYTES: u64 = 3072;
/// How often a ratio is measured that is too high: a machine that does other things makes one so, but not each time.
const TRIES: usize = 4;

fn main() {
    let number = |name: &str| std::env::args().find_map(|argument| argument.strip_prefix(name)?.parse::<usize>().ok());
    let shapes = shapes();
    if let (Some(shape), Some(repeats)) = (number("shape="), number("repeats=")) {
        return read(&shapes[shape], repeats);
    }
    let short = std::env::var_os("BENCH_SHORT").is_some();
    let share = if short { 10 } else { 1 };
    println!(
        "{:32} {:>10} {:>9} {:>9} {:>12}",
        "shape, at its full size", "size", "time", "doubled", "peak growth"
    );
    let mut failed = Vec::new();
    for (position, (name, .., repeats, _)) in shapes.iter().enumerate() {
        let mut half = child(position, repeats / share / 2);
        let mut full = child(position, repeats / share);
        for _ in 1..TRIES {
            if doubled(&half, &full) <= MOST_DOUBLED {
                break;
            }
            half = child(position, repeats / share / 2);
            full = child(position, repeats / share);
        }
        println!(
            "{name:32} {:7.1} MB {:6.1} ms {:8.2}x {:9} KB",
            full.bytes as f64 / 1e6,
            full.time.as_secs_f64() * 1e3,
            doubled(&half, &full),
            full.kilobytes
        );
        if doubled(&half, &full) > MOST_DOUBLED {
            failed.push(format!(
                "{name}: twice the input takes {:.2} times as long",
                doubled(&half, &full)
            ));
        }
        if full.kilobytes > MOST_KILOBYTES {
            failed.push(format!("{name}: peak memory grows by {} KB", full.kilobytes));
        }
    }
    assert!(
        failed.is_empty(),
        "at most {MOST_DOUBLED} times as long and {MOST_KILOBYTES} KB:\n{}",
        failed.join("\n")
    );
}

/// By how much the time grows.
fn doubled(half: &Figures, full: &Figures) -> f64 {
    full.time.as_secs_f64() / half.time.as_secs_f64()
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
    builder.feed(first);
    let mut piece = Vec::new();
    let mark = repeated.iter().position(|byte| *byte == b'#');
    for number in 0..repeats {
        match mark.map(|mark| repeated.split_at(mark)) {
            Some((before, behind)) => {
                piece.extend_from_slice(before);
                piece.extend_from_slice(number.to_string().as_bytes());
                piece.extend(
                    String::from_utf8_lossy(&behind[1..])
                        .replace('#', &number.to_string())
                        .bytes(),
                );
            }
            None => piece.extend_from_slice(repeated),
        }
        if piece.len() > 16 * 1024 || number + 1 == repeats {
            bytes += piece.len();
            builder.feed(&piece);
            piece.clear();
        }
    }
    builder.feed(last);
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

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::*;
use crate::clock::{Clock as _, Stop, SystemClock};

/// The other side: what it sends, a piece for each read, and what it was told.
#[derive(Default)]
struct Peer {
    pieces: VecDeque<Vec<u8>>,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Stream for Peer {
    fn read(&mut self, buffer: &mut [u8], _deadline: Deadline) -> Result<usize, NetError> {
        self.read_ready(buffer).map(Option::unwrap_or_default)
    }

    fn read_ready(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, NetError> {
        let Some(mut piece) = self.pieces.pop_front() else {
            return Ok(None);
        };
        let count = piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&piece[..count]);
        let rest = piece.split_off(count);
        if !rest.is_empty() {
            self.pieces.push_front(rest);
        }
        Ok(Some(count))
    }

    fn write_all(&mut self, bytes: &[u8], _deadline: Deadline) -> Result<(), NetError> {
        self.heard.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }

    fn peer(&self) -> &'static str {
        "imap.example:993"
    }
}

fn deadline() -> Deadline {
    SystemClock::new(Stop::new()).deadline(Phase::Command, Duration::from_secs(60))
}

/// As a server compresses each of `texts`: all of it can be inflated when it has come.
fn deflated(texts: &[&[u8]]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::default(), false);
    let mut all = Vec::new();
    for text in texts {
        all.reserve(text.len() + 1024);
        compress.compress_vec(text, &mut all, FlushCompress::Sync).unwrap();
    }
    all
}

fn text() -> Vec<u8> {
    (0..5000_u32)
        .flat_map(|number| format!("* {number} FETCH (UID {number})\r\n").into_bytes())
        .collect()
}

/// All that a stream yields which says `before` in clear, and of what follows `ahead` bytes with it.
fn read_all(compressed: &[u8], ahead: usize, piece: usize, space: usize) -> Result<Vec<u8>, NetError> {
    let (ahead, rest) = compressed.split_at(ahead);
    let pieces = rest.chunks(piece.max(1)).map(<[u8]>::to_vec).collect();
    let mut stream = Compressible::new(Box::new(Peer {
        pieces,
        ..Peer::default()
    }));
    stream.compress(ahead);
    let (mut all, mut buffer) = (Vec::new(), vec![0; space]);
    loop {
        match stream.read(&mut buffer, deadline())? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

#[test]
fn what_is_not_compressed_passes_as_it_is() {
    let heard = Arc::default();
    let mut stream = Compressible::new(Box::new(Peer {
        pieces: [b"* OK".to_vec()].into(),
        heard: Arc::clone(&heard),
    }));
    stream.write_all(b"A1 NOOP\r\n", deadline()).unwrap();
    let mut buffer = [0; 8];
    assert_eq!(stream.read(&mut buffer, deadline()), Ok(4));
    assert_eq!(
        (&buffer[..4], heard.lock().unwrap().as_slice()),
        (&b"* OK"[..], &b"A1 NOOP\r\n"[..])
    );
    assert_eq!(stream.peer(), "imap.example:993");
}

#[test]
fn every_cut_yields_the_same_whether_read_ahead_or_later() {
    let text = text();
    let compressed = deflated(&[&text[..1000], &text[1000..1001], &text[1001..]]);
    for (ahead, piece, space) in [
        (0, usize::MAX, 65_536),
        (0, 1, 65_536),
        (0, 7, 1),
        (1, 1000, 13),
        (100, 3, 50_000),
        (compressed.len(), 1, 4096),
    ] {
        let read = read_all(&compressed, ahead, piece, space).unwrap();
        assert!(read == text, "{ahead} {piece} {space}: {} bytes", read.len());
    }
    let short = deflated(&[b"* 1 EXISTS\r\n", b"* 2 EXISTS\r\n"]);
    for cut in 0..=short.len() {
        assert_eq!(
            read_all(&short, cut, usize::MAX, 100).unwrap(),
            b"* 1 EXISTS\r\n* 2 EXISTS\r\n"
        );
        let truncated = read_all(&short[..cut], 0, usize::MAX, 100).unwrap();
        assert!(b"* 1 EXISTS\r\n* 2 EXISTS\r\n".starts_with(&truncated), "cut at {cut}");
    }
}

#[test]
fn a_bomb_takes_no_memory() {
    let bomb = deflated(&[&vec![0; 50 << 20]]);
    assert!(bomb.len() < 100_000, "{} bytes", bomb.len());
    let mut inflate = Inflate::new(&[]);
    let (mut total, mut buffer) = (0, vec![0; 10_000]);
    for piece in bomb.chunks(limits::DEFLATE_BUFFER) {
        inflate.space()[..piece.len()].copy_from_slice(piece);
        inflate.filled(piece.len());
        while let Some(count) = inflate.take(&mut buffer).unwrap() {
            assert!(count > 0 && buffer[..count].iter().all(|byte| *byte == 0));
            total += count;
        }
        assert!(inflate.received.capacity() <= limits::DEFLATE_BUFFER);
    }
    assert_eq!(total, 50 << 20);
}

#[test]
fn bytes_that_are_not_compressed_as_agreed_are_an_error_and_no_loop() {
    // A block of no kind, a length that its complement belies, and a last block of no kind.
    for damaged in [&[0xff; 40][..], &[0, 1, 0, 0, 0, 7], &[7]] {
        for piece in [1, usize::MAX] {
            let error = read_all(damaged, 0, piece, 100).unwrap_err();
            assert_eq!(
                error.to_string(),
                "imap.example:993: IMAP command: what the server sends is not compressed as agreed (COMPRESS=DEFLATE)"
            );
        }
    }
}

/// DEFLATE has no checksum, and a line in clear can be valid by chance. It yields rubbish, which the grammar of IMAP refuses,
/// and nothing that was in memory before.
#[test]
fn a_line_in_clear_never_reads_as_itself() {
    let read = read_all(b"* OK in clear\r\n", 0, usize::MAX, 100).unwrap();
    assert!(!read.starts_with(b"*") && read.len() < 1000, "{read:?}");
    assert!(read.iter().filter(|byte| **byte != 0).count() < 16);
}

#[test]
fn behind_the_last_block_nothing_follows() {
    let mut compressed = Vec::with_capacity(100);
    let mut compress = Compress::new(Compression::default(), false);
    compress
        .compress_vec(b"* BYE\r\n", &mut compressed, FlushCompress::Finish)
        .unwrap();
    compressed.extend(deflated(&[b"* OK after the end\r\n"]));
    for piece in [1, usize::MAX] {
        assert_eq!(read_all(&compressed, 0, piece, 100).unwrap(), b"* BYE\r\n");
    }
}

#[test]
fn what_is_ready_is_inflated_without_waiting() {
    let compressed = deflated(&[b"early"]);
    let mut stream = Compressible::new(Box::new(Peer {
        pieces: [compressed[..3].to_vec(), compressed[3..].to_vec()].into(),
        ..Peer::default()
    }));
    stream.compress(&[]);
    let (mut all, mut buffer) = (Vec::new(), [0; 2]);
    while let Some(count) = stream.read_ready(&mut buffer).unwrap() {
        assert!(count > 0);
        all.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(all, b"early");
}

#[test]
fn what_we_say_is_deflate_to_every_reader() {
    let heard = Arc::default();
    let mut stream = Compressible::new(Box::new(Peer {
        pieces: VecDeque::new(),
        heard: Arc::clone(&heard),
    }));
    stream.compress(&[]);
    let long = vec![b'x'; 200_000];
    for said in [&b"A1 NOOP\r\n"[..], b"", b"DONE\r\n", &long] {
        stream.write_all(said, deadline()).unwrap();
    }
    let heard = heard.lock().unwrap();
    let mut inflated = Vec::with_capacity(300_000);
    Decompress::new(false)
        .decompress_vec(&heard, &mut inflated, FlushDecompress::None)
        .unwrap();
    assert!(inflated == [&b"A1 NOOP\r\nDONE\r\n"[..], &long].concat());
    assert_eq!(&heard[..5], [0, 9, 0, 246, 255]);
}

#[test]
fn seeds_hold() {
    for seed in crate::http::script::seeds("deflate") {
        fuzz(&seed);
    }
    fuzz(&deflated(&[&text()]));
    fuzz(&deflated(&[&vec![7; 200_000]]));
}

//! Bytes → one gzip member (RFC 1952), again and again with the same memory. The same bytes become the same member.

use std::fmt;

use crc32fast::Hasher;
use miniz_oxide::deflate::core::CompressorOxide;
use miniz_oxide::deflate::stream::deflate as compress;
use miniz_oxide::{MZError, MZFlush, MZStatus};

use crate::{deflate, limits};

/// RFC 1952 section 2.3.1: deflate, no flags, no time, made in haste (XFL 4), on no system in particular. A time or a
/// system would only tell the receiver about us.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// A compressor and the last member that it made.
#[derive(Default)]
pub struct Gzip {
    /// About 300 KiB, from the first member to [`Gzip::rest`].
    compressor: Option<Box<CompressorOxide>>,
    member: Vec<u8>,
}

/// The compressor gave up, which it has no reason to.
#[derive(Debug)]
pub struct Uncompressed(MZError);

impl fmt::Display for Uncompressed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "not compressed ({:?})", self.0)
    }
}

impl Gzip {
    /// Gives the memory back: there may be nothing to compress for days.
    pub fn rest(&mut self) {
        *self = Gzip::default();
    }

    /// `pieces`, one behind the other, as one member. It needs no more memory than they do, and a little.
    pub fn member(&mut self, pieces: &[&[u8]]) -> Result<&[u8], Uncompressed> {
        let Gzip { compressor, member } = self;
        let compressor = compressor.get_or_insert_with(deflate::compressor);
        compressor.reset();
        member.clear();
        // An event of unusual size made it grow.
        member.shrink_to(limits::BATCH_BYTES);
        member.extend_from_slice(&HEADER);
        let (mut check, mut length) = (Hasher::new(), 0_u32);
        for piece in pieces {
            check.update(piece);
            // Modulo 2^32; no batch is as long.
            length = length.wrapping_add(u32::try_from(piece.len()).unwrap_or(u32::MAX));
            let mut rest = *piece;
            while !rest.is_empty() {
                let (taken, _) = step(compressor, rest, MZFlush::None, member)?;
                rest = rest.get(taken..).unwrap_or_default();
            }
        }
        while step(compressor, &[], MZFlush::Finish, member)?.1 != MZStatus::StreamEnd {}
        // RFC 1952 section 2.3.1.
        member.extend_from_slice(&check.finalize().to_le_bytes());
        member.extend_from_slice(&length.to_le_bytes());
        Ok(member)
    }
}

/// Compresses as much as there is room for, which is never none: how many bytes that were.
fn step(
    compressor: &mut CompressorOxide,
    bytes: &[u8],
    flush: MZFlush,
    member: &mut Vec<u8>,
) -> Result<(usize, MZStatus), Uncompressed> {
    let result = deflate::append(member, limits::GZIP_STEP, |space| {
        compress(compressor, bytes, space, flush)
    });
    let status = result.status.map_err(Uncompressed)?;
    Ok((result.bytes_consumed, status))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Read as _;

    use flate2::bufread::GzDecoder;

    use super::Gzip;
    use crate::limits;

    /// What is in `member`, behind which nothing may stand.
    pub(crate) fn inflated(member: &[u8]) -> Vec<u8> {
        let mut rest = member;
        let mut bytes = Vec::new();
        GzDecoder::new(&mut rest)
            .read_to_end(&mut bytes)
            .expect("one gzip member");
        assert_eq!(rest, b"", "something behind the member");
        bytes
    }

    /// Bytes that no compressor makes shorter.
    fn noise(length: usize) -> Vec<u8> {
        let mut state: u32 = 1;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn every_length_comes_back_and_the_same_bytes_are_the_same_member() {
        let mut gzip = Gzip::default();
        for length in [0, 1, 2, 1000, 65_535, 65_536, 1 << 20] {
            for bytes in [vec![b'x'; length], noise(length)] {
                let member = gzip.member(&[&bytes]).expect("compressed").to_vec();
                assert!(inflated(&member) == bytes, "{length}");
                assert!(gzip.member(&[&bytes]).expect("compressed") == member, "{length}");
                assert!(
                    member.len() < length + length / 1000 + 100,
                    "{length}: {}",
                    member.len()
                );
            }
        }
    }

    #[test]
    fn pieces_are_one_member_wherever_they_are_cut() {
        let bytes = b"{\"a\":1}\n{\"b\":2}\n";
        let mut gzip = Gzip::default();
        for middle in 0..=bytes.len() {
            let (first, second) = bytes.split_at(middle);
            assert_eq!(inflated(gzip.member(&[first, second]).expect("compressed")), bytes);
        }
    }

    #[test]
    fn memory_that_one_large_batch_took_is_given_back_with_the_next() {
        let mut gzip = Gzip::default();
        gzip.member(&[&noise(3 * limits::BATCH_BYTES)]).expect("compressed");
        assert!(gzip.member.capacity() > 3 * limits::BATCH_BYTES);
        gzip.member(&[b"small"]).expect("compressed");
        assert!(gzip.member.capacity() <= limits::BATCH_BYTES + limits::GZIP_STEP);
    }

    #[test]
    fn a_rest_gives_everything_back_and_changes_no_member() {
        let mut gzip = Gzip::default();
        let member = gzip.member(&[b"an event"]).expect("compressed").to_vec();
        gzip.rest();
        assert!(gzip.compressor.is_none() && gzip.member.capacity() == 0);
        assert_eq!(gzip.member(&[b"an event"]).expect("compressed"), member);
    }
}

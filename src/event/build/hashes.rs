//! The three hashes of a part, side by side.
//!
//! MD5 waits on itself at every step, and the SHA extensions leave the rest of the processor idle: block by block in
//! turn, the three take a fifth less time than one after another. The compression functions are the crates'; what is
//! here is what goes around them, the same for all three (RFC 1321, 3.1–3.2; FIPS 180-4, 5.1.1): blocks of 64 bytes, a
//! one bit, zeros, and the length in bits, which MD5 alone writes in little-endian order.

use md5::block_api::compress as md5_compress;
use sha1::block_api::compress as sha1_compress;
use sha2::block_api::compress256 as sha256_compress;

use crate::event::Hashes;

const BLOCK: usize = 64;
/// Where the length stands in the last block.
const LENGTH_AT: usize = 56;

/// MD5, SHA-1 and SHA-256 of the same bytes.
pub struct Hasher {
    md5: [u32; 4],
    sha1: [u32; 5],
    sha256: [u32; 8],
    /// The block under way, and how much of it is filled.
    block: [u8; BLOCK],
    filled: usize,
    /// Bytes hashed so far.
    length: u64,
}

impl Default for Hasher {
    /// The initial values of the standards.
    fn default() -> Hasher {
        let start = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
        let [a, b, c, d] = start;
        Hasher {
            md5: start,
            sha1: [a, b, c, d, 0xc3d2_e1f0],
            sha256: [
                0x6a09_e667,
                0xbb67_ae85,
                0x3c6e_f372,
                0xa54f_f53a,
                0x510e_527f,
                0x9b05_688c,
                0x1f83_d9ab,
                0x5be0_cd19,
            ],
            block: [0; BLOCK],
            filled: 0,
            length: 0,
        }
    }
}

impl Hasher {
    /// The next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.length = self.length.wrapping_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.filled > 0 {
            bytes = self.fill(bytes);
            if self.filled < BLOCK {
                return;
            }
            let block = self.block;
            self.compress(&block);
            self.filled = 0;
        }
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        for block in blocks {
            self.compress(block);
        }
        self.fill(rest);
    }

    /// Moves bytes into the block under way; returns those that found no room.
    fn fill<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let room = self.block.get_mut(self.filled..).unwrap_or_default();
        let (now, later) = bytes.split_at_checked(room.len()).unwrap_or((bytes, &[]));
        for (slot, byte) in room.iter_mut().zip(now) {
            *slot = *byte;
        }
        self.filled = self.filled.saturating_add(now.len());
        later
    }

    fn compress(&mut self, block: &[u8; BLOCK]) {
        let block = std::slice::from_ref(block);
        md5_compress(&mut self.md5, block);
        sha256_compress(&mut self.sha256, block);
        sha1_compress(&mut self.sha1, block);
    }

    /// The end of them.
    pub fn finish(mut self) -> Hashes {
        let bits = self.length.wrapping_mul(8);
        self.update(&[0x80]);
        let zeros = [0; BLOCK];
        let padding = match self.filled {
            filled if filled <= LENGTH_AT => LENGTH_AT.saturating_sub(filled),
            filled => BLOCK.saturating_sub(filled).saturating_add(LENGTH_AT),
        };
        self.update(zeros.get(..padding).unwrap_or_default());
        let mut last = self.block;
        put_length(&mut last, bits.to_le_bytes());
        md5_compress(&mut self.md5, std::slice::from_ref(&last));
        put_length(&mut last, bits.to_be_bytes());
        sha1_compress(&mut self.sha1, std::slice::from_ref(&last));
        sha256_compress(&mut self.sha256, std::slice::from_ref(&last));
        Hashes {
            md5: bytes_of(self.md5.map(u32::to_le_bytes)),
            sha1: bytes_of(self.sha1.map(u32::to_be_bytes)),
            sha256: bytes_of(self.sha256.map(u32::to_be_bytes)),
        }
    }
}

fn put_length(block: &mut [u8; BLOCK], length: [u8; 8]) {
    for (slot, byte) in block.iter_mut().skip(LENGTH_AT).zip(length) {
        *slot = byte;
    }
}

fn bytes_of<const WORDS: usize, const BYTES: usize>(words: [[u8; 4]; WORDS]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (slot, byte) in bytes.iter_mut().zip(words.as_flattened()) {
        *slot = *byte;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::Hasher;
    use crate::event::Hashes;
    use md5::Md5;
    use sha1::Sha1;
    use sha2::{Digest, Sha256};

    /// The crates' own, which are tested against the standards' vectors.
    fn expected(bytes: &[u8]) -> Hashes {
        Hashes {
            md5: Md5::digest(bytes).into(),
            sha1: Sha1::digest(bytes).into(),
            sha256: Sha256::digest(bytes).into(),
        }
    }

    #[test]
    fn every_length_around_the_block_borders_and_every_split() {
        let bytes: Vec<u8> = (0..=255).chain(0..=44).collect();
        for length in 0..bytes.len() {
            let bytes = &bytes[..length];
            for split in [0, 1, 55, 56, 63, 64, 65, 128, length] {
                let (head, tail) = bytes.split_at(split.min(length));
                let mut hasher = Hasher::default();
                hasher.update(head);
                hasher.update(tail);
                assert_eq!(hasher.finish(), expected(bytes), "{length} bytes split at {split}");
            }
            let mut hasher = Hasher::default();
            for byte in bytes {
                hasher.update(&[*byte]);
            }
            assert_eq!(hasher.finish(), expected(bytes), "{length} bytes, one by one");
        }
    }

    #[test]
    fn a_megabyte() {
        let bytes = vec![0xa5; 1 << 20];
        let mut hasher = Hasher::default();
        for piece in bytes.chunks(4099) {
            hasher.update(piece);
        }
        assert_eq!(hasher.finish(), expected(&bytes));
    }
}

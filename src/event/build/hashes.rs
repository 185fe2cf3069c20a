//! The three hashes of a part.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::event::Hashes;

/// MD5, SHA-1 and SHA-256 of the same bytes.
#[derive(Default)]
pub(super) struct Hasher {
    md5: Md5,
    sha1: Sha1,
    sha256: Sha256,
}

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sha1.update(bytes);
        self.sha256.update(bytes);
    }

    pub(super) fn finish(self) -> Hashes {
        Hashes {
            md5: self.md5.finalize().into(),
            sha1: self.sha1.finalize().into(),
            sha256: self.sha256.finalize().into(),
        }
    }
}

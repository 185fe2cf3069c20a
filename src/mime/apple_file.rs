//! Whether an `application/applefile` (RFC 1740) has a data fork. In a multipart/appledouble that is another part; else it is
//! a file in the file, which Exchange takes out and other readers do not know.

/// Looks at the header: 24 bytes that say nothing of the content, the number of entries, then for each its id, offset and
/// length.
#[derive(Debug, Default)]
pub(super) struct AppleFile {
    /// What has come of the header's beginning or of an entry.
    field: Vec<u8>,
    /// Entries to come, once the beginning is there.
    entries: Option<u16>,
}

const BEGINNING: usize = 26;
const ENTRY: usize = 12;
const DATA_FORK: &[u8] = &[0, 0, 0, 1];

impl AppleFile {
    /// The file goes on with `bytes`. Some answer once there is one.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<bool> {
        for byte in bytes {
            self.field.push(*byte);
            match (self.entries, self.field.as_slice()) {
                (None, [.., high, low]) if self.field.len() == BEGINNING => {
                    self.entries = Some(u16::from_be_bytes([*high, *low]));
                }
                (Some(_), entry) if entry.len() == ENTRY && entry.starts_with(DATA_FORK) => return Some(true),
                (Some(left), entry) if entry.len() == ENTRY => self.entries = Some(left.saturating_sub(1)),
                _ => continue,
            }
            self.field.clear();
            if self.entries == Some(0) {
                return Some(false);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::AppleFile;

    #[test]
    fn a_data_fork_is_found_in_the_table_in_every_split() {
        let file = |entries: u8, ids: &[u8]| {
            let table = ids
                .iter()
                .flat_map(|id| [[0, 0, 0, *id], [0, 0, 0, 1], [0, 0, 0, 1]].concat());
            let beginning = b"\0\x05\x16\x07\0\x02\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01\0";
            [&beginning[..], &[entries], &table.collect::<Vec<_>>(), b"\0\0\0\x01"].concat()
        };
        for (file, expected) in [
            (file(1, &[1]), Some(true)),
            (file(3, &[3, 9, 1]), Some(true)),
            (file(2, &[9, 2]), Some(false)),
            (file(2, &[9, 2, 1]), Some(false)),
            (file(3, &[9, 2]), None),
            (file(0, &[1]), Some(false)),
            (b"MZ".to_vec(), None),
        ] {
            for split in 0..=file.len() {
                let (head, tail) = file.split_at(split);
                let mut reader = AppleFile::default();
                let answer = reader.feed(head).or_else(|| reader.feed(tail));
                assert_eq!(answer, expected, "{} at {split}", file.escape_ascii());
            }
        }
    }
}

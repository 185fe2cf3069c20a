//! The alphabet of base64 (RFC 4648, 4), which transfer encodings, encoded words and UTF-7 share.

/// Marks a byte that is no base64 character.
const OUTSIDE: u8 = 0x80;
/// Byte → sextet, or [`OUTSIDE`].
static SEXTETS: [u8; 256] = sextets();

const fn sextets() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [OUTSIDE; 256];
    let mut value: u8 = 0;
    while value < 64 {
        #[allow(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler; iterators are not const"
        )]
        {
            table[alphabet[value as usize] as usize] = value;
        }
        value = value.wrapping_add(1);
    }
    table
}

/// The value of a character.
pub fn value(byte: u8) -> Option<u8> {
    let sextet = SEXTETS.get(usize::from(byte)).copied();
    sextet.filter(|value| *value != OUTSIDE)
}

/// For each of four characters: byte → sextet, where it stands in the 24 bits of the group; or all bits. One look at each
/// character and no arithmetic: attachments are most of what there is to decode.
static PLACED: [[u32; 256]; 4] = [placed(18), placed(12), placed(6), placed(0)];

const fn placed(shift: u32) -> [u32; 256] {
    let sextets = sextets();
    let mut table = [u32::MAX; 256];
    let mut byte: usize = 0;
    while byte < 256 {
        #[allow(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler; iterators are not const"
        )]
        if sextets[byte] != OUTSIDE {
            table[byte] = (sextets[byte] as u32).wrapping_shl(shift);
        }
        byte = byte.wrapping_add(1);
    }
    table
}

/// The three bytes that a group of four characters stands for.
pub fn group(characters: [u8; 4]) -> Option<[u8; 3]> {
    let mut group = 0;
    for (table, character) in PLACED.iter().zip(characters) {
        group |= table.get(usize::from(character)).copied().unwrap_or(u32::MAX);
    }
    let [outside, bytes @ ..] = group.to_be_bytes();
    (outside == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{group, value};

    #[test]
    fn a_group_is_four_values_one_behind_the_other_or_nothing() {
        for position in 0..4 {
            for byte in 0..=u8::MAX {
                let mut characters = *b"QUJD";
                characters[position] = byte;
                let values = characters.map(value);
                let expected = values
                    .into_iter()
                    .try_fold(0_u32, |bits, value| Some(bits << 6 | u32::from(value?)));
                let found = group(characters).map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]));
                assert_eq!(found, expected, "{}", characters.escape_ascii());
            }
        }
        assert_eq!(group(*b"QUJD"), Some(*b"ABC"));
    }
}

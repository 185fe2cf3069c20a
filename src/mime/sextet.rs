//! The alphabet of base64 (RFC 4648, 4), which transfer encodings, encoded words and UTF-7 share.

/// Marks a byte that is no base64 character.
pub const OUTSIDE: u8 = 0x80;
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

/// The value of a character, or [`OUTSIDE`]: for loops that test several at once.
pub fn sextet(byte: u8) -> u8 {
    SEXTETS.get(usize::from(byte)).copied().unwrap_or(OUTSIDE)
}

/// The value of a character.
pub fn value(byte: u8) -> Option<u8> {
    Some(sextet(byte)).filter(|value| *value != OUTSIDE)
}

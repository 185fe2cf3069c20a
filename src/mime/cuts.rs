//! How fuzz functions cut their input: the same reading is promised for all of it.

/// The sizes of pieces for which it is promised.
const SIZES: [usize; 9] = [1, 2, 3, 7, 64, 1000, 4095, 4096, 16384];

/// `data` in pieces of each size, then in pieces as long as its own bytes say (0 to 31): so the fuzzer, which changes
/// bytes, also chooses where the input is cut, and some pieces are empty.
pub(crate) fn cuts(data: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let sizes = SIZES.into_iter().filter(|size| *size < data.len());
    let even = sizes.map(|size| data.chunks(size).collect());
    even.chain(std::iter::once_with(|| as_its_bytes_say(data)))
}

fn as_its_bytes_say(data: &[u8]) -> Vec<&[u8]> {
    let mut rest = data;
    let mut pieces = Vec::new();
    for byte in data {
        let (piece, after) = rest.split_at_checked(usize::from(byte & 31)).unwrap_or((rest, &[]));
        pieces.push(piece);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::{SIZES, cuts};

    #[test]
    fn every_cut_is_the_whole_input_again() {
        for data in [&b""[..], b"a", b"\0\0\0", b"\x01\x02\x03 and more", &vec![b'x'; 20_000]] {
            let all: Vec<_> = cuts(data).collect();
            assert!(all.iter().all(|pieces| pieces.concat() == data));
            assert_eq!(all.len(), SIZES.iter().filter(|size| **size < data.len()).count() + 1);
        }
        let lengths = |data: &[u8]| {
            cuts(data)
                .last()
                .unwrap()
                .iter()
                .map(|piece| piece.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(lengths(b"\x01\x00\x22abc"), [1, 0, 2, 1, 2, 0]);
    }
}

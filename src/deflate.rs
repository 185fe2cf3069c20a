//! DEFLATE (RFC 1951) into bytes that grow: what `miniz_oxide`, which fills slices, leaves to its callers.

use miniz_oxide::deflate::core::CompressorOxide;
use miniz_oxide::{DataFormat, StreamResult};

/// The fastest: mail arrives as fast as the server gives it, and better ones save little of base64.
const LEVEL: u8 = 1;

/// A compressor without the header of zlib.
pub(crate) fn compressor() -> Box<CompressorOxide> {
    let mut compressor = Box::<CompressorOxide>::default();
    compressor.set_format_and_level(DataFormat::Raw, LEVEL);
    compressor
}

/// Appends what `fill` writes into so much room.
pub(crate) fn append(output: &mut Vec<u8>, room: usize, fill: impl FnOnce(&mut [u8]) -> StreamResult) -> StreamResult {
    let start = output.len();
    output.resize(start.saturating_add(room), 0);
    let result = fill(output.get_mut(start..).unwrap_or_default());
    output.truncate(start.saturating_add(result.bytes_written));
    result
}

//! The zlib stream that compressed content is.

use std::mem;

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

use crate::{deflate, limits};

/// A zlib stream (RFC 1950) under way.
pub(super) struct Inflating {
    stream: Box<InflateState>,
    /// Bytes that it became so far.
    written: u64,
    /// What has come and not been inflated.
    pub(super) step: Vec<u8>,
    pub(super) ended: bool,
}

impl Default for Inflating {
    fn default() -> Inflating {
        Inflating {
            stream: InflateState::new_boxed(DataFormat::Zlib),
            written: 0,
            step: Vec::with_capacity(limits::INFLATE_STEP),
            ended: false,
        }
    }
}

impl Inflating {
    /// Appends what the step becomes. False where it is damaged, has something behind its end, or becomes more than `most`.
    pub(super) fn inflate(&mut self, most: u64, output: &mut Vec<u8>) -> bool {
        let step = mem::take(&mut self.step);
        let mut input = step.as_slice();
        while !self.ended {
            let left = most.saturating_add(1).saturating_sub(self.written);
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(limits::DECODE_STEP);
            let result = deflate::append(output, room, |space| {
                inflate(&mut self.stream, input, space, MZFlush::None)
            });
            let (read, written) = (result.bytes_consumed, result.bytes_written);
            self.written = self.written.saturating_add(written as u64);
            input = input.get(read..).unwrap_or_default();
            let status = match result.status {
                Err(MZError::Buf) => Ok(MZStatus::Ok),
                status => status,
            };
            match status {
                _ if self.written > most => return false,
                Ok(MZStatus::StreamEnd) => self.ended = true,
                Ok(MZStatus::Ok) if written == room => {}
                Ok(MZStatus::Ok) if input.is_empty() => break,
                Ok(MZStatus::Ok) if read > 0 => {}
                _ => return false,
            }
        }
        let all = input.is_empty();
        self.step = step;
        self.step.clear();
        all
    }
}

//! Finds the end of a request head, and the bytes that no head has, however the head is cut into reads.

use super::head::{MAX_HEAD, MAX_LINE, Refusal};

/// Where in a head the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    /// Before the request line, where RFC 9112 allows empty lines.
    #[default]
    Before,
    /// After the CR of such a line.
    BeforeLf,
    /// In a line.
    Line,
    /// After the CR of a line.
    Lf,
    /// At the start of a header's line, or of the empty one.
    Start,
    /// After the CR of the empty line.
    LastLf,
}

/// Reads one head.
#[derive(Debug, Default)]
pub(super) struct Scan {
    at: At,
    length: usize,
    /// The request line has ended.
    has_line: bool,
}

impl Scan {
    /// How many of `bytes` belong to the head, where it ends in them.
    pub(super) fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        let mut index = 0;
        while let Some(byte) = bytes.get(index) {
            // Almost all of a head is inside of lines.
            let inside = match self.at {
                At::Line => bytes[index..].iter().take_while(|byte| is_text(**byte)).count(),
                _ => 0,
            };
            let read = inside.max(1);
            self.length += read;
            match self.has_line {
                false if self.length > MAX_LINE => return Err(Refusal::TargetTooLong),
                true if self.length > MAX_HEAD => return Err(Refusal::HeadersTooLarge),
                _ => {}
            }
            index += read;
            if inside > 0 {
                continue;
            }
            self.at = match (self.at, *byte) {
                (At::LastLf, b'\n') => return Ok(Some(index)),
                (At::Before, b'\r') => At::BeforeLf,
                (At::BeforeLf, b'\n') => At::Before,
                (At::Line, b'\r') => At::Lf,
                (At::Lf, b'\n') => {
                    self.has_line = true;
                    At::Start
                }
                (At::Start, b'\r') => At::LastLf,
                // What follows would continue the line before.
                (At::Before | At::Start, b' ' | b'\t') => return Err(Refusal::Malformed),
                (At::Before | At::Start, byte) if is_text(byte) => At::Line,
                _ => return Err(Refusal::Malformed),
            };
        }
        Ok(None)
    }
}

/// Whether a line may hold this byte.
fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

//! Follows a chunked body to its end. Bounded as the server's own reading of it is, and stricter: a body that is read
//! further here than there would hide a request.

/// Bytes of extensions and trailers that a body may have.
const MAX_FRINGE: usize = 4 * 1024;
/// Digits of the size of a chunk.
const MAX_DIGITS: u8 = 15;

/// What the next byte is.
#[derive(Debug, Clone, Copy)]
enum At {
    Size {
        digits: u8,
    },
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// The start of a trailer's line, or of the empty one.
    Trailers,
    Trailer,
    TrailerLf,
    LastLf,
}

/// One chunked body.
#[derive(Debug)]
pub(super) struct Chunks {
    at: At,
    /// Of this chunk, what is still to come.
    size: u64,
    fringe: usize,
}

/// What is known after some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Followed {
    /// All of them belong to the body, and more will.
    More,
    /// So many of them do, and the body has ended.
    End(usize),
    /// So many of them do, and the next one is wrong.
    Broken(usize),
}

impl Chunks {
    /// At the start of a body.
    pub(super) fn new() -> Self {
        Self { at: At::Size { digits: 0 }, size: 0, fringe: 0 }
    }

    /// Takes the next bytes.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Followed {
        let mut index = 0;
        while let Some(byte) = bytes.get(index) {
            if let At::Data = self.at {
                let step = usize::try_from(self.size).unwrap_or(usize::MAX).min(bytes.len() - index);
                self.size -= step as u64;
                index += step;
                if self.size == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            match self.next(*byte) {
                Some(at) => self.at = at,
                None if matches!((self.at, byte), (At::LastLf, b'\n')) => return Followed::End(index + 1),
                None => return Followed::Broken(index),
            }
            index += 1;
        }
        Followed::More
    }

    /// What comes after `byte`; nothing after the last one, or a wrong one.
    fn next(&mut self, byte: u8) -> Option<At> {
        let is_text = matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
        let next = match (self.at, byte) {
            (At::Size { digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < MAX_DIGITS => {
                let digit = char::from(byte).to_digit(16)?;
                self.size = self.size * 16 + u64::from(digit);
                return Some(At::Size { digits: digits + 1 });
            }
            (At::Size { digits: 1.. } | At::Extension, b'\r') => At::SizeLf,
            (At::Size { digits: 1.. }, b';') => At::Extension,
            (At::Extension, _) if is_text => At::Extension,
            (At::SizeLf, b'\n') if self.size == 0 => At::Trailers,
            (At::SizeLf, b'\n') => return Some(At::Data),
            (At::DataCr, b'\r') => return Some(At::DataLf),
            (At::DataLf, b'\n') => return Some(At::Size { digits: 0 }),
            (At::Trailers, b'\r') => At::LastLf,
            (At::Trailers, b' ' | b'\t') => return None,
            (At::Trailers | At::Trailer, _) if is_text => At::Trailer,
            (At::Trailer, b'\r') => At::TrailerLf,
            (At::TrailerLf, b'\n') => At::Trailers,
            _ => return None,
        };
        // An ordinary size ends without any of these.
        if matches!(next, At::Extension | At::Trailer) {
            self.fringe += 1;
        }
        (self.fringe <= MAX_FRINGE).then_some(next)
    }
}

//! Follows the requests of a connection, and lets through what the server may read: heads that were checked, and their
//! bodies. Knows nothing of sockets.

use std::ops::Range;

use super::chunks::{Chunks, Followed};
use super::head::{Body, Refusal, check};
use super::scan::Scan;

/// What the next byte belongs to.
#[derive(Debug)]
enum At {
    Head(Scan),
    /// A body with so many bytes to come.
    Length(u64),
    Chunked(Chunks),
}

/// What ended the requests of a connection: nothing that comes after it is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A request was refused, in place of its head.
    Refused(Refusal),
    /// The chunks of a body are wrong.
    Broken,
}

/// What one connection has sent so far.
#[derive(Debug)]
pub(super) struct Sieve {
    at: At,
    /// The head that has not come whole: nobody else has seen anything of it. At most [`MAX_HEAD`](super::head::MAX_HEAD).
    held: Vec<u8>,
    /// How many heads were let through.
    heads: u64,
    end: Option<End>,
}

impl Default for Sieve {
    fn default() -> Self {
        Self { at: At::Head(Scan::default()), held: Vec::new(), heads: 0, end: None }
    }
}

impl Sieve {
    /// Takes the next bytes. Those of the range are let through, after what is put into `before`: the start of a head
    /// that has become whole. Of the others, those that belong to a head are kept.
    pub(super) fn sift(&mut self, bytes: &[u8], before: &mut Vec<u8>) -> Range<usize> {
        let (mut from, mut index) = (0, 0);
        while index < bytes.len() && self.end.is_none() {
            let rest = &bytes[index..];
            match &mut self.at {
                At::Head(scan) => match scan.end(rest) {
                    Ok(Some(length)) => {
                        let head = if self.held.is_empty() {
                            check(&rest[..length])
                        } else {
                            self.held.extend_from_slice(&rest[..length]);
                            check(&self.held)
                        };
                        match head {
                            Ok(body) => {
                                index += length;
                                self.heads += 1;
                                if !self.held.is_empty() {
                                    before.append(&mut self.held);
                                    from = index;
                                }
                                self.at = after(body);
                            }
                            Err(refusal) => self.refuse(refusal),
                        }
                    }
                    Ok(None) => {
                        self.held.extend_from_slice(rest);
                        return from..index;
                    }
                    Err(refusal) => self.refuse(refusal),
                },
                At::Length(left) => {
                    let step = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= step as u64;
                    index += step;
                    if *left == 0 {
                        self.at = At::Head(Scan::default());
                    }
                }
                At::Chunked(chunks) => match chunks.follow(rest) {
                    Followed::More => index = bytes.len(),
                    Followed::End(length) => {
                        index += length;
                        self.at = At::Head(Scan::default());
                    }
                    Followed::Broken(length) => {
                        index += length;
                        self.end = Some(End::Broken);
                    }
                },
            }
        }
        from..index
    }

    /// Where nothing more is let through: why.
    pub(super) fn end(&self) -> Option<End> {
        self.end
    }

    /// How many requests were let through, the one that is under way included.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether a body has begun and not ended.
    pub(super) fn is_in_body(&self) -> bool {
        !matches!(self.at, At::Head(_))
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.held = Vec::new();
        self.end = Some(End::Refused(refusal));
    }
}

fn after(body: Body) -> At {
    match body {
        Body::Length(0) => At::Head(Scan::default()),
        Body::Length(length) => At::Length(length),
        Body::Chunked => At::Chunked(Chunks::new()),
    }
}

#[cfg(test)]
mod tests;

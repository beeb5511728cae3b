//! What the head of a request must be: RFC 9112, and the stricter reading where it leaves a choice.

use std::mem::MaybeUninit;

use axum::http::Uri;
use httparse::{Error, Header, ParserConfig, Request, Status};

use crate::problem::{Code, Problem};

/// The longest head, in bytes.
pub(super) const MAX_HEAD: usize = 64 * 1024;
/// The longest target of a request: RFC 9112 asks for 8,000 bytes.
const MAX_TARGET: usize = 8 * 1024;
/// The longest request line: the target, and room for a method and the version.
pub(super) const MAX_LINE: usize = MAX_TARGET + 64;
/// The most headers of a request.
const MAX_HEADERS: usize = 100;

/// Why a request goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not what RFC 9112 calls a request.
    Malformed,
    /// Another version of HTTP.
    Version,
    /// A target that is no URI.
    Target,
    /// A target that is too long.
    TargetTooLong,
    /// Too many headers, or too long ones.
    HeadersTooLarge,
    /// Not one `Host`.
    Host,
    /// A `Content-Length` that is repeated or no number.
    Length,
    /// A body that nobody would take.
    BodyTooLarge,
    /// A `Transfer-Encoding` beside `Content-Length`, or another one than `chunked`.
    Coding,
}

impl Refusal {
    /// What its sender hears; the connection ends with it.
    pub(super) fn problem(self) -> Problem {
        let (code, detail) = match self {
            Self::Malformed => (Code::BadRequest, "the request line or a header is not as HTTP/1.1 has it"),
            Self::Version => (Code::BadRequest, "send the request as HTTP/1.1 or HTTP/1.0"),
            Self::Target => (Code::BadRequest, "the target of the request is not a valid one"),
            Self::TargetTooLong => {
                (Code::UriTooLong, "path and query of a request have at most 8192 bytes together")
            }
            Self::HeadersTooLarge => {
                (Code::HeadersTooLarge, "a request has at most 100 headers, and 65536 bytes of them")
            }
            Self::Host => (Code::InvalidHeader, "send the header Host once, with a name or an address"),
            Self::Length => (Code::InvalidHeader, "send the header Content-Length once, with a number"),
            Self::BodyTooLarge => (Code::BodyTooLarge, "a body has at most 65536 bytes"),
            Self::Coding => {
                (Code::InvalidHeader, "send the body with Content-Length, or as Transfer-Encoding: chunked")
            }
        };
        Problem::new(code, detail).closing()
    }
}

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// By its length; 0 where there is none.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// Checks a head, its empty line included.
pub(super) fn check(head: &[u8]) -> Result<Body, Refusal> {
    let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_HEADERS];
    let mut request = Request::new(&mut []);
    match ParserConfig::default().parse_request_with_uninit_headers(&mut request, head, &mut headers) {
        Ok(Status::Complete(length)) if length == head.len() => {}
        Err(Error::TooManyHeaders) => return Err(Refusal::HeadersTooLarge),
        Err(Error::Version) => return Err(Refusal::Version),
        Ok(_) | Err(_) => return Err(Refusal::Malformed),
    }
    check_target(request.path.unwrap_or_default())?;
    check_headers(request.headers, request.version == Some(1))
}

fn check_target(target: &str) -> Result<(), Refusal> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~?&=%+,:;@!$'()*".contains(&b);
    match target.as_bytes() {
        long if long.len() > MAX_TARGET => Err(Refusal::TargetTooLong),
        [b'/', rest @ ..] if rest.iter().all(|b| plain(*b)) => Ok(()),
        other if other.contains(&b'#') || Uri::try_from(other).is_err() => Err(Refusal::Target),
        _ => Ok(()),
    }
}

fn check_headers(headers: &[Header<'_>], is_1_1: bool) -> Result<Body, Refusal> {
    let (mut host, mut length, mut coding) = (None, None, None);
    for Header { name, value } in headers {
        let (seen, refusal) = match name.len() {
            4 if name.eq_ignore_ascii_case("host") => (&mut host, Refusal::Host),
            14 if name.eq_ignore_ascii_case("content-length") => (&mut length, Refusal::Length),
            17 if name.eq_ignore_ascii_case("transfer-encoding") => (&mut coding, Refusal::Coding),
            _ => continue,
        };
        if seen.replace(value.trim_ascii()).is_some() {
            return Err(refusal);
        }
    }
    match host {
        None if is_1_1 => return Err(Refusal::Host),
        Some(host) if !is_host(host) => return Err(Refusal::Host),
        _ => {}
    }
    match (length, coding) {
        (None, None) => Ok(Body::Length(0)),
        (Some(length), None) => Ok(Body::Length(number(length)?)),
        (None, Some(coding)) if is_1_1 && coding.eq_ignore_ascii_case(b"chunked") => Ok(Body::Chunked),
        _ => Err(Refusal::Coding),
    }
}

/// Whether a name, an address or nothing stands there, and perhaps a port.
fn is_host(host: &[u8]) -> bool {
    host.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+;=".contains(b))
}

fn number(text: &[u8]) -> Result<u64, Refusal> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Length);
    }
    let number = text.iter().try_fold(0u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0')).filter(|number| *number < 1 << 62)
    });
    number.ok_or(Refusal::BodyTooLarge)
}

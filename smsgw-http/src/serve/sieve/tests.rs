use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// What a sieve lets through of `bytes`, which come in pieces of these lengths, and where it ends.
fn sifted(bytes: &[u8], lengths: impl IntoIterator<Item = usize>) -> (Vec<u8>, Option<End>, u64) {
    let (mut sieve, mut through, mut rest) = (Sieve::default(), Vec::new(), bytes);
    for length in lengths.into_iter().chain([bytes.len()]) {
        let (piece, after) = rest.split_at(length.min(rest.len()));
        let mut before = Vec::new();
        let range = sieve.sift(piece, &mut before);
        through.extend_from_slice(&before);
        through.extend_from_slice(&piece[range]);
        rest = after;
    }
    (through, sieve.end(), sieve.heads())
}

/// A request that is let through.
fn good() -> impl Strategy<Value = Vec<u8>> {
    let plain = select(vec![
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /b?c=d%20e HTTP/1.0\r\n\r\n",
        "\r\n\r\nHEAD / HTTP/1.1\r\nhost: a:80\r\nX:\tñ \r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
        "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\ncontent-length: 0\r\n\r\n",
    ]);
    let sized = vec(any::<u8>(), 1..200).prop_map(|body| {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), &body].concat()
    });
    let chunk = (vec(any::<u8>(), 1..60), select(vec!["", ";a", ";a=\"b\""]));
    let chunked =
        (vec(chunk, 0..5), select(vec!["", "X: y\r\n", "X: y\r\nZ:\r\n"])).prop_map(|(chunks, trailers)| {
            let mut request = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for (data, extension) in chunks {
                request.extend_from_slice(format!("{:x}{extension}\r\n", data.len()).as_bytes());
                request.extend_from_slice(&[&data, b"\r\n".as_slice()].concat());
            }
            request.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
            request
        });
    prop_oneof![plain.prop_map(|text| text.as_bytes().to_vec()), sized, chunked]
}

/// A change to a stream of requests.
#[derive(Debug, Clone)]
enum Change {
    Replace(Index, u8),
    Insert(Index, &'static str),
    Cut(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let byte = prop_oneof![select(b"\0\r\n \t:;0aZ\x7f\xff".to_vec()), any::<u8>()];
    let text = select(vec![
        "\r",
        "\n",
        "\r\n",
        " ",
        "\0",
        "Host: b\r\n",
        "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
    ]);
    prop_oneof![
        (any::<Index>(), byte).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<Index>(), text).prop_map(|(at, text)| Change::Insert(at, text)),
        any::<Index>().prop_map(Change::Cut),
    ]
}

fn changed(mut stream: Vec<u8>, changes: Vec<Change>) -> Vec<u8> {
    for change in changes {
        match change {
            _ if stream.is_empty() => {}
            Change::Replace(at, byte) => {
                let at = at.index(stream.len());
                stream[at] = byte;
            }
            Change::Insert(at, text) => {
                let at = at.index(stream.len());
                stream.splice(at..at, text.bytes());
            }
            Change::Cut(at) => {
                let at = at.index(stream.len());
                stream.remove(at);
            }
        }
    }
    stream
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn good_requests_are_let_through_as_they_are(requests in vec(good(), 1..6), lengths in vec(0usize..50, 0..60)) {
        let stream = requests.concat();
        prop_assert_eq!(sifted(&stream, lengths), (stream, None, requests.len() as u64));
    }

    #[test]
    fn whatever_comes_the_reads_that_it_comes_in_change_nothing(
        requests in vec(good(), 1..6),
        changes in vec(change(), 1..5),
        lengths in vec(0usize..50, 0..60),
    ) {
        let stream = changed(requests.concat(), changes);
        let (through, end, heads) = sifted(&stream, []);
        prop_assert!(stream.starts_with(&through), "what is let through is not what came");
        prop_assert_eq!(sifted(&stream, lengths), (through, end, heads));
    }

    #[test]
    fn byte_by_byte_too(stream in vec(select(b"GET / HTTP/1.10:\r\nHost: a\0".to_vec()), 0..300)) {
        prop_assert_eq!(sifted(&stream, vec![1; stream.len()]), sifted(&stream, []));
    }
}

#[test]
fn a_head_that_never_ends_is_not_kept() {
    for start in ["", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let mut sieve = Sieve::default();
        let mut before = Vec::new();
        sieve.sift(start.as_bytes(), &mut before);
        for _ in 0..100 {
            assert!(sieve.sift(&[b'a'; 1_000], &mut before).is_empty());
            assert!(sieve.held.len() <= crate::serve::head::MAX_HEAD);
        }
        assert!(matches!(sieve.end(), Some(End::Refused(_))) && sieve.held.is_empty() && before.is_empty());
    }
}
